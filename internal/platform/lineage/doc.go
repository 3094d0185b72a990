// Package lineage serves artifacts, actions, contexts and the associations between them.
//
// What the platform does builds itself: a durable consumer of events makes the entities of jobs, feature groups, model packages, endpoints and
// executions, and joins them, under the names that SageMaker gives them. Its place among the events is committed with what it makes. An
// artifact is known by what its source URI names, so that the output of one job and the input of the next are one node.
//
// To follow another resource, start at consumer.go.
package lineage
