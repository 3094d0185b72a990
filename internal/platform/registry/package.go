package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateModelPackage registers a model: as the next version of its group, or under a name of its own.
func (s *Service) CreateModelPackage(ctx context.Context, in *awsapi.CreateModelPackageInput) (*awsapi.CreateModelPackageOutput, error) {
	if (in.ModelPackageName == nil) == (in.ModelPackageGroupName == nil) {
		return nil, awsapi.Validation("Either ModelPackageName or ModelPackageGroupName must be given, and not both.")
	}
	if in.InferenceSpecification == nil && in.SourceAlgorithmSpecification == nil && in.SourceUri == nil {
		return nil, awsapi.Validation("One of InferenceSpecification, SourceAlgorithmSpecification and SourceUri must be given.")
	}
	scope := identity.From(ctx).Scope()
	request, token := awsapi.Encode(in), awsapi.Val(in.ClientToken)
	p := s.newPackage(in)
	var known string
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) { // a registration that is made again does not look at its model data again
		known, _, err = tx.Idempotent(scope, "CreateModelPackage", token, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if known == "" {
		if err := s.checkData(ctx, in.InferenceSpecification); err != nil {
			return nil, err
		}
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		arn, seen, err := tx.Idempotent(scope, "CreateModelPackage", token, request)
		if err != nil || seen {
			p.ModelPackageArn = &arn
			return err
		}
		if err := s.name(tx, scope, in, p); err != nil {
			return err
		}
		err = packageRows.Insert(tx, scope, rowOf(p), *p.ModelPackageArn, p)
		if errors.Is(err, store.ErrExists) {
			return awsapi.Validation("Model Package already exists: %s", *p.ModelPackageArn)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(*p.ModelPackageArn, in.Tags); err != nil {
			return err
		}
		if err := emit(tx, "Created", p); err != nil {
			return err
		}
		return tx.RememberToken(scope, "CreateModelPackage", token, request, *p.ModelPackageArn)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.CreateModelPackageOutput{ModelPackageArn: p.ModelPackageArn}, nil
}

func (s *Service) newPackage(in *awsapi.CreateModelPackageInput) *awsapi.DescribeModelPackageOutput {
	now := awsapi.Stamp(s.World.Now())
	p := &awsapi.DescribeModelPackageOutput{
		ModelPackageDescription: in.ModelPackageDescription, ModelPackageRegistrationType: in.ModelPackageRegistrationType, CreationTime: now, LastModifiedTime: now,
		InferenceSpecification: in.InferenceSpecification, SourceAlgorithmSpecification: in.SourceAlgorithmSpecification,
		ValidationSpecification: in.ValidationSpecification, ModelPackageStatus: new(awsapi.ModelPackageStatusCompleted),
		ModelPackageStatusDetails: &awsapi.ModelPackageStatusDetails{ValidationStatuses: []awsapi.ModelPackageStatusItem{}, ImageScanStatuses: []awsapi.ModelPackageStatusItem{}},
		CertifyForMarketplace:     in.CertifyForMarketplace, ModelApprovalStatus: in.ModelApprovalStatus, CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{},
		MetadataProperties: in.MetadataProperties, ModelMetrics: in.ModelMetrics, Domain: in.Domain, Task: in.Task, SamplePayloadUrl: in.SamplePayloadUrl,
		CustomerMetadataProperties: in.CustomerMetadataProperties, DriftCheckBaselines: in.DriftCheckBaselines,
		AdditionalInferenceSpecifications: in.AdditionalInferenceSpecifications, SkipModelValidation: in.SkipModelValidation, SourceUri: in.SourceUri,
		SecurityConfig: in.SecurityConfig, ModelCard: in.ModelCard, ModelLifeCycle: in.ModelLifeCycle, ManagedStorageType: in.ManagedStorageType,
	}
	if p.ModelApprovalStatus == nil && in.ModelPackageGroupName != nil {
		p.ModelApprovalStatus = new(awsapi.ModelApprovalStatusPendingManualApproval)
	}
	return p
}

// name gives the package its ARN: the next version of its group, or its own name.
func (s *Service) name(tx *store.Tx, scope store.Scope, in *awsapi.CreateModelPackageInput, p *awsapi.DescribeModelPackageOutput) error {
	if in.ModelPackageName != nil {
		p.ModelPackageName, p.ModelPackageArn = in.ModelPackageName, new(scope.ARN("model-package/"+strings.ToLower(*in.ModelPackageName)))
		return nil
	}
	g, err := getGroup(tx, scope, in.ModelPackageGroupName)
	if err != nil {
		return err
	}
	g.LastVersion++
	p.ModelPackageGroupName, p.ModelPackageVersion = g.ModelPackageGroupName, new(g.LastVersion)
	p.ModelPackageName = g.ModelPackageGroupName
	p.ModelPackageArn = new(scope.ARN(fmt.Sprintf("model-package/%s/%d", strings.ToLower(*g.ModelPackageGroupName), g.LastVersion)))
	return groupRows.Put(tx, scope, *g.ModelPackageGroupName, g)
}

// checkData refuses containers whose model data is not there, and notes the ETag of the data that is registered.
func (s *Service) checkData(ctx context.Context, spec *awsapi.InferenceSpecification) error {
	if spec == nil {
		return nil
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if c.ModelDataUrl == nil {
			continue
		}
		at := fmt.Sprintf("inferenceSpecification.containers.%d.member.modelDataUrl", i+1)
		bucket, key, err := object.ParseURI(*c.ModelDataUrl)
		if err != nil {
			return awsapi.Validation("Value '%s' at '%s': %v", *c.ModelDataUrl, at, err)
		}
		info, err := s.Objects.Head(ctx, bucket, key)
		if err != nil {
			return awsapi.Validation("Could not access model data at %s ('%s'): %v", *c.ModelDataUrl, at, err)
		}
		c.ModelDataETag = &info.ETag
	}
	return nil
}

// DescribeModelPackage shows a package.
func (s *Service) DescribeModelPackage(ctx context.Context, in *awsapi.DescribeModelPackageInput) (*awsapi.DescribeModelPackageOutput, error) {
	var p *awsapi.DescribeModelPackageOutput
	return p, s.DB.View(ctx, func(tx *store.Tx) (err error) {
		p, err = getPackage(tx, identity.From(ctx).Scope(), in.ModelPackageName)
		return err
	})
}

// ListModelPackages lists the packages of a group, or those without versions.
func (s *Service) ListModelPackages(ctx context.Context, in *awsapi.ListModelPackagesInput) (*awsapi.ListModelPackagesOutput, error) {
	q := store.Query{Parent: lastPart(awsapi.Val(in.ModelPackageGroupName), "model-package-group"), NameContains: awsapi.Val(in.NameContains),
		CreatedAfter: awsapi.Moment(in.CreationTimeAfter), CreatedBefore: awsapi.Moment(in.CreationTimeBefore), Keys: map[string]string{},
		SortBy: store.ByCreated, Descending: awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(in.MaxResults), Token: awsapi.Val(in.NextToken)}
	if awsapi.Val(in.SortBy) == awsapi.ModelPackageSortByName {
		q.SortBy = store.ByName
	}
	if in.ModelApprovalStatus != nil {
		q.Keys["approval"] = *in.ModelApprovalStatus
	}
	switch kind := awsapi.Val(in.ModelPackageType); {
	case kind == awsapi.ModelPackageTypeVersioned:
		q.Keys["versioned"] = "yes"
	case kind != awsapi.ModelPackageTypeBoth && q.Parent == "":
		q.Keys["versioned"] = "no"
	}
	out := &awsapi.ListModelPackagesOutput{ModelPackageSummaryList: []awsapi.ModelPackageSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := packageRows.List(tx, identity.From(ctx).Scope(), q)
		for _, p := range page.Items {
			out.ModelPackageSummaryList = append(out.ModelPackageSummaryList, awsapi.ModelPackageSummary{ModelPackageName: p.ModelPackageName,
				ModelPackageGroupName: p.ModelPackageGroupName, ModelPackageVersion: p.ModelPackageVersion, ModelPackageArn: p.ModelPackageArn,
				ModelPackageDescription: p.ModelPackageDescription, CreationTime: p.CreationTime, ModelPackageStatus: p.ModelPackageStatus,
				ModelApprovalStatus: p.ModelApprovalStatus, ModelLifeCycle: p.ModelLifeCycle, ModelPackageRegistrationType: p.ModelPackageRegistrationType})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// UpdateModelPackage changes the approval and the metadata of a package.
func (s *Service) UpdateModelPackage(ctx context.Context, in *awsapi.UpdateModelPackageInput) (*awsapi.UpdateModelPackageOutput, error) {
	if in.InferenceSpecification != nil {
		if err := s.checkData(ctx, in.InferenceSpecification); err != nil {
			return nil, err
		}
	}
	scope := identity.From(ctx).Scope()
	request, token := awsapi.Encode(in), awsapi.Val(in.ClientToken)
	return &awsapi.UpdateModelPackageOutput{ModelPackageArn: in.ModelPackageArn}, s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, seen, err := tx.Idempotent(scope, "UpdateModelPackage", token, request); err != nil || seen {
			return err
		}
		p, err := getPackage(tx, scope, in.ModelPackageArn)
		if err != nil {
			return err
		}
		if err := tx.RememberToken(scope, "UpdateModelPackage", token, request, *p.ModelPackageArn); err != nil {
			return err
		}
		before := awsapi.Val(p.ModelApprovalStatus)
		change(p, in)
		p.LastModifiedTime = awsapi.Stamp(s.World.Now())
		if err := packageRows.Put(tx, scope, rowOf(p), p); err != nil {
			return err
		}
		if after := awsapi.Val(p.ModelApprovalStatus); after != before {
			return emit(tx, after, p)
		}
		return emit(tx, "Updated", p)
	})
}

func change(p *awsapi.DescribeModelPackageOutput, in *awsapi.UpdateModelPackageInput) {
	set(&p.ModelApprovalStatus, in.ModelApprovalStatus)
	set(&p.ApprovalDescription, in.ApprovalDescription)
	set(&p.InferenceSpecification, in.InferenceSpecification)
	set(&p.SourceUri, in.SourceUri)
	set(&p.ModelCard, in.ModelCard)
	set(&p.ModelLifeCycle, in.ModelLifeCycle)
	set(&p.ModelPackageRegistrationType, in.ModelPackageRegistrationType)
	p.AdditionalInferenceSpecifications = append(p.AdditionalInferenceSpecifications, in.AdditionalInferenceSpecificationsToAdd...)
	if p.CustomerMetadataProperties == nil && in.CustomerMetadataProperties != nil {
		p.CustomerMetadataProperties = map[string]string{}
	}
	for k, v := range in.CustomerMetadataProperties {
		p.CustomerMetadataProperties[k] = v
	}
	for k := range p.CustomerMetadataProperties {
		if slices.Contains(in.CustomerMetadataPropertiesToRemove, k) {
			delete(p.CustomerMetadataProperties, k)
		}
	}
}

// set changes a member that the request has.
func set[T any](member **T, value *T) {
	if value != nil {
		*member = value
	}
}

// DeleteModelPackage removes a package. Its version is not given again.
func (s *Service) DeleteModelPackage(ctx context.Context, in *awsapi.DeleteModelPackageInput) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		p, err := getPackage(tx, scope, in.ModelPackageName)
		if err != nil {
			return err
		}
		if err := packageRows.Delete(tx, scope, rowOf(p)); err != nil {
			return err
		}
		return emit(tx, "Deleted", p)
	})
}
