package awsapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A Time is a timestamp: on the wire, seconds since 1970 with milliseconds after the point. ISO 8601 text is read too.
type Time struct{ time.Time }

// MarshalJSON writes epoch seconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads epoch seconds or ISO 8601 text.
func (t *Time) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		parsed, err := parseTime(s)
		t.Time = parsed
		return err
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(v) > 1e12 {
		return fmt.Errorf("'%s' is not a timestamp in epoch seconds", b)
	}
	seconds, fraction := math.Modf(v)
	t.Time = time.Unix(int64(seconds), int64(math.Round(fraction*1e6))*1000).UTC()
	return nil
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("'%s' is not a timestamp: epoch seconds and ISO 8601 are", s)
}
