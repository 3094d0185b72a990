package pipeline

// What a new version of a model may do before somebody decides.
const (
	PendingManualApproval = "PendingManualApproval"
	Approved              = "Approved"
	Rejected              = "Rejected"
)

// RegisterSpec is what a Register step is made of.
type RegisterSpec struct {
	Group       Expr[string] // the model package group; it is created where there is none
	Description string
	Image       string // Defaults to XGBoostImage.
	Model       Expr[string]
	Environment map[string]any
	// ContentTypes and ResponseTypes are what an endpoint takes and gives. They default to text/csv.
	ContentTypes, ResponseTypes           []string
	RealtimeInstances, TransformInstances []string     // Default to ml.m5.xlarge.
	Approval                              Expr[string] // Defaults to PendingManualApproval.
	ModelQuality                          Expr[string] // a JSON file of metrics, as s3://bucket/key
	CustomerMetadata                      map[string]any
	StepOptions
}

// A RegisterStep makes a new version in a model package group.
type RegisterStep struct {
	step
	spec RegisterSpec
}

// Register adds a step that registers a model.
func (w *Workflow) Register(name string, spec RegisterSpec) *RegisterStep {
	s := &RegisterStep{step: step{name: name, workflow: w, options: spec.StepOptions}, spec: spec}
	w.add(s)
	return s
}

// PackageARN is the ARN of the model package.
func (s *RegisterStep) PackageARN() Expr[string] {
	return property[string](&s.step, "ModelPackageArn")
}

func (s *RegisterStep) kind() string { return "RegisterModel" }

func (s *RegisterStep) arguments(b *builder) any {
	r := s.spec
	if r.Group.node == nil {
		b.problem("Group", "the model package group is not given")
	}
	defaults := func(list []string, v string) []string {
		if len(list) == 0 {
			return []string{v}
		}
		return list
	}
	out := map[string]any{
		"ModelPackageGroupName": b.or("Group", r.Group, ""),
		"ModelApprovalStatus":   b.or("Approval", r.Approval, PendingManualApproval),
		"SkipModelValidation":   "None",
		"InferenceSpecification": map[string]any{
			"Containers":                              []any{container(b, r.Image, r.Model, r.Environment)},
			"SupportedContentTypes":                   defaults(r.ContentTypes, "text/csv"),
			"SupportedResponseMIMETypes":              defaults(r.ResponseTypes, "text/csv"),
			"SupportedRealtimeInferenceInstanceTypes": defaults(r.RealtimeInstances, "ml.m5.xlarge"),
			"SupportedTransformInstanceTypes":         defaults(r.TransformInstances, "ml.m5.xlarge"),
		},
	}
	if r.Description != "" {
		out["ModelPackageDescription"] = r.Description
	}
	if r.ModelQuality.node != nil {
		statistics := map[string]any{"ContentType": "application/json", "S3Uri": b.value("ModelQuality", r.ModelQuality)}
		out["ModelMetrics"] = map[string]any{"ModelQuality": map[string]any{"Statistics": statistics}}
	}
	if len(r.CustomerMetadata) > 0 {
		out["CustomerMetadataProperties"] = b.texts("CustomerMetadata", r.CustomerMetadata)
	}
	return out
}

func container(b *builder, image string, model Expr[string], environment map[string]any) map[string]any {
	if image == "" {
		image = XGBoostImage
	}
	if model.node == nil {
		b.problem("Model", "where the model lies is not given")
	}
	out := map[string]any{"Image": image, "ModelDataUrl": b.or("Model", model, "")}
	if len(environment) > 0 {
		out["Environment"] = b.texts("Environment", environment)
	}
	return out
}
