package tarball_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/tarball"
)

func TestWhatIsPackedComesOut(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	for name, text := range map[string]string{"a.py": "print(1)", "pkg/b.py": "", "run.sh": "#!/bin/sh"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	var plain, zipped, again bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	for _, err := range []error{tarball.Pack(&plain, from), tarball.Pack(zip, from), zip.Close(), tarball.Pack(&again, from)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(plain.Bytes(), again.Bytes()) {
		t.Error("the same folder gave other bytes")
	}
	for _, archive := range []*bytes.Buffer{&plain, &zipped} {
		if err := tarball.Unpack(to, archive); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(to, "a.py")); err != nil || string(b) != "print(1)" {
			t.Errorf("a.py: %q, %v", b, err)
		}
		if info, err := os.Stat(filepath.Join(to, "run.sh")); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("run.sh cannot be run: %v", err)
		}
	}
}

func TestALeadingSlashIsLeftOut(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "/", Typeflag: tar.TypeDir}, {Name: "/code/x.py", Typeflag: tar.TypeReg}} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	to := t.TempDir()
	if err := tarball.Unpack(to, &b); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(to, "code", "x.py")); err != nil {
		t.Error(err)
	}
}

func TestWhatLeavesTheFolderIsRefused(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]tar.Header{
		"parent": {Name: "../x", Typeflag: tar.TypeReg},
		"link":   {Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"device": {Name: "d", Typeflag: tar.TypeChar},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Close()
		parent := t.TempDir()
		if err := tarball.Unpack(filepath.Join(parent, "in"), &b); err == nil {
			t.Errorf("%s: unpacked", name)
		}
		if found, _ := filepath.Glob(filepath.Join(parent, "x")); len(found) > 0 {
			t.Errorf("%s: wrote %v", name, found)
		}
	}
	if err := tarball.Unpack(t.TempDir(), strings.NewReader("\x1f\x8bno")); err == nil {
		t.Error("a broken gzip was unpacked")
	}
}
