package tuning

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// DescribeHyperParameterTuningJob shows a tuning job.
func (s *Service) DescribeHyperParameterTuningJob(ctx context.Context, in *awsapi.DescribeHyperParameterTuningJobRequest) (*awsapi.DescribeHyperParameterTuningJobResponse, error) {
	var j *job
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		j, err = find(tx, identity.From(ctx).Scope(), in.HyperParameterTuningJobName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return j.describe(s.World.Now()), nil
}

// ListHyperParameterTuningJobs lists tuning jobs.
func (s *Service) ListHyperParameterTuningJobs(ctx context.Context, in *awsapi.ListHyperParameterTuningJobsRequest) (*awsapi.ListHyperParameterTuningJobsResponse, error) {
	q := store.Query{NameContains: awsapi.Val(in.NameContains), Status: awsapi.Val(in.StatusEquals),
		CreatedAfter: awsapi.Moment(in.CreationTimeAfter), CreatedBefore: awsapi.Moment(in.CreationTimeBefore),
		ModifiedAfter: awsapi.Moment(in.LastModifiedTimeAfter), ModifiedBefore: awsapi.Moment(in.LastModifiedTimeBefore),
		SortBy: store.ByName, Descending: awsapi.Val(in.SortOrder) == awsapi.SortOrderDescending, Limit: awsapi.PageSize(in.MaxResults), Token: awsapi.Val(in.NextToken)}
	switch awsapi.Val(in.SortBy) {
	case awsapi.HyperParameterTuningJobSortByOptionsCreationTime:
		q.SortBy = store.ByCreated
	case awsapi.HyperParameterTuningJobSortByOptionsStatus:
		q.SortBy = store.ByStatus
	}
	out := &awsapi.ListHyperParameterTuningJobsResponse{HyperParameterTuningJobSummaries: []awsapi.HyperParameterTuningJobSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := jobRows.List(tx, identity.From(ctx).Scope(), q)
		for _, j := range page.Items {
			d := j.describe(s.World.Now())
			out.HyperParameterTuningJobSummaries = append(out.HyperParameterTuningJobSummaries, awsapi.HyperParameterTuningJobSummary{
				HyperParameterTuningJobName: d.HyperParameterTuningJobName, HyperParameterTuningJobArn: d.HyperParameterTuningJobArn,
				HyperParameterTuningJobStatus: d.HyperParameterTuningJobStatus, Strategy: j.Config.Strategy, CreationTime: d.CreationTime,
				HyperParameterTuningEndTime: d.HyperParameterTuningEndTime, LastModifiedTime: d.LastModifiedTime,
				TrainingJobStatusCounters: d.TrainingJobStatusCounters, ObjectiveStatusCounters: d.ObjectiveStatusCounters, ResourceLimits: j.Config.ResourceLimits})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// ListTrainingJobsForHyperParameterTuningJob lists the trials of a tuning job. There are at most a few hundred, so they are ordered here, and a
// page token is the place in that order.
func (s *Service) ListTrainingJobsForHyperParameterTuningJob(ctx context.Context, in *awsapi.ListTrainingJobsForHyperParameterTuningJobRequest) (*awsapi.ListTrainingJobsForHyperParameterTuningJobResponse, error) {
	var j *job
	var trials []trial
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if j, err = find(tx, identity.From(ctx).Scope(), in.HyperParameterTuningJobName); err == nil {
			trials, err = trialsOf(tx, j)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if in.StatusEquals != nil {
		trials = slices.DeleteFunc(trials, func(t trial) bool { return t.Status != *in.StatusEquals })
	}
	if awsapi.Val(in.SortBy) == awsapi.TrainingJobSortByOptionsFinalObjectiveMetricValue {
		trials = slices.DeleteFunc(trials, func(t trial) bool { return t.Metric == nil }) // as the API says
	}
	order(trials, awsapi.Val(in.SortBy), awsapi.Val(in.SortOrder))
	from := 0
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if from, err = atoi(b, err); err != nil || from < 0 || from > len(trials) {
			return nil, awsapi.Validation("NextToken is not one that this operation gave.")
		}
	}
	to := min(from+awsapi.PageSize(in.MaxResults), len(trials))
	out := &awsapi.ListTrainingJobsForHyperParameterTuningJobResponse{TrainingJobSummaries: []awsapi.HyperParameterTrainingJobSummary{}}
	for _, t := range trials[from:to] {
		out.TrainingJobSummaries = append(out.TrainingJobSummaries, *t.describe(j))
	}
	if to < len(trials) {
		out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to))))
	}
	return out, nil
}

func atoi(b []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// order sorts trials, which have a metric when it is the metric that they are sorted by.
func order(trials []trial, by, direction string) {
	descending := direction == awsapi.SortOrderDescending
	slices.SortStableFunc(trials, func(a, b trial) int {
		c := 0
		switch by {
		case awsapi.TrainingJobSortByOptionsStatus:
			c = strings.Compare(a.Status, b.Status)
		case awsapi.TrainingJobSortByOptionsCreationTime:
			c = a.Created.Compare(b.Created)
		case awsapi.TrainingJobSortByOptionsFinalObjectiveMetricValue:
			c = cmp.Compare(*a.Metric, *b.Metric)
		default:
			c = strings.Compare(a.Job, b.Job)
		}
		if descending {
			return -c
		}
		return c
	})
}

// StopHyperParameterTuningJob asks the controller to stop the trials that run and to start no more.
func (s *Service) StopHyperParameterTuningJob(ctx context.Context, in *awsapi.StopHyperParameterTuningJobRequest) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		j, err := find(tx, identity.From(ctx).Scope(), in.HyperParameterTuningJobName)
		if err != nil {
			return err
		}
		if j.Status != awsapi.HyperParameterTuningJobStatusInProgress {
			return awsapi.Validation("The request was rejected because the tuning job is in status %s.", j.Status)
		}
		j.Status, j.Modified = awsapi.HyperParameterTuningJobStatusStopping, s.World.Now()
		if err := jobRows.Put(tx, j.Scope, j.Name, j); err != nil {
			return err
		}
		if err := s.emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Signal(tx, Controller, j.ARN)
	})
}

// DeleteHyperParameterTuningJob removes a tuning job that has ended. Its training jobs stay. One that is not there is deleted already.
func (s *Service) DeleteHyperParameterTuningJob(ctx context.Context, in *awsapi.DeleteHyperParameterTuningJobRequest) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		j, err := find(tx, identity.From(ctx).Scope(), in.HyperParameterTuningJobName)
		if awsapi.IsCode(err, "ResourceNotFound") {
			return nil
		}
		if err != nil {
			return err
		}
		if !over(j.Status) {
			return awsapi.Validation("The tuning job is %s; only one that has ended can be deleted. Stop it first.", j.Status)
		}
		trials, err := trialsOf(tx, j)
		if err != nil {
			return err
		}
		for _, t := range trials {
			if err := trialRows.Delete(tx, j.Scope, t.Job); err != nil {
				return err
			}
		}
		return jobRows.Delete(tx, j.Scope, j.Name)
	})
}
