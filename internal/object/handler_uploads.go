package object

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// serveUpload serves the operations of multipart upload. in is the request to take apart, r the one that came.
func (h *handler) serveUpload(x *exchange, in, r *http.Request) error {
	if h.uploads == nil {
		return &Error{Code: "NotImplemented", Status: http.StatusNotImplemented, Message: "This object store has no multipart upload; put the object in one piece."}
	}
	query := r.URL.Query()
	begins := query.Has("uploads")
	id := query.Get("uploadId")
	switch {
	case begins && r.Method == http.MethodGet:
		return h.listUploads(x, r)
	case begins && r.Method == http.MethodPost:
		return h.createUpload(x, in)
	case !begins && r.Method == http.MethodGet:
		return h.listParts(x, r, id)
	case !begins && r.Method == http.MethodPut:
		return h.putPart(x, in, r, id)
	case !begins && r.Method == http.MethodPost:
		return h.completeUpload(x, in, id)
	case !begins && r.Method == http.MethodDelete:
		if err := h.uploads.AbortUpload(r.Context(), x.bucket, x.key, id); err != nil {
			return err
		}
		x.WriteHeader(http.StatusNoContent)
		return nil
	}
	return &Error{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed, Message: "The specified method is not allowed against this resource."}
}

// keptHeader matches the headers of a request that are kept with an object, besides its type, metadata and encryption.
var keptHeader = regexp.MustCompile(`^(Cache-Control|Content-Disposition|Content-Encoding|Content-Language|Expires|X-Amz-Storage-Class|X-Amz-Tagging)$`)

func (h *handler) createUpload(x *exchange, in *http.Request) error {
	if err := x.takeEncryption(in); err != nil {
		return err
	}
	meta := map[string]string{}
	size := 0
	for name, values := range in.Header {
		if keptHeader.MatchString(name) || name == "Content-Type" || strings.HasPrefix(name, metaPrefix) {
			meta[name] = values[0]
			size += len(name) + len(values[0])
		}
	}
	if size > maxHeaderBytes {
		return &Error{Code: "MetadataTooLarge", Status: http.StatusBadRequest, Message: "Your metadata headers exceed the maximum allowed metadata size of 2 KB."}
	}
	opts := writeOptions(x, meta)
	if algorithm := in.Header.Get("X-Amz-Checksum-Algorithm"); algorithm != "" {
		opts.Checksums = []Checksum{{Algorithm: strings.ToUpper(algorithm), Value: in.Header.Get("X-Amz-Checksum-Type")}}
	}
	u, err := h.uploads.CreateUpload(in.Context(), x.bucket, x.key, opts)
	if err != nil {
		return err
	}
	if u.Checksum != "" {
		x.add.Set("X-Amz-Checksum-Algorithm", u.Checksum)
		x.add.Set("X-Amz-Checksum-Type", typeOf(u))
	}
	writeXML(x, http.StatusOK, struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID})
	return nil
}

// maxHeaderBytes is S3's limit on the metadata of an object.
const maxHeaderBytes = 2 << 10

func typeOf(u Upload) string {
	if u.FullChecksum {
		return fullObject
	}
	return "COMPOSITE"
}

func (h *handler) putPart(x *exchange, in, r *http.Request, id string) error {
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil {
		return refuse(ErrInvalidKey, "partNumber is %q; it must be a number from 1 to %d.", r.URL.Query().Get("partNumber"), MaxParts)
	}
	if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
		return h.copyPart(x, r, id, number, source)
	}
	if r.ContentLength < 0 && r.Header.Get("X-Amz-Decoded-Content-Length") == "" {
		return &Error{Code: "MissingContentLength", Status: http.StatusLengthRequired, Message: "You must provide the Content-Length HTTP header."}
	}
	if err := x.takeWrite(in, r); err != nil {
		return err
	}
	part, err := h.uploads.PutPart(r.Context(), x.bucket, x.key, id, number, in.Body, PutOptions{MD5: x.opts.MD5, Checksums: x.opts.Checksums})
	if err != nil {
		return err
	}
	x.sayChecksums(part.Checksum)
	x.add.Del("X-Amz-Checksum-Type")
	x.Header().Set("Etag", quoted(part.ETag))
	x.WriteHeader(http.StatusOK)
	return nil
}

var copyRange = regexp.MustCompile(`^bytes=([0-9]+)-([0-9]+)$`)

func (h *handler) copyPart(x *exchange, r *http.Request, id string, number int, source string) error {
	path, err := url.PathUnescape(strings.TrimPrefix(strings.SplitN(source, "?", 2)[0], "/"))
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok {
		return refuse(ErrInvalidKey, "X-Amz-Copy-Source is %q; it must read bucket/key, URL-encoded.", source)
	}
	src, info, err := h.store.Get(r.Context(), bucket, key)
	if err != nil {
		return err
	}
	defer src.Close()
	if want := strings.Trim(r.Header.Get("X-Amz-Copy-Source-If-Match"), `"`); want != "" && want != info.ETag {
		return refuse(ErrPreconditionFailed, "X-Amz-Copy-Source-If-Match does not hold: %q has the ETag %q.", key, info.ETag)
	}
	body := io.Reader(src)
	if v := r.Header.Get("X-Amz-Copy-Source-Range"); v != "" {
		m := copyRange.FindStringSubmatch(v)
		if m == nil {
			return refuse(ErrInvalidKey, "X-Amz-Copy-Source-Range is %q; it must read bytes=first-last.", v)
		}
		first, err1 := strconv.ParseInt(m[1], 10, 64)
		last, err2 := strconv.ParseInt(m[2], 10, 64)
		if err1 != nil || err2 != nil || first > last || last >= info.Size {
			return refuse(&Error{Code: "InvalidRange", Status: http.StatusRequestedRangeNotSatisfiable}, "The range %q does not lie in the source, which has %d bytes.", v, info.Size)
		}
		if _, err := src.Seek(first, io.SeekStart); err != nil {
			return err
		}
		body = io.LimitReader(src, last-first+1)
	}
	part, err := h.uploads.PutPart(r.Context(), x.bucket, x.key, id, number, body, PutOptions{})
	if err != nil {
		return err
	}
	writeXML(x, http.StatusOK, struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyPartResult"`
		ETag         string
		LastModified string
		checksumXML
	}{ETag: quoted(part.ETag), LastModified: xmlTime(part.Modified), checksumXML: checksumsToXML(part.Checksum)})
	return nil
}

func (h *handler) completeUpload(x *exchange, in *http.Request, id string) error {
	var body struct {
		Parts []struct {
			PartNumber int
			ETag       string
			checksumXML
		} `xml:"Part"`
	}
	if err := xml.NewDecoder(io.LimitReader(in.Body, 8<<20)).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return &Error{Code: "MalformedXML", Status: http.StatusBadRequest, Message: "The XML you provided was not well-formed: " + err.Error() + "."}
	}
	if len(body.Parts) == 0 {
		return &Error{Code: "MalformedXML", Status: http.StatusBadRequest, Message: "The list of parts is empty; it must name at least one part."}
	}
	var parts []Part
	for _, p := range body.Parts {
		parts = append(parts, Part{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Checksum: p.sums()})
	}
	if err := x.takeConditions(in); err != nil {
		return err
	}
	for name, algorithm := range checksumHeaders {
		if v := in.Header.Get(name); v != "" {
			x.opts.Checksums = append(x.opts.Checksums, Checksum{Algorithm: algorithm, Value: v})
		}
	}
	info, err := h.uploads.CompleteUpload(in.Context(), x.bucket, x.key, id, parts, x.opts)
	if err != nil {
		return err
	}
	for _, name := range encryptionHeaders {
		if v := info.Headers[name]; v != "" {
			x.add.Set(name, v)
		}
	}
	out := struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Location string
		Bucket   string
		Key      string
		ETag     string
		checksumXML
		ChecksumType string `xml:",omitempty"`
	}{Location: "/" + info.Bucket + "/" + info.Key, Bucket: info.Bucket, Key: info.Key, ETag: quoted(info.ETag), checksumXML: checksumsToXML(info.Checksums)}
	for _, v := range info.Checksums {
		out.ChecksumType = checksumType(v)
	}
	writeXML(x, http.StatusOK, out)
	return nil
}

type checksumXML struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
}

func checksumsToXML(sums map[string]string) checksumXML {
	return checksumXML{sums["CRC32"], sums["CRC32C"], sums["CRC64NVME"], sums["SHA1"], sums["SHA256"]}
}

func (c checksumXML) sums() map[string]string {
	return map[string]string{"CRC32": c.ChecksumCRC32, "CRC32C": c.ChecksumCRC32C, "CRC64NVME": c.ChecksumCRC64NVME, "SHA1": c.ChecksumSHA1, "SHA256": c.ChecksumSHA256}
}

func xmlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func writeXML(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	// The answer has begun: a client that went away is all that can fail here.
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(v)
}
