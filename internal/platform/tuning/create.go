package tuning

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/tune"
)

// strategies are those that are served, by the name that the API gives them.
var strategies = map[string]func(seed uint64) tune.Strategy{
	awsapi.HyperParameterTuningJobStrategyTypeRandom: func(seed uint64) tune.Strategy { return tune.Random{Seed: seed} },
}

// Limits of the service.
const (
	maxTrials   = 750
	maxParallel = 100
)

// CreateHyperParameterTuningJob keeps a tuning job and hands it to the controller.
func (s *Service) CreateHyperParameterTuningJob(ctx context.Context, in *awsapi.CreateHyperParameterTuningJobRequest) (*awsapi.CreateHyperParameterTuningJobResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	j := &job{Name: *in.HyperParameterTuningJobName, ARN: scope.ARN("hyper-parameter-tuning-job/" + strings.ToLower(*in.HyperParameterTuningJobName)), Scope: scope,
		Config: *in.HyperParameterTuningJobConfig, Owner: durable.OwnerFrom(ctx), Status: awsapi.HyperParameterTuningJobStatusInProgress, Created: now, Modified: now}
	if err := j.fill(in); err != nil {
		return nil, err
	}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
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
		if err := emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, Controller, j.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.CreateHyperParameterTuningJobResponse{HyperParameterTuningJobArn: &j.ARN}, nil
}

// fill checks what the constraint table cannot, and reads the ranges.
func (j *job) fill(in *awsapi.CreateHyperParameterTuningJobRequest) error {
	c := &j.Config
	if strategies[*c.Strategy] == nil {
		return awsapi.Validation("Value '%s' at 'hyperParameterTuningJobConfig.strategy' is not served; [%s] are.", *c.Strategy, strings.Join(served(), ", "))
	}
	switch {
	case in.TrainingJobDefinition == nil || in.TrainingJobDefinitions != nil:
		return awsapi.Validation("trainingJobDefinition must be given, and trainingJobDefinitions must not: tuning over several definitions is not served.")
	case in.WarmStartConfig != nil:
		return awsapi.Validation("warmStartConfig is not served; leave it out.")
	case awsapi.Val(c.TrainingJobEarlyStoppingType) == awsapi.TrainingJobEarlyStoppingTypeAuto:
		return awsapi.Validation("Value 'Auto' at 'hyperParameterTuningJobConfig.trainingJobEarlyStoppingType' is not served; Off is.")
	}
	j.Definition = *in.TrainingJobDefinition
	if c.HyperParameterTuningJobObjective == nil {
		c.HyperParameterTuningJobObjective = j.Definition.TuningObjective
	}
	if c.HyperParameterTuningJobObjective == nil {
		return awsapi.Validation("hyperParameterTuningJobConfig.hyperParameterTuningJobObjective must not be null.")
	}
	limits := c.ResourceLimits
	if limits.MaxNumberOfTrainingJobs == nil {
		limits.MaxNumberOfTrainingJobs = new(int32(1))
	}
	for _, l := range []struct {
		name  string
		value *int32
		max   int32
	}{{"maxNumberOfTrainingJobs", limits.MaxNumberOfTrainingJobs, maxTrials}, {"maxParallelTrainingJobs", limits.MaxParallelTrainingJobs, maxParallel}} {
		if *l.value > l.max {
			return awsapi.LimitExceeded("Value '%d' at 'hyperParameterTuningJobConfig.resourceLimits.%s' is above the limit of %d.", *l.value, l.name, l.max)
		}
	}
	j.Seed = seedOf(j.ARN)
	if c.RandomSeed != nil {
		j.Seed = uint64(*c.RandomSeed)
	}
	ranges := c.ParameterRanges
	if ranges == nil {
		ranges = j.Definition.HyperParameterRanges
	}
	if ranges == nil {
		return awsapi.Validation("hyperParameterTuningJobConfig.parameterRanges must not be null.")
	}
	return j.readRanges(ranges)
}

func served() (names []string) {
	for name := range strategies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func seedOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// readRanges makes the space that the ranges of the request describe.
func (j *job) readRanges(in *awsapi.ParameterRanges) error {
	add := func(kind tune.Kind, name, low, high, scaling *string) error {
		r := tune.Range{Name: *name, Kind: kind, Scaling: tune.Scaling(awsapi.Val(scaling))}
		for _, bound := range []struct {
			to    *float64
			text  string
			which string
		}{{&r.Min, *low, "MinValue"}, {&r.Max, *high, "MaxValue"}} {
			x, err := strconv.ParseFloat(bound.text, 64)
			if err != nil {
				return awsapi.Validation("Invalid hyperparameter range %s: %s '%s' is not a number.", *name, bound.which, bound.text)
			}
			*bound.to = x
		}
		j.Space = append(j.Space, r)
		return nil
	}
	for _, r := range in.IntegerParameterRanges {
		if err := add(tune.Integer, r.Name, r.MinValue, r.MaxValue, r.ScalingType); err != nil {
			return err
		}
	}
	for _, r := range in.ContinuousParameterRanges {
		if err := add(tune.Continuous, r.Name, r.MinValue, r.MaxValue, r.ScalingType); err != nil {
			return err
		}
	}
	for _, r := range in.CategoricalParameterRanges {
		j.Space = append(j.Space, tune.Choice(*r.Name, r.Values...))
	}
	if len(j.Space) == 0 {
		return awsapi.Validation("parameterRanges must hold at least one range.")
	}
	if err := j.Space.Check(); err != nil {
		return awsapi.Validation("Invalid hyperparameter ranges: %v", err)
	}
	for _, r := range j.Space {
		if _, twice := j.Definition.StaticHyperParameters[r.Name]; twice {
			return awsapi.Validation("Hyperparameter %s is both in staticHyperParameters and in parameterRanges.", r.Name)
		}
	}
	return nil
}
