package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/featurestore"
	"github.com/mobula-ml/mobula/internal/platform/jobs"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// withFeatures is an output that the program manages and whose rows go to a feature group.
func withFeatures(in *awsapi.CreateProcessingJobRequest, group string) *awsapi.CreateProcessingJobRequest {
	in.ProcessingOutputConfig = &awsapi.ProcessingOutputConfig{Outputs: []awsapi.ProcessingOutput{{OutputName: new("rows"), AppManaged: new(true),
		FeatureStoreOutput: &awsapi.ProcessingFeatureStoreOutput{FeatureGroupName: &group}}}}
	return in
}

// The rows that a job leaves for a feature group are there when it has ended; those that are refused are named.
func TestFeatureStoreOutput(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 16)
	features, err := featurestore.New(e.Ctx, featurestore.Deps{DB: e.DB, Objects: e.Objects, World: e.World, Log: e.Log, Path: filepath.Join(e.Dir, "features.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(features.Stop)
	s.Features = features
	define := func(name, kind string) awsapi.FeatureDefinition {
		return awsapi.FeatureDefinition{FeatureName: &name, FeatureType: &kind}
	}
	if _, err := features.CreateFeatureGroup(e.Ctx, &awsapi.CreateFeatureGroupRequest{FeatureGroupName: new("houses"), RecordIdentifierFeatureName: new("id"), EventTimeFeatureName: new("at"),
		FeatureDefinitions: []awsapi.FeatureDefinition{define("id", "Integral"), define("at", "String"), define("price", "Fractional"), define("city", "String")},
		OnlineStoreConfig:  &awsapi.OnlineStoreConfig{EnableOnlineStore: new(true)}, RoleArn: new(e.Caller.RoleARN)}); err != nil {
		t.Fatal(err)
	}
	record := func(id string) string {
		out, err := features.GetRecord(e.Ctx, &awsapi.GetRecordRequest{FeatureGroupName: new("houses"), RecordIdentifierValueAsString: &id})
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, v := range out.Record {
			text += *v.FeatureName + "=" + *v.ValueAsString + " "
		}
		return text
	}
	type row struct {
		ID    int64     `parquet:"id"`
		At    time.Time `parquet:"at,timestamp(microsecond)"`
		Price *float64  `parquet:"price,optional"`
		City  string    `parquet:"city"`
	}
	var table bytes.Buffer
	rows := make([]row, 2500)
	for i := range rows {
		rows[i] = row{int64(1000 + i), time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), new(float64(i) + 0.25), "Bern"}
	}
	rows[2499].Price = nil
	if err := parquet.Write(&table, rows); err != nil {
		t.Fatal(err)
	}
	put(t, e, "in/p.parquet", table.String())
	put(t, e, "in/c.csv", "id,at,price,city\n1,2026-01-02T03:04:05Z,5e5,\"Zug, ZG\"\n2,2026-01-02T03:04:05Z,,Ulm\n")
	put(t, e, "in/notes.txt", "no table")
	put(t, e, "wrong/c.csv", "id,at,price,city\n3,2026-01-02T03:04:05Z,dear,Ulm\n4,2026-01-02T03:04:05Z,1,Ulm\n,,,\n")
	put(t, e, "extra/c.csv", "id,at,colour\n5,2026-01-02T03:04:05Z,red\n")
	put(t, e, "broken/c.parquet", "PAR1 but not for long PAR1")
	copies := "cp /opt/ml/processing/input/* /opt/ml/processing/rows/; grep -q houses /opt/ml/config/processingjobconfig.json"
	for name, want := range map[string]string{"in": "", "extra": "1 of 1 rows were not put into feature group houses: c.csv row 1: Validation Error: FeatureName 'colour' is not a feature",
		"wrong":  "ClientError: output rows: 2 of 3 rows were not put into feature group houses: c.csv row 3: it has no value; c.csv row 1: Validation Error: FeatureName 'price' has type Fractional, but its value 'dear'",
		"broken": "c.parquet: it is no"} {
		start(t, e, s, withFeatures(withInput(shell(name, copies, 1), name), "houses"))
		d := ended(t, e, s, name)
		if got := awsapi.Val(d.FailureReason); (*d.ProcessingJobStatus == "Completed") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %s: %s", name, *d.ProcessingJobStatus, got)
		}
	}
	for id, want := range map[string]string{"1": "id=1 at=2026-01-02T03:04:05Z price=5e5 city=Zug, ZG ", "2": "id=2 at=2026-01-02T03:04:05Z city=Ulm ", "3": "",
		"4": "id=4 at=2026-01-02T03:04:05Z price=1 city=Ulm ", "1000": "id=1000 at=2026-01-02T03:04:05.006Z price=0.25 city=Bern ", "3499": "id=3499 at=2026-01-02T03:04:05.006Z city=Bern "} {
		if got := record(id); got != want {
			t.Errorf("record %s: %s", id, got)
		}
	}
	start(t, e, s, withFeatures(withInput(shell("none", copies+" || true", 1), "wrong"), "none"))
	if d := ended(t, e, s, "none"); !strings.Contains(awsapi.Val(d.FailureReason), "'none' was not found") {
		t.Error(awsapi.Val(d.FailureReason))
	}
	start(t, e, s, withFeatures(shell("own", "true", 1), "none")) // a program that puts its records itself leaves no rows
	if d := ended(t, e, s, "own"); *d.ProcessingJobStatus != "Completed" {
		t.Error(awsapi.Val(d.FailureReason))
	}
}

// Outputs that the program manages are not uploaded, and only they may go to the feature store.
func TestAppManagedOutputs(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 16)
	in := withOutput(shell("managed", "echo x > /opt/ml/processing/output/x", 1), "managed")
	in.ProcessingOutputConfig.Outputs[0].AppManaged = new(true)
	start(t, e, s, in)
	if d := ended(t, e, s, "managed"); *d.ProcessingJobStatus != "Completed" {
		t.Error(awsapi.Val(d.FailureReason))
	}
	if _, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "managed/x"); err == nil {
		t.Error("an output that the program manages was uploaded")
	}
	for want, change := range map[string]func(o *awsapi.ProcessingOutput){
		"only when AppManaged is true":     func(o *awsapi.ProcessingOutput) { o.AppManaged = nil },
		"S3Output or a FeatureStoreOutput": func(o *awsapi.ProcessingOutput) { o.FeatureStoreOutput = nil },
		"must begin with":                  func(o *awsapi.ProcessingOutput) { o.OutputName = new("../../x") },
	} {
		in := withFeatures(shell("refused", "true", 1), "g")
		change(&in.ProcessingOutputConfig.Outputs[0])
		if _, err := s.CreateProcessingJob(e.Ctx, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(fmt.Sprint(err), want)
		}
	}
}

// A flaky feature store fails at its second batch, once.
type flaky struct {
	jobs.Features
	calls int
	put   map[string]int // by identifier
}

func (f *flaky) BatchWriteRecord(_ context.Context, in *awsapi.BatchWriteRecordRequest) (*awsapi.BatchWriteRecordResponse, error) {
	if f.calls++; f.calls == 2 {
		return nil, errors.New("the disk is away")
	}
	out := &awsapi.BatchWriteRecordResponse{}
	for i, e := range in.Entries {
		id := *e.Record[0].ValueAsString
		if f.put[id]++; id == "7" {
			out.Errors = append(out.Errors, awsapi.BatchWriteRecordError{Entry: &in.Entries[i], ErrorMessage: new("no sevens")})
		}
	}
	return out, nil
}

// What was put is not put again when the job's end is taken up once more, and what was refused before counts.
func TestFeatureStoreOutputGoesOn(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 16)
	store := &flaky{put: map[string]int{}}
	s.Features = store
	start(t, e, s, withFeatures(shell("goes-on", "cd /opt/ml/processing/rows; (echo id; seq 1 2500) > a.csv; (echo id; seq 3001 3010) > b.csv", 1), "g"))
	d := ended(t, e, s, "goes-on")
	if got := awsapi.Val(d.FailureReason); !strings.Contains(got, "1 of 2510 rows were not put into feature group g: a.csv row 7: no sevens") {
		t.Error(got)
	}
	for id, n := range store.put {
		if n != 1 {
			t.Errorf("row %s was put %d times", id, n)
		}
	}
	if len(store.put) != 2510 || store.calls != 5 {
		t.Errorf("%d rows in %d calls", len(store.put), store.calls)
	}
}
