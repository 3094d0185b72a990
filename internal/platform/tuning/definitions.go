package tuning

import (
	"maps"
	"strconv"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/tune"
)

// define reads the definitions of a job. What one has not of its own, a job with a single definition may have in its configuration.
func (j *job) define(requests []awsapi.HyperParameterTrainingJobDefinition) error {
	c := &j.Config
	if j.Several && (c.HyperParameterTuningJobObjective != nil || c.ParameterRanges != nil) {
		return awsapi.Validation("hyperParameterTuningJobObjective and parameterRanges of hyperParameterTuningJobConfig must not be provided with trainingJobDefinitions: each definition has its own tuningObjective and hyperParameterRanges.")
	}
	names := map[string]bool{}
	for i, request := range requests {
		name := awsapi.Val(request.DefinitionName)
		switch {
		case j.Several && name == "":
			return awsapi.Validation("trainingJobDefinitions[%d].definitionName must not be null where there are several definitions.", i)
		case names[name]:
			return awsapi.Validation("trainingJobDefinitions has two definitions named '%s'.", name)
		}
		names[name] = true
		d := definition{Request: request}
		objective, ranges := c.HyperParameterTuningJobObjective, c.ParameterRanges
		if objective == nil {
			objective = request.TuningObjective
		}
		if ranges == nil {
			ranges = request.HyperParameterRanges
		}
		switch {
		case objective == nil && j.Several:
			return awsapi.Validation("trainingJobDefinitions[%d].tuningObjective must not be null.", i)
		case objective == nil:
			return awsapi.Validation("hyperParameterTuningJobConfig.hyperParameterTuningJobObjective must not be null.")
		case ranges == nil && j.Several:
			return awsapi.Validation("trainingJobDefinitions[%d].hyperParameterRanges must not be null.", i)
		case ranges == nil:
			return awsapi.Validation("hyperParameterTuningJobConfig.parameterRanges must not be null.")
		}
		d.Objective = *objective
		if err := d.readRanges(ranges); err != nil {
			return err
		}
		if err := checkResources(&request); err != nil {
			return err
		}
		j.Definitions = append(j.Definitions, d)
		if first := j.Definitions[0].Objective; *first.Type != *objective.Type {
			return awsapi.Validation("The tuningObjective of all trainingJobDefinitions must have one type; '%s' has %s and '%s' has %s.",
				*requests[0].DefinitionName, *first.Type, name, *objective.Type)
		}
	}
	return nil
}

// checkResources wants one description of the cluster.
func checkResources(d *awsapi.HyperParameterTrainingJobDefinition) error {
	r := d.HyperParameterTuningResourceConfig
	switch {
	case (r == nil) == (d.ResourceConfig == nil):
		return awsapi.Validation("Exactly one of resourceConfig and hyperParameterTuningResourceConfig must be provided in a training job definition.")
	case r == nil:
	case len(r.InstanceConfigs) > 0 && (r.InstanceType != nil || r.InstanceCount != nil || r.VolumeSizeInGB != nil):
		return awsapi.Validation("hyperParameterTuningResourceConfig must not have instanceType, instanceCount or volumeSizeInGB beside instanceConfigs.")
	case len(r.InstanceConfigs) == 0 && (r.InstanceType == nil || r.InstanceCount == nil):
		return awsapi.Validation("hyperParameterTuningResourceConfig must have instanceType and instanceCount, or instanceConfigs.")
	}
	return nil
}

// cluster is what each trial asks for. Of several configurations the first is taken: this machine never lacks a type, it has the job wait.
func (d *definition) cluster() *awsapi.ResourceConfig {
	r := d.Request.HyperParameterTuningResourceConfig
	if r == nil {
		return d.Request.ResourceConfig
	}
	out := &awsapi.ResourceConfig{InstanceType: r.InstanceType, InstanceCount: r.InstanceCount, VolumeSizeInGB: r.VolumeSizeInGB, VolumeKmsKeyId: r.VolumeKmsKeyId}
	if len(r.InstanceConfigs) > 0 {
		first := r.InstanceConfigs[0]
		out.InstanceType, out.InstanceCount, out.VolumeSizeInGB = first.InstanceType, first.InstanceCount, first.VolumeSizeInGB
	}
	if out.VolumeSizeInGB == nil {
		out.VolumeSizeInGB = new(int32(1))
	}
	return out
}

// static are the hyper-parameters that every trial has.
func (d *definition) static() map[string]string {
	out := map[string]string{"_tuning_objective_metric": *d.Objective.MetricName}
	maps.Copy(out, d.Request.StaticHyperParameters)
	return out
}

// readRanges makes the space that the ranges of the request describe.
func (d *definition) readRanges(in *awsapi.ParameterRanges) error {
	if len(in.AutoParameters) > 0 {
		return awsapi.Validation("parameterRanges.autoParameters is not served, as Autotune is not; provide ranges.")
	}
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
		d.Space = append(d.Space, r)
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
		d.Space = append(d.Space, tune.Choice(*r.Name, r.Values...))
	}
	if len(d.Space) == 0 {
		return awsapi.Validation("parameterRanges must hold at least one range.")
	}
	if err := d.Space.Check(); err != nil {
		return awsapi.Validation("Invalid hyperparameter ranges: %v", err)
	}
	for _, r := range d.Space {
		if _, twice := d.Request.StaticHyperParameters[r.Name]; twice {
			return awsapi.Validation("Hyperparameter %s is both in staticHyperParameters and in parameterRanges.", r.Name)
		}
	}
	return nil
}
