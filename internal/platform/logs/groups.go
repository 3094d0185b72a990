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

// The folders that have a group for each endpoint and each function; the other folders are groups themselves.
const (
	endpointGroups = "Endpoints"
	functionGroups = "Functions"
)

// How the names of groups begin.
const (
	groupPrefix    = "/aws/sagemaker/"
	functionPrefix = "/aws/lambda/"
)

// folderOf is the folder of a group, below that of all logs. Whether it is there, and whether its name leads out of there, is not looked at.
func folderOf(group string) (folder string, ok bool) {
	if name, ok := strings.CutPrefix(group, functionPrefix); ok && name != "" {
		return functionGroups + "/" + name, true
	}
	folder, ok = strings.CutPrefix(group, groupPrefix)
	return folder, ok && folder != functionGroups && !strings.HasPrefix(folder, functionGroups+"/")
}

// groupOf is the group of a folder.
func groupOf(folder string) string {
	if name, ok := strings.CutPrefix(folder, functionGroups+"/"); ok {
		return functionPrefix + name
	}
	return groupPrefix + folder
}

func groupARN(p identity.Principal, group string) string {
	return "arn:aws:logs:" + p.Region + ":" + p.Account + ":log-group:" + group
}

// groups lists the names of the groups, sorted.
func (s *Service) groups() (names []string, err error) {
	parents := []string{endpointGroups, functionGroups}
	for _, parent := range append(parents, "") {
		entries, err := os.ReadDir(filepath.Join(s.Dir, parent))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && (parent != "" || !slices.Contains(parents, e.Name())) {
				names = append(names, groupOf(strings.TrimPrefix(parent+"/"+e.Name(), "/")))
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// pageOfGroups gives the groups that fit and come after a token, as many as a limit, and the token of the next page.
func (s *Service) pageOfGroups(token *string, limit *int32, fits func(name string) bool) (page []string, next *string, err error) {
	names, err := s.groups()
	if err != nil {
		return nil, nil, err
	}
	after, most := "", 50
	if token != nil {
		b, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, badToken()
		}
		after = string(b)
	}
	if limit != nil {
		most = int(*limit)
	}
	for _, name := range names {
		switch {
		case name <= after || !fits(name):
		case len(page) == most:
			return page, new(base64.RawURLEncoding.EncodeToString([]byte(page[most-1]))), nil
		default:
			page = append(page, name)
		}
	}
	return page, nil, nil
}

// DescribeLogGroups lists the groups that have streams, by name.
func (s *Service) DescribeLogGroups(ctx context.Context, in *awsapi.DescribeLogGroupsRequest) (*awsapi.DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, &awsapi.Error{Code: "InvalidParameterException", Status: 400, Message: "Only one of logGroupNamePrefix and logGroupNamePattern may be given."}
	}
	p := identity.From(ctx)
	page, next, err := s.pageOfGroups(in.NextToken, in.Limit, func(name string) bool {
		return strings.HasPrefix(name, awsapi.Val(in.LogGroupNamePrefix)) && strings.Contains(strings.ToLower(name), strings.ToLower(awsapi.Val(in.LogGroupNamePattern))) &&
			(in.LogGroupIdentifiers == nil || slices.Contains(in.LogGroupIdentifiers, name) || slices.Contains(in.LogGroupIdentifiers, groupARN(p, name)))
	})
	out := &awsapi.DescribeLogGroupsResponse{LogGroups: []awsapi.LogGroup{}, NextToken: next}
	for _, name := range page {
		arn := groupARN(p, name)
		out.LogGroups = append(out.LogGroups, awsapi.LogGroup{LogGroupName: &name, Arn: new(arn + ":*"), LogGroupArn: &arn,
			LogGroupClass: new(awsapi.LogGroupClassSTANDARD), MetricFilterCount: new(int32(0))})
	}
	return out, err
}

// ListLogGroups lists the groups that have streams, by name. None of them has tags, indexes or data sources, so no group fits a filter by those.
func (s *Service) ListLogGroups(ctx context.Context, in *awsapi.ListLogGroupsRequest) (*awsapi.ListLogGroupsResponse, error) {
	p := identity.From(ctx)
	none := in.LogGroupTags != nil || in.FieldIndexNames != nil || in.DataSources != nil || in.AccountIdentifiers != nil && !slices.Contains(in.AccountIdentifiers, p.Account) ||
		in.LogGroupClass != nil && *in.LogGroupClass != awsapi.LogGroupClassSTANDARD
	text, anchored := strings.CutPrefix(awsapi.Val(in.LogGroupNamePattern), "^")
	page, next, err := s.pageOfGroups(in.NextToken, in.Limit, func(name string) bool {
		return !none && strings.Contains(name, text) && (!anchored || strings.HasPrefix(name, text))
	})
	out := &awsapi.ListLogGroupsResponse{LogGroups: []awsapi.LogGroupSummary{}, NextToken: next}
	for _, name := range page {
		out.LogGroups = append(out.LogGroups, awsapi.LogGroupSummary{LogGroupName: &name, LogGroupArn: new(groupARN(p, name)), LogGroupClass: new(awsapi.LogGroupClassSTANDARD)})
	}
	return out, err
}
