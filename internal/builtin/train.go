package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/xgboost"
)

// modelName is the file in /opt/ml/model.
const modelName = "xgboost-model"

// train is the whole of a training job: read, check, train, save. When ctx ends it saves the rounds that are done.
func (p *process) train(ctx context.Context) error {
	values, err := readHyperparameters(p.path("input", "config", "hyperparameters.json"))
	if err != nil {
		return err
	}
	s, err := parseSettings(values)
	if err != nil {
		return err
	}
	if err := p.checkHosts(); err != nil {
		return err
	}
	if len(s.ignored) > 0 {
		p.printf("Without effect in this version of XGBoost: %s", strings.Join(s.ignored, ", "))
	}
	threads := p.threads()
	if s.params.Threads == nil {
		s.params.Threads = &threads
	}
	train, evals, err := p.loadChannels(s, threads)
	if err != nil {
		return err
	}
	defer func() {
		for _, e := range evals {
			e.Data.Close()
		}
	}()
	return p.fit(ctx, s, train, evals)
}

// loadChannels returns the training data and what each round is measured on, the training data first.
func (p *process) loadChannels(s settings, threads int) (train *xgboost.Matrix, evals []xgboost.Eval, err error) {
	for _, name := range []string{"train", "validation"} {
		channel, err := p.readChannel(name)
		if err != nil {
			return nil, nil, err
		}
		if channel == nil {
			if name == "train" {
				return nil, nil, fmt.Errorf("channel %q is required: the job has none", name)
			}
			continue
		}
		m, err := channel.load(s, threads, train)
		if err != nil {
			return nil, nil, err
		}
		if m.Rows()*m.Cols() > givenBackCells {
			debug.FreeOSMemory() // The rows are the library's now.
		}
		p.printf("%s matrix has %d rows and %d columns", strings.ToUpper(name[:1])+name[1:], m.Rows(), m.Cols())
		if train == nil {
			train = m
		} else if m.Cols() != train.Cols() {
			return nil, nil, fmt.Errorf("channel %q has %d features where channel %q has %d", name, m.Cols(), "train", train.Cols())
		}
		evals = append(evals, xgboost.Eval{Name: name, Data: m})
	}
	return train, evals, nil
}

func (p *process) fit(ctx context.Context, s settings, train *xgboost.Matrix, evals []xgboost.Eval) error {
	o := xgboost.TrainOptions{Rounds: s.rounds, Evals: evals, Progress: p.logRound}
	if s.earlyStopping > 0 {
		if len(evals) > 1 {
			o.EarlyStopping = &xgboost.EarlyStopping{Rounds: s.earlyStopping, Eval: "validation", Metric: s.stopMetric}
		} else {
			p.printf("early_stopping_rounds has no effect without a validation channel")
		}
	}
	model, err := xgboost.Train(ctx, s.params, train, o)
	stopped := err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err())
	switch {
	case stopped && model == nil:
		return errors.New("stopped before the first round was done: there is no model to save")
	case stopped:
		p.printf("Stopped after %d of %d rounds; saving their model", len(model.History()), s.rounds)
	case err != nil:
		return err
	}
	if err := os.MkdirAll(p.path("model"), 0o755); err != nil {
		return err
	}
	if err := model.Save(p.path("model", modelName)); err != nil {
		return err
	}
	p.printf("Saved the model of %s", modelRounds(model))
	return nil
}

func modelRounds(m *xgboost.Model) string {
	if t, err := m.Trees(); err == nil {
		return fmt.Sprintf("%d trees", t.Trees())
	}
	return fmt.Sprintf("%d rounds", len(m.History()))
}

// logRound writes a round as SageMaker's image does, where a tab arrives in the log as #011, and now and then how far it is.
func (p *process) logRound(r xgboost.Round) {
	line := make([]byte, 0, 128)
	line = append(line, '[')
	line = strconv.AppendInt(line, int64(r.Index), 10)
	line = append(line, ']')
	for _, m := range r.Metrics {
		line = append(line, "#011"...)
		line = append(line, m.Eval...)
		line = append(line, '-')
		line = append(line, m.Name...)
		line = append(line, ':')
		line = strconv.AppendFloat(line, m.Value, 'f', 5, 64)
	}
	every := max(r.Rounds/10, 1)
	if done := r.Index + 1; done%every == 0 || done == r.Rounds {
		line = fmt.Appendf(line, "\nprogress: %d/%d rounds", done, r.Rounds)
	}
	line = append(line, '\n')
	p.stdout.Write(line) //nolint:errcheck // A log that cannot be written has nowhere to say so.
}

// checkHosts refuses a job of several hosts, which would each train a model of their own.
func (p *process) checkHosts() error {
	path := p.path("input", "config", "resourceconfig.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var config struct {
		Hosts []string `json:"hosts"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("%s is not a resource configuration: %w", path, err)
	}
	if len(config.Hosts) > 1 {
		return fmt.Errorf("InstanceCount %d: the built-in XGBoost trains on one host; set ResourceConfig.InstanceCount to 1", len(config.Hosts))
	}
	return nil
}

// threads is the number of vCPUs that the host shows, which may be more or fewer than the machine has cores to give.
func (p *process) threads() int {
	n := runtime.NumCPU()
	if online, err := os.ReadFile("/sys/devices/system/cpu/online"); err == nil {
		if shown := countCPUs(strings.TrimSpace(string(online))); shown > 0 {
			n = min(n, shown)
		}
	}
	if shown, err := strconv.Atoi(p.getenv("SM_NUM_CPUS")); err == nil && shown > 0 {
		n = min(n, shown)
	}
	return n
}

// countCPUs reads the kernel's list form, such as "0-3,6"; 0 is for a text that is none.
func countCPUs(list string) int {
	total := 0
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || to < from {
			return 0
		}
		total += to - from + 1
	}
	return total
}
