package tune_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/quick"

	"github.com/mobula-ml/mobula/tune"
)

func number(p tune.Params, name string) float64 {
	x, err := strconv.ParseFloat(p[name], 64)
	if err != nil {
		panic(err)
	}
	return x
}

// branin has three lowest points, where it is 0.397887 (Dixon and Szegö, 1978).
func branin(p tune.Params) float64 {
	x, y := number(p, "x"), number(p, "y")
	a := y - 5.1/(4*math.Pi*math.Pi)*x*x + 5/math.Pi*x - 6
	return a*a + 10*(1-1/(8*math.Pi))*math.Cos(x) + 10
}

func bowl() tune.Space { return tune.Space{tune.Float("x", -5, 10), tune.Float("y", 0, 15)} }

func ExampleBayesian() {
	result, err := tune.Run(context.Background(), func(_ context.Context, t tune.Trial) (float64, error) { return branin(t.Params), nil },
		tune.Options{Space: bowl(), Strategy: tune.Bayesian{Seed: 1}, Trials: 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Best.Metric < 0.5) // the lowest that there is is 0.398
	// Output: true
}

func ExampleGrid() {
	space := tune.Space{tune.Choice("booster", "gbtree", "dart"), tune.Int("max_depth", 2, 3)}
	for n := range (tune.Grid{}).Size(space) {
		p, err := tune.Grid{}.Suggest(tune.State{Space: space}, n)
		fmt.Println(p["booster"], p["max_depth"], err)
	}
	// Output:
	// gbtree 2 <nil>
	// gbtree 3 <nil>
	// dart 2 <nil>
	// dart 3 <nil>
}

func ExampleHyperband() {
	// Trials whose x is far from 3 learn as slowly as the others, but come to less.
	learn := func(_ context.Context, t tune.Trial) (metric float64, err error) {
		for epoch := 1; ; epoch++ {
			metric = math.Abs(number(t.Params, "x")-3) + 1/float64(epoch)
			if t.Report(metric) {
				return metric, nil
			}
		}
	}
	h := tune.Hyperband{Seed: 1, Max: 27}
	for _, b := range h.Brackets() {
		fmt.Println(b.Trials, b.Rungs)
	}
	result, err := tune.Run(context.Background(), learn, tune.Options{Space: tune.Space{tune.Float("x", 0, 10)}, Strategy: h, Trials: 49})
	if err != nil {
		fmt.Println(err)
		return
	}
	epochs := 0
	for _, t := range result.Trials {
		epochs += len(t.Reports)
	}
	fmt.Println(result.Best.Metric < 0.5, epochs < 49*27/2)
	// Output:
	// 27 [1 3 9 27]
	// 12 [3 9 27]
	// 6 [9 27]
	// 4 [27]
	// true true
}

func ExampleStudy() {
	study, err := tune.NewStudy(tune.Options{Space: tune.Space{tune.Float("rate", 0, 1)}, Strategy: tune.Bayesian{}, Goal: tune.Maximize, Trials: 12})
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		t, err := study.Ask() // as often as there is room for another trial
		if errors.Is(err, tune.ErrExhausted) {
			break
		}
		rate := number(t.Params, "rate")
		if err := study.Tell(t.Number, rate*(1-rate), nil); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Printf("%.2f\n", study.Best().Metric)
	// Output: 0.25
}

// strategies over a space with a range of every kind.
func everyStrategy(seed uint64) map[string]tune.Strategy {
	return map[string]tune.Strategy{"Random": tune.Random{Seed: seed}, "Bayesian": tune.Bayesian{Seed: seed}, "Grid": tune.Grid{Steps: 3},
		"Hyperband": tune.Hyperband{Seed: seed, Max: 9}}
}

func TestEveryStrategyStaysInRangeAndRepeatsItself(t *testing.T) {
	t.Parallel()
	property := func(seed uint64, a, b int16) bool {
		low, high := float64(min(a, b)), float64(max(a, b))
		space := tune.Space{tune.Int("i", int64(low), int64(high)), tune.Float("f", low, high), tune.Choice("c", "x", "y", "z"),
			{Name: "log", Kind: tune.Continuous, Min: 1e-6, Max: math.Abs(high) + 1, Scaling: tune.Logarithmic},
			{Name: "auto", Kind: tune.Continuous, Min: 1e-3, Max: 10},
			{Name: "rev", Kind: tune.Continuous, Min: 0, Max: 0.999, Scaling: tune.ReverseLogarithmic}}
		for name, strategy := range everyStrategy(seed) {
			s := tune.State{Space: space, Goal: tune.Maximize,
				Earlier: []tune.Trial{{Params: tune.Params{"i": "1000000", "c": "gone"}, Metric: 3}}, Related: [][]tune.Trial{{{Params: tune.Params{}, Metric: math.Inf(1)}}}}
			for n := range 14 {
				p, err := strategy.Suggest(s, n)
				again, _ := strategy.Suggest(s, n)
				if err != nil || fmt.Sprint(p) != fmt.Sprint(again) || len(p) != len(space) {
					t.Logf("%s: %v, then %v, %v", name, p, again, err)
					return false
				}
				for _, r := range space {
					if !r.Has(p[r.Name]) {
						t.Logf("%s: %s = %s is outside %v to %v", name, r.Name, p[r.Name], r.Min, r.Max)
						return false
					}
				}
				trial := tune.Trial{Number: n, Params: p, Metric: number(p, "f") * math.Pow(10, float64(n*20))}
				switch n % 5 {
				case 2:
					trial.Running = true
				case 3:
					trial.Err = errors.New("no luck")
				case 4:
					trial.Metric = math.Inf(1 - 2*(n%2))
				}
				s.Trials = append(s.Trials, trial)
			}
		}
		return true
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 12}); err != nil {
		t.Error(err)
	}
}

func best(t *testing.T, o tune.Options, f func(tune.Params) float64) float64 {
	t.Helper()
	r, err := tune.Run(t.Context(), func(_ context.Context, tr tune.Trial) (float64, error) { return f(tr.Params), nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	return r.Best.Metric
}

func TestBayesianBeatsRandomInTheMedian(t *testing.T) {
	t.Parallel()
	mixed := tune.Space{{Name: "rate", Kind: tune.Continuous, Min: 1e-5, Max: 1}, tune.Int("depth", 1, 12), tune.Choice("kind", "a", "b", "c")}
	for name, c := range map[string]struct {
		space  tune.Space
		f      func(tune.Params) float64
		trials int
	}{
		"branin": {bowl(), branin, 25},
		"mixed": {mixed, func(p tune.Params) float64 {
			return math.Abs(math.Log10(number(p, "rate"))+3) + math.Abs(number(p, "depth")-7)/4 + map[string]float64{"a": 1, "b": 0, "c": 2}[p["kind"]]
		}, 25},
	} {
		var bayes, random []float64
		for seed := range uint64(9) {
			o := tune.Options{Space: c.space, Trials: c.trials, Strategy: tune.Bayesian{Seed: seed}}
			bayes = append(bayes, best(t, o, c.f))
			o.Strategy = tune.Random{Seed: seed}
			random = append(random, best(t, o, c.f))
		}
		slices.Sort(bayes)
		slices.Sort(random)
		t.Logf("%s: Bayesian %.3f, Random %.3f", name, bayes, random)
		if bayes[4] >= random[4] {
			t.Errorf("%s: the medians are %v by Bayesian, %v by Random", name, bayes[4], random[4])
		}
	}
}

func TestTrialsThatRunKeepBayesianFromTheSamePlace(t *testing.T) {
	t.Parallel()
	s := tune.State{Space: bowl()}
	for n := range 8 {
		p, err := tune.Bayesian{Seed: 3}.Suggest(s, n)
		if err != nil {
			t.Fatal(err)
		}
		s.Trials = append(s.Trials, tune.Trial{Number: n, Params: p, Metric: branin(p)})
	}
	var at [][2]float64
	for n := 8; n < 14; n++ {
		p, err := tune.Bayesian{Seed: 3}.Suggest(s, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range at {
			if math.Hypot(number(p, "x")-other[0], number(p, "y")-other[1]) < 0.05 {
				t.Errorf("trial %d is at %v, as one that runs", n, p)
			}
		}
		at = append(at, [2]float64{number(p, "x"), number(p, "y")})
		s.Trials = append(s.Trials, tune.Trial{Number: n, Params: p, Running: true})
	}
}

// TestBayesianLearnsFromOtherSearches gives it the trials of another search and wants the best of a few trials to be good.
func TestBayesianLearnsFromOtherSearches(t *testing.T) {
	t.Parallel()
	var other [2][]tune.Trial // on the same data, and the same shape on another scale
	for n := range 20 {
		p, err := tune.Random{Seed: 5}.Suggest(tune.State{Space: bowl()}, n)
		if err != nil {
			t.Fatal(err)
		}
		other[0] = append(other[0], tune.Trial{Number: n, Params: p, Metric: branin(p)})
		other[1] = append(other[1], tune.Trial{Number: n, Params: p, Metric: 1000 + 50*branin(p)})
	}
	var bests [3][]float64
	for seed := range uint64(7) {
		for i, o := range []tune.Options{{}, {Earlier: other[0]}, {Related: other[1:]}} {
			o.Space, o.Trials, o.Strategy = bowl(), 4, tune.Bayesian{Seed: seed}
			bests[i] = append(bests[i], best(t, o, branin))
		}
	}
	for i, name := range []string{"alone", "earlier", "related"} {
		slices.Sort(bests[i])
		t.Logf("%s: %.2f", name, bests[i])
		if bests[i][3] > bests[0][3]/2 && i > 0 {
			t.Errorf("%s: the median of the best of four trials is %v, without other searches %v", name, bests[i][3], bests[0][3])
		}
	}
}

func TestPromiseEndsWhenTheLowestIsFound(t *testing.T) {
	t.Parallel()
	s := tune.State{Space: tune.Space{tune.Float("x", 0, 10)}}
	var promise []float64
	for n := range 20 {
		promise = append(promise, tune.Bayesian{}.Promise(s))
		p, err := tune.Bayesian{}.Suggest(s, n)
		if err != nil {
			t.Fatal(err)
		}
		s.Trials = append(s.Trials, tune.Trial{Number: n, Params: p, Metric: 1 + (number(p, "x")-3)*(number(p, "x")-3)})
	}
	if !math.IsInf(promise[9], 1) || promise[19] > 0.01 {
		t.Errorf("the promise before each trial was %.4f", promise)
	}
}

func TestBayesianTriesNothingTwiceWhileThereIsSomethingElse(t *testing.T) {
	t.Parallel()
	space := tune.Space{tune.Int("i", 1, 4), tune.Choice("c", "x", "y", "z")}
	r, err := tune.Run(t.Context(), func(_ context.Context, tr tune.Trial) (float64, error) { return number(tr.Params, "i"), nil },
		tune.Options{Space: space, Strategy: tune.Bayesian{}, Trials: 12, Parallel: 3})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, tr := range r.Trials {
		seen[fmt.Sprint(tr.Params)] = true
	}
	if len(seen) != 12 {
		t.Errorf("%d of 12 combinations were tried: %v", len(seen), seen)
	}
}

func TestGridTriesEveryCombinationOnce(t *testing.T) {
	t.Parallel()
	space := tune.Space{tune.Choice("c", "x", "y", "x"), tune.Int("few", 3, 5), tune.Int("many", 0, 100), {Name: "log", Kind: tune.Continuous, Min: 0.01, Max: 100, Scaling: tune.Logarithmic}}
	r, err := tune.Run(t.Context(), func(_ context.Context, tr tune.Trial) (float64, error) { return float64(tr.Number), nil }, tune.Options{Space: space, Strategy: tune.Grid{}, Parallel: 2})
	if err != nil || len(r.Trials) != 2*3*5*5 {
		t.Fatalf("%d trials, %v", len(r.Trials), err)
	}
	seen := map[string]bool{}
	values := map[string]map[string]bool{"c": {}, "few": {}, "many": {}, "log": {}}
	for _, tr := range r.Trials {
		seen[fmt.Sprint(tr.Params)] = true
		for name, v := range tr.Params {
			values[name][v] = true
		}
	}
	if len(seen) != len(r.Trials) || !values["many"]["25"] || !values["many"]["100"] || !values["few"]["4"] {
		t.Errorf("%d combinations of %v", len(seen), values)
	}
	for v := range values["log"] {
		if x, err := strconv.ParseFloat(v, 64); err != nil || math.Abs(math.Log10(x)-math.Round(math.Log10(x))) > 1e-9 {
			t.Errorf("log = %s", v)
		}
	}
	if _, err := (tune.Grid{}).Suggest(tune.State{Space: space}, 150); !errors.Is(err, tune.ErrExhausted) {
		t.Errorf("after the last combination: %v", err)
	}
	if n := (tune.Grid{Steps: 1000}).Size(slices.Repeat(tune.Space{tune.Float("x", 0, 1)}, 30)); n != math.MaxInt32 {
		t.Errorf("size %d", n)
	}
}

// TestBracketsAddUp holds what algorithm 1 of the paper says of any limits: the brackets' first rungs go from Min to Max by powers of eta, the
// last rung is Max, and every bracket has about the same budget.
func TestBracketsAddUp(t *testing.T) {
	t.Parallel()
	property := func(low, factor, eta uint8) bool {
		h := tune.Hyperband{Min: int(low%10) + 1, Eta: int(eta%4) + 2}
		h.Max = h.Min * (int(factor) + 1)
		brackets := h.Brackets()
		for i, b := range brackets {
			first := b.Rungs[0]
			if len(b.Rungs) != len(brackets)-i || b.Rungs[len(b.Rungs)-1] != h.Max || first < h.Min || !slices.IsSorted(b.Rungs) {
				return false
			}
			budget := b.Trials * first // of the first rung, in epochs; on the whole R·(S+1) for every bracket, but for what is rounded
			if whole := h.Max * len(brackets) / len(b.Rungs); budget > whole+first+b.Trials || budget < whole-first-b.Trials {
				t.Logf("%+v: bracket %+v has %d, not %d", h, b, budget, whole)
				return false
			}
		}
		return len(brackets) > 0 && brackets[0].Rungs[0] < h.Min*h.Eta+h.Eta
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
	for want, h := range map[string]tune.Hyperband{"maximum of the epochs, 0": {}, "minimum of the epochs, 9": {Min: 9, Max: 3}, "eta 1": {Max: 3, Eta: 1}} {
		if err := h.Check(); err == nil || !strings.Contains(err.Error(), want) || h.Brackets() != nil || h.Stop(tune.State{}, tune.Trial{Reports: []float64{1}}) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

func TestHyperbandJudgesAtItsRungs(t *testing.T) {
	t.Parallel()
	h := tune.Hyperband{Max: 9} // brackets of 9, 5 and 3 trials with the rungs 1 3 9, 3 9 and 9
	flat := func(n, epochs int, metric float64) tune.Trial {
		return tune.Trial{Number: n, Running: true, Reports: slices.Repeat([]float64{metric}, epochs)}
	}
	others := tune.State{Goal: tune.Maximize, Trials: []tune.Trial{flat(0, 3, 0.9), flat(1, 1, 0.1), flat(2, 1, 0.2), flat(9, 9, 1), flat(18, 1, 0.95)}}
	for _, c := range []struct {
		trial tune.Trial
		stop  bool
	}{
		{flat(3, 0, 0), false}, {flat(3, 1, 0.3), true}, {flat(3, 2, 0.3), true}, {flat(3, 1, 0.99), false}, {flat(0, 2, 0.9), true}, // worse than 18, of the next round
		{flat(3, 3, 0.3), false},              // only two have been at the second rung
		{flat(10, 2, 0), false},               // before the first rung of its bracket
		{flat(16, 8, 0), false},               // the last bracket has no rung before the end
		{flat(16, 9, 1), true},                // which is the end
		{flat(17+3, 1, math.Inf(-1)), true},   // the first bracket of the second round
		{flat(17+3, 1, math.NaN()), true},     // what is no number is worse than any
		{flat(17+16, 8, math.Inf(-1)), false}, // and its last
	} {
		if got := h.Stop(others, c.trial); got != c.stop {
			t.Errorf("trial %d at epoch %d: %v", c.trial.Number, len(c.trial.Reports), got)
		}
	}
}

func TestMedianIsTheDocumentedRule(t *testing.T) {
	t.Parallel()
	s := tune.State{Goal: tune.Minimize, Trials: []tune.Trial{
		{Number: 0, Reports: []float64{9, 5, 1}, Metric: 1},     // running averages 9, 7, 5
		{Number: 1, Reports: []float64{5, 3, 1}, Metric: 1},     // 5, 4, 3
		{Number: 2, Reports: []float64{3, 1}, Metric: 1},        // 3, 2, none
		{Number: 3, Reports: []float64{0, 0, 0}, Running: true}, // not one before it
		{Number: 4, Reports: []float64{0, 0, 0}, Err: errors.New("failed")}}}
	for _, c := range []struct {
		reports []float64
		stop    bool
	}{{nil, false}, {[]float64{5}, false}, {[]float64{5.1}, true}, {[]float64{9, 4}, false}, {[]float64{1, 4.1}, true}, {[]float64{9, 9, 4}, false},
		{[]float64{9, 9, 4.1}, true}, {[]float64{9, 9, 9, 99}, false}} {
		if got := (tune.Median{}).Stop(s, tune.Trial{Number: 5, Reports: c.reports}); got != c.stop {
			t.Errorf("%v: %v", c.reports, got)
		}
	}
	if (tune.Median{From: 2}).Stop(s, tune.Trial{Number: 5, Reports: []float64{99}}) {
		t.Error("a trial was judged before its time")
	}
}

func TestStudyRefusesWhatIsNotRunning(t *testing.T) {
	t.Parallel()
	s, err := tune.NewStudy(tune.Options{Space: bowl(), Trials: 1, Stopper: tune.Median{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(0, 1, nil); err == nil || err.Error() != "trial 0 is not one that runs" {
		t.Error(err)
	}
	if s.Best() != nil {
		t.Error("a best trial of none")
	}
	one, err := s.Ask()
	if err != nil || !one.Running {
		t.Fatal(one, err)
	}
	if stop, err := s.Report(0, 2); stop || err != nil {
		t.Error(stop, err)
	}
	if err := s.Tell(0, 1, nil); err != nil || s.Best().Metric != 1 || len(s.Trials()[0].Reports) != 1 {
		t.Error(err, s.Trials())
	}
	if _, err := s.Report(0, 2); err == nil {
		t.Error("a report of a trial that has ended was taken")
	}
	if _, err := s.Ask(); !errors.Is(err, tune.ErrExhausted) {
		t.Error(err)
	}
}
