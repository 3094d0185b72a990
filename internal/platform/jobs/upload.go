package jobs

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/tarball"
)

// upload brings what the hosts left to S3. Each object appears whole; a job that is interrupted here uploads again. Of a job that failed,
// output.tar.gz and continuous outputs are kept and nothing else; of a training job that was stopped, the model that it may have saved when it was
// told to end, too.
func (p *pass) upload(ctx context.Context, ended runner.State) error {
	succeeded := ended == runner.Completed
	for _, o := range p.outputs() {
		if !succeeded && !o.continuous {
			continue
		}
		if err := p.uploadFolder(ctx, o, func(string, stamp) bool { return true }); err != nil {
			return full(err, o.name)
		}
	}
	if p.job.Training == nil {
		return nil
	}
	_, hosts := p.job.cluster()
	var models, data []string
	for n := 1; n <= hosts; n++ {
		models, data = append(models, p.at(n, ml+"/model")), append(data, p.at(n, ml+"/output/data"))
	}
	if err := p.uploadArchive(ctx, "output.tar.gz", data, false); err != nil {
		return full(err, "output.tar.gz")
	}
	if !succeeded && ended != runner.Stopped {
		return nil
	}
	return full(p.uploadArchive(ctx, "model.tar.gz", models, succeeded), "model.tar.gz")
}

// full makes a full disk, which the user can mend, a failure of the job that says so; other errors are tried again.
func full(err error, what string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, object.ErrNoSpace) {
		return clientError("%s could not be uploaded: the disk of the server is full (%v). Make room and run the job again.", what, err)
	}
	if errors.Is(err, object.ErrNoSuchBucket) {
		return clientError("%s could not be uploaded: %v", what, err)
	}
	return err
}

// regular lists the regular files below a folder, by their path relative to it. Links are left out: they could lead to what is not the job's.
func regular(folder string) (names []string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the job removed the folder itself
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		names = append(names, name)
		return err
	})
	slices.Sort(names)
	return names, err
}

// own opens a folder of a host so that nothing outside the host's own tree can be reached through it.
func (p *pass) own(folder string) (*os.Root, error) {
	for n := 1; ; n++ {
		base := filepath.Join(runner.HostDir(p.dir, n), "ml")
		rel, err := filepath.Rel(base, folder)
		if err != nil || !filepath.IsLocal(rel) {
			if n > runner.MaxHosts {
				return nil, fmt.Errorf("%s is in no host of the job", folder)
			}
			continue
		}
		root, err := os.OpenRoot(base)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		return root.OpenRoot(rel)
	}
}

// uploadFolder uploads the files of an output that are ready and were not uploaded as they are.
func (p *pass) uploadFolder(ctx context.Context, o output, ready func(path string, now stamp) bool) error {
	bucket, prefix, err := object.ParseURI(o.uri)
	if err != nil {
		return clientError("'%s': %v", o.uri, err)
	}
	names, err := regular(o.folder)
	if err != nil || len(names) == 0 {
		return err
	}
	root, err := p.own(o.folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range names {
		key := strings.TrimPrefix(strings.TrimSuffix(prefix, "/")+"/"+filepath.ToSlash(name), "/")
		err := p.uploadFile(ctx, root, name, filepath.Join(o.folder, name), bucket, key, ready)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a job that runs may have taken it away
			return err
		}
	}
	return nil
}

func (p *pass) uploadFile(ctx context.Context, root *os.Root, name, path, bucket, key string, ready func(path string, now stamp) bool) error {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a job that runs may have put a pipe in the file's place
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	now := stampOf(info)
	if sent, known := p.sent[path]; !ready(path, now) || known && sent == now {
		return nil
	}
	if _, err := p.svc.Objects.Put(ctx, bucket, key, f, object.PutOptions{}); err != nil {
		return err
	}
	if info, err = f.Stat(); err == nil && stampOf(info) == now {
		p.sent[path] = now
	}
	return err
}

// uploadArchive packs the folders of all hosts into one archive. Equal contents give equal bytes: names are sorted, times and owners are none.
func (p *pass) uploadArchive(ctx context.Context, name string, folders []string, evenEmpty bool) error {
	any := evenEmpty
	for _, f := range folders {
		names, err := regular(f)
		if err != nil {
			return err
		}
		any = any || len(names) > 0
	}
	if !any {
		return nil
	}
	bucket, key, err := object.ParseURI(p.job.outputURI(name))
	if err != nil {
		return clientError("'%s': %v", p.job.outputURI(name), err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(p.pack(w, folders)) }()
	_, err = p.svc.Objects.Put(ctx, bucket, key, r, object.PutOptions{ContentType: "application/x-tar"})
	r.CloseWithError(io.ErrClosedPipe) // ends the packing where Put gave up before its end
	return err
}

func (p *pass) pack(w io.Writer, folders []string) error {
	var roots []*os.Root
	defer func() {
		for _, root := range roots {
			root.Close()
		}
	}()
	for _, folder := range folders {
		names, err := regular(folder)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			continue // it may be gone
		}
		root, err := p.own(folder)
		if err != nil {
			return err
		}
		roots = append(roots, root)
	}
	zip := gzip.NewWriter(w)
	return errors.Join(tarball.PackRoots(zip, roots...), zip.Close())
}
