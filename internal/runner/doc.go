// Package runner runs a job: a set of hosts named algo-1 … algo-N, each with a folder of its own at /opt/ml.
//
// A supervisor process for each job is the only parent of user code. It is started by the server from the same executable (see Main),
// outlives it, and keeps all it knows in the job folder, so that a restarted server finds it again with Attach:
//
//	status.json   the state, replaced by rename; absent until the supervisor has the job
//	lock          held (flock) for as long as the supervisor or one of its hosts lives
//	control.sock  STOP, DIAL and WAIT requests to the supervisor
//	logs/algo-N.log   what the host printed
//	algo-N/       the host's ml (its /opt/ml), home, tmp and so on
//
// What always holds: user code starts only after status.json says so, hence a folder without one may be started and one with it never
// again; whoever takes the lock of a job whose status is not final writes its end; nothing of a job outlives its supervisor.
//
// Two runners share the supervisor: namespace (Linux) and plain. To add a third, implement hostSet (supervise.go) and let
// runnertest.Run prove it.
package runner
