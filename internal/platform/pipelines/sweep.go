package pipelines

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// binaries is the prefix under which Go programs upload themselves, by the digest of their content.
const binaries = "mobula/bin/"

// keepBinaries is how long a program is kept that nothing names, so that one being uploaded now is not taken from under its pipeline.
const keepBinaries = 24 * time.Hour

// SweepBinaries removes the uploaded programs of a bucket that no pipeline of the scope, no version with an alias and no
// execution names any more. It returns how many.
func (s *Service) SweepBinaries(ctx context.Context, scope store.Scope, bucket string) (removed int, err error) {
	var named strings.Builder
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		for q := (store.Query{SortBy: store.ByName, Limit: 100}); ; {
			page, err := pipelineRows.List(tx, scope, q)
			if err != nil {
				return err
			}
			for _, p := range page.Items {
				named.WriteString(p.Definition)
				versions, err := versionsOf(tx, scope, p.Name)
				if err != nil {
					return err
				}
				for _, v := range versions {
					if len(v.Aliases) > 0 {
						named.WriteString(v.Definition)
					}
				}
			}
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
		for q := (store.Query{SortBy: store.ByName, Limit: 100}); ; {
			page, err := executionRows.List(tx, scope, q)
			if err != nil {
				return err
			}
			for _, e := range page.Items {
				if !over(e.Status) && !strings.Contains(named.String(), e.Definition) {
					named.WriteString(e.Definition)
				}
			}
			if q.Token = page.Next; q.Token == "" {
				return nil
			}
		}
	})
	if err != nil {
		return 0, err
	}
	for after := ""; ; {
		page, more, err := s.Objects.List(ctx, bucket, binaries, after, 1000)
		if errors.Is(err, object.ErrNoSuchBucket) {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
		for _, info := range page {
			after = info.Key
			sum, _, _ := strings.Cut(strings.TrimPrefix(info.Key, binaries), "/")
			if s.World.Now().Sub(info.Modified) < keepBinaries || strings.Contains(named.String(), binaries+sum) {
				continue
			}
			if err := s.Objects.Delete(ctx, bucket, info.Key); err != nil {
				return removed, err
			}
			removed++
		}
		if !more {
			return removed, nil
		}
	}
}
