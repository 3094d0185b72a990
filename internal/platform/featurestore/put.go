package featurestore

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// PutRecord keeps a record. It is on disk, and visible to every read, when the answer comes.
func (s *Service) PutRecord(ctx context.Context, in *awsapi.PutRecordRequest) error {
	l, err := s.live(ctx, in.FeatureGroupName)
	if err != nil {
		return err
	}
	l.inUse.RLock()
	defer l.inUse.RUnlock()
	w, err := l.writeOf(in.Record, in.TargetStores, in.TtlDuration)
	if err != nil {
		return err
	}
	return s.write(ctx, l, w)
}

// writeOf checks a record and makes it a write.
func (l *live) writeOf(values []awsapi.FeatureValue, stores []string, ttl *awsapi.FeatureStoreTtlDuration) (w write, err error) {
	r, err := l.read(values)
	if err != nil {
		return w, err
	}
	online, offline, err := l.targets(stores)
	if err != nil {
		return w, err
	}
	doc, err := json.Marshal(r.values)
	return write{id: r.id, time: r.time, doc: string(doc), expires: l.expiry(r.time, ttl), online: online, offline: offline}, err
}

// DeleteRecord puts a tombstone in place of a record, or with HardDelete takes it out of the online store. The offline store gets a row that says so.
func (s *Service) DeleteRecord(ctx context.Context, in *awsapi.DeleteRecordRequest) error {
	l, err := s.live(ctx, in.FeatureGroupName)
	if err != nil {
		return err
	}
	l.inUse.RLock()
	defer l.inUse.RUnlock()
	at, err := l.eventTime(*in.EventTime)
	if err != nil {
		return err
	}
	online, offline, err := l.targets(in.TargetStores)
	if err != nil {
		return err
	}
	id := *in.RecordIdentifierValueAsString
	if why := wrong(l.types[l.Identifier], id); why != "" {
		return awsapi.ValidationError("Validation Error: RecordIdentifierValueAsString '%s' %s.", id, why)
	}
	doc, err := json.Marshal(map[string]string{l.Identifier: id, l.EventTime: *in.EventTime})
	if err != nil {
		return err
	}
	return s.write(ctx, l, write{id: id, time: at, doc: string(doc), deleted: true, hard: awsapi.Val(in.DeletionMode) == awsapi.DeletionModeHardDelete,
		online: online, offline: offline})
}

// A write is one change of one record.
type write struct {
	id, doc         string
	time, expires   int64
	deleted, hard   bool
	online, offline bool
}

// write commits changes to both stores at once. The caller holds l.inUse.
func (s *Service) write(ctx context.Context, l *live, changes ...write) error {
	if l.gone {
		return awsapi.NotFound("Feature group with name '%s' was not found.", l.Name)
	}
	err := s.records.Update(ctx, func(tx *store.Tx) error {
		for _, w := range changes {
			if err := s.change(ctx, tx, l, w); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.wrote(ctx, l, len(changes))
	}
	return err
}

// change makes one change in a transaction.
func (s *Service) change(ctx context.Context, tx *store.Tx, l *live, w write) error {
	if w.online {
		if err := upsert(tx, l, w); err != nil {
			return err
		}
	}
	// A write to the online store alone is logged too, without its values: the log's numbers tell whether a group has changed.
	if !w.offline {
		w.doc = ""
	}
	_, err := tx.Exec(`INSERT INTO log (grp, event_time, written, deleted, doc) VALUES (?, ?, ?, ?, ?)`,
		l.Making, w.time, s.World.Now().UnixMicro(), w.deleted, w.doc)
	if err != nil {
		return err
	}
	return s.note(tx, identity.From(ctx).JobARN, "write", l)
}

// wrote is what follows from n changes that are on disk. It comes before the answer, so that whoever reads after it flushes.
func (s *Service) wrote(ctx context.Context, l *live, n int) {
	l.dirty.Store(true)
	if now := l.pending.Add(int64(n)); now >= flushAt && now-int64(n) < flushAt {
		s.wg.Go(func() {
			if err := s.flushGroup(context.WithoutCancel(ctx), l); err != nil {
				s.Log.Error("flush feature group", "group", l.Name, "error", err)
			}
		})
	}
}

// upsert changes the online store where the event is not older than what is there.
func upsert(tx *store.Tx, l *live, w write) error {
	if w.hard {
		_, err := tx.Exec(`DELETE FROM records WHERE grp = ? AND id = ? AND event_time <= ?`, l.Making, w.id, w.time)
		return err
	}
	_, err := tx.Exec(`INSERT INTO records (grp, id, event_time, deleted, expires, doc) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (grp, id) DO UPDATE SET event_time = excluded.event_time, deleted = excluded.deleted, expires = excluded.expires, doc = excluded.doc
		WHERE excluded.event_time >= records.event_time`, l.Making, w.id, w.time, w.deleted, w.expires, w.doc)
	return err
}

// note keeps that a job wrote or read a group, once.
func (s *Service) note(tx *store.Tx, job, way string, l *live) error {
	if job == "" {
		return nil
	}
	mark := way + " " + job + " " + l.Making
	if _, known := s.jobs.Load(mark); known {
		return nil
	}
	tx.AfterCommit(func() { s.jobs.Store(mark, true) })
	_, err := tx.Exec(`INSERT INTO jobs (job, grp, name, way) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, job, l.Making, groupKey(l.Scope, l.Name), way)
	return err
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
