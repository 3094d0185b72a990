// Package transform runs batch transform jobs: it reads objects, splits them into records, has a model answer them, and writes for each object
// one of the answers under the output path.
//
// A job is a row and one task of its controller, which starts the same hosts that endpoints have. What always holds: an output appears whole or
// not at all, in the order of its input; an object that fails leaves no output and lets the others go on, and the job fails at the end; after a
// restart of the server a job goes on with its hosts and with the objects that it had not finished.
//
// To add a way to split, start at records.go; to add to the paths of filters, at jsonpath.go.
package transform
