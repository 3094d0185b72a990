// Package wiretest checks how rooms are wired to the API. It is for tests.
package wiretest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// CheckMethods fails for methods that bear an operation's name and do not have its form: wire would not find them, and the operation would not be
// served. Methods that are no operations on purpose are named in except.
func CheckMethods(t testing.TB, services []any, except ...string) {
	t.Helper()
	operations := map[string]*awsapi.Operation{}
	for i := range awsapi.Operations {
		operations[awsapi.Operations[i].Name] = &awsapi.Operations[i]
	}
	for _, s := range services {
		kind := reflect.TypeOf(s)
		for i := range kind.NumMethod() {
			name := kind.Method(i).Name
			op := operations[name]
			if op == nil || slices.Contains(except, name) {
				continue
			}
			if _, ok := op.Bind(s); !ok {
				t.Errorf("%s.%s is %s, which is not the form of the operation: see %sServer in awsapi", kind, name, kind.Method(i).Type, name)
			}
		}
	}
}
