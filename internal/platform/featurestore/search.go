package featurestore

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchGroups pages through the feature groups as Search shows them.
func (s *Service) SearchGroups(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix = equal["FeatureGroupName"]
	page, err := groupRows.List(tx, scope, q)
	for _, g := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{FeatureGroup: awsapi.Same[awsapi.FeatureGroup](g.describe())})
	}
	out.Next = page.Next
	return out, err
}
