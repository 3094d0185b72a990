package lineage

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// AddAssociation joins two entities, which must exist.
func (s *Service) AddAssociation(ctx context.Context, in *awsapi.AddAssociationRequest) (*awsapi.AddAssociationResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.AddAssociationResponse{SourceArn: in.SourceArn, DestinationArn: in.DestinationArn}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		for _, arn := range []string{*in.SourceArn, *in.DestinationArn} {
			if ok, err := tx.Exists(arn); err != nil || !ok {
				if err != nil {
					return err
				}
				return missing("Entity", arn)
			}
		}
		return join(tx, scope, *in.SourceArn, *in.DestinationArn, awsapi.Val(in.AssociationType), s.World.Now())
	})
}

func edgeName(source, destination string) string { return source + " " + destination }

// join adds an association; one that exists is left as it is.
func join(tx *store.Tx, scope store.Scope, source, destination, kind string, now time.Time) error {
	a := &association{Source: source, Destination: destination, Type: kind, Created: now}
	a.SourceName, a.SourceType = nodeOf(tx, source)
	a.DestinationName, a.DestinationType = nodeOf(tx, destination)
	name := edgeName(source, destination)
	err := associationRows.Insert(tx, scope, name, "association:"+name, a)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// nodeOf is how an entity is shown in an association.
func nodeOf(tx *store.Tx, arn string) (name, kind string) {
	for _, rows := range []*store.Collection[entity]{artifactRows, actionRows, contextRows} {
		if e, err := rows.GetARN(tx, arn); err == nil {
			return e.Name, e.Type
		}
	}
	name = arn[strings.LastIndexByte(arn, '/')+1:]
	switch {
	case strings.HasSuffix(name, "-aws-training-job"):
		return name, "SageMakerTrainingJob"
	case strings.HasSuffix(name, "-aws-processing-job"):
		return name, "SageMakerProcessingJob"
	case strings.HasSuffix(name, "-aws-transform-job"):
		return name, "SageMakerTransformJob"
	}
	return name, "TrialComponent"
}

// DeleteAssociation takes two entities apart.
func (s *Service) DeleteAssociation(ctx context.Context, in *awsapi.DeleteAssociationRequest) (*awsapi.DeleteAssociationResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DeleteAssociationResponse{SourceArn: in.SourceArn, DestinationArn: in.DestinationArn}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		err := associationRows.Delete(tx, scope, edgeName(*in.SourceArn, *in.DestinationArn))
		if errors.Is(err, store.ErrNotFound) {
			return missing("Association from "+*in.SourceArn+" to", *in.DestinationArn)
		}
		return err
	})
}

// ListAssociations lists associations by their ends and types.
func (s *Service) ListAssociations(ctx context.Context, in *awsapi.ListAssociationsRequest) (*awsapi.ListAssociationsResponse, error) {
	q := store.Query{CreatedAfter: awsapi.Moment(in.CreatedAfter), CreatedBefore: awsapi.Moment(in.CreatedBefore), SortBy: store.ByCreated, Keys: map[string]string{},
		Descending: awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(in.MaxResults), Token: awsapi.Val(in.NextToken)}
	for key, value := range map[string]*string{"source": in.SourceArn, "destination": in.DestinationArn, "sourceType": in.SourceType,
		"destinationType": in.DestinationType, "type": in.AssociationType} {
		if value != nil {
			q.Keys[key] = *value
		}
	}
	switch awsapi.Val(in.SortBy) {
	case awsapi.SortAssociationsBySourceArn, awsapi.SortAssociationsBySourceType:
		q.SortBy = store.ByName
	case awsapi.SortAssociationsByDestinationArn, awsapi.SortAssociationsByDestinationType:
		q.SortBy = store.ByStatus
	}
	out := &awsapi.ListAssociationsResponse{AssociationSummaries: []awsapi.AssociationSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := associationRows.List(tx, identity.From(ctx).Scope(), q)
		for _, a := range page.Items {
			out.AssociationSummaries = append(out.AssociationSummaries, awsapi.AssociationSummary{SourceArn: &a.Source, DestinationArn: &a.Destination,
				SourceType: awsapi.Optional(a.SourceType), DestinationType: awsapi.Optional(a.DestinationType), AssociationType: awsapi.Optional(a.Type),
				SourceName: awsapi.Optional(a.SourceName), DestinationName: awsapi.Optional(a.DestinationName), CreationTime: awsapi.Stamp(a.Created), CreatedBy: &awsapi.UserContext{}})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}
