// Package jobs serves processing and training jobs, and their logs.
//
// A job is a row and a controller that brings it to its end: it waits for capacity, stages the inputs into the job's folder, has the runner
// start the hosts, waits, uploads the outputs, and commits the end. Every phase may begin again: the job's folder tells what has been
// started, and user code that was started once is never started again. What a job reads of stored objects it cannot change.
//
// A job runs in a runtime that its image names: to add one, start at images.go. Instance types are a table: see instances.go.
package jobs
