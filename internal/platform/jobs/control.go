package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
)

// errStopped is what cuts a phase short when the job was asked to stop.
var errStopped = capacity.ErrStopped

// A userError is a mistake of the user's: the job fails with its text.
type userError struct{ text string }

func (e *userError) Error() string { return e.text }

func clientError(format string, args ...any) error {
	return &userError{"ClientError: " + fmt.Sprintf(format, args...)}
}

// A pass is one call of a controller. It brings the job to its end unless the server stops.
type pass struct {
	svc   *Service
	lease *durable.Lease
	job   *job
	dir   string
	stop  <-chan struct{}
	sent  map[string]stamp // the files of outputs that were uploaded, by where they lie
}

func (s *Service) control(ctx context.Context, kind string, l *durable.Lease) error {
	p := &pass{svc: s, lease: l, sent: map[string]stamp{}}
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		p.job, err = rowsOf(kind).GetARN(tx, l.Key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || p.job.over() {
		return err
	}
	p.dir, p.stop = filepath.Join(s.Dir, p.job.ID), s.stopped(p.job.ARN)
	if p.job.StopAsked {
		s.tellStop(p.job.ARN)
	}
	defer func() {
		if p.job.over() {
			s.forget(p.job.ARN)
		}
	}()
	return p.run(ctx)
}

// run does whatever phases are left.
func (p *pass) run(ctx context.Context) error {
	hosts, err := p.svc.Runner.Attach(ctx, p.dir)
	var release func()
	switch {
	case err == nil: // it was running when the last server ended
		release = p.svc.adopt(p.job)
		err = p.lease.Waits(ctx)
	case errors.Is(err, runner.ErrNotStarted):
		if release, err = p.svc.Capacity.Take(ctx, p.job.need(), p.stop, p.wait); err == nil {
			hosts, err = p.begin(ctx)
		}
	}
	if release != nil {
		defer release()
	}
	if err != nil {
		return p.failed(ctx, err)
	}
	status, err := p.watch(ctx, hosts)
	if err != nil {
		return err
	}
	release() // uploading takes no part of the machine that another job waits for
	return p.finish(ctx, status)
}

// failed ends a job that could not be started; an error that is not the user's is tried again.
func (p *pass) failed(ctx context.Context, err error) error {
	var user *userError
	switch {
	case errors.Is(err, errStopped):
		return p.end(ctx, awsapi.TrainingJobStatusStopped, "", "")
	case errors.As(err, &user):
		return p.end(ctx, awsapi.TrainingJobStatusFailed, user.text, "")
	}
	return err
}

// need is the part of the machine that the job takes. One that a running job made shares its maker's part: the maker may wait for it.
func (j *job) need() capacity.Need {
	if j.Maker != "" {
		return capacity.Need{}
	}
	kind, hosts := j.cluster()
	i, err := capacity.InstanceOf(kind)
	if err != nil {
		return capacity.Need{}
	}
	cpus := i.VCPUs
	if n, ok := j.threads(); ok {
		cpus = min(cpus, n)
	}
	return capacity.Need{CPUs: int64(cpus * hosts), Memory: i.Memory * int64(hosts)}
}

// threads is how many processors a host uses at most, where its algorithm is told.
func (j *job) threads() (n int, ok bool) {
	if !j.xgboost() || scripted(j.Training) {
		return 0, false
	}
	n, err := strconv.Atoi(j.Training.HyperParameters["nthread"])
	return n, err == nil && n > 0
}

// wait says that the job waits, and why.
func (p *pass) wait() error {
	kind, hosts := p.job.cluster()
	return p.change(context.Background(), func(j *job) {
		j.turn(awsapi.SecondaryStatusPending, fmt.Sprintf("Waiting for capacity: %d × %s beside the jobs that run on this machine", hosts, kind), p.svc.World.Now())
	})
}

// change commits a change of the row. What was asked of the job meanwhile is not lost: the row is read again.
func (p *pass) change(ctx context.Context, fn func(*job)) error {
	return p.lease.Update(ctx, func(tx *store.Tx) error {
		j, err := p.job.rows().GetARN(tx, p.job.ARN)
		if err != nil {
			return err
		}
		if !j.StopAsked || j.over() {
			fn(j)
		}
		*p.job = *j
		return j.rows().Put(tx, j.Scope, j.Name, j)
	})
}

// begin stages the inputs and starts the hosts.
func (p *pass) begin(ctx context.Context) (runner.Job, error) {
	if p.job.StopAsked {
		return nil, errStopped
	}
	if err := os.RemoveAll(p.dir); err != nil { // what an interrupted staging left
		return nil, err
	}
	prog, err := p.svc.program(p.job)
	if err != nil {
		return nil, clientError("%v", err)
	}
	world, err := p.python(ctx, prog.python)
	if err != nil {
		return nil, err
	}
	if err := p.change(ctx, func(j *job) { j.turn(awsapi.SecondaryStatusDownloading, "Downloading input data", p.svc.World.Now()) }); err != nil {
		return nil, err
	}
	spec, err := p.stage(ctx, prog)
	if err != nil {
		return nil, err
	}
	if err := p.addContainer(ctx, spec, prog.container); err != nil {
		return nil, err
	}
	key, err := p.svc.Keys.Issue(ctx, identity.IssueOptions{Account: p.job.Scope.Account, Region: p.job.Scope.Region, RoleARN: p.job.role(), JobARN: p.job.ARN, TTL: spec.MaxRuntime + time.Hour})
	if err != nil {
		return nil, err
	}
	p.addEnvironment(spec, key)
	if err := p.addPython(spec, world); err != nil {
		return nil, err
	}
	hosts, err := p.svc.Runner.Start(ctx, *spec)
	if err != nil {
		return nil, err
	}
	now := p.svc.World.Now()
	return hosts, p.change(ctx, func(j *job) {
		j.Started = &now
		j.turn(awsapi.SecondaryStatusTraining, "Training image download completed. Training in progress.", now)
	})
}

// watch waits for the end of the hosts, and passes a request to stop on to them. Meanwhile continuous outputs are uploaded.
func (p *pass) watch(ctx context.Context, hosts runner.Job) (runner.Status, error) {
	done := make(chan struct{})
	var uploading sync.WaitGroup
	defer uploading.Wait()
	defer close(done)
	if slices.ContainsFunc(p.outputs(), func(o output) bool { return o.continuous }) {
		uploading.Go(func() { p.uploadWhileRunning(ctx, done) })
	}
	go func() {
		select {
		case <-p.stop:
			if err := hosts.Stop(context.WithoutCancel(ctx), "StopRequested"); err != nil {
				p.svc.Log.Error("stop hosts", "job", p.job.ARN, "error", err)
			}
		case <-done:
		}
	}()
	return hosts.Wait(ctx)
}

// finish uploads what the hosts left and commits the end.
func (p *pass) finish(ctx context.Context, status runner.Status) error {
	if err := p.change(ctx, func(j *job) {
		j.turn(awsapi.SecondaryStatusUploading, "Uploading generated training model", p.svc.World.Now())
	}); err != nil {
		return err
	}
	metrics, err := p.scrape()
	if err != nil {
		return err
	}
	p.job.Metrics = metrics
	message := p.message()
	succeeded := status.State == runner.Completed
	uploadErr := p.upload(ctx, status.State)
	if succeeded && uploadErr == nil {
		uploadErr = p.ingest(ctx)
	}
	var user *userError
	if uploadErr != nil && !errors.As(uploadErr, &user) {
		return uploadErr
	}
	switch {
	case status.State == runner.Stopped && status.MaxRuntimeExceeded:
		p.job.TimedOut = true
		return p.end(ctx, awsapi.TrainingJobStatusStopped, fmt.Sprintf("ClientError: The job ran longer than its limit of %s.", p.job.maxRuntime()), message)
	case status.State == runner.Stopped:
		return p.end(ctx, awsapi.TrainingJobStatusStopped, "", message)
	case !succeeded:
		return p.end(ctx, awsapi.TrainingJobStatusFailed, p.why(status), message)
	case uploadErr != nil:
		return p.end(ctx, awsapi.TrainingJobStatusFailed, user.text, message)
	}
	return p.end(ctx, awsapi.TrainingJobStatusCompleted, "", message)
}

// secondaries maps a final status to the secondary one and its message.
var secondaries = map[string][2]string{
	awsapi.TrainingJobStatusCompleted: {awsapi.SecondaryStatusCompleted, "Training job completed"},
	awsapi.TrainingJobStatusFailed:    {awsapi.SecondaryStatusFailed, "Training job failed"},
	awsapi.TrainingJobStatusStopped:   {awsapi.SecondaryStatusStopped, "Training job stopped"},
}

// end commits the final status, tells the owner, and then clears away what only the running job needed.
func (p *pass) end(ctx context.Context, status, reason, message string) error {
	now := p.svc.World.Now()
	metrics := p.job.Metrics
	series, err := p.series(now)
	if err != nil {
		return err
	}
	err = p.lease.Update(ctx, func(tx *store.Tx) error {
		j, err := p.job.rows().GetARN(tx, p.job.ARN)
		if err != nil {
			return err
		}
		j.Status, j.Reason, j.ExitMessage, j.Metrics, j.Ended = status, cut(reason), cut(message), metrics, &now
		secondary := secondaries[status]
		if p.job.TimedOut {
			j.TimedOut, secondary = true, [2]string{awsapi.SecondaryStatusMaxRuntimeExceeded, "Resource released due to max runtime exceeded"}
		}
		j.turn(secondary[0], secondary[1], now)
		*p.job = *j
		if err := j.rows().Put(tx, j.Scope, j.Name, j); err != nil {
			return err
		}
		if err := emit(tx, j); err != nil {
			return err
		}
		if len(series) > 0 {
			if err := p.svc.Series.KeepSeries(tx, j.describeTraining(), series); err != nil {
				return err
			}
		}
		return j.Owner.Notify(p.svc.Engine, tx)
	})
	if err != nil {
		return err
	}
	if err := p.svc.Keys.Revoke(context.WithoutCancel(ctx), p.job.ARN); err != nil {
		p.svc.Log.Error("revoke keys", "job", p.job.ARN, "error", err)
	}
	p.svc.removeFolder(context.WithoutCancel(ctx), p.dir)
	return nil
}

// cut is the limit that the API sets to reasons and messages.
func cut(s string) string {
	const limit = 1024
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

// giveUp ends a job whose controller failed again and again.
func (s *Service) giveUp(tx *store.Tx, kind, arn, reason string) error {
	j, err := rowsOf(kind).GetARN(tx, arn)
	if errors.Is(err, store.ErrNotFound) || err == nil && j.over() {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.World.Now()
	j.Status, j.Reason, j.Ended = awsapi.TrainingJobStatusFailed, cut("InternalServerError: "+reason), &now
	j.turn(awsapi.SecondaryStatusFailed, "Training job failed", now)
	if err := j.rows().Put(tx, j.Scope, j.Name, j); err != nil {
		return err
	}
	if err := emit(tx, j); err != nil {
		return err
	}
	return j.Owner.Notify(s.Engine, tx)
}
