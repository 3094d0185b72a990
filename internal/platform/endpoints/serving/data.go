package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/tarball"
)

// submitVariable says where the user's code is: an archive in S3, or a folder of the host.
const submitVariable = "SAGEMAKER_SUBMIT_DIRECTORY"

// fill brings a container's model and code into its /opt/ml.
func (h *Hosts) fill(ctx context.Context, c Container, ml string) error {
	if err := os.MkdirAll(filepath.Join(ml, "model"), 0o755); err != nil {
		return err
	}
	switch {
	case c.DataURL == "":
	case c.Uncompressed:
		if err := h.copyPrefix(ctx, c.DataURL, filepath.Join(ml, "model")); err != nil {
			return err
		}
	default:
		if err := h.unpack(ctx, "model data", c.DataURL, filepath.Join(ml, "model")); err != nil {
			return err
		}
	}
	if code := c.Environment[submitVariable]; strings.HasPrefix(code, "s3://") {
		return h.unpack(ctx, "code of "+submitVariable, code, filepath.Join(ml, "code"))
	}
	return nil
}

// explain makes of an error on the way of data the failure that it is, if it is the user's.
func explain(what, uri string, err error) error {
	var wrong *object.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchBucket):
		return &Failure{fmt.Sprintf("The %s %s does not exist.", what, uri)}
	case errors.Is(err, syscall.ENOSPC):
		return &Failure{fmt.Sprintf("The %s %s could not be unpacked: the disk of the server is full.", what, uri)}
	case errors.As(err, &wrong):
		return &Failure{fmt.Sprintf("The %s %s: %v", what, uri, err)}
	}
	return err
}

func (h *Hosts) unpack(ctx context.Context, what, uri, folder string) error {
	bucket, key, err := object.ParseURI(uri)
	if err != nil {
		return &Failure{fmt.Sprintf("The %s %s: %v", what, uri, err)}
	}
	body, _, err := h.Objects.Get(ctx, bucket, key)
	if err != nil {
		return explain(what, uri, err)
	}
	defer body.Close()
	err = tarball.Unpack(folder, body)
	if err != nil && !errors.Is(err, syscall.ENOSPC) && ctx.Err() == nil {
		return &Failure{fmt.Sprintf("The %s %s is not a sound tar.gz: %v", what, uri, err)}
	}
	return explain(what, uri, err)
}

// copyPrefix copies the objects of a prefix, or the one object of that key.
func (h *Hosts) copyPrefix(ctx context.Context, uri, folder string) error {
	bucket, prefix, err := object.ParseURI(uri)
	if err != nil {
		return &Failure{fmt.Sprintf("The model data %s: %v", uri, err)}
	}
	found := 0
	for after, more := "", true; more; {
		var page []object.Info
		if page, more, err = h.Objects.List(ctx, bucket, prefix, after, 0); err != nil {
			return explain("model data", uri, err)
		}
		for _, o := range page {
			after = o.Key
			name := strings.TrimPrefix(o.Key, prefix)
			if o.Key == prefix {
				name = o.Key[strings.LastIndexByte(o.Key, '/')+1:]
			}
			name = strings.TrimPrefix(name, "/")
			if name == "" || strings.HasSuffix(name, "/") || !filepath.IsLocal(name) || o.Key != prefix && !strings.HasSuffix(prefix, "/") && o.Key[len(prefix)] != '/' {
				continue
			}
			if err := h.copyObject(ctx, o, filepath.Join(folder, name)); err != nil {
				return explain("model data", uri, err)
			}
			found++
		}
	}
	if found == 0 {
		return &Failure{fmt.Sprintf("The model data %s does not exist.", uri)}
	}
	return nil
}

func (h *Hosts) copyObject(ctx context.Context, o object.Info, to string) error {
	body, _, err := h.Objects.Get(ctx, o.Bucket, o.Key)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}
