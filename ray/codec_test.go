package ray

import (
	"testing"
)

// FuzzDecode reads bytes as values of several types: whatever they are, the answer is a value or an error.
func FuzzDecode(f *testing.F) {
	type inner struct {
		R Ref[int]
		M map[string][]float64
	}
	for _, v := range []any{inner{M: map[string][]float64{"a": {1}}}, inner{R: Ref[int]{&handle{id: "o1"}}}} {
		p, err := encode(v.(inner))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Data)
	}
	f.Add([]byte{codeNumbers, 1, 2, 3})
	f.Add([]byte{codeBytes, 'a'})
	f.Add([]byte{})
	e := &local{store: store{objects: map[string]*object{}}}
	f.Fuzz(func(_ *testing.T, b []byte) {
		p := payload{Data: b}
		_ = decode(p, new(inner), e)
		_ = decode(p, new([]float64), e)
		_ = decode(p, new([]byte), e)
		_ = decode(p, new(*int), e)
		_ = decode(p, new(string), e)
		_ = decode(p, new(struct{}), e)
	})
}
