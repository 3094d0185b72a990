package definition

import (
	"slices"
	"strings"
)

// The step types that can be executed.
const (
	Processing    = "Processing"
	Training      = "Training"
	Tuning        = "Tuning"
	Model         = "Model"
	RegisterModel = "RegisterModel"
	Transform     = "Transform"
	Lambda        = "Lambda"
	Callback      = "Callback"
	Condition     = "Condition"
	Fail          = "Fail"
)

// A Kind says what a step type is made of.
type Kind struct {
	// Request is the shape that the arguments have once their expressions are evaluated, "" where the type has arguments of its own.
	Request string
	// Optional are the required members of Request that a step leaves to the service, such as the job's name.
	Optional []string
	// Properties is the shape that references to the step look into, "" where it has no properties.
	Properties string
	// Caches says whether the type may have a CacheConfig, Retries whether it may have RetryPolicies.
	Caches, Retries bool
}

// Kinds has every step type that can be executed.
var Kinds = map[string]Kind{
	Processing:    {Request: "CreateProcessingJobRequest", Optional: []string{"ProcessingJobName"}, Properties: "DescribeProcessingJobResponse", Caches: true, Retries: true},
	Training:      {Request: "CreateTrainingJobRequest", Optional: []string{"TrainingJobName"}, Properties: "DescribeTrainingJobResponse", Caches: true, Retries: true},
	Tuning:        {Request: "CreateHyperParameterTuningJobRequest", Optional: []string{"HyperParameterTuningJobName"}, Properties: "DescribeHyperParameterTuningJobResponse", Caches: true, Retries: true},
	Model:         {Request: "CreateModelInput", Optional: []string{"ModelName"}, Properties: "DescribeModelOutput", Retries: true},
	RegisterModel: {Request: "CreateModelPackageInput", Properties: "DescribeModelPackageOutput", Retries: true},
	Transform:     {Request: "CreateTransformJobRequest", Optional: []string{"TransformJobName"}, Properties: "DescribeTransformJobResponse", Caches: true, Retries: true},
	Lambda:        {Caches: true, Retries: true},
	Callback:      {Caches: true},
	Condition:     {},
	Fail:          {},
}

// refused are the types that the schema knows and that are not executed, with the reason.
var refused = map[string]string{
	"QualityCheck":       "it runs the model-monitor image of AWS, which cannot be had here",
	"ClarifyCheck":       "it runs the Clarify image of AWS, which cannot be had here",
	"EMR":                "there is no EMR service behind this endpoint",
	"EMRServerless":      "there is no EMR service behind this endpoint",
	"AutoML":             "it runs images of AWS, which cannot be had here",
	"NotebookJob":        "it runs an image of AWS, which cannot be had here",
	"EndpointConfig":     "endpoints are made outside pipelines here, by CreateEndpointConfig and CreateEndpoint",
	"Endpoint":           "endpoints are made outside pipelines here, by CreateEndpointConfig and CreateEndpoint",
	"InferenceComponent": "inference components are not served",
	"Job":                "jobs of that kind are not served",
	"Cleanup":            "what steps made is deleted outside pipelines here",
	"ForEach":            "steps are not repeated for the items of a list here",
	"Lineage":            "lineage entities are made outside pipelines here, by CreateAction, CreateArtifact and CreateContext",
}

// extraProperties are members that references may name although the Describe response does not have them.
var extraProperties = map[string]map[string]string{
	Tuning: {"TrainingJobSummaries": "HyperParameterTrainingJobSummaries"},
}

func (p *parser) stepType(s *Step) {
	_, known := Kinds[s.Type]
	switch why, served := refused[s.Type]; {
	case served:
		p.problem(s.Name, s.Path+".Type", "steps of type %s cannot be executed: %s", s.Type, why)
	case !known:
		p.problem(s.Name, s.Path+".Type", "Value '%s' must satisfy enum value set: [%s]", s.Type, strings.Join(typeNames(), ", "))
	case s.Arguments == nil:
		p.problem(s.Name, s.Path+".Arguments", "must not be null")
	case s.Type == Fail:
		for name := range s.Arguments {
			if name != "ErrorMessage" {
				p.problem(s.Name, s.Path+".Arguments."+name, "unknown member; ErrorMessage is known")
			}
		}
		if s.Arguments["ErrorMessage"] == nil {
			p.problem(s.Name, s.Path+".Arguments.ErrorMessage", "must not be null")
		}
	}
}

func typeNames() []string {
	var names []string
	for name := range Kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
