package registry

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchGroups pages through the model package groups as Search shows them.
func (s *Service) SearchGroups(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix = equal["ModelPackageGroupName"]
	page, err := groupRows.List(tx, scope, q)
	for _, g := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{ModelPackageGroup: awsapi.Same[awsapi.ModelPackageGroup](g.DescribeModelPackageGroupOutput)})
	}
	out.Next = page.Next
	return out, err
}

// SearchPackages pages through the model packages as Search shows them.
func (s *Service) SearchPackages(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.Parent = equal["ModelPackageGroupName"]
	page, err := packageRows.List(tx, scope, q)
	for _, p := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{ModelPackage: awsapi.Same[awsapi.ModelPackage](p)})
	}
	out.Next = page.Next
	return out, err
}
