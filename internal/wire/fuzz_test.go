package wire

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

func FuzzChunked(f *testing.F) {
	f.Add("3\r\nabc\r\n0\r\n\r\n", int64(3), false)
	f.Add("3;chunk-signature=00\r\nabc\r\n0;chunk-signature=00\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", int64(3), true)
	f.Add("ffffffffffffffff\r\n", int64(1), false)
	f.Fuzz(func(t *testing.T, body string, want int64, signed bool) {
		c := newChunked(io.NopCloser(strings.NewReader(body)))
		c.want, c.trailer, c.announced = want, http.Header{}, []string{"x-amz-checksum-crc32"}
		if signed {
			c.sign = &chunkSigner{key: []byte("k"), hash: sha256.New()}
		}
		b, err := io.ReadAll(c)
		if len(b) > len(body) || err == nil && int64(len(b)) != want {
			t.Errorf("%d bytes came out of %d, announced were %d: %v", len(b), len(body), want, err)
		}
		if _, again := c.Read(make([]byte, 1)); again == nil || err != nil && !errors.Is(again, err) {
			t.Errorf("after %v came %v", err, again)
		}
	})
}

func FuzzFormTree(f *testing.F) {
	f.Add("Action=AssumeRole&Tags.member.1.Key=a&Tags.member.1.Value=b&DurationSeconds=900&Tags=x&Tags.member.2=y")
	f.Fuzz(func(t *testing.T, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		shape := awsapi.ShapeNamed("AssumeRoleRequest")
		tree, bad := formTree(shape, values)
		if bad == nil && awsapi.Check(shape, tree, awsapi.Options{}) == nil {
			if err := awsapi.Fill(new(awsapi.AssumeRoleRequest), tree); err != nil {
				t.Errorf("what passed the check does not fit: %v", err)
			}
		}
	})
}

func FuzzCBOR(f *testing.F) {
	shape := awsapi.ShapeNamed("GetMetricStatisticsInput")
	for _, v := range []any{map[string]any{"Period": 60, "StartTime": cbor.Tag{Number: 1, Content: 1.5}, "Dimensions": []any{map[string]any{"Name": "a", "Value": []byte("b")}}}, []any{nil}, "x"} {
		b, err := cbor.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tree, bad := cborTree(body)
		if bad == nil && awsapi.Check(shape, tree, awsapi.Options{}) == nil {
			if err := awsapi.Fill(new(awsapi.GetMetricStatisticsInput), tree); err != nil {
				t.Errorf("what passed the check does not fit: %v", err)
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "/a%2", "b=1&b")
	f.Fuzz(func(t *testing.T, auth, path, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", auth)
		r.Header.Set("X-Amz-Date", "20260101T000000Z")
		r.URL.Path, r.URL.RawQuery = path, query
		for range 2 {
			if s, err := parseSignature(r); err == nil && s != nil {
				if s.version == 4 && s.good([]byte("k"), r, emptyHash) || s.version == 2 && s.goodV2("k", r, "") {
					t.Error("a signature was made up")
				}
			}
			r.Header.Del("Authorization")
		}
	})
}

func TestFormTree(t *testing.T) {
	t.Parallel()
	values, _ := url.ParseQuery("RoleArn=arn:aws:iam::123456789012:role/x&RoleSessionName=me&DurationSeconds=900&Tags.member.2.Key=b&Tags.member.2.Value=2&Tags.member.1.Key=a&Tags.member.1.Value=1")
	shape := awsapi.ShapeNamed("AssumeRoleRequest")
	tree, bad := formTree(shape, values)
	if bad != nil {
		t.Fatal(bad)
	}
	in := new(awsapi.AssumeRoleRequest)
	if err := awsapi.Check(shape, tree, awsapi.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := awsapi.Fill(in, tree); err != nil {
		t.Fatal(err)
	}
	if len(in.Tags) != 2 || awsapi.Val(in.Tags[0].Key) != "a" || awsapi.Val(in.DurationSeconds) != 900 {
		t.Errorf("got %+v", in)
	}
}
