package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Scope is whose resources these are: an account in a region.
type Scope struct{ Account, Region string }

// ARN names a SageMaker resource of the scope: "training-job/x" gives arn:aws:sagemaker:<region>:<account>:training-job/x.
func (s Scope) ARN(resource string) string {
	return "arn:aws:sagemaker:" + s.Region + ":" + s.Account + ":" + resource
}

// The errors of collections.
var (
	ErrExists   = errors.New("the resource exists")
	ErrNotFound = errors.New("there is no such resource")
)

// An Index is what a collection can be searched by besides the name.
type Index struct {
	Status            string
	Parent            string // what the resource belongs to
	Created, Modified time.Time
	Keys              map[string]string // further values, matched as a whole; empty ones are left out
}

// A Collection is the resources of one kind.
type Collection[T any] struct {
	kind  string
	index func(*T) Index
}

// NewCollection returns the collection of a kind. The kind's name is on disk: it must never change.
func NewCollection[T any](kind string, index func(*T) Index) *Collection[T] {
	return &Collection[T]{kind, index}
}

// Insert adds a resource, or gives ErrExists where its name or ARN is taken.
func (c *Collection[T]) Insert(tx *Tx, s Scope, name, arn string, v *T) error {
	doc, i, err := c.encode(v)
	if err != nil {
		return err
	}
	n, err := tx.Exec(`INSERT INTO resources (account, region, kind, name, arn, parent, status, created, modified, doc)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		s.Account, s.Region, c.kind, name, arn, i.Parent, i.Status, i.Created.UnixMicro(), i.Modified.UnixMicro(), doc)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s %s: %w", c.kind, name, ErrExists)
	}
	return c.addKeys(tx, s, name, i)
}

// Put replaces a resource, or gives ErrNotFound.
func (c *Collection[T]) Put(tx *Tx, s Scope, name string, v *T) error {
	doc, i, err := c.encode(v)
	if err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE resources SET parent = ?, status = ?, created = ?, modified = ?, doc = ? WHERE account = ? AND region = ? AND kind = ? AND name = ?`,
		i.Parent, i.Status, i.Created.UnixMicro(), i.Modified.UnixMicro(), doc, s.Account, s.Region, c.kind, name)
	if err != nil {
		return err
	}
	if n == 0 {
		return c.missing(name)
	}
	if err := c.dropKeys(tx, s, name); err != nil {
		return err
	}
	return c.addKeys(tx, s, name, i)
}

// Get returns a resource, or gives ErrNotFound.
func (c *Collection[T]) Get(tx *Tx, s Scope, name string) (*T, error) {
	return c.get(tx, name, `SELECT doc FROM resources WHERE account = ? AND region = ? AND kind = ? AND name = ?`, s.Account, s.Region, c.kind, name)
}

// GetARN returns a resource by its ARN, or gives ErrNotFound.
func (c *Collection[T]) GetARN(tx *Tx, arn string) (*T, error) {
	return c.get(tx, arn, `SELECT doc FROM resources WHERE arn = ? AND kind = ?`, arn, c.kind)
}

func (c *Collection[T]) get(tx *Tx, name, query string, args ...any) (*T, error) {
	var doc string
	found, err := tx.one([]any{&doc}, query, args...)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, c.missing(name)
	}
	return c.decode(doc)
}

// Delete removes a resource with its tags, or gives ErrNotFound.
func (c *Collection[T]) Delete(tx *Tx, s Scope, name string) error {
	var arn string
	found, err := tx.one([]any{&arn}, `DELETE FROM resources WHERE account = ? AND region = ? AND kind = ? AND name = ? RETURNING arn`, s.Account, s.Region, c.kind, name)
	if err != nil {
		return err
	}
	if !found {
		return c.missing(name)
	}
	if _, err := tx.Exec(`DELETE FROM tags WHERE arn = ?`, arn); err != nil {
		return err
	}
	return c.dropKeys(tx, s, name)
}

// Exists says whether any kind has a resource of that ARN.
func (tx *Tx) Exists(arn string) (bool, error) {
	var one int
	return tx.one([]any{&one}, `SELECT 1 FROM resources WHERE arn = ?`, arn)
}

func (c *Collection[T]) encode(v *T) (string, Index, error) {
	doc, err := json.Marshal(v)
	return string(doc), c.index(v), err
}

func (c *Collection[T]) decode(doc string) (*T, error) {
	v := new(T)
	if err := json.NewDecoder(strings.NewReader(doc)).Decode(v); err != nil {
		return nil, fmt.Errorf("stored %s: %w", c.kind, err)
	}
	return v, nil
}

func (c *Collection[T]) missing(name string) error {
	return fmt.Errorf("%s %s: %w", c.kind, name, ErrNotFound)
}

func (c *Collection[T]) addKeys(tx *Tx, s Scope, name string, i Index) error {
	for key, value := range i.Keys {
		if value == "" {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO resource_keys (account, region, kind, key, value, name) VALUES (?, ?, ?, ?, ?, ?)`,
			s.Account, s.Region, c.kind, key, value, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Collection[T]) dropKeys(tx *Tx, s Scope, name string) error {
	_, err := tx.Exec(`DELETE FROM resource_keys WHERE account = ? AND region = ? AND kind = ? AND name = ?`, s.Account, s.Region, c.kind, name)
	return err
}
