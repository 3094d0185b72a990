package logs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/logs"
)

const group = "/aws/sagemaker/TrainingJobs"

func caller() context.Context {
	return identity.With(context.Background(), identity.Principal{Account: "123456789012", Region: "us-east-1"})
}

// write appends to a stream of the group, and makes it last changed at a time.
func write(t testing.TB, dir, stream, text string, at time.Time) {
	t.Helper()
	path := filepath.Join(dir, "TrainingJobs", stream+".log")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// stream names one that began at a time.
func stream(job string, host int, began time.Time) string {
	return fmt.Sprintf("%s/algo-%d-%d", job, host, began.UnixMilli())
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

var past = time.Now().Add(-time.Hour).Truncate(time.Second)

func get(t testing.TB, s *logs.Service, in awsapi.GetLogEventsRequest) *awsapi.GetLogEventsResponse {
	t.Helper()
	in.LogGroupName = new(group)
	out, err := s.GetLogEvents(caller(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAStreamIsReadBothWays(t *testing.T) {
	t.Parallel()
	s := &logs.Service{Dir: t.TempDir()}
	name := stream("job", 1, past)
	write(t, s.Dir, name, numbered(0, 25), past.Add(time.Minute))
	for _, forward := range []bool{true, false} {
		in := awsapi.GetLogEventsRequest{LogStreamName: &name, Limit: new(int32(10)), StartFromHead: &forward}
		var all []string
		for {
			out := get(t, s, in)
			var page []string
			for _, e := range out.Events {
				page = append(page, *e.Message)
			}
			next := out.NextForwardToken
			if all = append(all, page...); !forward {
				next = out.NextBackwardToken
				all = append(page, all[:len(all)-len(page)]...)
			}
			if in.NextToken != nil && *next == *in.NextToken { // the end, as clients know it
				break
			}
			in.NextToken = next
		}
		if got := strings.Join(all, "\n") + "\n"; got != numbered(0, 25) {
			t.Errorf("forward %v: %q", forward, got)
		}
	}
	head := get(t, s, awsapi.GetLogEventsRequest{LogStreamName: &name, StartFromHead: new(true), StartTime: new(past.Add(30 * time.Second).UnixMilli())})
	if n := len(head.Events); n < 11 || n > 14 || *head.Events[0].Timestamp < past.Add(30*time.Second).UnixMilli() {
		t.Errorf("the second half of a minute has %d lines", n)
	}
	tail := get(t, s, awsapi.GetLogEventsRequest{LogStreamName: &name, StartFromHead: new(true), EndTime: new(past.Add(30 * time.Second).UnixMilli())})
	if len(tail.Events)+len(head.Events) != 25 {
		t.Errorf("the halves have %d and %d lines", len(tail.Events), len(head.Events))
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := &logs.Service{Dir: t.TempDir()}
	name := stream("job", 1, past)
	write(t, s.Dir, name, "x\n", past)
	for want, in := range map[string]*awsapi.GetLogEventsRequest{
		"log group does not exist":  {LogGroupName: new("/aws/sagemaker/None"), LogStreamName: &name},
		"log stream does not exist": {LogGroupName: new(group), LogStreamName: new("../../etc/passwd")},
		"nextToken is invalid":      {LogGroupName: new(group), LogStreamName: &name, NextToken: new("x")},
	} {
		if _, err := s.GetLogEvents(caller(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := s.FilterLogEvents(caller(), &awsapi.FilterLogEventsRequest{LogGroupName: new("/aws/sagemaker/../..")}); !awsapi.IsCode(err, "ResourceNotFoundException") {
		t.Errorf("outside of the folder: %v", err)
	}
}

// TestAGrowingStreamIsFollowed reads as the Python SDK does: from the time of the last line on, without as many as it had of that time.
func TestAGrowingStreamIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &logs.Service{Dir: dir}
	began := time.Now().Add(-3 * time.Second)
	name := stream("job", 1, began)
	rng := rand.New(rand.NewPCG(1, 2))
	var got []string
	last, skip, written := int64(0), 0, 0
	for round := range 40 {
		n := rng.IntN(60)
		text := numbered(written, written+n)
		if written += n; rng.IntN(3) == 0 {
			text += "half " // of a line that goes on with the next round
		}
		write(t, dir, name, text, time.Now())
		if round%10 == 9 { // another server; the first one's marks are beside the log
			s = &logs.Service{Dir: dir}
		}
		out := get(t, s, awsapi.GetLogEventsRequest{LogStreamName: &name, StartFromHead: new(true), StartTime: &last})
		for _, e := range out.Events[min(skip, len(out.Events)):] {
			got = append(got, *e.Message)
			if *e.Timestamp < last {
				t.Fatalf("%s has the time %d, after %d", *e.Message, *e.Timestamp, last)
			}
			if *e.Timestamp > last {
				last, skip = *e.Timestamp, 0
			}
			skip++
		}
		time.Sleep(time.Millisecond)
	}
	var want []string
	for i := range written {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], "half ", "")
	}
	if !slices.Equal(got, want) && !slices.Equal(got, want[:len(got)]) { // the last line may be unfinished
		t.Errorf("got %d lines of %d, or not in order", len(got), len(want))
	}
	if len(got) < written-1 {
		t.Errorf("got %d lines of %d", len(got), written)
	}
}

func filter(t testing.TB, s *logs.Service, in *awsapi.FilterLogEventsRequest) (all []awsapi.FilteredLogEvent) {
	t.Helper()
	in.LogGroupName = new(group)
	for {
		out, err := s.FilterLogEvents(caller(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out.Events...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all
		}
	}
}

func TestEventsOfSeveralStreamsComeByTime(t *testing.T) {
	t.Parallel()
	s := &logs.Service{Dir: t.TempDir()}
	for host := range 3 {
		write(t, s.Dir, stream("job", host+1, past.Add(time.Duration(host)*time.Second)), numbered(0, 50), past.Add(time.Minute))
	}
	write(t, s.Dir, stream("other", 1, past), numbered(0, 10), past.Add(time.Second))
	for limit := range 3 {
		events := filter(t, s, &awsapi.FilterLogEventsRequest{LogStreamNamePrefix: new("job/"), Limit: new(int32(7 + 50*limit))})
		ids := map[string]bool{}
		for _, e := range events {
			ids[*e.EventId] = true
		}
		byTime := slices.IsSortedFunc(events, func(a, b awsapi.FilteredLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
		if len(events) != 150 || len(ids) != 150 || !byTime {
			t.Errorf("%d events, %d of them different, by time: %v", len(events), len(ids), byTime)
		}
	}
	from, to := past.Add(20*time.Second).UnixMilli(), past.Add(40*time.Second).UnixMilli()
	events := filter(t, s, &awsapi.FilterLogEventsRequest{StartTime: &from, EndTime: &to})
	if len(events) < 45 || len(events) > 55 || *events[0].Timestamp < from || *events[len(events)-1].Timestamp > to {
		t.Errorf("20 s of a minute have %d events of 150", len(events))
	}
	if n := len(filter(t, s, &awsapi.FilterLogEventsRequest{LogStreamNames: []string{stream("other", 1, past)}})); n != 10 {
		t.Errorf("one stream has %d events", n)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	s := &logs.Service{Dir: t.TempDir()}
	write(t, s.Dir, stream("job", 1, past), "ERROR disk full\nWARN disk slow\nINFO all well\nERROR net down\nerror small [1]#011validation-rmse:0.5\n", past)
	for pattern, want := range map[string]int{
		"": 5, "ERROR": 2, "ERROR disk": 1, "disk ERROR": 1, `"disk full"`: 1, `"full disk"`: 0, "-ERROR": 3, "disk -slow": 1, "?ERROR ?WARN": 3,
		"?ERROR ?WARN -net": 2, "%rmse:[0-9.]+%": 1, `"[1]#011"`: 1, "validation-rmse": 1,
	} {
		if got := len(filter(t, s, &awsapi.FilterLogEventsRequest{FilterPattern: &pattern})); got != want {
			t.Errorf("%s: %d lines, want %d", pattern, got, want)
		}
	}
	for _, bad := range []string{"{ $.x = 1 }", "[a, b]", `"open`, "%open", "%(%", "-"} {
		if _, err := s.FilterLogEvents(caller(), &awsapi.FilterLogEventsRequest{LogGroupName: new(group), FilterPattern: &bad}); !awsapi.IsCode(err, "InvalidParameterException") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestStreamsAndGroupsAreListed(t *testing.T) {
	t.Parallel()
	s := &logs.Service{Dir: t.TempDir()}
	for i := range 5 {
		write(t, s.Dir, stream(fmt.Sprintf("job%d", i), 1, past), "x\n", past.Add(time.Duration(5-i)*time.Minute))
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, "Endpoints", "live", "v"), 0o700); err != nil {
		t.Fatal(err)
	}
	list := func(in awsapi.DescribeLogStreamsRequest) string {
		in.LogGroupName, in.Limit = new(group), new(int32(2))
		var jobs []string
		for {
			out, err := s.DescribeLogStreams(caller(), &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range out.LogStreams {
				job, _, _ := strings.Cut(*st.LogStreamName, "/")
				jobs = append(jobs, job)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(jobs, " ")
			}
		}
	}
	if got := list(awsapi.DescribeLogStreamsRequest{}); got != "job0 job1 job2 job3 job4" {
		t.Errorf("by name: %s", got)
	}
	if got := list(awsapi.DescribeLogStreamsRequest{OrderBy: new(awsapi.OrderByLastEventTime), Descending: new(true)}); got != "job0 job1 job2 job3 job4" {
		t.Errorf("by last event, latest first: %s", got)
	}
	if got := list(awsapi.DescribeLogStreamsRequest{LogStreamNamePrefix: new("job3/")}); got != "job3" {
		t.Errorf("of a job: %s", got)
	}
	if _, err := s.DescribeLogStreams(caller(), &awsapi.DescribeLogStreamsRequest{LogGroupName: new(group), LogStreamNamePrefix: new("job"),
		OrderBy: new(awsapi.OrderByLastEventTime)}); !awsapi.IsCode(err, "InvalidParameterException") {
		t.Errorf("prefix and last event: %v", err)
	}
	of := "2026/01/02/[$LATEST]" + fmt.Sprintf("%012x", past.UnixMilli()) + "00112233445566778899"
	write(t, s.Dir, "../Functions/f/"+of, "x\n", past.Add(time.Minute))
	made, err := s.DescribeLogStreams(caller(), &awsapi.DescribeLogStreamsRequest{LogGroupName: new("/aws/lambda/f"), LogStreamNamePrefix: new("2026/01/02/[$LATEST]")})
	if err != nil || len(made.LogStreams) != 1 || *made.LogStreams[0].LogStreamName != of || *made.LogStreams[0].CreationTime != past.UnixMilli() ||
		!strings.Contains(*made.LogStreams[0].Arn, ":log-group:/aws/lambda/f:log-stream:"+of) {
		t.Errorf("streams of a function: %+v, %v", made, err)
	}
	for _, name := range []string{"/aws/lambda/", "/aws/lambda/g", "/aws/lambda/../TrainingJobs", "/aws/sagemaker/Functions", "/aws/sagemaker/Functions/f"} {
		if _, err := s.DescribeLogStreams(caller(), &awsapi.DescribeLogStreamsRequest{LogGroupName: &name}); !awsapi.IsCode(err, "ResourceNotFoundException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, in := range map[int]*awsapi.ListLogGroupsRequest{3: {}, 1: {LogGroupNamePattern: new("lambda")}, 2: {LogGroupNamePattern: new("^/aws/sagemaker")}, 0: {FieldIndexNames: []string{"x"}}} {
		if out, err := s.ListLogGroups(caller(), in); err != nil || len(out.LogGroups) != want {
			t.Errorf("listed %+v, %v, want %d", out, err, want)
		}
	}
	in := &awsapi.DescribeLogGroupsRequest{Limit: new(int32(1))}
	var groups []string
	for {
		out, err := s.DescribeLogGroups(caller(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.LogGroups {
			groups = append(groups, *g.LogGroupName)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if got := strings.Join(groups, " "); got != "/aws/lambda/f /aws/sagemaker/Endpoints/live "+group {
		t.Errorf("groups: %s", got)
	}
}

func FuzzPattern(f *testing.F) {
	s := &logs.Service{Dir: f.TempDir()}
	write(f, s.Dir, stream("job", 1, past), "ERROR disk full\n", past)
	f.Add(`?a -"b \" c" %d+%`)
	f.Fuzz(func(t *testing.T, pattern string) {
		_, err := s.FilterLogEvents(caller(), &awsapi.FilterLogEventsRequest{LogGroupName: new(group), FilterPattern: &pattern})
		if err != nil && !awsapi.IsCode(err, "InvalidParameterException") {
			t.Errorf("%q: %v", pattern, err)
		}
	})
}
