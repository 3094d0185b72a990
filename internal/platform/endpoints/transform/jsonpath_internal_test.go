package transform

import (
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	const record = `{"id": 7, "features": {"b": [1.50, 2, 3], "a": "x"}, "list": [{"n": 1}, {"m": 2}, {"n": 3}], "odd name": null}`
	for path, want := range map[string]string{
		"$":                    `{"id":7,"features":{"b":[1.50,2,3],"a":"x"},"list":[{"n":1},{"m":2},{"n":3}],"odd name":null}`,
		"$.id":                 "7",
		"$.features.b[0]":      "1.50",
		"$.features.b[-1]":     "3",
		"$.features.b[1:]":     "[2,3]",
		"$.features.b[:-1]":    "[1.50,2]",
		"$.features.b[0, 2]":   "[1.50,3]",
		"$.features.b[9:]":     "[]",
		"$['id','odd name']":   `{"id":7,"odd name":null}`,
		"$['features']['a']":   `"x"`,
		"$.list[*].n":          "[1,3]",
		"$.features.*":         `[[1.50,2,3],"x"]`,
		"$.list[0:2]['n','m']": `[{"n":1},{"m":2}]`,
	} {
		v, err := jsonForm.parse([]byte(record))
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePath(path)
		if err == nil {
			v, err = p.find(v)
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got, err := jsonForm.render(v); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", path, got, err, want)
		}
	}
	for path, want := range map[string]string{"id": "must begin with $", "$..id": "not served", "$.": "without a name", "$[1": "without a ']'", "$[x]": "no number",
		"$['a' 'b']": "must be a ','", "$id": "where '.' or '[' is needed"} {
		if _, err := parsePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	for path, want := range map[string]string{"$.none": "no member 'none'", "$.id[0]": "has none there", "$.features.b[7]": "entry 7 of a list of 3", "$.id.x": "no object there"} {
		v, _ := jsonForm.parse([]byte(record))
		p, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.find(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"$", "$.a['b','c'][1:2]", "$[*].x", "$['", "$[-1,]"} {
		f.Add(seed)
	}
	v, err := jsonForm.parse([]byte(`{"a": [1, {"b": 2}], "c": {"d": []}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePath(text); err == nil {
			_, _ = p.find(v) // it must not panic, whatever it finds
		}
	})
}
