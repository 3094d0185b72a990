package featurestore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// codeOf takes an error apart for an answer that names it beside others. An error of the service's own is the whole answer's.
func codeOf(err error) (code, message string, own bool) {
	var e *awsapi.Error
	if !errors.As(err, &e) || e.Status >= 500 {
		return "", "", true
	}
	return e.Code, e.Message, false
}

// BatchGetRecord reads records of several groups. What cannot be read is named in the answer; what is not there is left out.
func (s *Service) BatchGetRecord(ctx context.Context, in *awsapi.BatchGetRecordRequest) (*awsapi.BatchGetRecordResponse, error) {
	out := &awsapi.BatchGetRecordResponse{Records: []awsapi.BatchGetRecordResultDetail{}, Errors: []awsapi.BatchGetRecordError{},
		UnprocessedIdentifiers: []awsapi.BatchGetRecordIdentifier{}}
	for _, of := range in.Identifiers {
		for _, id := range of.RecordIdentifiersValueAsString {
			record, err := s.GetRecord(ctx, &awsapi.GetRecordRequest{FeatureGroupName: of.FeatureGroupName, RecordIdentifierValueAsString: &id,
				FeatureNames: of.FeatureNames, ExpirationTimeResponse: in.ExpirationTimeResponse})
			if err != nil {
				code, message, own := codeOf(err)
				if own {
					return nil, err
				}
				out.Errors = append(out.Errors, awsapi.BatchGetRecordError{FeatureGroupName: of.FeatureGroupName, RecordIdentifierValueAsString: &id,
					ErrorCode: &code, ErrorMessage: &message})
				continue
			}
			if len(record.Record) > 0 {
				out.Records = append(out.Records, awsapi.BatchGetRecordResultDetail{FeatureGroupName: of.FeatureGroupName, RecordIdentifierValueAsString: &id,
					Record: record.Record, ExpiresAt: record.ExpiresAt})
			}
		}
	}
	return out, nil
}

// BatchWriteRecord puts records into several groups, those of one group at once. What cannot be put is named in the answer; the others are put.
func (s *Service) BatchWriteRecord(ctx context.Context, in *awsapi.BatchWriteRecordRequest) (*awsapi.BatchWriteRecordResponse, error) {
	out := &awsapi.BatchWriteRecordResponse{Errors: []awsapi.BatchWriteRecordError{}, UnprocessedEntries: []awsapi.BatchWriteRecordEntry{}}
	var order []string
	byGroup := map[string][]awsapi.BatchWriteRecordEntry{}
	for _, e := range in.Entries {
		if e.TtlDuration == nil {
			e.TtlDuration = in.TtlDuration
		}
		name := nameOf(*e.FeatureGroupName)
		if byGroup[name] == nil {
			order = append(order, name)
		}
		byGroup[name] = append(byGroup[name], e)
	}
	for _, name := range order {
		failed, err := s.writeEntries(ctx, name, byGroup[name])
		if err != nil {
			return nil, err
		}
		out.Errors = append(out.Errors, failed...)
	}
	return out, nil
}

func (s *Service) writeEntries(ctx context.Context, name string, entries []awsapi.BatchWriteRecordEntry) (failed []awsapi.BatchWriteRecordError, err error) {
	refuse := func(e awsapi.BatchWriteRecordEntry, err error) error {
		code, message, own := codeOf(err)
		if own {
			return err
		}
		failed = append(failed, awsapi.BatchWriteRecordError{Entry: &e, ErrorCode: &code, ErrorMessage: &message})
		return nil
	}
	l, err := s.live(ctx, &name)
	if err != nil {
		for _, e := range entries {
			if err := refuse(e, err); err != nil {
				return nil, err
			}
		}
		return failed, nil
	}
	l.inUse.RLock()
	defer l.inUse.RUnlock()
	var good []write
	for _, e := range entries {
		w, err := l.writeOf(e.Record, e.TargetStores, e.TtlDuration)
		if err == nil {
			good = append(good, w)
		} else if err := refuse(e, err); err != nil {
			return nil, err
		}
	}
	if len(good) == 0 {
		return failed, nil
	}
	return failed, s.write(ctx, l, good...)
}

// ListRecords lists the identifiers in the online store of a group.
func (s *Service) ListRecords(ctx context.Context, in *awsapi.ListRecordsRequest) (*awsapi.ListRecordsResponse, error) {
	l, err := s.live(ctx, in.FeatureGroupName)
	if err != nil {
		return nil, err
	}
	if !l.online() {
		return nil, noOnline(l)
	}
	after := ""
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil {
			return nil, awsapi.ValidationError("Validation Error: NextToken is not one that this operation gave.")
		}
		after = string(b)
	}
	limit := awsapi.PageSize(in.MaxResults)
	out := &awsapi.ListRecordsResponse{RecordIdentifiers: []string{}}
	err = s.records.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			if len(out.RecordIdentifiers) == limit {
				out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(out.RecordIdentifiers[limit-1])))
				return nil
			}
			out.RecordIdentifiers = append(out.RecordIdentifiers, id)
			return nil
		}, `SELECT id FROM records WHERE grp = ? AND id > ? AND (deleted = 0 OR ?) AND (expires = 0 OR expires > ?) ORDER BY id LIMIT ?`,
			l.Making, after, awsapi.Val(in.IncludeSoftDeletedRecords), s.World.Now().UnixMicro(), limit+1)
	})
	return out, err
}

func noOnline(l *live) error {
	return awsapi.ValidationError("Validation Error: FeatureGroup '%s' has no online store; its records are in its offline store.", l.Name)
}
