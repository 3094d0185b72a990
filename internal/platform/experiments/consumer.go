package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// consume makes or changes the trial component of a job.
func (s *Service) consume(tx *store.Tx, e store.Event) error {
	kind, status, _ := strings.Cut(e.Type, ".")
	if status == "Deleted" {
		return nil
	}
	var c *component
	var experiment *awsapi.ExperimentConfig
	switch kind {
	case "TrainingJob":
		var d awsapi.DescribeTrainingJobResponse
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		c, experiment = fromTraining(&d), d.ExperimentConfig
	case "ProcessingJob":
		var d awsapi.DescribeProcessingJobResponse
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		c, experiment = fromProcessing(&d), d.ExperimentConfig
	case "TransformJob":
		var d awsapi.DescribeTransformJobResponse
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("data: %w", err)
		}
		c, experiment = fromTransform(&d), d.ExperimentConfig
	default:
		return nil
	}
	scope := scopeOf(e.Resource)
	name := *c.TrialComponentName
	c.TrialComponentArn, c.CreationTime, c.LastModifiedTime = componentARN(scope, name), awsapi.Stamp(e.Time), awsapi.Stamp(e.Time)
	c.CreatedBy, c.LastModifiedBy = &awsapi.UserContext{}, &awsapi.UserContext{}
	known, err := componentRows.Get(tx, scope, name)
	if err == nil {
		c.keep(known)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := s.file(tx, scope, c, experiment); err != nil {
		return err
	}
	if known != nil {
		return componentRows.Put(tx, scope, name, c)
	}
	return componentRows.Insert(tx, scope, name, *c.TrialComponentArn, c)
}

// keep takes over what a component had besides what its job shows: its trials, its display name, metrics that were put.
func (c *component) keep(known *component) {
	c.CreationTime, c.Trials, c.Experiments, c.Sums = known.CreationTime, known.Trials, known.Experiments, known.Sums
	c.Parameters = merge(known.Parameters, c.Parameters, nil)
	c.InputArtifacts = merge(known.InputArtifacts, c.InputArtifacts, nil)
	c.OutputArtifacts = merge(known.OutputArtifacts, c.OutputArtifacts, nil)
	if known.DisplayName != nil && *known.DisplayName != *known.TrialComponentName {
		c.DisplayName = known.DisplayName
	}
	for _, m := range known.Metrics {
		if c.Sums[*m.MetricName].Count > 0 { // the values that were put say more than the job's last one
			c.Metrics = slices.DeleteFunc(c.Metrics, func(of awsapi.TrialComponentMetricSummary) bool { return *of.MetricName == *m.MetricName })
		}
		if c.metric(*m.MetricName) == nil {
			c.Metrics = append(c.Metrics, m)
		}
	}
}

// file puts the component into the trial that the job's ExperimentConfig names, if there is one. Where it names an experiment alone, the
// component goes to a trial that is made for such jobs.
func (s *Service) file(tx *store.Tx, scope store.Scope, c *component, config *awsapi.ExperimentConfig) error {
	if config == nil {
		return nil
	}
	if config.TrialComponentDisplayName != nil {
		c.DisplayName = config.TrialComponentDisplayName
	}
	c.RunName = awsapi.Val(config.RunName)
	name := awsapi.Val(config.TrialName)
	if name == "" && config.ExperimentName != nil {
		name = defaultTrial(*config.ExperimentName)
	}
	if name == "" {
		return nil
	}
	t, err := trialRows.Get(tx, scope, name)
	if errors.Is(err, store.ErrNotFound) && config.TrialName == nil {
		if t, err = s.newTrial(tx, scope, &awsapi.CreateTrialRequest{ExperimentName: config.ExperimentName, TrialName: &name}); awsapi.IsNotFound(err) {
			return nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted since the job was made
	}
	if err == nil {
		c.join(t)
	}
	return err
}

// maxName is how long the name of a trial may be.
const maxName = 120

// defaultTrial is the trial of an experiment's jobs that name no trial, which the runs of the Python SDK use too.
func defaultTrial(experiment string) string {
	name := "Default-Run-Group-" + experiment
	return strings.TrimRight(name[:min(len(name), maxName)], "-")
}

func scopeOf(arn string) store.Scope {
	p := strings.SplitN(arn, ":", 6)
	return store.Scope{Region: p[3], Account: p[4]}
}

// primary maps the status of a job to that of its trial component.
var primary = map[string]string{"Completed": awsapi.TrialComponentPrimaryStatusCompleted, "Failed": awsapi.TrialComponentPrimaryStatusFailed,
	"Stopping": awsapi.TrialComponentPrimaryStatusStopping, "Stopped": awsapi.TrialComponentPrimaryStatusStopped}

func statusOf(status, reason *string) *awsapi.TrialComponentStatus {
	p, ok := primary[awsapi.Val(status)]
	if !ok {
		p = awsapi.TrialComponentPrimaryStatusInProgress
	}
	message := "Status: " + awsapi.Val(status)
	if r := awsapi.Val(reason); r != "" {
		message += ", message: " + r
	}
	return &awsapi.TrialComponentStatus{PrimaryStatus: &p, Message: new(message[:min(len(message), 1024)])}
}

func text(s string) awsapi.TrialComponentParameterValue {
	return awsapi.TrialComponentParameterValue{StringValue: &s}
}

func number(x float64) awsapi.TrialComponentParameterValue {
	return awsapi.TrialComponentParameterValue{NumberValue: &x}
}

func artifact(uri, mediaType string) awsapi.TrialComponentArtifact {
	return awsapi.TrialComponentArtifact{Value: &uri, MediaType: awsapi.Optional(mediaType)}
}

func fromTraining(d *awsapi.DescribeTrainingJobResponse) *component {
	name := strings.ToLower(*d.TrainingJobName) + "-aws-training-job"
	c := &component{TrainingJob: *d.TrainingJobName, DescribeTrialComponentResponse: awsapi.DescribeTrialComponentResponse{TrialComponentName: &name, DisplayName: &name,
		Source: &awsapi.TrialComponentSource{SourceArn: d.TrainingJobArn, SourceType: new("SageMakerTrainingJob")},
		Status: statusOf(d.TrainingJobStatus, d.FailureReason), StartTime: d.TrainingStartTime, EndTime: d.TrainingEndTime,
		Parameters: map[string]awsapi.TrialComponentParameterValue{}, InputArtifacts: map[string]awsapi.TrialComponentArtifact{}, OutputArtifacts: map[string]awsapi.TrialComponentArtifact{}}}
	for k, v := range d.HyperParameters {
		if x, err := strconv.ParseFloat(v, 64); err == nil {
			c.Parameters[k] = number(x)
		} else {
			c.Parameters[k] = text(v)
		}
	}
	if r := d.ResourceConfig; r != nil {
		c.Parameters["SageMaker.InstanceType"] = text(awsapi.Val(r.InstanceType))
		c.Parameters["SageMaker.InstanceCount"] = number(float64(awsapi.Val(r.InstanceCount)))
		c.Parameters["SageMaker.VolumeSizeInGB"] = number(float64(awsapi.Val(r.VolumeSizeInGB)))
	}
	if a := d.AlgorithmSpecification; a != nil && a.TrainingImage != nil {
		c.InputArtifacts["SageMaker.ImageUri"] = artifact(*a.TrainingImage, "")
	}
	for _, channel := range d.InputDataConfig {
		if channel.DataSource != nil && channel.DataSource.S3DataSource != nil {
			c.InputArtifacts[*channel.ChannelName] = artifact(awsapi.Val(channel.DataSource.S3DataSource.S3Uri), awsapi.Val(channel.ContentType))
		}
	}
	if d.ModelArtifacts != nil && d.ModelArtifacts.S3ModelArtifacts != nil {
		c.OutputArtifacts["SageMaker.ModelArtifact"] = artifact(*d.ModelArtifacts.S3ModelArtifacts, "")
	}
	for _, m := range d.FinalMetricDataList {
		x := float64(awsapi.Val(m.Value))
		c.Metrics = append(c.Metrics, awsapi.TrialComponentMetricSummary{MetricName: m.MetricName, SourceArn: d.TrainingJobArn, TimeStamp: m.Timestamp,
			Last: &x, Min: &x, Max: &x, Avg: &x, StdDev: new(0.0), Count: new(int32(1))})
	}
	return c
}

func fromProcessing(d *awsapi.DescribeProcessingJobResponse) *component {
	name := strings.ToLower(*d.ProcessingJobName) + "-aws-processing-job"
	c := &component{DescribeTrialComponentResponse: awsapi.DescribeTrialComponentResponse{TrialComponentName: &name, DisplayName: &name,
		Source: &awsapi.TrialComponentSource{SourceArn: d.ProcessingJobArn, SourceType: new("SageMakerProcessingJob")},
		Status: statusOf(d.ProcessingJobStatus, d.FailureReason), StartTime: d.ProcessingStartTime, EndTime: d.ProcessingEndTime,
		Parameters: map[string]awsapi.TrialComponentParameterValue{}, InputArtifacts: map[string]awsapi.TrialComponentArtifact{}, OutputArtifacts: map[string]awsapi.TrialComponentArtifact{}}}
	for k, v := range d.Environment {
		c.Parameters[k] = text(v)
	}
	if d.ProcessingResources != nil && d.ProcessingResources.ClusterConfig != nil {
		r := d.ProcessingResources.ClusterConfig
		c.Parameters["SageMaker.InstanceType"] = text(awsapi.Val(r.InstanceType))
		c.Parameters["SageMaker.InstanceCount"] = number(float64(awsapi.Val(r.InstanceCount)))
		c.Parameters["SageMaker.VolumeSizeInGB"] = number(float64(awsapi.Val(r.VolumeSizeInGB)))
	}
	if d.AppSpecification != nil {
		c.InputArtifacts["SageMaker.ImageUri"] = artifact(awsapi.Val(d.AppSpecification.ImageUri), "")
	}
	for _, in := range d.ProcessingInputs {
		if in.S3Input != nil {
			c.InputArtifacts[*in.InputName] = artifact(awsapi.Val(in.S3Input.S3Uri), "")
		}
	}
	if d.ProcessingOutputConfig != nil {
		for _, out := range d.ProcessingOutputConfig.Outputs {
			if out.S3Output != nil {
				c.OutputArtifacts[*out.OutputName] = artifact(awsapi.Val(out.S3Output.S3Uri), "")
			}
		}
	}
	return c
}
