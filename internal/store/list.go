package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A SortField is what a list is ordered by. Resources that are equal in it are ordered by name.
type SortField string

// The fields to sort by.
const (
	ByName     SortField = "name"
	ByCreated  SortField = "created"
	ByModified SortField = "modified"
	ByStatus   SortField = "status"
)

// A Query says what to list. Every member that is set narrows the list.
type Query struct {
	Parent, Status                string
	Keys                          map[string]string
	NameContains, NamePrefix      string // contained in any case of letters; the prefix is exact
	CreatedAfter, CreatedBefore   *time.Time
	ModifiedAfter, ModifiedBefore *time.Time
	SortBy                        SortField // Defaults to ByName.
	Descending                    bool
	Limit                         int    // Defaults to 100.
	Token                         string // Next of the page before
}

// A Page is one page of a list. Next is "" on the last.
type Page[T any] struct {
	Items []T
	Next  string
}

// ErrBadToken is given for a page token that this query did not give.
var ErrBadToken = errors.New("the page token is not one that this query gave")

// where builds the conditions of a query.
type where struct {
	text []string
	args []any
}

func (w *where) and(condition string, args ...any) {
	w.text = append(w.text, condition)
	w.args = append(w.args, args...)
}

func (c *Collection[T]) where(s Scope, q Query) *where {
	w := &where{}
	w.and(`account = ? AND region = ? AND kind = ?`, s.Account, s.Region, c.kind)
	if q.Parent != "" {
		w.and(`parent = ?`, q.Parent)
	}
	if q.Status != "" {
		w.and(`status = ?`, q.Status)
	}
	if q.NameContains != "" {
		w.and(`LOWER(name) LIKE ? ESCAPE '\'`, "%"+escapeLike(strings.ToLower(q.NameContains))+"%")
	}
	if q.NamePrefix != "" {
		w.and(`SUBSTR(name, 1, ?) = ?`, len([]rune(q.NamePrefix)), q.NamePrefix)
	}
	for condition, t := range map[string]*time.Time{`created >= ?`: q.CreatedAfter, `created <= ?`: q.CreatedBefore, `modified >= ?`: q.ModifiedAfter, `modified <= ?`: q.ModifiedBefore} {
		if t != nil {
			w.and(condition, t.UnixMicro())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(q.Keys)) {
		w.and(`name IN (SELECT name FROM resource_keys WHERE account = ? AND region = ? AND kind = ? AND key = ? AND value = ?)`,
			s.Account, s.Region, c.kind, key, q.Keys[key])
	}
	return w
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// List returns one page. Pages follow one another by the last row's place in the order, so that rows added or removed meanwhile neither
// repeat nor hide others.
func (c *Collection[T]) List(tx *Tx, s Scope, q Query) (Page[T], error) {
	if q.SortBy == "" {
		q.SortBy = ByName
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	w := c.where(s, q)
	direction, beyond := "ASC", ">"
	if q.Descending {
		direction, beyond = "DESC", "<"
	}
	if q.Token != "" {
		t, err := c.readToken(s, q)
		if err != nil {
			return Page[T]{}, err
		}
		if q.SortBy == ByName {
			w.and(`name `+beyond+` ?`, t.Name)
		} else {
			w.and(fmt.Sprintf(`(%s, name) %s (?, ?)`, q.SortBy, beyond), t.at(q.SortBy), t.Name)
		}
	}
	order := fmt.Sprintf("%s %s", q.SortBy, direction)
	if q.SortBy != ByName {
		order += ", name " + direction
	}
	var page Page[T]
	var last, mark token
	err := tx.Query(func(rows *sql.Rows) error {
		var doc string
		if err := rows.Scan(&mark.Name, &mark.Status, &mark.Created, &mark.Modified, &doc); err != nil {
			return err
		}
		if len(page.Items) == q.Limit { // one more than asked was read, to know whether there is a next page
			page.Next = last.write(c.fingerprint(s, q))
			return nil
		}
		v, err := c.decode(doc)
		if err != nil {
			return err
		}
		page.Items = append(page.Items, *v)
		last = mark
		return nil
	}, `SELECT name, status, created, modified, doc FROM resources WHERE `+strings.Join(w.text, " AND ")+` ORDER BY `+order+` LIMIT ?`, append(w.args, q.Limit+1)...)
	return page, err
}

// Count returns how many resources a query has on all its pages.
func (c *Collection[T]) Count(tx *Tx, s Scope, q Query) (n int, err error) {
	w := c.where(s, q)
	_, err = tx.one([]any{&n}, `SELECT COUNT(*) FROM resources WHERE `+strings.Join(w.text, " AND "), w.args...)
	return n, err
}

// A token is a place in an order, with a fingerprint of the query that it belongs to.
type token struct {
	Name, Status      string
	Created, Modified int64
	Query             string
}

func (t token) at(field SortField) any {
	switch field {
	case ByCreated:
		return t.Created
	case ByModified:
		return t.Modified
	}
	return t.Status
}

func (t token) write(query string) string {
	t.Query = query
	b, err := json.Marshal(t)
	if err != nil {
		panic("a token can be encoded: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (c *Collection[T]) readToken(s Scope, q Query) (t token, err error) {
	b, err := base64.RawURLEncoding.DecodeString(q.Token)
	if err != nil || json.Unmarshal(b, &t) != nil || t.Query != c.fingerprint(s, q) {
		return t, ErrBadToken
	}
	return t, nil
}

// fingerprint tells queries apart by everything but page size and place.
func (c *Collection[T]) fingerprint(s Scope, q Query) string {
	q.Limit, q.Token = 0, ""
	b, err := json.Marshal([]any{s, c.kind, q})
	if err != nil {
		panic("a query can be encoded: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// Each calls fn for every resource of the kind, in all scopes.
func (c *Collection[T]) Each(tx *Tx, fn func(*T) error) error {
	return tx.Query(func(rows *sql.Rows) error {
		var doc string
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		v, err := c.decode(doc)
		if err != nil {
			return err
		}
		return fn(v)
	}, `SELECT doc FROM resources WHERE kind = ?`, c.kind)
}
