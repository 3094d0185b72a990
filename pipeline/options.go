package pipeline

import (
	"fmt"
	"time"
)

// StepOptions are what every kind of step that runs a job has.
type StepOptions struct {
	DisplayName, Description string
	// Cache is how long an earlier result of the step may stand for a new one. 0 is no cache.
	Cache time.Duration
	Retry []RetryPolicy
	// DependsOn lists steps that must be done before, apart from those that the step's values refer to.
	DependsOn []Step
}

// Exceptions that a RetryPolicy may name.
const (
	ServiceFault     = "Step.SERVICE_FAULT"
	Throttling       = "Step.THROTTLING"
	JobInternalError = "SageMaker.JOB_INTERNAL_ERROR"
	CapacityError    = "SageMaker.CAPACITY_ERROR"
	ResourceLimit    = "SageMaker.RESOURCE_LIMIT"
)

// A RetryPolicy says which failures of a step are tried again. It is bounded by either MaxAttempts or ExpireAfter.
type RetryPolicy struct {
	Exceptions  []string
	Interval    time.Duration // before the first retry, whole seconds. Defaults to 1 s.
	BackoffRate float64       // the factor by which the interval grows. Defaults to 2.
	MaxAttempts int
	ExpireAfter time.Duration // whole minutes
}

var exceptions = []string{ServiceFault, Throttling, JobInternalError, CapacityError, ResourceLimit}

func (r RetryPolicy) render(b *builder) map[string]any {
	out := map[string]any{"ExceptionType": r.Exceptions, "IntervalSeconds": 1, "BackoffRate": decimal(2)}
	if len(r.Exceptions) == 0 {
		b.problem("Exceptions", "a retry policy needs at least one of %v", exceptions)
	}
	for _, e := range r.Exceptions {
		if !contains(exceptions, e) {
			b.problem("Exceptions", "'%s' is not one of %v", e, exceptions)
		}
	}
	if r.Interval != 0 {
		out["IntervalSeconds"] = int(r.Interval / time.Second)
	}
	if r.BackoffRate != 0 {
		out["BackoffRate"] = decimal(r.BackoffRate)
	}
	if r.Interval < 0 || r.Interval%time.Second != 0 || r.BackoffRate < 0 || r.MaxAttempts < 0 || r.ExpireAfter < 0 || r.ExpireAfter%time.Minute != 0 {
		b.problem("", "a retry policy has an interval of whole seconds, an expiry of whole minutes, and nothing below 0")
	}
	switch {
	case (r.MaxAttempts == 0) == (r.ExpireAfter == 0):
		b.problem("", "a retry policy needs either MaxAttempts or ExpireAfter")
	case r.MaxAttempts != 0:
		out["MaxAttempts"] = r.MaxAttempts
	default:
		out["ExpireAfterMin"] = int(r.ExpireAfter / time.Minute)
	}
	return out
}

// cacheConfig writes a duration as ISO 8601 has it.
func cacheConfig(b *builder, d time.Duration) any {
	switch {
	case d == 0:
		return nil
	case d < time.Second || d%time.Second != 0:
		b.problem("CacheConfig", "%v is no time to keep results: it must be whole seconds above 0", d)
		return nil
	}
	text := fmt.Sprintf("PT%dS", d/time.Second)
	switch {
	case d%(24*time.Hour) == 0:
		text = fmt.Sprintf("P%dD", d/(24*time.Hour))
	case d%time.Hour == 0:
		text = fmt.Sprintf("PT%dH", d/time.Hour)
	case d%time.Minute == 0:
		text = fmt.Sprintf("PT%dM", d/time.Minute)
	}
	return map[string]any{"Enabled": true, "ExpireAfter": text}
}
