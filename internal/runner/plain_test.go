package runner

import (
	"slices"
	"strings"
	"testing"
)

func TestRewriteML(t *testing.T) {
	const ml = "/jobs/a$1/algo-1/ml"
	for text, expect := range map[string]string{
		"/opt/ml":                             ml,
		"/opt/ml/model":                       ml + "/model",
		"--model-dir=/opt/ml/model":           "--model-dir=" + ml + "/model",
		`["/opt/ml/code","/opt/ml/output/x"]`: `["` + ml + `/code","` + ml + `/output/x"]`,
		"/opt/ml:/opt/ml/code":                ml + ":" + ml + "/code",
		"/opt/mlx":                            "/opt/mlx",
		"/opt/ml.old/x":                       "/opt/ml.old/x",
		"s3://bucket/opt/ml/model":            "s3://bucket/opt/ml/model",
		"/data/opt/ml":                        "/data/opt/ml",
		"":                                    "",
	} {
		if got := rewriteML(text, ml); got != expect {
			t.Errorf("%q: got %q, want %q", text, got, expect)
		}
	}
}

// FuzzRewriteML: text without /opt/ml stays as it is, and rewriting to /opt/ml itself changes nothing.
func FuzzRewriteML(f *testing.F) {
	for _, seed := range []string{"/opt/ml/model", "a=/opt/ml,/opt/ml", "$1/opt/ml\x00", "/opt/ml /opt/ml"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := rewriteML(text, mlPath); got != text {
			t.Errorf("%q became %q", text, got)
		}
		if !strings.Contains(text, mlPath) && rewriteML(text, "/x") != text {
			t.Errorf("%q changed", text)
		}
	})
}

func TestUserEnvironment(t *testing.T) {
	env := userEnvironment([]string{"PATH=/home/u/bin:.:/usr/bin", "PIP_INDEX_URL=https://example.com/simple", "UV_CACHE_DIR=/home/u/.cache/uv",
		"UV_DEFAULT_INDEX=x", "SSL_CERT_FILE=/etc/ca.pem", "AWS_SECRET_ACCESS_KEY=secret", "PIPX=1", "PIP_TARGET=/t", "odd"})
	var names []string
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"PATH", "PIP_INDEX_URL", "SSL_CERT_FILE", "UV_DEFAULT_INDEX"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if want := "/home/u/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"; env["PATH"] != want {
		t.Errorf("PATH: got %s, want %s", env["PATH"], want)
	}
}
