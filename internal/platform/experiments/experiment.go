package experiments

import (
	"context"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateExperiment makes an experiment.
func (s *Service) CreateExperiment(ctx context.Context, in *awsapi.CreateExperimentRequest) (*awsapi.CreateExperimentResponse, error) {
	scope := identity.From(ctx).Scope()
	e := &awsapi.DescribeExperimentResponse{ExperimentName: in.ExperimentName, ExperimentArn: new(scope.ARN("experiment/" + strings.ToLower(*in.ExperimentName))),
		DisplayName: in.DisplayName, Description: in.Description, CreationTime: now(s), CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{}}
	if e.DisplayName == nil {
		e.DisplayName = in.ExperimentName
	}
	e.LastModifiedTime = e.CreationTime
	return &awsapi.CreateExperimentResponse{ExperimentArn: e.ExperimentArn}, s.DB.Update(ctx, func(tx *store.Tx) error {
		err := experimentRows.Insert(tx, scope, *e.ExperimentName, *e.ExperimentArn, e)
		if errors.Is(err, store.ErrExists) {
			return taken("Experiment", *e.ExperimentName)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(*e.ExperimentArn, in.Tags); err != nil {
			return err
		}
		return emit(tx, "Experiment.Created", e.ExperimentArn, e)
	})
}

// DescribeExperiment shows an experiment.
func (s *Service) DescribeExperiment(ctx context.Context, in *awsapi.DescribeExperimentRequest) (out *awsapi.DescribeExperimentResponse, err error) {
	return out, s.DB.View(ctx, func(tx *store.Tx) (err error) {
		out, err = getExperiment(tx, identity.From(ctx).Scope(), in.ExperimentName)
		return err
	})
}

// UpdateExperiment changes how an experiment is shown.
func (s *Service) UpdateExperiment(ctx context.Context, in *awsapi.UpdateExperimentRequest) (*awsapi.UpdateExperimentResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateExperimentResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getExperiment(tx, scope, in.ExperimentName)
		if err != nil {
			return err
		}
		if in.DisplayName != nil {
			e.DisplayName = in.DisplayName
		}
		if in.Description != nil {
			e.Description = in.Description
		}
		e.LastModifiedTime, out.ExperimentArn = now(s), e.ExperimentArn
		return experimentRows.Put(tx, scope, *e.ExperimentName, e)
	})
}

// ListExperiments lists experiments.
func (s *Service) ListExperiments(ctx context.Context, in *awsapi.ListExperimentsRequest) (*awsapi.ListExperimentsResponse, error) {
	q := query(in.CreatedAfter, in.CreatedBefore, awsapi.Val(in.SortBy) == awsapi.SortExperimentsByName, in.SortOrder, in.MaxResults, in.NextToken)
	out := &awsapi.ListExperimentsResponse{ExperimentSummaries: []awsapi.ExperimentSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := experimentRows.List(tx, identity.From(ctx).Scope(), q)
		for _, e := range page.Items {
			out.ExperimentSummaries = append(out.ExperimentSummaries, awsapi.ExperimentSummary{ExperimentArn: e.ExperimentArn, ExperimentName: e.ExperimentName,
				DisplayName: e.DisplayName, ExperimentSource: e.Source, CreationTime: e.CreationTime, LastModifiedTime: e.LastModifiedTime})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteExperiment removes an experiment that has no trials.
func (s *Service) DeleteExperiment(ctx context.Context, in *awsapi.DeleteExperimentRequest) (*awsapi.DeleteExperimentResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DeleteExperimentResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getExperiment(tx, scope, in.ExperimentName)
		if err != nil {
			return err
		}
		n, err := trialRows.Count(tx, scope, store.Query{Parent: *e.ExperimentName})
		if err != nil {
			return err
		}
		if n > 0 {
			return awsapi.Validation("Experiment '%s' cannot be deleted: it has %d trials. Delete them first.", *e.ExperimentName, n)
		}
		if err := experimentRows.Delete(tx, scope, *e.ExperimentName); err != nil {
			return err
		}
		out.ExperimentArn = e.ExperimentArn
		return emit(tx, "Experiment.Deleted", e.ExperimentArn, e)
	})
}
