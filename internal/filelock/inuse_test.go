package filelock_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/mobula-ml/mobula/internal/filelock"
)

func TestFolderOfARunningProgramIsInUse(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	program := filepath.Join(folder, "bin")
	if err := os.WriteFile(program, b, 0o700); err != nil {
		t.Fatal(err)
	}
	if filelock.InUse(folder) {
		t.Error("a folder from which nothing runs is in use")
	}
	cmd := exec.Command(program, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	used := filelock.InUse(folder)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if cmd.Wait(); !used {
		t.Error("a folder from which a program runs is not in use")
	}
}
