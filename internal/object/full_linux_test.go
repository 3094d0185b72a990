package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mobula-ml/mobula/internal/object"
)

func init() { children["full disk"] = fillDisk }

// fillDisk runs alone in a mount namespace: it mounts one mebibyte and tries to put more on it.
func fillDisk(root string) {
	err := func() error {
		if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		f, err := object.OpenFiles(root, object.FilesOptions{})
		if err != nil {
			return err
		}
		ctx := context.Background()
		if err := f.CreateBucket(ctx, bucket); err != nil {
			return err
		}
		before, err := f.Put(ctx, bucket, "k", strings.NewReader("kept"), object.PutOptions{Metadata: map[string]string{"m": strings.Repeat("v", 1000)}})
		if err != nil {
			return err
		}
		big := bytes.Repeat([]byte("x"), 2<<20)
		for _, key := range []string{"k", "new/deep/key"} {
			_, err = f.Put(ctx, bucket, key, bytes.NewReader(big), object.PutOptions{})
			if !errors.Is(err, object.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some space") {
				return fmt.Errorf("a full disk gave %v", err)
			}
		}
		u, err := f.CreateUpload(ctx, bucket, "parts", object.PutOptions{})
		if err != nil {
			return err
		}
		if _, err = f.PutPart(ctx, bucket, "parts", u.ID, 1, bytes.NewReader(big), object.PutOptions{}); !errors.Is(err, object.ErrNoSpace) {
			return fmt.Errorf("a full disk gave a part %v", err)
		}
		r, info, err := f.Get(ctx, bucket, "k")
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		if err != nil || string(b) != "kept" || info.ETag != before.ETag || info.Metadata["m"] != before.Metadata["m"] {
			return fmt.Errorf("the old object changed: %q, %+v, %v", b, info, err)
		}
		if left, err := os.ReadDir(filepath.Join(root, ".sys", "tmp")); err != nil || len(left) != 0 {
			return fmt.Errorf("%d temporary files are left, %v", len(left), err)
		}
		page, _, err := f.List(ctx, bucket, "", "", 0)
		if err != nil || len(page) != 1 {
			return fmt.Errorf("listed %+v, %w", page, err)
		}
		_, err = f.Put(ctx, bucket, "fits", strings.NewReader("small"), object.PutOptions{})
		return err
	}()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func TestFullDiskChangesNothing(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OBJECT_TEST_CHILD=full disk", "OBJECT_TEST_ROOT="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
