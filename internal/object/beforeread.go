package object

import (
	"context"
	"io"
)

// BeforeRead is called before anything under a prefix is read or listed, so that a room that holds objects back can write them first.
type BeforeRead func(ctx context.Context, bucket, prefix string) error

// WithBeforeRead returns a store that calls the hook before each Get, Head, List, LocalPath and Digest; an error of the hook is that of the read.
// LocalPath answers not-ok then. Writes pass straight through.
func WithBeforeRead(s Store, hook BeforeRead) Store {
	if hook == nil {
		return s
	}
	return hooked{Store: s, hook: hook}
}

type hooked struct {
	Store
	hook BeforeRead
}

func (h hooked) unwrap() Store { return h.Store }

func (h hooked) Get(ctx context.Context, bucket, key string) (io.ReadSeekCloser, Info, error) {
	if err := h.hook(ctx, bucket, key); err != nil {
		return nil, Info{}, err
	}
	return h.Store.Get(ctx, bucket, key)
}

func (h hooked) Head(ctx context.Context, bucket, key string) (Info, error) {
	if err := h.hook(ctx, bucket, key); err != nil {
		return Info{}, err
	}
	return h.Store.Head(ctx, bucket, key)
}

func (h hooked) List(ctx context.Context, bucket, prefix, after string, limit int) ([]Info, bool, error) {
	if err := h.hook(ctx, bucket, prefix); err != nil {
		return nil, false, err
	}
	return h.Store.List(ctx, bucket, prefix, after, limit)
}

func (h hooked) ListGroups(ctx context.Context, bucket, prefix, delimiter, after string, limit int) (Page, error) {
	if err := h.hook(ctx, bucket, prefix); err != nil {
		return Page{}, err
	}
	return h.Store.ListGroups(ctx, bucket, prefix, delimiter, after, limit)
}

func (h hooked) LocalPath(ctx context.Context, bucket, key string) (string, bool) {
	if h.hook(ctx, bucket, key) != nil {
		return "", false
	}
	return h.Store.LocalPath(ctx, bucket, key)
}

func (h hooked) Digest(ctx context.Context, bucket, key string) (string, error) {
	if err := h.hook(ctx, bucket, key); err != nil {
		return "", err
	}
	return h.Store.Digest(ctx, bucket, key)
}

// uploadsOf finds the multipart side of a store below any hooks.
func uploadsOf(s Store) (Uploads, bool) {
	for {
		if u, ok := s.(Uploads); ok {
			return u, true
		}
		w, ok := s.(interface{ unwrap() Store })
		if !ok {
			return nil, false
		}
		s = w.unwrap()
	}
}
