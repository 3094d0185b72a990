package functions

import (
	"context"
	"encoding/base64"
	"encoding/hex"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

func (f *function) describe() *awsapi.FunctionConfiguration {
	sum, _ := hex.DecodeString(f.Code.Zip) // which this room made
	out := &awsapi.FunctionConfiguration{FunctionName: &f.Name, FunctionArn: &f.ARN, Role: &f.Role, Handler: &f.Handler, Runtime: &f.Runtime, Description: &f.Description,
		Timeout: &f.Timeout, MemorySize: &f.MemorySize, CodeSize: &f.Code.Size, CodeSha256: new(base64.StdEncoding.EncodeToString(sum)), RevisionId: &f.Revision,
		LastModified: new(f.Modified.UTC().Format("2006-01-02T15:04:05.000+0000")), Version: new("$LATEST"), PackageType: new("Zip"),
		State: new("Active"), LastUpdateStatus: new("Successful"), Architectures: []string{"x86_64"}}
	if len(f.Environment) > 0 {
		out.Environment = &awsapi.EnvironmentResponse{Variables: f.Environment}
	}
	return out
}

// GetFunction shows a function.
func (s *Service) GetFunction(ctx context.Context, in *awsapi.GetFunctionRequest) (*awsapi.GetFunctionResponse, error) {
	f, err := s.look(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &awsapi.GetFunctionResponse{Configuration: f.describe()}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		tags, err := tx.Tags(f.ARN)
		for _, t := range tags {
			if out.Tags == nil {
				out.Tags = map[string]string{}
			}
			out.Tags[awsapi.Val(t.Key)] = awsapi.Val(t.Value)
		}
		return err
	})
}

// GetFunctionConfiguration shows how a function runs.
func (s *Service) GetFunctionConfiguration(ctx context.Context, in *awsapi.GetFunctionConfigurationRequest) (*awsapi.FunctionConfiguration, error) {
	f, err := s.look(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return f.describe(), nil
}

// ListFunctions lists functions by name.
func (s *Service) ListFunctions(ctx context.Context, in *awsapi.ListFunctionsRequest) (*awsapi.ListFunctionsResponse, error) {
	q := store.Query{SortBy: store.ByName, Limit: 50, Token: awsapi.Val(in.Marker)}
	if in.MaxItems != nil {
		q.Limit = min(int(*in.MaxItems), 50)
	}
	out := &awsapi.ListFunctionsResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := functionRows.List(tx, identity.From(ctx).Scope(), q)
		for _, f := range page.Items {
			out.Functions = append(out.Functions, *f.describe())
		}
		if page.Next != "" {
			out.NextMarker = &page.Next
		}
		return err
	})
}
