package pipeline

import (
	"context"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// Log groups of jobs.
const (
	processingLogs = "/aws/sagemaker/ProcessingJobs"
	trainingLogs   = "/aws/sagemaker/TrainingJobs"
)

// Limits of a look into a step's jobs, so that a job that writes without end does not keep the others waiting. The last look reads to the end.
const (
	maxStreams   = 500
	maxPages     = 20
	maxLastPages = 10_000
)

// A tail reads what the jobs of one step tell.
type tail struct {
	api      *awsapi.Client
	resource string // the ARN of the step's job
	kind     string
	job      string // the job's name
	logs     bool
	last     bool // the step is over: this is the last look
	streams  []*logStream
	seen     map[string]bool // names of streams
	progress Progress        // told last
}

type logStream struct{ group, name, host, token string }

func newTail(api *awsapi.Client, s *StepResult, logs bool) *tail {
	t := &tail{api: api, resource: s.Resource, kind: s.Kind, logs: logs, seen: map[string]bool{}}
	if s.Cached {
		t.kind = "" // its jobs are those of an earlier execution
	}
	t.job = jobName(s.Resource[strings.LastIndexByte(s.Resource, '/')+1:], s.Name)
	return t
}

// jobName gives a job's name back the capitals that its ARN does not have. The service names the jobs of steps pipelines-<execution>-<step>-<digits>,
// with the step's name cut where it is long.
func jobName(fromARN, step string) string {
	rest, ok := strings.CutPrefix(fromARN, "pipelines-")
	execution, rest, more := strings.Cut(rest, "-")
	if !ok || !more {
		return fromARN
	}
	n := 0
	for n < len(step) && n < len(rest) && strings.EqualFold(step[:n+1], rest[:n+1]) {
		n++
	}
	return "pipelines-" + execution + "-" + step[:n] + rest[n:]
}

// look tells what is new.
func (t *tail) look(ctx context.Context, tell func(Event)) error {
	switch t.kind {
	case "Processing":
		return t.readLogs(ctx, processingLogs, t.job, "", tell)
	case "Training":
		return t.readLogs(ctx, trainingLogs, t.job, "", tell)
	case "Tuning":
		return t.tuning(ctx, tell)
	}
	return nil
}

// tuning tells how many of the training jobs are over, and their logs where those are asked for.
func (t *tail) tuning(ctx context.Context, tell func(Event)) error {
	out, err := t.api.DescribeHyperParameterTuningJob(ctx, &awsapi.DescribeHyperParameterTuningJobRequest{HyperParameterTuningJobName: &t.job})
	if err != nil {
		return ignoreMissing(err)
	}
	if n, config := out.TrainingJobStatusCounters, out.HyperParameterTuningJobConfig; n != nil && config != nil && config.ResourceLimits != nil {
		done := awsapi.Val(n.Completed) + awsapi.Val(n.NonRetryableError) + awsapi.Val(n.Stopped)
		p := Progress{Done: int64(done), Total: int64(awsapi.Val(config.ResourceLimits.MaxNumberOfTrainingJobs)), Unit: "trials"}
		if p != t.progress {
			t.progress = p
			tell(Event{Kind: StepProgress, Progress: p})
		}
	}
	if !t.logs {
		return nil
	}
	list := &awsapi.ListTrainingJobsForHyperParameterTuningJobRequest{HyperParameterTuningJobName: &t.job, MaxResults: new(int32(100))}
	for {
		page, err := t.api.ListTrainingJobsForHyperParameterTuningJob(ctx, list)
		if err != nil {
			return ignoreMissing(err)
		}
		for _, j := range page.TrainingJobSummaries {
			name := awsapi.Val(j.TrainingJobName)
			if err := t.readLogs(ctx, trainingLogs, name, name+"/", tell); err != nil {
				return err
			}
		}
		if list.NextToken = page.NextToken; awsapi.Val(page.NextToken) == "" {
			return nil
		}
	}
}

// ignoreMissing drops the error of a job or a log that is not there yet, or not any more.
func ignoreMissing(err error) error {
	if awsapi.IsNotFound(err) || awsapi.IsCode(err, "ResourceNotFoundException") || awsapi.IsCode(err, "ValidationException") {
		return nil
	}
	return err
}

// readLogs tells the new lines of a job's streams, <job>/<host>-<time>.
func (t *tail) readLogs(ctx context.Context, group, job, prefix string, tell func(Event)) error {
	if err := t.findStreams(ctx, group, job, prefix); err != nil {
		return ignoreMissing(err)
	}
	for _, s := range t.streams {
		if !strings.HasPrefix(s.name, job+"/") {
			continue
		}
		if err := t.readStream(ctx, s, tell); err != nil {
			return ignoreMissing(err)
		}
	}
	return nil
}

func (t *tail) findStreams(ctx context.Context, group, job, prefix string) error {
	in := &awsapi.DescribeLogStreamsRequest{LogGroupName: &group, LogStreamNamePrefix: new(job + "/")}
	for len(t.streams) < maxStreams {
		out, err := t.api.DescribeLogStreams(ctx, in)
		if err != nil {
			return err
		}
		for _, s := range out.LogStreams {
			name := awsapi.Val(s.LogStreamName)
			if t.seen[name] {
				continue
			}
			t.seen[name] = true
			t.streams = append(t.streams, &logStream{group: group, name: name, host: prefix + hostOf(name)})
		}
		if in.NextToken = out.NextToken; awsapi.Val(out.NextToken) == "" {
			break
		}
	}
	return nil
}

// hostOf is the host in <job>/<host>-<time>, such as algo-1 in x/algo-1-1700000000.
func hostOf(stream string) string {
	host := stream[strings.LastIndexByte(stream, '/')+1:]
	if i := strings.LastIndexByte(host, '-'); strings.Count(host, "-") > 1 {
		host = host[:i]
	}
	return host
}

func (t *tail) readStream(ctx context.Context, s *logStream, tell func(Event)) error {
	pages := maxPages
	if t.last {
		pages = maxLastPages
	}
	for range pages {
		out, err := t.api.GetLogEvents(ctx, &awsapi.GetLogEventsRequest{LogGroupName: &s.group, LogStreamName: &s.name, StartFromHead: new(true), NextToken: awsapi.Optional(s.token)})
		if err != nil {
			return err
		}
		for _, e := range out.Events {
			t.line(s, awsapi.Val(e.Message), tell)
		}
		token := awsapi.Val(out.NextForwardToken)
		end := token == s.token // the same token again is the end of what there is; a page may be empty before it
		if s.token = token; end || !t.last && len(out.Events) == 0 {
			break
		}
	}
	return nil
}

func (t *tail) line(s *logStream, text string, tell func(Event)) {
	text = strings.TrimRight(text, "\r\n")
	if p, ok := parseProgress(text); ok {
		tell(Event{Kind: StepProgress, Host: s.host, Progress: p})
		return
	}
	if t.logs {
		tell(Event{Kind: StepLog, Host: s.host, Line: text})
	}
}
