// Package experiments serves experiments, trials, trial components and their metrics.
//
// What jobs do builds itself: a durable consumer of events makes a trial component of every processing and training job, with its parameters,
// artifacts, status and metrics, under the trial that the job's ExperimentConfig names. The consumer's place among the events is committed
// with what it makes, so a component is neither missing nor doubled after a crash.
//
// To add an operation, write its method in the file of its resource. To show more of a job, start at consumer.go.
package experiments
