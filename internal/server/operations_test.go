package server_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobula-ml/mobula/internal/server"
)

var update = flag.Bool("update", false, "write the pages of docs/ that are made from the code")

// withoutEffect ends the page of operations: what cannot be seen from the list.
const withoutEffect = `
## Members that are kept and have no effect

Describe shows them as they were given. Nothing else follows from them:

- KMS key ids, of jobs, volumes, stores, endpoint configurations and S3 requests. Nothing is encrypted.
- VpcConfig, NetworkConfig and EnableNetworkIsolation. With namespaces, the hosts of a job reach one another, the server, and the outside by way of
  the server; without, they have the machine's network.
- VolumeSizeInGB, EnableManagedSpotTraining, MaxWaitTimeInSeconds, RetryStrategy, DebugHookConfig, ProfilerConfig, RemoteDebugConfig, TensorBoardOutputConfig and their
  rules.
- The compression types of inputs: objects are given to the hosts as they are. FastFile is the same as File.
- ServerlessConfig of a variant: one host serves it, and it always runs.
- Role ARNs are not looked up: a role exists as soon as it is named, and policies are kept only.
`

// TestThePageOfOperationsIsTrue compares docs/operations.md with what the server serves.
func TestThePageOfOperationsIsTrue(t *testing.T) {
	t.Parallel()
	want := start(t, server.Config{}).Served() + withoutEffect
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
