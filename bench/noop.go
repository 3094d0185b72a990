package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// nothing is a pipeline with one step that does nothing.
func nothing(ctx context.Context, c *awsapi.Client) error {
	definition, err := json.Marshal(map[string]any{"Version": "2020-12-01", "Steps": []any{map[string]any{"Name": "Nothing", "Type": "Processing", "Arguments": map[string]any{
		"AppSpecification":    map[string]any{"ImageUri": "mobula/go:1", "ContainerEntrypoint": []string{"/bin/true"}},
		"ProcessingResources": map[string]any{"ClusterConfig": map[string]any{"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}},
		"RoleArn":             "arn:aws:iam::123456789012:role/bench"}}}})
	if err != nil {
		return err
	}
	_, err = c.CreatePipeline(ctx, &awsapi.CreatePipelineRequest{PipelineName: new("nothing"), PipelineDefinition: new(string(definition)), RoleArn: new("arn:aws:iam::123456789012:role/bench")})
	return err
}

// finished waits for the end of an execution and returns its status.
func finished(ctx context.Context, c *awsapi.Client, arn *string, every time.Duration) (string, error) {
	for {
		e, err := c.DescribePipelineExecution(ctx, &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: arn})
		if err != nil {
			return "", err
		}
		if s := *e.PipelineExecutionStatus; s != awsapi.PipelineExecutionStatusExecuting {
			return s, nil
		}
		time.Sleep(every)
	}
}

// noop is an execution with one step that does nothing, in hosts of its own all the same: from the call that starts it to Succeeded.
func noop() ([]result, error) {
	ctx := context.Background()
	c, _, stop, err := up()
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := nothing(ctx, c); err != nil {
		return nil, err
	}
	var times []float64
	for range 20 {
		began := time.Now()
		e, err := c.StartPipelineExecution(ctx, &awsapi.StartPipelineExecutionRequest{PipelineName: new("nothing")})
		if err != nil {
			return nil, err
		}
		if status, err := finished(ctx, c, e.PipelineExecutionArn, time.Millisecond); err != nil || status != "Succeeded" {
			return nil, fmt.Errorf("%s, %w", status, err)
		}
		times = append(times, time.Since(began).Seconds()*1000)
	}
	return []result{{Name: "a step that does nothing, start to Succeeded", Ours: median(times), Unit: "ms", Wanted: "≤ 150"}}, nil
}

// many is a thousand such executions at once: none is lost, and the server's memory is bounded.
func many() ([]result, error) {
	const executions = 1000
	ctx := context.Background()
	c, pid, stop, err := up()
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := nothing(ctx, c); err != nil {
		return nil, err
	}
	before := resident(pid)
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	succeeded, most := 0, before
	next := make(chan int)
	for range 50 {
		wg.Go(func() {
			for range next {
				e, err := c.StartPipelineExecution(ctx, &awsapi.StartPipelineExecutionRequest{PipelineName: new("nothing")})
				status := ""
				if err == nil {
					status, err = finished(ctx, c, e.PipelineExecutionArn, 200*time.Millisecond)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				mu.Lock()
				if status == "Succeeded" {
					succeeded++
				}
				most = max(most, resident(pid))
				mu.Unlock()
			}
		})
	}
	for i := range executions {
		next <- i
	}
	close(next)
	wg.Wait()
	if succeeded != executions {
		return nil, fmt.Errorf("%d of %d executions succeeded", succeeded, executions)
	}
	return []result{{Name: "1,000 executions of such a step", Ours: time.Since(began).Seconds(), Unit: "s", Wanted: "none lost", Note: fmt.Sprintf("server %.0f → at most %.0f MB", before, most)}}, nil
}

// resident is the resident memory of a process in MB.
func resident(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1000
		}
	}
	return 0
}
