// Package tuning serves hyper-parameter tuning jobs.
//
// A tuning job is a row with one row a trial below it, and a controller that asks a strategy of package tune for each trial's values and
// makes a training job of them. The name and the values of a trial follow from the tuning job and the trial's number, so that a controller
// that begins again makes no second job for a number. A trial is a training job like any other: it has its own logs, metrics and artifact.
//
// To add a strategy, add it to package tune and to strategies in create.go.
package tuning
