package functions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// function is the row of a function.
type function struct {
	Name, ARN, Role, Handler, Runtime, Description string
	Timeout, MemorySize                            int32
	Environment                                    map[string]string
	Code                                           code
	Revision                                       string
	Created, Modified                              time.Time
}

var functionRows = store.NewCollection("function", func(f *function) store.Index {
	return store.Index{Created: f.Created, Modified: f.Modified, Keys: map[string]string{"code": f.Code.Zip}}
})

// The service's defaults.
const (
	defaultTimeout = 3
	defaultMemory  = 128
)

func failed(code string, status int, format string, args ...any) *awsapi.Error {
	return &awsapi.Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *awsapi.Error {
	return failed("InvalidParameterValueException", 400, format, args...)
}

func arnOf(scope store.Scope, name string) string {
	return "arn:aws:lambda:" + scope.Region + ":" + scope.Account + ":function:" + name
}

// nameOf takes a function's name out of a name, a partial ARN (<account>:function:<name>) or an ARN. A qualifier is left out; only $LATEST exists.
func nameOf(given string, qualifier *string) (string, error) {
	name := given
	if _, after, ok := strings.Cut(given, "function:"); ok {
		name = after
	}
	name, version, _ := strings.Cut(name, ":")
	for _, v := range []string{version, awsapi.Val(qualifier)} {
		if v != "" && v != "$LATEST" {
			return "", awsapi.NotFound("Function not found: %s:%s. Published versions and aliases are not served.", name, v)
		}
	}
	return name, nil
}

func find(tx *store.Tx, scope store.Scope, given, qualifier *string) (*function, error) {
	name, err := nameOf(awsapi.Val(given), qualifier)
	if err != nil {
		return nil, err
	}
	f, err := functionRows.Get(tx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.NotFound("Function not found: %s", arnOf(scope, name))
	}
	return f, err
}

func (s *Service) look(ctx context.Context, given, qualifier *string) (f *function, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		f, err = find(tx, identity.From(ctx).Scope(), given, qualifier)
		return err
	})
	return f, err
}

var (
	pythonRuntime = regexp.MustCompile(`^python(3\.\d+)$`)
	functionName  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	handlerName   = regexp.MustCompile(`^[^\s.][^\s]*\.[^\s.]+$`)
)

// runtimeOf is the version of Python that a runtime is.
func runtimeOf(name string) (python string, err error) {
	m := pythonRuntime.FindStringSubmatch(name)
	if m == nil {
		return "", invalid("Value %s at 'runtime' failed to satisfy constraint: Member must be a runtime that is served here: python3.x.", name)
	}
	return m[1], nil
}

// unserved refuses what would change how a function runs and is not served.
func unserved(in *awsapi.CreateFunctionRequest) error {
	switch {
	case awsapi.Val(in.PackageType) == "Image" || in.ImageConfig != nil:
		return invalid("PackageType Image is not served; Zip is.")
	case len(in.Layers) > 0:
		return invalid("Layers are not served: put what the function imports into its zip.")
	case awsapi.Val(in.Publish):
		return invalid("Publish is not served: a function has the version $LATEST only.")
	case len(in.FileSystemConfigs) > 0:
		return invalid("FileSystemConfigs are not served.")
	case in.Runtime == nil || in.Handler == nil:
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return nil
}

// CreateFunction keeps the code and makes the function.
func (s *Service) CreateFunction(ctx context.Context, in *awsapi.CreateFunctionRequest) (*awsapi.FunctionConfiguration, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	name, err := nameOf(*in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if !functionName.MatchString(name) {
		return nil, invalid("Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", name, functionName)
	}
	if err := unserved(in); err != nil {
		return nil, err
	}
	f := &function{Name: name, ARN: arnOf(scope, name), Role: *in.Role, Timeout: defaultTimeout, MemorySize: defaultMemory, Created: now}
	if err := s.DB.View(ctx, func(tx *store.Tx) error { // before the code is taken; the insert below decides
		_, err := functionRows.Get(tx, scope, name)
		if err == nil {
			return alreadyThere(name)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}); err != nil {
		return nil, err
	}
	if err := f.configure(&awsapi.UpdateFunctionConfigurationRequest{Handler: in.Handler, Runtime: in.Runtime, Description: in.Description, Timeout: in.Timeout,
		MemorySize: in.MemorySize, Environment: in.Environment}); err != nil {
		return nil, err
	}
	s.codes.RLock()
	defer s.codes.RUnlock()
	if f.Code, err = s.takeCode(ctx, in.Code.ZipFile, in.Code.S3Bucket, in.Code.S3Key); err != nil {
		return nil, err
	}
	s.touch(f)
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		err := functionRows.Insert(tx, scope, name, f.ARN, f)
		if errors.Is(err, store.ErrExists) {
			return alreadyThere(name)
		}
		if err != nil {
			return err
		}
		var tags []awsapi.Tag
		for _, key := range slices.Sorted(maps.Keys(in.Tags)) {
			tags = append(tags, awsapi.Tag{Key: &key, Value: new(in.Tags[key])})
		}
		return tx.SetTags(f.ARN, tags)
	})
	if err != nil {
		return nil, err
	}
	return f.describe(), nil
}

// alreadyThere is the error by which the SDK's upsert knows to update.
func alreadyThere(name string) *awsapi.Error {
	return failed("ResourceConflictException", 409, "Function already exist: %s", name)
}

func (s *Service) touch(f *function) {
	f.Modified, f.Revision = s.World.Now(), strings.ToLower(s.World.NewID(32))
}

// configure changes the members that the request has.
func (f *function) configure(in *awsapi.UpdateFunctionConfigurationRequest) error {
	if in.Runtime != nil {
		if _, err := runtimeOf(*in.Runtime); err != nil {
			return err
		}
		f.Runtime = *in.Runtime
	}
	if in.Handler != nil {
		if !handlerName.MatchString(*in.Handler) {
			return invalid("Handler '%s' must be <file>.<function>.", *in.Handler)
		}
		f.Handler = *in.Handler
	}
	for member, value := range map[*string]*string{&f.Role: in.Role, &f.Description: in.Description} {
		if value != nil {
			*member = *value
		}
	}
	for member, value := range map[*int32]*int32{&f.Timeout: in.Timeout, &f.MemorySize: in.MemorySize} {
		if value != nil {
			*member = *value
		}
	}
	if f.Timeout < 1 || f.Timeout > 900 {
		return invalid("Value '%d' at 'timeout' failed to satisfy constraint: Member must be a number from 1 to 900", f.Timeout)
	}
	if f.MemorySize < 128 || f.MemorySize > 10240 {
		return invalid("'MemorySize' value failed to satisfy constraint: Member must be a number from 128 to 10240; it is %d", f.MemorySize)
	}
	if in.Environment == nil || in.Environment.Variables == nil {
		return nil
	}
	size := 0
	for name, value := range in.Environment.Variables {
		if strings.HasPrefix(name, "AWS_LAMBDA_") || slices.Contains(reserved, name) {
			return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys "+
				"that are currently not supported for modification. Reserved keys used in this request: %s", name)
		}
		size += len(name) + len(value)
	}
	if size > 4096 {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit: they have %d bytes.", size)
	}
	f.Environment = in.Environment.Variables
	return nil
}

// reserved are environment variables that the runtime sets.
var reserved = []string{"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"}

// change keeps what fn makes of a function.
func (s *Service) change(ctx context.Context, name, revision *string, fn func(*function) error) (*awsapi.FunctionConfiguration, error) {
	scope := identity.From(ctx).Scope()
	var f *function
	err := s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if f, err = find(tx, scope, name, nil); err != nil {
			return err
		}
		if revision != nil && *revision != f.Revision {
			return failed("PreconditionFailedException", 412, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
		}
		if err := fn(f); err != nil {
			return err
		}
		s.touch(f)
		return functionRows.Put(tx, scope, f.Name, f)
	})
	if err != nil {
		return nil, err
	}
	return f.describe(), nil
}

// UpdateFunctionConfiguration changes how a function runs.
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, in *awsapi.UpdateFunctionConfigurationRequest) (*awsapi.FunctionConfiguration, error) {
	if len(in.Layers) > 0 || len(in.FileSystemConfigs) > 0 || in.ImageConfig != nil {
		return nil, invalid("Layers, FileSystemConfigs and ImageConfig are not served.")
	}
	return s.change(ctx, in.FunctionName, in.RevisionId, func(f *function) error { return f.configure(in) })
}

// UpdateFunctionCode replaces a function's code. Invocations that run keep the code they began with.
func (s *Service) UpdateFunctionCode(ctx context.Context, in *awsapi.UpdateFunctionCodeRequest) (*awsapi.FunctionConfiguration, error) {
	if in.ImageUri != nil || awsapi.Val(in.Publish) {
		return nil, invalid("ImageUri and Publish are not served.")
	}
	old, err := s.look(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	out, err := s.replaceCode(ctx, in, old)
	if err != nil {
		return nil, err
	}
	return out, s.dropCode(ctx, old.Code.Zip)
}

func (s *Service) replaceCode(ctx context.Context, in *awsapi.UpdateFunctionCodeRequest, old *function) (*awsapi.FunctionConfiguration, error) {
	s.codes.RLock()
	defer s.codes.RUnlock()
	code, err := s.takeCode(ctx, in.ZipFile, in.S3Bucket, in.S3Key)
	if err != nil {
		return nil, err
	}
	if awsapi.Val(in.DryRun) {
		return old.describe(), nil
	}
	return s.change(ctx, in.FunctionName, in.RevisionId, func(f *function) error {
		f.Code = code
		return nil
	})
}

// DeleteFunction removes a function. Its code goes with it, unless something else still needs it.
func (s *Service) DeleteFunction(ctx context.Context, in *awsapi.DeleteFunctionRequest) (*awsapi.DeleteFunctionResponse, error) {
	scope := identity.From(ctx).Scope()
	var f *function
	err := s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if f, err = find(tx, scope, in.FunctionName, in.Qualifier); err != nil {
			return err
		}
		return functionRows.Delete(tx, scope, f.Name)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.DeleteFunctionResponse{}, s.dropCode(ctx, f.Code.Zip)
}
