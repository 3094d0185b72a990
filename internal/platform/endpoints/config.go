package endpoints

import (
	"context"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateEndpointConfig keeps what an endpoint may be made of.
func (s *Service) CreateEndpointConfig(ctx context.Context, in *awsapi.CreateEndpointConfigInput) (*awsapi.CreateEndpointConfigOutput, error) {
	scope := identity.From(ctx).Scope()
	c := &awsapi.DescribeEndpointConfigOutput{EndpointConfigName: in.EndpointConfigName,
		EndpointConfigArn:  new(scope.ARN("endpoint-config/" + strings.ToLower(*in.EndpointConfigName))),
		ProductionVariants: in.ProductionVariants, DataCaptureConfig: in.DataCaptureConfig, KmsKeyId: in.KmsKeyId, ExecutionRoleArn: in.ExecutionRoleArn,
		AsyncInferenceConfig: in.AsyncInferenceConfig, VpcConfig: in.VpcConfig, EnableNetworkIsolation: in.EnableNetworkIsolation, CreationTime: awsapi.Stamp(s.World.Now())}
	for member, given := range map[string]bool{"explainerConfig": in.ExplainerConfig != nil, "shadowProductionVariants": len(in.ShadowProductionVariants) > 0} {
		if given {
			return nil, awsapi.Validation("%s is not served; leave it out.", member)
		}
	}
	if err := checkDestinations(in); err != nil {
		return nil, err
	}
	return &awsapi.CreateEndpointConfigOutput{EndpointConfigArn: c.EndpointConfigArn}, s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := checkVariants(tx, scope, c.ProductionVariants); err != nil {
			return err
		}
		err := configRows.Insert(tx, scope, *c.EndpointConfigName, *c.EndpointConfigArn, c)
		if errors.Is(err, store.ErrExists) {
			return awsapi.Validation("Cannot create already existing endpoint configuration \"%s\".", *c.EndpointConfigArn)
		}
		if err != nil {
			return err
		}
		return tx.SetTags(*c.EndpointConfigArn, in.Tags)
	})
}

// checkDestinations checks where an endpoint is to write on its own.
func checkDestinations(in *awsapi.CreateEndpointConfigInput) error {
	uris := map[string]*string{}
	if c := in.DataCaptureConfig; c != nil {
		uris["dataCaptureConfig.destinationS3Uri"] = c.DestinationS3Uri
	}
	if a := in.AsyncInferenceConfig; a != nil {
		o := a.OutputConfig
		if o.NotificationConfig != nil && (o.NotificationConfig.SuccessTopic != nil || o.NotificationConfig.ErrorTopic != nil) {
			return awsapi.Validation("asyncInferenceConfig.outputConfig.notificationConfig is not served: there are no SNS topics here; leave it out.")
		}
		if o.S3OutputPath == nil {
			return awsapi.Validation("asyncInferenceConfig.outputConfig.s3OutputPath must not be null.")
		}
		uris["asyncInferenceConfig.outputConfig.s3OutputPath"], uris["asyncInferenceConfig.outputConfig.s3FailurePath"] = o.S3OutputPath, o.S3FailurePath
	}
	for member, uri := range uris {
		if uri == nil {
			continue
		}
		if _, _, err := object.ParseURI(*uri); err != nil {
			return awsapi.Validation("Value '%s' at '%s' failed to satisfy constraint: %v", *uri, member, err)
		}
	}
	return nil
}

func checkVariants(tx *store.Tx, scope store.Scope, variants []awsapi.ProductionVariant) error {
	seen := map[string]bool{}
	total := float32(0)
	for i := range variants {
		v := &variants[i]
		if seen[*v.VariantName] {
			return awsapi.Validation("productionVariants has two variants named '%s'.", *v.VariantName)
		}
		seen[*v.VariantName] = true
		if v.ModelName == nil {
			return awsapi.Validation("production variant '%s' must have a modelName.", *v.VariantName)
		}
		if _, err := getModel(tx, scope, v.ModelName); err != nil {
			return err
		}
		if v.ServerlessConfig == nil && v.InstanceType == nil {
			return awsapi.Validation("production variant '%s' must have an instanceType.", *v.VariantName)
		}
		if v.InitialVariantWeight == nil {
			v.InitialVariantWeight = new(float32(1))
		}
		if v.InitialInstanceCount == nil {
			v.InitialInstanceCount = new(int32(1))
		}
		total += *v.InitialVariantWeight
	}
	if total <= 0 {
		return awsapi.Validation("the weights of the production variants must have a sum above 0.")
	}
	return nil
}

func getConfig(tx *store.Tx, scope store.Scope, name *string) (*awsapi.DescribeEndpointConfigOutput, error) {
	c, err := configRows.Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing(scope, "endpoint-config", awsapi.Val(name))
	}
	return c, err
}

// DescribeEndpointConfig shows a configuration.
func (s *Service) DescribeEndpointConfig(ctx context.Context, in *awsapi.DescribeEndpointConfigInput) (out *awsapi.DescribeEndpointConfigOutput, err error) {
	return out, s.DB.View(ctx, func(tx *store.Tx) (err error) {
		out, err = getConfig(tx, identity.From(ctx).Scope(), in.EndpointConfigName)
		return err
	})
}

// ListEndpointConfigs lists configurations.
func (s *Service) ListEndpointConfigs(ctx context.Context, in *awsapi.ListEndpointConfigsInput) (*awsapi.ListEndpointConfigsOutput, error) {
	q := query(in.NameContains, awsapi.Val(in.SortBy) == awsapi.EndpointConfigSortKeyName, in.SortOrder, in.MaxResults, in.NextToken)
	q.CreatedAfter, q.CreatedBefore = awsapi.Moment(in.CreationTimeAfter), awsapi.Moment(in.CreationTimeBefore)
	out := &awsapi.ListEndpointConfigsOutput{EndpointConfigs: []awsapi.EndpointConfigSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := configRows.List(tx, identity.From(ctx).Scope(), q)
		for _, c := range page.Items {
			out.EndpointConfigs = append(out.EndpointConfigs, awsapi.EndpointConfigSummary{EndpointConfigName: c.EndpointConfigName, EndpointConfigArn: c.EndpointConfigArn, CreationTime: c.CreationTime})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteEndpointConfig removes a configuration. Endpoints that were made of it go on.
func (s *Service) DeleteEndpointConfig(ctx context.Context, in *awsapi.DeleteEndpointConfigInput) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, err := getConfig(tx, scope, in.EndpointConfigName); err != nil {
			return err
		}
		return configRows.Delete(tx, scope, *in.EndpointConfigName)
	})
}
