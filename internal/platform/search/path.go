package search

import (
	"reflect"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// A keyed list is one whose entries are found by a name, as those of a map are: "Tags.team", "Metrics.loss.Max".
type keyed struct{ name, value string }

var keyedLists = map[reflect.Type]keyed{
	reflect.TypeFor[awsapi.Tag]():                         {"Key", "Value"},
	reflect.TypeFor[awsapi.FeatureParameter]():            {"Key", "Value"},
	reflect.TypeFor[awsapi.Parameter]():                   {"Name", "Value"},
	reflect.TypeFor[awsapi.MetricData]():                  {"MetricName", "Value"},
	reflect.TypeFor[awsapi.TrialComponentMetricSummary](): {"MetricName", "Last"},
}

// aliases are names that properties have besides those of the members, by type.
var aliases = map[reflect.Type]map[string]string{
	reflect.TypeFor[awsapi.TrainingJob]():     {"metrics": "FinalMetricDataList"},
	reflect.TypeFor[awsapi.FeatureMetadata](): {"allparameters": "Parameters"},
	reflect.TypeFor[awsapi.TrialComponent]():  {"experimentname": "Parents.ExperimentName", "trialname": "Parents.TrialName"},
}

var timeType = reflect.TypeFor[awsapi.Time]()

// member finds a member of a structure in any case of letters, and what is left of the path below it.
func member(t reflect.Type, path string) (field int, rest string, ok bool) {
	head, rest, _ := strings.Cut(path, ".")
	if other, found := aliases[t][strings.ToLower(head)]; found {
		var below string
		head, below, _ = strings.Cut(other, ".")
		rest = strings.Trim(below+"."+rest, ".")
	}
	for i := range t.NumField() {
		if strings.EqualFold(t.Field(i).Name, head) {
			return i, rest, true
		}
	}
	return 0, "", false
}

// typeAt returns the type of what a path leads to: a Kind, "timestamp", or "" where it depends on the record. It says whether the path can
// lead anywhere at all.
func typeAt(t reflect.Type, path string) (kind string, ok bool) {
	switch {
	case t == timeType:
		return "timestamp", path == ""
	case t.Kind() == reflect.Pointer:
		return typeAt(t.Elem(), path)
	case t.Kind() == reflect.Map:
		return "", true
	case t.Kind() == reflect.Slice:
		if _, named := keyedLists[t.Elem()]; named {
			return "", true
		}
		return typeAt(t.Elem(), path)
	case path == "" && t.Kind() == reflect.Struct:
		return "", true
	case t.Kind() == reflect.Struct:
		i, rest, found := member(t, path)
		if !found {
			return "", false
		}
		return typeAt(t.Field(i).Type, rest)
	}
	return t.Kind().String(), path == ""
}

// valuesAt returns what a path leads to: a string, a float64 or a bool for each place it leads to. A path that ends above them leads to all
// that is below.
func valuesAt(v reflect.Value, path string) (out []any) {
	each(v, path, func(x any) { out = append(out, x) })
	return out
}

func each(v reflect.Value, path string, found func(any)) {
	switch {
	case !v.IsValid():
	case v.Type() == timeType:
		t := v.Interface().(awsapi.Time)
		found(float64(t.UnixMilli()) / 1000)
	case v.Kind() == reflect.Pointer:
		each(v.Elem(), path, found)
	case v.Kind() == reflect.Struct && path == "":
		for i := range v.NumField() {
			each(v.Field(i), "", found)
		}
	case v.Kind() == reflect.Struct:
		if i, rest, ok := member(v.Type(), path); ok {
			each(v.Field(i), rest, found)
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			if rest, ok := below(key.String(), path); ok {
				each(v.MapIndex(key), rest, found)
			}
		}
	case v.Kind() == reflect.Slice:
		eachEntry(v, path, found)
	default:
		if x := scalar(v); path == "" && x != nil {
			found(x)
		}
	}
}

func eachEntry(v reflect.Value, path string, found func(any)) {
	k, named := keyedLists[v.Type().Elem()]
	for i := range v.Len() {
		entry := v.Index(i)
		if !named || path == "" {
			each(entry, path, found)
			continue
		}
		name, _ := scalar(entry.FieldByName(k.name).Elem()).(string)
		switch rest, ok := below(name, path); {
		case ok && rest == "":
			each(entry.FieldByName(k.value), "", found)
		case ok:
			each(entry, rest, found)
		case strings.EqualFold(path, k.name) || strings.EqualFold(path, k.value):
			each(entry, path, found)
		}
	}
}

// below says whether a path begins with a name, which may have points in it, and what is left of the path.
func below(name, path string) (rest string, ok bool) {
	if path == "" {
		return "", true
	}
	if len(path) < len(name) || !strings.EqualFold(path[:len(name)], name) {
		return "", false
	}
	if len(path) == len(name) {
		return "", true
	}
	return path[len(name)+1:], path[len(name)] == '.'
}

func scalar(v reflect.Value) any {
	switch {
	case !v.IsValid():
		return nil
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return float64(v.Int())
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	}
	return nil
}
