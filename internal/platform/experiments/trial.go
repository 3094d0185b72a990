package experiments

import (
	"context"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateTrial makes a trial of an experiment.
func (s *Service) CreateTrial(ctx context.Context, in *awsapi.CreateTrialRequest) (*awsapi.CreateTrialResponse, error) {
	out := &awsapi.CreateTrialResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := s.newTrial(tx, identity.From(ctx).Scope(), in)
		if err == nil {
			out.TrialArn = t.TrialArn
		}
		return err
	})
}

func (s *Service) newTrial(tx *store.Tx, scope store.Scope, in *awsapi.CreateTrialRequest) (*awsapi.DescribeTrialResponse, error) {
	t := &awsapi.DescribeTrialResponse{TrialName: in.TrialName, TrialArn: new(scope.ARN("experiment-trial/" + strings.ToLower(*in.TrialName))),
		DisplayName: in.DisplayName, ExperimentName: in.ExperimentName, MetadataProperties: in.MetadataProperties,
		CreationTime: now(s), CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{}}
	if t.DisplayName == nil {
		t.DisplayName = in.TrialName
	}
	t.LastModifiedTime = t.CreationTime
	if _, err := getExperiment(tx, scope, in.ExperimentName); err != nil {
		return nil, err
	}
	err := trialRows.Insert(tx, scope, *t.TrialName, *t.TrialArn, t)
	if errors.Is(err, store.ErrExists) {
		return nil, taken("Trial", *t.TrialName)
	}
	if err != nil {
		return nil, err
	}
	if err := tx.SetTags(*t.TrialArn, in.Tags); err != nil {
		return nil, err
	}
	return t, emit(tx, "Trial.Created", t.TrialArn, t)
}

// DescribeTrial shows a trial.
func (s *Service) DescribeTrial(ctx context.Context, in *awsapi.DescribeTrialRequest) (out *awsapi.DescribeTrialResponse, err error) {
	return out, s.DB.View(ctx, func(tx *store.Tx) (err error) {
		out, err = getTrial(tx, identity.From(ctx).Scope(), in.TrialName)
		return err
	})
}

// UpdateTrial changes how a trial is shown.
func (s *Service) UpdateTrial(ctx context.Context, in *awsapi.UpdateTrialRequest) (*awsapi.UpdateTrialResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateTrialResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := getTrial(tx, scope, in.TrialName)
		if err != nil {
			return err
		}
		if in.DisplayName != nil {
			t.DisplayName = in.DisplayName
		}
		t.LastModifiedTime, out.TrialArn = now(s), t.TrialArn
		return trialRows.Put(tx, scope, *t.TrialName, t)
	})
}

// ListTrials lists trials: all, those of an experiment, or those that hold a trial component.
func (s *Service) ListTrials(ctx context.Context, in *awsapi.ListTrialsRequest) (*awsapi.ListTrialsResponse, error) {
	scope := identity.From(ctx).Scope()
	q := query(in.CreatedAfter, in.CreatedBefore, awsapi.Val(in.SortBy) == awsapi.SortTrialsByName, in.SortOrder, in.MaxResults, in.NextToken)
	q.Parent = awsapi.Val(in.ExperimentName)
	out := &awsapi.ListTrialsResponse{TrialSummaries: []awsapi.TrialSummary{}}
	add := func(t awsapi.DescribeTrialResponse) {
		out.TrialSummaries = append(out.TrialSummaries, awsapi.TrialSummary{TrialArn: t.TrialArn, TrialName: t.TrialName, DisplayName: t.DisplayName,
			TrialSource: t.Source, CreationTime: t.CreationTime, LastModifiedTime: t.LastModifiedTime})
	}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		if in.TrialComponentName != nil { // a component is in a few trials at most
			c, err := getComponent(tx, scope, in.TrialComponentName)
			if err != nil {
				return err
			}
			for _, name := range c.Trials {
				t, err := getTrial(tx, scope, &name)
				if err != nil {
					return err
				}
				if q.Parent == "" || *t.ExperimentName == q.Parent {
					add(*t)
				}
			}
			return nil
		}
		if q.Parent != "" {
			if _, err := getExperiment(tx, scope, &q.Parent); err != nil {
				return err
			}
		}
		page, err := trialRows.List(tx, scope, q)
		for _, t := range page.Items {
			add(t)
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteTrial removes a trial that holds no trial components.
func (s *Service) DeleteTrial(ctx context.Context, in *awsapi.DeleteTrialRequest) (*awsapi.DeleteTrialResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DeleteTrialResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := getTrial(tx, scope, in.TrialName)
		if err != nil {
			return err
		}
		n, err := componentRows.Count(tx, scope, store.Query{Keys: map[string]string{"trial:" + *t.TrialName: "in"}})
		if err != nil {
			return err
		}
		if n > 0 {
			return awsapi.Validation("Trial '%s' cannot be deleted: it holds %d trial components. Disassociate them first.", *t.TrialName, n)
		}
		if err := trialRows.Delete(tx, scope, *t.TrialName); err != nil {
			return err
		}
		out.TrialArn = t.TrialArn
		return emit(tx, "Trial.Deleted", t.TrialArn, t)
	})
}
