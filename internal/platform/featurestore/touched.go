package featurestore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// WrittenBy returns the names of the feature groups that a job put records into.
func (s *Service) WrittenBy(ctx context.Context, jobARN string) ([]string, error) {
	return s.touchedBy(ctx, jobARN, "write")
}

// ReadBy returns the names of the feature groups whose offline store a job asked for.
func (s *Service) ReadBy(ctx context.Context, jobARN string) ([]string, error) {
	return s.touchedBy(ctx, jobARN, "read")
}

func (s *Service) touchedBy(ctx context.Context, jobARN, way string) (names []string, err error) {
	err = s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error {
			var key string
			err := rows.Scan(&key)
			names = append(names, key[strings.LastIndexByte(key, '/')+1:])
			return err
		}, `SELECT DISTINCT name FROM jobs WHERE job = ? AND way = ? ORDER BY name`, jobARN, way)
	})
	return names, err
}

// Fingerprint changes when the group is made anew or a record of it is acknowledged. It is "" where there is no such group.
func (s *Service) Fingerprint(ctx context.Context, name string) (string, error) {
	s.mu.RLock()
	l := s.groups[groupKey(identity.From(ctx).Scope(), name)]
	s.mu.RUnlock()
	if l == nil {
		return "", nil
	}
	var last int64
	err := s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error { return rows.Scan(&last) },
			`SELECT MAX(COALESCE((SELECT MAX(seq) FROM log WHERE grp = ?), 0), COALESCE((SELECT flushed FROM flushes WHERE grp = ?), 0))`, l.Making, l.Making)
	})
	return fmt.Sprintf("%s-%d", l.Making, last), err
}
