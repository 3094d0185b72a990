package featurestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// UpdateRecord changes some features of a record that is there. What comes of it is one more row of the offline store.
func (s *Service) UpdateRecord(ctx context.Context, in *awsapi.UpdateRecordRequest) error {
	l, err := s.live(ctx, in.FeatureGroupName)
	if err != nil {
		return err
	}
	l.inUse.RLock()
	defer l.inUse.RUnlock()
	id := *in.RecordIdentifierValueAsString
	named := func(name string) bool {
		return slices.ContainsFunc(in.Features, func(f awsapi.FeatureValue) bool { return awsapi.Val(f.FeatureName) == name })
	}
	switch {
	case !l.online():
		return noOnline(l)
	case l.storageType() == awsapi.StorageTypeStandard:
		return awsapi.ValidationError("Validation Error: UpdateRecord needs an online store of StorageType Standard_V2 or InMemory; that of FeatureGroup '%s' is Standard.", l.Name)
	case in.TtlDuration != nil && !named(l.EventTime):
		return awsapi.ValidationError("Validation Error: TtlDuration needs a value of the event time feature '%s'.", l.EventTime)
	case named(l.Identifier):
		return awsapi.ValidationError("Validation Error: the record identifier feature '%s' cannot be updated.", l.Identifier)
	case l.gone:
		return awsapi.NotFound("Feature group with name '%s' was not found.", l.Name)
	}
	err = s.records.Update(ctx, func(tx *store.Tx) error {
		old, at, expires, err := s.current(tx, l, id)
		if err != nil {
			return err
		}
		values := slices.Clone(in.Features)
		for name, value := range old {
			if !named(name) {
				values = append(values, awsapi.FeatureValue{FeatureName: &name, ValueAsString: &value})
			}
		}
		w, err := l.writeOf(values, in.TargetStores, in.TtlDuration)
		if err != nil {
			return err
		}
		if w.time < at {
			return awsapi.Conflict("The event time of the update is older than that of record '%s' of FeatureGroup '%s'.", id, l.Name)
		}
		if !named(l.EventTime) {
			w.expires = expires
		}
		return s.change(ctx, tx, l, w)
	})
	if err == nil {
		s.wrote(ctx, l, 1)
	}
	return err
}

// current reads the record that the online store has of an identifier.
func (s *Service) current(tx *store.Tx, l *live, id string) (values map[string]string, at, expires int64, err error) {
	err = tx.Query(func(rows *sql.Rows) error {
		var doc string
		if err := rows.Scan(&doc, &at, &expires); err != nil {
			return err
		}
		return json.Unmarshal([]byte(doc), &values)
	}, `SELECT doc, event_time, expires FROM records WHERE grp = ? AND id = ? AND deleted = 0 AND (expires = 0 OR expires > ?)`, l.Making, id, s.World.Now().UnixMicro())
	if err != nil {
		return nil, 0, 0, fmt.Errorf("read record: %w", err)
	}
	if values == nil {
		return nil, 0, 0, awsapi.NotFound("FeatureGroup '%s' has no record '%s' to update.", l.Name, id)
	}
	return values, at, expires, nil
}
