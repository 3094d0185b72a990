package endpoints_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/endpoints"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// piecemeal answers in parts; after the first it waits until the file go is there.
const piecemeal = `
import os, signal, time
ML = os.environ.get("MOBULA_ML_DIR", "/opt/ml")
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    if body == "wrong":
        raise ValueError("the user's own error")
    def parts():
        yield "one,"
        while not os.path.exists(os.path.join(ML, "go")):
            time.sleep(0.002)
        if body == "raise":
            raise ValueError("no more")
        if body == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        yield "two"
    return parts(), "text/parts"
`

// stream asks for a stream and calls met at each part of it.
func stream(ctx context.Context, s *endpoints.Service, body string, met func(part string)) (kind string, err error) {
	out, err := s.InvokeEndpointWithResponseStream(ctx, &awsapi.InvokeEndpointWithResponseStreamInput{EndpointName: new("e"), ContentType: new("text/csv"), Body: []byte(body)})
	if err != nil {
		return "", err
	}
	for event, err := range out.Body {
		if err != nil {
			return *out.ContentType, err
		}
		met(string(event.PayloadPart.Bytes))
	}
	return *out.ContentType, nil
}

// goOn lets the scripts of all hosts make their second part, or no longer.
func goOn(t *testing.T, e *platformtest.Env, on bool) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(e.Dir, "endpoints", "*"))
	for _, f := range folders {
		path := filepath.Join(runner.HostDir(f, 1), "ml", "go")
		if on {
			err = os.WriteFile(path, nil, 0o644)
		} else {
			err = os.Remove(path)
		}
	}
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
}

func TestStreamedAnswers(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{runner.Auto, runner.Plain} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			e := platformtest.New(t)
			s := newRoom(t, e, mode)
			defer end(t, e, s)
			model := scripted(t, e, "m", piecemeal, "1")
			model.Environment["SAGEMAKER_MODEL_SERVER_WORKERS"] = "2" // one may still make parts for a caller who has gone
			configure(t, e, s, "m", nil, model)
			configure(t, e, s, "built-in", nil, awsapi.ContainerDefinition{Image: new(image),
				ModelDataUrl: new(put(t, e, "built-in.tar.gz", archive(t, map[string][]byte{"xgboost-model": trained(t, 1)})))})
			if d := create(t, e, s, "e", "m"); *d.EndpointStatus != "InService" {
				t.Fatal(awsapi.Val(d.FailureReason))
			}
			var got []string
			kind, err := stream(e.Ctx, s, "x", func(part string) {
				if got = append(got, part); len(got) == 1 {
					goOn(t, e, true)
				}
			})
			if err != nil || strings.Join(got, "") != "one,two" || kind != "text/parts" {
				t.Errorf("%q as %s, %v", got, kind, err)
			}
			if _, err := stream(e.Ctx, s, "wrong", func(string) {}); !awsapi.IsCode(err, "ModelError") || !strings.Contains(err.Error(), "the user's own error") {
				t.Errorf("an error before the stream: %v", err)
			}
			for _, body := range []string{"raise", "die"} {
				var broken *awsapi.Error
				_, err := stream(e.Ctx, s, body, func(string) {})
				if !errors.As(err, &broken) || broken.Code != "ModelStreamError" || broken.Members["ErrorCode"] != "StreamBroken" {
					t.Errorf("%s in the middle: %v", body, err)
				}
			}
			if answer, err := text(e, s, "e", "x"); err != nil || answer != "one,two" {
				t.Errorf("asked for the whole: %q, %v", answer, err)
			}

			goOn(t, e, false)
			gone, leave := context.WithCancel(e.Ctx)
			if _, err := stream(gone, s, "x", func(string) { leave() }); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who has gone: %v", err)
			}
			// An update waits for a stream that is on its way.
			got = nil
			if _, err := stream(e.Ctx, s, "x", func(part string) {
				if got = append(got, part); len(got) > 1 {
					return
				}
				if _, err := s.UpdateEndpoint(e.Ctx, &awsapi.UpdateEndpointInput{EndpointName: new("e"), EndpointConfigName: new("built-in")}); err != nil {
					t.Error(err)
				}
				settled(t, e, s, "e")
				goOn(t, e, true)
			}); err != nil || strings.Join(got, "") != "one,two" {
				t.Errorf("a stream during an update: %q, %v", got, err)
			}
			got = nil
			if _, err := stream(e.Ctx, s, "100\n"+strings.Repeat("7\n", 20000), func(part string) { got = append(got, part) }); err != nil || len(got) < 2 || strings.Count(strings.Join(got, ""), "\n") != 20001 {
				t.Errorf("%d parts of the built-in server: %v", len(got), err)
			}
		})
	}
}
