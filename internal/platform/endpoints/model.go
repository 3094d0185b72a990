package endpoints

import (
	"context"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateModel keeps a model, after a look at whether it could be served.
func (s *Service) CreateModel(ctx context.Context, in *awsapi.CreateModelInput) (*awsapi.CreateModelOutput, error) {
	scope := identity.From(ctx).Scope()
	m := &model{DescribeModelOutput: awsapi.DescribeModelOutput{ModelName: in.ModelName, ModelArn: new(scope.ARN("model/" + strings.ToLower(*in.ModelName))),
		PrimaryContainer: in.PrimaryContainer, Containers: in.Containers, InferenceExecutionConfig: in.InferenceExecutionConfig, ExecutionRoleArn: in.ExecutionRoleArn,
		VpcConfig: in.VpcConfig, EnableNetworkIsolation: in.EnableNetworkIsolation, CreationTime: awsapi.Stamp(s.World.Now())}}
	if err := s.resolve(ctx, m, in); err != nil {
		return nil, err
	}
	return &awsapi.CreateModelOutput{ModelArn: m.ModelArn}, s.DB.Update(ctx, func(tx *store.Tx) error {
		err := modelRows.Insert(tx, scope, *m.ModelName, *m.ModelArn, m)
		if errors.Is(err, store.ErrExists) {
			return awsapi.Validation("Cannot create already existing model \"%s\".", *m.ModelArn)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(*m.ModelArn, in.Tags); err != nil {
			return err
		}
		return tx.Emit(store.Event{Type: "Model.Created", Resource: *m.ModelArn, Data: awsapi.Encode(m.DescribeModelOutput)})
	})
}

func getModel(tx *store.Tx, scope store.Scope, name *string) (*model, error) {
	m, err := modelRows.Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing(scope, "model", awsapi.Val(name))
	}
	return m, err
}

// Serves returns what hosts of a model serve.
func (s *Service) Serves(tx *store.Tx, scope store.Scope, name string) (serving.Model, error) {
	m, err := getModel(tx, scope, &name)
	if err != nil {
		return serving.Model{}, err
	}
	if m.Multi {
		return serving.Model{}, awsapi.Validation("Model \"%s\" is a multi-model one, which only endpoints serve.", *m.ModelArn)
	}
	return m.serves(), nil
}

// DescribeModel shows a model.
func (s *Service) DescribeModel(ctx context.Context, in *awsapi.DescribeModelInput) (*awsapi.DescribeModelOutput, error) {
	var m *model
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		m, err = getModel(tx, identity.From(ctx).Scope(), in.ModelName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &m.DescribeModelOutput, nil
}

// ListModels lists models.
func (s *Service) ListModels(ctx context.Context, in *awsapi.ListModelsInput) (*awsapi.ListModelsOutput, error) {
	q := query(in.NameContains, awsapi.Val(in.SortBy) == awsapi.ModelSortKeyName, in.SortOrder, in.MaxResults, in.NextToken)
	q.CreatedAfter, q.CreatedBefore = awsapi.Moment(in.CreationTimeAfter), awsapi.Moment(in.CreationTimeBefore)
	out := &awsapi.ListModelsOutput{Models: []awsapi.ModelSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := modelRows.List(tx, identity.From(ctx).Scope(), q)
		for _, m := range page.Items {
			out.Models = append(out.Models, awsapi.ModelSummary{ModelName: m.ModelName, ModelArn: m.ModelArn, CreationTime: m.CreationTime})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// query reads the members that all lists of the room have.
func query(contains *string, byName bool, order *string, max *int32, token *string) store.Query {
	q := store.Query{NameContains: awsapi.Val(contains), SortBy: store.ByCreated, Descending: awsapi.Val(order) != awsapi.OrderKeyAscending,
		Limit: awsapi.PageSize(max), Token: awsapi.Val(token)}
	if byName {
		q.SortBy = store.ByName
	}
	return q
}

// DeleteModel removes a model. Endpoints that serve it go on: they have a copy.
func (s *Service) DeleteModel(ctx context.Context, in *awsapi.DeleteModelInput) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		m, err := getModel(tx, scope, in.ModelName)
		if err != nil {
			return err
		}
		if err := modelRows.Delete(tx, scope, *m.ModelName); err != nil {
			return err
		}
		return tx.Emit(store.Event{Type: "Model.Deleted", Resource: *m.ModelArn})
	})
}
