package featurestore

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// A record is what a writer sent, checked.
type record struct {
	id     string
	time   int64 // of the event, microseconds since 1970
	values map[string]string
}

// maxValue is the service's limit of a value, in bytes.
const maxValue = 358_400

// read checks a record against its group. The error names the feature, the value and the rule.
func (l *live) read(in []awsapi.FeatureValue) (r record, err error) {
	r.values = make(map[string]string, len(in))
	for i := range in {
		name := awsapi.Val(in[i].FeatureName)
		kind, known := l.types[name]
		if !known {
			return r, awsapi.ValidationError("Validation Error: FeatureName '%s' is not a feature of FeatureGroup '%s'.", name, l.Name)
		}
		if in[i].ValueAsString == nil {
			return r, awsapi.ValidationError("Validation Error: FeatureName '%s' needs ValueAsString.", name)
		}
		if _, twice := r.values[name]; twice {
			return r, awsapi.ValidationError("Validation Error: FeatureName '%s' is given twice.", name)
		}
		value := *in[i].ValueAsString
		if why := wrong(kind, value); why != "" {
			return r, awsapi.ValidationError("Validation Error: FeatureName '%s' has type %s, but its value '%s' %s.", name, kind, value[:min(len(value), 100)], why)
		}
		r.values[name] = value
	}
	r.id = r.values[l.Identifier]
	if r.id == "" {
		return r, awsapi.ValidationError("Validation Error: the record has no value of its record identifier feature '%s'.", l.Identifier)
	}
	at, given := r.values[l.EventTime]
	if !given {
		return r, awsapi.ValidationError("Validation Error: the record has no value of its event time feature '%s'.", l.EventTime)
	}
	r.time, err = l.eventTime(at)
	return r, err
}

// wrong says why a value is not one of its type, or "".
func wrong(kind, value string) string {
	switch {
	case len(value) > maxValue:
		return "is longer than 350 KB"
	case kind == awsapi.FeatureTypeIntegral:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return "is not an integer of 64 bits"
		}
	case kind == awsapi.FeatureTypeFractional:
		if f, err := strconv.ParseFloat(value, 64); err != nil || math.IsInf(f, 0) || strings.ContainsAny(value, "xX_") {
			return "is not a number of 64 bits"
		}
	}
	return ""
}

// eventTime reads the value of the event time feature.
func (l *live) eventTime(value string) (int64, error) {
	t, ok := parseEventTime(l.types[l.EventTime], value)
	if !ok {
		return 0, awsapi.ValidationError("Validation Error: FeatureName '%s' is the event time, but its value '%s' is neither seconds since 1970 nor ISO 8601 as yyyy-MM-dd'T'HH:mm:ssZ or yyyy-MM-dd'T'HH:mm:ss.SSSZ.",
			l.EventTime, value[:min(len(value), 100)])
	}
	return t, nil
}

// latest is the end of the year 9999, in microseconds since 1970: what the layout of the offline store can name.
const latest = 253402300799999999

// parseEventTime returns microseconds since 1970. A Fractional event time is a number of seconds, a String one ISO 8601 or such a number.
func parseEventTime(kind, value string) (micros int64, ok bool) {
	if f, err := strconv.ParseFloat(value, 64); err == nil {
		f = math.Round(f * 1e6)
		return int64(f), f >= 0 && f <= latest
	}
	if kind != awsapi.FeatureTypeString {
		return 0, false
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000Z", time.RFC3339Nano} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UnixMicro(), t.UnixMicro() >= 0 && t.UnixMicro() <= latest
		}
	}
	return 0, false
}

// targets says which stores a write goes to: those asked for, else all that the group has.
func (l *live) targets(asked []string) (online, offline bool, err error) {
	online, offline = l.online(), l.Offline != nil
	if len(asked) == 0 {
		return online, offline, nil
	}
	wantsOnline, wantsOffline := slices.Contains(asked, awsapi.TargetStoreOnlineStore), slices.Contains(asked, awsapi.TargetStoreOfflineStore)
	if wantsOnline && !online || wantsOffline && !offline {
		return false, false, awsapi.ValidationError("Validation Error: TargetStores [%s] names a store that FeatureGroup '%s' does not have.", strings.Join(asked, ", "), l.Name)
	}
	return wantsOnline, wantsOffline, nil
}

// lives is how long each unit of a time to live lasts.
var lives = map[string]time.Duration{"Seconds": time.Second, "Minutes": time.Minute, "Hours": time.Hour, "Days": 24 * time.Hour, "Weeks": 7 * 24 * time.Hour}

// expiry is when a record written with that event time ends, in microseconds since 1970, or 0. The record's own time to live goes before the group's.
func (l *live) expiry(at int64, own *awsapi.FeatureStoreTtlDuration) int64 {
	unit, n := "", int32(0)
	if own != nil {
		unit, n = awsapi.Val(own.Unit), awsapi.Val(own.Value)
	} else if l.Online != nil && l.Online.TtlDuration != nil {
		unit, n = awsapi.Val(l.Online.TtlDuration.Unit), awsapi.Val(l.Online.TtlDuration.Value)
	}
	if n == 0 {
		return 0
	}
	return at + int64(n)*lives[unit].Microseconds()
}
