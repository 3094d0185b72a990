package server_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/server"
)

// TestExplain runs a pipeline whose message comes by a queue and asks why its steps ran, as `mobula explain` does.
func TestExplain(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{})
	c := &awsapi.Client{Endpoint: s.URL, Region: s.Region, Credentials: awsapi.Credentials{AccessKeyID: s.Credentials().AccessKeyID, SecretAccessKey: s.Credentials().SecretAccessKey}}
	queue, err := c.CreateQueue(t.Context(), &awsapi.CreateQueueRequest{QueueName: new("q")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreatePipeline(t.Context(), &awsapi.CreatePipelineRequest{PipelineName: new("p"), RoleArn: new("arn:aws:iam::123456789012:role/r"), ClientRequestToken: new(strings.Repeat("t", 32)),
		PipelineDefinition: new(`{"Version": "2020-12-01", "Steps": [{"Name": "Call", "Type": "Callback", "Arguments": {}, "SqsQueueUrl": "` + *queue.QueueUrl + `", "CacheConfig": {"Enabled": true}}]}`)}); err != nil {
		t.Fatal(err)
	}
	ask := func(execution, step, want string, status int) {
		t.Helper()
		resp, err := c.Send(t.Context(), pyenv.SigningName, http.MethodGet, server.ExplainPath+"?"+url.Values{"execution": {execution}, "step": {step}}.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || !strings.Contains(string(text), want) {
			t.Errorf("%d %s, %v; want %d %s", resp.StatusCode, text, err, status, want)
		}
	}
	for i, want := range []string{"cache miss: no earlier execution of this pipeline has a result of this step", "cache hit: the result is that of arn:aws:sagemaker:"} {
		e, err := c.StartPipelineExecution(t.Context(), &awsapi.StartPipelineExecutionRequest{PipelineName: new("p"), ClientRequestToken: new(strings.Repeat(string(rune('a'+i)), 32))})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			got, err := c.ReceiveMessage(t.Context(), &awsapi.ReceiveMessageRequest{QueueUrl: queue.QueueUrl, WaitTimeSeconds: new(int32(20))})
			if err != nil || len(got.Messages) != 1 {
				t.Fatal(got, err)
			}
			_, token, _ := strings.Cut(*got.Messages[0].Body, `"token":"`)
			if _, err := c.SendPipelineExecutionStepSuccess(t.Context(), &awsapi.SendPipelineExecutionStepSuccessRequest{CallbackToken: new(token[:10])}); err != nil {
				t.Fatal(err)
			}
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			d, err := c.DescribePipelineExecution(t.Context(), &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: e.PipelineExecutionArn})
			if err != nil || time.Now().After(end) || *d.PipelineExecutionStatus == awsapi.PipelineExecutionStatusFailed {
				t.Fatal(d, err)
			}
			if *d.PipelineExecutionStatus == awsapi.PipelineExecutionStatusSucceeded {
				break
			}
		}
		arn := *e.PipelineExecutionArn
		ask(arn, "Call", want, http.StatusOK)
		ask(arn[strings.LastIndexByte(arn, '/')+1:], "", "Call: "+want, http.StatusOK)
		ask(arn, "None", "Step 'None' of execution '"+arn+"' has not started.", http.StatusNotFound)
	}
	ask("none", "Call", "There is no pipeline execution with the id 'none'.", http.StatusNotFound)
	resp, err := http.Get(s.URL + server.ExplainPath)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		t.Error("who does not sign is answered")
	}
}
