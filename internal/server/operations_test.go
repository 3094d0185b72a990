package server_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobula-ml/mobula/internal/server"
)

var update = flag.Bool("update", false, "write the pages of docs/ that are made from the code")

// TestThePageOfOperationsIsTrue compares docs/operations.md with what the server serves.
func TestThePageOfOperationsIsTrue(t *testing.T) {
	t.Parallel()
	want := start(t, server.Config{}).Served()
	page := filepath.Join("..", "..", "docs", "operations.md")
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/operations.md is not what the server serves; write it again with: go test ./internal/server -run PageOfOperations -update")
	}
}
