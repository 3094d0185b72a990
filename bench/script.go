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

// script is a processing job with a Python script: from the call that makes the job to the script's first line or to the end of its imports, and
// what is left of the job's time when the script's own is taken away. The first job may have a Python world to build, and a new Python runs it;
// later ones are forked from one that runs already, but where a variable of Python forbids it.
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
	const usual = "import argparse, csv, datetime, json, logging, pathlib, subprocess, tarfile, tempfile, urllib.request"
	anew := map[string]string{"PYTHONHASHSEED": "1"}
	for _, b := range []struct {
		name, code, wanted string
		env                map[string]string
	}{
		{"a Python script", "pass", "≤ 100", nil},
		{"by a new Python", "pass", "", anew},
		{"a script that imports ten modules of Python's", usual, "", nil},
		{"such a script by a new Python", usual, "", anew},
		{"a script that imports boto3", "import boto3", "≤ 1,000", nil},
	} {
		var first, imported, share []float64
		for n := range 11 {
			ran, err := runScript(ctx, c, image, fmt.Sprintf("%s-%d", strings.NewReplacer(" ", "-", "'", "").Replace(b.name), n), b.code, b.env)
			if err != nil {
				return nil, err
			}
			if n == 0 {
				results = append(results, result{Name: b.name + ", the first time, job made to first line", Ours: ran.line, Unit: "ms"})
				continue
			}
			first, imported, share = append(first, ran.line), append(imported, ran.imported), append(share, ran.share)
		}
		results = append(results, result{Name: b.name + ", job made to first line", Ours: median(first), Unit: "ms", Wanted: b.wanted},
			result{Name: b.name + ", job made to the end of its imports", Ours: median(imported), Unit: "ms"},
			result{Name: b.name + ", Mobula's share of the job", Ours: median(share), Unit: "ms", Wanted: b.wanted})
	}
	return results, nil
}

// ran are milliseconds of one job: from its making to its first line and to the end of its imports, and those of its whole time that are not the
// script's.
type ran struct{ line, imported, share float64 }

func runScript(ctx context.Context, c *awsapi.Client, image, name, code string, env map[string]string) (ran, error) {
	text := "import time; t = time.time(); " + code + "; open('/opt/ml/output/message', 'w').write('%.6f %.6f' % (t, time.time()))"
	began := time.Now()
	_, err := c.CreateProcessingJob(ctx, &awsapi.CreateProcessingJobRequest{ProcessingJobName: &name, Environment: env, RoleArn: new("arn:aws:iam::123456789012:role/bench"),
		AppSpecification: &awsapi.AppSpecification{ImageUri: &image, ContainerEntrypoint: []string{"python3", "-c", text}},
		ProcessingResources: &awsapi.ProcessingResources{ClusterConfig: &awsapi.ProcessingClusterConfig{InstanceType: new("ml.t3.medium"), InstanceCount: new(int32(1)),
			VolumeSizeInGB: new(int32(1))}}})
	if err != nil {
		return ran{}, err
	}
	for {
		d, err := c.DescribeProcessingJob(ctx, &awsapi.DescribeProcessingJobRequest{ProcessingJobName: &name})
		if err != nil {
			return ran{}, err
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
			return ran{}, fmt.Errorf("job %s: %s, %s", name, *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
		}
		since := func(t float64) float64 { return (t - float64(began.UnixMicro())/1e6) * 1000 }
		return ran{line: since(start), imported: since(end), share: (took.Seconds() - (end - start)) * 1000}, nil
	}
}
