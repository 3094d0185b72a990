// Package durable runs controllers that survive a crash.
//
// A task is a row: a kind, a key, and when it is due. The engine gives a due task to the controller of its kind under a lease; the controller
// looks at the world, does what is to be done next, commits it under the lease, and says when it wants to be called again: at once, on a
// signal, never. A process that dies loses its leases, and another, or itself restarted, goes on. What always holds: a commit under a lease
// that was lost fails with ErrFenced; a signal that comes while the controller runs makes it run again; a task that takes the process down
// again and again without committing anything is given up, apart from the count of its ordinary failures.
//
// A controller may be called at any time and more than once: it must find out where it stands from what it has committed.
package durable
