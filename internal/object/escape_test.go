package object

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzPlace holds that every key has a path of its own inside the bucket, and that the path reads back as the key.
func FuzzPlace(f *testing.F) {
	for _, key := range []string{"a", "a/b", "/", "..", "%", "a%-", "a%+/b", strings.Repeat("é", 512), strings.Repeat("%", 1024), strings.Repeat("x", 240) + "..", "a//b/"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if ValidateKey(key) != nil {
			t.Skip()
		}
		p := placeOf("/bucket", key)
		for _, name := range []string{p.name, p.name + besideFolder} {
			rel, err := filepath.Rel("/bucket", filepath.Join(p.dir, name))
			if err != nil || strings.HasPrefix(rel, "..") || strings.ContainsRune(rel, 0) || !utf8.ValidString(rel) {
				t.Fatalf("%q lies at %q", key, rel)
			}
			pieces := strings.Split(rel, "/")
			bound := ""
			for i, piece := range pieces {
				if len(piece) > 255 {
					t.Fatalf("%q needs a name of %d bytes", key, len(piece))
				}
				var ok bool
				if bound, ok = entryBound(bound, piece, i < len(pieces)-1); !ok {
					t.Fatalf("%q: the name %q does not read back", key, piece)
				}
			}
			if bound != key {
				t.Fatalf("%q reads back as %q", key, bound)
			}
		}
	})
}

func TestForeignNamesHaveNoKey(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"%2f", "%41", "100%", "%zz", "a%", "bad\xff", strings.Repeat("x", 250), "%2e", "new\nline"} {
		if bound, ok := entryBound("", name, false); ok {
			t.Errorf("%q is taken for the key %q", name, bound)
		}
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("s3://bucket/key/with/slashes")
	f.Add("s3://bucket")
	f.Fuzz(func(t *testing.T, uri string) {
		bucket, key, err := ParseURI(uri)
		if err != nil {
			return
		}
		if back := "s3://" + bucket + "/" + key; back != uri && back != uri+"/" {
			t.Fatalf("%q reads as %q and %q", uri, bucket, key)
		}
	})
}

func TestParseURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string][2]string{
		"s3://my-bucket/a/b": {"my-bucket", "a/b"}, "s3://my-bucket/a/": {"my-bucket", "a/"}, "s3://my-bucket": {"my-bucket", ""}, "s3://my-bucket//a": {"my-bucket", "/a"},
	} {
		bucket, key, err := ParseURI(uri)
		if err != nil || bucket != want[0] || key != want[1] {
			t.Errorf("%s: got %q, %q, %v", uri, bucket, key, err)
		}
	}
	for _, uri := range []string{"", "my-bucket/key", "https://my-bucket/key", "s3://", "s3:///key", "s3://B/key", "s3://ab/key", "s3://my-bucket/\xff"} {
		if _, _, err := ParseURI(uri); err == nil {
			t.Errorf("%q was accepted", uri)
		}
	}
}

// FuzzWithoutPartCount holds that the conditions of any client can be read.
func FuzzWithoutPartCount(f *testing.F) {
	f.Add(`"d41d8cd98f00b204e9800998ecf8427e-12", *`)
	f.Fuzz(func(t *testing.T, tags string) {
		once := withoutPartCount(tags)
		if strings.Contains(once, ", ,") {
			t.Fatalf("%q became %q", tags, once)
		}
	})
}

func TestWithoutPartCount(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{`"abc-2"`: `"abc"`, `abc-2`: `abc`, `"abc"`: `"abc"`, `*`: `*`, `"a-1", W/"b-22"`: `"a", W/"b"`} {
		if got := withoutPartCount(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
