package pipelines

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

// A kind executes the steps of one type that make something: a job, a model, a package. To add one, write it in a file of its own, enter
// it here and in definition.Kinds.
type kind interface {
	// operation is the service and the operation that make the child, as failures name them.
	operation() string
	// start creates the child under row.ChildName from the step's evaluated arguments and returns its ARN. Where a child of that name
	// exists it is the one an interrupted pass made, and its ARN is returned.
	start(r *run, def *definition.Step, row *step, args map[string]any) (arn string, err error)
	// observe says what the child has come to.
	observe(r *run, row *step) (observation, error)
	// stop asks the child to stop; a child that has ended is left alone.
	stop(r *run, row *step) error
}

var kinds = map[string]kind{
	definition.Processing:    processing{},
	definition.Training:      training{},
	definition.Tuning:        tuning{},
	definition.Model:         model{},
	definition.RegisterModel: register{},
	definition.Transform:     transform{},
	definition.Lambda:        lambda{},
	definition.Callback:      awaiting{},
}

// An observation is what a child has come to.
type observation struct {
	status     string // of the step
	reason     string // why it failed or was stopped
	code       string // of the error with which the child was refused
	properties json.RawMessage
}

// exceptions are the exception types of retry policies, by the code of a refusal or the first word of a job's failure reason.
var exceptions = map[string]string{
	"InternalServerError":   "SageMaker.JOB_INTERNAL_ERROR",
	"CapacityError":         "SageMaker.CAPACITY_ERROR",
	"ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
	"InternalFailure":       "Step.SERVICE_FAULT",
	"ServiceUnavailable":    "Step.SERVICE_FAULT",
	"ThrottlingException":   "Step.THROTTLING",
}

// exception is the exception type that retry policies know a failure by, or "" where none does.
func (o observation) exception() string {
	word := o.code
	if word == "" {
		word, _, _ = strings.Cut(o.reason, ":")
	}
	return exceptions[word]
}

// jobStatus maps the status of a job to that of its step.
var jobStatus = map[string]string{
	"Completed": awsapi.StepStatusSucceeded,
	"Failed":    awsapi.StepStatusFailed,
	"Stopped":   awsapi.StepStatusStopped,
}

// observed makes the observation of a job. A job that was stopped by its time limit fails the step, as in the service.
func observed(describe any, status, reason string, asked bool) (observation, error) {
	o := observation{status: jobStatus[status], reason: reason}
	if o.status == awsapi.StepStatusStopped && !asked {
		o.status = awsapi.StepStatusFailed
		if reason == "" {
			o.reason = "ClientError: The job was stopped."
		}
	}
	properties, err := json.Marshal(describe)
	o.properties = properties
	return o, err
}

// stoppable says whether an error of a Stop operation means that there was nothing left to stop.
func stoppable(err error) error {
	if isRefusal(err) {
		return nil
	}
	return err
}

// isRefusal says whether err is the caller's fault.
func isRefusal(err error) bool {
	var e *awsapi.Error
	return errors.As(err, &e) && e.Status < 500
}

// request fills a request from a step's evaluated arguments after checking them against its shape.
func request(def *definition.Step, args map[string]any, into any) error {
	if err := definition.CheckArguments(def.Type, args); err != nil {
		return err
	}
	b, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("arguments of step %s: %w", def.Name, err)
	}
	return json.Unmarshal(b, into)
}

// experimentConfig is what the jobs of an execution are filed under.
func (r *run) experimentConfig() *awsapi.ExperimentConfig {
	if r.exec.ExperimentName == "" {
		return nil
	}
	return &awsapi.ExperimentConfig{ExperimentName: &r.exec.ExperimentName, TrialName: &r.exec.TrialName}
}

// tags are those of what a step makes: its own, and those by which clients find the execution and the step again.
func (r *run) tags(row *step, given []awsapi.Tag) []awsapi.Tag {
	return append(slices.Clip(given), awsapi.Tag{Key: new("sagemaker:pipeline-execution-arn"), Value: &r.exec.ARN},
		awsapi.Tag{Key: new("sagemaker:pipeline-step-name"), Value: &row.Name})
}
