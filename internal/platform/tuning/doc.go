// Package tuning serves hyper-parameter tuning jobs.
//
// A tuning job is a row with one row a trial below it, and a controller that asks a strategy of package tune for each trial's values and
// makes a training job of them. Whatever it decides is committed before it is done: a trial's row, with its name and values, stands before
// its training job is made, and so does the decision to stop one early. A controller that begins again makes no second job for a number and
// chooses nothing anew. A trial is a training job like any other: it has its own logs, metrics and artifact.
//
// To add a strategy, add it to package tune and to strategyOf in strategies.go.
package tuning
