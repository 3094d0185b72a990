package jobs

import (
	"errors"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchTrainingJobs pages through the training jobs as Search shows them.
func (s *Service) SearchTrainingJobs(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix, q.Status = equal["TrainingJobName"], equal["TrainingJobStatus"]
	page, err := trainingRows.List(tx, scope, q)
	for i := range page.Items {
		out.Items = append(out.Items, awsapi.SearchRecord{TrainingJob: awsapi.Same[awsapi.TrainingJob](page.Items[i].describeTraining())})
	}
	out.Next = page.Next
	return out, err
}

// SourceDetail shows the job of an ARN as a trial component's search record has it, or nil where there is no such job.
func (s *Service) SourceDetail(tx *store.Tx, arn string) (*awsapi.TrialComponentSourceDetail, error) {
	out := &awsapi.TrialComponentSourceDetail{SourceArn: &arn}
	for _, rows := range []*store.Collection[job]{trainingRows, processingRows} {
		j, err := rows.GetARN(tx, arn)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		tags, err := tx.Tags(arn)
		if j.Processing != nil {
			out.ProcessingJob = awsapi.Same[awsapi.ProcessingJob](j.describeProcessing())
			out.ProcessingJob.Tags = tags
		} else {
			out.TrainingJob = awsapi.Same[awsapi.TrainingJob](j.describeTraining())
			out.TrainingJob.Tags = tags
		}
		return out, err
	}
	return nil, nil
}
