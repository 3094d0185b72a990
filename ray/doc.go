// Package ray runs a Go program's own functions as tasks and its own types as actors, with Ray's rules: calls return references, values are
// kept in an object store, and a call starts once the CPUs and other resources it names are free.
//
// [Init] starts an engine and gives the context that every other call takes. [Func] registers a function, [Actor] and [Method] a type;
// do this in package variables, because a worker finds them by name. [Put], [Get] and [Wait] work on a [Ref].
//
// What always holds: what crosses a call is bytes, so a task never sees later changes of its caller's values, nor the caller the task's;
// resources are counted exactly, in ten-thousandths; the calls of an actor run one at a time in the order of one caller; every failure is a
// [TaskError] that names function and worker and carries the remote stack; a task that waits in Get lends its CPUs to others meanwhile.
//
// Values are encoded with encoding/gob (exported fields only; types behind an interface need gob.Register); bytes, strings and slices of
// numbers go as they are.
//
// To add an engine, implement the interface in engine.go, choose it in Init and pass the suite in raytest. To add a way of running the
// embedded engine's work, implement executor in executor.go.
package ray
