package experiments

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Deps is what the room needs from below.
type Deps struct {
	DB    *store.DB
	World world.World
	Log   *slog.Logger
}

// Service serves the operations of experiments.
type Service struct {
	Deps
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New returns the room's service.
func New(deps Deps) *Service { return &Service{Deps: deps} }

// Start begins to consume events.
func (s *Service) Start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() {
		for ctx.Err() == nil {
			err := s.DB.Consume(ctx, "experiments", s.consume)
			if ctx.Err() == nil {
				s.Log.Error("consume events", "room", "experiments", "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
	})
	return nil
}

// Stop ends the consuming; it goes on where it was with the next Start.
func (s *Service) Stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.wg.Wait()
}

// component is the row of a trial component.
type component struct {
	awsapi.DescribeTrialComponentResponse
	RunName string // of the run that made the component's job
	// TrainingJob is the job's name where the component is one's, or "".
	TrainingJob string
	// Trials are the trials that the component is in, Experiments the experiment of each.
	Trials, Experiments []string
	Sums                map[string]sum // of the metrics that were put, by name
}

// sum is what the mean and the spread of a metric are made from.
type sum struct {
	Sum, Squares float64
	Count        int
}

var (
	experimentRows = store.NewCollection("experiment", func(e *awsapi.DescribeExperimentResponse) store.Index {
		return store.Index{Created: e.CreationTime.Time, Modified: e.LastModifiedTime.Time}
	})
	trialRows = store.NewCollection("trial", func(t *awsapi.DescribeTrialResponse) store.Index {
		return store.Index{Parent: *t.ExperimentName, Created: t.CreationTime.Time, Modified: t.LastModifiedTime.Time}
	})
	componentRows = store.NewCollection("trial-component", func(c *component) store.Index {
		i := store.Index{Created: c.CreationTime.Time, Modified: c.LastModifiedTime.Time, Keys: map[string]string{}}
		for _, t := range c.Trials {
			i.Keys["trial:"+t] = "in"
		}
		for _, e := range c.Experiments {
			i.Keys["experiment:"+e] = "in"
		}
		if c.Source != nil {
			i.Keys["source"] = awsapi.Val(c.Source.SourceArn)
		}
		return i
	})
)

// missing turns the store's word for what is not there into the API's.
func missing[T any](row *T, err error, kind, name string) (*T, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.NotFound("%s '%s' does not exist.", kind, name)
	}
	return row, err
}

func getExperiment(tx *store.Tx, scope store.Scope, name *string) (*awsapi.DescribeExperimentResponse, error) {
	e, err := experimentRows.Get(tx, scope, awsapi.Val(name))
	return missing(e, err, "Experiment", awsapi.Val(name))
}

func getTrial(tx *store.Tx, scope store.Scope, name *string) (*awsapi.DescribeTrialResponse, error) {
	t, err := trialRows.Get(tx, scope, awsapi.Val(name))
	return missing(t, err, "Trial", awsapi.Val(name))
}

func getComponent(tx *store.Tx, scope store.Scope, nameOrARN *string) (*component, error) {
	name := awsapi.Val(nameOrARN)
	if _, after, isARN := strings.Cut(name, ":experiment-trial-component/"); isARN {
		name = after
	}
	c, err := componentRows.Get(tx, scope, name)
	return missing(c, err, "Trial component", name)
}

// taken is the error of a name that is in use.
func taken(kind, name string) error {
	return awsapi.Validation("%s '%s' already exists.", kind, name)
}

func now(s *Service) *awsapi.Time { return awsapi.Stamp(s.World.Now()) }

// query reads the members that all lists of the room have.
func query(after, before *awsapi.Time, byName bool, sortOrder *string, max *int32, token *string) store.Query {
	q := store.Query{CreatedAfter: awsapi.Moment(after), CreatedBefore: awsapi.Moment(before), SortBy: store.ByCreated,
		Descending: awsapi.Val(sortOrder) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(max), Token: awsapi.Val(token), Keys: map[string]string{}}
	if byName {
		q.SortBy = store.ByName
	}
	return q
}

func (c *component) in(trial string) bool { return slices.Contains(c.Trials, trial) }

// emit appends the event of a resource that was made or deleted.
func emit(tx *store.Tx, what string, arn *string, description any) error {
	return tx.Emit(store.Event{Type: what, Resource: *arn, Data: awsapi.Encode(description)})
}
