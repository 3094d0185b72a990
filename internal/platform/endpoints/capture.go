package endpoints

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
)

// Limits of what is captured and not yet written.
const (
	captureEvery    = time.Second
	maxCaptureBytes = 16 << 20 // of one variant; what comes beyond it while the store is too slow is not captured
)

// captures holds the lines that wait to be written, by the prefix under which they are to go.
type captures struct {
	mu    sync.Mutex
	lines map[string]*bytes.Buffer
}

// A capturedPart is one side of an invocation, as the service writes it.
type capturedPart struct {
	ObservedContentType string `json:"observedContentType"`
	Mode                string `json:"mode"`
	Data                string `json:"data"`
	Encoding            string `json:"encoding"`
}

type capturedData struct {
	Input  *capturedPart `json:"endpointInput,omitempty"`
	Output *capturedPart `json:"endpointOutput,omitempty"`
}

type capturedEvent struct {
	ID          string   `json:"eventId"`
	Attributes  []string `json:"customAttributes,omitempty"`
	InferenceID string   `json:"inferenceId,omitempty"`
	Time        string   `json:"inferenceTime"`
}

type capturedLine struct {
	Data    capturedData  `json:"captureData"`
	Event   capturedEvent `json:"eventMetadata"`
	Version string        `json:"eventVersion"`
}

// capture keeps an invocation, if the endpoint captures and chance wills it, to be written soon.
func (s *Service) capture(e *endpoint, v *variant, r serving.Request, a *serving.Answer) {
	c := e.Current.Capture
	if c == nil || !awsapi.Val(c.EnableCapture) || s.World.Uint64()%100 >= uint64(max(awsapi.Val(c.InitialSamplingPercentage), 0)) {
		return
	}
	now, id := s.World.Now(), s.World.NewID(32)
	line := capturedLine{Version: "0", Event: capturedEvent{ID: fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:]),
		InferenceID: r.InferenceID, Time: now.Format(time.RFC3339)}}
	if r.CustomAttributes != "" {
		line.Event.Attributes = []string{r.CustomAttributes}
	}
	for _, o := range c.CaptureOptions {
		mode := awsapi.Val(o.CaptureMode)
		if mode != awsapi.CaptureModeOutput {
			line.Data.Input = capturedOf(c, "INPUT", r.ContentType, r.Body)
		}
		if mode != awsapi.CaptureModeInput {
			line.Data.Output = capturedOf(c, "OUTPUT", a.ContentType, a.Body)
		}
	}
	b, err := json.Marshal(line)
	if err != nil {
		s.Log.Error("capture an invocation", "endpoint", e.Name, "error", err)
		return
	}
	prefix := fmt.Sprintf("%s/%s/%s/%s", strings.TrimSuffix(awsapi.Val(c.DestinationS3Uri), "/"), e.Name, v.Name, now.Format("2006/01/02/15"))
	s.captures.mu.Lock()
	defer s.captures.mu.Unlock()
	buffer := s.captures.lines[prefix]
	if buffer == nil {
		buffer = &bytes.Buffer{}
		s.captures.lines[prefix] = buffer
	}
	if buffer.Len() < maxCaptureBytes {
		buffer.Write(append(b, '\n'))
	}
}

// capturedOf writes a body as text where the configuration says that its type is text, else in base64.
func capturedOf(c *awsapi.DataCaptureConfig, mode, contentType string, body []byte) *capturedPart {
	p := &capturedPart{ObservedContentType: contentType, Mode: mode, Encoding: "BASE64"}
	media, _, _ := strings.Cut(contentType, ";")
	if h := c.CaptureContentTypeHeader; h != nil {
		switch {
		case slices.Contains(h.CsvContentTypes, media):
			p.Encoding = "CSV"
		case slices.Contains(h.JsonContentTypes, media):
			p.Encoding = "JSON"
		}
	}
	if p.Encoding == "BASE64" {
		p.Data = base64.StdEncoding.EncodeToString(body)
	} else {
		p.Data = strings.ToValidUTF8(string(body), "�")
	}
	return p
}

// writeCaptures writes what is captured every now and then, until the room stops.
func (s *Service) writeCaptures() {
	ticker := time.NewTicker(captureEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			s.flushCaptures(context.WithoutCancel(s.ctx))
			return
		case <-ticker.C:
			s.flushCaptures(s.ctx)
		}
	}
}

// flushCaptures writes an object for each prefix that has lines. Lines that cannot be written now wait for the next time.
func (s *Service) flushCaptures(ctx context.Context) {
	s.captures.mu.Lock()
	lines := s.captures.lines
	s.captures.lines = map[string]*bytes.Buffer{}
	s.captures.mu.Unlock()
	for prefix, buffer := range lines {
		now := s.World.Now()
		id := s.World.NewID(32)
		name := fmt.Sprintf("%s-%03d-%s-%s-%s-%s-%s.jsonl", now.Format("04-05"), now.Nanosecond()/1e6, id[:8], id[8:12], id[12:16], id[16:20], id[20:])
		bucket, key, err := object.ParseURI(prefix + "/" + name)
		if err == nil {
			_, err = s.Objects.Put(ctx, bucket, key, bytes.NewReader(buffer.Bytes()), object.PutOptions{ContentType: "application/jsonlines"})
		}
		if err == nil {
			continue
		}
		s.Log.Error("write captured invocations", "prefix", prefix, "error", err)
		s.captures.mu.Lock()
		if later := s.captures.lines[prefix]; later != nil && buffer.Len() < maxCaptureBytes {
			buffer.Write(later.Bytes())
		}
		s.captures.lines[prefix] = buffer
		s.captures.mu.Unlock()
	}
}
