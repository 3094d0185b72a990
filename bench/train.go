package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mobula-ml/mobula/xgboost"
)

// train trains 100 rounds on a million rows of CSV: the built-in trainer's process, beside the smallest C program that drives the same library.
func train() ([]result, error) {
	dir, err := os.MkdirTemp("", "mobula-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := python("data.py", dir, rowsToPrepare); err != nil {
		return nil, err
	}
	library, err := xgboost.LibraryPath()
	if err != nil {
		return nil, err
	}
	csv := filepath.Join(dir, "ml/input/data/train/train.csv")
	program := filepath.Join(dir, "train")
	if out, err := exec.Command("gcc", "-O2", "-o", program, "bench/peer/train.c", "-ldl").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc: %w: %s", err, out)
	}
	if err := layOut(dir, csv); err != nil {
		return nil, err
	}
	var ours, peer []float64
	for range runs {
		seconds, err := timed([]string{"MOBULA_ML_DIR=" + filepath.Join(dir, "ml"), xgboost.PathVariable + "=" + library}, "bin/mobula", "mobula-builtin", "xgboost-train")
		if err != nil {
			return nil, err
		}
		ours = append(ours, seconds)
		if seconds, err = timed([]string{"OMP_WAIT_POLICY=PASSIVE"}, program, library, csv, filepath.Join(dir, "model.ubj")); err != nil {
			return nil, err
		}
		peer = append(peer, seconds)
	}
	return []result{{Name: "train 1M rows, 100 rounds, from CSV", Ours: median(ours), Peer: median(peer), Unit: "s", Wanted: "≤ 1.05× C"}}, nil
}

// layOut makes the folders of a training job around the data.
func layOut(dir, csv string) error {
	for name, content := range map[string]any{
		"hyperparameters.json": map[string]string{"num_round": "100", "max_depth": "6", "eta": "0.3", "objective": "reg:squarederror", "tree_method": "hist", "nthread": "2"},
		"inputdataconfig.json": map[string]any{"train": map[string]string{"ContentType": "text/csv", "TrainingInputMode": "File"}},
		"resourceconfig.json":  map[string]any{"current_host": "algo-1", "hosts": []string{"algo-1"}},
	} {
		b, err := json.Marshal(content)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, "ml/input/config", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	for _, folder := range []string{filepath.Dir(csv), filepath.Join(dir, "ml/model"), filepath.Join(dir, "ml/output")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(dir, "train.csv"), csv)
}

// timed runs a program and returns its wall time in seconds.
func timed(env []string, name string, args ...string) (float64, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", name, err, out[max(0, len(out)-1000):])
	}
	return time.Since(began).Seconds(), nil
}
