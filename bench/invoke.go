package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/server"
)

// invoke asks the endpoint that the demo leaves for one row at a time, by one client, through HTTP, signed.
func invoke() ([]result, error) {
	data, err := os.MkdirTemp("", "mobula-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(data)
	if out, err := exec.Command("bin/mobula", "demo", "--keep", "--data", data).CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return nil, err
	}
	cmd := exec.Command("bin/mobula", "up", "--data", data, "--listen", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	var c *awsapi.Client
	for c == nil {
		if a, key, err := server.Find(data); err == nil {
			c = &awsapi.Client{Endpoint: a.URL, Region: a.Region, Credentials: awsapi.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}}
		}
		time.Sleep(5 * time.Millisecond)
	}
	ctx := context.Background()
	in := &awsapi.InvokeEndpointInput{EndpointName: new("house-prices"), ContentType: new("text/csv"), Accept: new("text/csv"), Body: []byte("0.5,-0.3,1.2,0,0.1,1,-1,1")}
	const calls = 5000
	var times []float64
	for i := range calls + 200 {
		began := time.Now()
		out, err := c.InvokeEndpoint(ctx, in)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(out.Body)) == "" {
			return nil, fmt.Errorf("the endpoint gave no prediction")
		}
		if i >= 200 { // the first ones warm the connections
			times = append(times, time.Since(began).Seconds()*1000)
		}
	}
	name := "house-prices"
	if err := c.DeleteEndpoint(ctx, &awsapi.DeleteEndpointInput{EndpointName: &name}); err != nil {
		return nil, err
	}
	for {
		if _, err := c.DescribeEndpoint(ctx, &awsapi.DescribeEndpointInput{EndpointName: &name}); err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return []result{{Name: "InvokeEndpoint, one row, one client, p50", Ours: quantile(times, 0.5), Unit: "ms", Wanted: "≤ 0.5", Note: "Flask and gunicorn 1.24, Ray Serve 8.7"},
		{Name: "InvokeEndpoint, one row, one client, p99", Ours: quantile(times, 0.99), Unit: "ms"}}, nil
}
