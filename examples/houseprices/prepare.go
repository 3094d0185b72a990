package houseprices

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mobula-ml/mobula/dataset"
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/pipeline"
)

// preparation are the arguments of the step.
type preparation struct {
	FeatureGroup   string  `arg:"feature-group"`
	TrainSize      float64 `arg:"train-size"`
	ValidationSize float64 `arg:"validation-size"`
	Seed           int     `arg:"seed"`
}

// bookkeeping are the columns of the offline store that say nothing of a house.
var bookkeeping = []string{identifier, eventTime, "write_time", "api_invocation_time", "is_deleted", "year", "month", "day", "hour"}

// prepare reads the feature group's offline store and writes the sets for training, validation and test, scaled by what the training set
// tells, as the built-in XGBoost wants them: the label first, no header.
func prepare(ctx context.Context, job *pipeline.Job) error {
	var args preparation
	if err := job.Bind(&args); err != nil {
		return err
	}
	client, err := awsapi.ClientFromEnv()
	if err != nil {
		return err
	}
	group, err := client.DescribeFeatureGroup(ctx, &awsapi.DescribeFeatureGroupRequest{FeatureGroupName: &args.FeatureGroup})
	if err != nil {
		return err
	}
	if group.OfflineStoreConfig == nil {
		return fmt.Errorf("feature group %s has no offline store", args.FeatureGroup)
	}
	session, err := dataset.Open(dataset.Config{Progress: func(p dataset.Progress) {
		if p.Total > 0 {
			job.Progress(int(p.Rows), int(p.Total), "rows")
		}
	}})
	if err != nil {
		return err
	}
	defer session.Close()
	records, err := session.ReadParquet(ctx, *group.OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri)
	if err != nil {
		return err
	}
	houses := records.Filter("NOT is_deleted").RandomShuffle(uint64(args.Seed), identifier).Drop(bookkeeping...)
	sets, err := houses.SplitProportionately(args.TrainSize, args.ValidationSize)
	if err != nil {
		return err
	}
	scaler, err := dataset.StandardScaler{Columns: features}.Fit(ctx, sets[0])
	if err != nil {
		return err
	}
	for i, name := range []string{"train", "validation", "test"} {
		set := scaler.Transform(sets[i])
		n, err := set.Count(ctx)
		if err != nil {
			return err
		}
		job.Logf("%s: %d rows", name, n)
		options := dataset.WriteOptions{Columns: append([]string{target}, features...)}
		if err := set.WriteCSV(ctx, filepath.Join(job.Output(name), name+".csv"), options); err != nil {
			return err
		}
	}
	return nil
}
