package wire_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRoundTripsOfUnmodifiedClients runs boto3 and the AWS CLI against the server, over every protocol.
func TestRoundTripsOfUnmodifiedClients(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	interpreter := python(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "testdata/roundtrip.py")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8", "LC_ALL=C.UTF-8",
		"AWS_ENDPOINT_URL=" + e.URL, "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true"}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Errorf("%v\n%s", err, out)
	}
}
