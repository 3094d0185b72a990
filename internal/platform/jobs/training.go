package jobs

import (
	"context"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateTrainingJob keeps a training job and hands it to its controller.
func (s *Service) CreateTrainingJob(ctx context.Context, in *awsapi.CreateTrainingJobRequest) (*awsapi.CreateTrainingJobResponse, error) {
	j := s.newJob(ctx, trainingKind, *in.TrainingJobName)
	j.Training = in
	if err := s.checkTraining(in); err != nil {
		return nil, err
	}
	if err := s.keep(ctx, j, in.Tags); err != nil {
		return nil, err
	}
	return &awsapi.CreateTrainingJobResponse{TrainingJobArn: &j.ARN}, nil
}

// CheckTrainingJob says why CreateTrainingJob would refuse a request, but for what depends on the moment, or nothing.
func (s *Service) CheckTrainingJob(in *awsapi.CreateTrainingJobRequest) error {
	if err := s.checkTraining(in); err != nil {
		return err
	}
	return s.fits(&job{Training: in})
}

func (s *Service) checkTraining(in *awsapi.CreateTrainingJobRequest) error {
	a := in.AlgorithmSpecification
	if a == nil || a.TrainingImage == nil {
		return awsapi.Validation("algorithmSpecification.trainingImage must not be null.")
	}
	if _, err := s.trainingProgram(in); err != nil {
		return err
	}
	if in.ResourceConfig == nil || in.ResourceConfig.InstanceType == nil || in.ResourceConfig.InstanceCount == nil {
		return awsapi.Validation("resourceConfig must have instanceType and instanceCount.")
	}
	for _, m := range a.MetricDefinitions {
		if _, err := newDefinition(m); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, c := range in.InputDataConfig {
		if seen[*c.ChannelName] {
			return awsapi.Validation("inputDataConfig has two channels named '%s'.", *c.ChannelName)
		}
		seen[*c.ChannelName] = true
		if c.DataSource.S3DataSource == nil {
			return awsapi.Validation("channel '%s' must have an S3DataSource; other sources are not served.", *c.ChannelName)
		}
		if err := checkChannel(in, c); err != nil {
			return err
		}
		if _, _, err := object.ParseURI(*c.DataSource.S3DataSource.S3Uri); err != nil {
			return awsapi.Validation("channel '%s': S3Uri '%s': %v", *c.ChannelName, *c.DataSource.S3DataSource.S3Uri, err)
		}
	}
	if _, _, err := object.ParseURI(*in.OutputDataConfig.S3OutputPath); err != nil {
		return awsapi.Validation("outputDataConfig.s3OutputPath '%s': %v", *in.OutputDataConfig.S3OutputPath, err)
	}
	return nil
}

// piped says whether the hosts get a channel as named pipes.
func piped(in *awsapi.CreateTrainingJobRequest, c awsapi.Channel) bool {
	mode := awsapi.Val(c.InputMode)
	if mode == "" {
		mode = awsapi.Val(in.AlgorithmSpecification.TrainingInputMode)
	}
	return mode == awsapi.TrainingInputModePipe
}

// DescribeTrainingJob shows a training job.
func (s *Service) DescribeTrainingJob(ctx context.Context, in *awsapi.DescribeTrainingJobRequest) (*awsapi.DescribeTrainingJobResponse, error) {
	j, err := s.read(ctx, trainingKind, in.TrainingJobName)
	if err != nil {
		return nil, err
	}
	return j.describeTraining(), nil
}

// ListTrainingJobs lists training jobs.
func (s *Service) ListTrainingJobs(ctx context.Context, in *awsapi.ListTrainingJobsRequest) (*awsapi.ListTrainingJobsResponse, error) {
	q := query(in.NameContains, in.StatusEquals, in.SortBy, in.SortOrder, in.NextToken, in.MaxResults)
	q.CreatedAfter, q.CreatedBefore = awsapi.Moment(in.CreationTimeAfter), awsapi.Moment(in.CreationTimeBefore)
	q.ModifiedAfter, q.ModifiedBefore = awsapi.Moment(in.LastModifiedTimeAfter), awsapi.Moment(in.LastModifiedTimeBefore)
	out := &awsapi.ListTrainingJobsResponse{TrainingJobSummaries: []awsapi.TrainingJobSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := trainingRows.List(tx, identity.From(ctx).Scope(), q)
		for _, j := range page.Items {
			d := j.describeTraining()
			out.TrainingJobSummaries = append(out.TrainingJobSummaries, awsapi.TrainingJobSummary{TrainingJobName: d.TrainingJobName, TrainingJobArn: d.TrainingJobArn,
				CreationTime: d.CreationTime, TrainingEndTime: d.TrainingEndTime, LastModifiedTime: d.LastModifiedTime,
				TrainingJobStatus: d.TrainingJobStatus, SecondaryStatus: d.SecondaryStatus})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// StopTrainingJob asks a training job to stop.
func (s *Service) StopTrainingJob(ctx context.Context, in *awsapi.StopTrainingJobRequest) error {
	return s.stop(ctx, trainingKind, in.TrainingJobName)
}

// DeleteTrainingJob removes a training job that has ended. Its artifacts stay.
func (s *Service) DeleteTrainingJob(ctx context.Context, in *awsapi.DeleteTrainingJobRequest) error {
	return s.remove(ctx, trainingKind, in.TrainingJobName)
}
