package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
)

// sayEvery is how often what uv says is shown as the job's status message at most.
const sayEvery = time.Second

// python finds the world of a runtime, or builds it, which the job's status shows. It is nil where none is needed.
func (p *pass) python(ctx context.Context, r *pyenv.Runtime) (*pyenv.Env, error) {
	if r == nil {
		return nil, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	var said time.Time
	e, err := p.svc.Python.Build(ctx, *r, func(line string) {
		if now := p.svc.World.Now(); now.Sub(said) >= sayEvery {
			said = now
			err := p.change(ctx, func(j *job) { j.turn(awsapi.SecondaryStatusStarting, "Preparing the image "+r.Name+": "+line, now) })
			if err != nil && ctx.Err() == nil {
				p.svc.Log.Warn("show progress", "job", p.job.ARN, "error", err)
			}
		}
	})
	select {
	case <-p.stop:
		return nil, errStopped
	default:
	}
	var tool *pyenv.ToolError
	if errors.As(err, &tool) {
		return nil, clientError("The Python runtime %s of image '%s' could not be built: %v", r.Name, r.Image, tool)
	}
	return e, err
}

// addPython shows a world to every host.
func (p *pass) addPython(spec *runner.Spec, e *pyenv.Env) error {
	if e == nil {
		return nil
	}
	return pyhost.Setter{Runner: p.svc.Runner, Worlds: p.svc.Python.Dir(), Support: p.svc.Support, Forks: p.svc.Forks}.Set(spec, e)
}
