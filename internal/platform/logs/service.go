package logs

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
)

// Service serves the operations of the room.
type Service struct {
	Dir string

	mu    sync.Mutex
	times map[string]*times // by the path of the stream
}

// folder is where a group's streams lie.
func (s *Service) folder(name, identifier *string) (string, error) {
	group := awsapi.Val(name)
	if group == "" {
		group = awsapi.Val(identifier)
		if _, after, isARN := strings.Cut(group, ":log-group:"); isARN {
			group = strings.TrimSuffix(after, ":*")
		}
	}
	folder, ok := folderOf(group)
	dir := filepath.Join(s.Dir, filepath.FromSlash(folder))
	if info, err := os.Stat(dir); !ok || !filepath.IsLocal(folder) || path.Clean(folder) != folder || err != nil || !info.IsDir() {
		return "", &awsapi.Error{Code: "ResourceNotFoundException", Status: 400, Message: "The specified log group does not exist."}
	}
	return dir, nil
}

// A stream is a log file.
type stream struct {
	name         string // "<job>/algo-1-<ms>"
	path         string
	size         int64
	first, last  int64 // milliseconds since 1970
	lastModified time.Time
	marks        []mark // of a stream that is read
}

const suffix = ".log"

func open(dir, name string) (*stream, error) {
	if !filepath.IsLocal(name) {
		return nil, fs.ErrNotExist
	}
	path := filepath.Join(dir, filepath.FromSlash(name)+suffix)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	st := &stream{name: name, path: path, size: info.Size(), last: info.ModTime().UnixMilli(), lastModified: info.ModTime()}
	st.first = st.last
	if ms, ok := began(name); ok {
		st.first = min(ms, st.last)
	}
	return st, nil
}

// latest is in the names of the streams of functions, before their ids.
const latest = "[$LATEST]"

// began reads out of a stream's name when it began, in milliseconds since 1970: that of a job ends with it, the id of a function's begins with it,
// in 12 hexadecimal digits.
func began(name string) (ms int64, ok bool) {
	var err error
	if _, id, function := strings.Cut(name, latest); function {
		ms, err = strconv.ParseInt(id[:min(12, len(id))], 16, 64)
	} else {
		ms, err = strconv.ParseInt(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
	}
	return ms, err == nil
}

// observe opens a stream to read it. now is when the reading of all streams of a request began, so that no line that comes to one of them
// after that is older than a line of another that is shown.
func (s *Service) observe(dir, name string, now time.Time) (*stream, error) {
	st, err := open(dir, name)
	if err == nil {
		st.marks = s.timesOf(st).observe(st.size, st.last, now.UnixMilli())
	}
	return st, err
}

// DescribeLogStreams lists the streams of a group, by name or by their last event.
func (s *Service) DescribeLogStreams(ctx context.Context, in *awsapi.DescribeLogStreamsRequest) (*awsapi.DescribeLogStreamsResponse, error) {
	dir, err := s.folder(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := awsapi.Val(in.OrderBy) == awsapi.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, &awsapi.Error{Code: "InvalidParameterException", Status: 400, Message: "Cannot order by LastEventTime with a logStreamNamePrefix."}
	}
	names, err := streamNames(dir, awsapi.Val(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	var streams []*stream
	for _, name := range names {
		if st, err := open(dir, name); err == nil {
			streams = append(streams, st)
		}
	}
	if byTime {
		slices.SortStableFunc(streams, func(a, b *stream) int { return cmp.Compare(a.last, b.last) })
	}
	if awsapi.Val(in.Descending) {
		slices.Reverse(streams)
	}
	from := 0
	if in.NextToken != nil {
		after, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil {
			return nil, badToken()
		}
		from = slices.IndexFunc(streams, func(st *stream) bool { return st.name == string(after) }) + 1
	}
	limit := 50
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	to := min(from+limit, len(streams))
	out := &awsapi.DescribeLogStreamsResponse{LogStreams: []awsapi.LogStream{}}
	p := identity.From(ctx)
	group := groupOf(filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(dir, s.Dir), string(filepath.Separator))))
	for _, st := range streams[from:to] {
		out.LogStreams = append(out.LogStreams, awsapi.LogStream{LogStreamName: &st.name, Arn: new(groupARN(p, group) + ":log-stream:" + st.name),
			CreationTime: &st.first, FirstEventTimestamp: &st.first, LastEventTimestamp: &st.last, LastIngestionTime: &st.last, StoredBytes: &st.size})
	}
	if to < len(streams) && to > 0 {
		out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(streams[to-1].name)))
	}
	return out, nil
}

func badToken() error {
	return &awsapi.Error{Code: "InvalidParameterException", Status: 400, Message: "The specified nextToken is invalid."}
}

// streamNames lists the streams of a group that begin with a prefix, sorted. A prefix that names a job looks into that job's folder alone.
func streamNames(dir, prefix string) (names []string, err error) {
	parent, base := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		parent, base = prefix[:i], prefix[i+1:]
	}
	if parent != "" && !filepath.IsLocal(parent) {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(parent)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base) {
			continue
		}
		name := strings.TrimPrefix(parent+"/"+e.Name(), "/")
		if !e.IsDir() {
			if stem, ok := strings.CutSuffix(name, suffix); ok {
				names = append(names, stem)
			}
			continue
		}
		below, err := streamNames(dir, name+"/")
		if err != nil {
			return nil, err
		}
		names = append(names, below...)
	}
	slices.Sort(names)
	return names, nil
}
