package registry

import (
	"context"
	"errors"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// BatchDescribeModelPackage shows several packages. What cannot be shown is named beside them.
func (s *Service) BatchDescribeModelPackage(ctx context.Context, in *awsapi.BatchDescribeModelPackageInput) (*awsapi.BatchDescribeModelPackageOutput, error) {
	out := &awsapi.BatchDescribeModelPackageOutput{ModelPackageSummaries: map[string]awsapi.BatchDescribeModelPackageSummary{},
		BatchDescribeModelPackageErrorMap: map[string]awsapi.BatchDescribeModelPackageError{}}
	for _, arn := range in.ModelPackageArnList {
		p, err := s.DescribeModelPackage(ctx, &awsapi.DescribeModelPackageInput{ModelPackageName: &arn})
		var wrong *awsapi.Error
		switch {
		case err == nil:
			out.ModelPackageSummaries[arn] = *awsapi.Same[awsapi.BatchDescribeModelPackageSummary](p)
		case errors.As(err, &wrong) && wrong.Status < 500:
			out.BatchDescribeModelPackageErrorMap[arn] = awsapi.BatchDescribeModelPackageError{ErrorCode: &wrong.Code, ErrorResponse: &wrong.Message}
		default:
			return nil, err
		}
	}
	return out, nil
}
