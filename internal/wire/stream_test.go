package wire_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/wire"
)

// streams answers in parts. Each part after the first is made when InvokeEndpointAsync is called.
type streams struct{ next chan struct{} }

func (s streams) InvokeEndpointWithResponseStream(ctx context.Context, in *awsapi.InvokeEndpointWithResponseStreamInput) (*awsapi.InvokeEndpointWithResponseStreamOutput, error) {
	if *in.EndpointName == "bad" {
		return nil, &awsapi.Error{Code: "ModelError", Message: "the model said no"}
	}
	return &awsapi.InvokeEndpointWithResponseStreamOutput{ContentType: in.ContentType, Body: func(yield func(*awsapi.ResponseStream, error) bool) {
		for i, part := range strings.Split(string(in.Body), ",") {
			if i > 0 {
				select {
				case <-s.next:
				case <-ctx.Done():
					yield(nil, ctx.Err())
					return
				}
			}
			switch {
			case part == "panic":
				panic("oh")
			case strings.HasPrefix(part, "!"):
				yield(nil, &awsapi.Error{Code: part[1:], Message: "no more", Members: map[string]any{"ErrorCode": "StreamBroken"}})
				return
			case !yield(&awsapi.ResponseStream{PayloadPart: &awsapi.PayloadPart{Bytes: []byte(part)}}, nil):
				return
			}
		}
	}}, nil
}

func (s streams) InvokeEndpointAsync(ctx context.Context, _ *awsapi.InvokeEndpointAsyncInput) (*awsapi.InvokeEndpointAsyncOutput, error) {
	select {
	case s.next <- struct{}{}:
	case <-ctx.Done():
	}
	return &awsapi.InvokeEndpointAsyncOutput{InferenceId: new("i"), OutputLocation: new("s3://b/k")}, nil
}

func startStreams(t *testing.T) *env {
	t.Helper()
	s := streams{make(chan struct{})}
	return start(t, func(c *wire.Config) { c.Services = append(c.Services, s); c.Limits.Concurrent = 2 })
}

// clientScript runs a script of the tests' Python against a server, or against none.
func clientScript(t *testing.T, e *env, input []byte, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python(t), "testdata/"+script)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1", "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_DEFAULT_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true"}
	if e != nil {
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+e.URL)
	}
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out.String(), wrong.String())
	}
	return out.String()
}

// The first part is with the client before the next one is made: else this would not end.
func TestStreamsArriveAsTheyAreMade(t *testing.T) {
	t.Parallel()
	e := startStreams(t)
	if out := clientScript(t, e, nil, "stream.py"); strings.TrimSpace(out) != "ok" {
		t.Error(out)
	}
	c := e.client()
	for body, want := range map[string]string{"a,b": "a b", "a,!ModelStreamError": "a ModelStreamError", "a,!Other": "a Other", "!InternalStreamFailure": "InternalStreamFailure", "a,panic": "a cut"} {
		out, err := c.InvokeEndpointWithResponseStream(t.Context(), &awsapi.InvokeEndpointWithResponseStreamInput{EndpointName: new("e"), ContentType: new("x/y"), Body: []byte(body)})
		if err != nil || *out.ContentType != "x/y" {
			t.Fatal(out, err)
		}
		var got []string
		for event, err := range out.Body {
			var known *awsapi.Error
			switch {
			case errors.As(err, &known):
				got = append(got, known.Code)
			case err != nil:
				got = append(got, "cut")
			default:
				got = append(got, string(event.PayloadPart.Bytes))
				if len(got) == 1 && strings.Contains(body, ",") {
					if _, err := c.InvokeEndpointAsync(t.Context(), &awsapi.InvokeEndpointAsyncInput{EndpointName: new("e")}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
	if _, err := c.InvokeEndpointWithResponseStream(t.Context(), &awsapi.InvokeEndpointWithResponseStreamInput{EndpointName: new("bad"), Body: []byte("1")}); !awsapi.IsCode(err, "ModelError") {
		t.Errorf("an error before the stream: %v", err)
	}
}

// botocore's own decoder reads what is written here, and refuses the broken frames that are refused here.
func TestFramesAsBotocoreReadsThem(t *testing.T) {
	t.Parallel()
	type sample struct {
		Frame   string            `json:"frame"`
		Headers map[string]string `json:"headers"`
		Payload string            `json:"payload"`
		Sound   bool              `json:"sound"`
	}
	random := rand.New(rand.NewPCG(1, 2))
	text := func(most int) []byte {
		b := make([]byte, random.IntN(most))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	var input bytes.Buffer
	for i := range 600 {
		f := awsapi.Frame{Headers: map[string]string{}, Payload: text(300)}
		for n := range random.IntN(4) {
			f.Headers[fmt.Sprintf(":h%d", n)] = strings.ToValidUTF8(string(text(40)), "?")
		}
		b, err := f.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		}
		_, err = awsapi.ReadFrame(bytes.NewReader(b))
		line, _ := json.Marshal(sample{hex.EncodeToString(b), f.Headers, hex.EncodeToString(f.Payload), err == nil})
		input.Write(append(line, '\n'))
	}
	if out := clientScript(t, nil, input.Bytes(), "frames.py"); strings.TrimSpace(out) != "ok" {
		t.Error(out)
	}
}
