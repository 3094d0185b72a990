// Package containertest has an engine for tests, which knows one image.
package containertest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Image is the name of the image that the engine knows.
const Image = "registry.example/mine:1"

// Engine writes a program that speaks as docker and podman do and has an image of the file system at root. What it is asked for is a line each in the
// file that is returned besides. A file "broken" beside it makes exports end in the middle.
func Engine(t testing.TB, root, entrypoint string) (program, asked string) {
	t.Helper()
	dir := t.TempDir()
	program, asked = filepath.Join(dir, "engine"), filepath.Join(dir, "asked")
	text := fmt.Sprintf(`#!/bin/sh
echo "$@" >> %[1]s/asked
case "$1" in
image)
	[ "$3" = %[2]s ] || { echo "Error: No such image: $3" >&2; exit 1; }
	echo '[{"Id": "sha256:0123456789abcdef", "Architecture": "%[3]s", "Config": {"Entrypoint": %[4]s, "Cmd": ["usual"], "Env": ["FROM=image", "PATH=/bin"], "WorkingDir": "/work"}}]';;
create) echo made;;
export)
	if [ -e %[1]s/broken ]; then tar -C %[5]s -c . | head -c 20000; echo "the disk of the engine broke" >&2; exit 3; fi
	tar -C %[5]s -c .;;
esac
`, dir, Image, runtime.GOARCH, entrypoint, root)
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, asked
}
