package featurestore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/featurestore"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/store"
)

func running(t *testing.T) (*platformtest.Env, *featurestore.Service) {
	t.Helper()
	e := platformtest.New(t)
	s := open(t, e)
	t.Cleanup(s.Stop)
	create(t, e, s, "g")
	return e, s
}

func TestAGroupGetsFeaturesAndATimeToLive(t *testing.T) {
	t.Parallel()
	e, s := running(t)
	for want, in := range map[string]*awsapi.UpdateFeatureGroupRequest{
		"at least one of":        {},
		"'rooms' is given twice": {FeatureAdditions: define("rooms", "String")},
		"cannot go from":         {OnlineStoreConfig: &awsapi.OnlineStoreConfigUpdate{StorageType: new("InMemory")}},
		"needs both":             {ThroughputConfig: &awsapi.ThroughputConfigUpdate{ThroughputMode: new("Provisioned")}},
	} {
		in.FeatureGroupName = new("g")
		if _, err := s.UpdateFeatureGroup(e.Ctx, in); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := s.UpdateFeatureGroup(e.Ctx, &awsapi.UpdateFeatureGroupRequest{FeatureGroupName: new("none"), FeatureAdditions: define("x", "String")}); !awsapi.IsNotFound(err) {
		t.Errorf("no such group: %v", err)
	}
	if _, err := s.UpdateFeatureGroup(e.Ctx, &awsapi.UpdateFeatureGroupRequest{FeatureGroupName: new("g"), FeatureAdditions: define("colour", "String"),
		OnlineStoreConfig: &awsapi.OnlineStoreConfigUpdate{TtlDuration: &awsapi.TtlDuration{Unit: new("Hours"), Value: new(int32(1))}, StorageType: new("Standard_V2")},
		ThroughputConfig: &awsapi.ThroughputConfigUpdate{ThroughputMode: new("Provisioned"), ProvisionedReadCapacityUnits: new(int32(5)),
			ProvisionedWriteCapacityUnits: new(int32(6))}}); err != nil {
		t.Fatal(err)
	}
	d, err := s.DescribeFeatureGroup(e.Ctx, &awsapi.DescribeFeatureGroupRequest{FeatureGroupName: new("g")})
	if err != nil || len(d.FeatureDefinitions) != 6 || *d.OnlineStoreConfig.StorageType != "Standard_V2" || *d.ThroughputConfig.ProvisionedWriteCapacityUnits != 6 ||
		*d.LastUpdateStatus.Status != awsapi.LastUpdateStatusValueSuccessful {
		t.Errorf("after the update: %+v, %v", d, err)
	}
	// The event is older than its time to live, so the record is over as soon as it is written.
	if err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", "1", "at", "1700000000", "colour", "red")}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, e, s, "1"); len(got) != 0 {
		t.Errorf("a record beyond its time to live: %v", got)
	}
}

func TestFeaturesAreDescribed(t *testing.T) {
	t.Parallel()
	e, s := running(t)
	describe := func(feature string) (*awsapi.DescribeFeatureMetadataResponse, error) {
		return s.DescribeFeatureMetadata(e.Ctx, &awsapi.DescribeFeatureMetadataRequest{FeatureGroupName: new("g"), FeatureName: &feature})
	}
	update := func(in *awsapi.UpdateFeatureMetadataRequest) error {
		in.FeatureGroupName, in.FeatureName = new("g"), new("price")
		return s.UpdateFeatureMetadata(e.Ctx, in)
	}
	pairs := func(kv ...string) (out []awsapi.FeatureParameter) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, awsapi.FeatureParameter{Key: &kv[i], Value: &kv[i+1]})
		}
		return out
	}
	if d, err := describe("price"); err != nil || *d.FeatureType != "Fractional" || d.Description != nil {
		t.Errorf("as made: %+v, %v", d, err)
	}
	if _, err := describe("nope"); !awsapi.IsNotFound(err) {
		t.Errorf("no such feature: %v", err)
	}
	for _, in := range []*awsapi.UpdateFeatureMetadataRequest{
		{Description: new("in thousands"), ParameterAdditions: pairs("team", "a", "unit", "k")},
		{ParameterAdditions: pairs("team", "b"), ParameterRemovals: []string{"unit"}},
	} {
		if err := update(in); err != nil {
			t.Fatal(err)
		}
	}
	var many []string
	for i := range 25 {
		many = append(many, fmt.Sprint(i), "x")
	}
	if err := update(&awsapi.UpdateFeatureMetadataRequest{ParameterAdditions: pairs(many...)}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("26 parameters: %v", err)
	}
	d, err := describe("price")
	if err != nil || *d.Description != "in thousands" || len(d.Parameters) != 1 || *d.Parameters[0].Value != "b" {
		t.Errorf("after the updates: %+v, %v", d, err)
	}
	err = e.DB.View(e.Ctx, func(tx *store.Tx) error {
		page, err := s.SearchFeatures(tx, e.Caller.Scope(), nil, store.Query{})
		if len(page.Items) != 5 {
			t.Errorf("%d features to search, want 5", len(page.Items))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordsInBatches(t *testing.T) {
	t.Parallel()
	e, s := running(t)
	entry := func(group string, v ...string) awsapi.BatchWriteRecordEntry {
		return awsapi.BatchWriteRecordEntry{FeatureGroupName: &group, Record: values(v...)}
	}
	out, err := s.BatchWriteRecord(e.Ctx, &awsapi.BatchWriteRecordRequest{Entries: []awsapi.BatchWriteRecordEntry{
		entry("g", "id", "1", "at", "5", "rooms", "1"), entry("g", "id", "2", "at", "5", "rooms", "many"), entry("none", "id", "1", "at", "5"),
		entry("g", "id", "3", "at", "5", "rooms", "3"), entry("g", "id", "1", "at", "6", "rooms", "2")}})
	if err != nil || len(out.Errors) != 2 || *out.Errors[0].Entry.Record[0].ValueAsString != "2" || *out.Errors[0].ErrorCode != "ValidationError" || *out.Errors[1].ErrorCode != "ResourceNotFound" {
		t.Fatalf("write: %+v, %v", out, err)
	}
	read, err := s.BatchGetRecord(e.Ctx, &awsapi.BatchGetRecordRequest{Identifiers: []awsapi.BatchGetRecordIdentifier{
		{FeatureGroupName: new("g"), RecordIdentifiersValueAsString: []string{"1", "2", "3"}, FeatureNames: []string{"rooms"}},
		{FeatureGroupName: new("none"), RecordIdentifiersValueAsString: []string{"1"}}}})
	if err != nil || len(read.Records) != 2 || len(read.Errors) != 1 || len(read.Records[0].Record) != 1 || *read.Records[0].Record[0].ValueAsString != "2" {
		t.Fatalf("read: %+v, %v", read, err)
	}
	for _, id := range []string{"3", "4"} {
		if err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", id, "at", "5")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteRecord(e.Ctx, &awsapi.DeleteRecordRequest{FeatureGroupName: new("g"), RecordIdentifierValueAsString: new("4"), EventTime: new("7")}); err != nil {
		t.Fatal(err)
	}
	for want, soft := range map[string]bool{"1 3": false, "1 3 4": true} {
		in := &awsapi.ListRecordsRequest{FeatureGroupName: new("g"), MaxResults: new(int32(1)), IncludeSoftDeletedRecords: &soft}
		var ids []string
		for {
			page, err := s.ListRecords(e.Ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, page.RecordIdentifiers...)
			if in.NextToken = page.NextToken; in.NextToken == nil {
				break
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("identifiers %q, want %q", got, want)
		}
	}
}

func TestARecordIsUpdated(t *testing.T) {
	t.Parallel()
	e, s := running(t)
	update := func(id string, v ...string) error {
		return s.UpdateRecord(e.Ctx, &awsapi.UpdateRecordRequest{FeatureGroupName: new("g"), RecordIdentifierValueAsString: &id, Features: values(v...)})
	}
	if err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", "1", "at", "10", "rooms", "3", "city", "Ulm")}); err != nil {
		t.Fatal(err)
	}
	if err := update("1", "rooms", "4"); !awsapi.IsCode(err, "ValidationError") || !strings.Contains(err.Error(), "Standard_V2") {
		t.Errorf("in a Standard store: %v", err)
	}
	if _, err := s.UpdateFeatureGroup(e.Ctx, &awsapi.UpdateFeatureGroupRequest{FeatureGroupName: new("g"),
		OnlineStoreConfig: &awsapi.OnlineStoreConfigUpdate{StorageType: new("Standard_V2")}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code string
		err  error
	}{{"", update("1", "rooms", "4")}, {"", update("1", "at", "11", "city", "Bonn")}, {"ConflictException", update("1", "at", "10", "rooms", "9")},
		{"ValidationError", update("1", "rooms", "many")}, {"ValidationError", update("1", "id", "2")}, {"ResourceNotFound", update("2", "rooms", "1")}} {
		if (c.err == nil) != (c.code == "") || c.code != "" && !awsapi.IsCode(c.err, c.code) {
			t.Errorf("got %v, want %q", c.err, c.code)
		}
	}
	if got := get(t, e, s, "1"); got["rooms"] != "4" || got["city"] != "Bonn" || got["at"] != "11" {
		t.Errorf("after the updates: %v", got)
	}
	d, err := s.DescribeFeatureGroup(context.WithoutCancel(e.Ctx), &awsapi.DescribeFeatureGroupRequest{FeatureGroupName: new("g")})
	if err != nil {
		t.Fatal(err)
	}
	if rows, _ := offline(t, e, s, *d.OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri); len(rows) != 3 || rows[2].Rooms != 4 || rows[2].City != "Bonn" {
		t.Errorf("offline store: %v", rows)
	}
}
