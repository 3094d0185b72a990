package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// MaxTags is how many tags a resource may have.
const MaxTags = 50

// ErrTooManyTags is given where a resource would have more.
var ErrTooManyTags = errors.New("a resource may have at most 50 tags")

// SetTags adds tags to a resource; a key that is there gets the new value and keeps its place.
func (tx *Tx) SetTags(arn string, tags []awsapi.Tag) error {
	for _, t := range tags {
		_, err := tx.Exec(`INSERT INTO tags (arn, place, key, value) VALUES (?, (SELECT COALESCE(MAX(place), 0) + 1 FROM tags WHERE arn = ?), ?, ?)
			ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value`, arn, arn, awsapi.Val(t.Key), awsapi.Val(t.Value))
		if err != nil {
			return err
		}
	}
	var n int
	if _, err := tx.one([]any{&n}, `SELECT COUNT(*) FROM tags WHERE arn = ?`, arn); err != nil {
		return err
	}
	if n > MaxTags {
		return fmt.Errorf("%s would have %d: %w", arn, n, ErrTooManyTags)
	}
	return nil
}

// Tags returns the tags of a resource in the order in which they were set first.
func (tx *Tx) Tags(arn string) ([]awsapi.Tag, error) {
	tags := []awsapi.Tag{}
	return tags, tx.Query(func(rows *sql.Rows) error {
		var key, value string
		err := rows.Scan(&key, &value)
		tags = append(tags, awsapi.Tag{Key: &key, Value: &value})
		return err
	}, `SELECT key, value FROM tags WHERE arn = ? ORDER BY place`, arn)
}

// RemoveTags takes tags off a resource; keys that it has not are left alone.
func (tx *Tx) RemoveTags(arn string, keys []string) error {
	for _, key := range keys {
		if _, err := tx.Exec(`DELETE FROM tags WHERE arn = ? AND key = ?`, arn, key); err != nil {
			return err
		}
	}
	return nil
}
