package object

import (
	"encoding/xml"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

type ownerXML struct{ ID, DisplayName string }

var owner = ownerXML{ID: "mobula", DisplayName: "mobula"}

func (h *handler) listUploads(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	limit, err := number(q, "max-uploads", MaxPage, 1, MaxPage)
	if err != nil {
		return err
	}
	if err := h.store.HeadBucket(r.Context(), x.bucket); err != nil {
		return err
	}
	uploads, err := h.uploads.ListUploads(r.Context(), x.bucket, q.Get("prefix"))
	if err != nil {
		return err
	}
	type uploadXML struct {
		Key               string
		UploadID          string `xml:"UploadId"`
		Initiator, Owner  ownerXML
		StorageClass      string
		Initiated         string
		ChecksumAlgorithm string `xml:",omitempty"`
	}
	type groupXML struct{ Prefix string }
	out := struct {
		XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
		Bucket             string
		KeyMarker          string
		UploadIDMarker     string `xml:"UploadIdMarker"`
		NextKeyMarker      string `xml:",omitempty"`
		NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
		Prefix             string
		Delimiter          string `xml:",omitempty"`
		EncodingType       string `xml:",omitempty"`
		MaxUploads         int
		IsTruncated        bool
		Uploads            []uploadXML `xml:"Upload"`
		CommonPrefixes     []groupXML
	}{Bucket: x.bucket, KeyMarker: q.Get("key-marker"), UploadIDMarker: q.Get("upload-id-marker"), Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"),
		EncodingType: q.Get("encoding-type"), MaxUploads: limit}
	encode := func(s string) string { return s }
	if out.EncodingType == "url" {
		encode = url.QueryEscape
	}
	var last Upload
	group := ""
	skip := out.KeyMarker != ""
	for _, u := range uploads {
		if skip {
			// Without an upload the marker skips its whole key; with one, up to it.
			if u.Key < out.KeyMarker || u.Key == out.KeyMarker && (out.UploadIDMarker == "" || u.ID != out.UploadIDMarker) {
				continue
			}
			skip = false
			if u.Key == out.KeyMarker {
				continue
			}
		}
		g := ""
		if before, _, found := strings.Cut(strings.TrimPrefix(u.Key, out.Prefix), out.Delimiter); out.Delimiter != "" && found {
			if g = out.Prefix + before + out.Delimiter; g == group {
				continue
			}
		}
		if len(out.Uploads)+len(out.CommonPrefixes) == limit {
			out.IsTruncated, out.NextKeyMarker, out.NextUploadIDMarker = true, encode(last.Key), last.ID
			break
		}
		last = u
		if g != "" {
			group = g
			out.CommonPrefixes = append(out.CommonPrefixes, groupXML{encode(g)})
			continue
		}
		out.Uploads = append(out.Uploads, uploadXML{Key: encode(u.Key), UploadID: u.ID, Initiator: owner, Owner: owner, StorageClass: "STANDARD", Initiated: xmlTime(u.Started), ChecksumAlgorithm: u.Checksum})
	}
	out.KeyMarker, out.Prefix, out.Delimiter = encode(out.KeyMarker), encode(out.Prefix), encode(out.Delimiter)
	writeXML(x, http.StatusOK, out)
	return nil
}

func (h *handler) listParts(x *exchange, r *http.Request, id string) error {
	q := r.URL.Query()
	limit, err := number(q, "max-parts", MaxPage, 1, MaxPage)
	if err != nil {
		return err
	}
	after, err := number(q, "part-number-marker", 0, 0, math.MaxInt32)
	if err != nil {
		return err
	}
	u, parts, more, err := h.uploads.ListParts(r.Context(), x.bucket, x.key, id, after, limit)
	if err != nil {
		return err
	}
	type partXML struct {
		PartNumber   int
		LastModified string
		ETag         string
		Size         int64
		checksumXML
	}
	out := struct {
		XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
		Bucket, Key          string
		UploadID             string `xml:"UploadId"`
		Initiator, Owner     ownerXML
		StorageClass         string
		PartNumberMarker     int
		NextPartNumberMarker int `xml:",omitempty"`
		MaxParts             int
		IsTruncated          bool
		ChecksumAlgorithm    string    `xml:",omitempty"`
		ChecksumType         string    `xml:",omitempty"`
		Parts                []partXML `xml:"Part"`
	}{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Initiator: owner, Owner: owner, StorageClass: "STANDARD", PartNumberMarker: after, MaxParts: limit, IsTruncated: more, ChecksumAlgorithm: u.Checksum}
	if u.Checksum != "" {
		out.ChecksumType = typeOf(u)
	}
	for _, p := range parts {
		out.Parts = append(out.Parts, partXML{PartNumber: p.Number, LastModified: xmlTime(p.Modified), ETag: quoted(p.ETag), Size: p.Size, checksumXML: checksumsToXML(p.Checksum)})
		out.NextPartNumberMarker = p.Number
	}
	writeXML(x, http.StatusOK, out)
	return nil
}

// number reads a query parameter within limits; a value above is cut to the highest.
func number(q url.Values, name string, standard, lowest, highest int) (int, error) {
	v := q.Get(name)
	if v == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < lowest {
		return 0, refuse(ErrInvalidKey, "%s is %q; it must be a number from %d to %d.", name, v, lowest, highest)
	}
	return min(n, highest), nil
}
