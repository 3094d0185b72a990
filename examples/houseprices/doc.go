// Package houseprices is a whole workflow in Go: house prices go into a feature store, are prepared, a model of them is trained and tuned,
// evaluated, registered if it is good enough, approved, deployed and asked, and everything is cleaned up again.
//
// Workflow defines the pipeline, in workflow.go; ingest.go, prepare.go and evaluate.go are the code of its steps. Show, in show.go, is a
// client that runs it against any server that speaks the SageMaker API.
package houseprices
