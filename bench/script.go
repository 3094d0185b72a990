package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// script is a processing job with a Python script: from the call that makes the job to the script's first line, and what is left of the job's
// time when the script's own is taken away. The first job may have a Python world to build.
func script() ([]result, error) {
	ctx := context.Background()
	version, err := exec.Command("python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		return nil, err
	}
	c, _, stop, err := up()
	if err != nil {
		return nil, err
	}
	defer stop()
	image := "python:" + strings.TrimSpace(string(version))
	var results []result
	for _, b := range []struct{ name, code, wanted string }{
		{"a Python script", "pass", "≤ 100"},
		{"a script that imports boto3", "import boto3", "≤ 1,000"},
	} {
		var first, share []float64
		for n := range 11 {
			line, own, err := runScript(ctx, c, image, fmt.Sprintf("%s-%d", strings.ReplaceAll(b.name, " ", "-"), n), b.code)
			if err != nil {
				return nil, err
			}
			if n == 0 {
				results = append(results, result{Name: b.name + ", the first time, job made to first line", Ours: line, Unit: "ms"})
				continue
			}
			first, share = append(first, line), append(share, own)
		}
		results = append(results, result{Name: b.name + ", job made to first line", Ours: median(first), Unit: "ms", Wanted: b.wanted},
			result{Name: b.name + ", Mobula's share of the job", Ours: median(share), Unit: "ms", Wanted: b.wanted})
	}
	return results, nil
}

// runScript runs one job and returns the milliseconds from its making to its first line, and those of its whole time that are not the script's.
func runScript(ctx context.Context, c *awsapi.Client, image, name, code string) (line, share float64, err error) {
	text := "import time; t = time.time(); " + code + "; open('/opt/ml/output/message', 'w').write('%.6f %.6f' % (t, time.time()))"
	began := time.Now()
	_, err = c.CreateProcessingJob(ctx, &awsapi.CreateProcessingJobRequest{ProcessingJobName: &name, RoleArn: new("arn:aws:iam::123456789012:role/bench"),
		AppSpecification: &awsapi.AppSpecification{ImageUri: &image, ContainerEntrypoint: []string{"python3", "-c", text}},
		ProcessingResources: &awsapi.ProcessingResources{ClusterConfig: &awsapi.ProcessingClusterConfig{InstanceType: new("ml.t3.medium"), InstanceCount: new(int32(1)),
			VolumeSizeInGB: new(int32(1))}}})
	if err != nil {
		return 0, 0, err
	}
	for {
		d, err := c.DescribeProcessingJob(ctx, &awsapi.DescribeProcessingJobRequest{ProcessingJobName: &name})
		if err != nil {
			return 0, 0, err
		}
		if *d.ProcessingJobStatus == awsapi.ProcessingJobStatusInProgress {
			time.Sleep(time.Millisecond)
			continue
		}
		took := time.Since(began)
		from, to, ok := strings.Cut(awsapi.Val(d.ExitMessage), " ")
		start, err1 := strconv.ParseFloat(from, 64)
		end, err2 := strconv.ParseFloat(to, 64)
		if !ok || err1 != nil || err2 != nil {
			return 0, 0, fmt.Errorf("job %s: %s, %s", name, *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
		}
		return (start - float64(began.UnixMicro())/1e6) * 1000, (took.Seconds() - (end - start)) * 1000, nil
	}
}
