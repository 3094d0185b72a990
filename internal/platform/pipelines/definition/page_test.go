package definition_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

// TestThePageShowsADefinitionThatIsRead reads the example of docs/pipeline-definition.md, and looks for every step type on the page.
func TestThePageShowsADefinitionThatIsRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/pipeline-definition.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	d, err := definition.Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Steps) != 3 || len(d.Parameters) != 3 {
		t.Errorf("the example has %d steps and %d parameters", len(d.Steps), len(d.Parameters))
	}
	for kind := range definition.Kinds {
		if !strings.Contains(string(page), "| "+kind+" |") {
			t.Errorf("the page does not describe steps of type %s", kind)
		}
	}
	for _, variable := range definition.ExecutionVariables {
		if !strings.Contains(string(page), "`"+variable+"`") {
			t.Errorf("the page does not name Execution.%s", variable)
		}
	}
}
