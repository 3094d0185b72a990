package ray

import (
	"fmt"
	"time"
)

// An Option changes how a call or an actor runs.
type Option func(*settings) error

type settings struct {
	callOptions
	of      subject
	timeout time.Duration
}

// A subject is what options are given for.
type subject string

const (
	aTask       subject = "a task"
	anActor     subject = "an actor"
	anActorCall subject = "a call of an actor"
)

// defaults of each subject.
func (s subject) defaults() callOptions {
	if s == aTask {
		return callOptions{Need: amounts{cpu: whole}, Retries: 3}
	}
	return callOptions{}
}

// not says that an option has no meaning for what it is given for.
func (s *settings) not(option string, wrong subject, why string) error {
	if s.of == wrong {
		return fmt.Errorf("%s is no option of %s: %s", option, wrong, why)
	}
	return nil
}

// CPUs is how many CPUs to hold while running, in steps of 0.0001. Defaults to 1 for a task and to 0 for an actor.
func CPUs(n float64) Option { return Resource(cpu, n) }

// Resource is how much of a resource to hold while running, in steps of 0.0001. Defaults to none.
func Resource(name string, n float64) Option {
	return func(s *settings) error {
		u, err := unitsOf(name, n)
		if err != nil {
			return err
		}
		s.Need = s.Need.with(name, u)
		return s.not("resource "+name, anActorCall, "New asks for resources and the actor holds them")
	}
}

// Retries is how often a call is run again after the worker that ran it died. Defaults to 3 for a task and to 0 for a call of an actor.
func Retries(n int) Option {
	return func(s *settings) error {
		s.Retries = n
		if err := s.not("Retries", anActor, "it has MaxRestarts"); err != nil {
			return err
		}
		return notNegative("retries", n)
	}
}

// RetryErrors makes Retries count for errors and panics of the function too.
func RetryErrors() Option {
	return func(s *settings) error {
		s.RetryErrors = true
		return nil
	}
}

// Deadline is how long the call may take, waiting for resources included. Then the context of the task ends and the result is an error that
// is context.DeadlineExceeded. A deadline of the context that the call is made with counts as well.
func Deadline(d time.Duration) Option {
	return func(s *settings) error {
		if d <= 0 {
			return fmt.Errorf("deadline %v must be above 0", d)
		}
		s.timeout = d
		return s.not("Deadline", anActor, "it lives until Kill; its calls have deadlines")
	}
}

// Name gives an actor a name to find it by, and a task one that its errors show. No two living actors of an engine have the same.
func Name(name string) Option {
	return func(s *settings) error {
		s.Name = name
		return nil
	}
}

// MaxRestarts is how often an actor is constructed again, from its first argument, after its worker died. Defaults to 0.
func MaxRestarts(n int) Option {
	return func(s *settings) error {
		s.MaxRestarts = n
		if err := s.not("MaxRestarts", aTask, "it has Retries"); err != nil {
			return err
		}
		return notNegative("max restarts", n)
	}
}

func notNegative(what string, n int) error {
	if n < 0 {
		return fmt.Errorf("%s %d must not be below 0", what, n)
	}
	return nil
}

// settle applies options over the defaults; deadline is that of the calling context.
func settle(of subject, options []Option, now time.Time, deadline time.Time) (callOptions, error) {
	s := settings{callOptions: of.defaults(), of: of}
	for _, o := range options {
		if err := o(&s); err != nil {
			return s.callOptions, err
		}
	}
	if of != anActor {
		s.Deadline = deadline
	}
	if s.timeout > 0 {
		if d := now.Add(s.timeout); s.Deadline.IsZero() || d.Before(s.Deadline) {
			s.Deadline = d
		}
	}
	return s.callOptions, nil
}
