package jobs

import (
	"context"
	"path"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// newJob is the row of a job that begins now.
func (s *Service) newJob(ctx context.Context, kind, name string) *job {
	p, now := identity.From(ctx), s.World.Now()
	j := &job{ID: s.World.NewID(12), Name: name, ARN: p.Scope().ARN(kind + "/" + strings.ToLower(name)), Scope: p.Scope(), Owner: durable.OwnerFrom(ctx),
		Maker: p.JobARN, Status: awsapi.TrainingJobStatusInProgress, Created: now, Modified: now}
	j.turn(awsapi.SecondaryStatusStarting, "Preparing the instances", now)
	return j
}

// CreateProcessingJob keeps a processing job and hands it to its controller.
func (s *Service) CreateProcessingJob(ctx context.Context, in *awsapi.CreateProcessingJobRequest) (*awsapi.CreateProcessingJobResponse, error) {
	j := s.newJob(ctx, processingKind, *in.ProcessingJobName)
	j.Processing = in
	if err := s.checkProcessing(in); err != nil {
		return nil, err
	}
	if err := s.keep(ctx, j, in.Tags); err != nil {
		return nil, err
	}
	return &awsapi.CreateProcessingJobResponse{ProcessingJobArn: &j.ARN}, nil
}

func (s *Service) checkProcessing(in *awsapi.CreateProcessingJobRequest) error {
	if _, err := s.processingProgram(in); err != nil {
		return err
	}
	if in.ProcessingResources.ClusterConfig.InstanceType == nil || in.ProcessingResources.ClusterConfig.InstanceCount == nil {
		return awsapi.Validation("processingResources.clusterConfig must have instanceType and instanceCount.")
	}
	seen := map[string]bool{}
	for _, i := range in.ProcessingInputs {
		if i.S3Input == nil {
			return awsapi.Validation("processing input '%s' must have an S3Input; DatasetDefinition is not served.", *i.InputName)
		}
		if err := checkPath("processing input", *i.InputName, i.S3Input.LocalPath, seen); err != nil {
			return err
		}
		if _, _, err := object.ParseURI(*i.S3Input.S3Uri); err != nil {
			return awsapi.Validation("processing input '%s': S3Uri '%s': %v", *i.InputName, *i.S3Input.S3Uri, err)
		}
	}
	if in.ProcessingOutputConfig == nil {
		return nil
	}
	for _, o := range in.ProcessingOutputConfig.Outputs {
		if o.FeatureStoreOutput != nil && !awsapi.Val(o.AppManaged) {
			return awsapi.Validation("processing output '%s': FeatureStoreOutput is supported only when AppManaged is true.", *o.OutputName)
		}
		if o.S3Output == nil && o.FeatureStoreOutput == nil {
			return awsapi.Validation("processing output '%s' must have an S3Output or a FeatureStoreOutput.", *o.OutputName)
		}
		if o.S3Output == nil {
			if err := checkPath("processing output", *o.OutputName, new(rowsFolder(o)), seen); err != nil {
				return err
			}
			continue
		}
		if err := checkPath("processing output", *o.OutputName, o.S3Output.LocalPath, seen); err != nil {
			return err
		}
		if _, _, err := object.ParseURI(*o.S3Output.S3Uri); err != nil {
			return awsapi.Validation("processing output '%s': S3Uri '%s': %v", *o.OutputName, *o.S3Output.S3Uri, err)
		}
	}
	return nil
}

// checkPath checks where an input or output lies in the hosts.
func checkPath(what, name string, local *string, seen map[string]bool) error {
	at := path.Clean(awsapi.Val(local))
	if at != ml+"/processing" && !strings.HasPrefix(at, ml+"/processing/") {
		return awsapi.Validation("%s '%s': LocalPath '%s' must begin with %s/processing.", what, name, awsapi.Val(local), ml)
	}
	if seen[at] {
		return awsapi.Validation("%s '%s': LocalPath '%s' is used by another input or output.", what, name, at)
	}
	seen[at] = true
	return nil
}

// DescribeProcessingJob shows a processing job.
func (s *Service) DescribeProcessingJob(ctx context.Context, in *awsapi.DescribeProcessingJobRequest) (*awsapi.DescribeProcessingJobResponse, error) {
	j, err := s.read(ctx, processingKind, in.ProcessingJobName)
	if err != nil {
		return nil, err
	}
	return j.describeProcessing(), nil
}

func (s *Service) read(ctx context.Context, kind string, name *string) (j *job, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		j, err = find(tx, kind, identity.From(ctx).Scope(), name)
		return err
	})
	return j, err
}

// ListProcessingJobs lists processing jobs.
func (s *Service) ListProcessingJobs(ctx context.Context, in *awsapi.ListProcessingJobsRequest) (*awsapi.ListProcessingJobsResponse, error) {
	q := query(in.NameContains, in.StatusEquals, in.SortBy, in.SortOrder, in.NextToken, in.MaxResults)
	q.CreatedAfter, q.CreatedBefore = awsapi.Moment(in.CreationTimeAfter), awsapi.Moment(in.CreationTimeBefore)
	q.ModifiedAfter, q.ModifiedBefore = awsapi.Moment(in.LastModifiedTimeAfter), awsapi.Moment(in.LastModifiedTimeBefore)
	out := &awsapi.ListProcessingJobsResponse{ProcessingJobSummaries: []awsapi.ProcessingJobSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := processingRows.List(tx, identity.From(ctx).Scope(), q)
		for _, j := range page.Items {
			d := j.describeProcessing()
			out.ProcessingJobSummaries = append(out.ProcessingJobSummaries, awsapi.ProcessingJobSummary{ProcessingJobName: d.ProcessingJobName, ProcessingJobArn: d.ProcessingJobArn,
				CreationTime: d.CreationTime, ProcessingEndTime: d.ProcessingEndTime, LastModifiedTime: d.LastModifiedTime,
				ProcessingJobStatus: d.ProcessingJobStatus, FailureReason: d.FailureReason, ExitMessage: d.ExitMessage})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// query reads the members that both lists have.
func query(contains, status, sortBy, order, token *string, max *int32) store.Query {
	q := store.Query{NameContains: awsapi.Val(contains), Status: awsapi.Val(status), SortBy: store.ByCreated,
		Descending: awsapi.Val(order) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(max), Token: awsapi.Val(token)}
	switch awsapi.Val(sortBy) {
	case awsapi.SortByName:
		q.SortBy = store.ByName
	case awsapi.SortByStatus:
		q.SortBy = store.ByStatus
	}
	return q
}

// StopProcessingJob asks a processing job to stop.
func (s *Service) StopProcessingJob(ctx context.Context, in *awsapi.StopProcessingJobRequest) error {
	return s.stop(ctx, processingKind, in.ProcessingJobName)
}

// DeleteProcessingJob removes a processing job that has ended.
func (s *Service) DeleteProcessingJob(ctx context.Context, in *awsapi.DeleteProcessingJobRequest) error {
	return s.remove(ctx, processingKind, in.ProcessingJobName)
}
