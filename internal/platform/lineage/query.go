package lineage

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// The service's bounds of a query: how far it goes and how much it shows at a time. It holds what it has met, so that is bounded too.
const (
	maxDepth    = 10
	maxVertices = 50
	maxMet      = 50_000
)

// QueryLineage finds what an entity came from, what came from it, or both, over all associations between.
func (s *Service) QueryLineage(ctx context.Context, in *awsapi.QueryLineageRequest) (*awsapi.QueryLineageResponse, error) {
	if len(in.StartArns) == 0 {
		return nil, awsapi.Validation("StartArns must name the entity that the query starts at.")
	}
	w := &walk{scope: identity.From(ctx).Scope(), svc: s, depth: maxDepth, met: map[string]*vertex{}, edges: map[string]*association{}}
	if in.MaxDepth != nil {
		w.depth = int(*in.MaxDepth)
	}
	out := &awsapi.QueryLineageResponse{Vertices: []awsapi.Vertex{}, Edges: []awsapi.Edge{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		for _, arn := range in.StartArns {
			if err := w.from(tx, arn, awsapi.Val(in.Direction)); err != nil {
				return err
			}
		}
		w.choose(in.Filters, in.IncludeEdges == nil || *in.IncludeEdges)
		return w.answer(in, out)
	})
}

// A vertex is an entity that a query has met.
type vertex struct {
	arn    string
	kind   string // such as DataSet
	family string // a LineageType
	entity *entity
	before []string // by which entities, one step nearer to the start, it was met
	chosen bool
}

// A walk goes through the graph, breadth first and in an order that is the same each time.
type walk struct {
	svc   *Service
	scope store.Scope
	depth int
	met   map[string]*vertex
	order []*vertex
	edges map[string]*association // by name
}

// from walks from an entity. Both directions are two walks: up to where it came from and down to what came from it, but not down again from there.
func (w *walk) from(tx *store.Tx, arn, direction string) error {
	start, err := w.load(tx, arn)
	if err != nil {
		return err
	}
	if start == nil {
		return missing("Lineage entity", arn)
	}
	w.add(start)
	ends := map[string][]string{awsapi.DirectionAscendants: {"destination"}, awsapi.DirectionDescendants: {"source"}}[direction]
	if ends == nil {
		ends = []string{"destination", "source"}
	}
	for _, end := range ends {
		seen := map[string]bool{arn: true}
		level := []string{arn}
		for range w.depth {
			if level, err = w.step(tx, level, end, seen); err != nil || len(level) == 0 {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) add(v *vertex) {
	w.met[v.arn] = v
	w.order = append(w.order, v)
}

// step follows the associations that have one of these entities at that end, and returns the entities at the other that are new.
func (w *walk) step(tx *store.Tx, level []string, end string, seen map[string]bool) (next []string, err error) {
	for _, arn := range level {
		for q := (store.Query{Keys: map[string]string{end: arn}}); ; {
			page, err := associationRows.List(tx, w.scope, q)
			if err != nil {
				return nil, err
			}
			for i := range page.Items {
				a := &page.Items[i]
				other := a.Source
				if end == "source" {
					other = a.Destination
				}
				if err := w.meet(tx, a, arn, other); err != nil {
					return nil, err
				}
				if !seen[other] {
					seen[other] = true
					next = append(next, other)
				}
			}
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
	}
	return next, nil
}

func (w *walk) meet(tx *store.Tx, a *association, near, far string) error {
	w.edges[edgeName(a.Source, a.Destination)] = a
	v := w.met[far]
	if v == nil {
		var err error
		if v, err = w.load(tx, far); err != nil {
			return err
		}
		if v == nil { // deleted, and its associations not yet
			v = &vertex{arn: far, entity: &entity{ARN: far}}
			_, v.kind = nodeOf(tx, far)
			v.family = familyOf(far)
		}
		if len(w.met) == maxMet {
			return awsapi.Validation("The query meets more than %d entities. Give a smaller MaxDepth.", maxMet)
		}
		w.add(v)
	}
	v.before = append(v.before, near)
	return nil
}

func familyOf(arn string) string {
	switch {
	case strings.Contains(arn, ":artifact/"):
		return awsapi.LineageTypeArtifact
	case strings.Contains(arn, ":action/"):
		return awsapi.LineageTypeAction
	case strings.Contains(arn, ":context/"):
		return awsapi.LineageTypeContext
	}
	return awsapi.LineageTypeTrialComponent
}

// load reads an entity, or returns nil where there is none of that ARN.
func (w *walk) load(tx *store.Tx, arn string) (*vertex, error) {
	v := &vertex{arn: arn, family: familyOf(arn)}
	if v.family == awsapi.LineageTypeTrialComponent {
		return v, v.loadComponent(tx, w.svc.Components)
	}
	rows := map[string]*store.Collection[entity]{awsapi.LineageTypeArtifact: artifactRows, awsapi.LineageTypeAction: actionRows, awsapi.LineageTypeContext: contextRows}[v.family]
	e, err := rows.GetARN(tx, arn)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		v.entity, v.kind = e, e.Type
	}
	return v, err
}

// loadComponent reads what the filters look at of a trial component. The component of a job may be made after the job's associations are.
func (v *vertex) loadComponent(tx *store.Tx, components Components) error {
	v.entity, v.kind = &entity{ARN: v.arn}, jobKind(v.arn)
	d, err := components.ComponentByARN(tx, v.arn)
	if awsapi.IsNotFound(err) {
		return nil
	}
	if err == nil {
		v.entity.Created, v.entity.Modified = d.CreationTime.Time, d.LastModifiedTime.Time
	}
	return err
}

// jobKind is the type of a trial component in a query: that of its job.
func jobKind(arn string) string {
	for suffix, kind := range map[string]string{"-aws-training-job": "TrainingJob", "-aws-processing-job": "ProcessingJob", "-aws-transform-job": "TransformJob"} {
		if strings.HasSuffix(arn, suffix) {
			return kind
		}
	}
	return "TrialComponent"
}

// choose marks the vertices that the filters let pass, and with edges those on the way to them.
func (w *walk) choose(f *awsapi.QueryFilters, paths bool) {
	if f == nil {
		f = &awsapi.QueryFilters{}
	}
	var way []*vertex
	for _, v := range w.order {
		if len(v.before) > 0 && v.passes(f) {
			v.chosen = true
			way = append(way, v)
		}
	}
	for paths && len(way) > 0 {
		v := way[len(way)-1]
		way = way[:len(way)-1]
		for _, arn := range v.before {
			if b := w.met[arn]; !b.chosen {
				b.chosen = true
				way = append(way, b)
			}
		}
	}
}

func (v *vertex) passes(f *awsapi.QueryFilters) bool {
	e := v.entity
	switch {
	case len(f.Types) > 0 && !slices.Contains(f.Types, v.kind) && !slices.Contains(f.Types, "SageMaker"+v.kind),
		len(f.LineageTypes) > 0 && !slices.Contains(f.LineageTypes, v.family),
		f.CreatedAfter != nil && e.Created.Before(f.CreatedAfter.Time),
		f.CreatedBefore != nil && e.Created.After(f.CreatedBefore.Time),
		f.ModifiedAfter != nil && e.Modified.Before(f.ModifiedAfter.Time),
		f.ModifiedBefore != nil && e.Modified.After(f.ModifiedBefore.Time):
		return false
	}
	for key, value := range f.Properties { // one of them is enough
		if have, ok := e.Properties[key]; ok && have == value {
			return true
		}
	}
	return len(f.Properties) == 0
}

// answer is one page of the chosen vertices. An edge is on the page on which the later of its two ends is.
func (w *walk) answer(in *awsapi.QueryLineageRequest, out *awsapi.QueryLineageResponse) error {
	chosen := slices.DeleteFunc(w.order, func(v *vertex) bool { return !v.chosen })
	place := map[string]int{}
	for i, v := range chosen {
		place[v.arn] = i
	}
	from, limit := 0, maxVertices
	if in.MaxResults != nil && *in.MaxResults > 0 {
		limit = int(*in.MaxResults)
	}
	if in.NextToken != nil && *in.NextToken != "" {
		at, ok := place[*in.NextToken]
		if !ok {
			return awsapi.Validation("NextToken is not one that this query gave.")
		}
		from = at + 1
	}
	to := min(from+limit, len(chosen))
	for _, v := range chosen[from:to] {
		out.Vertices = append(out.Vertices, awsapi.Vertex{Arn: &v.arn, Type: awsapi.Optional(v.kind), LineageType: &v.family})
	}
	if to < len(chosen) {
		out.NextToken = &chosen[to-1].arn
	}
	if in.IncludeEdges != nil && !*in.IncludeEdges {
		return nil
	}
	names := make([]string, 0, len(w.edges))
	for name := range w.edges {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		a := w.edges[name]
		source, ok := place[a.Source]
		destination, too := place[a.Destination]
		if last := max(source, destination); ok && too && from <= last && last < to {
			out.Edges = append(out.Edges, awsapi.Edge{SourceArn: &a.Source, DestinationArn: &a.Destination, AssociationType: awsapi.Optional(a.Type)})
		}
	}
	return nil
}
