package object

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"

	"github.com/rclone/gofakes3"
)

// listing is what both versions of ListObjects answer with.
type listing struct {
	Name           string
	Prefix         string
	Delimiter      string `xml:",omitempty"`
	EncodingType   string `xml:",omitempty"`
	MaxKeys        int
	IsTruncated    bool
	Contents       []contentXML
	CommonPrefixes []prefixXML
}

type contentXML struct {
	Key               string
	LastModified      string
	ETag              string
	Size              int64
	StorageClass      string
	ChecksumAlgorithm []string  `xml:",omitempty"`
	Owner             *ownerXML `xml:",omitempty"`
}

type prefixXML struct{ Prefix string }

type ownerXML struct{ ID, DisplayName string }

var owner = ownerXML{ID: "mobula", DisplayName: "mobula"}

// encoder gives the coding of names in a listing that the client asked for.
func encoder(q url.Values) (func(string) string, error) {
	switch v := q.Get("encoding-type"); v {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return gofakes3.URLEncode, nil
	default:
		return nil, refuse(ErrInvalidKey, "encoding-type is %q; it must be url.", v)
	}
}

// lists says whether a request is a listing: a GET of a bucket that names no other resource.
func lists(x *exchange, r *http.Request) bool {
	if r.Method != http.MethodGet || x.bucket == "" || x.key != "" {
		return false
	}
	for name := range r.URL.Query() {
		switch name {
		case "list-type", "prefix", "delimiter", "marker", "max-keys", "encoding-type", "continuation-token", "start-after", "fetch-owner":
		default:
			if subresourceName(name) {
				return false
			}
		}
	}
	return true
}

// listObjects serves ListObjects and ListObjectsV2. gofakes3's leaves KeyCount out of an empty listing, which clients look at.
func (h *handler) listObjects(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	encode, err := encoder(q)
	if err != nil {
		return err
	}
	limit, err := number(q, "max-keys", MaxPage, 0, MaxPage)
	if err != nil {
		return err
	}
	second := q.Get("list-type") == "2"
	after := q.Get("marker")
	if token := q.Get("continuation-token"); second && token != "" {
		b, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return refuse(ErrInvalidKey, "The continuation token provided is incorrect: %q.", token)
		}
		after = string(b)
	} else if second {
		after = q.Get("start-after")
	}
	var page Page
	if limit == 0 {
		err = h.store.HeadBucket(r.Context(), x.bucket)
	} else {
		page, err = h.store.ListGroups(r.Context(), x.bucket, q.Get("prefix"), q.Get("delimiter"), after, limit)
	}
	if err != nil {
		return err
	}
	out := listing{Name: x.bucket, Prefix: encode(q.Get("prefix")), Delimiter: encode(q.Get("delimiter")), EncodingType: q.Get("encoding-type"), MaxKeys: limit, IsTruncated: page.More}
	for _, info := range page.Objects {
		c := contentXML{Key: encode(info.Key), LastModified: xmlTime(info.Modified), ETag: quoted(info.ETag), Size: info.Size, StorageClass: "STANDARD"}
		for algorithm := range info.Checksums {
			c.ChecksumAlgorithm = append(c.ChecksumAlgorithm, algorithm)
		}
		if !second || q.Get("fetch-owner") == "true" {
			c.Owner = &owner
		}
		out.Contents = append(out.Contents, c)
	}
	for _, p := range page.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, prefixXML{encode(p)})
	}
	if second {
		writeSecond(x, q, encode, page, out)
	} else {
		writeFirst(x, encode, q.Get("marker"), page, out)
	}
	return nil
}

func writeFirst(w http.ResponseWriter, encode func(string) string, marker string, page Page, out listing) {
	next := ""
	if page.More && out.Delimiter != "" { // S3 leaves it out where the last key serves
		next = encode(page.Next)
	}
	writeXML(w, http.StatusOK, struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		listing
		Marker     string
		NextMarker string `xml:",omitempty"`
	}{listing: out, Marker: encode(marker), NextMarker: next})
}

func writeSecond(w http.ResponseWriter, q url.Values, encode func(string) string, page Page, out listing) {
	next := ""
	if page.More {
		next = base64.URLEncoding.EncodeToString([]byte(page.Next))
	}
	writeXML(w, http.StatusOK, struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		listing
		KeyCount              int
		ContinuationToken     string `xml:",omitempty"`
		NextContinuationToken string `xml:",omitempty"`
		StartAfter            string `xml:",omitempty"`
	}{listing: out, KeyCount: len(out.Contents) + len(out.CommonPrefixes), ContinuationToken: q.Get("continuation-token"), NextContinuationToken: next, StartAfter: encode(q.Get("start-after"))})
}
