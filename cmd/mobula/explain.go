package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/server"
)

// explain prints why a step of a pipeline's execution ran, or whose result was taken in its place.
func explain(ctx context.Context, args []string) error {
	var data string
	f := newFlags("explain", "[--data DIR] EXECUTION [STEP]",
		"Says of a step of an execution (its ARN or id) whose result the cache gave, or what differed; without a step, of all that have started.")
	f.StringVar(&data, "data", defaultData(), "folder of the server")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	names := f.Args()
	if len(names) < 1 || len(names) > 2 {
		return &usageError{"'explain' takes an execution and a step", "mobula explain -h"}
	}
	a, c, err := server.Find(data)
	if err != nil {
		return err
	}
	client := &awsapi.Client{Endpoint: a.URL, Region: a.Region, Credentials: awsapi.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}}
	query := url.Values{"execution": names[:1], "step": names[1:]}
	resp, err := client.Send(ctx, pyenv.SigningName, http.MethodGet, server.ExplainPath+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	fmt.Print(string(text))
	return nil
}
