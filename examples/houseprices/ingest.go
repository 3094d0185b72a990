package houseprices

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mobula-ml/mobula/dataset"
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/pipeline"
	"github.com/mobula-ml/mobula/ray"
)

// The columns of the data: what is known of a house, and its price.
var (
	features = []string{"YEAR_BUILT", "SQUARE_FEET", "NUM_BEDROOMS", "NUM_BATHROOMS", "LOT_ACRES", "GARAGE_SPACES", "FRONT_PORCH", "DECK"}
	target   = "PRICE"
)

// The features that the feature store needs besides.
const (
	identifier = "record_id"
	eventTime  = "event_time"
)

// ingestion are the arguments of the step.
type ingestion struct {
	FeatureGroup string `arg:"feature-group"`
	Prefix       string `arg:"prefix"`
	Bucket       string `arg:"bucket"`
	Actors       int    `arg:"actors"`
	Check        bool   `arg:"check"`
}

// ingest puts every row of the CSV files into the feature group, with a number of actors side by side.
func ingest(ctx context.Context, job *pipeline.Job) error {
	var args ingestion
	if err := job.Bind(&args); err != nil {
		return err
	}
	if args.Actors < 1 || args.Actors > 100 {
		return fmt.Errorf("argument actors '%d' must be 1 to 100", args.Actors)
	}
	rows, err := readHouses(ctx, job.Input("raw"), args.Check)
	if err != nil {
		return err
	}
	if err := createGroup(ctx, args); err != nil {
		return err
	}
	job.Logf("%d rows go into feature group %s with %d actors", len(rows), args.FeatureGroup, args.Actors)
	return putAll(ctx, job, args, rows)
}

// readHouses reads the rows as records of the feature store, in the order of recordOf.
func readHouses(ctx context.Context, folder string, check bool) ([][]string, error) {
	session, err := dataset.Open(dataset.Config{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	schema := []dataset.Column{{Name: target, Type: "BIGINT"}}
	required := []string{target}
	for _, f := range features {
		schema = append(schema, dataset.Column{Name: f, Type: "DOUBLE"})
		required = append(required, f)
	}
	houses, err := session.ReadCSV(ctx, folder, dataset.CSVOptions{Schema: schema, Required: required})
	if err != nil {
		return nil, err
	}
	if check {
		if err := houses.Validate(ctx); err != nil {
			return nil, err
		}
	}
	now := strconv.FormatFloat(float64(time.Now().UnixMilli())/1000, 'f', 3, 64)
	var out [][]string
	for row, err := range houses.Select(append([]string{target}, features...)...).Rows(ctx) {
		if err != nil {
			return nil, err
		}
		record := []string{strconv.Itoa(len(out)), now}
		for _, v := range row {
			record = append(record, fmt.Sprint(v))
		}
		out = append(out, record)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the data has no rows")
	}
	return out, nil
}

// columns names the values of a record.
func columns() []string { return append([]string{identifier, eventTime, target}, features...) }

// createGroup makes the feature group with an offline store; where there is one of the name, it is used.
func createGroup(ctx context.Context, args ingestion) error {
	client, err := awsapi.ClientFromEnv()
	if err != nil {
		return err
	}
	definitions := []awsapi.FeatureDefinition{{FeatureName: new(identifier), FeatureType: new(awsapi.FeatureTypeIntegral)},
		{FeatureName: new(eventTime), FeatureType: new(awsapi.FeatureTypeFractional)}, {FeatureName: &target, FeatureType: new(awsapi.FeatureTypeIntegral)}}
	for _, f := range features {
		definitions = append(definitions, awsapi.FeatureDefinition{FeatureName: &f, FeatureType: new(awsapi.FeatureTypeFractional)})
	}
	_, err = client.CreateFeatureGroup(ctx, &awsapi.CreateFeatureGroupRequest{FeatureGroupName: &args.FeatureGroup,
		RecordIdentifierFeatureName: new(identifier), EventTimeFeatureName: new(eventTime), FeatureDefinitions: definitions,
		OnlineStoreConfig:  &awsapi.OnlineStoreConfig{EnableOnlineStore: new(false)},
		OfflineStoreConfig: &awsapi.OfflineStoreConfig{S3StorageConfig: &awsapi.S3StorageConfig{S3Uri: new("s3://" + args.Bucket + "/" + args.Prefix)}}})
	if err != nil && !awsapi.IsCode(err, "ResourceInUse") {
		return err
	}
	for {
		d, err := client.DescribeFeatureGroup(ctx, &awsapi.DescribeFeatureGroupRequest{FeatureGroupName: &args.FeatureGroup})
		switch {
		case err != nil:
			return err
		case *d.FeatureGroupStatus == awsapi.FeatureGroupStatusCreated:
			return nil
		case *d.FeatureGroupStatus != awsapi.FeatureGroupStatusCreating:
			return fmt.Errorf("feature group %s is %s: %s", args.FeatureGroup, *d.FeatureGroupStatus, awsapi.Val(d.FailureReason))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// A writer is an actor that puts records into one feature group.
type writer struct {
	client *awsapi.Client
	group  string
}

var (
	writerActor = ray.Actor("houseprices.writer", func(_ context.Context, group string) (*writer, error) {
		client, err := awsapi.ClientFromEnv()
		return &writer{client, group}, err
	})
	putRecords = ray.Method(writerActor, "put", (*writer).put)
)

// inFlight is how many records an actor has under way at a time: a record is answered when it is on the disk, and those that wait together
// share the wait.
const inFlight = 4

// put writes records, one PutRecord a record, and returns how many.
func (w *writer) put(ctx context.Context, records [][]string) (int, error) {
	names := columns()
	group, ctx := errgroup.WithContext(ctx)
	for n := range inFlight {
		group.Go(func() error {
			in := &awsapi.PutRecordRequest{FeatureGroupName: &w.group, Record: make([]awsapi.FeatureValue, len(names))}
			for r := n; r < len(records); r += inFlight {
				for i := range names {
					in.Record[i] = awsapi.FeatureValue{FeatureName: &names[i], ValueAsString: &records[r][i]}
				}
				if err := w.client.PutRecord(ctx, in); err != nil {
					return fmt.Errorf("record %s: %w", records[r][0], err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return len(records), nil
}

// chunk is how many records an actor gets with one call: small enough to see progress, large enough not to notice the call.
const chunk = 250

// putAll deals the records out to the actors and follows them.
func putAll(ctx context.Context, job *pipeline.Job, args ingestion, records [][]string) error {
	// A host shows the processors of its instance type; ray is told so, since Go counts the machine's.
	cpus, err := strconv.ParseFloat(os.Getenv("SM_NUM_CPUS"), 64)
	if err != nil || cpus < 0.5 {
		cpus = 1
	}
	const each = 0.5
	ctx, err = ray.Init(ctx, ray.Options{NumCPUs: max(cpus, each*float64(args.Actors))})
	if err != nil {
		return err
	}
	defer func() {
		if err := ray.Shutdown(context.WithoutCancel(ctx)); err != nil {
			job.Logf("%v", err)
		}
	}()
	var calls []ray.Ref[int]
	for n := range args.Actors {
		part := records[n*len(records)/args.Actors : (n+1)*len(records)/args.Actors]
		actor, err := writerActor.New(ctx, args.FeatureGroup, ray.CPUs(each))
		if err != nil {
			return err
		}
		for from := 0; from < len(part); from += chunk {
			call, err := putRecords.Call(ctx, actor, part[from:min(from+chunk, len(part))])
			if err != nil {
				return err
			}
			calls = append(calls, call)
		}
	}
	done := 0
	job.Progress(0, len(records), "records")
	for len(calls) > 0 {
		ready, rest, err := ray.Wait(ctx, calls, 1, 0)
		if err != nil {
			return err
		}
		for _, call := range ready {
			n, err := ray.Get(ctx, call)
			if err != nil {
				return err
			}
			done += n
		}
		calls = rest
		job.Progress(done, len(records), "records")
	}
	return nil
}
