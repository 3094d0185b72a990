package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// An entry is what the cache remembers of a step that succeeded.
type entry struct {
	Pipeline, Step   string
	Key              key
	Source           string // ARN of the execution
	Child, ChildName string
	Properties       json.RawMessage
	// Outputs has what the job wrote, by URI; Features the fingerprint of each feature group that it wrote or read.
	Outputs  map[string][]file
	Features map[string]string
	At       time.Time
	scope    store.Scope
}

var cacheRows = store.NewCollection("pipeline-cache", func(e *entry) store.Index {
	return store.Index{Parent: e.Pipeline + "/" + e.Step, Created: e.At, Keys: map[string]string{"pipeline": e.Pipeline}}
})

// maxEntries is how many results of one step are kept; the oldest goes first.
const maxEntries = 20

func (e *entry) row() string { return digest(e.Pipeline, e.Step, e.Key.Sum) }

// cacheEntry notes what a step that has just succeeded leaves behind.
func (r *run) cacheEntry(row *step, now time.Time) (*entry, error) {
	e := &entry{Pipeline: r.exec.Pipeline, Step: row.Name, Key: *row.Key, Source: r.exec.ARN, Child: row.Child, ChildName: row.ChildName,
		Properties: row.Properties, Outputs: map[string][]file{}, Features: map[string]string{}, At: now, scope: r.exec.Scope}
	uris, err := outputsOf(row.Type, row.Properties)
	if err != nil {
		return nil, err
	}
	for _, uri := range uris {
		if e.Outputs[uri], err = under(r.ctx, r.svc.Objects, uri); err != nil {
			return nil, err
		}
	}
	if row.Type == definition.Lambda || row.Type == definition.Callback {
		return e, nil // no job that the feature store could know
	}
	written, err := r.svc.Features.WrittenBy(r.ctx, row.Child)
	if err != nil {
		return nil, err
	}
	read, err := r.svc.Features.ReadBy(r.ctx, row.Child)
	if err != nil {
		return nil, err
	}
	for _, group := range slices.Concat(written, read) {
		if e.Features[group], err = r.svc.Features.Fingerprint(r.ctx, group); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// keep stores the entry in place of an earlier one with the same key, and drops the oldest of the step beyond maxEntries.
func (e *entry) keep(tx *store.Tx) error {
	err := cacheRows.Insert(tx, e.scope, e.row(), e.Source+"/cache/"+e.row(), e)
	if errors.Is(err, store.ErrExists) {
		if err = cacheRows.Delete(tx, e.scope, e.row()); err == nil {
			err = cacheRows.Insert(tx, e.scope, e.row(), e.Source+"/cache/"+e.row(), e)
		}
	}
	if err != nil {
		return err
	}
	page, err := cacheRows.List(tx, e.scope, store.Query{Parent: e.Pipeline + "/" + e.Step, SortBy: store.ByCreated, Descending: true, Limit: 2 * maxEntries})
	if err != nil {
		return err
	}
	for _, old := range page.Items[min(maxEntries, len(page.Items)):] {
		if err := cacheRows.Delete(tx, e.scope, old.row()); err != nil {
			return err
		}
	}
	return nil
}

// forgetCache drops everything that the cache remembers of a pipeline.
func forgetCache(tx *store.Tx, scope store.Scope, pipeline string) error {
	for {
		page, err := cacheRows.List(tx, scope, store.Query{Keys: map[string]string{"pipeline": pipeline}, SortBy: store.ByName, Limit: 100})
		if err != nil || len(page.Items) == 0 {
			return err
		}
		for _, e := range page.Items {
			if err := cacheRows.Delete(tx, scope, e.row()); err != nil {
				return err
			}
		}
	}
}

// fromCache looks for an earlier result of the step. On a hit the row carries it and the outputs lie where they are now asked for; on a miss
// the row says why.
func (r *run) fromCache(def *definition.Step, row *step, args map[string]any) (hit bool, err error) {
	if row.Key, err = r.keyOf(def); err != nil {
		return false, err
	}
	var found, nearest *entry
	err = r.svc.DB.View(r.ctx, func(tx *store.Tx) error {
		e := entry{Pipeline: r.exec.Pipeline, Step: def.Name, Key: *row.Key}
		found, err = cacheRows.Get(tx, r.exec.Scope, e.row())
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		page, err := cacheRows.List(tx, r.exec.Scope, store.Query{Parent: e.Pipeline + "/" + e.Step, SortBy: store.ByCreated, Descending: true, Limit: maxEntries})
		for i := range page.Items { // the one that differs least tells most; of those that differ alike, the latest
			if nearest == nil || row.Key.distance(&page.Items[i].Key) < row.Key.distance(&nearest.Key) {
				nearest = &page.Items[i]
			}
		}
		return err
	})
	if err != nil {
		return false, err
	}
	switch {
	case found != nil:
		row.CacheMiss, err = r.stale(def, found)
	case nearest != nil:
		row.CacheMiss = row.Key.differs(&nearest.Key) + " since " + nearest.Source
	default:
		row.CacheMiss = "no earlier execution of this pipeline has a result of this step"
	}
	if err != nil || row.CacheMiss != "" {
		return false, err
	}
	if row.Properties, err = r.place(found, def.Type, args); err != nil {
		return false, err
	}
	row.Status, row.CacheHit, row.Child, row.ChildName = awsapi.StepStatusSucceeded, found.Source, found.Child, found.ChildName
	return true, nil
}

// stale says why an entry cannot be used any more, or "".
func (r *run) stale(def *definition.Step, e *entry) (string, error) {
	if age := r.svc.World.Now().Sub(e.At); age > def.Cache.ExpireAfter {
		return fmt.Sprintf("the result of %s expired: it is %s old and ExpireAfter is %s", e.Source, age.Round(time.Second), def.Cache.ExpireAfter), nil
	}
	for _, uri := range slices.Sorted(maps.Keys(e.Outputs)) {
		now, err := under(r.ctx, r.svc.Objects, uri)
		if err != nil {
			return "", err
		}
		if !slices.Equal(now, e.Outputs[uri]) {
			return fmt.Sprintf("the output %s is not as %s left it", uri, e.Source), nil
		}
	}
	for _, group := range slices.Sorted(maps.Keys(e.Features)) {
		now, err := r.svc.Features.Fingerprint(r.ctx, group)
		if err != nil {
			return "", err
		}
		if now == "" && e.Features[group] != "" {
			return fmt.Sprintf("the feature group %s, which the job of %s wrote or read, is gone", group, e.Source), nil
		}
		if now != e.Features[group] {
			return fmt.Sprintf("the feature group %s is not as %s left it", group, e.Source), nil
		}
	}
	return "", nil
}

// place copies the outputs of a Processing step to where this execution asks for them, and returns the properties that say so.
func (r *run) place(e *entry, stepType string, args map[string]any) (json.RawMessage, error) {
	if stepType != definition.Processing {
		return e.Properties, nil
	}
	var tree map[string]any
	if err := json.Unmarshal(e.Properties, &tree); err != nil {
		return nil, err
	}
	asked := outputURIs(args)
	config, _ := tree["ProcessingOutputConfig"].(map[string]any)
	outputs, _ := config["Outputs"].([]any)
	for _, o := range outputs {
		m, _ := o.(map[string]any)
		s3, _ := m["S3Output"].(map[string]any)
		name, _ := m["OutputName"].(string)
		from, _ := s3["S3Uri"].(string)
		to, ok := asked[name]
		if !ok || to == from {
			continue
		}
		for _, f := range e.Outputs[from] {
			if err := r.svc.copyObject(r.ctx, from, to, f.Path); err != nil {
				return nil, err
			}
		}
		s3["S3Uri"] = to
	}
	return json.Marshal(tree)
}

func (s *Service) copyObject(ctx context.Context, from, to, path string) error {
	fromBucket, fromKey, err := object.ParseURI(strings.TrimSuffix(from, "/") + "/" + path)
	if err != nil {
		return err
	}
	toBucket, toKey, err := object.ParseURI(strings.TrimSuffix(to, "/") + "/" + path)
	if err != nil {
		return err
	}
	body, info, err := s.Objects.Get(ctx, fromBucket, fromKey)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = s.Objects.Put(ctx, toBucket, toKey, body, object.PutOptions{ContentType: info.ContentType, Metadata: info.Metadata})
	return err
}

// outputURIs returns the S3 URI of each output in a Processing step's arguments or in a processing job's description.
func outputURIs(tree map[string]any) map[string]string {
	uris := map[string]string{}
	config, _ := tree["ProcessingOutputConfig"].(map[string]any)
	outputs, _ := config["Outputs"].([]any)
	for _, o := range outputs {
		m, _ := o.(map[string]any)
		s3, _ := m["S3Output"].(map[string]any)
		name, _ := m["OutputName"].(string)
		if uri, ok := s3["S3Uri"].(string); ok {
			uris[name] = uri
		}
	}
	return uris
}

// outputsOf returns the URIs under which a job wrote, from its description.
func outputsOf(stepType string, properties json.RawMessage) ([]string, error) {
	var p struct {
		ModelArtifacts        struct{ S3ModelArtifacts string }
		TrainingJobSummaries  []struct{ TrainingJobName string }
		TrainingJobDefinition struct{ OutputDataConfig struct{ S3OutputPath string } }
		TransformOutput       struct{ S3OutputPath string }
	}
	if err := json.Unmarshal(properties, &p); err != nil {
		return nil, err
	}
	var uris []string
	switch stepType {
	case definition.Lambda, definition.Callback:
		return nil, nil
	case definition.Processing:
		var tree map[string]any
		if err := json.Unmarshal(properties, &tree); err != nil {
			return nil, err
		}
		for _, uri := range outputURIs(tree) {
			uris = append(uris, uri)
		}
	case definition.Training:
		uris = append(uris, strings.TrimSuffix(p.ModelArtifacts.S3ModelArtifacts, "model.tar.gz")) // with output.tar.gz beside it
	case definition.Transform:
		uris = append(uris, p.TransformOutput.S3OutputPath)
	case definition.Tuning:
		for _, job := range p.TrainingJobSummaries {
			uris = append(uris, strings.TrimSuffix(p.TrainingJobDefinition.OutputDataConfig.S3OutputPath, "/")+"/"+job.TrainingJobName+"/output/model.tar.gz")
		}
	}
	slices.Sort(uris)
	return slices.Compact(uris), nil
}
