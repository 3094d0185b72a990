package houseprices_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/examples/houseprices"
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/server"
	"github.com/mobula-ml/mobula/mobulatest"
	"github.com/mobula-ml/mobula/pipeline"
)

func TestMain(m *testing.M) {
	if args := os.Getenv("HOUSEPRICES_TEST_SERVER"); args != "" && os.Getenv("MOBULA_STEP") == "" && len(os.Args) == 1 {
		data, listen, _ := strings.Cut(args, "|")
		if _, err := server.Start(context.Background(), server.Config{Data: data, Listen: listen, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {}
	}
	mobulatest.Main(m, houseprices.Workflow(houseprices.Options{}))
}

func api(s *mobulatest.Server) *awsapi.Client {
	return &awsapi.Client{Endpoint: s.URL, Region: s.Region, Credentials: awsapi.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey}}
}

// TestShow runs everything that the demo shows, and looks at what it reports and leaves behind.
func TestShow(t *testing.T) {
	t.Parallel()
	for _, runner := range []string{"auto", "plain"} {
		t.Run(runner, func(t *testing.T) {
			t.Parallel()
			s := mobulatest.Start(t, mobulatest.Options{Runner: runner})
			var out bytes.Buffer
			r, err := houseprices.Show(t.Context(), houseprices.Settings{Endpoint: s.URL, Region: s.Region,
				Credentials: awsapi.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey}, Out: &out})
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			check(t, r)
			for _, want := range []string{"lineage of the model", "ModelDeployment", "FeatureGroup house-prices", "validation:rmse", "cleaned up"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the showing does not have %q:\n%s", want, out.String())
				}
			}
			nothingLeft(t, api(s))
		})
	}
}

func check(t *testing.T, r *houseprices.Report) {
	t.Helper()
	steps := func(list []houseprices.Step) string {
		var all []string
		for _, s := range list {
			text := s.Name + " " + s.Status
			if s.Cached {
				text += " cached"
			}
			all = append(all, text)
		}
		return strings.Join(all, ", ")
	}
	if got := steps(r.Steps); got != "FeatureStoreIngestion Succeeded, PreprocessData Succeeded, HPTuning Succeeded, EvaluateModel Succeeded, CheckEvaluation Succeeded, RegisterTrainedModel Succeeded" {
		t.Errorf("first run: %s", got)
	}
	if got := steps(r.SecondRun.Steps); got != "FeatureStoreIngestion Succeeded cached, PreprocessData Succeeded cached, HPTuning Succeeded cached, EvaluateModel Succeeded, CheckEvaluation Succeeded, RegisterTrainedModel Succeeded" {
		t.Errorf("second run: %s", got)
	}
	if r.FailedRun.Status != "Failed" || r.FailedRun.Reason != "Execution failed due to RMSE > 1" {
		t.Errorf("failed run: %+v", r.FailedRun)
	}
	// Data, seed and library are fixed, and nothing depends on time or threads: the same model comes out everywhere.
	if r.RMSE < 11_351 || r.RMSE > 11_352 {
		t.Errorf("RMSE %v", r.RMSE)
	}
	if len(r.Prediction) != 5 || len(r.Truth) != 5 || !strings.HasSuffix(r.ModelPackageARN, ":model-package/house-prices/1") {
		t.Errorf("report %+v", r)
	}
	for i := range r.Prediction {
		if d := r.Prediction[i] - r.Truth[i]; d > 60_000 || d < -60_000 {
			t.Errorf("house %d: %v for %v", i, r.Prediction[i], r.Truth[i])
		}
	}
}

// nothingLeft checks that the showing cleaned up.
func nothingLeft(t *testing.T, c *awsapi.Client) {
	t.Helper()
	for what, list := range map[string]func() (any, error){
		"FeatureGroupSummaries": func() (any, error) { return c.ListFeatureGroups(t.Context(), &awsapi.ListFeatureGroupsRequest{}) },
		"Endpoints":             func() (any, error) { return c.ListEndpoints(t.Context(), &awsapi.ListEndpointsInput{}) },
		"EndpointConfigs":       func() (any, error) { return c.ListEndpointConfigs(t.Context(), &awsapi.ListEndpointConfigsInput{}) },
		"Models":                func() (any, error) { return c.ListModels(t.Context(), &awsapi.ListModelsInput{}) },
		"ModelPackageGroupSummaryList": func() (any, error) {
			return c.ListModelPackageGroups(t.Context(), &awsapi.ListModelPackageGroupsInput{})
		},
		"PipelineSummaries":   func() (any, error) { return c.ListPipelines(t.Context(), &awsapi.ListPipelinesRequest{}) },
		"ExperimentSummaries": func() (any, error) { return c.ListExperiments(t.Context(), &awsapi.ListExperimentsRequest{}) },
		"TrialSummaries":      func() (any, error) { return c.ListTrials(t.Context(), &awsapi.ListTrialsRequest{}) },
	} {
		var left map[string][]any
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			out, err := list()
			if err != nil {
				t.Errorf("%s: %v", what, err)
				break
			}
			left = nil
			b, _ := json.Marshal(out)
			json.Unmarshal(b, &left)
			if len(left[what]) == 0 {
				break
			}
			if time.Now().After(end) {
				t.Errorf("%s: %v is left", what, left[what])
				break
			}
		}
	}
}

// execute uploads prices, starts the workflow and follows it.
func execute(t *testing.T, c *pipeline.Client, csv string) *pipeline.Execution {
	t.Helper()
	e, err := c.Follow(t.Context(), begin(t, c, csv), pipeline.FollowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// begin uploads prices and starts the workflow.
func begin(t *testing.T, c *pipeline.Client, csv string) (executionARN string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prices.csv")
	if err := os.WriteFile(file, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upload(t.Context(), file, "house-prices/raw/house_pricing.csv"); err != nil {
		t.Fatal(err)
	}
	w := houseprices.Workflow(houseprices.Options{})
	if _, err := c.Upsert(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	arn, err := c.Start(t.Context(), w, pipeline.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func TestWrongDataIsRefusedByNameAndChangesNothing(t *testing.T) {
	t.Parallel()
	const header = "PRICE,YEAR_BUILT,SQUARE_FEET,NUM_BEDROOMS,NUM_BATHROOMS,LOT_ACRES,GARAGE_SPACES,FRONT_PORCH,DECK\n"
	s := mobulatest.Start(t, mobulatest.Options{})
	for name, c := range map[string]struct{ csv, want string }{
		"missing column":   {"PRICE,YEAR_BUILT\n1,2\n", "SQUARE_FEET"},
		"text in a number": {header + "490098,2008,3063.6,2,1.0,1.37,2,0,0\n381981,old,2696.8,3,3.0,0.83,2,0,0\n", `line 3, column "YEAR_BUILT": the value "old"`},
		"no rows":          {header, "no rows"},
		"empty":            {"", "empty"},
	} {
		e := execute(t, s.Client(t), c.csv)
		if e.Status != "Failed" || len(e.Steps) != 1 || !strings.Contains(e.Steps[0].FailureReason, c.want) {
			t.Errorf("%s: %s, %+v, want %q", name, e.Status, e.Steps, c.want)
		}
		groups, err := api(s).ListFeatureGroups(t.Context(), &awsapi.ListFeatureGroupsRequest{})
		if err != nil || len(groups.FeatureGroupSummaries) != 0 {
			t.Errorf("%s: a feature group was made: %v, %v", name, groups, err)
		}
	}
}

// TestKilledServer kills the server again and again while the workflow runs. It completes all the same, and nothing has happened twice.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	data := t.TempDir()
	up := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "HOUSEPRICES_TEST_SERVER="+data+"|"+listen)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	cmd := up()
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	var s mobulatest.Server
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		a, key, err := server.Find(data)
		if err == nil {
			s = mobulatest.Server{URL: a.URL, Region: a.Region, AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	prices, err := os.ReadFile("data/house_pricing.csv")
	if err != nil {
		t.Fatal(err)
	}
	client := s.Client(t)
	arn := begin(t, client, string(prices))
	type end struct {
		e   *pipeline.Execution
		err error
	}
	done := make(chan end, 1)
	go func() {
		e, err := client.Follow(t.Context(), arn, pipeline.FollowOptions{})
		done <- end{e, err}
	}()
	// The moments follow from a seed, and lie closer together than any step is long.
	rng := rand.New(rand.NewPCG(3, 14))
	var e *pipeline.Execution
	kills := 0
	for e == nil {
		select {
		case x := <-done:
			if e = x.e; x.err != nil {
				t.Fatal(x.err)
			}
		case <-time.After(time.Duration(100+rng.IntN(500)) * time.Millisecond):
			if kills++; kills > 40 {
				continue // enough: let it come to its end
			}
			cmd.Process.Kill()
			cmd.Wait()
			cmd = up()
		}
	}
	t.Logf("%d kills", kills)
	if e.Status != "Succeeded" || len(e.Steps) != 6 {
		t.Fatalf("%s: %+v", e.Status, e.Steps)
	}
	for _, step := range e.Steps {
		if step.Attempts != 1 {
			t.Errorf("%s was tried %d times", step.Name, step.Attempts)
		}
	}
	c := api(&s)
	processing, err := c.ListProcessingJobs(t.Context(), &awsapi.ListProcessingJobsRequest{})
	if err != nil || len(processing.ProcessingJobSummaries) != 3 {
		t.Errorf("%d processing jobs, want 3: %v", len(processing.ProcessingJobSummaries), err)
	}
	training, err := c.ListTrainingJobs(t.Context(), &awsapi.ListTrainingJobsRequest{})
	if err != nil || len(training.TrainingJobSummaries) != 4 {
		t.Errorf("%d training jobs, want 4: %v", len(training.TrainingJobSummaries), err)
	}
	packages, err := c.ListModelPackages(t.Context(), &awsapi.ListModelPackagesInput{ModelPackageGroupName: new(houseprices.GroupName)})
	if err != nil || len(packages.ModelPackageSummaryList) != 1 {
		t.Errorf("%d model packages, want 1: %v", len(packages.ModelPackageSummaryList), err)
	}
}
