// Package functions serves the part of AWS Lambda that Lambda steps of pipelines need: functions in Python, made, changed, invoked and deleted.
//
// A function's code is a zip that is kept by its digest and never changes; an invocation is a row, a task of the durable engine, and a host of the
// runner in which bootstrap.py calls the handler. What always holds: an invocation has a name and runs once, however often it is begun; its
// result is committed once and its owner told in that transaction; a host that outlived the server is found again.
//
// Runtimes other than Python, container images, layers and published versions are refused. To add a runtime, start at runtimeOf in function.go.
package functions
