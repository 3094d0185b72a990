package tune

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Bayesian learns from the trials where good values lie: it fits a Gaussian process to their metrics and chooses the values from which it
// expects the greatest improvement on the best, as SageMaker does (Perrone et al., "Amazon SageMaker Automatic Model Tuning", KDD 2021; the
// formulas stand in gp.go). The first trials, one more than there are hyper-parameters, are spread evenly over the space.
//
// Trials that run are taken to come to what the process expects of them (the Kriging believer of Ginsbourger, Le Riche and Carraro, 2010), so
// that the next one goes elsewhere; those that failed, to the worst that was seen. Metrics of Related searches are standardised search by search.
type Bayesian struct{ Seed uint64 }

const (
	mostKnown  = 100 // trials that the process is fitted to; fitting takes the third power of them
	candidates = 600 // points drawn for each choice
	climbers   = 4   // of which the best are improved
)

// Suggest implements Strategy.
func (b Bayesian) Suggest(s State, number int) (Params, error) {
	if err := s.Space.Check(); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(b.Seed, uint64(number)))
	k := known(s)
	if len(k.y) < len(s.Space)+1 || len(s.Space) == 0 {
		return k.unlike(spread(s.Space, b.Seed, number), s.Space, random), nil
	}
	p, _ := k.choose(s, random)
	return p, nil
}

// Promise is how much better than the best of this search the next trial is expected to come to, in units of the metric: what says that a
// search has converged. Until there are a few trials more than the strategy needs to begin, it is infinite.
func (b Bayesian) Promise(s State) float64 {
	s.Trials = slices.DeleteFunc(slices.Clone(s.Trials), func(t Trial) bool { return t.Running })
	k := known(s)
	if len(k.y) < len(s.Space)+10 || len(s.Space) == 0 || s.Space.Check() != nil {
		return math.Inf(1)
	}
	_, improvement := k.choose(s, rand.New(rand.NewPCG(b.Seed, uint64(len(s.Trials)))))
	return math.Max(improvement, 0) * k.unit
}

// spread is point n of an even sequence over the cube, shifted by the seed: u_i = frac(shift_i + n·φ^-i), where φ^(d+1) = φ + 1
// (Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences", 2018).
func spread(space Space, seed uint64, n int) []float64 {
	phi := 2.0
	for range 40 {
		phi = math.Pow(1+phi, 1/float64(len(space)+1))
	}
	shift := rand.New(rand.NewPCG(seed, 0x5eed))
	u := make([]float64, len(space))
	for i := range u {
		_, u[i] = math.Modf(shift.Float64() + float64(n)*math.Pow(phi, -float64(i+1)))
	}
	return u
}

// knowledge is what the trials of a state say: metrics, low is good and about standard, of those that ended, and the values of those that run.
type knowledge struct {
	params  []Params
	y       []float64
	best    float64 // the value to improve on
	unit    float64 // of y, in units of the metric
	pending []Params
	tried   map[string]bool
}

func known(s State) *knowledge {
	k := &knowledge{tried: map[string]bool{}}
	for _, t := range s.Trials {
		k.tried[t.Params.key(s.Space)] = true
		if t.Running {
			k.pending = append(k.pending, t.Params)
		}
	}
	for _, related := range s.Related {
		k.add(s.Goal, related)
	}
	others := len(k.y)
	k.add(s.Goal, slices.Concat(s.Earlier, s.Trials))
	if len(k.y) == 0 {
		return k
	}
	if others == len(k.y) { // no value of other data is one to improve on: what is wanted is the lowest that is expected
		k.best = slices.Max(k.y)
	} else {
		k.best = slices.Min(k.y[others:])
	}
	if n := len(k.y) - mostKnown; n > 0 { // the best half of what may stay, and the last ones
		order := slices.Clone(k.y)
		slices.Sort(order)
		worst := order[mostKnown/2]
		var params []Params
		var y []float64
		for i, v := range k.y {
			if n > 0 && v > worst {
				n--
				continue
			}
			params, y = append(params, k.params[i]), append(y, v)
		}
		k.params, k.y = params, y
	}
	return k
}

// add standardises the metrics of trials that can be compared and adds them. Metrics far worse than most are drawn in, as one diverged
// trial would make all others look alike.
func (k *knowledge) add(goal Goal, trials []Trial) {
	var y []float64
	for _, t := range trials {
		if !t.scored() || math.IsNaN(t.Metric) {
			continue
		}
		v := t.Metric
		if goal == Maximize {
			v = -v
		}
		y = append(y, v)
	}
	if len(y) == 0 {
		return
	}
	order := slices.Clone(y)
	slices.Sort(order)
	middle, upper := order[len(order)/2], order[len(order)*3/4]
	limit := upper + 3*(upper-order[0])
	if !(limit < math.MaxFloat64) {
		limit = middle
	}
	mean, square := 0.0, 0.0
	for i := range y {
		y[i] = math.Max(math.Min(y[i], limit), -math.MaxFloat64/4)
		mean += y[i] / float64(len(y))
	}
	for _, v := range y {
		square += (v - mean) * (v - mean) / float64(len(y))
	}
	deviation := math.Sqrt(square)
	if !(deviation > 0) || math.IsInf(deviation, 0) {
		deviation = 1
	}
	k.unit = deviation
	worst := (slices.Max(y) - mean) / deviation
	i := 0
	for _, t := range trials {
		switch {
		case t.Running:
		case t.scored() && !math.IsNaN(t.Metric):
			k.params, k.y = append(k.params, t.Params), append(k.y, (y[i]-mean)/deviation)
			i++
		default:
			k.params, k.y = append(k.params, t.Params), append(k.y, worst)
		}
	}
}

// key names a combination of values.
func (p Params) key(space Space) (key string) {
	for _, r := range space {
		key += p[r.Name] + "\x00"
	}
	return key
}

// choose fits the process and looks for the point from which it expects most, and says how much that is.
func (k *knowledge) choose(s State, random *rand.Rand) (Params, float64) {
	space, g := k.learn(s.Space)
	x, y := points(space, k.params), slices.Clone(k.y)
	pending := points(space, k.pending)
	if len(pending) > 0 {
		for _, p := range pending {
			mean, _ := g.predict(p)
			y = append(y, mean)
		}
		g.condition(append(x, pending...), y)
	}
	type choice struct {
		params Params
		at     []float64
		value  float64
	}
	look := func(u []float64) choice {
		p := decode(space, u)
		at := encode(space, p)
		if k.tried[p.key(space)] {
			return choice{p, at, math.Inf(-1)}
		}
		return choice{p, at, g.improvement(at, k.best) * apart(at, pending)}
	}
	order := make([]int, len(k.y))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return Minimize.compare(k.y[a], k.y[b]) })
	var found []choice
	for i := range candidates {
		u := make([]float64, len(space))
		for j := range u {
			u[j] = random.Float64()
		}
		if i%3 == 0 { // a third of them near the best trials
			u = near(x[order[i%min(5, len(order))]], space, 0.1, random)
		}
		found = append(found, look(u))
	}
	slices.SortStableFunc(found, func(a, b choice) int { return Maximize.compare(a.value, b.value) })
	best := found[0]
	for _, c := range found[:climbers] {
		for radius := 0.08; radius > 0.002; radius *= 0.8 {
			for range 4 {
				if next := look(near(c.at, space, radius, random)); next.value > c.value {
					c = next
				}
			}
		}
		if c.value > best.value {
			best = c
		}
	}
	if math.IsInf(best.value, -1) { // all that was drawn has been tried
		return k.unlike(best.at, space, random), 0
	}
	return best.params, best.value
}

// apart is 1 far from all points and goes to 0 at any of them: with noisy metrics, what is expected of a trial that runs does not keep the
// next one away by itself (after the local penalisation of González et al., "Batch Bayesian Optimization via Local Penalization", 2016).
func apart(at []float64, points [][]float64) float64 {
	const near = 0.05
	factor := 1.0
	for _, p := range points {
		square := 0.0
		for i, x := range at {
			square += (x - p[i]) * (x - p[i])
		}
		factor *= 1 - math.Exp(-square/(near*near))
	}
	return factor
}

// learn fits the process, and finds for each range with Auto scaling whether Linear or Logarithmic explains the metrics better.
func (k *knowledge) learn(space Space) (Space, *gp) {
	space = slices.Clone(space)
	categorical := make([]bool, len(space))
	for i, r := range space {
		categorical[i] = r.Kind == Categorical
	}
	g := newGP(categorical)
	density := g.fit(points(space, k.params), k.y)
	for i, r := range space {
		if r.Kind == Categorical || r.Scaling != "" && r.Scaling != Auto || r.Min <= 0 || r.Max < 10*r.Min {
			continue
		}
		space[i].Scaling = Logarithmic
		other := newGP(categorical)
		if d := other.fit(points(space, k.params), k.y); d > density {
			g, density = other, d
		} else {
			space[i].Scaling = r.Scaling
		}
	}
	return space, g
}

// near is a point beside another: some of its places are moved, at least one.
func near(at []float64, space Space, radius float64, random *rand.Rand) []float64 {
	u := slices.Clone(at)
	must := random.IntN(len(u))
	for i := range u {
		if u[i] != elsewhere && i != must && random.Float64() < 0.5 {
			continue
		}
		if space[i].Kind == Categorical {
			u[i] = random.Float64()
			continue
		}
		step := radius * random.NormFloat64()
		if space[i].Kind == Integer { // at least to the next whole number
			low, high := space[i].bounds()
			step += math.Copysign(1/(high-low), step)
		}
		u[i] = clamp(u[i]+step, 0, math.Nextafter(1, 0))
	}
	return u
}

// unlike is the combination at a point, or one drawn at random that was not tried yet if that can be found.
func (k *knowledge) unlike(u []float64, space Space, random *rand.Rand) Params {
	p := decode(space, u)
	for range 200 {
		if !k.tried[p.key(space)] {
			return p
		}
		for i := range u {
			u[i] = random.Float64()
		}
		p = decode(space, u)
	}
	return p
}

func decode(space Space, u []float64) Params {
	p := Params{}
	for i, r := range space {
		p[r.Name] = r.At(u[i])
	}
	return p
}

// elsewhere is the place of a value that a Categorical range does not have: it differs from all that it has.
const elsewhere = -1

// encode places values in the cube. One that is missing, as an earlier search with another space may lack it, is in the middle.
func encode(space Space, p Params) []float64 {
	u := make([]float64, len(space))
	for i, r := range space {
		var err error
		switch u[i], err = r.Place(p[r.Name]); {
		case err != nil && r.Kind == Categorical:
			u[i] = elsewhere
		case err != nil:
			u[i] = 0.5
		}
	}
	return u
}

func points(space Space, all []Params) [][]float64 {
	x := make([][]float64, len(all))
	for i, p := range all {
		x[i] = encode(space, p)
	}
	return x
}
