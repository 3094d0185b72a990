package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/xgboost"
)

// doctor says what this machine can do.
func doctor(ctx context.Context, args []string) error {
	f := newFlags("doctor", "", "Says which runner jobs get on this machine and why, what to allow for a better one, and whether the XGBoost library is there.")
	if err := parse(f, args); err != nil {
		return err
	}
	fmt.Printf("machine:  %s/%s, %d processors\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	r, choice, err := runner.Choose(ctx, runner.Auto, runner.Options{PlatformAddr: "127.0.0.1:1"})
	if err != nil {
		return err
	}
	fmt.Printf("runner:   %s (%s)\n", choice.Runner, choice.Reason)
	printNotes(r.Notes(), choice.Advice)
	engines := strings.Join(container.Open("").Engines(), ", ")
	fmt.Println("images:  ", cmp.Or(engines, "no engine; with docker or podman, their images can be run"))
	library, err := xgboost.LibraryPath()
	if err != nil {
		return fmt.Errorf("xgboost: %w", err)
	}
	fmt.Println("xgboost: ", library)
	return nil
}
