package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// group makes a feature group with the columns of the house prices.
func group(ctx context.Context, c *awsapi.Client, name string) (columns []string, err error) {
	columns = []string{"record_id", "event_time", "PRICE", "YEAR_BUILT", "SQUARE_FEET", "NUM_BEDROOMS", "NUM_BATHROOMS", "LOT_ACRES", "GARAGE_SPACES", "FRONT_PORCH", "DECK"}
	in := &awsapi.CreateFeatureGroupRequest{FeatureGroupName: &name, RecordIdentifierFeatureName: &columns[0], EventTimeFeatureName: &columns[1],
		OnlineStoreConfig: &awsapi.OnlineStoreConfig{EnableOnlineStore: new(true)}}
	for i := range columns {
		kind := awsapi.FeatureTypeFractional
		if i == 0 {
			kind = awsapi.FeatureTypeIntegral
		}
		in.FeatureDefinitions = append(in.FeatureDefinitions, awsapi.FeatureDefinition{FeatureName: &columns[i], FeatureType: &kind})
	}
	_, err = c.CreateFeatureGroup(ctx, in)
	return columns, err
}

// ingest puts records through HTTP, signed and durable, one PutRecord each, from 16 connections of a client on the same machine.
func ingest() ([]result, error) {
	const records, connections = 30_000, 16
	ctx := context.Background()
	c, _, stop, err := up()
	if err != nil {
		return nil, err
	}
	defer stop()
	var rates []float64
	for run := range runs {
		name := fmt.Sprint("bench", run)
		columns, err := group(ctx, c, name)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		errs := make(chan error, connections)
		var wg sync.WaitGroup
		for w := range connections {
			wg.Go(func() {
				for i := w; i < records; i += connections {
					in := &awsapi.PutRecordRequest{FeatureGroupName: &name}
					for k := range columns {
						value := fmt.Sprint(i + k)
						in.Record = append(in.Record, awsapi.FeatureValue{FeatureName: &columns[k], ValueAsString: &value})
					}
					if err := c.PutRecord(ctx, in); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		select {
		case err := <-errs:
			return nil, err
		default:
		}
		rates = append(rates, records/time.Since(began).Seconds())
	}
	return []result{{Name: "PutRecord, signed, durable, 16 connections", Ours: median(rates), Unit: "records/s", Wanted: "≥ 5,000", Note: "one Ray job into a stub: 250–450"}}, nil
}
