package pysupport_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const streaming = `
import os, time
GO = os.path.join(os.environ["MOBULA_ML_DIR"], "go")
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return body.decode()
def predict_fn(kind, model):
    if kind == "early":
        raise ValueError("nothing was made")
        yield
    yield b"one\n"
    yield ""
    if kind == "late":
        raise ValueError("no more")
    while kind == "wait" and not os.path.exists(GO):
        time.sleep(0.001)
    yield {"two": 2}
class Tail:
    def __init__(self):
        self.left = ["a", "b"]
    def __aiter__(self):
        return self
    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()
def output_fn(prediction, accept):
    return (Tail(), "text/async") if accept == "text/async" else (prediction, accept)
`

// What a script makes part by part is sent part by part, with the first before the second is made.
func TestPartsAreSentAsTheyAreMade(t *testing.T) {
	t.Parallel()
	for _, python := range interpreters(t) {
		for _, own := range []bool{true, false} { // also where the image's output_fn passes on what predict_fn makes
			script := streaming
			if !own {
				script = streaming[:strings.Index(streaming, "def output_fn")]
			}
			s := start(t, python, "python", map[string]string{"code/serve.py": script}, "SAGEMAKER_PROGRAM=serve.py", "SAGEMAKER_MODEL_SERVER_WORKERS=1")
			s.awake(t)
			resp, err := http.Post(s.url+"/invocations", "text/plain", strings.NewReader("wait"))
			if err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(resp.Body)
			if line, err := r.ReadString('\n'); err != nil || line != "one\n" {
				t.Errorf("%s: %q, %v", python, line, err)
			}
			if err := os.WriteFile(filepath.Join(s.ml, "go"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(r); err != nil || string(rest) != "{\"two\": 2}\n" {
				t.Errorf("%s: %q, %v", python, rest, err)
			}
			resp.Body.Close()
			if status, answer, _, err := s.ask("early", "text/plain", "text/plain"); status != 500 || answer != "nothing was made" || err != nil {
				t.Errorf("an error before the first part: %d, %q, %v", status, answer, err)
			}
			if status, answer, _, err := s.ask("late", "text/plain", "text/plain"); status != 200 || answer != "one\n" || err == nil {
				t.Errorf("an error after the first part: %d, %q, %v", status, answer, err)
			}
			if !own {
				continue
			}
			if status, answer, kind, err := s.ask("x", "text/plain", "text/async"); status != 200 || answer != "ba" || kind != "text/async" || err != nil {
				t.Errorf("an asynchronous generator: %d, %q, %q, %v", status, answer, kind, err)
			}
		}
	}
}
