package logs

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
)

// endpointGroups is the folder that has a group for each endpoint; the other folders are groups themselves.
const endpointGroups = "Endpoints"

// DescribeLogGroups lists the groups that have streams, by name.
func (s *Service) DescribeLogGroups(ctx context.Context, in *awsapi.DescribeLogGroupsRequest) (*awsapi.DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, &awsapi.Error{Code: "InvalidParameterException", Status: 400, Message: "Only one of logGroupNamePrefix and logGroupNamePattern may be given."}
	}
	folders, err := s.groupFolders()
	if err != nil {
		return nil, err
	}
	after := ""
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil {
			return nil, badToken()
		}
		after = string(b)
	}
	limit := 50
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	p := identity.From(ctx)
	out := &awsapi.DescribeLogGroupsResponse{LogGroups: []awsapi.LogGroup{}}
	for _, folder := range folders {
		name := groupPrefix + folder
		arn := "arn:aws:logs:" + p.Region + ":" + p.Account + ":log-group:" + name
		if name <= after || !strings.HasPrefix(name, awsapi.Val(in.LogGroupNamePrefix)) || !strings.Contains(strings.ToLower(name), strings.ToLower(awsapi.Val(in.LogGroupNamePattern))) ||
			in.LogGroupIdentifiers != nil && !slices.Contains(in.LogGroupIdentifiers, name) && !slices.Contains(in.LogGroupIdentifiers, arn) {
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(*out.LogGroups[limit-1].LogGroupName)))
			break
		}
		out.LogGroups = append(out.LogGroups, awsapi.LogGroup{LogGroupName: &name, Arn: new(arn + ":*"), LogGroupArn: &arn,
			LogGroupClass: new(awsapi.LogGroupClassSTANDARD), MetricFilterCount: new(int32(0))})
	}
	return out, nil
}

// groupFolders lists the folders of the groups, sorted.
func (s *Service) groupFolders() (out []string, err error) {
	for _, parent := range []string{"", endpointGroups} {
		entries, err := os.ReadDir(filepath.Join(s.Dir, parent))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && e.Name() != endpointGroups {
				out = append(out, strings.TrimPrefix(parent+"/"+e.Name(), "/"))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
