package functions

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// Limits of the service, in bytes.
const (
	maxZip      = 50 << 20
	maxUnzipped = 250 << 20
)

// code is a function's code.
type code struct {
	Zip     string // SHA-256 in hexadecimal
	Members string // the same of what is in it, which is what the function is: the SDK packs the same file again each time, at another time
	Size    int64
}

// takeCode reads the zip of a request, checks that it can be unpacked, and keeps it under its digest.
func (s *Service) takeCode(ctx context.Context, inline []byte, bucket, key *string) (c code, err error) {
	data := inline
	switch {
	case inline != nil && (bucket != nil || key != nil):
		return c, invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
	case inline == nil && (bucket == nil || key == nil):
		return c, invalid("Please provide a source for function code: ZipFile, or S3Bucket and S3Key.")
	case inline == nil:
		body, _, err := s.Objects.Get(ctx, *bucket, *key)
		if err != nil {
			return c, invalid("Error occurred while GetObject. s3://%s/%s: %v", *bucket, *key, err)
		}
		defer body.Close()
		if data, err = io.ReadAll(io.LimitReader(body, maxZip+1)); err != nil {
			return c, err
		}
	}
	if len(data) > maxZip {
		return c, failed("RequestTooLargeException", 413, "The code has more than %d bytes, the most that is allowed.", maxZip)
	}
	if c.Members, err = readZip(data); err != nil {
		return c, invalid("Could not unzip uploaded file. Please check your file, then try to upload again. %v", err)
	}
	digest := sha256.Sum256(data)
	c.Zip, c.Size = hex.EncodeToString(digest[:]), int64(len(data))
	return c, s.keepCode(c.Zip, data)
}

// readZip reads a zip through and returns the digest of its members: names, modes and content, whatever their order and times.
func readZip(data []byte) (members string, err error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", err
	}
	var all []string
	left := int64(maxUnzipped)
	for _, f := range r.File {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return "", fmt.Errorf("its member '%s' leads out of the archive", f.Name)
		}
		in, err := f.Open()
		if err != nil {
			return "", fmt.Errorf("member %s: %w", f.Name, err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, io.LimitReader(in, left+1))
		if err = errors.Join(err, in.Close()); err != nil {
			return "", fmt.Errorf("member %s: %w", f.Name, err)
		}
		if left -= n; left < 0 {
			return "", fmt.Errorf("unzipped size must be smaller than %d bytes", maxUnzipped)
		}
		all = append(all, fmt.Sprintf("%q %o %x", f.Name, f.Mode(), sum.Sum(nil)))
	}
	slices.Sort(all)
	digest := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return hex.EncodeToString(digest[:]), nil
}

func (s *Service) codePath(sum string) string { return filepath.Join(s.Dir, "code", sum+".zip") }

// keepCode writes a zip so that it is on disk, whole, when this returns.
func (s *Service) keepCode(sum string, data []byte) error {
	path := s.codePath(sum)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // which the rename has taken away
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// dropCode removes a zip that no function and no invocation needs any more.
func (s *Service) dropCode(ctx context.Context, sum string) error {
	s.codes.Lock()
	defer s.codes.Unlock()
	needed := false
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		scope, q := identity.From(ctx).Scope(), store.Query{Keys: map[string]string{"code": sum}, SortBy: store.ByName, Limit: 1}
		functions, err := functionRows.List(tx, scope, q)
		if err != nil {
			return err
		}
		invocations, err := invocationRows.List(tx, scope, q)
		needed = len(functions.Items)+len(invocations.Items) > 0
		return err
	})
	if err != nil || needed {
		return err
	}
	if err := os.Remove(s.codePath(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unpack lays the code out in a folder.
func (s *Service) unpack(sum, folder string) error {
	r, err := zip.OpenReader(s.codePath(sum))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder) // nothing leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range r.File {
		if err := unpackMember(root, f); err != nil {
			return fmt.Errorf("member %s: %w", f.Name, err)
		}
	}
	return nil
}

func unpackMember(root *os.Root, f *zip.File) error {
	name := filepath.FromSlash(f.Name)
	if f.FileInfo().IsDir() {
		return makeFolders(root, filepath.Clean(name))
	}
	if err := makeFolders(root, filepath.Dir(name)); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o644)
	if f.Mode()&0o100 != 0 {
		mode = 0o755
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxUnzipped))
	return errors.Join(err, out.Close())
}

func makeFolders(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	return root.MkdirAll(name, 0o755)
}

// CodeDigest changes with a function's code and with how it runs.
func (s *Service) CodeDigest(ctx context.Context, functionARN string) (string, error) {
	f, err := s.look(ctx, &functionARN, nil)
	if err != nil {
		return "", err
	}
	return f.Code.Members + " " + f.Handler + " " + f.Runtime + fmt.Sprint(f.Environment), nil
}

// Image is the image whose Python world a function runs in.
func (s *Service) Image(ctx context.Context, functionARN string) (string, error) {
	f, err := s.look(ctx, &functionARN, nil)
	if err != nil {
		return "", err
	}
	version, err := runtimeOf(f.Runtime)
	return "python:" + version, err
}
