// Package wire is where AWS clients come in: it verifies signatures, finds the operation a request asks for, decodes and checks its input,
// calls the room that serves it, and encodes what that answers, in the client's own protocol.
//
// Always: nothing behind it runs for a request whose signature was not verified, except GET /healthz and the pages. A method gets an input that
// satisfies the model's constraints, and a context that carries the caller's identity. Every error becomes the wire's form in errors.go and
// nowhere else; what is not the client's to know stays in the log, under the request id that the client gets.
//
// A body is bounded before it is read. Objects stream; everything else is read whole, because its hash is part of the signature.
//
// To serve an operation, give a platform room a method of its name: New finds it. A new protocol starts at dispatch in handler.go, a new service
// at services in route.go.
package wire
