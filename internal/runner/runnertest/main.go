package runnertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/runner"
)

// Main is the TestMain of tests that start jobs: the test's executable is also the supervisor, the host and the programs the suite
// runs in jobs.
func Main(m *testing.M) {
	args := os.Args[1:]
	if runner.Main(args) {
		return
	}
	if len(args) > 0 && programs[args[0]] != nil {
		if err := programs[args[0]](args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// programs run in jobs as "mobula NAME …", or beside the test as the server that will die.
var programs = map[string]func(args []string) error{
	"runnertest-serve":    serve,
	"runnertest-fetch":    fetch,
	"runnertest-lookup":   lookup,
	"runnertest-start":    startAndEnd,
	"runnertest-allocate": allocate,
	"runnertest-choose":   choose,
}

// serve answers any request at MOBULA_SERVE_PORT with the host's name.
func serve([]string) error {
	return http.ListenAndServe(":"+os.Getenv("MOBULA_SERVE_PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s served %s\n", os.Getenv("SM_CURRENT_HOST"), r.URL.Path)
	}))
}

// fetch prints what a URL answers, and waits for a server that is not there yet.
func fetch(args []string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		answer, err := http.Get(args[0])
		if err == nil {
			defer answer.Body.Close()
			_, err = io.Copy(os.Stdout, answer.Body)
			return err
		}
		var refused *net.OpError
		if !errors.As(err, &refused) || time.Now().After(deadline) {
			return err
		}
	}
}

// allocate touches so many bytes of memory.
func allocate(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for kept := [][]byte{}; n > 0; n -= 1 << 20 {
		page := make([]byte, 1<<20)
		for i := 0; i < len(page); i += 512 {
			page[i] = 1
		}
		kept = append(kept, page)
	}
	return nil
}

// choose prints what Choose says of a mode.
func choose(args []string) error {
	_, choice, err := runner.Choose(context.Background(), args[0], runner.Options{})
	if err != nil {
		fmt.Println(err)
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(choice)
}

// startAndEnd starts the job that a file describes, with the runner that the first argument names, and ends: a server that dies.
func startAndEnd(args []string) error {
	data, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var spec runner.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	r, _, err := runner.Choose(context.Background(), args[0], runner.Options{})
	if err != nil {
		return err
	}
	_, err = r.Start(context.Background(), spec)
	return err
}
