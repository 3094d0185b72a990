package experiments

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxParameters and maxArtifacts are the service's quotas of one trial component.
const (
	maxParameters = 300
	maxArtifacts  = 60
)

func componentARN(scope store.Scope, name string) *string {
	return new(scope.ARN("experiment-trial-component/" + strings.ToLower(name)))
}

// CreateTrialComponent makes a trial component.
func (s *Service) CreateTrialComponent(ctx context.Context, in *awsapi.CreateTrialComponentRequest) (*awsapi.CreateTrialComponentResponse, error) {
	scope := identity.From(ctx).Scope()
	c := &component{DescribeTrialComponentResponse: awsapi.DescribeTrialComponentResponse{TrialComponentName: in.TrialComponentName,
		TrialComponentArn: componentARN(scope, *in.TrialComponentName), DisplayName: in.DisplayName, Status: in.Status, StartTime: in.StartTime, EndTime: in.EndTime,
		Parameters: in.Parameters, InputArtifacts: in.InputArtifacts, OutputArtifacts: in.OutputArtifacts, MetadataProperties: in.MetadataProperties,
		CreationTime: now(s), CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{}}}
	if c.DisplayName == nil {
		c.DisplayName = in.TrialComponentName
	}
	c.LastModifiedTime = c.CreationTime
	if err := c.check(); err != nil {
		return nil, err
	}
	return &awsapi.CreateTrialComponentResponse{TrialComponentArn: c.TrialComponentArn}, s.DB.Update(ctx, func(tx *store.Tx) error {
		err := componentRows.Insert(tx, scope, *c.TrialComponentName, *c.TrialComponentArn, c)
		if errors.Is(err, store.ErrExists) {
			return taken("Trial component", *c.TrialComponentName)
		}
		if err != nil {
			return err
		}
		return tx.SetTags(*c.TrialComponentArn, in.Tags)
	})
}

func (c *component) check() error {
	for name, n := range map[string]int{"parameters": len(c.Parameters), "inputArtifacts": len(c.InputArtifacts), "outputArtifacts": len(c.OutputArtifacts)} {
		limit := maxArtifacts
		if name == "parameters" {
			limit = maxParameters
		}
		if n > limit {
			return awsapi.Validation("Value at '%s' has %d entries; a trial component has at most %d.", name, n, limit)
		}
	}
	return nil
}

// DescribeTrialComponent shows a trial component.
func (s *Service) DescribeTrialComponent(ctx context.Context, in *awsapi.DescribeTrialComponentRequest) (*awsapi.DescribeTrialComponentResponse, error) {
	var c *component
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		c, err = getComponent(tx, identity.From(ctx).Scope(), in.TrialComponentName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &c.DescribeTrialComponentResponse, nil
}

// UpdateTrialComponent changes the members that the request has, and adds to parameters and artifacts.
func (s *Service) UpdateTrialComponent(ctx context.Context, in *awsapi.UpdateTrialComponentRequest) (*awsapi.UpdateTrialComponentResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateTrialComponentResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		c, err := getComponent(tx, scope, in.TrialComponentName)
		if err != nil {
			return err
		}
		if in.DisplayName != nil {
			c.DisplayName = in.DisplayName
		}
		if in.Status != nil {
			c.Status = in.Status
		}
		if in.StartTime != nil {
			c.StartTime = in.StartTime
		}
		if in.EndTime != nil {
			c.EndTime = in.EndTime
		}
		c.Parameters = merge(c.Parameters, in.Parameters, in.ParametersToRemove)
		c.InputArtifacts = merge(c.InputArtifacts, in.InputArtifacts, in.InputArtifactsToRemove)
		c.OutputArtifacts = merge(c.OutputArtifacts, in.OutputArtifacts, in.OutputArtifactsToRemove)
		if err := c.check(); err != nil {
			return err
		}
		c.LastModifiedTime, out.TrialComponentArn = now(s), c.TrialComponentArn
		return componentRows.Put(tx, scope, *c.TrialComponentName, c)
	})
}

func merge[V any](have, add map[string]V, remove []string) map[string]V {
	out := map[string]V{}
	maps.Copy(out, have)
	maps.Copy(out, add)
	for _, name := range remove {
		delete(out, name)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// ListTrialComponents lists trial components: all, those of an experiment, of a trial, or of a source.
func (s *Service) ListTrialComponents(ctx context.Context, in *awsapi.ListTrialComponentsRequest) (*awsapi.ListTrialComponentsResponse, error) {
	scope := identity.From(ctx).Scope()
	given := 0
	for _, filter := range []*string{in.ExperimentName, in.TrialName, in.SourceArn} {
		if filter != nil {
			given++
		}
	}
	if given > 1 {
		return nil, awsapi.Validation("At most one of ExperimentName, TrialName and SourceArn may be given.")
	}
	q := query(in.CreatedAfter, in.CreatedBefore, awsapi.Val(in.SortBy) == awsapi.SortTrialComponentsByName, in.SortOrder, in.MaxResults, in.NextToken)
	out := &awsapi.ListTrialComponentsResponse{TrialComponentSummaries: []awsapi.TrialComponentSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		switch {
		case in.SourceArn != nil:
			q.Keys["source"] = *in.SourceArn
		case in.TrialName != nil:
			if _, err := getTrial(tx, scope, in.TrialName); err != nil {
				return err
			}
			q.Keys["trial:"+*in.TrialName] = "in"
		case in.ExperimentName != nil:
			if _, err := getExperiment(tx, scope, in.ExperimentName); err != nil {
				return err
			}
			q.Keys["experiment:"+*in.ExperimentName] = "in"
		}
		page, err := componentRows.List(tx, scope, q)
		for _, c := range page.Items {
			out.TrialComponentSummaries = append(out.TrialComponentSummaries, awsapi.TrialComponentSummary{TrialComponentName: c.TrialComponentName,
				TrialComponentArn: c.TrialComponentArn, DisplayName: c.DisplayName, TrialComponentSource: c.Source, Status: c.Status, StartTime: c.StartTime,
				EndTime: c.EndTime, CreationTime: c.CreationTime, CreatedBy: c.CreatedBy, LastModifiedTime: c.LastModifiedTime, LastModifiedBy: c.LastModifiedBy})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteTrialComponent removes a trial component that is in no trial.
func (s *Service) DeleteTrialComponent(ctx context.Context, in *awsapi.DeleteTrialComponentRequest) (*awsapi.DeleteTrialComponentResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DeleteTrialComponentResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		c, err := getComponent(tx, scope, in.TrialComponentName)
		if err != nil {
			return err
		}
		if len(c.Trials) > 0 {
			return awsapi.Validation("Trial component '%s' cannot be deleted: it is in the trials [%s]. Disassociate it first.", *c.TrialComponentName, strings.Join(c.Trials, ", "))
		}
		out.TrialComponentArn = c.TrialComponentArn
		if err := dropSeries(tx, scope, c); err != nil {
			return err
		}
		return componentRows.Delete(tx, scope, *c.TrialComponentName)
	})
}

// AssociateTrialComponent puts a trial component into a trial.
func (s *Service) AssociateTrialComponent(ctx context.Context, in *awsapi.AssociateTrialComponentRequest) (*awsapi.AssociateTrialComponentResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.AssociateTrialComponentResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		c, t, err := pair(tx, scope, in.TrialComponentName, in.TrialName)
		if err != nil {
			return err
		}
		out.TrialComponentArn, out.TrialArn = c.TrialComponentArn, t.TrialArn
		c.join(t)
		return componentRows.Put(tx, scope, *c.TrialComponentName, c)
	})
}

func (c *component) join(t *awsapi.DescribeTrialResponse) {
	if !c.in(*t.TrialName) {
		c.Trials = append(c.Trials, *t.TrialName)
		c.Experiments = append(c.Experiments, *t.ExperimentName)
	}
}

// DisassociateTrialComponent takes a trial component out of a trial.
func (s *Service) DisassociateTrialComponent(ctx context.Context, in *awsapi.DisassociateTrialComponentRequest) (*awsapi.DisassociateTrialComponentResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DisassociateTrialComponentResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		c, t, err := pair(tx, scope, in.TrialComponentName, in.TrialName)
		if err != nil {
			return err
		}
		i := slices.Index(c.Trials, *t.TrialName)
		if i < 0 {
			return awsapi.NotFound("Trial component '%s' is not in trial '%s'.", *c.TrialComponentName, *t.TrialName)
		}
		out.TrialComponentArn, out.TrialArn = c.TrialComponentArn, t.TrialArn
		c.Trials, c.Experiments = slices.Delete(c.Trials, i, i+1), slices.Delete(c.Experiments, i, i+1)
		return componentRows.Put(tx, scope, *c.TrialComponentName, c)
	})
}

func pair(tx *store.Tx, scope store.Scope, componentName, trialName *string) (*component, *awsapi.DescribeTrialResponse, error) {
	c, err := getComponent(tx, scope, componentName)
	if err != nil {
		return nil, nil, err
	}
	t, err := getTrial(tx, scope, trialName)
	return c, t, err
}

// ComponentByARN shows a trial component to another room.
func (s *Service) ComponentByARN(tx *store.Tx, arn string) (*awsapi.DescribeTrialComponentResponse, error) {
	c, err := componentRows.GetARN(tx, arn)
	if c, err = missing(c, err, "Trial component", arn); err != nil {
		return nil, err
	}
	return &c.DescribeTrialComponentResponse, nil
}
