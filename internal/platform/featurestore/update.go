package featurestore

import (
	"context"
	"slices"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxFeatures is the service's quota of features of one group.
const maxFeatures = 2500

// UpdateFeatureGroup adds features, and changes the throughput and the online store's type and time to live.
func (s *Service) UpdateFeatureGroup(ctx context.Context, in *awsapi.UpdateFeatureGroupRequest) (*awsapi.UpdateFeatureGroupResponse, error) {
	if in.FeatureAdditions == nil && in.OnlineStoreConfig == nil && in.ThroughputConfig == nil {
		return nil, awsapi.Validation("Validation Error: at least one of FeatureAdditions, OnlineStoreConfig and ThroughputConfig must be given.")
	}
	scope := identity.From(ctx).Scope()
	l, err := s.live(ctx, in.FeatureGroupName)
	if awsapi.IsNotFound(err) {
		return nil, noGroup(nameOf(*in.FeatureGroupName))
	}
	if err != nil {
		return nil, err
	}
	l.inUse.Lock() // no record is checked against the old features after this
	defer l.inUse.Unlock()
	var g *group
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if g, err = s.find(tx, scope, in.FeatureGroupName); err != nil {
			return err
		}
		if err := g.update(in); err != nil {
			return err
		}
		g.Modified = s.World.Now()
		for _, f := range in.FeatureAdditions {
			g.noteOf(*f.FeatureName).Created = g.Modified
		}
		if err := groupRows.Put(tx, scope, g.Name, g); err != nil {
			return err
		}
		return emit(tx, g, g.Status)
	})
	if err != nil {
		return nil, err
	}
	l.group, l.types = *g, newLive(g).types
	return &awsapi.UpdateFeatureGroupResponse{FeatureGroupArn: &g.ARN}, nil
}

// update changes what the request has.
func (g *group) update(in *awsapi.UpdateFeatureGroupRequest) error {
	g.Features = append(slices.Clone(g.Features), in.FeatureAdditions...)
	if len(g.Features) > maxFeatures {
		return awsapi.Validation("Validation Error: FeatureGroup '%s' would have %d features; a feature group has at most %d.", g.Name, len(g.Features), maxFeatures)
	}
	if c := in.OnlineStoreConfig; c != nil {
		if !g.online() {
			return awsapi.Validation("Validation Error: OnlineStoreConfig cannot be updated: FeatureGroup '%s' has no online store.", g.Name)
		}
		online := *g.Online
		if c.TtlDuration != nil {
			online.TtlDuration = c.TtlDuration
		}
		if to := awsapi.Val(c.StorageType); to != "" && to != g.storageType() {
			if to != awsapi.StorageTypeStandardV2 || g.storageType() != awsapi.StorageTypeStandard {
				return awsapi.Validation("Validation Error: OnlineStoreConfig.StorageType cannot go from '%s' to '%s'; only from Standard to Standard_V2.", g.storageType(), to)
			}
			online.StorageType = &to
		}
		g.Online = &online
	}
	if c := in.ThroughputConfig; c != nil {
		g.Throughput = &awsapi.ThroughputConfig{ThroughputMode: c.ThroughputMode, ProvisionedReadCapacityUnits: c.ProvisionedReadCapacityUnits,
			ProvisionedWriteCapacityUnits: c.ProvisionedWriteCapacityUnits}
	}
	return g.check()
}

// storageType is the kind of the online store.
func (g *group) storageType() string {
	if g.Online == nil || g.Online.StorageType == nil {
		return awsapi.StorageTypeStandard
	}
	return *g.Online.StorageType
}
