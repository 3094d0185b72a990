package featurestore

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Deps is what the room needs from below.
type Deps struct {
	DB      *store.DB
	Objects object.Store
	World   world.World
	Log     *slog.Logger
	Path    string // the file of the records
}

// Service serves the operations of feature groups and records.
type Service struct {
	Deps
	records *store.DB

	mu     sync.RWMutex
	groups map[string]*live // by scope and name
	jobs   sync.Map         // job, way and group that are noted already

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// A live is a feature group in memory, for the path that every record takes.
type live struct {
	group
	types   map[string]string // feature → type
	inUse   sync.RWMutex      // held by writers of records; the deletion of the group takes it whole
	gone    bool
	dirty   atomic.Bool // something acknowledged may not be in the offline store
	pending atomic.Int64
	flush   sync.Mutex
}

// New opens the file of the records.
func New(ctx context.Context, deps Deps) (*Service, error) {
	records, err := store.Open(ctx, store.Options{Path: deps.Path, World: deps.World, Schema: migrations})
	if err != nil {
		return nil, err
	}
	return &Service{Deps: deps, records: records, groups: map[string]*live{}}, nil
}

// flushEvery and flushAt bound how long and how much a log waits for a reader.
const (
	flushEvery = 30 * time.Second
	flushAt    = 100_000
)

// Start loads the groups that have something to flush, and flushes now and then.
func (s *Service) Start(ctx context.Context) error {
	if err := s.loadAll(ctx); err != nil {
		return err
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() {
		ticker := time.NewTicker(flushEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, g := range s.loaded() {
				if err := s.flushGroup(ctx, g); err != nil && ctx.Err() == nil {
					s.Log.Error("flush feature group", "group", g.Name, "error", err)
				}
			}
		}
	})
	return nil
}

// Stop ends the flushing and closes the file. What is in the log is flushed after the next start.
func (s *Service) Stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.wg.Wait()
	if err := s.records.Close(); err != nil {
		s.Log.Error("close records", "error", err)
	}
}

func (s *Service) loaded() (out []*live) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.groups {
		out = append(out, g)
	}
	return out
}

// loadAll brings every group into memory; there are few, and a read of a prefix asks all of them.
func (s *Service) loadAll(ctx context.Context) error {
	waiting := map[string]int64{}
	err := s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error {
			var grp string
			var n int64
			err := rows.Scan(&grp, &n)
			waiting[grp] = n
			return err
		}, `SELECT grp, SUM(n) FROM (SELECT grp, COUNT(*) AS n FROM log GROUP BY grp UNION ALL SELECT DISTINCT grp, 0 FROM records UNION ALL SELECT grp, 0 FROM flushes) GROUP BY grp`)
	})
	if err != nil {
		return err
	}
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		return groupRows.Each(tx, func(g *group) error {
			l := newLive(g)
			l.dirty.Store(waiting[g.Making] > 0)
			l.pending.Store(waiting[g.Making])
			delete(waiting, g.Making)
			s.keep(l)
			return nil
		})
	})
	if err != nil {
		return err
	}
	for making := range waiting { // of groups whose deletion was interrupted after the group itself was gone
		if err := s.forget(ctx, making); err != nil {
			return err
		}
	}
	return nil
}

// forget removes everything that is kept of one making of a group.
func (s *Service) forget(ctx context.Context, making string) error {
	return s.records.Update(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"records", "log", "flushes"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE grp = ?`, making); err != nil {
				return err
			}
		}
		return nil
	})
}

func newLive(g *group) *live {
	l := &live{group: *g, types: map[string]string{}}
	for _, f := range g.Features {
		l.types[awsapi.Val(f.FeatureName)] = awsapi.Val(f.FeatureType)
	}
	return l
}

func groupKey(scope store.Scope, name string) string {
	return scope.Account + "/" + scope.Region + "/" + name
}

func (s *Service) keep(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[groupKey(l.Scope, l.Name)] = l
}

// nameOf takes a group's name out of a name or an ARN.
func nameOf(nameOrARN string) string {
	if _, name, ok := strings.Cut(nameOrARN, ":feature-group/"); ok {
		return name
	}
	return nameOrARN
}

// live returns a group for the path of records.
func (s *Service) live(ctx context.Context, nameOrARN *string) (*live, error) {
	scope := identity.From(ctx).Scope()
	name := nameOf(awsapi.Val(nameOrARN))
	s.mu.RLock()
	l := s.groups[groupKey(scope, name)]
	s.mu.RUnlock()
	if l == nil {
		return nil, awsapi.NotFound("Feature group with name '%s' was not found.", name)
	}
	if l.Status != awsapi.FeatureGroupStatusCreated {
		return nil, awsapi.ValidationError("Validation Error: FeatureGroup '%s' is %s; records need one that is Created.", name, l.Status)
	}
	return l, nil
}

// group is the row of a feature group.
type group struct {
	Name, ARN, Description, RoleARN string
	Scope                           store.Scope
	Making                          string // tells this group from an earlier one of the same name
	Identifier, EventTime           string // names of features
	Features                        []awsapi.FeatureDefinition
	Online                          *awsapi.OnlineStoreConfig
	Offline                         *awsapi.OfflineStoreConfig
	Throughput                      *awsapi.ThroughputConfig
	Notes                           map[string]*note // on features, of those that have any
	Status                          string
	Created, Modified               time.Time
}

var groupRows = store.NewCollection("feature-group", func(g *group) store.Index {
	i := store.Index{Status: g.Status, Created: g.Created, Modified: g.Modified, Keys: map[string]string{}}
	if g.Offline != nil {
		i.Keys["offline"] = awsapi.OfflineStoreStatusValueActive
	} else {
		i.Keys["offline"] = awsapi.OfflineStoreStatusValueDisabled
	}
	return i
})

func (g *group) online() bool { return g.Online != nil && awsapi.Val(g.Online.EnableOnlineStore) }

// location is where the offline store lies, or "".
func (g *group) location() string {
	if g.Offline == nil {
		return ""
	}
	return awsapi.Val(g.Offline.S3StorageConfig.ResolvedOutputS3Uri)
}

func (s *Service) find(tx *store.Tx, scope store.Scope, nameOrARN *string) (*group, error) {
	g, err := groupRows.Get(tx, scope, nameOf(awsapi.Val(nameOrARN)))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noGroup(nameOf(awsapi.Val(nameOrARN)))
	}
	return g, err
}

func noGroup(name string) error {
	return awsapi.NotFound("Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name %s", name)
}

// emit appends the event of a group's status.
func emit(tx *store.Tx, g *group, status string) error {
	data, err := json.Marshal(g.describe())
	if err != nil {
		return fmt.Errorf("describe %s: %w", g.Name, err)
	}
	return tx.Emit(store.Event{Type: "FeatureGroup." + status, Resource: g.ARN, Data: data})
}
