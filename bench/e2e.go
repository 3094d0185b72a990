package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/mobula-ml/mobula/examples/houseprices"
)

// endToEnd is the whole workflow, from the start of the process to the endpoint's first answer, beside a script that does the same with Ray
// against a feature store that keeps nothing.
func endToEnd() ([]result, error) {
	dir, err := os.MkdirTemp("", "mobula-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	stub, err := serveStub()
	if err != nil {
		return nil, err
	}
	defer stub.Close()
	var ours, peer []float64
	for i := range runs {
		file := filepath.Join(dir, strconv.Itoa(i)+".json")
		if out, err := exec.Command("bin/mobula", "demo", "--json", file).CombinedOutput(); err != nil {
			os.Stderr.Write(out)
			return nil, err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r houseprices.Report
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, err
		}
		ours = append(ours, r.FirstAnswerSeconds)
		if i < 2 { // a minute each
			marks, err := python("e2e.py", "http://"+stub.Addr().String(), "examples/houseprices/data/house_pricing.csv", filepath.Join(dir, "peer"))
			if err != nil {
				return nil, err
			}
			peer = append(peer, marks["first_answer"])
		}
	}
	return []result{{Name: "CSV to an answering endpoint", Ours: median(ours), Peer: median(peer), Unit: "s", Wanted: "≤ 5 s, ≥ 15×"}}, nil
}
