// Package pipeline defines a whole SageMaker workflow in Go. The program that defines it is also the client that applies, starts and follows it,
// and the code of its steps: applied, it uploads itself; inside a job, Main runs the step's function.
//
// What always holds: Build looks at everything before anything is sent and returns every problem at once; the same workflow gives the same
// bytes; the JSON is the published definition schema 2020-12-01, so any service that speaks it takes it. The package works against the API
// only: it knows nothing of the server's inside.
//
// To add a step type, write its file beside processing.go: a Spec, a Step that embeds step, and how its arguments read. To add a function that
// expressions may call, start at expr.go; to add a command of Main, at command.go.
package pipeline
