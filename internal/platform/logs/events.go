package logs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// Limits of one page, as the service has them.
const (
	maxEvents = 10_000
	maxBytes  = 1 << 20
)

// settled is how long a file must not have changed for its last, unfinished line to count as a line.
const settled = 2 * time.Second

// GetLogEvents returns one page of a stream: from the token on, or from the beginning, or the last events. The token of a page that reached the
// end is the place where the next event will be.
func (s *Service) GetLogEvents(_ context.Context, in *awsapi.GetLogEventsRequest) (*awsapi.GetLogEventsResponse, error) {
	dir, err := s.folder(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	st, err := open(dir, awsapi.Val(in.LogStreamName))
	if err != nil {
		return nil, &awsapi.Error{Code: "ResourceNotFoundException", Status: 400, Message: "The specified log stream does not exist."}
	}
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	var page []line
	var from, to int64
	switch kind, offset, err := readToken(in.NextToken); {
	case err != nil:
		return nil, err
	case kind == "f":
		page, from, to, err = st.forward(offset, limit)
		if err != nil {
			return nil, err
		}
	case kind == "b" || !awsapi.Val(in.StartFromHead):
		if kind == "" {
			offset = st.size
		}
		if page, from, to, err = st.backward(offset, limit); err != nil {
			return nil, err
		}
	default:
		if page, from, to, err = st.forward(0, limit); err != nil {
			return nil, err
		}
	}
	out := &awsapi.GetLogEventsResponse{Events: []awsapi.OutputLogEvent{}, NextForwardToken: new(fmt.Sprintf("f/%d", to)), NextBackwardToken: new(fmt.Sprintf("b/%d", from))}
	for _, l := range page {
		at := st.at(l.offset)
		if in.StartTime != nil && at < *in.StartTime || in.EndTime != nil && at >= *in.EndTime {
			continue
		}
		out.Events = append(out.Events, awsapi.OutputLogEvent{Message: &l.text, Timestamp: &at, IngestionTime: &at})
	}
	return out, nil
}

func readToken(token *string) (kind string, offset int64, err error) {
	if token == nil {
		return "", 0, nil
	}
	kind, text, ok := strings.Cut(*token, "/")
	offset, err = strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || offset < 0 || kind != "f" && kind != "b" {
		return "", 0, badToken()
	}
	return kind, offset, nil
}

type line struct {
	text   string
	offset int64
}

// forward reads whole lines from an offset on.
func (st *stream) forward(offset int64, limit int) (lines []line, from, to int64, err error) {
	offset = min(offset, st.size) // a file that passed its limit was cut
	f, err := os.Open(st.path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, 0, err
	}
	r := bufio.NewReader(io.LimitReader(f, maxBytes))
	from, to = offset, offset
	for len(lines) < limit {
		text, err := r.ReadString('\n')
		if err != nil && (text == "" || time.Since(st.lastModified) < settled && len(text) < maxBytes) {
			break // an unfinished line is read when it is finished
		}
		lines = append(lines, line{clean(text), to})
		to += int64(len(text))
		if err != nil {
			break
		}
	}
	return lines, from, to, nil
}

// backward reads the last lines before an offset.
func (st *stream) backward(offset int64, limit int) (lines []line, from, to int64, err error) {
	offset = min(offset, st.size)
	f, err := os.Open(st.path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	start := max(0, offset-maxBytes)
	b := make([]byte, offset-start)
	if _, err := f.ReadAt(b, start); err != nil && err != io.EOF {
		return nil, 0, 0, err
	}
	if start > 0 { // the first line of what was read may lack its beginning
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b, start = b[i+1:], start+int64(i)+1
		}
	}
	if i := bytes.LastIndexByte(b, '\n'); i+1 < len(b) && time.Since(st.lastModified) < settled {
		b = b[:i+1]
	}
	to = start + int64(len(b))
	at := start
	for _, part := range bytes.SplitAfter(b, []byte("\n")) {
		if len(part) > 0 {
			lines = append(lines, line{clean(string(part)), at})
		}
		at += int64(len(part))
	}
	lines = lines[max(0, len(lines)-limit):]
	if from = to; len(lines) > 0 {
		from = lines[0].offset
	}
	return lines, from, to, nil
}

func clean(s string) string {
	return strings.ToValidUTF8(strings.TrimRight(s, "\r\n"), "�")
}

// FilterLogEvents searches the streams of a group for lines that contain a text.
func (s *Service) FilterLogEvents(_ context.Context, in *awsapi.FilterLogEventsRequest) (*awsapi.FilterLogEventsResponse, error) {
	dir, err := s.folder(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	names := in.LogStreamNames
	if names == nil {
		if names, err = streamNames(dir, awsapi.Val(in.LogStreamNamePrefix)); err != nil {
			return nil, err
		}
	}
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	number, offset, err := readPlace(in.NextToken)
	if err != nil || number > len(names) {
		return nil, badToken()
	}
	pattern := strings.Trim(awsapi.Val(in.FilterPattern), `"`)
	out := &awsapi.FilterLogEventsResponse{Events: []awsapi.FilteredLogEvent{}, SearchedLogStreams: []awsapi.SearchedLogStream{}}
	for ; number < len(names); number, offset = number+1, 0 {
		st, err := open(dir, names[number])
		if err != nil {
			continue
		}
		lines, _, to, err := st.forward(offset, maxEvents)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			at := st.at(l.offset)
			if !strings.Contains(l.text, pattern) || in.StartTime != nil && at < *in.StartTime || in.EndTime != nil && at > *in.EndTime {
				continue
			}
			if len(out.Events) == limit {
				out.NextToken = new(fmt.Sprintf("%d/%d", number, l.offset))
				return out, nil
			}
			out.Events = append(out.Events, awsapi.FilteredLogEvent{EventId: new(fmt.Sprintf("%s/%d", st.name, l.offset)), LogStreamName: &st.name, Message: &l.text, Timestamp: &at, IngestionTime: &at})
		}
		if to < st.size && len(lines) > 0 { // a page has read enough
			out.NextToken = new(fmt.Sprintf("%d/%d", number, to))
			return out, nil
		}
	}
	return out, nil
}

func readPlace(token *string) (number int, offset int64, err error) {
	if token == nil {
		return 0, 0, nil
	}
	n, at, _ := strings.Cut(*token, "/")
	if number, err = strconv.Atoi(n); err != nil || number < 0 {
		return 0, 0, badToken()
	}
	offset, err = strconv.ParseInt(at, 10, 64)
	return number, max(offset, 0), err
}
