package featurestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// reserved are the columns that the offline store adds.
var reserved = []string{"write_time", "api_invocation_time", "is_deleted"}

// CreateFeatureGroup makes a feature group. It is ready when the answer comes.
func (s *Service) CreateFeatureGroup(ctx context.Context, in *awsapi.CreateFeatureGroupRequest) (*awsapi.CreateFeatureGroupResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	g := &group{Name: *in.FeatureGroupName, ARN: scope.ARN("feature-group/" + strings.ToLower(*in.FeatureGroupName)), Description: awsapi.Val(in.Description),
		RoleARN: awsapi.Val(in.RoleArn), Scope: scope, Making: s.World.NewID(16), Identifier: *in.RecordIdentifierFeatureName, EventTime: *in.EventTimeFeatureName,
		Features: in.FeatureDefinitions, Online: in.OnlineStoreConfig, Offline: in.OfflineStoreConfig, Throughput: in.ThroughputConfig,
		Status: awsapi.FeatureGroupStatusCreating, Created: now, Modified: now}
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := s.resolve(ctx, g); err != nil {
		return nil, err
	}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		err := groupRows.Insert(tx, scope, g.Name, g.ARN, g)
		if errors.Is(err, store.ErrExists) {
			return awsapi.InUse("Resource Already Exists: FeatureGroup with name %s already exists. Choose a different name.", g.Name)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(g.ARN, in.Tags); err != nil {
			return err
		}
		if err := emit(tx, g, g.Status); err != nil {
			return err
		}
		// There is nothing to wait for: the stores are tables and a prefix.
		g.Status = awsapi.FeatureGroupStatusCreated
		if err := groupRows.Put(tx, scope, g.Name, g); err != nil {
			return err
		}
		return emit(tx, g, g.Status)
	})
	if err != nil {
		return nil, err
	}
	s.keep(newLive(g))
	return &awsapi.CreateFeatureGroupResponse{FeatureGroupArn: &g.ARN}, nil
}

// check looks at what the constraint table cannot: how the members fit together.
func (g *group) check() error {
	types := map[string]string{}
	for i, f := range g.Features {
		name := awsapi.Val(f.FeatureName)
		if _, twice := types[name]; twice {
			return awsapi.Validation("Validation Error: FeatureDefinitions[%d].FeatureName '%s' is given twice; feature names are unique.", i, name)
		}
		if slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, name) }) {
			return awsapi.Validation("Validation Error: FeatureDefinitions[%d].FeatureName '%s' is reserved; [%s] are columns of the offline store.", i, name, strings.Join(reserved, ", "))
		}
		if f.CollectionType != nil {
			return awsapi.Validation("Validation Error: FeatureDefinitions[%d].CollectionType '%s' is not served; leave it out.", i, *f.CollectionType)
		}
		types[name] = awsapi.Val(f.FeatureType)
	}
	if _, ok := types[g.Identifier]; !ok {
		return awsapi.Validation("Validation Error: RecordIdentifierFeatureName '%s' is not among the FeatureDefinitions.", g.Identifier)
	}
	switch t, ok := types[g.EventTime]; {
	case !ok:
		return awsapi.Validation("Validation Error: EventTimeFeatureName '%s' is not among the FeatureDefinitions.", g.EventTime)
	case t == awsapi.FeatureTypeIntegral:
		return awsapi.Validation("Validation Error: EventTimeFeatureName '%s' is Integral; an event time is Fractional or String.", g.EventTime)
	case g.EventTime == g.Identifier:
		return awsapi.Validation("Validation Error: EventTimeFeatureName and RecordIdentifierFeatureName are both '%s'; they must differ.", g.EventTime)
	}
	if t := g.Throughput; t != nil {
		provisioned := awsapi.Val(t.ThroughputMode) == awsapi.ThroughputModeProvisioned
		if given := t.ProvisionedReadCapacityUnits != nil && t.ProvisionedWriteCapacityUnits != nil; provisioned != given {
			return awsapi.Validation("Validation Error: ThroughputConfig has the mode %s; the read and write capacity units are for Provisioned, which needs both.", awsapi.Val(t.ThroughputMode))
		}
	}
	if !g.online() && g.Offline == nil {
		return awsapi.Validation("Validation Error: either OnlineStoreConfig with EnableOnlineStore or OfflineStoreConfig must be given.")
	}
	return nil
}

// resolve finds the place of the offline store: a folder of this making of the group below the URI that was asked for.
func (s *Service) resolve(ctx context.Context, g *group) error {
	if g.Offline == nil {
		return nil
	}
	uri := awsapi.Val(g.Offline.S3StorageConfig.S3Uri)
	bucket, _, err := object.ParseURI(uri)
	if err != nil {
		return awsapi.Validation("Validation Error: OfflineStoreConfig.S3StorageConfig.S3Uri '%s': %v", uri, err)
	}
	if err := s.Objects.HeadBucket(ctx, bucket); err != nil {
		return awsapi.Validation("Validation Error: OfflineStoreConfig.S3StorageConfig.S3Uri '%s': the bucket '%s' cannot be used: %v", uri, bucket, err)
	}
	name := strings.ReplaceAll(strings.ToLower(g.Name), "-", "_")
	folder := fmt.Sprintf("%s-%d", g.Name, g.Created.Unix())
	offline := *g.Offline
	config := *offline.S3StorageConfig
	config.ResolvedOutputS3Uri = new(strings.TrimSuffix(uri, "/") + "/" + g.Scope.Account + "/sagemaker/" + g.Scope.Region + "/offline-store/" + folder + "/data")
	offline.S3StorageConfig = &config
	if offline.DataCatalogConfig == nil && !awsapi.Val(offline.DisableGlueTableCreation) {
		offline.DataCatalogConfig = &awsapi.DataCatalogConfig{Catalog: new("AwsDataCatalog"), Database: new("sagemaker_featurestore"),
			TableName: new(fmt.Sprintf("%s_%d", name, g.Created.Unix()))}
	}
	g.Offline = &offline
	return nil
}

func (g *group) describe() *awsapi.DescribeFeatureGroupResponse {
	out := &awsapi.DescribeFeatureGroupResponse{FeatureGroupArn: &g.ARN, FeatureGroupName: &g.Name, RecordIdentifierFeatureName: &g.Identifier,
		EventTimeFeatureName: &g.EventTime, FeatureDefinitions: g.Features, CreationTime: &awsapi.Time{Time: g.Created}, LastModifiedTime: &awsapi.Time{Time: g.Modified},
		OnlineStoreConfig: g.Online, OfflineStoreConfig: g.Offline, FeatureGroupStatus: &g.Status, NextToken: nil}
	if g.RoleARN != "" {
		out.RoleArn = &g.RoleARN
	}
	if g.Description != "" {
		out.Description = &g.Description
	}
	if g.Offline != nil {
		out.OfflineStoreStatus = &awsapi.OfflineStoreStatus{Status: new(awsapi.OfflineStoreStatusValueActive)}
	}
	if g.Throughput != nil {
		out.ThroughputConfig = &awsapi.ThroughputConfigDescription{ThroughputMode: g.Throughput.ThroughputMode,
			ProvisionedReadCapacityUnits: g.Throughput.ProvisionedReadCapacityUnits, ProvisionedWriteCapacityUnits: g.Throughput.ProvisionedWriteCapacityUnits}
	}
	if !g.Modified.Equal(g.Created) {
		out.LastUpdateStatus = &awsapi.LastUpdateStatus{Status: new(awsapi.LastUpdateStatusValueSuccessful)}
	}
	return out
}

// DescribeFeatureGroup shows a feature group.
func (s *Service) DescribeFeatureGroup(ctx context.Context, in *awsapi.DescribeFeatureGroupRequest) (*awsapi.DescribeFeatureGroupResponse, error) {
	var g *group
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		g, err = s.find(tx, identity.From(ctx).Scope(), in.FeatureGroupName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return g.describe(), nil
}

// ListFeatureGroups lists feature groups.
func (s *Service) ListFeatureGroups(ctx context.Context, in *awsapi.ListFeatureGroupsRequest) (*awsapi.ListFeatureGroupsResponse, error) {
	q := store.Query{NameContains: awsapi.Val(in.NameContains), Status: awsapi.Val(in.FeatureGroupStatusEquals), SortBy: store.ByCreated,
		Descending: awsapi.Val(in.SortOrder) != awsapi.FeatureGroupSortOrderAscending, Limit: int(awsapi.Val(in.MaxResults)), Token: awsapi.Val(in.NextToken)}
	if in.OfflineStoreStatusEquals != nil {
		q.Keys = map[string]string{"offline": *in.OfflineStoreStatusEquals}
	}
	for to, from := range map[**time.Time]*awsapi.Time{&q.CreatedAfter: in.CreationTimeAfter, &q.CreatedBefore: in.CreationTimeBefore} {
		if from != nil {
			*to = &from.Time
		}
	}
	switch awsapi.Val(in.SortBy) {
	case awsapi.FeatureGroupSortByName:
		q.SortBy = store.ByName
	case awsapi.FeatureGroupSortByFeatureGroupStatus:
		q.SortBy = store.ByStatus
	}
	out := &awsapi.ListFeatureGroupsResponse{FeatureGroupSummaries: []awsapi.FeatureGroupSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := groupRows.List(tx, identity.From(ctx).Scope(), q)
		if errors.Is(err, store.ErrBadToken) {
			return awsapi.Validation("NextToken is not one that this operation gave for these filters.")
		}
		for _, g := range page.Items {
			d := g.describe()
			out.FeatureGroupSummaries = append(out.FeatureGroupSummaries, awsapi.FeatureGroupSummary{FeatureGroupName: d.FeatureGroupName, FeatureGroupArn: d.FeatureGroupArn,
				CreationTime: d.CreationTime, FeatureGroupStatus: d.FeatureGroupStatus, OfflineStoreStatus: d.OfflineStoreStatus})
		}
		if page.Next != "" {
			out.NextToken = &page.Next
		}
		return err
	})
}

// DeleteFeatureGroup removes a feature group and its online store. What is in the offline store stays, what was acknowledged goes there first.
func (s *Service) DeleteFeatureGroup(ctx context.Context, in *awsapi.DeleteFeatureGroupRequest) error {
	scope := identity.From(ctx).Scope()
	name := awsapi.Val(in.FeatureGroupName)
	s.mu.RLock()
	l := s.groups[groupKey(scope, name)]
	s.mu.RUnlock()
	if l != nil {
		l.inUse.Lock()
		defer l.inUse.Unlock()
		if err := s.flushGroup(ctx, l); err != nil {
			return fmt.Errorf("flush %s before its deletion: %w", name, err)
		}
	}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := s.find(tx, scope, in.FeatureGroupName)
		if err != nil {
			return err
		}
		if err := groupRows.Delete(tx, scope, g.Name); err != nil {
			return err
		}
		return emit(tx, g, "Deleted")
	})
	if err != nil || l == nil {
		return err
	}
	l.gone = true
	s.mu.Lock()
	delete(s.groups, groupKey(scope, name))
	s.mu.Unlock()
	return s.forget(ctx, l.Making)
}
