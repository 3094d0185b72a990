// Package serving runs the hosts that answer predictions, for endpoints and for batch transform jobs alike.
//
// A host is a folder with a model and a job of the runner's that serves it: the built-in XGBoost server, or the Python model server in the
// Python world of the model's image. A model of several containers has a host for each, and the answer of one is the request of the next.
// A host's supervisor outlives the server; Attach finds it again by its folder.
//
// To serve another image, start at image.go.
package serving
