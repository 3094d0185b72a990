package serving

import (
	"context"
	"errors"
	"io"
	"sync"
)

// PartBytes is the most that is read of a streamed answer at a time.
const PartBytes = 32 << 10

// Stream is Ask for an answer that is read as it is made: it returns when the first part of it is there, which is its Body. The request is in
// flight until Rest is closed or ctx ends. An error answer is whole.
func (h *Host) Stream(ctx context.Context, r Request, maxAnswer int64) (*Answer, error) {
	h.inFlight.Add(1)
	done := sync.OnceFunc(func() { h.inFlight.Add(-1) })
	a, err := h.stream(ctx, r, maxAnswer)
	if err != nil || a.Rest == nil {
		done()
		return a, err
	}
	a.Rest = &rest{a.Rest, done, context.AfterFunc(ctx, done)}
	return a, nil
}

func (h *Host) stream(ctx context.Context, r Request, maxAnswer int64) (*Answer, error) {
	last, r, a, err := h.upToLast(ctx, r, maxAnswer)
	if a != nil || err != nil {
		return a, err
	}
	resp, err := last.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return answerOf(resp, body), err
	}
	first := make([]byte, PartBytes)
	n, err := resp.Body.Read(first)
	for n == 0 && err == nil {
		n, err = resp.Body.Read(first)
	}
	if err != nil && n == 0 && !errors.Is(err, io.EOF) {
		resp.Body.Close()
		return nil, err
	}
	a = answerOf(resp, first[:n])
	a.Rest = resp.Body // which says again what its end is
	return a, nil
}

// rest is a body that is in flight until it is closed.
type rest struct {
	io.ReadCloser
	done    func()
	unwatch func() bool
}

func (r *rest) Close() error {
	r.unwatch()
	r.done()
	return r.ReadCloser.Close()
}
