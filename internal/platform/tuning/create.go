package tuning

import (
	"context"
	"errors"
	"hash/fnv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/tune"
)

// Limits of the service.
const (
	maxTrials   = 750
	maxParallel = 100
)

// CreateHyperParameterTuningJob keeps a tuning job and hands it to the controller.
func (s *Service) CreateHyperParameterTuningJob(ctx context.Context, in *awsapi.CreateHyperParameterTuningJobRequest) (*awsapi.CreateHyperParameterTuningJobResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	j := &job{Name: *in.HyperParameterTuningJobName, ARN: scope.ARN("hyper-parameter-tuning-job/" + strings.ToLower(*in.HyperParameterTuningJobName)), Scope: scope,
		Config: *in.HyperParameterTuningJobConfig, Tags: in.Tags, Owner: durable.OwnerFrom(ctx), Status: awsapi.HyperParameterTuningJobStatusInProgress, Created: now, Modified: now}
	if err := j.fill(in); err != nil {
		return nil, err
	}
	if err := s.checkTrials(j); err != nil {
		return nil, err
	}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := j.warm(tx, in.WarmStartConfig); err != nil {
			return err
		}
		err := jobRows.Insert(tx, scope, j.Name, j.ARN, j)
		if errors.Is(err, store.ErrExists) {
			return awsapi.InUse("Tuning job names must be unique within an AWS account and region, and a tuning job with this name already exists (%s)", j.ARN)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(j.ARN, in.Tags); err != nil {
			return err
		}
		if err := s.emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, Controller, j.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.CreateHyperParameterTuningJobResponse{HyperParameterTuningJobArn: &j.ARN}, nil
}

// fill checks what the constraint table cannot, and reads the definitions.
func (j *job) fill(in *awsapi.CreateHyperParameterTuningJobRequest) error {
	if in.Autotune != nil {
		return awsapi.Validation("Value '%s' at 'autotune.mode' is not served: Autotune chooses ranges and limits by what AWS has learnt of other jobs. "+
			"Leave autotune out and provide hyperParameterTuningJobConfig.parameterRanges and resourceLimits.", awsapi.Val(in.Autotune.Mode))
	}
	c := &j.Config
	switch {
	case (in.TrainingJobDefinition == nil) == (len(in.TrainingJobDefinitions) == 0):
		return awsapi.Validation("Exactly one of trainingJobDefinition and trainingJobDefinitions must be provided.")
	case *c.Strategy == awsapi.HyperParameterTuningJobStrategyTypeHyperband && awsapi.Val(c.TrainingJobEarlyStoppingType) == awsapi.TrainingJobEarlyStoppingTypeAuto:
		return awsapi.Validation("Value 'Auto' at 'hyperParameterTuningJobConfig.trainingJobEarlyStoppingType' must be Off for the Hyperband strategy, which stops training jobs by itself.")
	case *c.Strategy != awsapi.HyperParameterTuningJobStrategyTypeHyperband && c.StrategyConfig != nil && c.StrategyConfig.HyperbandStrategyConfig != nil:
		return awsapi.Validation("hyperParameterTuningJobConfig.strategyConfig.hyperbandStrategyConfig must be provided only with the Hyperband strategy; the strategy is %s.", *c.Strategy)
	}
	j.Several = in.TrainingJobDefinition == nil
	requests := in.TrainingJobDefinitions
	if !j.Several {
		requests = []awsapi.HyperParameterTrainingJobDefinition{*in.TrainingJobDefinition}
	}
	if err := j.define(requests); err != nil {
		return err
	}
	if *c.Strategy == awsapi.HyperParameterTuningJobStrategyTypeHyperband {
		for i := range j.Definitions {
			if _, err := j.hyperband(i); err != nil {
				return err
			}
		}
	}
	j.Seed = seedOf(j.ARN)
	if c.RandomSeed != nil {
		j.Seed = uint64(*c.RandomSeed)
	}
	return j.limit()
}

// checkTrials refuses a job whose trials would all be refused.
func (s *Service) checkTrials(j *job) error {
	for i := range j.Definitions {
		first := trial{Job: j.Name, Definition: i}
		var err error
		if first.Params, err = j.strategyOf(i).Suggest(j.state(i, nil), 0); err != nil {
			return err
		}
		if err := s.Jobs.CheckTrainingJob(j.request(&first)); err != nil {
			return err
		}
	}
	return nil
}

// limit completes and checks the resource limits.
func (j *job) limit() error {
	limits := *j.Config.ResourceLimits
	j.Config.ResourceLimits = &limits // the caller's request stays as it is
	const most = "hyperParameterTuningJobConfig.resourceLimits.maxNumberOfTrainingJobs"
	if *j.Config.Strategy == awsapi.HyperParameterTuningJobStrategyTypeGrid {
		size := 0
		for _, d := range j.Definitions {
			for _, r := range d.Space {
				if r.Kind != tune.Categorical {
					return awsapi.Validation("The Grid strategy needs categorical parameter ranges only; %s is %s. Provide its values as a categorical parameter range.", r.Name, strings.ToLower(string(r.Kind)))
				}
			}
			size += tune.Grid{}.Size(d.Space)
		}
		if size > maxTrials {
			return awsapi.LimitExceeded("The grid has more than %d combinations, the limit of the training jobs of a tuning job.", maxTrials)
		}
		if n := limits.MaxNumberOfTrainingJobs; n != nil && int(*n) != size {
			return awsapi.Validation("Value '%d' at '%s' must be %d for the Grid strategy, the number of combinations of the values, or be left out.", *n, most, size)
		}
		limits.MaxNumberOfTrainingJobs = new(int32(size))
	}
	if limits.MaxNumberOfTrainingJobs == nil {
		limits.MaxNumberOfTrainingJobs = new(int32(1))
		if limits.MaxRuntimeInSeconds != nil || j.Config.TuningJobCompletionCriteria != nil {
			limits.MaxNumberOfTrainingJobs = new(int32(maxTrials)) // something else ends the job
		}
	}
	if n := *limits.MaxNumberOfTrainingJobs; n > maxTrials {
		return awsapi.LimitExceeded("Value '%d' at '%s' is above the limit of %d.", n, most, maxTrials)
	}
	if n := *limits.MaxParallelTrainingJobs; n > maxParallel {
		return awsapi.LimitExceeded("Value '%d' at 'hyperParameterTuningJobConfig.resourceLimits.maxParallelTrainingJobs' is above the limit of %d.", n, maxParallel)
	}
	return nil
}

func seedOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
