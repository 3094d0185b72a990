package awsapi

import (
	"encoding/json"
	"reflect"
	"time"
)

// These turn Go values into members and back.

// Optional returns a pointer to s, or nil for "", so that an empty member does not travel.
func Optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Stamp returns t as a member.
func Stamp(t time.Time) *Time { return &Time{t.Truncate(time.Millisecond)} }

// Moment returns a member as a time, or nil.
func Moment(t *Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

// PageSize reads a MaxResults member. Most services page by 100 where it is left out.
func PageSize(max *int32) int {
	if max == nil {
		return 100
	}
	return int(*max)
}

// Encode returns a structure of this package as JSON.
func Encode(structure any) json.RawMessage {
	b, err := json.Marshal(structure)
	if err != nil {
		panic("a structure of the API can be encoded: " + err.Error())
	}
	return b
}

// Same makes a structure of the members that another has under the same name and type.
func Same[T any](from any) *T {
	to := new(T)
	source, target := reflect.Indirect(reflect.ValueOf(from)), reflect.ValueOf(to).Elem()
	for i := range target.NumField() {
		f := target.Type().Field(i)
		if v := source.FieldByName(f.Name); v.IsValid() && v.Type() == f.Type {
			target.Field(i).Set(v)
		}
	}
	return to
}
