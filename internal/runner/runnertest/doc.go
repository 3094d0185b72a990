// Package runnertest is the suite that every runner passes. A test calls Main from its TestMain, then Run for each runner.
// To add a promise of the runner, add a case to Run's table; what only some runners can keep is a field of Traits.
package runnertest
