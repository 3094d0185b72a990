package endpoints

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/mobula-ml/mobula/internal/object"
)

// Limits of a model archive.
const (
	maxModelBytes = 30 << 30
	maxModelFiles = 100_000
)

// unpack unpacks a model archive into a new folder. What would leave the folder, links and devices are refused.
func (s *Service) unpack(ctx context.Context, uri, folder string) error {
	bucket, key, err := object.ParseURI(uri)
	if err != nil {
		return &failure{fmt.Sprintf("The model data %s: %v", uri, err)}
	}
	body, _, err := s.Objects.Get(ctx, bucket, key)
	if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchBucket) {
		return &failure{fmt.Sprintf("The model data %s does not exist.", uri)}
	}
	if err != nil {
		return err
	}
	defer body.Close()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	err = extract(root, body)
	if errors.Is(err, syscall.ENOSPC) {
		return &failure{fmt.Sprintf("The model data %s could not be unpacked: the disk of the server is full.", uri)}
	}
	if err != nil {
		return &failure{fmt.Sprintf("The model data %s is not a sound model.tar.gz: %v", uri, err)}
	}
	return nil
}

func extract(root *os.Root, body io.Reader) error {
	zip, err := gzip.NewReader(body)
	if err != nil {
		return fmt.Errorf("it is no gzip: %w", err)
	}
	var bytes int64
	archive := tar.NewReader(zip)
	for files := 0; ; files++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, zip) // the checksum stands at the end
			return err
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if bytes += h.Size; bytes > maxModelBytes || files > maxModelFiles {
			return fmt.Errorf("it holds more than %d bytes or %d files", int64(maxModelBytes), maxModelFiles)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			if name != "." {
				err = root.MkdirAll(name, 0o755)
			}
		case tar.TypeReg:
			err = extractFile(root, name, archive)
		default:
			err = fmt.Errorf("%s is neither a file nor a folder", h.Name)
		}
		if err != nil {
			return err
		}
	}
}

func extractFile(root *os.Root, name string, from io.Reader) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fs.FileMode(0o644))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
