package lineage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// FeatureGroups knows which feature groups a job touched.
type FeatureGroups interface {
	WrittenBy(ctx context.Context, jobARN string) ([]string, error)
	ReadBy(ctx context.Context, jobARN string) ([]string, error)
}

// Endpoints knows which models an endpoint serves.
type Endpoints interface {
	DescribeEndpointConfig(context.Context, *awsapi.DescribeEndpointConfigInput) (*awsapi.DescribeEndpointConfigOutput, error)
	DescribeModel(context.Context, *awsapi.DescribeModelInput) (*awsapi.DescribeModelOutput, error)
}

// Components knows the trial components, which are the nodes of jobs.
type Components interface {
	ComponentByARN(tx *store.Tx, arn string) (*awsapi.DescribeTrialComponentResponse, error)
}

// Deps is what the room needs from below and beside it. What is beside it is asked while events are consumed, so it must only read.
type Deps struct {
	DB         *store.DB
	Objects    object.Store
	World      world.World
	Log        *slog.Logger
	Features   FeatureGroups
	Endpoints  Endpoints
	Components Components
}

// Service serves the operations of lineage.
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
			err := s.DB.Consume(ctx, "lineage", func(tx *store.Tx, e store.Event) error { return s.consume(ctx, tx, e) })
			if ctx.Err() == nil {
				s.Log.Error("consume events", "room", "lineage", "error", err)
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

// entity is the row of an artifact, an action or a context.
type entity struct {
	Name, ARN, Type     string
	SourceURI, SourceID string
	SourceType          string
	SourceTypes         []awsapi.ArtifactSourceType
	Description, Status string
	Properties          map[string]string
	Group               string // name of the feature group that an artifact stands for
	Metadata            *awsapi.MetadataProperties
	Created, Modified   time.Time
}

// association is the row of an edge.
type association struct {
	Source, Destination         string // ARNs
	SourceName, DestinationName string
	SourceType, DestinationType string
	Type                        string
	Created                     time.Time
}

func index(e *entity) store.Index {
	return store.Index{Created: e.Created, Modified: e.Modified, Keys: map[string]string{"source": e.SourceURI, "type": e.Type, "group": e.Group}}
}

var (
	artifactRows = store.NewCollection("artifact", index)
	actionRows   = store.NewCollection("action", index)
	contextRows  = store.NewCollection("context", index)

	// An association's name begins with its source, and its status is its destination, so that it is listed in the order of either.
	associationRows = store.NewCollection("association", func(a *association) store.Index {
		return store.Index{Created: a.Created, Status: a.Destination, Keys: map[string]string{"source": a.Source, "destination": a.Destination,
			"sourceType": a.SourceType, "destinationType": a.DestinationType, "type": a.Type}}
	})
)

// digest is 32 hexadecimal digits that follow from its arguments.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

func missing(kind, name string) error {
	return awsapi.NotFound("%s '%s' does not exist.", kind, name)
}

// lastPart takes a name out of a name or an ARN.
func lastPart(nameOrARN, kind string) string {
	if _, name, ok := strings.Cut(nameOrARN, ":"+kind+"/"); ok {
		return name
	}
	return nameOrARN
}

// get reads an action or a context by name or ARN.
func get(rows *store.Collection[entity], tx *store.Tx, scope store.Scope, nameOrARN *string, kind string) (*entity, error) {
	given := awsapi.Val(nameOrARN)
	var e *entity
	var err error
	if strings.HasPrefix(given, "arn:") {
		e, err = rows.GetARN(tx, given)
	} else {
		e, err = rows.Get(tx, scope, lastPart(given, kind))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing(strings.ToUpper(kind[:1])+kind[1:], given)
	}
	return e, err
}

func query(after, before *awsapi.Time, byName bool, order *string, max *int32, token, uri, kind *string) store.Query {
	q := store.Query{CreatedAfter: awsapi.Moment(after), CreatedBefore: awsapi.Moment(before), SortBy: store.ByCreated, Keys: map[string]string{},
		Descending: awsapi.Val(order) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(max), Token: awsapi.Val(token)}
	if byName {
		q.SortBy = store.ByName
	}
	for key, value := range map[string]*string{"source": uri, "type": kind} {
		if value != nil {
			q.Keys[key] = *value
		}
	}
	return q
}

// update changes properties and description of an entity.
func (e *entity) update(description *string, status *string, add map[string]string, remove []string, now time.Time) {
	if description != nil {
		e.Description = *description
	}
	if status != nil {
		e.Status = *status
	}
	for k, v := range add {
		if e.Properties == nil {
			e.Properties = map[string]string{}
		}
		e.Properties[k] = v
	}
	for _, k := range remove {
		delete(e.Properties, k)
	}
	e.Modified = now
}

// removeEntity deletes an entity that no association names.
func removeEntity(tx *store.Tx, rows *store.Collection[entity], scope store.Scope, name string, e *entity) error {
	for _, end := range []string{"source", "destination"} {
		n, err := associationRows.Count(tx, scope, store.Query{Keys: map[string]string{end: e.ARN}})
		if err != nil {
			return err
		}
		if n > 0 {
			return awsapi.Validation("'%s' cannot be deleted: %d associations have it as their %s. Delete them first.", e.ARN, n, end)
		}
	}
	return rows.Delete(tx, scope, name)
}
