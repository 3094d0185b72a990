package tuning

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchJobs pages through the tuning jobs as Search shows them.
func (s *Service) SearchJobs(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix, q.Status = equal["HyperParameterTuningJobName"], equal["HyperParameterTuningJobStatus"]
	page, err := jobRows.List(tx, scope, q)
	for i := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{
			HyperParameterTuningJob: awsapi.Same[awsapi.HyperParameterTuningJobSearchEntity](page.Items[i].describe(s.World.Now()))})
	}
	out.Next = page.Next
	return out, err
}
