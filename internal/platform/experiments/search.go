package experiments

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchExperiments pages through the experiments as Search shows them.
func (s *Service) SearchExperiments(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix = equal["ExperimentName"]
	page, err := experimentRows.List(tx, scope, q)
	for _, e := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{Experiment: awsapi.Same[awsapi.Experiment](e)})
	}
	out.Next = page.Next
	return out, err
}

// SearchTrials pages through the trials as Search shows them, with a summary of the components in each.
func (s *Service) SearchTrials(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix, q.Parent = equal["TrialName"], equal["ExperimentName"]
	page, err := trialRows.List(tx, scope, q)
	for i := range page.Items {
		t := awsapi.Same[awsapi.Trial](page.Items[i])
		for of := (store.Query{Keys: map[string]string{"trial:" + *t.TrialName: "in"}}); ; {
			components, err := componentRows.List(tx, scope, of)
			if err != nil {
				return out, err
			}
			for _, c := range components.Items {
				t.TrialComponentSummaries = append(t.TrialComponentSummaries, awsapi.TrialComponentSimpleSummary{TrialComponentName: c.TrialComponentName,
					TrialComponentArn: c.TrialComponentArn, TrialComponentSource: c.Source, CreationTime: c.CreationTime, CreatedBy: c.CreatedBy})
			}
			if of.Token = components.Next; of.Token == "" {
				break
			}
		}
		out.Items = append(out.Items, awsapi.SearchRecord{Trial: t})
	}
	out.Next = page.Next
	return out, err
}

// SearchComponents pages through the trial components as Search shows them, with the trials that each is in.
func (s *Service) SearchComponents(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix, q.Keys = equal["TrialComponentName"], map[string]string{}
	if trial := equal["Parents.TrialName"]; trial != "" {
		q.Keys["trial:"+trial] = "in"
	}
	if experiment := equal["Parents.ExperimentName"]; experiment != "" {
		q.Keys["experiment:"+experiment] = "in"
	}
	if source := equal["Source.SourceArn"]; source != "" {
		q.Keys["source"] = source
	}
	page, err := componentRows.List(tx, scope, q)
	for _, row := range page.Items {
		c := awsapi.Same[awsapi.TrialComponent](row.DescribeTrialComponentResponse)
		c.RunName = awsapi.Optional(row.RunName)
		for i := range row.Trials {
			c.Parents = append(c.Parents, awsapi.Parent{TrialName: &row.Trials[i], ExperimentName: &row.Experiments[i]})
		}
		out.Items = append(out.Items, awsapi.SearchRecord{TrialComponent: c})
	}
	out.Next = page.Next
	return out, err
}
