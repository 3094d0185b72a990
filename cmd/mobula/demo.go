package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/mobula-ml/mobula/examples/houseprices"
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/server"
	"github.com/mobula-ml/mobula/pipeline"
)

// began is when the program began, as near as it can tell.
var began = time.Now()

// demo starts a server on a free port and shows the house-price workflow on it, as any client would run it.
func demo(ctx context.Context, args []string) error {
	var (
		c           = server.Config{Listen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		csv, report string
		keep, logs  bool
	)
	f := newFlags("demo", "[--csv FILE] [--json FILE] [-v] [--keep]", "Starts a server on a free port and runs the house-price workflow on it.")
	f.StringVar(&c.Data, "data", "", "folder of the server (default one that is removed at the end)")
	f.StringVar(&csv, "csv", "", "prices to use instead of the example's")
	f.StringVar(&report, "json", "", "file to write the result to")
	f.BoolVar(&keep, "keep", false, "leave everything, and say how to look at it")
	f.BoolVar(&logs, "v", false, "show the lines that the jobs write")
	serverFlags(f, &c)
	if err := parse(f, args); err != nil {
		return err
	}
	if csv != "" {
		if _, err := os.Stat(csv); err != nil {
			return &usageError{err.Error(), "a file of house prices with the columns of examples/houseprices/data/house_pricing.csv"}
		}
	}
	if c.Data == "" {
		dir, err := os.MkdirTemp("", "mobula-demo-")
		if err != nil {
			return err
		}
		c.Data = dir
		if !keep {
			defer os.RemoveAll(dir)
		}
	}
	c.EndHosts = true                                     // with --keep, endpoints come back when a server is started on the folder
	s, err := server.Start(context.WithoutCancel(ctx), c) // it outlives Ctrl-C for as long as the cleaning up takes
	if err != nil {
		return err
	}
	defer s.Stop()
	fmt.Printf("server   %s, jobs run in: %s (%s)\n", s.URL, s.Choice.Runner, s.Choice.Reason)
	printNotes(s.Notes, s.Choice.Advice)
	key := s.Credentials()
	result, err := houseprices.Show(ctx, houseprices.Settings{Endpoint: s.URL, Region: s.Region,
		Credentials: awsapi.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey},
		CSV:         csv, Began: began, Keep: keep, Logs: logs, Out: os.Stdout,
		Renderer: func() *pipeline.Renderer { return pipeline.Terminal(os.Stdout) }})
	if err != nil {
		return err
	}
	if keep {
		fmt.Printf("\nEverything is kept. To look at it:  mobula up --data %s\n", c.Data)
	}
	if report == "" {
		return nil
	}
	b, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(report), 0o755); err != nil {
		return err
	}
	return os.WriteFile(report, append(b, '\n'), 0o644)
}
