package endpoints_test

import (
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// An asynchronous invocation is answered in S3, or its failure is, also where the server is restarted in between.
func TestAsyncInvocations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s := newRoom(t, e, runner.Auto)
	configure(t, e, s, "m", func(in *awsapi.CreateEndpointConfigInput) {
		in.AsyncInferenceConfig = &awsapi.AsyncInferenceConfig{ClientConfig: &awsapi.AsyncInferenceClientConfig{MaxConcurrentInvocationsPerInstance: new(int32(1))},
			OutputConfig: &awsapi.AsyncInferenceOutputConfig{S3OutputPath: new("s3://" + platformtest.Bucket + "/out/"), S3FailurePath: new("s3://" + platformtest.Bucket + "/wrong")}}
	}, scripted(t, e, "m", strings.Replace(times, `print("predicting", numbers)`, "__import__('time').sleep(0.1)", 1), "3"))
	if d := create(t, e, s, "e", "m"); *d.EndpointStatus != "InService" || d.AsyncInferenceConfig == nil {
		t.Fatal(awsapi.Val(d.FailureReason))
	}
	if _, err := text(e, s, "e", "1"); !awsapi.IsCode(err, "ValidationError") || !strings.Contains(err.Error(), "InvokeEndpointAsync") {
		t.Errorf("a synchronous invocation: %v", err)
	}
	invoke := func(body string) *awsapi.InvokeEndpointAsyncOutput {
		t.Helper()
		if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, "in/"+body, strings.NewReader(body), object.PutOptions{ContentType: "text/csv"}); err != nil {
			t.Fatal(err)
		}
		out, err := s.InvokeEndpointAsync(e.Ctx, &awsapi.InvokeEndpointAsyncInput{EndpointName: new("e"), Accept: new("text/csv"),
			InputLocation: new("s3://" + platformtest.Bucket + "/in/" + body)}) // the object says of what type it is
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	key := func(uri *string) string { return strings.TrimPrefix(*uri, "s3://"+platformtest.Bucket+"/") }
	wrong := invoke("fail")
	var good []*awsapi.InvokeEndpointAsyncOutput
	for range 4 {
		good = append(good, invoke("2,4"))
	}
	inline, err := s.InvokeEndpointAsync(e.Ctx, &awsapi.InvokeEndpointAsyncInput{EndpointName: new("e"), ContentType: new("text/csv"), Accept: new("text/csv"), Body: []byte("2,4"),
		S3OutputPathExtension: new("deep/er"), Filename: new("mine.csv")})
	if err != nil || !strings.HasSuffix(*inline.OutputLocation, "/out/deep/er/mine.csv") {
		t.Errorf("%v, %v", inline, err)
	}
	good = append(good, inline)
	s.Stop()
	e.Close()
	e = platformtest.Open(t, dir)
	defer e.Close()
	s = newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	for _, g := range good {
		platformtest.Eventually(t, "the answer is there", func() bool {
			_, err := e.Objects.Head(e.Ctx, platformtest.Bucket, key(g.OutputLocation))
			return err == nil
		})
		if got := content(t, e, key(g.OutputLocation)); got != "6\n12\n" {
			t.Errorf("%q", got)
		}
	}
	platformtest.Eventually(t, "the failure is there", func() bool {
		_, err := e.Objects.Head(e.Ctx, platformtest.Bucket, key(wrong.FailureLocation))
		return err == nil
	})
	if got := content(t, e, key(wrong.FailureLocation)); !strings.Contains(got, "the user's own error") {
		t.Errorf("%q", got)
	}
}
