package endpoints

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchEndpoints pages through the endpoints as Search shows them.
func (s *Service) SearchEndpoints(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix, q.Status = equal["EndpointName"], equal["EndpointStatus"]
	page, err := endpointRows.List(tx, scope, q)
	for i := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{Endpoint: awsapi.Same[awsapi.Endpoint](page.Items[i].describe())})
	}
	out.Next = page.Next
	return out, err
}

// SearchModels pages through the models as Search shows them.
func (s *Service) SearchModels(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix = equal["ModelName"]
	page, err := modelRows.List(tx, scope, q)
	for _, m := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{Model: &awsapi.ModelDashboardModel{Model: awsapi.Same[awsapi.Model](m.DescribeModelOutput)}})
	}
	out.Next = page.Next
	return out, err
}
