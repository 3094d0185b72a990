package search

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// maxSuggestions is how many property names are suggested at most.
const maxSuggestions = 50

// GetSearchSuggestions lists the properties of a resource type whose names begin with a hint, in any case of letters.
func (s *Service) GetSearchSuggestions(_ context.Context, in *awsapi.GetSearchSuggestionsRequest) (*awsapi.GetSearchSuggestionsResponse, error) {
	out := &awsapi.GetSearchSuggestionsResponse{PropertyNameSuggestions: []awsapi.PropertyNameSuggestion{}}
	k, ok := kindOf(*in.Resource)
	if !ok {
		return out, nil
	}
	hint := ""
	if q := in.SuggestionQuery; q != nil && q.PropertyNameQuery != nil {
		hint = strings.ToLower(*q.PropertyNameQuery.PropertyNameHint)
	}
	for _, name := range properties(k.shape(), "", nil) {
		if strings.HasPrefix(strings.ToLower(name), hint) && len(out.PropertyNameSuggestions) < maxSuggestions {
			out.PropertyNameSuggestions = append(out.PropertyNameSuggestions, awsapi.PropertyNameSuggestion{PropertyName: &name})
		}
	}
	return out, nil
}

// properties lists the paths of the members below a type. Names that depend on the resource, such as those of tags, end with a point.
func properties(t reflect.Type, prefix string, above []reflect.Type) (out []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if _, named := keyedLists[t.Elem()]; named && t.Kind() == reflect.Slice {
			return []string{prefix + "."}
		}
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Map:
		return []string{prefix + "."}
	case t.Kind() != reflect.Struct || t == timeType:
		return []string{prefix}
	case slices.Contains(above, t):
		return nil
	}
	above = append(above, t)
	for i := range t.NumField() {
		out = append(out, properties(t.Field(i).Type, strings.TrimPrefix(prefix+"."+t.Field(i).Name, "."), above)...)
	}
	return out
}
