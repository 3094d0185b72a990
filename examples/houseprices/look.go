package houseprices

import (
	"context"
	"fmt"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/pipeline"
)

// maxName is how much of a name the table shows.
const maxName = 30

// maxLineage bounds the walk back from the model.
const maxLineage = 200

// lineage prints where the model comes from and where it went, as a table, by walking the associations back from its package.
func (d *show) lineage(ctx context.Context) error {
	d.printf("\nlineage of the model: where it comes from, and where it went\n  %-50s %-15s %s", "from", "by", "to")
	starts, err := d.entitiesOf(ctx, d.report.ModelPackageARN)
	if err != nil {
		return err
	}
	if len(starts) == 0 {
		return fmt.Errorf("lineage knows nothing of %s", d.report.ModelPackageARN)
	}
	rows := 0
	walk := func(end func(arn *string) *awsapi.ListAssociationsRequest, next func(awsapi.AssociationSummary) *string) error {
		seen := map[string]bool{}
		for queue := starts; len(queue) > 0 && rows < maxLineage; queue = queue[1:] {
			if seen[queue[0]] {
				continue
			}
			seen[queue[0]] = true
			list, err := d.api.ListAssociations(ctx, end(&queue[0]))
			if err != nil {
				return err
			}
			for _, a := range list.AssociationSummaries {
				d.printf("  %-50s %-15s %s", d.short(ctx, a.SourceType, a.SourceName, a.SourceArn), awsapi.Val(a.AssociationType),
					d.short(ctx, a.DestinationType, a.DestinationName, a.DestinationArn))
				queue = append(queue, *next(a))
				rows++
			}
		}
		return nil
	}
	back := func(arn *string) *awsapi.ListAssociationsRequest {
		return &awsapi.ListAssociationsRequest{DestinationArn: arn}
	}
	forth := func(arn *string) *awsapi.ListAssociationsRequest {
		return &awsapi.ListAssociationsRequest{SourceArn: arn}
	}
	if err := walk(back, func(a awsapi.AssociationSummary) *string { return a.SourceArn }); err != nil {
		return err
	}
	return walk(forth, func(a awsapi.AssociationSummary) *string { return a.DestinationArn })
}

// entitiesOf returns the lineage entities that stand for a resource. They appear as the events of the resource are worked off.
func (d *show) entitiesOf(ctx context.Context, arn string) ([]string, error) {
	var out []string
	err := patiently(ctx, func() (bool, error) {
		list, err := d.api.ListArtifacts(ctx, &awsapi.ListArtifactsRequest{SourceUri: &arn})
		if err != nil {
			return false, err
		}
		for _, a := range list.ArtifactSummaries {
			out = append(out, *a.ArtifactArn)
		}
		return len(out) > 0, nil
	})
	return out, err
}

func (d *show) short(ctx context.Context, kind, name, arn *string) string {
	text := awsapi.Val(name)
	if text == "" && strings.Contains(awsapi.Val(arn), ":artifact/") { // data has no name but its place
		if a, err := d.api.DescribeArtifact(ctx, &awsapi.DescribeArtifactRequest{ArtifactArn: arn}); err == nil {
			text = awsapi.Val(a.Source.SourceUri)
		}
	}
	if text == "" {
		text = awsapi.Val(arn)[strings.LastIndexByte(awsapi.Val(arn), '/')+1:]
	}
	// The names of jobs are long; their ends tell them apart.
	if len(text) > maxName {
		text = "…" + text[len(text)-maxName:]
	}
	return strings.TrimPrefix(awsapi.Val(kind), "SageMaker") + " " + text
}

// experiment prints the execution's trial: its components and their metrics.
func (d *show) experiment(ctx context.Context, e *pipeline.Execution) error {
	id := e.ARN[strings.LastIndexByte(e.ARN, '/')+1:]
	d.printf("\nexperiment %s, trial %s", PipelineName, id)
	var list *awsapi.ListTrialComponentsResponse
	err := patiently(ctx, func() (_ bool, err error) {
		list, err = d.api.ListTrialComponents(ctx, &awsapi.ListTrialComponentsRequest{TrialName: &id, SortOrder: new(awsapi.SortOrderAscending)})
		return err == nil && len(list.TrialComponentSummaries) >= 3, err
	})
	if err != nil {
		return err
	}
	for _, c := range list.TrialComponentSummaries {
		d.printf("  %s  %s", *c.TrialComponentName, awsapi.Val(c.Status.PrimaryStatus))
	}
	arn := e.Step("HPTuning").Resource
	tunings, err := d.api.ListHyperParameterTuningJobs(ctx, &awsapi.ListHyperParameterTuningJobsRequest{NameContains: new(arn[strings.LastIndexByte(arn, '/')+1:])})
	if err != nil {
		return err
	}
	if len(tunings.HyperParameterTuningJobSummaries) != 1 { // an ARN is in lower case, a name is not
		return fmt.Errorf("there is no tuning job %s", arn)
	}
	job, err := d.api.DescribeHyperParameterTuningJob(ctx, &awsapi.DescribeHyperParameterTuningJobRequest{
		HyperParameterTuningJobName: tunings.HyperParameterTuningJobSummaries[0].HyperParameterTuningJobName})
	if err != nil {
		return err
	}
	name := strings.ToLower(*job.BestTrainingJob.TrainingJobName) + "-aws-training-job"
	var component *awsapi.DescribeTrialComponentResponse
	err = patiently(ctx, func() (_ bool, err error) {
		component, err = d.api.DescribeTrialComponent(ctx, &awsapi.DescribeTrialComponentRequest{TrialComponentName: &name})
		if awsapi.IsNotFound(err) {
			return false, nil
		}
		return err == nil && len(component.Metrics) > 0, err
	})
	if err != nil {
		return err
	}
	d.printf("  best training job %s", *job.BestTrainingJob.TrainingJobName)
	for _, m := range component.Metrics {
		d.printf("    %-18s %.2f", *m.MetricName, awsapi.Val(m.Last))
	}
	return nil
}
