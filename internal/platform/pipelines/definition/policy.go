package definition

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cache is a step's CacheConfig.
type Cache struct {
	Enabled     bool
	ExpireAfter time.Duration
}

type rawCache struct {
	Enabled     bool
	ExpireAfter string
}

// defaultExpiry is used where a cache is enabled and says no ExpireAfter; it is a year as in the service.
const defaultExpiry = 365 * 24 * time.Hour

func (p *parser) cache(s *Step, raw *rawCache) {
	if raw == nil || !raw.Enabled {
		return
	}
	if k, known := Kinds[s.Type]; known && !k.Caches {
		p.problem(s.Name, s.Path+".CacheConfig", "a %s step cannot be cached", s.Type)
		return
	}
	s.Cache = Cache{Enabled: true, ExpireAfter: defaultExpiry}
	if raw.ExpireAfter == "" {
		return
	}
	d, err := parseDuration(raw.ExpireAfter)
	if err != nil {
		p.problem(s.Name, s.Path+".CacheConfig.ExpireAfter", "%v", err)
	}
	s.Cache.ExpireAfter = d
}

// iso8601 is a duration such as P30D, PT12H or P1DT2H30M. AWS's examples leave out the P and write lower-case letters: 30d, T12H.
var iso8601 = regexp.MustCompile(`^P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// units of the groups of iso8601: a year is 365 days and a month 30.
var units = []time.Duration{365 * 24 * time.Hour, 30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}

func parseDuration(s string) (time.Duration, error) {
	m := iso8601.FindStringSubmatch(strings.ToUpper(s))
	var total time.Duration
	given := false
	for i := range units {
		if m == nil || m[i+1] == "" {
			continue
		}
		given = true
		n, err := strconv.ParseInt(m[i+1], 10, 32)
		if err != nil || (n > 0 && time.Duration(n) > (1<<62)/units[i]) {
			return 0, fmt.Errorf("Value '%s' is too long a duration", s)
		}
		total += time.Duration(n) * units[i]
		if total < 0 {
			return 0, fmt.Errorf("Value '%s' is too long a duration", s)
		}
	}
	if !given {
		return 0, fmt.Errorf("Value '%s' is not an ISO 8601 duration such as PT12H or P30D", s)
	}
	return total, nil
}

// A RetryPolicy says which failures of a step are tried again.
type RetryPolicy struct {
	ExceptionTypes []string
	Interval       time.Duration
	BackoffRate    float64
	MaxAttempts    int           // retries, not counting the first try; ExpireAfter bounds them where it is above 0
	ExpireAfter    time.Duration // 0 where MaxAttempts bounds them
}

// The defaults and limits of the service.
const (
	defaultAttempts  = 5
	maxAttempts      = 20
	maxExpireMinutes = 14400
)

// exceptionTypes are those of the schema.
var exceptionTypes = []string{"Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR",
	"SageMaker.RESOURCE_LIMIT"}

func (p *parser) retry(s *Step, raws []map[string]any) {
	if k, known := Kinds[s.Type]; known && !k.Retries && len(raws) > 0 {
		p.problem(s.Name, s.Path+".RetryPolicies", "a %s step has no retry policies", s.Type)
		return
	}
	for i, raw := range raws {
		at := fmt.Sprintf("%s.RetryPolicies[%d]", s.Path, i)
		policy := RetryPolicy{Interval: time.Second, BackoffRate: 2, MaxAttempts: defaultAttempts}
		for name, value := range raw {
			if why := policy.set(name, value); why != "" {
				p.problem(s.Name, at+"."+name, "%s", why)
			}
		}
		if len(policy.ExceptionTypes) == 0 {
			p.problem(s.Name, at+".ExceptionType", "must not be empty")
		}
		if raw["MaxAttempts"] != nil && raw["ExpireAfterMin"] != nil {
			p.problem(s.Name, at, "has MaxAttempts and ExpireAfterMin; at most one of them may be given")
		}
		s.Retry = append(s.Retry, policy)
	}
}

// set reads one member of a policy and returns what is wrong with it, or "".
func (r *RetryPolicy) set(name string, value any) string {
	n, isNumber := number(value)
	f, _ := n.Float64()
	most := map[string]float64{"IntervalSeconds": 1e6, "BackoffRate": 1e3, "MaxAttempts": maxAttempts, "ExpireAfterMin": maxExpireMinutes}[name]
	if most > 0 && (!isNumber || f < 0 || f > most) {
		return fmt.Sprintf("Value '%s' must be a number from 0 to %g", text(value), most)
	}
	switch name {
	case "ExceptionType":
		list, _ := value.([]any)
		for _, v := range list {
			if !slices.Contains(exceptionTypes, text(v)) {
				return fmt.Sprintf("Value '%s' must satisfy enum value set: [%s]", text(v), strings.Join(exceptionTypes, ", "))
			}
			r.ExceptionTypes = append(r.ExceptionTypes, text(v))
		}
	case "IntervalSeconds":
		r.Interval = time.Duration(f * float64(time.Second))
	case "BackoffRate":
		r.BackoffRate = f
	case "MaxAttempts":
		r.MaxAttempts = int(f)
	case "ExpireAfterMin":
		r.ExpireAfter = time.Duration(f * float64(time.Minute))
	default:
		return "unknown member; ExceptionType, IntervalSeconds, BackoffRate, MaxAttempts and ExpireAfterMin are known"
	}
	return ""
}

// After returns how long to wait before try number attempt+1 of something first tried at age ago, or false where no more tries are due.
func (r RetryPolicy) After(attempt int, age time.Duration) (time.Duration, bool) {
	if r.ExpireAfter > 0 && age > r.ExpireAfter || r.ExpireAfter == 0 && attempt > r.MaxAttempts {
		return 0, false
	}
	wait := float64(r.Interval)
	for range attempt - 1 {
		wait = min(wait*r.BackoffRate, float64(24*time.Hour))
	}
	return time.Duration(wait), true
}
