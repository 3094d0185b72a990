package jobs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/runner"
)

// maxMessage bounds what is read of a message that a job left, in bytes.
const maxMessage = 4096

// message is what a processing job left to be shown: /opt/ml/output/message of its first host.
func (p *pass) message() string {
	if p.job.Processing == nil {
		return ""
	}
	return p.left("message")
}

// left reads a file that a host left in /opt/ml/output.
func (p *pass) left(name string) string {
	_, hosts := p.job.cluster()
	for n := 1; n <= hosts; n++ {
		root, err := p.own(p.at(n, ml+"/output"))
		if err != nil {
			continue
		}
		f, err := root.Open(name)
		root.Close()
		if err != nil {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(f, maxMessage))
		f.Close()
		if text := strings.TrimSpace(string(b)); err == nil && text != "" {
			return strings.ToValidUTF8(text, "�")
		}
	}
	return ""
}

// why is the reason of a job whose user code failed: what it left in output/failure, else the end of its log, with the exit code.
func (p *pass) why(status runner.Status) string {
	code, oom := 1, false
	for _, h := range status.Hosts {
		if h.ExitCode != nil && *h.ExitCode != 0 {
			code, oom = *h.ExitCode, h.OutOfMemory
			break
		}
	}
	text := p.left("failure")
	if text == "" {
		text = p.left("message")
	}
	switch {
	case oom:
		return fmt.Sprintf("AlgorithmError: The job ran out of the memory of its instance type, exit code: %d", code)
	case text == "":
		text = p.lastLines()
	}
	if text == "" {
		text = status.Reason
	}
	if r := []rune(text); len(r) > 900 {
		text = "…" + string(r[len(r)-900:])
	}
	return fmt.Sprintf("AlgorithmError: %s, exit code: %d", text, code)
}

// lastLines is the end of the first host's log.
func (p *pass) lastLines() string {
	f, err := os.Open(p.svc.logPath(p.job, 1))
	if err != nil {
		return ""
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, end-800), io.SeekStart)
	}
	b, err := io.ReadAll(io.LimitReader(f, 800))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(b), "�")), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// builtinMetrics are the patterns of the XGBoost image: `[12]#011train-rmse:1.5#011validation-rmse:2.5`.
var (
	roundLine = regexp.MustCompile(`^.*\[\d+\].*?(?:#011|\t)`)
	roundPair = regexp.MustCompile(`(train|validation)-([A-Za-z0-9@_.-]+):(-?[0-9.eE+-]+|nan|inf)`)
)

// scrape reads the logs of the hosts for metrics and returns the last value of each, of the first host that has it.
func (p *pass) scrape() ([]awsapi.MetricData, error) {
	if p.job.Training == nil {
		return nil, nil
	}
	definitions := p.job.definitions()
	var all []awsapi.MetricData
	_, hosts := p.job.cluster()
	for n := 1; n <= hosts; n++ {
		found := metrics{at: map[string]int{}, now: awsapi.Stamp(p.svc.World.Now())}
		if err := p.eachLine(n, func(line []byte, _, _ int64) { eachMetric(string(line), definitions, p.job.xgboost(), found.set) }); err != nil {
			return nil, err
		}
		for _, m := range found.list {
			if !slices.ContainsFunc(all, func(known awsapi.MetricData) bool { return *known.MetricName == *m.MetricName }) {
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// eachLine gives the lines of a host's log, each with where it begins and how long the log is, in bytes.
func (p *pass) eachLine(host int, give func(line []byte, offset, size int64)) error {
	f, err := os.Open(p.svc.logPath(p.job, host))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(f, 1<<16)
	for offset := int64(0); ; {
		line, err := lines.ReadSlice('\n')
		give(line, offset, info.Size())
		offset += int64(len(line))
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// metrics are the last values found, in the order in which they were found first.
type metrics struct {
	list []awsapi.MetricData
	at   map[string]int
	now  *awsapi.Time
}

// eachMetric gives the metrics of a line of a log: those of the definitions, and those that the image reports by itself.
func eachMetric(line string, definitions []definition, image bool, give func(name, text string)) {
	line = strings.TrimRight(line, "\r\n") // the service's patterns end a line by $
	for _, d := range definitions {
		if value, found := d.find(line); found {
			give(d.name, value)
		}
	}
	if !image || !roundLine.MatchString(line) {
		return
	}
	for _, pair := range roundPair.FindAllStringSubmatch(line, -1) {
		give(pair[1]+":"+pair[2], pair[3])
	}
}

func (m *metrics) set(name, text string) {
	x, err := strconv.ParseFloat(text, 32)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) { // as it is where a training diverges; rows and answers cannot hold it
		return
	}
	i, known := m.at[name]
	if !known {
		i = len(m.list)
		m.at[name] = i
		m.list = append(m.list, awsapi.MetricData{MetricName: &name})
	}
	m.list[i].Value, m.list[i].Timestamp = new(float32(x)), m.now
}
