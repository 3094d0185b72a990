package featurestore

import (
	"context"
	"slices"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// A note is what is known of a feature besides its name and type.
type note struct {
	Description       string
	Parameters        []awsapi.FeatureParameter
	Created, Modified time.Time // zero where they are the group's
}

// maxFeatureParameters is the service's quota of parameters of one feature.
const maxFeatureParameters = 25

// noteOf returns the note on a feature, to change it.
func (g *group) noteOf(feature string) *note {
	if g.Notes == nil {
		g.Notes = map[string]*note{}
	}
	if g.Notes[feature] == nil {
		g.Notes[feature] = &note{}
	}
	return g.Notes[feature]
}

// metadata describes a feature, or gives an error where the group has none of that name.
func (g *group) metadata(feature string) (*awsapi.DescribeFeatureMetadataResponse, error) {
	i := slices.IndexFunc(g.Features, func(f awsapi.FeatureDefinition) bool { return awsapi.Val(f.FeatureName) == feature })
	if i < 0 {
		return nil, awsapi.NotFound("Resource Not Found: FeatureGroup '%s' has no feature '%s'.", g.Name, feature)
	}
	out := &awsapi.DescribeFeatureMetadataResponse{FeatureGroupArn: &g.ARN, FeatureGroupName: &g.Name, FeatureName: &feature, FeatureType: g.Features[i].FeatureType,
		CreationTime: awsapi.Stamp(g.Created), LastModifiedTime: awsapi.Stamp(g.Created)}
	n := g.Notes[feature]
	if n == nil {
		return out, nil
	}
	out.Description, out.Parameters = awsapi.Optional(n.Description), n.Parameters
	if !n.Created.IsZero() {
		out.CreationTime, out.LastModifiedTime = awsapi.Stamp(n.Created), awsapi.Stamp(n.Created)
	}
	if !n.Modified.IsZero() {
		out.LastModifiedTime = awsapi.Stamp(n.Modified)
	}
	return out, nil
}

// DescribeFeatureMetadata shows the description and the parameters of a feature.
func (s *Service) DescribeFeatureMetadata(ctx context.Context, in *awsapi.DescribeFeatureMetadataRequest) (out *awsapi.DescribeFeatureMetadataResponse, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		g, err := s.find(tx, identity.From(ctx).Scope(), in.FeatureGroupName)
		if err == nil {
			out, err = g.metadata(*in.FeatureName)
		}
		return err
	})
	return out, err
}

// UpdateFeatureMetadata changes the description of a feature, and adds and removes parameters.
func (s *Service) UpdateFeatureMetadata(ctx context.Context, in *awsapi.UpdateFeatureMetadataRequest) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := s.find(tx, scope, in.FeatureGroupName)
		if err != nil {
			return err
		}
		if _, err := g.metadata(*in.FeatureName); err != nil {
			return err
		}
		n := g.noteOf(*in.FeatureName)
		if in.Description != nil {
			n.Description = *in.Description
		}
		replaced := func(p awsapi.FeatureParameter) bool {
			return slices.Contains(in.ParameterRemovals, awsapi.Val(p.Key)) ||
				slices.ContainsFunc(in.ParameterAdditions, func(added awsapi.FeatureParameter) bool { return awsapi.Val(added.Key) == awsapi.Val(p.Key) })
		}
		n.Parameters = append(slices.DeleteFunc(n.Parameters, replaced), in.ParameterAdditions...)
		if len(n.Parameters) > maxFeatureParameters {
			return awsapi.Validation("Validation Error: feature '%s' would have %d parameters; a feature has at most %d.", *in.FeatureName, len(n.Parameters), maxFeatureParameters)
		}
		n.Modified = s.World.Now()
		return groupRows.Put(tx, scope, g.Name, g)
	})
}

// SearchFeatures pages through the features of all groups as Search shows them: a page has the features of its groups.
func (s *Service) SearchFeatures(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix, q.Limit = equal["FeatureGroupName"], 20
	page, err := groupRows.List(tx, scope, q)
	if err != nil {
		return out, err
	}
	for i := range page.Items {
		for _, f := range page.Items[i].Features {
			m, err := page.Items[i].metadata(*f.FeatureName)
			if err != nil {
				return out, err
			}
			out.Items = append(out.Items, awsapi.SearchRecord{FeatureMetadata: awsapi.Same[awsapi.FeatureMetadata](m)})
		}
	}
	out.Next = page.Next
	return out, nil
}
