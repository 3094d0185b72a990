// Package endpoints serves models, endpoint configurations, endpoints, and what they answer.
//
// An endpoint is a row and a controller that keeps its hosts as the row wants them: it unpacks the model, starts a host for each instance, waits
// until they have loaded and checked the model, and only then is the endpoint InService. A host's supervisor outlives the server, so a
// restart is no interruption; a host that dies is replaced while the others answer. An update brings the new hosts up beside the old ones and switches when they
// answer; one that fails leaves the old ones as they were.
//
// To serve another image, start at image.go.
package endpoints
