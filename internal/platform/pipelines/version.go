package pipelines

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// A version is a definition that a pipeline has, or had. Its name in the store is "<pipeline>/<number>".
type version struct {
	Pipeline                 string
	ID                       int64 // 1, 2, 3, …
	DisplayName, Description string
	Definition               string
	Aliases                  []string
	Created                  time.Time
	LastExecution            string // ARN
}

var versionRows = store.NewCollection("pipeline-version", func(v *version) store.Index {
	return store.Index{Parent: v.Pipeline, Created: v.Created}
})

// maxVersions is how many versions of a pipeline are kept. One that is older goes, unless it has an alias.
const maxVersions = 500

// maxAliases is the API's limit of the aliases of a version.
const maxAliases = 10

func versionName(pipeline string, id int64) string {
	return pipeline + "/" + strconv.FormatInt(id, 10)
}

// addVersion makes the pipeline's present definition its newest version, and gives that the aliases.
func addVersion(tx *store.Tx, scope store.Scope, p *pipeline, aliases []string) error {
	p.Version++
	v := &version{Pipeline: p.Name, ID: p.Version, Definition: p.Definition, Created: p.Modified}
	if err := versionRows.Insert(tx, scope, versionName(p.Name, v.ID), p.ARN+"/version/"+strconv.FormatInt(v.ID, 10), v); err != nil {
		return err
	}
	if err := alias(tx, scope, v, aliases); err != nil {
		return err
	}
	old, err := versionRows.Get(tx, scope, versionName(p.Name, p.Version-maxVersions))
	if errors.Is(err, store.ErrNotFound) || err == nil && len(old.Aliases) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return versionRows.Delete(tx, scope, versionName(p.Name, old.ID))
}

// alias gives a version names; another version of the pipeline that has one of them loses it.
func alias(tx *store.Tx, scope store.Scope, v *version, names []string) error {
	if len(names) == 0 {
		return nil
	}
	all, err := versionsOf(tx, scope, v.Pipeline)
	if err != nil {
		return err
	}
	for _, other := range all {
		n := len(other.Aliases)
		other.Aliases = slices.DeleteFunc(other.Aliases, func(a string) bool { return other.ID != v.ID && slices.Contains(names, a) })
		if len(other.Aliases) < n {
			if err := versionRows.Put(tx, scope, versionName(v.Pipeline, other.ID), other); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		if !slices.Contains(v.Aliases, name) {
			v.Aliases = append(v.Aliases, name)
		}
	}
	if len(v.Aliases) > maxAliases {
		return awsapi.Validation("Version %d of pipeline '%s' would have %d aliases; at most %d are allowed.", v.ID, v.Pipeline, len(v.Aliases), maxAliases)
	}
	return versionRows.Put(tx, scope, versionName(v.Pipeline, v.ID), v)
}

// versionsOf returns the versions of a pipeline, the oldest first.
func versionsOf(tx *store.Tx, scope store.Scope, pipeline string) (out []*version, err error) {
	for q := (store.Query{Parent: pipeline, SortBy: store.ByName, Limit: 100}); ; {
		page, err := versionRows.List(tx, scope, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			out = append(out, &page.Items[i])
		}
		if q.Token = page.Next; q.Token == "" {
			slices.SortFunc(out, func(a, b *version) int { return int(a.ID - b.ID) })
			return out, nil
		}
	}
}

// findVersion returns the version that a request names by number or alias, else the newest.
func findVersion(tx *store.Tx, scope store.Scope, p *pipeline, id *int64, name *string) (*version, error) {
	if id != nil && name != nil {
		return nil, awsapi.Validation("Only one of PipelineVersionId and PipelineVersionAlias may be given.")
	}
	if name != nil {
		all, err := versionsOf(tx, scope, p.Name)
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			if slices.Contains(v.Aliases, *name) {
				return v, nil
			}
		}
		return nil, awsapi.NotFound("Pipeline '%s' has no version with the alias '%s'.", p.Name, *name)
	}
	number := p.Version
	if id != nil {
		number = *id
	}
	v, err := versionRows.Get(tx, scope, versionName(p.Name, number))
	if errors.Is(err, store.ErrNotFound) && id == nil {
		return &version{Pipeline: p.Name, Definition: p.Definition, Created: p.Modified}, nil // made before there were versions
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.NotFound("Pipeline '%s' has no version %d.", p.Name, number)
	}
	return v, err
}

// ranAs notes the execution that was started last of a version.
func (v *version) ranAs(tx *store.Tx, scope store.Scope, execution string) error {
	if v.ID == 0 {
		return nil
	}
	v.LastExecution = execution
	return versionRows.Put(tx, scope, versionName(v.Pipeline, v.ID), v)
}

// number is a version's id as responses carry it.
func number(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// ListPipelineVersions lists the versions of a pipeline, the newest first unless told otherwise.
func (s *Service) ListPipelineVersions(ctx context.Context, in *awsapi.ListPipelineVersionsRequest) (*awsapi.ListPipelineVersionsResponse, error) {
	scope := identity.From(ctx).Scope()
	var p *pipeline
	var all []*version
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if p, err = getPipeline(tx, scope, in.PipelineName); err == nil {
			all, err = versionsOf(tx, scope, p.Name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(v *version) bool {
		return in.CreatedAfter != nil && !v.Created.After(in.CreatedAfter.Time) || in.CreatedBefore != nil && !v.Created.Before(in.CreatedBefore.Time)
	})
	if awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending {
		slices.Reverse(all)
	}
	from, to, next, err := cut(len(all), limit(in.MaxResults), in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &awsapi.ListPipelineVersionsResponse{PipelineVersionSummaries: []awsapi.PipelineVersionSummary{}, NextToken: next}
	for _, v := range all[from:to] {
		out.PipelineVersionSummaries = append(out.PipelineVersionSummaries, awsapi.PipelineVersionSummary{PipelineArn: &p.ARN, PipelineVersionId: &v.ID,
			CreationTime: stamp(v.Created), PipelineVersionDisplayName: optional(v.DisplayName), PipelineVersionDescription: optional(v.Description),
			PipelineVersionAliases: v.Aliases, LastExecutionPipelineExecutionArn: optional(v.LastExecution)})
	}
	return out, nil
}

// UpdatePipelineVersion changes how a version is shown, and its aliases.
func (s *Service) UpdatePipelineVersion(ctx context.Context, in *awsapi.UpdatePipelineVersionRequest) (*awsapi.UpdatePipelineVersionResponse, error) {
	scope := identity.From(ctx).Scope()
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		p, err := getPipeline(tx, scope, in.PipelineArn)
		if err != nil {
			return err
		}
		v, err := findVersion(tx, scope, p, in.PipelineVersionId, nil)
		if err != nil {
			return err
		}
		if in.PipelineVersionDisplayName != nil {
			v.DisplayName = *in.PipelineVersionDisplayName
		}
		if in.PipelineVersionDescription != nil {
			v.Description = *in.PipelineVersionDescription
		}
		var add []string
		if ops := in.PipelineVersionAliasOperations; ops != nil {
			v.Aliases = slices.DeleteFunc(v.Aliases, func(a string) bool { return slices.Contains(ops.Remove, a) })
			add = ops.Add
		}
		if err := versionRows.Put(tx, scope, versionName(p.Name, v.ID), v); err != nil {
			return err
		}
		return alias(tx, scope, v, add)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.UpdatePipelineVersionResponse{PipelineArn: in.PipelineArn, PipelineVersionId: in.PipelineVersionId}, nil
}

// forgetVersions drops the versions of a pipeline.
func forgetVersions(tx *store.Tx, scope store.Scope, pipeline string) error {
	all, err := versionsOf(tx, scope, pipeline)
	for i := 0; err == nil && i < len(all); i++ {
		err = versionRows.Delete(tx, scope, versionName(pipeline, all[i].ID))
	}
	return err
}
