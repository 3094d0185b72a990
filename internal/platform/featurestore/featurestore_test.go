package featurestore_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/featurestore"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FEATURESTORE_TEST_CHILD"); dir != "" {
		putForEver(dir)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, e *platformtest.Env) *featurestore.Service {
	t.Helper()
	s, err := featurestore.New(e.Ctx, featurestore.Deps{DB: e.DB, Objects: e.Objects, World: e.World, Log: e.Log, Path: filepath.Join(e.Dir, "features.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func define(pairs ...string) (out []awsapi.FeatureDefinition) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, awsapi.FeatureDefinition{FeatureName: &pairs[i], FeatureType: &pairs[i+1]})
	}
	return out
}

// request is a group with an online and an offline store.
func request(name string) *awsapi.CreateFeatureGroupRequest {
	return &awsapi.CreateFeatureGroupRequest{FeatureGroupName: &name, RecordIdentifierFeatureName: new("id"), EventTimeFeatureName: new("at"),
		FeatureDefinitions: define("id", "Integral", "at", "Fractional", "price", "Fractional", "rooms", "Integral", "city", "String"),
		OnlineStoreConfig:  &awsapi.OnlineStoreConfig{EnableOnlineStore: new(true)},
		OfflineStoreConfig: &awsapi.OfflineStoreConfig{S3StorageConfig: &awsapi.S3StorageConfig{S3Uri: new("s3://" + platformtest.Bucket + "/features/")}}}
}

func values(pairs ...string) (out []awsapi.FeatureValue) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, awsapi.FeatureValue{FeatureName: &pairs[i], ValueAsString: &pairs[i+1]})
	}
	return out
}

func create(t testing.TB, e *platformtest.Env, s *featurestore.Service, name string) string {
	t.Helper()
	if _, err := s.CreateFeatureGroup(e.Ctx, request(name)); err != nil {
		t.Fatal(err)
	}
	d, err := s.DescribeFeatureGroup(e.Ctx, &awsapi.DescribeFeatureGroupRequest{FeatureGroupName: &name})
	if err != nil || *d.FeatureGroupStatus != "Created" {
		t.Fatal(d, err)
	}
	return *d.OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri
}

// row is what the tests read of the offline store.
type row struct {
	ID      int64   `parquet:"id"`
	At      float64 `parquet:"at"`
	Price   float64 `parquet:"price,optional"`
	Rooms   int64   `parquet:"rooms,optional"`
	City    string  `parquet:"city,optional"`
	Deleted bool    `parquet:"is_deleted"`
}

// offline reads the offline store as a client does: flush, list, read.
func offline(t testing.TB, e *platformtest.Env, s *featurestore.Service, uri string) (rows []row, keys []string) {
	t.Helper()
	bucket, prefix, err := object.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(e.Ctx, bucket, prefix); err != nil {
		t.Fatal(err)
	}
	list, _, err := e.Objects.List(e.Ctx, bucket, prefix, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		body, _, err := e.Objects.Get(e.Ctx, bucket, o.Key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			t.Fatal(err)
		}
		part, err := parquet.Read[row](bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("%s: %v", o.Key, err)
		}
		rows = append(rows, part...)
		keys = append(keys, strings.TrimPrefix(o.Key, prefix))
	}
	return rows, keys
}

func TestGroupsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := open(t, e)
	defer s.Stop()
	for want, change := range map[string]func(*awsapi.CreateFeatureGroupRequest){
		"RecordIdentifierFeatureName 'nope' is not among": func(r *awsapi.CreateFeatureGroupRequest) { r.RecordIdentifierFeatureName = new("nope") },
		"EventTimeFeatureName 'nope' is not among":        func(r *awsapi.CreateFeatureGroupRequest) { r.EventTimeFeatureName = new("nope") },
		"EventTimeFeatureName 'rooms' is Integral":        func(r *awsapi.CreateFeatureGroupRequest) { r.EventTimeFeatureName = new("rooms") },
		"'id' is given twice": func(r *awsapi.CreateFeatureGroupRequest) {
			r.FeatureDefinitions = append(r.FeatureDefinitions, define("id", "String")...)
		},
		"'Is_Deleted' is reserved": func(r *awsapi.CreateFeatureGroupRequest) {
			r.FeatureDefinitions = append(r.FeatureDefinitions, define("Is_Deleted", "String")...)
		},
		"the bucket 'missing' cannot be used": func(r *awsapi.CreateFeatureGroupRequest) {
			r.OfflineStoreConfig.S3StorageConfig.S3Uri = new("s3://missing/x")
		},
		"either OnlineStoreConfig": func(r *awsapi.CreateFeatureGroupRequest) { r.OnlineStoreConfig, r.OfflineStoreConfig = nil, nil },
	} {
		r := request("bad")
		change(r)
		if _, err := s.CreateFeatureGroup(e.Ctx, r); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if l, err := s.ListFeatureGroups(e.Ctx, &awsapi.ListFeatureGroupsRequest{}); err != nil || len(l.FeatureGroupSummaries) != 0 {
		t.Errorf("a refused group exists: %v, %v", l, err)
	}
	create(t, e, s, "twice")
	if _, err := s.CreateFeatureGroup(e.Ctx, request("twice")); !awsapi.IsCode(err, "ResourceInUse") {
		t.Errorf("got %v", err)
	}
}

func TestRecordsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := open(t, e)
	defer s.Stop()
	uri := create(t, e, s, "g")
	for _, c := range []struct {
		name   string
		record []awsapi.FeatureValue
		want   string
	}{
		{"unknown", values("id", "1", "at", "1", "colour", "red"), "FeatureName 'colour' is not a feature of FeatureGroup 'g'"},
		{"text for Integral", values("id", "1", "at", "1", "rooms", "many"), "FeatureName 'rooms' has type Integral, but its value 'many' is not an integer"},
		{"fraction for Integral", values("id", "1", "at", "1", "rooms", "1.5"), "'rooms' has type Integral"},
		{"empty Integral", values("id", "1", "at", "1", "rooms", ""), "'rooms' has type Integral"},
		{"text for Fractional", values("id", "1", "at", "1", "price", "cheap"), "FeatureName 'price' has type Fractional, but its value 'cheap' is not a number"},
		{"infinite", values("id", "1", "at", "1", "price", "1e999"), "'price' has type Fractional"},
		{"no identifier", values("at", "1"), "no value of its record identifier feature 'id'"},
		{"no event time", values("id", "1"), "no value of its event time feature 'at'"},
		{"event time is a date", values("id", "1", "at", "2026-01-01T00:00:00Z"), "'at' has type Fractional"},
		{"event time before 1970", values("id", "1", "at", "-5"), "FeatureName 'at' is the event time, but its value '-5'"},
		{"twice", values("id", "1", "at", "1", "id", "2"), "FeatureName 'id' is given twice"},
	} {
		err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: c.record})
		if !awsapi.IsCode(err, "ValidationError") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("none"), Record: values("id", "1", "at", "1")}); !awsapi.IsCode(err, "ResourceNotFound") {
		t.Errorf("unknown group: %v", err)
	}
	if rows, _ := offline(t, e, s, uri); len(rows) != 0 {
		t.Errorf("a refused record was kept: %v", rows)
	}
}

func get(t testing.TB, e *platformtest.Env, s *featurestore.Service, id string) map[string]string {
	t.Helper()
	out, err := s.GetRecord(e.Ctx, &awsapi.GetRecordRequest{FeatureGroupName: new("g"), RecordIdentifierValueAsString: &id})
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, v := range out.Record {
		m[*v.FeatureName] = *v.ValueAsString
	}
	return m
}

// TestEventTimeDecides writes records in any order, deletions among them: the online store holds the latest by event time, the offline store all.
func TestEventTimeDecides(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := open(t, e)
	defer s.Stop()
	uri := create(t, e, s, "g")
	rng := rand.New(rand.NewPCG(7, 7))
	latest, deleted := map[int]int{}, map[int]bool{}
	for range 300 {
		id, at := rng.IntN(10), 1_700_000_000+rng.IntN(7200)
		drop := rng.IntN(5) == 0
		var err error
		if drop {
			err = s.DeleteRecord(e.Ctx, &awsapi.DeleteRecordRequest{FeatureGroupName: new("g"), RecordIdentifierValueAsString: new(fmt.Sprint(id)), EventTime: new(fmt.Sprint(at))})
		} else {
			err = s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", fmt.Sprint(id), "at", fmt.Sprint(at), "rooms", fmt.Sprint(at))})
		}
		if err != nil {
			t.Fatal(err)
		}
		if at >= latest[id] {
			latest[id], deleted[id] = at, drop
		}
	}
	for id, at := range latest {
		got := get(t, e, s, fmt.Sprint(id))
		if deleted[id] && len(got) != 0 || !deleted[id] && got["rooms"] != fmt.Sprint(at) {
			t.Errorf("%d: got %v, want the event of %d, deleted %v", id, got, at, deleted[id])
		}
	}
	rows, keys := offline(t, e, s, uri)
	if len(rows) != 300 {
		t.Errorf("%d rows in the offline store, want 300", len(rows))
	}
	for _, k := range keys {
		if !strings.HasPrefix(k, "/year=2023/month=11/day=1") || !strings.HasSuffix(k, ".parquet") {
			t.Errorf("key %s", k)
		}
	}
	if again, _ := offline(t, e, s, uri); len(again) != 300 {
		t.Errorf("%d rows after another flush", len(again))
	}
}

func TestDeletedGroupKeepsItsOfflineStoreAndANewOneStartsEmpty(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := open(t, e)
	defer s.Stop()
	uri := create(t, e, s, "g")
	job := identity.With(e.Ctx, func() identity.Principal { p := e.Caller; p.JobARN = "job-1"; return p }())
	if err := s.PutRecord(job, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", "1", "at", "1700000000.25", "price", "1.5", "city", "Ulm")}); err != nil {
		t.Fatal(err)
	}
	before, err := s.Fingerprint(e.Ctx, "g")
	if err != nil || before == "" {
		t.Fatal(before, err)
	}
	rows, _ := offline(t, e, s, uri)
	if len(rows) != 1 || rows[0] != (row{ID: 1, At: 1700000000.25, Price: 1.5, City: "Ulm"}) {
		t.Errorf("rows %v", rows)
	}
	if after, _ := s.Fingerprint(e.Ctx, "g"); after != before {
		t.Errorf("a flush changed the fingerprint from %s to %s", before, after)
	}
	if names, err := s.WrittenBy(e.Ctx, "job-1"); err != nil || len(names) != 1 || names[0] != "g" {
		t.Errorf("written by the job: %v, %v", names, err)
	}
	if err := s.DeleteFeatureGroup(e.Ctx, &awsapi.DeleteFeatureGroupRequest{FeatureGroupName: new("g")}); err != nil {
		t.Fatal(err)
	}
	if rows, _ := offline(t, e, s, uri); len(rows) != 1 {
		t.Errorf("the offline store has %d rows", len(rows))
	}
	if f, _ := s.Fingerprint(e.Ctx, "g"); f != "" {
		t.Errorf("fingerprint of a deleted group: %s", f)
	}
	create(t, e, s, "g")
	if got := get(t, e, s, "1"); len(got) != 0 {
		t.Errorf("the new group has %v", got)
	}
}

// putForEver says on its output which records were acknowledged, and flushes all the while.
func putForEver(dir string) {
	t := &testing.T{}
	e := platformtest.Open(t, dir)
	s := open(t, e)
	go func() {
		for {
			s.Flush(e.Ctx, platformtest.Bucket, "features")
		}
	}()
	var mu sync.Mutex
	start := time.Now().UnixNano()
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprint(start + int64(i*16+w))
				if err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", id, "at", fmt.Sprint(1_700_000_000+i%7200))}); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Println(id)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestKilledWriterLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s := open(t, e)
	uri := create(t, e, s, "g")
	s.Stop()
	e.Close()
	acknowledged := map[string]bool{}
	for range 4 {
		cmd := exec.CommandContext(context.Background(), os.Args[0])
		cmd.Env = append(os.Environ(), "FEATURESTORE_TEST_CHILD="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); n++ {
			acknowledged[lines.Text()] = true
			if n == 1500 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
	}
	e = platformtest.Open(t, dir)
	defer e.Close()
	s = open(t, e)
	defer s.Stop()
	rows, _ := offline(t, e, s, uri)
	seen := map[string]int{}
	for _, r := range rows {
		seen[fmt.Sprint(r.ID)]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("record %s is in the offline store %d times", id, n)
		}
	}
	for id := range acknowledged {
		if seen[id] != 1 {
			t.Errorf("record %s was acknowledged and is there %d times", id, seen[id])
		}
		if got := get(t, e, s, id); got["id"] != id {
			t.Errorf("record %s is not in the online store", id)
		}
	}
	t.Logf("%d acknowledged, %d kept", len(acknowledged), len(rows))
}

func FuzzEventTime(f *testing.F) {
	e := platformtest.New(f)
	s := open(f, e)
	f.Cleanup(s.Stop)
	r := request("g")
	r.FeatureDefinitions = define("id", "Integral", "at", "String")
	if _, err := s.CreateFeatureGroup(e.Ctx, r); err != nil {
		f.Fatal(err)
	}
	f.Add("2026-01-02T03:04:05Z")
	f.Add("2026-01-02T03:04:05.678Z")
	f.Add("1700000000.5")
	f.Fuzz(func(t *testing.T, at string) {
		err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: values("id", "1", "at", at)})
		if err != nil && !awsapi.IsCode(err, "ValidationError") {
			t.Errorf("%q: %v", at, err)
		}
	})
}

func BenchmarkPutRecord(b *testing.B) {
	e := platformtest.New(b)
	s := open(b, e)
	defer s.Stop()
	create(b, e, s, "g")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.PutRecord(e.Ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"),
				Record: values("id", fmt.Sprint(rand.IntN(1e6)), "at", "1700000000", "price", "1.5", "rooms", "3", "city", "Ulm")}); err != nil {
				b.Error(err)
			}
		}
	})
}
