package endpoints

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
)

// resolve finds the images and the data of a model, in its containers or in the model packages that they name, and looks whether they are there.
func (s *Service) resolve(ctx context.Context, m *model, in *awsapi.CreateModelInput) error {
	definitions := in.Containers
	switch {
	case in.PrimaryContainer != nil && len(in.Containers) > 0:
		return awsapi.Validation("Only one of primaryContainer and containers may be given.")
	case in.PrimaryContainer != nil:
		definitions = []awsapi.ContainerDefinition{*in.PrimaryContainer}
	case len(in.Containers) == 0:
		return awsapi.Validation("Either primaryContainer or containers must be given.")
	}
	if c := in.InferenceExecutionConfig; c != nil && len(definitions) > 1 && awsapi.Val(c.Mode) == awsapi.InferenceExecutionModeDirect {
		return awsapi.Validation("inferenceExecutionConfig.mode Direct is not served; Serial is: each container gets the answer of the one before.")
	}
	var containers []serving.Container
	for i := range definitions {
		more, err := s.containersOf(ctx, &definitions[i])
		if err != nil {
			return err
		}
		containers = append(containers, more...)
	}
	m.Container, m.More = containers[0], containers[1:]
	if len(containers) > 1 && slices.ContainsFunc(containers, func(c serving.Container) bool { return c.Multi }) {
		return awsapi.Validation("a container of mode MultiModel must be the only one.")
	}
	if err := s.Hosts.Check(m.serves()); err != nil {
		return err
	}
	for _, c := range containers {
		if err := s.checkData(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// containersOf is what one definition comes to: one container, or those of the model package that it names.
func (s *Service) containersOf(ctx context.Context, c *awsapi.ContainerDefinition) ([]serving.Container, error) {
	multi := awsapi.Val(c.Mode) == awsapi.ContainerModeMultiModel
	uncached := c.MultiModelConfig != nil && awsapi.Val(c.MultiModelConfig.ModelCacheSetting) == awsapi.ModelCacheSettingDisabled
	for member, given := range map[string]bool{"multiModelConfig.modelCacheSetting Disabled": uncached, "additionalModelDataSources": len(c.AdditionalModelDataSources) > 0,
		"mode MultiModel of a model package": multi && c.ModelPackageName != nil} {
		if given {
			return nil, awsapi.Validation("%s is not served; leave it out.", member)
		}
	}
	if c.ModelPackageName == nil {
		one, err := container(awsapi.Val(c.Image), c.ModelDataUrl, c.ModelDataSource, c.Environment)
		if one.Multi = multi; err == nil && multi && c.ModelDataUrl == nil {
			err = awsapi.Validation("a container of mode MultiModel must have a modelDataUrl, the prefix of its models.")
		}
		return []serving.Container{one}, err
	}
	p, err := s.Registry.DescribeModelPackage(ctx, &awsapi.DescribeModelPackageInput{ModelPackageName: c.ModelPackageName})
	if err != nil {
		return nil, err
	}
	if status := awsapi.Val(p.ModelApprovalStatus); p.ModelPackageGroupName != nil && status != awsapi.ModelApprovalStatusApproved {
		return nil, awsapi.Validation("ModelPackage %s is not approved for deployment: its ModelApprovalStatus is %s. Approve it with UpdateModelPackage.", *p.ModelPackageArn, status)
	}
	if p.InferenceSpecification == nil || len(p.InferenceSpecification.Containers) == 0 {
		return nil, awsapi.Validation("ModelPackage %s must have an inference specification with a container.", *p.ModelPackageArn)
	}
	var all []serving.Container
	for _, pc := range p.InferenceSpecification.Containers {
		environment := map[string]string{}
		maps.Copy(environment, pc.Environment)
		maps.Copy(environment, c.Environment)
		one, err := container(awsapi.Val(pc.Image), pc.ModelDataUrl, pc.ModelDataSource, environment)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// container reads where the data of a container is.
func container(image string, url *string, source *awsapi.ModelDataSource, environment map[string]string) (serving.Container, error) {
	c := serving.Container{Image: image, DataURL: awsapi.Val(url), Environment: maps.Clone(environment)}
	if image == "" {
		return c, awsapi.Validation("a container must have an image or a modelPackageName.")
	}
	if source == nil || source.S3DataSource == nil {
		return c, nil
	}
	if url != nil {
		return c, awsapi.Validation("Only one of modelDataUrl and modelDataSource may be given.")
	}
	s3 := source.S3DataSource
	c.DataURL = awsapi.Val(s3.S3Uri)
	c.Uncompressed = awsapi.Val(s3.CompressionType) == awsapi.ModelCompressionTypeNone
	if !c.Uncompressed && awsapi.Val(s3.S3DataType) == awsapi.S3ModelDataTypeS3Prefix {
		return c, awsapi.Validation("modelDataSource.s3DataSource.s3DataType S3Prefix needs compressionType None; a Gzip archive is one S3Object.")
	}
	return c, nil
}

// checkData looks whether a container's model data is there.
func (s *Service) checkData(ctx context.Context, c serving.Container) error {
	if c.DataURL == "" {
		return nil
	}
	bucket, key, err := object.ParseURI(c.DataURL)
	if err != nil {
		return awsapi.Validation("Value '%s' at 'modelDataUrl' failed to satisfy constraint: %v", c.DataURL, err)
	}
	if c.Multi { // models come and go
		return nil
	}
	if c.Uncompressed && strings.HasSuffix(key, "/") {
		found, _, err := s.Objects.List(ctx, bucket, key, "", 1)
		if err == nil && len(found) == 0 {
			err = errors.New("no object has that prefix")
		}
		if err != nil {
			return awsapi.Validation("Could not find model data at %s: %v", c.DataURL, err)
		}
		return nil
	}
	if _, err := s.Objects.Head(ctx, bucket, key); err != nil {
		return awsapi.Validation("Could not find model data at %s: %v", c.DataURL, err)
	}
	return nil
}
