package tune_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/quick"

	"github.com/mobula-ml/mobula/tune"
)

func ExampleRun() {
	// A bowl whose lowest point is at x = 3.
	result, err := tune.Run(context.Background(), func(_ context.Context, t tune.Trial) (float64, error) {
		x, err := strconv.ParseFloat(t.Params["x"], 64)
		return (x - 3) * (x - 3), err
	}, tune.Options{Space: tune.Space{tune.Float("x", 0, 10)}, Strategy: tune.Random{Seed: 1}, Trials: 200, Parallel: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(result.Trials), result.Best.Metric < 0.01)
	// Output: 200 true
}

func TestWrongSpacesAreRefused(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]tune.Space{
		"range x: minimum 2 must not be above maximum 1":             {tune.Float("x", 2, 1)},
		"range x is given twice":                                     {tune.Float("x", 0, 1), tune.Int("x", 0, 1)},
		"range 1 has no name":                                        {{Kind: tune.Integer}},
		"range x: kind '' must be Integer":                           {{Name: "x"}},
		"range x: a Categorical range needs at least one value":      {tune.Choice("x")},
		"range x: minimum 0 must be above 0 for Logarithmic scaling": {{Name: "x", Kind: tune.Continuous, Max: 1, Scaling: tune.Logarithmic}},
		"range x: ReverseLogarithmic scaling needs":                  {{Name: "x", Kind: tune.Continuous, Max: 1, Scaling: tune.ReverseLogarithmic}},
		"range x: scaling 'Cubic' must be one of":                    {{Name: "x", Kind: tune.Continuous, Max: 1, Scaling: "Cubic"}},
		"range x: minimum 0.5 and maximum 1 must be whole":           {{Name: "x", Kind: tune.Integer, Min: 0.5, Max: 1}},
		"range x: minimum NaN and maximum 1 must be finite":          {tune.Float("x", math.NaN(), 1)},
		"range x: minimum 1e+20 and maximum 1e+20 must lie within":   {{Name: "x", Kind: tune.Integer, Min: 1e20, Max: 1e20}},
		"range x: minimum -Inf and maximum 1 must be finite":         {tune.Float("x", math.Inf(-1), 1)},
	} {
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValuesLieInTheirRangeAndFollowFromSeedAndNumber(t *testing.T) {
	t.Parallel()
	property := func(seed uint64, number uint16, a, b int32, scaling uint8) bool {
		low, high := float64(min(a, b)), float64(max(a, b))
		space := tune.Space{tune.Int("i", int64(low), int64(high)), tune.Float("f", low, high), tune.Choice("c", "x", "y"),
			{Name: "log", Kind: tune.Continuous, Min: 1e-6, Max: math.Abs(high) + 1, Scaling: tune.Logarithmic},
			{Name: "logint", Kind: tune.Integer, Min: 1, Max: math.Abs(high) + 1, Scaling: tune.Logarithmic},
			{Name: "rev", Kind: tune.Continuous, Min: 0, Max: 0.999, Scaling: tune.ReverseLogarithmic}}
		one, err := tune.Random{Seed: seed}.Suggest(tune.State{Space: space}, int(number))
		if err != nil {
			return false
		}
		again, _ := tune.Random{Seed: seed}.Suggest(tune.State{Space: space[:2], Trials: []tune.Trial{{}}}, int(number))
		for _, r := range space {
			if !r.Has(one[r.Name]) {
				t.Logf("%s = %s is outside %v to %v", r.Name, one[r.Name], r.Min, r.Max)
				return false
			}
		}
		return one["i"] == again["i"] && one["f"] == again["f"]
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestIntegersAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for n := range 8000 {
		p, _ := tune.Random{Seed: 3}.Suggest(tune.State{Space: tune.Space{tune.Int("d", 1, 8)}}, n)
		count[p["d"]]++
	}
	for v, n := range count {
		if n < 850 || n > 1150 || len(count) != 8 {
			t.Errorf("%s came %d times of 8000: %v", v, n, count)
		}
	}
}

func TestRunToleratesFailuresUpToALimit(t *testing.T) {
	t.Parallel()
	objective := func(_ context.Context, tr tune.Trial) (float64, error) {
		switch tr.Number % 4 {
		case 0:
			return 0, errors.New("no luck")
		case 1:
			panic("oh")
		case 2:
			return math.NaN(), nil
		}
		return float64(tr.Number), nil
	}
	o := tune.Options{Space: tune.Space{tune.Int("x", 0, 1)}, Trials: 12, Parallel: 3, Goal: tune.Maximize}
	r, err := tune.Run(t.Context(), objective, o)
	if err != nil || r.Best.Number != 11 || len(r.Trials) != 12 || r.Trials[1].Err.Error() != "panic: oh" {
		t.Errorf("%+v, %v", r, err)
	}
	o.Failures, o.Parallel = 2, 1
	if r, err = tune.Run(t.Context(), objective, o); err == nil || len(r.Trials) != 2 || !strings.Contains(err.Error(), "2 trials failed, the last one: panic: oh") {
		t.Errorf("%+v, %v", r, err)
	}
	o.Trials, o.Failures = 1, 0
	if _, err = tune.Run(t.Context(), objective, o); !errors.Is(err, tune.ErrNoResult) || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("%v", err)
	}
}

func TestRunEndsAtTargetAndWithItsContext(t *testing.T) {
	t.Parallel()
	o := tune.Options{Space: tune.Space{tune.Int("x", 0, 1)}, Trials: 100, Target: new(3.0), Goal: tune.Maximize}
	number := func(_ context.Context, tr tune.Trial) (float64, error) { return float64(tr.Number), nil }
	if r, err := tune.Run(t.Context(), number, o); err != nil || r.Best.Number != 3 || len(r.Trials) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Target = nil
	r, err := tune.Run(ctx, func(_ context.Context, tr tune.Trial) (float64, error) {
		if tr.Number == 5 {
			cancel()
		}
		return 0, nil
	}, o)
	if !errors.Is(err, context.Canceled) || len(r.Trials) != 5 {
		t.Errorf("%d trials, %v", len(r.Trials), err)
	}
	for want, o := range map[string]tune.Options{"trials 0": {}, "goal 'Best'": {Trials: 1, Goal: "Best"},
		"parallel -1": {Trials: 1, Parallel: -1}, "failures -1": {Trials: 1, Failures: -1}, "target NaN": {Trials: 1, Target: new(math.NaN())}} {
		if _, err := tune.Run(t.Context(), number, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTrialsDoNotDependOnTheirTiming(t *testing.T) {
	t.Parallel()
	o := tune.Options{Space: tune.Space{tune.Int("x", 0, 3), tune.Float("y", 0, 1)}, Strategy: tune.Random{Seed: 9}, Trials: 60}
	round := func(_ context.Context, tr tune.Trial) (float64, error) { return strconv.ParseFloat(tr.Params["x"], 64) }
	var all []string
	for _, o.Parallel = range []int{1, 2, 7} {
		r, err := tune.Run(t.Context(), round, o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(r.Best, r.Trials))
	}
	if all[1] != all[0] || all[2] != all[0] {
		t.Errorf("the trials differ:\n%s", strings.Join(all, "\n"))
	}
}
