package object

import (
	"encoding/xml"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

type uploadXML struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator, Owner  ownerXML
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
}

type uploadsXML struct {
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
	CommonPrefixes     []prefixXML
}

func (h *handler) listUploads(x *exchange, r *http.Request) error {
	q := r.URL.Query()
	encode, err := encoder(q)
	if err != nil {
		return err
	}
	limit, err := number(q, "max-uploads", MaxPage, 1, MaxPage)
	if err != nil {
		return err
	}
	if err := h.store.HeadBucket(r.Context(), x.bucket); err != nil {
		return err
	}
	prefix, delimiter, marker, idMarker := q.Get("prefix"), q.Get("delimiter"), q.Get("key-marker"), q.Get("upload-id-marker")
	uploads, err := h.uploads.ListUploads(r.Context(), x.bucket, prefix)
	if err != nil {
		return err
	}
	out := uploadsXML{Bucket: x.bucket, KeyMarker: encode(marker), UploadIDMarker: idMarker, Prefix: encode(prefix), Delimiter: encode(delimiter), EncodingType: q.Get("encoding-type"), MaxUploads: limit}
	var last Upload
	group := ""
	for _, u := range afterMarker(uploads, marker, idMarker) {
		g := ""
		if before, _, found := strings.Cut(strings.TrimPrefix(u.Key, prefix), delimiter); delimiter != "" && found {
			if g = prefix + before + delimiter; g == group {
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
			out.CommonPrefixes = append(out.CommonPrefixes, prefixXML{encode(g)})
			continue
		}
		out.Uploads = append(out.Uploads, uploadXML{Key: encode(u.Key), UploadID: u.ID, Initiator: owner, Owner: owner, StorageClass: "STANDARD", Initiated: xmlTime(u.Started), ChecksumAlgorithm: u.Checksum})
	}
	writeXML(x, http.StatusOK, out)
	return nil
}

// afterMarker gives the uploads after a marker: a key alone is skipped whole, with an upload up to and with that one.
func afterMarker(uploads []Upload, key, id string) []Upload {
	for i, u := range uploads {
		if key == "" || u.Key > key {
			return uploads[i:]
		}
		if u.Key == key && id != "" && u.ID == id {
			return uploads[i+1:]
		}
	}
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
