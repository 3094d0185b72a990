// Package definition reads SageMaker pipeline definitions (schema version 2020-12-01) and evaluates their expressions.
//
// It is pure: it knows no store and no clock. Parse finds every problem of a definition at once and names the step and the JSON path of
// each; what Parse accepts refers only to parameters, steps and properties that exist, and has no cycle. Evaluate turns the arguments of a
// step into plain JSON, asking a Scope for what is known only while an execution runs.
//
// To add a condition, start at condition.go. To add a function, start at expression.go. To add a step type, start at steptypes.go.
package definition
