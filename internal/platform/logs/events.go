package logs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// GetLogEvents returns one page of a stream: from the token on, or from the beginning, or the last events. The token of a page that reached the
// end is the place where the next event will be.
func (s *Service) GetLogEvents(_ context.Context, in *awsapi.GetLogEventsRequest) (*awsapi.GetLogEventsResponse, error) {
	dir, err := s.folder(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	st, err := s.observe(dir, awsapi.Val(in.LogStreamName), time.Now())
	if err != nil {
		return nil, &awsapi.Error{Code: "ResourceNotFoundException", Status: 400, Message: "The specified log stream does not exist."}
	}
	kind, offset, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	var page []line
	var from, to int64
	if kind == "f" || kind == "" && awsapi.Val(in.StartFromHead) {
		page, from, to, err = st.forwardFrom(offset, awsapi.Val(in.StartTime), limit, in.EndTime)
	} else {
		if kind == "" {
			offset = st.size
		}
		if in.EndTime != nil {
			offset = min(offset, st.seek(*in.EndTime))
		}
		page, from, to, err = st.backward(offset, limit)
	}
	if err != nil {
		return nil, err
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

// forwardFrom reads from where a page ended, or from a time on where that is later.
func (st *stream) forwardFrom(offset, start int64, limit int, end *int64) (lines []line, from, to int64, err error) {
	var r *reader
	if offset >= st.seek(start) {
		r, err = st.from(offset)
	} else {
		r, err = st.since(start)
	}
	if err != nil {
		return nil, 0, 0, err
	}
	defer r.f.Close()
	return r.forward(limit, end)
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
