package objecttest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/object"
)

func testUploads(t *testing.T, s object.Store) {
	up, has := s.(object.Uploads)
	if !has {
		return // a store may do without
	}
	ctx := t.Context()
	u, err := up.CreateUpload(ctx, bucket, "big", object.PutOptions{ContentType: "x/y", Metadata: map[string]string{"a": "b"}, Checksums: []object.Checksum{{Algorithm: "CRC32"}}})
	ok(t, err)
	first := bytes.Repeat([]byte("p"), object.MinPartBytes)
	bodies := map[int]string{1: string(first), 3: "overwritten", 7: string(first)}
	for number, body := range bodies {
		_, err := up.PutPart(ctx, bucket, "big", u.ID, number, strings.NewReader(body), object.PutOptions{})
		ok(t, err)
	}
	last, err := up.PutPart(ctx, bucket, "big", u.ID, 3, strings.NewReader("tail"), object.PutOptions{})
	ok(t, err)
	_, parts, more, err := up.ListParts(ctx, bucket, "big", u.ID, 0, 2)
	if err != nil || len(parts) != 2 || !more || parts[0].Number != 1 || parts[1].Number != 3 || parts[1].Size != 4 || parts[1].Checksum["CRC32"] == "" {
		t.Fatalf("got %+v, %v, %v", parts, more, err)
	}
	if _, err := s.Head(ctx, bucket, "big"); !errors.Is(err, object.ErrNoSuchKey) {
		t.Fatalf("the object is there before it is complete: %v", err)
	}
	list, err := up.ListUploads(ctx, bucket, "b")
	if err != nil || len(list) != 1 || list[0].ID != u.ID {
		t.Fatalf("got %+v, %v", list, err)
	}
	for range 2 { // a client that lost the answer asks again
		info, err := up.CompleteUpload(ctx, bucket, "big", u.ID, []object.Part{{Number: 1, ETag: parts[0].ETag}, {Number: 3, ETag: last.ETag}}, object.PutOptions{})
		if err != nil || !strings.HasSuffix(info.ETag, "-2") || info.Size != object.MinPartBytes+4 || !strings.HasSuffix(info.Checksums["CRC32"], "-2") {
			t.Fatalf("got %+v, %v", info, err)
		}
	}
	if got := get(t, s, "big"); got != string(first)+"tail" {
		t.Fatalf("got %d bytes", len(got))
	}
	info, err := s.Head(ctx, bucket, "big")
	if err != nil || info.ContentType != "x/y" || info.Metadata["a"] != "b" || !strings.HasSuffix(info.ETag, "-2") {
		t.Fatalf("got %+v, %v", info, err)
	}
	if list, err := up.ListUploads(ctx, bucket, ""); err != nil || len(list) != 0 {
		t.Fatalf("got %+v, %v", list, err)
	}
}

func testUploadsRefuse(t *testing.T, s object.Store) {
	up, has := s.(object.Uploads)
	if !has {
		return
	}
	ctx := t.Context()
	_, err := up.CreateUpload(ctx, "no-bucket", "k", object.PutOptions{})
	wants(t, err, object.ErrNoSuchBucket)
	u, err := up.CreateUpload(ctx, bucket, "k", object.PutOptions{})
	ok(t, err)
	small, err := up.PutPart(ctx, bucket, "k", u.ID, 1, strings.NewReader("small"), object.PutOptions{})
	ok(t, err)
	_, err = up.PutPart(ctx, bucket, "k", u.ID, 1, strings.NewReader("x"), object.PutOptions{MD5: make([]byte, 16)})
	wants(t, err, object.ErrBadDigest)
	for _, number := range []int{0, 10001} {
		_, err = up.PutPart(ctx, bucket, "k", u.ID, number, strings.NewReader("x"), object.PutOptions{})
		wants(t, err, object.ErrInvalidKey)
	}
	for _, id := range []string{"", "..", strings.Repeat("0", 32)} {
		_, err = up.PutPart(ctx, bucket, "k", id, 1, strings.NewReader("x"), object.PutOptions{})
		wants(t, err, object.ErrNoSuchUpload)
	}
	_, err = up.PutPart(ctx, bucket, "other", u.ID, 1, strings.NewReader("x"), object.PutOptions{})
	wants(t, err, object.ErrNoSuchUpload)
	one := object.Part{Number: 1, ETag: small.ETag}
	for want, parts := range map[error][]object.Part{
		object.ErrInvalidRequest:   nil,
		object.ErrInvalidPart:      {{Number: 2, ETag: small.ETag}},
		object.ErrInvalidPartOrder: {one, one},
		object.ErrEntityTooSmall:   {one, {Number: 2, ETag: small.ETag}},
	} {
		_, err = up.CompleteUpload(ctx, bucket, "k", u.ID, parts, object.PutOptions{})
		wants(t, err, want)
	}
	_, err = up.CompleteUpload(ctx, bucket, "k", u.ID, []object.Part{{Number: 1, ETag: "other"}}, object.PutOptions{})
	wants(t, err, object.ErrInvalidPart)
	put(t, s, "k", "in the way")
	_, err = up.CompleteUpload(ctx, bucket, "k", u.ID, []object.Part{one}, object.PutOptions{IfNoneMatch: true})
	wants(t, err, object.ErrPreconditionFailed)
	if got := get(t, s, "k"); got != "in the way" {
		t.Fatalf("got %q", got)
	}
	ok(t, up.AbortUpload(ctx, bucket, "k", u.ID))
	wants(t, up.AbortUpload(ctx, bucket, "k", u.ID), object.ErrNoSuchUpload)
}
