package endpoints_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pysupport"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/xgboost"
)

func TestMain(m *testing.M) {
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) {
		return
	}
	if err := openWorlds(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(worldsDir)
	os.Exit(code)
}

// packages is a registry with fixed answers.
type packages map[string]*awsapi.DescribeModelPackageOutput

func (p packages) DescribeModelPackage(_ context.Context, in *awsapi.DescribeModelPackageInput) (*awsapi.DescribeModelPackageOutput, error) {
	if d, ok := p[*in.ModelPackageName]; ok {
		return d, nil
	}
	return nil, awsapi.Validation("ModelPackage %s does not exist.", *in.ModelPackageName)
}

// worldsDir is the folder of the Python worlds of this run.
var worldsDir string

// worlds has one Python world, of the machine's own Python and without packages, for all images of scikit-learn and for those of XGBoost.
func worlds(t testing.TB) *pyenv.Manager {
	t.Helper()
	m, err := pyenv.Open(pyenv.Options{Dir: worldsDir, Table: filepath.Join(worldsDir, "runtimes.toml")})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// openWorlds makes worldsDir and the table of the worlds in it.
func openWorlds() error {
	version, err := exec.Command("python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		return err
	}
	if worldsDir, err = os.MkdirTemp("", "mobula-worlds-"); err != nil {
		return err
	}
	text := fmt.Sprintf("[[runtime]]\nname = \"test\"\nimage = 'sagemaker-(scikit-learn|xgboost):[0-9.]+-1.*'\npython = %q\nas_of = \"2021-01-31\"\n", strings.TrimSpace(string(version)))
	if uv, err := filepath.Abs("../../../.cache/venv/bin/uv"); err == nil && os.Getenv("MOBULA_UV") == "" {
		if _, err := os.Stat(uv); err == nil {
			os.Setenv("MOBULA_UV", uv)
		}
	}
	return os.WriteFile(filepath.Join(worldsDir, "runtimes.toml"), []byte(text), 0o600)
}

func newRoom(t testing.TB, e *platformtest.Env, mode string) *endpoints.Service {
	t.Helper()
	s := openRoom(t, e, mode)
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// openRoom is newRoom without the start of the engine.
func openRoom(t testing.TB, e *platformtest.Env, mode string) *endpoints.Service {
	t.Helper()
	return openRoomOn(t, e, mode, nil)
}

// openRoomOn is openRoom on a part of the machine.
func openRoomOn(t testing.TB, e *platformtest.Env, mode string, m *capacity.Machine) *endpoints.Service {
	t.Helper()
	r, _, err := runner.Choose(e.Ctx, mode, runner.Options{PlatformAddr: "127.0.0.1:9", Hidden: []string{e.Dir}})
	if err != nil {
		t.Fatal(err)
	}
	library, err := xgboost.LibraryPath()
	if err != nil {
		t.Fatal(err)
	}
	support, err := pysupport.Install(filepath.Join(e.Dir, "pysupport"))
	if err != nil {
		t.Fatal(err)
	}
	hosts := &serving.Hosts{Deps: serving.Deps{Objects: e.Objects, Runner: r, Keys: e.Keys, Python: worlds(t), Log: e.Log, Socket: filepath.Join(e.Dir, "mobula.sock"),
		Library: library, Support: support}}
	s := endpoints.New(endpoints.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, Keys: e.Keys, Hosts: hosts, World: e.World, Log: e.Log, Registry: packages{},
		Dir: filepath.Join(e.Dir, "endpoints"), LogDir: filepath.Join(e.Dir, "logs"), Capacity: m})
	if err := s.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// end deletes what a test leaves, so that no host outlives it, and lets go of the room.
func end(t testing.TB, e *platformtest.Env, s *endpoints.Service) {
	list, err := s.ListEndpoints(e.Ctx, &awsapi.ListEndpointsInput{})
	if err != nil {
		t.Error(err)
		return
	}
	for _, x := range list.Endpoints {
		if err := s.DeleteEndpoint(e.Ctx, &awsapi.DeleteEndpointInput{EndpointName: x.EndpointName}); err != nil {
			t.Error(err)
		}
	}
	platformtest.Eventually(t, "all endpoints are gone", func() bool {
		list, err := s.ListEndpoints(e.Ctx, &awsapi.ListEndpointsInput{})
		return err == nil && len(list.Endpoints) == 0
	})
	s.Stop()
}

// trained is a model that answers near factor × the feature.
var trained = func() func(t testing.TB, factor float32) []byte {
	var mu sync.Mutex
	return func(t testing.TB, factor float32) []byte {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		x := xgboost.Dense{Rows: 200, Cols: 1}
		var labels []float32
		for i := range 200 {
			x.Data, labels = append(x.Data, float32(i)), append(labels, factor*float32(i))
		}
		m, err := xgboost.NewDMatrix(x, xgboost.Info{Labels: labels}, 1)
		if err != nil {
			t.Fatal(err)
		}
		model, err := xgboost.Train(t.Context(), xgboost.Params{}, m, xgboost.TrainOptions{Rounds: 50})
		if err != nil {
			t.Fatal(err)
		}
		b, err := model.Bytes("ubj")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}()

func archive(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for name, content := range files {
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}), func() error { _, err := w.Write(content); return err }()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-1"

// define stores model data and makes a model and a configuration of it, both of that name.
func define(t testing.TB, e *platformtest.Env, s *endpoints.Service, name string, data []byte) {
	t.Helper()
	if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, name+"/model.tar.gz", bytes.NewReader(data), object.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateModel(e.Ctx, &awsapi.CreateModelInput{ModelName: &name, PrimaryContainer: &awsapi.ContainerDefinition{Image: new(image),
		ModelDataUrl: new("s3://" + platformtest.Bucket + "/" + name + "/model.tar.gz")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateEndpointConfig(e.Ctx, &awsapi.CreateEndpointConfigInput{EndpointConfigName: &name, ProductionVariants: []awsapi.ProductionVariant{
		{VariantName: new("v"), ModelName: &name, InstanceType: new("ml.m5.large"), InitialInstanceCount: new(int32(1))}}}); err != nil {
		t.Fatal(err)
	}
}

func settled(t testing.TB, e *platformtest.Env, s *endpoints.Service, name string) (d *awsapi.DescribeEndpointOutput) {
	t.Helper()
	platformtest.Eventually(t, "endpoint "+name+" has settled", func() bool {
		var err error
		if d, err = s.DescribeEndpoint(e.Ctx, &awsapi.DescribeEndpointInput{EndpointName: &name}); err != nil {
			t.Fatal(err)
		}
		return *d.EndpointStatus == "InService" || *d.EndpointStatus == "Failed"
	})
	return d
}

func create(t testing.TB, e *platformtest.Env, s *endpoints.Service, name, config string) *awsapi.DescribeEndpointOutput {
	t.Helper()
	if _, err := s.CreateEndpoint(e.Ctx, &awsapi.CreateEndpointInput{EndpointName: &name, EndpointConfigName: &config}); err != nil {
		t.Fatal(err)
	}
	return settled(t, e, s, name)
}

func ask(e *platformtest.Env, s *endpoints.Service, name, row string) (float64, error) {
	out, err := s.InvokeEndpoint(e.Ctx, &awsapi.InvokeEndpointInput{EndpointName: &name, ContentType: new("text/csv"), Accept: new("text/csv"), Body: []byte(row)})
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out.Body)), 64)
}

func TestEndpointLivesThroughDeathsAndRestarts(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{runner.Auto, runner.Plain} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := platformtest.Open(t, dir)
			s := newRoom(t, e, mode)
			define(t, e, s, "one", archive(t, map[string][]byte{"xgboost-model": trained(t, 1)}))
			if d := create(t, e, s, "e", "one"); *d.EndpointStatus != "InService" {
				t.Fatal(awsapi.Val(d.FailureReason))
			}
			asked := func(when string) {
				t.Helper()
				if x, err := ask(e, s, "e", "100"); err != nil || x < 95 || x > 105 {
					t.Errorf("%s: %v, %v", when, x, err)
				}
			}
			asked("at first")
			for _, wrong := range []string{"text", "1,2,3", ""} {
				if _, err := ask(e, s, "e", wrong); !awsapi.IsCode(err, "ModelError") {
					t.Errorf("asked %q: %v", wrong, err)
				}
			}
			if _, err := ask(e, s, "none", "1"); !awsapi.IsCode(err, "ValidationError") {
				t.Errorf("an endpoint that is not there: %v", err)
			}

			before := workers(t, dir)
			if len(before) != 1 {
				t.Fatalf("%d workers", len(before))
			}
			if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			asked("after the worker was killed")

			after := workers(t, dir)
			s.Stop() // the server goes and another comes: the worker stays
			e.Close()
			e = platformtest.Open(t, dir)
			defer e.Close()
			s = newRoom(t, e, mode)
			defer s.Stop()
			asked("after a restart of the server")
			if again := workers(t, dir); len(again) != 1 || again[0] != after[0] {
				t.Errorf("the workers were %v and are %v", after, again)
			}

			s.EndHosts = true // nor does it where the server is not to leave it
			s.Stop()
			e.Close()
			if left := workers(t, dir); len(left) != 0 {
				t.Errorf("workers %v are left", left)
			}
			e = platformtest.Open(t, dir)
			defer e.Close()
			s = newRoom(t, e, mode)
			defer s.Stop()
			platformtest.Eventually(t, "the endpoint answers again", func() bool {
				_, err := ask(e, s, "e", "100")
				return err == nil
			})

			if err := s.DeleteEndpoint(e.Ctx, &awsapi.DeleteEndpointInput{EndpointName: new("e")}); err != nil {
				t.Fatal(err)
			}
			platformtest.Eventually(t, "the endpoint is gone", func() bool {
				_, err := s.DescribeEndpoint(e.Ctx, &awsapi.DescribeEndpointInput{EndpointName: new("e")})
				return awsapi.IsCode(err, "ValidationException")
			})
			if left := workers(t, dir); len(left) != 0 {
				t.Errorf("workers %v are left", left)
			}
			if left, err := os.ReadDir(filepath.Join(dir, "endpoints")); err != nil || len(left) != 0 {
				t.Errorf("folders %v are left: %v", left, err)
			}
		})
	}
}

// workers are the processes that serve models out of dir, by their open sockets' folder: each has its log open there.
func workers(t testing.TB, dir string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(builtin.ServeCommand)) {
			continue
		}
		out, err := os.Readlink(filepath.Join(filepath.Dir(path), "fd/1"))
		if err == nil && strings.HasPrefix(out, dir) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestModelsThatCannotServeAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	sound := archive(t, map[string][]byte{"xgboost-model": trained(t, 1)})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"truncated": {sound[:len(sound)/2], "is not a sound tar.gz: unexpected EOF"},
		"no-gzip":   {[]byte("hello"), "is not a sound tar.gz"},
		"no-model":  {archive(t, map[string][]byte{"readme": []byte("x")}), "not an XGBoost model"},
		"no-xgb":    {archive(t, map[string][]byte{"xgboost-model": []byte("not a model")}), "did not start"},
		"escapes":   {archive(t, map[string][]byte{"../../../outside": []byte("x")}), "is not a sound tar.gz"},
	} {
		define(t, e, s, name, c.data)
		d := create(t, e, s, name, name)
		if *d.EndpointStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), c.want) {
			t.Errorf("%s: %s, %q, want %q", name, *d.EndpointStatus, awsapi.Val(d.FailureReason), c.want)
		}
	}
	platformtest.Eventually(t, "nothing is left of the hosts", func() bool {
		left, err := os.ReadDir(filepath.Join(e.Dir, "endpoints"))
		return err == nil && len(left) == 0
	})
	for want, in := range map[string]*awsapi.CreateModelInput{
		"Could not find model data":   {ModelName: new("m"), PrimaryContainer: &awsapi.ContainerDefinition{Image: new(image), ModelDataUrl: new("s3://" + platformtest.Bucket + "/none")}},
		"must have SAGEMAKER_PROGRAM": {ModelName: new("m"), PrimaryContainer: &awsapi.ContainerDefinition{Image: new("1.dkr.ecr.r.amazonaws.com/sagemaker-scikit-learn:1.2-1"), ModelDataUrl: new("s3://x/y")}},
		"no runtime is known":         {ModelName: new("m"), PrimaryContainer: &awsapi.ContainerDefinition{Image: new("x:1"), ModelDataUrl: new("s3://x/y")}},
		"does not exist":              {ModelName: new("m"), PrimaryContainer: &awsapi.ContainerDefinition{ModelPackageName: new("arn:none")}},
		"Either primaryContainer":     {ModelName: new("m")},
	} {
		if _, err := s.CreateModel(e.Ctx, in); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestUpdateLosesNoRequest(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	define(t, e, s, "one", archive(t, map[string][]byte{"xgboost-model": trained(t, 1)}))
	define(t, e, s, "two", archive(t, map[string][]byte{"xgboost-model": trained(t, 2)}))
	define(t, e, s, "bad", []byte("x"))
	create(t, e, s, "e", "one")
	var done, failed atomic.Int64
	ctx, cancel := context.WithCancel(e.Ctx)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if x, err := ask(e, s, "e", "100"); err != nil || x < 90 {
					t.Errorf("%v, %v", x, err)
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	update := func(config string) *awsapi.DescribeEndpointOutput {
		if _, err := s.UpdateEndpoint(e.Ctx, &awsapi.UpdateEndpointInput{EndpointName: new("e"), EndpointConfigName: &config}); err != nil {
			t.Fatal(err)
		}
		return settled(t, e, s, "e")
	}
	if d := update("bad"); *d.EndpointStatus != "InService" || *d.EndpointConfigName != "one" || awsapi.Val(d.FailureReason) == "" {
		t.Errorf("a failed update left %s with %s: %s", *d.EndpointStatus, *d.EndpointConfigName, awsapi.Val(d.FailureReason))
	}
	for i := range 3 {
		update([]string{"two", "one"}[i%2])
	}
	cancel()
	wg.Wait()
	if x, err := ask(e, s, "e", "100"); err != nil || x < 190 {
		t.Errorf("after the update: %v, %v", x, err)
	}
	t.Logf("%d requests, %d failed", done.Load(), failed.Load())
}

func BenchmarkInvoke(b *testing.B) {
	e := platformtest.New(b)
	s := newRoom(b, e, runner.Auto)
	defer end(b, e, s)
	define(b, e, s, "one", archive(b, map[string][]byte{"xgboost-model": trained(b, 1)}))
	create(b, e, s, "e", "one")
	for b.Loop() {
		if _, err := ask(e, s, "e", "100"); err != nil {
			b.Fatal(err)
		}
	}
}
