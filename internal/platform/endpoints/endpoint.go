package endpoints

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// defaultHealthTimeout is how long a host has to load its model and answer.
const defaultHealthTimeout = 5 * time.Minute

// plan makes what a configuration asks for out of the models as they are now.
func (s *Service) plan(tx *store.Tx, scope store.Scope, config *string) (*deployment, error) {
	c, err := getConfig(tx, scope, config)
	if err != nil {
		return nil, err
	}
	d := &deployment{Config: *c.EndpointConfigName, Capture: c.DataCaptureConfig, Async: c.AsyncInferenceConfig}
	for _, v := range c.ProductionVariants {
		m, err := getModel(tx, scope, v.ModelName)
		if err != nil {
			return nil, err
		}
		health := defaultHealthTimeout
		if v.ContainerStartupHealthCheckTimeoutInSeconds != nil {
			health = time.Duration(*v.ContainerStartupHealthCheckTimeoutInSeconds) * time.Second
		}
		planned := variant{Name: *v.VariantName, Model: *m.ModelName, Container: m.Container, More: m.More, Role: awsapi.Val(m.ExecutionRoleArn),
			Serverless: v.ServerlessConfig, InstanceType: awsapi.Val(v.InstanceType), Weight: *v.InitialVariantWeight, HealthTimeout: health}
		planned.ID = s.World.NewID(12)
		planned.resize(*v.InitialInstanceCount, s.World)
		d.Variants = append(d.Variants, planned)
	}
	return d, d.bounded()
}

// CreateEndpoint keeps an endpoint and hands it to its controller.
func (s *Service) CreateEndpoint(ctx context.Context, in *awsapi.CreateEndpointInput) (*awsapi.CreateEndpointOutput, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	e := &endpoint{Name: *in.EndpointName, ARN: scope.ARN("endpoint/" + strings.ToLower(*in.EndpointName)), Scope: scope, Config: *in.EndpointConfigName,
		Deployment: in.DeploymentConfig, Status: awsapi.EndpointStatusCreating, Created: now, Modified: now}
	return &awsapi.CreateEndpointOutput{EndpointArn: &e.ARN}, s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if e.Next, err = s.plan(tx, scope, in.EndpointConfigName); err != nil {
			return err
		}
		err = endpointRows.Insert(tx, scope, e.Name, e.ARN, e)
		if errors.Is(err, store.ErrExists) {
			return awsapi.Validation("Cannot create already existing endpoint \"%s\".", e.ARN)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(e.ARN, in.Tags); err != nil {
			return err
		}
		if err := emit(tx, e, e.Status); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, e.ARN)
	})
}

// UpdateEndpoint brings another configuration up beside the present one; requests go over to it when it answers.
func (s *Service) UpdateEndpoint(ctx context.Context, in *awsapi.UpdateEndpointInput) (*awsapi.UpdateEndpointOutput, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateEndpointOutput{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getEndpoint(tx, scope, in.EndpointName)
		if err != nil {
			return err
		}
		if e.Status != awsapi.EndpointStatusInService && e.Status != awsapi.EndpointStatusFailed {
			return awsapi.Validation("Cannot update in-progress endpoint \"%s\": it is %s.", e.ARN, e.Status)
		}
		if e.Next, err = s.plan(tx, scope, in.EndpointConfigName); err != nil {
			return err
		}
		if awsapi.Val(in.RetainAllVariantProperties) {
			e.Next.retain(e.Current, in.ExcludeRetainedVariantProperties, s.World)
			if err := e.Next.bounded(); err != nil {
				return err
			}
		}
		if !awsapi.Val(in.RetainDeploymentConfig) {
			e.Deployment = in.DeploymentConfig
		}
		e.Status, e.Reason, e.Modified, out.EndpointArn = awsapi.EndpointStatusUpdating, "", s.World.Now(), &e.ARN
		if err := endpointRows.Put(tx, scope, e.Name, e); err != nil {
			return err
		}
		if err := emit(tx, e, e.Status); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, e.ARN)
	})
}

// UpdateEndpointWeightsAndCapacities changes the shares of the variants at once. Another number of instances is a deployment that has those hosts of
// the present one that stay; requests go over to it when the new ones answer.
func (s *Service) UpdateEndpointWeightsAndCapacities(ctx context.Context, in *awsapi.UpdateEndpointWeightsAndCapacitiesInput) (*awsapi.UpdateEndpointWeightsAndCapacitiesOutput, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateEndpointWeightsAndCapacitiesOutput{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getEndpoint(tx, scope, in.EndpointName)
		if err != nil {
			return err
		}
		if e.Status != awsapi.EndpointStatusInService {
			return awsapi.Validation("Cannot update endpoint \"%s\": it is %s.", e.ARN, e.Status)
		}
		next, scaled := e.Current.clone(), false
		for _, w := range in.DesiredWeightsAndCapacities {
			v, then := e.Current.variant(*w.VariantName), next.variant(*w.VariantName)
			if v == nil {
				return awsapi.Validation("Endpoint \"%s\" has no variant named '%s'.", e.ARN, *w.VariantName)
			}
			if w.DesiredWeight != nil {
				v.Weight, then.Weight = *w.DesiredWeight, *w.DesiredWeight
			}
			if n := w.DesiredInstanceCount; n != nil {
				if *n < 1 || v.Serverless != nil {
					return awsapi.Validation("Variant '%s' of endpoint \"%s\" cannot have %d instances: it needs at least 1, and a serverless one has none.", v.Name, e.ARN, *n)
				}
				scaled = scaled || int(*n) != len(v.instances())
				then.resize(*n, s.World)
			}
		}
		e.Modified, out.EndpointArn = s.World.Now(), &e.ARN
		if !scaled {
			return endpointRows.Put(tx, scope, e.Name, e)
		}
		if err := next.bounded(); err != nil {
			return err
		}
		e.Next, e.Status, e.Reason = next, awsapi.EndpointStatusUpdating, ""
		if err := endpointRows.Put(tx, scope, e.Name, e); err != nil {
			return err
		}
		if err := emit(tx, e, e.Status); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, e.ARN)
	})
}

// retain takes over what was set of variants that a deployment before has too, but for the excluded properties.
func (d *deployment) retain(before *deployment, excluded []awsapi.VariantProperty, w world.World) {
	if before == nil {
		return
	}
	keep := map[string]bool{awsapi.VariantPropertyTypeDesiredInstanceCount: true, awsapi.VariantPropertyTypeDesiredWeight: true, awsapi.VariantPropertyTypeDataCaptureConfig: true}
	for _, p := range excluded {
		keep[awsapi.Val(p.VariantPropertyType)] = false
	}
	if keep[awsapi.VariantPropertyTypeDataCaptureConfig] {
		d.Capture = before.Capture
	}
	for i := range d.Variants {
		v, old := &d.Variants[i], before.variant(d.Variants[i].Name)
		if old == nil {
			continue
		}
		if keep[awsapi.VariantPropertyTypeDesiredInstanceCount] {
			v.resize(old.Instances, w)
		}
		if keep[awsapi.VariantPropertyTypeDesiredWeight] {
			v.Weight = old.Weight
		}
	}
}

// DescribeEndpoint shows an endpoint.
func (s *Service) DescribeEndpoint(ctx context.Context, in *awsapi.DescribeEndpointInput) (*awsapi.DescribeEndpointOutput, error) {
	var e *endpoint
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		e, err = getEndpoint(tx, identity.From(ctx).Scope(), in.EndpointName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e.describe(), nil
}

// ListEndpoints lists endpoints.
func (s *Service) ListEndpoints(ctx context.Context, in *awsapi.ListEndpointsInput) (*awsapi.ListEndpointsOutput, error) {
	q := query(in.NameContains, awsapi.Val(in.SortBy) == awsapi.EndpointSortKeyName, in.SortOrder, in.MaxResults, in.NextToken)
	q.CreatedAfter, q.CreatedBefore = awsapi.Moment(in.CreationTimeAfter), awsapi.Moment(in.CreationTimeBefore)
	q.ModifiedAfter, q.ModifiedBefore, q.Status = awsapi.Moment(in.LastModifiedTimeAfter), awsapi.Moment(in.LastModifiedTimeBefore), awsapi.Val(in.StatusEquals)
	if awsapi.Val(in.SortBy) == awsapi.EndpointSortKeyStatus {
		q.SortBy = store.ByStatus
	}
	out := &awsapi.ListEndpointsOutput{Endpoints: []awsapi.EndpointSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := endpointRows.List(tx, identity.From(ctx).Scope(), q)
		for _, e := range page.Items {
			out.Endpoints = append(out.Endpoints, awsapi.EndpointSummary{EndpointName: &e.Name, EndpointArn: &e.ARN, EndpointStatus: &e.Status,
				CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified)})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteEndpoint asks the controller to end the hosts and to remove the endpoint.
func (s *Service) DeleteEndpoint(ctx context.Context, in *awsapi.DeleteEndpointInput) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getEndpoint(tx, scope, in.EndpointName)
		if err != nil {
			return err
		}
		if e.Status == awsapi.EndpointStatusDeleting {
			return awsapi.Validation("Endpoint \"%s\" is being deleted.", e.ARN)
		}
		e.Status, e.Modified = awsapi.EndpointStatusDeleting, s.World.Now()
		if err := endpointRows.Put(tx, scope, e.Name, e); err != nil {
			return err
		}
		if err := emit(tx, e, e.Status); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, e.ARN)
	})
}
