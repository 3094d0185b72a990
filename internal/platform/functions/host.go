package functions

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
)

//go:embed bootstrap.py
var bootstrap []byte

// The places in a host. They lie below /opt/ml, which every runner finds; AWS's own place for the code is /var/task.
const (
	ml         = "/opt/ml"
	taskFolder = ml + "/task"
)

// logBytes bounds what an invocation may print.
const logBytes = 1 << 20

// start fills the host of an invocation and starts it.
func (s *Service) start(ctx context.Context, i *invocation, dir string) (runner.Job, error) {
	if err := os.RemoveAll(dir); err != nil { // what an interrupted start left
		return nil, err
	}
	f := &i.Function
	env, err := s.python(ctx, f.Runtime)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(runner.HostDir(dir, 1), "ml")
	if err := s.unpack(f.Code.Zip, filepath.Join(folder, "task")); err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{"bootstrap.py": bootstrap, "event.json": i.Event} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return nil, err
		}
	}
	if err := s.shareLog(i, dir); err != nil {
		return nil, err
	}
	limit := time.Duration(f.Timeout) * time.Second
	key, err := s.Keys.Issue(ctx, identity.IssueOptions{Account: i.Scope.Account, Region: i.Scope.Region, RoleARN: f.Role, JobARN: i.ARN, TTL: limit + time.Hour})
	if err != nil {
		return nil, err
	}
	spec := runner.Spec{Name: f.Name, Dir: dir, Hosts: 1, Command: []string{"python", ml + "/bootstrap.py", ml, taskFolder}, Env: s.environment(i, key), WorkDir: ml,
		VCPUs: max(1, int(f.MemorySize)/1769), MemoryBytes: int64(f.MemorySize) << 20, MaxRuntime: limit, StopGrace: time.Second,
		LogLimitBytes: logBytes, PlatformSocket: s.Socket}
	if err := (pyhost.Setter{Runner: s.Runner, Worlds: s.Python.Dir(), Forks: s.Forks}).Set(&spec, env); err != nil {
		return nil, err
	}
	return s.Runner.Start(ctx, spec)
}

// python finds the world of a runtime, or builds it.
func (s *Service) python(ctx context.Context, runtime string) (*pyenv.Env, error) {
	version, err := runtimeOf(runtime)
	if err != nil {
		return nil, err
	}
	r, ok := s.Python.Find("python:" + version)
	if !ok {
		return nil, invalid("There is no Python runtime for the image python:%s.", version)
	}
	env, err := s.Python.Build(ctx, r, func(string) {})
	var tool *pyenv.ToolError
	if errors.As(err, &tool) {
		return nil, invalid("The Python runtime %s could not be built: %v", r.Name, tool)
	}
	return env, err
}

// environment is what the runtime of Lambda sets, with the function's own variables.
func (s *Service) environment(i *invocation, key identity.Credentials) map[string]string {
	f := &i.Function
	env := map[string]string{
		"_HANDLER": f.Handler, "AWS_REGION": i.Scope.Region, "AWS_DEFAULT_REGION": i.Scope.Region, "AWS_EXECUTION_ENV": "AWS_Lambda_" + f.Runtime,
		"AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.SecretAccessKey, "AWS_SESSION_TOKEN": key.SessionToken,
		"AWS_ENDPOINT_URL":         s.Runner.PlatformURL(),
		"AWS_LAMBDA_FUNCTION_NAME": f.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(f.MemorySize)),
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + f.Name, "AWS_LAMBDA_LOG_STREAM_NAME": i.stream(),
		"LAMBDA_TASK_ROOT": taskFolder, "TZ": ":UTC",
		"MOBULA_FUNCTION_ARN": f.ARN, "MOBULA_FUNCTION_TIMEOUT": strconv.Itoa(int(f.Timeout)), "MOBULA_REQUEST_ID": i.Name,
	}
	maps.Copy(env, f.Environment)
	return env
}
