package houseprices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// patience is how long what follows from an event may take to appear.
const patience = 10 * time.Second

// patiently tries until ok, for as long as patience.
func patiently(ctx context.Context, try func() (ok bool, err error)) error {
	for end := time.Now().Add(patience); ; {
		ok, err := try()
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("it did not appear within %s", patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// gone says whether an error means that there was nothing to delete.
func gone(err error) bool {
	return err == nil || awsapi.IsCode(err, "ResourceNotFound") || awsapi.IsCode(err, "ValidationException")
}

// clean deletes everything that the showing made. Objects stay: they are data.
func (d *show) clean(ctx context.Context) error {
	if err := d.stopExecutions(ctx); err != nil {
		return err
	}
	group := GroupName
	deletions := []struct {
		what string
		do   func() error
	}{
		{"endpoint", func() error { return d.api.DeleteEndpoint(ctx, &awsapi.DeleteEndpointInput{EndpointName: &d.endpoint}) }},
		{"endpoint configuration", func() error {
			return d.api.DeleteEndpointConfig(ctx, &awsapi.DeleteEndpointConfigInput{EndpointConfigName: &d.endpoint})
		}},
		{"model", func() error { return d.api.DeleteModel(ctx, &awsapi.DeleteModelInput{ModelName: &d.endpoint}) }},
		{"model packages", func() error { return d.deletePackages(ctx, &group) }},
		{"model package group", func() error {
			return d.api.DeleteModelPackageGroup(ctx, &awsapi.DeleteModelPackageGroupInput{ModelPackageGroupName: &group})
		}},
		{"pipeline", func() error {
			_, err := d.api.DeletePipeline(ctx, &awsapi.DeletePipelineRequest{PipelineName: new(PipelineName)})
			return err
		}},
		{"feature group", func() error {
			return d.api.DeleteFeatureGroup(ctx, &awsapi.DeleteFeatureGroupRequest{FeatureGroupName: new("house-prices")})
		}},
		{"experiment", func() error { return d.deleteExperiment(ctx) }},
	}
	var errs []error
	for _, x := range deletions {
		if err := x.do(); !gone(err) {
			errs = append(errs, fmt.Errorf("delete %s: %w", x.what, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.printf("\ncleaned up")
	return nil
}

// stopExecutions stops what still runs, as after Ctrl-C, and waits for its end.
func (d *show) stopExecutions(ctx context.Context) error {
	list, err := d.api.ListPipelineExecutions(ctx, &awsapi.ListPipelineExecutionsRequest{PipelineName: new(PipelineName)})
	if err != nil {
		if gone(err) {
			return nil
		}
		return err
	}
	for _, e := range list.PipelineExecutionSummaries {
		if s := *e.PipelineExecutionStatus; s != awsapi.PipelineExecutionStatusExecuting && s != awsapi.PipelineExecutionStatusStopping {
			continue
		}
		if err := d.client.Stop(ctx, *e.PipelineExecutionArn); err != nil && !awsapi.IsCode(err, "ConflictException") {
			return err
		}
		err := patiently(ctx, func() (bool, error) {
			now, err := d.client.Describe(ctx, *e.PipelineExecutionArn)
			return err == nil && now.Done(), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *show) deletePackages(ctx context.Context, group *string) error {
	list, err := d.api.ListModelPackages(ctx, &awsapi.ListModelPackagesInput{ModelPackageGroupName: group})
	if err != nil {
		return err
	}
	for _, p := range list.ModelPackageSummaryList {
		if err := d.api.DeleteModelPackage(ctx, &awsapi.DeleteModelPackageInput{ModelPackageName: p.ModelPackageArn}); !gone(err) {
			return err
		}
	}
	return nil
}

// deleteExperiment takes the experiment apart: components out of trials, then components, trials and the experiment.
func (d *show) deleteExperiment(ctx context.Context) error {
	experiment := PipelineName
	trials, err := d.api.ListTrials(ctx, &awsapi.ListTrialsRequest{ExperimentName: &experiment})
	if err != nil {
		return err
	}
	for _, t := range trials.TrialSummaries {
		components, err := d.api.ListTrialComponents(ctx, &awsapi.ListTrialComponentsRequest{TrialName: t.TrialName})
		if err != nil {
			return err
		}
		for _, c := range components.TrialComponentSummaries {
			if _, err := d.api.DisassociateTrialComponent(ctx, &awsapi.DisassociateTrialComponentRequest{TrialName: t.TrialName, TrialComponentName: c.TrialComponentName}); !gone(err) {
				return err
			}
			if _, err := d.api.DeleteTrialComponent(ctx, &awsapi.DeleteTrialComponentRequest{TrialComponentName: c.TrialComponentName}); !gone(err) {
				return err
			}
		}
		if _, err := d.api.DeleteTrial(ctx, &awsapi.DeleteTrialRequest{TrialName: t.TrialName}); !gone(err) {
			return err
		}
	}
	_, err = d.api.DeleteExperiment(ctx, &awsapi.DeleteExperimentRequest{ExperimentName: &experiment})
	return err
}
