package endpoints_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// A multi-model endpoint loads the archives below a prefix when they are asked first, those too that came later, and unloads the one that was
// asked longest ago.
func TestMultiModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s := newRoom(t, e, runner.Auto)
	many := awsapi.ContainerDefinition{Image: new(image), ModelDataUrl: new("s3://" + platformtest.Bucket + "/models/"), Mode: new(awsapi.ContainerModeMultiModel)}
	configure(t, e, s, "m", nil, many)
	configure(t, e, s, "single", nil, awsapi.ContainerDefinition{Image: new(image),
		ModelDataUrl: new(put(t, e, "single.tar.gz", archive(t, map[string][]byte{"xgboost-model": trained(t, 1)})))})
	if d := create(t, e, s, "e", "m"); *d.EndpointStatus != "InService" {
		t.Fatal(awsapi.Val(d.FailureReason))
	}
	create(t, e, s, "one", "single")
	invoke := func(endpoint, model string) (float64, error) {
		in := &awsapi.InvokeEndpointInput{EndpointName: &endpoint, TargetModel: &model, ContentType: new("text/csv"), Accept: new("text/csv"), Body: []byte("100")}
		if model == "" {
			in.TargetModel = nil
		}
		out, err := s.InvokeEndpoint(e.Ctx, in)
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(strings.TrimSpace(string(out.Body)), 64)
	}
	for n := 1; n <= 3; n++ {
		put(t, e, fmt.Sprintf("models/deep/%d.tar.gz", n), archive(t, map[string][]byte{"xgboost-model": trained(t, float32(n))}))
		for range 2 {
			if x, err := invoke("e", fmt.Sprintf("deep/%d.tar.gz", n)); err != nil || x < 95*float64(n) || x > 105*float64(n) {
				t.Errorf("model %d: %v, %v", n, x, err)
			}
		}
	}
	if n := len(workers(t, dir)); n != 4 {
		t.Errorf("%d hosts for three models and an endpoint of one", n)
	}
	put(t, e, "models/broken.tar.gz", []byte("x"))
	for _, c := range []struct{ endpoint, model, code, want string }{
		{"e", "", "ValidationError", "targetModel must name"}, {"e", "none.tar.gz", "ValidationError", "Failed to download model data"},
		{"e", "broken.tar.gz", "ModelError", "not a sound tar.gz"}, {"one", "deep/1.tar.gz", "ValidationError", "no multi-model endpoint"},
	} {
		if _, err := invoke(c.endpoint, c.model); !awsapi.IsCode(err, c.code) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("model %q of endpoint %s: %v", c.model, c.endpoint, err)
		}
	}
	if _, err := s.CreateModel(e.Ctx, &awsapi.CreateModelInput{ModelName: new("row"), Containers: []awsapi.ContainerDefinition{many, many}}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("two multi-model containers: %v", err)
	}

	s.Stop()
	e.Close()
	e = platformtest.Open(t, dir)
	defer e.Close()
	s = newRoom(t, e, runner.Auto)
	defer func() {
		end(t, e, s)
		if left := workers(t, dir); len(left) != 0 {
			t.Errorf("workers %v are left", left)
		}
	}()
	if x, err := invoke("e", "deep/2.tar.gz"); err != nil || x < 190 {
		t.Errorf("after a restart: %v, %v", x, err)
	}
	one := archive(t, map[string][]byte{"xgboost-model": trained(t, 1)})
	for n := range 9 {
		put(t, e, fmt.Sprintf("models/%d.tar.gz", n), one)
		if _, err := invoke("e", fmt.Sprintf("%d.tar.gz", n)); err != nil {
			t.Fatal(err)
		}
	}
	platformtest.Eventually(t, "the models that are too many are unloaded", func() bool { return len(workers(t, dir)) <= 1+8 })
	if x, err := invoke("e", "0.tar.gz"); err != nil || x < 95 {
		t.Errorf("a model that was unloaded: %v, %v", x, err)
	}
}
