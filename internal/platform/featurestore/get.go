package featurestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// GetRecord returns the latest record of an identifier, in the order of the group's features, or an empty answer where there is none.
func (s *Service) GetRecord(ctx context.Context, in *awsapi.GetRecordRequest) (*awsapi.GetRecordResponse, error) {
	l, err := s.live(ctx, in.FeatureGroupName)
	if err != nil {
		return nil, err
	}
	values, expires, err := s.get(ctx, l, *in.RecordIdentifierValueAsString, in.FeatureNames)
	if err != nil {
		return nil, err
	}
	out := &awsapi.GetRecordResponse{Record: values}
	if expires > 0 && awsapi.Val(in.ExpirationTimeResponse) == awsapi.ExpirationTimeResponseEnabled {
		out.ExpiresAt = new(time.UnixMicro(expires).UTC().Format(time.RFC3339))
	}
	return out, nil
}

func (s *Service) get(ctx context.Context, l *live, id string, names []string) (out []awsapi.FeatureValue, expires int64, err error) {
	if !l.online() {
		return nil, 0, noOnline(l)
	}
	l.inUse.RLock()
	defer l.inUse.RUnlock()
	wanted := map[string]bool{}
	for _, n := range names {
		if _, known := l.types[n]; !known {
			return nil, 0, awsapi.ValidationError("Validation Error: FeatureName '%s' is not a feature of FeatureGroup '%s'.", n, l.Name)
		}
		wanted[n] = true
	}
	var values map[string]string
	err = s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error {
			var doc string
			if err := rows.Scan(&doc, &expires); err != nil {
				return err
			}
			return json.Unmarshal([]byte(doc), &values)
		}, `SELECT doc, expires FROM records WHERE grp = ? AND id = ? AND deleted = 0 AND (expires = 0 OR expires > ?)`, l.Making, id, s.World.Now().UnixMicro())
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read record: %w", err)
	}
	for _, f := range l.Features {
		name := awsapi.Val(f.FeatureName)
		if v, has := values[name]; has && (len(wanted) == 0 || wanted[name]) {
			out = append(out, awsapi.FeatureValue{FeatureName: &name, ValueAsString: &v})
		}
	}
	return out, expires, nil
}
