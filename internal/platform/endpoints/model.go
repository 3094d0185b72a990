package endpoints

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateModel keeps a model, after a look at whether it could be served.
func (s *Service) CreateModel(ctx context.Context, in *awsapi.CreateModelInput) (*awsapi.CreateModelOutput, error) {
	scope := identity.From(ctx).Scope()
	m := &model{DescribeModelOutput: awsapi.DescribeModelOutput{ModelName: in.ModelName, ModelArn: new(scope.ARN("model/" + strings.ToLower(*in.ModelName))),
		PrimaryContainer: in.PrimaryContainer, Containers: in.Containers, InferenceExecutionConfig: in.InferenceExecutionConfig, ExecutionRoleArn: in.ExecutionRoleArn,
		VpcConfig: in.VpcConfig, EnableNetworkIsolation: in.EnableNetworkIsolation, CreationTime: awsapi.Stamp(s.World.Now())}}
	container := in.PrimaryContainer
	switch {
	case container != nil && len(in.Containers) > 0:
		return nil, awsapi.Validation("Only one of primaryContainer and containers may be given.")
	case len(in.Containers) > 1:
		return nil, awsapi.Validation("containers has %d members; inference pipelines of several containers are not served.", len(in.Containers))
	case len(in.Containers) == 1:
		container = &in.Containers[0]
	case container == nil:
		return nil, awsapi.Validation("Either primaryContainer or containers must be given.")
	}
	if err := s.resolve(ctx, m, container); err != nil {
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

// resolve finds the image and the data of a model, in its container or in the model package that it names.
func (s *Service) resolve(ctx context.Context, m *model, c *awsapi.ContainerDefinition) error {
	m.Image, m.DataURL, m.Environment = awsapi.Val(c.Image), awsapi.Val(c.ModelDataUrl), maps.Clone(c.Environment)
	if c.ModelPackageName != nil {
		p, err := s.Registry.DescribeModelPackage(ctx, &awsapi.DescribeModelPackageInput{ModelPackageName: c.ModelPackageName})
		if err != nil {
			return err
		}
		if status := awsapi.Val(p.ModelApprovalStatus); p.ModelPackageGroupName != nil && status != awsapi.ModelApprovalStatusApproved {
			return awsapi.Validation("ModelPackage %s is not approved for deployment: its ModelApprovalStatus is %s. Approve it with UpdateModelPackage.", *p.ModelPackageArn, status)
		}
		if p.InferenceSpecification == nil || len(p.InferenceSpecification.Containers) != 1 {
			return awsapi.Validation("ModelPackage %s must have an inference specification with one container.", *p.ModelPackageArn)
		}
		pc := p.InferenceSpecification.Containers[0]
		m.Image, m.DataURL = awsapi.Val(pc.Image), awsapi.Val(pc.ModelDataUrl)
		environment := maps.Clone(pc.Environment)
		if environment == nil {
			environment = map[string]string{}
		}
		maps.Copy(environment, c.Environment)
		m.Environment = environment
	}
	if m.DataURL == "" && c.ModelDataSource != nil && c.ModelDataSource.S3DataSource != nil {
		return awsapi.Validation("modelDataSource is not served; modelDataUrl is.")
	}
	if _, err := commandOf(m.Image); err != nil {
		return err
	}
	bucket, key, err := object.ParseURI(m.DataURL)
	if err != nil {
		return awsapi.Validation("Value '%s' at 'modelDataUrl' failed to satisfy constraint: %v", m.DataURL, err)
	}
	if _, err := s.Objects.Head(ctx, bucket, key); err != nil {
		return awsapi.Validation("Could not find model data at %s: %v", m.DataURL, err)
	}
	return nil
}

func getModel(tx *store.Tx, scope store.Scope, name *string) (*model, error) {
	m, err := modelRows.Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing(scope, "model", awsapi.Val(name))
	}
	return m, err
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
