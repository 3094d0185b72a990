package search

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// scanPage is how many records are read at a time.
const scanPage = 200

// Search finds the resources of a type that satisfy an expression.
func (s *Service) Search(ctx context.Context, in *awsapi.SearchRequest) (*awsapi.SearchResponse, error) {
	out := &awsapi.SearchResponse{Results: []awsapi.SearchRecord{}, TotalHits: &awsapi.TotalHits{Value: new(int64(0)), Relation: new(awsapi.RelationEqualTo)}}
	k, ok := kindOf(*in.Resource)
	if !ok {
		return out, nil
	}
	p, err := s.plan(in, k)
	if err != nil {
		return nil, err
	}
	lister := s.Listers[*in.Resource]
	if lister == nil || awsapi.Val(in.CrossAccountFilterOption) == awsapi.CrossAccountFilterOptionCrossAccount { // there is one account
		return out, nil
	}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		scope := identity.From(ctx).Scope()
		for q := (store.Query{Limit: scanPage}); ; {
			page, err := lister(tx, scope, p.equal, q)
			if err != nil {
				return err
			}
			for i := range page.Items {
				if err := p.take(tx, &page.Items[i]); err != nil {
					return err
				}
			}
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
		return s.answer(tx, p, out)
	})
}

// A plan is a search that runs.
type plan struct {
	compiler
	kind       kind
	fits       condition
	sortBy     string
	descending bool
	limit      int
	after      *place // of the page before, or nil
	request    string // tells searches apart by everything but the page

	hits int64
	best []found // the records of the page so far, and one more
}

// A place is where a record lies in the order of a search.
type place struct {
	Value   any // a string, a float64, a bool, or nil where the record has no value
	ID      string
	Request string
}

type found struct {
	place
	record *awsapi.SearchRecord
	tagged bool
}

func (s *Service) plan(in *awsapi.SearchRequest, k kind) (*plan, error) {
	p := &plan{compiler: compiler{resource: *in.Resource, shape: k.shape(), equal: map[string]string{}}, kind: k, sortBy: awsapi.Val(in.SortBy),
		descending: awsapi.Val(in.SortOrder) != awsapi.SearchSortOrderAscending, limit: awsapi.PageSize(in.MaxResults)}
	e := in.SearchExpression
	if len(in.VisibilityConditions) > 0 {
		visible := &awsapi.SearchExpression{}
		for _, v := range in.VisibilityConditions {
			visible.Filters = append(visible.Filters, awsapi.Filter{Name: v.Key, Value: v.Value})
		}
		if e != nil {
			visible.SubExpressions = []awsapi.SearchExpression{*e}
		}
		e = visible
	}
	var err error
	if p.fits, err = p.expression(e, true); err != nil {
		return nil, err
	}
	if p.sortBy == "" {
		p.sortBy = "CreationTime"
		if _, ok := typeAt(p.shape, "LastModifiedTime"); ok {
			p.sortBy = "LastModifiedTime"
		}
	}
	if _, err := p.check(p.shape, p.sortBy, p.sortBy); err != nil {
		return nil, err
	}
	p.tags = p.tags || mentionsTags(p.sortBy)
	request := *in
	request.NextToken, request.MaxResults = nil, nil
	sum := sha256.Sum256(awsapi.Encode(request))
	p.request = base64.RawURLEncoding.EncodeToString(sum[:6])
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil || json.Unmarshal(b, &p.after) != nil || p.after == nil || p.after.Request != p.request {
			return nil, awsapi.Validation("NextToken is not one that this search gave.")
		}
	}
	return p, nil
}

// take looks at one record and keeps it if it belongs to the page, as far as is known.
func (p *plan) take(tx *store.Tx, r *awsapi.SearchRecord) error {
	v := p.kind.of(r)
	f := found{record: r}
	if p.tags {
		if err := p.addTags(tx, v); err != nil {
			return err
		}
		f.tagged = true
	}
	if !p.fits(v) {
		return nil
	}
	p.hits++
	f.place = p.placeOf(v)
	if p.after != nil && p.order(f.place, *p.after) <= 0 {
		return nil
	}
	at, _ := slices.BinarySearchFunc(p.best, f.place, func(a found, b place) int { return p.order(a.place, b) })
	if at <= p.limit {
		p.best = slices.Insert(p.best, at, f)
		p.best = p.best[:min(len(p.best), p.limit+1)]
	}
	return nil
}

// addTags gives a record its tags, where its kind has any.
func (p *plan) addTags(tx *store.Tx, v reflect.Value) error {
	field := v.FieldByName("Tags")
	if !field.IsValid() {
		return nil
	}
	tags, err := tx.Tags(p.idOf(v))
	if len(tags) > 0 {
		field.Set(reflect.ValueOf(tags))
	}
	return err
}

func (p *plan) idOf(v reflect.Value) string {
	parts := make([]string, len(p.kind.id))
	for i, name := range p.kind.id {
		parts[i] = fmt.Sprint(v.FieldByName(name).Elem())
	}
	return strings.Join(parts, "/")
}

func (p *plan) placeOf(v reflect.Value) place {
	at := place{ID: p.idOf(v), Request: p.request}
	if values := valuesAt(v, p.sortBy); len(values) > 0 {
		at.Value = values[0]
	}
	return at
}

// order compares two places: numbers before text, what has no value last, and by id where the values are equal.
func (p *plan) order(a, b place) int {
	if (a.Value == nil) != (b.Value == nil) {
		if a.Value == nil {
			return 1
		}
		return -1
	}
	c := 0
	switch x := a.Value.(type) {
	case nil:
	case float64:
		y, ok := b.Value.(float64)
		if c = -1; ok {
			c = compareNumbers(x, y)
		}
	default:
		if _, number := b.Value.(float64); number {
			c = 1
		} else {
			c = strings.Compare(fmt.Sprint(x), fmt.Sprint(b.Value))
		}
	}
	if c == 0 {
		c = strings.Compare(a.ID, b.ID)
	}
	if p.descending {
		return -c
	}
	return c
}

func compareNumbers(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// answer finishes the records of the page.
func (s *Service) answer(tx *store.Tx, p *plan, out *awsapi.SearchResponse) error {
	*out.TotalHits.Value = p.hits
	if len(p.best) > p.limit {
		p.best = p.best[:p.limit]
		b, err := json.Marshal(p.best[p.limit-1].place)
		if err != nil {
			return err
		}
		out.NextToken = new(base64.RawURLEncoding.EncodeToString(b))
	}
	for _, f := range p.best {
		if !f.tagged {
			if err := p.addTags(tx, p.kind.of(f.record)); err != nil {
				return err
			}
		}
		if c := f.record.TrialComponent; c != nil && c.Source != nil && s.SourceDetail != nil {
			var err error
			if c.SourceDetail, err = s.SourceDetail(tx, *c.Source.SourceArn); err != nil {
				return err
			}
		}
		out.Results = append(out.Results, *f.record)
	}
	return nil
}
