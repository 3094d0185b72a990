// Package capacity shares out the machine among what runs on it.
//
// Jobs wait for the processors and the memory that their hosts show, in the order in which they came; a job that is larger than the machine runs
// alone rather than never. What somebody waits for, the hosts of endpoints and functions, never waits: its memory is counted, up to half of the
// machine's, so that fewer jobs run beside it, and one always can. Nothing is kept on disk: after a restart each room says what runs
// already (Force, Hold) before anything is given room that waits.
//
// To read another instance type, start at instances.go.
package capacity
