package featurestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// Flush brings what is acknowledged of every group that lies at or below a prefix, or above it, into the offline store. It is called before
// the prefix is read; a prefix that no group is near costs a look at the groups' places in memory. A job that reads is noted.
func (s *Service) Flush(ctx context.Context, bucket, prefix string) error {
	uri := "s3://" + bucket + "/" + prefix
	for _, l := range s.loaded() {
		at := l.location()
		if at == "" || !strings.HasPrefix(at, uri) && !strings.HasPrefix(uri, at) {
			continue
		}
		if identity.Known(ctx) && strings.HasPrefix(uri, at) {
			if err := s.noteRead(ctx, identity.From(ctx).JobARN, l); err != nil {
				return err
			}
		}
		if err := s.flushGroup(ctx, l); err != nil {
			return fmt.Errorf("flush feature group %s: %w", l.Name, err)
		}
	}
	return nil
}

func (s *Service) noteRead(ctx context.Context, job string, l *live) error {
	if _, known := s.jobs.Load("read " + job + " " + l.Making); known || job == "" {
		return nil
	}
	return s.records.Update(ctx, func(tx *store.Tx) error { return s.note(tx, job, "read", l) })
}

// flushRows bounds the rows that one pass of a flush holds in memory.
const flushRows = 200_000

// flushGroup writes the log of a group to its offline store.
func (s *Service) flushGroup(ctx context.Context, l *live) error {
	if !l.dirty.Load() {
		return nil
	}
	l.flush.Lock()
	defer l.flush.Unlock()
	if !l.dirty.Swap(false) { // before the log is read: what is acknowledged later sets it again
		return nil
	}
	for {
		more, err := s.flushSome(ctx, l)
		if err != nil {
			l.dirty.Store(true)
			return err
		}
		if !more {
			return nil
		}
	}
}

// flushSome writes one range of the log. The range is noted first and its files are named after it, so that a flush that was interrupted
// writes the same files with the same rows again.
func (s *Service) flushSome(ctx context.Context, l *live) (more bool, err error) {
	flushed, target, err := s.flushState(ctx, l)
	if err != nil {
		return false, err
	}
	if target <= flushed {
		if target, err = s.chooseTarget(ctx, l, flushed); err != nil || target <= flushed {
			return false, err
		}
	}
	rows, err := s.readLog(ctx, l, target)
	if err != nil {
		return false, err
	}
	if l.Offline != nil {
		for hour, part := range partition(rows) {
			if err := s.writePart(ctx, l, hour, part, flushed, target); err != nil {
				return false, err
			}
		}
	}
	err = s.records.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM log WHERE grp = ? AND seq <= ?`, l.Making, target); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE flushes SET flushed = target WHERE grp = ?`, l.Making)
		return err
	})
	l.pending.Add(-int64(len(rows)))
	return len(rows) > 0, err
}

func (s *Service) flushState(ctx context.Context, l *live) (flushed, target int64, err error) {
	err = s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error { return rows.Scan(&flushed, &target) }, `SELECT flushed, target FROM flushes WHERE grp = ?`, l.Making)
	})
	return flushed, target, err
}

// chooseTarget notes how far the next flush goes.
func (s *Service) chooseTarget(ctx context.Context, l *live, flushed int64) (target int64, err error) {
	err = s.records.Update(ctx, func(tx *store.Tx) error {
		target = flushed
		err := tx.Query(func(rows *sql.Rows) error { return rows.Scan(&target) },
			`SELECT COALESCE(MAX(seq), ?) FROM (SELECT seq FROM log WHERE grp = ? ORDER BY seq LIMIT ?)`, flushed, l.Making, flushRows)
		if err != nil || target <= flushed {
			return err
		}
		_, err = tx.Exec(`INSERT INTO flushes (grp, flushed, target) VALUES (?, ?, ?) ON CONFLICT (grp) DO UPDATE SET target = excluded.target`, l.Making, flushed, target)
		return err
	})
	return target, err
}

// A logged is a row of the log.
type logged struct {
	time, written int64
	deleted       bool
	values        map[string]string
}

func (s *Service) readLog(ctx context.Context, l *live, target int64) (out []logged, err error) {
	err = s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error {
			var r logged
			var doc string
			if err := rows.Scan(&r.time, &r.written, &r.deleted, &doc); err != nil {
				return err
			}
			if doc == "" { // written to the online store alone
				out = append(out, r)
				return nil
			}
			if err := json.Unmarshal([]byte(doc), &r.values); err != nil {
				return fmt.Errorf("log of %s: %w", l.Name, err)
			}
			out = append(out, r)
			return nil
		}, `SELECT event_time, written, deleted, doc FROM log WHERE grp = ? AND seq <= ? ORDER BY seq`, l.Making, target)
	})
	return out, err
}

// partition sorts rows by the hour of their event, which names their folder.
func partition(rows []logged) map[int64][]logged {
	const hour = int64(time.Hour / time.Microsecond)
	parts := map[int64][]logged{}
	for _, r := range rows {
		if r.values != nil {
			parts[r.time/hour*hour] = append(parts[r.time/hour*hour], r)
		}
	}
	return parts
}

func (s *Service) writePart(ctx context.Context, l *live, hour int64, rows []logged, flushed, target int64) error {
	var b bytes.Buffer
	if err := writeParquet(&b, &l.group, rows); err != nil {
		return err
	}
	last := rows[0].time
	for _, r := range rows {
		last = max(last, r.time)
	}
	sum := sha256.Sum256([]byte(l.Making + " " + itoa(flushed) + " " + itoa(target) + " " + itoa(hour)))
	at := time.UnixMicro(hour).UTC()
	name := fmt.Sprintf("year=%04d/month=%02d/day=%02d/hour=%02d/%s_%s.parquet", at.Year(), at.Month(), at.Day(), at.Hour(),
		time.UnixMicro(last).UTC().Format("20060102T150405Z"), hex.EncodeToString(sum[:8]))
	bucket, prefix, err := object.ParseURI(l.location())
	if err != nil {
		return err
	}
	_, err = s.Objects.Put(ctx, bucket, prefix+"/"+name, &b, object.PutOptions{ContentType: "application/vnd.apache.parquet"})
	return err
}
