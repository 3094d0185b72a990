package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/server"
)

// A result is one line of the table.
type result struct {
	Name   string  `json:"name"`
	Ours   float64 `json:"ours"`
	Peer   float64 `json:"peer,omitempty"`
	Unit   string  `json:"unit"`
	Wanted string  `json:"wanted"`
	Note   string  `json:"note,omitempty"`
}

var benchmarks = []struct {
	name string
	run  func() ([]result, error)
}{{"e2e", endToEnd}, {"ingest", ingest}, {"invoke", invoke}, {"noop", noop}, {"script", script}, {"many", many}, {"prepare", prepare}, {"train", train}}

func main() {
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) {
		return
	}
	var all []result
	for _, b := range benchmarks {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], b.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s…\n", b.name)
		results, err := b.run()
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", b.name, err)
			os.Exit(1)
		}
		all = append(all, results...)
	}
	fmt.Printf("%-44s %12s %12s %8s  %-10s %s\n", "", "Mobula", "peer", "ratio", "unit", "asked")
	for _, r := range all {
		peer, ratio := "", ""
		if r.Peer > 0 {
			peer, ratio = fmt.Sprintf("%.3g", r.Peer), fmt.Sprintf("%.3g", r.Peer/r.Ours)
		}
		fmt.Printf("%-44s %12.4g %12s %8s  %-10s %s  %s\n", r.Name, r.Ours, peer, ratio, r.Unit, r.Wanted, r.Note)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile("bin/bench.json", append(b, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runs is how often what takes seconds is measured.
const runs = 3

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}

// quantile is the value below which a share of x lies.
func quantile(x []float64, share float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[min(int(share*float64(len(x))), len(x)-1)]
}

// up runs `mobula up` in a process of its own, as a user would, until stop is called.
func up() (client *awsapi.Client, pid int, stop func(), err error) {
	data, err := os.MkdirTemp("", "mobula-bench-")
	if err != nil {
		return nil, 0, nil, err
	}
	cmd := exec.Command("bin/mobula", "up", "--data", data, "--listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, 0, nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		os.RemoveAll(data)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		a, key, err := server.Find(data)
		if err == nil {
			return &awsapi.Client{Endpoint: a.URL, Region: a.Region, Credentials: awsapi.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}}, cmd.Process.Pid, stop, nil
		}
		if time.Now().After(end) {
			stop()
			return nil, 0, nil, err
		}
	}
}

// python runs a script of the peers with their own Python, and returns what it printed after "MARK ", by name.
func python(script string, args ...string) (map[string]float64, error) {
	path, err := filepath.Abs(".cache/bench-venv/bin/python")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, append([]string{filepath.Join("bench/peer", script)}, args...)...)
	cmd.Env = append(os.Environ(), "RAY_USAGE_STATS_ENABLED=0", "RAY_DEDUP_LOGS=0", "PYTHONWARNINGS=ignore")
	out, err := cmd.CombinedOutput()
	marks := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		var name string
		var x float64
		if n, _ := fmt.Sscanf(line, "MARK %s %g", &name, &x); n == 2 {
			marks[name] = x
		}
	}
	if err != nil || len(marks) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%s: %s", script, out[max(0, len(out)-2000):]))
	}
	return marks, nil
}
