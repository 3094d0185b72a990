package s3client

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// List gives the objects whose key has the prefix, sorted by key, a page of the server at a time. It ends after the first error.
func (c *Client) List(ctx context.Context, bucket, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		token := ""
		for {
			query := url.Values{"list-type": {"2"}, "prefix": {prefix}, "encoding-type": {"url"}}
			if token != "" {
				query.Set("continuation-token", token)
			}
			page, err := c.page(ctx, bucket, query)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, e := range page.Contents {
				key, err := url.QueryUnescape(e.Key)
				if err != nil {
					yield(Object{}, fmt.Errorf("s3: list bucket %s: the key %q is not URL-encoded: %w", bucket, e.Key, err))
					return
				}
				if !yield(Object{Key: key, Size: e.Size, ETag: strings.Trim(e.ETag, `"`), Modified: e.LastModified}, nil) {
					return
				}
			}
			if token = page.NextContinuationToken; !page.IsTruncated || token == "" {
				return
			}
		}
	}
}

type listPage struct {
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key          string
		Size         int64
		ETag         string
		LastModified time.Time
	}
}

func (c *Client) page(ctx context.Context, bucket string, query url.Values) (page listPage, err error) {
	res, err := c.do(ctx, call{method: http.MethodGet, bucket: bucket, query: query})
	if err != nil {
		return page, err
	}
	defer res.Body.Close()
	if err := xml.NewDecoder(res.Body).Decode(&page); err != nil {
		return page, fmt.Errorf("s3: list bucket %s: %w", bucket, err)
	}
	return page, nil
}

// maxDelete is the most keys one DeleteObjects takes.
const maxDelete = 1000

// DeleteMany removes objects, a thousand a request. Keys that are not there are no error. The error is that of the first object that was refused;
// those before it and beside it may be gone.
func (c *Client) DeleteMany(ctx context.Context, bucket string, keys []string) error {
	for len(keys) > 0 {
		n := min(len(keys), maxDelete)
		if err := c.deleteBatch(ctx, bucket, keys[:n]); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func (c *Client) deleteBatch(ctx context.Context, bucket string, keys []string) error {
	type object struct{ Key string }
	body := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Delete"`
		Quiet   bool
		Objects []object `xml:"Object"`
	}{Quiet: true}
	for _, key := range keys {
		body.Objects = append(body.Objects, object{key})
	}
	b, err := xml.Marshal(body)
	if err != nil {
		return fmt.Errorf("s3: delete from bucket %s: %w", bucket, err)
	}
	sum := md5.Sum(b)
	in := call{method: http.MethodPost, bucket: bucket, query: url.Values{"delete": {""}}, header: http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}, "Content-Type": {"application/xml"}}}
	in.bytes(string(b))
	res, err := c.do(ctx, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var out struct {
		Error []struct{ Key, Code, Message string }
	}
	if err := xml.NewDecoder(res.Body).Decode(&out); err != nil {
		return fmt.Errorf("s3: delete from bucket %s: %w", bucket, err)
	}
	if len(out.Error) > 0 {
		e := out.Error[0]
		return &Error{Code: e.Code, Status: http.StatusOK, Message: e.Message, Bucket: bucket, Key: e.Key}
	}
	return nil
}
