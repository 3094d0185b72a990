package search

import (
	"reflect"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// A Lister pages through the resources of one kind, each in its member of a record, by name. Of equal it may use what narrows the list for
// it: members that must have a value. Tags are added to the records here.
type Lister func(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (store.Page[awsapi.SearchRecord], error)

// Deps is what the room needs from below and beside it.
type Deps struct {
	DB *store.DB
	// Listers are by awsapi.ResourceType. A type without one has no resources.
	Listers map[string]Lister
	// SourceDetail shows the job that a trial component is about, or nothing.
	SourceDetail func(tx *store.Tx, arn string) (*awsapi.TrialComponentSourceDetail, error)
}

// Service serves the operations of the room.
type Service struct{ Deps }

// New returns the room's service.
func New(deps Deps) *Service { return &Service{deps} }

// A kind is what records of a resource type are like.
type kind struct {
	member string   // of awsapi.SearchRecord
	id     []string // the members that tell its records apart
	inside string   // the member of it that its properties are in, or ""
}

var kinds = map[string]kind{
	awsapi.ResourceTypeTrainingJob:              {member: "TrainingJob", id: []string{"TrainingJobArn"}},
	awsapi.ResourceTypeExperiment:               {member: "Experiment", id: []string{"ExperimentArn"}},
	awsapi.ResourceTypeExperimentTrial:          {member: "Trial", id: []string{"TrialArn"}},
	awsapi.ResourceTypeExperimentTrialComponent: {member: "TrialComponent", id: []string{"TrialComponentArn"}},
	awsapi.ResourceTypeEndpoint:                 {member: "Endpoint", id: []string{"EndpointArn"}},
	awsapi.ResourceTypeModel:                    {member: "Model", id: []string{"ModelArn"}, inside: "Model"},
	awsapi.ResourceTypeModelPackage:             {member: "ModelPackage", id: []string{"ModelPackageArn"}},
	awsapi.ResourceTypeModelPackageGroup:        {member: "ModelPackageGroup", id: []string{"ModelPackageGroupArn"}},
	awsapi.ResourceTypePipeline:                 {member: "Pipeline", id: []string{"PipelineArn"}},
	awsapi.ResourceTypePipelineExecution:        {member: "PipelineExecution", id: []string{"PipelineExecutionArn"}},
	awsapi.ResourceTypePipelineVersion:          {member: "PipelineVersion", id: []string{"PipelineArn", "PipelineVersionId"}},
	awsapi.ResourceTypeFeatureGroup:             {member: "FeatureGroup", id: []string{"FeatureGroupArn"}},
	awsapi.ResourceTypeFeatureMetadata:          {member: "FeatureMetadata", id: []string{"FeatureGroupArn", "FeatureName"}},
	awsapi.ResourceTypeProject:                  {member: "Project", id: []string{"ProjectArn"}},
	awsapi.ResourceTypeHyperParameterTuningJob:  {member: "HyperParameterTuningJob", id: []string{"HyperParameterTuningJobArn"}},
	awsapi.ResourceTypeModelCard:                {member: "ModelCard", id: []string{"ModelCardArn"}},
	awsapi.ResourceTypeJob:                      {member: "Job", id: []string{"JobArn"}},
	awsapi.ResourceTypeHubContent:               {member: "HubContent", id: []string{"HubContentArn"}},
}

// kindOf returns the kind of a resource type. Images have no member in the records of the API, so nothing is known of their properties.
func kindOf(resource string) (kind, bool) {
	k, ok := kinds[resource]
	return k, ok
}

// shape is the type that a kind's properties are members of.
func (k kind) shape() reflect.Type {
	f, _ := reflect.TypeFor[awsapi.SearchRecord]().FieldByName(k.member)
	t := f.Type.Elem()
	if k.inside != "" {
		f, _ = t.FieldByName(k.inside)
		t = f.Type.Elem()
	}
	return t
}

// of is that part of a record, or an invalid value where the record has none.
func (k kind) of(r *awsapi.SearchRecord) reflect.Value {
	v := reflect.ValueOf(r).Elem().FieldByName(k.member)
	if k.inside != "" && !v.IsNil() {
		v = v.Elem().FieldByName(k.inside)
	}
	return v.Elem()
}
