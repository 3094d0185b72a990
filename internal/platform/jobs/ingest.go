package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
)

// Features is where rows of outputs go that name a feature group.
type Features interface {
	BatchWriteRecord(ctx context.Context, in *awsapi.BatchWriteRecordRequest) (*awsapi.BatchWriteRecordResponse, error)
}

// rowsAtOnce is how many rows are put at once: all of them or, but for those that are refused, none.
const rowsAtOnce = 1000

// reasonsShown is how many refused rows the reason of the job's failure names.
const reasonsShown = 5

// rowsFolder is where a host leaves the rows of an output for a feature group: the output's own folder, where it has one.
func rowsFolder(o awsapi.ProcessingOutput) string {
	if o.S3Output != nil && o.S3Output.LocalPath != nil {
		return *o.S3Output.LocalPath
	}
	return ml + "/processing/" + *o.OutputName
}

// ingest puts the rows that the hosts left as CSV with a header line or as Parquet into the feature groups of the outputs. A program that puts its
// records itself leaves none. Rows that are refused are named, and do not keep the others from being put.
func (p *pass) ingest(ctx context.Context) error {
	in := p.job.Processing
	if in == nil || in.ProcessingOutputConfig == nil {
		return nil
	}
	ctx = identity.With(ctx, identity.Principal{Account: p.job.Scope.Account, Region: p.job.Scope.Region, RoleARN: p.job.role(), JobARN: p.job.ARN})
	_, hosts := p.job.cluster()
	var failures []string
	for _, o := range in.ProcessingOutputConfig.Outputs {
		if o.FeatureStoreOutput == nil {
			continue
		}
		i := &ingestion{pass: p, group: *o.FeatureStoreOutput.FeatureGroupName}
		for n := 1; n <= hosts; n++ {
			if err := i.folder(ctx, p.at(n, rowsFolder(o))); err != nil {
				return full(err, "output "+*o.OutputName)
			}
		}
		if i.refused > 0 {
			failures = append(failures, fmt.Sprintf("output %s: %d of %d rows were not put into feature group %s: %s", *o.OutputName, i.refused, i.read, i.group, strings.Join(i.reasons, "; ")))
		}
	}
	if len(failures) > 0 {
		return clientError("%s", strings.Join(failures, ". "))
	}
	return nil
}

// An ingestion puts the rows of one output.
type ingestion struct {
	*pass
	group         string
	read, refused int
	reasons       []string
}

func (i *ingestion) folder(ctx context.Context, folder string) error {
	names, err := regular(folder)
	if err != nil || len(names) == 0 {
		return err
	}
	root, err := i.own(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range names {
		format := tableFormats[strings.ToLower(filepath.Ext(name))]
		if format == nil {
			continue
		}
		if err := i.file(ctx, root, name, filepath.Join(folder, name), format); err != nil {
			return err
		}
	}
	return nil
}

func (i *ingestion) file(ctx context.Context, root *os.Root, name, path string, format tableFormat) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	done, err := i.putBefore(path)
	if err != nil {
		return err
	}
	batch := batch{ingestion: i, file: name, path: path}
	err = format(f, func(row int, values []awsapi.FeatureValue) error {
		i.read++
		if row <= done {
			return nil
		}
		return batch.add(ctx, row, values)
	})
	var broken *brokenTable
	if errors.As(err, &broken) {
		return clientError("the rows for feature group %s: %s: %v", i.group, name, broken)
	}
	if err != nil {
		return err
	}
	return batch.put(ctx)
}

func (i *ingestion) refuse(file string, row int, why string) {
	if i.refused++; len(i.reasons) < reasonsShown {
		i.reasons = append(i.reasons, fmt.Sprintf("%s row %d: %s", file, row, why))
	}
}

// A batch is the rows that are put next.
type batch struct {
	*ingestion
	file, path string
	entries    []awsapi.BatchWriteRecordEntry
	rows       []int
}

func (b *batch) add(ctx context.Context, row int, values []awsapi.FeatureValue) error {
	if len(values) == 0 {
		b.refuse(b.file, row, "it has no value")
		return nil
	}
	b.entries, b.rows = append(b.entries, awsapi.BatchWriteRecordEntry{FeatureGroupName: &b.group, Record: values}), append(b.rows, row)
	if len(b.entries) < rowsAtOnce {
		return nil
	}
	return b.put(ctx)
}

func (b *batch) put(ctx context.Context) error {
	if len(b.entries) == 0 {
		return nil
	}
	out, err := b.svc.Features.BatchWriteRecord(ctx, &awsapi.BatchWriteRecordRequest{Entries: b.entries})
	if err != nil {
		return err
	}
	rowOf := make(map[*awsapi.FeatureValue]int, len(b.rows)) // by the record, which the answer gives back
	for n, e := range b.entries {
		rowOf[&e.Record[0]] = b.rows[n]
	}
	for _, e := range out.Errors {
		b.refuse(b.file, rowOf[&e.Entry.Record[0]], awsapi.Val(e.ErrorMessage))
	}
	last := b.rows[len(b.rows)-1]
	b.entries, b.rows = nil, nil
	return b.note(b.path, last)
}

// ingestedFile tells, in the job's folder, how far each file was put, so that a server that takes over puts at most one batch again.
func (i *ingestion) ingestedFile() string { return filepath.Join(i.dir, "ingested") }

func (i *ingestion) note(path string, rows int) error {
	f, err := os.OpenFile(i.ingestedFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d %d %s\n", strconv.Quote(path), rows, i.refused, strconv.Quote(strings.Join(i.reasons, "\n")))
	return errors.Join(err, f.Close())
}

// putBefore is how many rows of a file an earlier server has put. What it refused counts on.
func (i *ingestion) putBefore(path string) (rows int, err error) {
	b, err := os.ReadFile(i.ingestedFile())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	for line := range strings.Lines(string(b)) {
		var file, reasons string
		var n, refused int
		if _, err := fmt.Sscanf(line, "%q %d %d %q\n", &file, &n, &refused, &reasons); err != nil || file != path {
			continue
		}
		rows, i.refused, i.reasons = n, refused, nil
		if reasons != "" {
			i.reasons = strings.Split(reasons, "\n")
		}
	}
	return rows, err
}
