package lineage

import (
	"context"
	"errors"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateArtifact makes an artifact. One of the same source, content and type that exists is given again.
func (s *Service) CreateArtifact(ctx context.Context, in *awsapi.CreateArtifactRequest) (*awsapi.CreateArtifactResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	id := artifactID(awsapi.Val(in.Source.SourceUri), *in.ArtifactType, in.Source.SourceTypes)
	e := &entity{Name: awsapi.Val(in.ArtifactName), ARN: scope.ARN("artifact/" + id), Type: *in.ArtifactType, SourceURI: awsapi.Val(in.Source.SourceUri),
		SourceTypes: in.Source.SourceTypes, Properties: in.Properties, Metadata: in.MetadataProperties, Created: now, Modified: now}
	return &awsapi.CreateArtifactResponse{ArtifactArn: &e.ARN}, s.DB.Update(ctx, func(tx *store.Tx) error {
		err := artifactRows.Insert(tx, scope, id, e.ARN, e)
		if errors.Is(err, store.ErrExists) {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.SetTags(e.ARN, in.Tags)
	})
}

func getArtifact(tx *store.Tx, arn *string) (*entity, error) {
	e, err := artifactRows.GetARN(tx, awsapi.Val(arn))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("Artifact", awsapi.Val(arn))
	}
	return e, err
}

func (e *entity) artifactSource() *awsapi.ArtifactSource {
	return &awsapi.ArtifactSource{SourceUri: &e.SourceURI, SourceTypes: e.SourceTypes}
}

// DescribeArtifact shows an artifact.
func (s *Service) DescribeArtifact(ctx context.Context, in *awsapi.DescribeArtifactRequest) (*awsapi.DescribeArtifactResponse, error) {
	var e *entity
	if err := s.DB.View(ctx, func(tx *store.Tx) (err error) { e, err = getArtifact(tx, in.ArtifactArn); return err }); err != nil {
		return nil, err
	}
	return &awsapi.DescribeArtifactResponse{ArtifactName: awsapi.Optional(e.Name), ArtifactArn: &e.ARN, Source: e.artifactSource(), ArtifactType: &e.Type,
		Properties: e.Properties, MetadataProperties: e.Metadata, CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified),
		CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{}, LineageGroupArn: new(groupARN(identity.From(ctx).Scope()))}, nil
}

// UpdateArtifact changes the name and the properties of an artifact.
func (s *Service) UpdateArtifact(ctx context.Context, in *awsapi.UpdateArtifactRequest) (*awsapi.UpdateArtifactResponse, error) {
	scope := identity.From(ctx).Scope()
	return &awsapi.UpdateArtifactResponse{ArtifactArn: in.ArtifactArn}, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getArtifact(tx, in.ArtifactArn)
		if err != nil {
			return err
		}
		if in.ArtifactName != nil {
			e.Name = *in.ArtifactName
		}
		e.update(nil, nil, in.Properties, in.PropertiesToRemove, s.World.Now())
		return artifactRows.Put(tx, scope, lastPart(e.ARN, "artifact"), e)
	})
}

// ListArtifacts lists artifacts by source and type.
func (s *Service) ListArtifacts(ctx context.Context, in *awsapi.ListArtifactsRequest) (*awsapi.ListArtifactsResponse, error) {
	q := query(in.CreatedAfter, in.CreatedBefore, false, in.SortOrder, in.MaxResults, in.NextToken, in.SourceUri, in.ArtifactType)
	out := &awsapi.ListArtifactsResponse{ArtifactSummaries: []awsapi.ArtifactSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := artifactRows.List(tx, identity.From(ctx).Scope(), q)
		for _, e := range page.Items {
			out.ArtifactSummaries = append(out.ArtifactSummaries, awsapi.ArtifactSummary{ArtifactArn: &e.ARN, ArtifactName: awsapi.Optional(e.Name), Source: e.artifactSource(),
				ArtifactType: &e.Type, CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified)})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteArtifact removes an artifact, named by its ARN or its source.
func (s *Service) DeleteArtifact(ctx context.Context, in *awsapi.DeleteArtifactRequest) (*awsapi.DeleteArtifactResponse, error) {
	scope := identity.From(ctx).Scope()
	if (in.ArtifactArn == nil) == (in.Source == nil) {
		return nil, awsapi.Validation("Either ArtifactArn or Source must be given, and not both.")
	}
	out := &awsapi.DeleteArtifactResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		var e *entity
		var err error
		if in.ArtifactArn != nil {
			e, err = getArtifact(tx, in.ArtifactArn)
		} else if e, err = artifactLike(tx, scope, in.Source); err == nil && e == nil {
			err = missing("Artifact", *in.Source.SourceUri)
		}
		if err != nil {
			return err
		}
		out.ArtifactArn = &e.ARN
		return removeEntity(tx, artifactRows, scope, lastPart(e.ARN, "artifact"), e)
	})
}

// artifactLike finds the artifact of a source, and of a content where the source tells one.
func artifactLike(tx *store.Tx, scope store.Scope, source *awsapi.ArtifactSource) (*entity, error) {
	page, err := artifactRows.List(tx, scope, store.Query{Keys: map[string]string{"source": *source.SourceUri}, SortBy: store.ByCreated})
	for i := range page.Items {
		if key := contentKey(source.SourceTypes); key == "" || key == contentKey(page.Items[i].SourceTypes) {
			return &page.Items[i], err
		}
	}
	return nil, err
}

// artifactOf finds the artifact of a source, whatever its type, or returns nil.
func artifactOf(tx *store.Tx, scope store.Scope, uri string) (*entity, error) {
	page, err := artifactRows.List(tx, scope, store.Query{Keys: map[string]string{"source": uri}, SortBy: store.ByCreated, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	return &page.Items[0], nil
}
