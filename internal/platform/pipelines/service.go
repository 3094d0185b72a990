package pipelines

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// controller is the kind under which the durable engine knows executions.
const controller = "pipeline-execution"

// Service serves the operations on pipelines and their executions.
type Service struct {
	Deps
	parsed   sync.Map // sha256 of a definition's text → *definition.Definition
	unpacked sync.Map // digest of an archive → digest of its members
}

// New returns the room's service and registers its controller with the engine.
func New(deps Deps) *Service {
	s := &Service{Deps: deps}
	deps.Engine.Handle(controller, durable.KindOptions{Concurrency: maxRunning, OnDead: s.giveUp}, s.reconcile)
	return s
}

// maxRunning is how many executions are driven at one moment. A parked execution does not count: it holds nothing but its row.
const maxRunning = 16

// parse returns the definition of a text that was accepted before. Definitions repeat from execution to execution, so they are kept.
func (s *Service) parse(text string) (*definition.Definition, error) {
	sum := sha256.Sum256([]byte(text))
	if d, ok := s.parsed.Load(sum); ok {
		return d.(*definition.Definition), nil
	}
	d, err := definition.Parse(text)
	if err != nil {
		return nil, err
	}
	keepBounded(&s.parsed, maxParsed, sum, d)
	return d, nil
}

// maxParsed bounds the definitions kept in memory, maxDigests the digests of archives.
const (
	maxParsed  = 256
	maxDigests = 4096
)

// keepBounded stores an entry, and drops all the others first where there are too many.
func keepBounded(m *sync.Map, most int, key, value any) {
	n := 0
	m.Range(func(any, any) bool { n++; return n < most })
	if n >= most {
		m.Clear()
	}
	m.Store(key, value)
}

// nameOf takes a pipeline's name out of a name or an ARN.
func nameOf(nameOrARN string) (name string, isARN bool) {
	if !strings.HasPrefix(nameOrARN, "arn:") {
		return nameOrARN, false
	}
	_, name, _ = strings.Cut(nameOrARN, ":pipeline/")
	return name, true
}

// getPipeline finds a pipeline by name or ARN. ARNs are in lower case, so one is looked up as such.
func getPipeline(tx *store.Tx, scope store.Scope, nameOrARN *string) (*pipeline, error) {
	key := awsapi.Val(nameOrARN)
	var p *pipeline
	var err error
	if _, isARN := nameOf(key); isARN {
		p, err = pipelineRows.GetARN(tx, key)
	} else {
		p, err = pipelineRows.Get(tx, scope, key)
	}
	if errors.Is(err, store.ErrNotFound) {
		name, _ := nameOf(key)
		return nil, awsapi.NotFound("Pipeline '%s' does not exist in account '%s' in region '%s'.", name, scope.Account, scope.Region)
	}
	return p, err
}

// getExecution finds an execution by ARN.
func getExecution(tx *store.Tx, arn *string) (*execution, error) {
	e, err := executionRows.GetARN(tx, awsapi.Val(arn))
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.NotFound("Pipeline execution with ARN '%s' does not exist.", awsapi.Val(arn))
	}
	return e, err
}

// viewExecution reads one execution for a Describe or List operation.
func (s *Service) viewExecution(ctx context.Context, arn *string) (e *execution, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		e, err = getExecution(tx, arn)
		return err
	})
	return e, err
}

// as gives ctx the identity that an execution acts with, and makes it the owner of what it creates.
func (e *execution) as(ctx context.Context) context.Context {
	ctx = identity.With(ctx, identity.Principal{Account: e.Scope.Account, Region: e.Scope.Region, RoleARN: e.RoleARN, SessionName: "pipeline-" + e.ID})
	return durable.WithOwner(ctx, durable.Owner{Kind: controller, Key: e.ARN})
}

// findExecution reads the execution that a lease is for; its key is the execution's ARN.
func findExecution(tx *store.Tx, arn string) (*execution, error) {
	return executionRows.GetARN(tx, arn)
}
