package houseprices

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/pipeline"
)

//go:embed data/house_pricing.csv
var prices []byte

// Settings say how to show the workflow.
type Settings struct {
	Endpoint    string
	Region      string
	Credentials awsapi.Credentials
	// CSV is a file with other prices. Defaults to the 10,000 of the example.
	CSV string
	// Began is when the program began, from which the time to the first answer counts. Defaults to now.
	Began time.Time
	// Keep leaves everything as it is at the end.
	Keep bool
	// Out gets what is to be read.
	Out io.Writer
	// Renderer makes what shows an execution. Defaults to lines on Out.
	Renderer func() *pipeline.Renderer
	// Logs shows the lines that the jobs write.
	Logs bool
}

// A Report is what came of it. Seconds are of wall time.
type Report struct {
	Seconds            float64   `json:"seconds"`
	FirstAnswerSeconds float64   `json:"first_answer_seconds"`
	RMSE               float64   `json:"rmse"`
	Steps              []Step    `json:"steps"`
	SecondRun          Run       `json:"second_run"`
	FailedRun          Failure   `json:"failed_run"`
	Prediction         []float64 `json:"prediction"`
	Truth              []float64 `json:"truth"`
	ModelPackageARN    string    `json:"model_package_arn"`
}

// A Step is a step of an execution.
type Step struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Seconds float64 `json:"seconds"`
	Cached  bool    `json:"cached"`
	From    string  `json:"from,omitempty"` // ARN of the execution whose result was taken
}

// A Run is an execution.
type Run struct {
	Steps []Step `json:"steps"`
}

// A Failure is how an execution failed: Reason is the Fail step's.
type Failure struct {
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// A show is one showing.
type show struct {
	Settings
	report   Report
	workflow *pipeline.Workflow
	client   *pipeline.Client
	api      *awsapi.Client
	endpoint string
}

// Show runs the whole workflow and cleans up after it. What it has when it fails, it returns with the error.
func Show(ctx context.Context, s Settings) (*Report, error) {
	if s.Began.IsZero() {
		s.Began = time.Now()
	}
	if s.Renderer == nil {
		s.Renderer = func() *pipeline.Renderer { return pipeline.NewRenderer(s.Out, pipeline.RenderOptions{}) }
	}
	client, err := pipeline.NewClient(pipeline.Config{Endpoint: s.Endpoint, Region: s.Region, AccessKeyID: s.Credentials.AccessKeyID,
		SecretAccessKey: s.Credentials.SecretAccessKey, SessionToken: s.Credentials.SessionToken})
	if err != nil {
		return nil, err
	}
	d := &show{Settings: s, workflow: Workflow(Options{}), client: client, endpoint: "house-prices",
		api: &awsapi.Client{Endpoint: s.Endpoint, Region: s.Region, Credentials: s.Credentials}}
	err = d.run(ctx)
	if !s.Keep {
		// Cleaned up even where ctx has ended: Ctrl-C leaves nothing behind.
		cleanCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if cleanErr := d.clean(cleanCtx); err == nil {
			err = cleanErr
		}
	}
	d.report.Seconds = time.Since(s.Began).Seconds()
	if err == nil {
		d.summary()
	}
	return &d.report, err
}

func (d *show) printf(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

func (d *show) run(ctx context.Context) error {
	if err := d.upload(ctx); err != nil {
		return err
	}
	arn, err := d.client.Upsert(ctx, d.workflow)
	if err != nil {
		return err
	}
	d.printf("\npipeline %s\n\nfirst execution: everything runs", arn)
	first, err := d.execute(ctx, map[string]any{"RMSEThreshold": 15000.0, "IngestionActors": 10, "CheckData": true, "FeatureGroupName": "house-prices"})
	if err != nil {
		return err
	}
	d.report.Steps = stepsOf(first)
	if first.Status != "Succeeded" {
		return fmt.Errorf("the first execution is %s: %s", first.Status, whyOf(first))
	}
	if err := d.readEvaluation(ctx, first); err != nil {
		return err
	}
	d.report.ModelPackageARN = first.Step("RegisterTrainedModel").Resource
	if err := d.deploy(ctx); err != nil {
		return err
	}
	if err := d.ask(ctx, first); err != nil {
		return err
	}
	d.printf("\nsecond execution: what is the same is taken from the cache")
	second, err := d.execute(ctx, nil)
	if err != nil {
		return err
	}
	d.report.SecondRun = Run{stepsOf(second)}
	d.printf("\nthird execution: an RMSE of at most 1 is impossible")
	third, err := d.execute(ctx, map[string]any{"RMSEThreshold": 1.0})
	if err != nil {
		return err
	}
	d.report.FailedRun.Status = third.Status
	if s := third.Step("RMSEFail"); s != nil {
		d.report.FailedRun.Reason = s.FailureReason
	}
	d.printf("  %s: %s", third.Status, d.report.FailedRun.Reason)
	if err := d.lineage(ctx); err != nil {
		return err
	}
	return d.experiment(ctx, first)
}

// upload brings the prices to the default bucket.
func (d *show) upload(ctx context.Context) error {
	path := d.CSV
	if path == "" {
		dir, err := os.MkdirTemp("", "houseprices-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path = filepath.Join(dir, "house_pricing.csv")
		if err := os.WriteFile(path, prices, 0o600); err != nil {
			return err
		}
	}
	uri, err := d.client.Upload(ctx, path, dataKey)
	if err == nil {
		d.printf("data     %s", uri)
	}
	return err
}

// execute starts an execution and follows it to its end.
func (d *show) execute(ctx context.Context, parameters map[string]any) (*pipeline.Execution, error) {
	arn, err := d.client.Start(ctx, d.workflow, pipeline.StartOptions{Parameters: parameters})
	if err != nil {
		return nil, err
	}
	r := d.Renderer()
	defer r.Close()
	return d.client.Follow(ctx, arn, pipeline.FollowOptions{Events: r.Event, Logs: d.Logs})
}

func stepsOf(e *pipeline.Execution) (out []Step) {
	for _, s := range e.Steps {
		out = append(out, Step{s.Name, s.Status, s.Seconds, s.Cached, s.CachedFrom})
	}
	return out
}

// whyOf is the reason of the step that failed, else that of the execution.
func whyOf(e *pipeline.Execution) string {
	for _, s := range e.Steps {
		if s.FailureReason != "" {
			return s.Name + ": " + s.FailureReason
		}
	}
	return e.FailureReason
}

// outputOf is where an output of a processing step lies.
func (d *show) outputOf(ctx context.Context, e *pipeline.Execution, step, output string) (string, error) {
	job := e.Step(step).Resource
	in := &awsapi.DescribeProcessingJobRequest{ProcessingJobName: new(job[strings.LastIndexByte(job, '/')+1:])}
	list, err := d.api.ListProcessingJobs(ctx, &awsapi.ListProcessingJobsRequest{NameContains: in.ProcessingJobName})
	if err != nil {
		return "", err
	}
	if len(list.ProcessingJobSummaries) > 0 { // an ARN is in lower case, a name is not
		in.ProcessingJobName = list.ProcessingJobSummaries[0].ProcessingJobName
	}
	described, err := d.api.DescribeProcessingJob(ctx, in)
	if err != nil {
		return "", err
	}
	for _, o := range described.ProcessingOutputConfig.Outputs {
		if *o.OutputName == output {
			return *o.S3Output.S3Uri, nil
		}
	}
	return "", fmt.Errorf("step %s has no output %s", step, output)
}

func (d *show) readEvaluation(ctx context.Context, e *pipeline.Execution) error {
	uri, err := d.outputOf(ctx, e, "EvaluateModel", "evaluation")
	if err != nil {
		return err
	}
	body, err := d.client.Open(ctx, uri+"/"+reportFile)
	if err != nil {
		return err
	}
	defer body.Close()
	var r report
	if err := json.NewDecoder(body).Decode(&r); err != nil {
		return err
	}
	d.report.RMSE = r.RegressionMetrics.RMSE.Value
	return nil
}

// deploy approves the model and brings it to an endpoint.
func (d *show) deploy(ctx context.Context) error {
	d.printf("\napprove, deploy and ask")
	if _, err := d.api.UpdateModelPackage(ctx, &awsapi.UpdateModelPackageInput{ModelPackageArn: &d.report.ModelPackageARN,
		ModelApprovalStatus: new(awsapi.ModelApprovalStatusApproved), ApprovalDescription: new("the RMSE is below the threshold")}); err != nil {
		return err
	}
	target, err := d.client.Target(ctx)
	if err != nil {
		return err
	}
	if _, err := d.api.CreateModel(ctx, &awsapi.CreateModelInput{ModelName: &d.endpoint, ExecutionRoleArn: &target.RoleARN,
		Containers: []awsapi.ContainerDefinition{{ModelPackageName: &d.report.ModelPackageARN}}}); err != nil {
		return err
	}
	if _, err := d.api.CreateEndpointConfig(ctx, &awsapi.CreateEndpointConfigInput{EndpointConfigName: &d.endpoint,
		ProductionVariants: []awsapi.ProductionVariant{{VariantName: new("AllTraffic"), ModelName: &d.endpoint, InitialInstanceCount: new(int32(1)), InstanceType: new("ml.m5.large")}}}); err != nil {
		return err
	}
	if _, err := d.api.CreateEndpoint(ctx, &awsapi.CreateEndpointInput{EndpointName: &d.endpoint, EndpointConfigName: &d.endpoint}); err != nil {
		return err
	}
	for {
		e, err := d.api.DescribeEndpoint(ctx, &awsapi.DescribeEndpointInput{EndpointName: &d.endpoint})
		switch {
		case err != nil:
			return err
		case *e.EndpointStatus == awsapi.EndpointStatusInService:
			d.printf("  endpoint %s is InService", d.endpoint)
			return nil
		case *e.EndpointStatus == awsapi.EndpointStatusFailed:
			return fmt.Errorf("endpoint %s failed: %s", d.endpoint, awsapi.Val(e.FailureReason))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// asked is how many houses of the test set the endpoint is asked for.
const asked = 5

// ask sends rows of the test set to the endpoint and prints its answers beside the truth.
func (d *show) ask(ctx context.Context, e *pipeline.Execution) error {
	uri, err := d.outputOf(ctx, e, "PreprocessData", "test")
	if err != nil {
		return err
	}
	body, err := d.client.Open(ctx, uri+"/test.csv")
	if err != nil {
		return err
	}
	defer body.Close()
	var rows []string
	for lines := bufio.NewScanner(body); len(rows) < asked && lines.Scan(); {
		label, row, _ := strings.Cut(lines.Text(), ",")
		truth, err := strconv.ParseFloat(label, 64)
		if err != nil {
			return fmt.Errorf("test set: %w", err)
		}
		d.report.Truth = append(d.report.Truth, truth)
		rows = append(rows, row)
	}
	answer, err := d.api.InvokeEndpoint(ctx, &awsapi.InvokeEndpointInput{EndpointName: &d.endpoint, ContentType: new("text/csv"), Accept: new("text/csv"), Body: []byte(strings.Join(rows, "\n"))})
	if err != nil {
		return err
	}
	d.report.FirstAnswerSeconds = time.Since(d.Began).Seconds()
	for text := range strings.FieldsFuncSeq(string(answer.Body), func(r rune) bool { return r == ',' || r == '\n' }) {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("the endpoint answered %q: %w", answer.Body, err)
		}
		d.report.Prediction = append(d.report.Prediction, x)
	}
	if len(d.report.Prediction) != len(d.report.Truth) {
		return fmt.Errorf("the endpoint gave %d answers to %d rows: %q", len(d.report.Prediction), len(rows), answer.Body)
	}
	d.printf("  %12s  %12s", "prediction", "truth")
	for i, x := range d.report.Prediction {
		d.printf("  %12.0f  %12.0f", x, d.report.Truth[i])
	}
	return nil
}

// summary prints the table of the first execution and what the whole came to.
func (d *show) summary() {
	d.printf("\n%-24s %-10s %8s", "step", "status", "seconds")
	for _, s := range d.report.Steps {
		d.printf("%-24s %-10s %8.2f", s.Name, s.Status, s.Seconds)
	}
	d.printf("\nRMSE %.2f; first house: predicted %.0f, true %.0f", d.report.RMSE, d.report.Prediction[0], d.report.Truth[0])
	d.printf("%.2f s to the endpoint's first answer, %.2f s in all", d.report.FirstAnswerSeconds, d.report.Seconds)
}
