// Package pipelines serves pipelines and runs their executions.
//
// An execution is a row, its steps are rows below it, and one controller drives it: it looks at what the children of running steps have
// come to, starts every step that is ready, and parks until a child signals. The definition of an execution is frozen when it starts. What
// always holds: a step's child has a name that follows from execution, step and attempt, so that a crash between creating the child and
// noting it never makes two; a step's result is committed once, under the fence of the controller's lease; a cache hit is given only while
// all that the earlier job wrote still exists unchanged.
//
// To add a step type, start at kinds.go. The definition language is in the folder definition.
package pipelines
