package tune

import "math"

// A gp is a Gaussian process with mean 0 over the unit cube, fitted to values whose mean is 0 and whose variance is 1.
//
// The kernel is Matérn 5/2 with a length for every dimension (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, eq. 4.17):
//
//	k(r) = a·(1 + √5·r + 5/3·r²)·exp(-√5·r),  r² = Σ (x_i - y_i)²/l_i²
//
// where a Categorical dimension counts 1 between two values that differ. With noise λ·a the values y have the log marginal likelihood
// (eq. 2.30) -½·yᵀK⁻¹y - ½·log|K|; the amplitude a that maximises it, yᵀ(K/a)⁻¹y/n, is put in, and the lengths and λ are searched for.
type gp struct {
	categorical []bool
	length      []float64 // logarithms
	noise       float64   // logarithm of λ

	scale     []float64 // 1/l
	x         [][]float64
	y         []float64
	chol      [][]float64 // lower triangle of K/a
	alpha     []float64   // (K/a)⁻¹·y
	amplitude float64
}

// The priors of the logarithms: the lengths around half of the cube's side, the noise around a thousandth of the variance.
const (
	lengthMean, lengthDeviation = -0.7, 0.9
	noiseMean, noiseDeviation   = -6.9, 2.0
	leastNoise                  = 1e-8
)

func newGP(categorical []bool) *gp {
	g := &gp{categorical: categorical, length: make([]float64, len(categorical)), noise: noiseMean}
	for i := range g.length {
		g.length[i] = lengthMean + 0.5*math.Log(float64(len(g.length))) // distances grow with the root of the number of dimensions
	}
	return g
}

func (g *gp) kernel(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		d := x - b[i]
		if g.categorical[i] && d != 0 {
			d = 1
		}
		d *= g.scale[i]
		sum += d * d
	}
	r := math.Sqrt(5 * sum)
	return (1 + r + r*r/3) * math.Exp(-r)
}

// condition makes the process one that knows the values y at x. It returns the logarithm of the posterior density of the lengths and the
// noise, but for a constant, or -Inf where the matrix has no root.
func (g *gp) condition(x [][]float64, y []float64) float64 {
	n := len(x)
	g.x, g.y = x, y
	g.scale = g.scale[:0]
	for _, l := range g.length {
		g.scale = append(g.scale, math.Exp(-l))
	}
	if cap(g.chol) < n {
		g.chol = make([][]float64, n)
	}
	g.chol = g.chol[:n]
	logDet := 0.0
	for i := range n {
		if cap(g.chol[i]) < i+1 {
			g.chol[i] = make([]float64, n)
		}
		row := g.chol[i][:i+1]
		g.chol[i] = row
		for j := range i {
			s := g.kernel(x[i], x[j])
			for k, other := range g.chol[j][:j] {
				s -= row[k] * other
			}
			row[j] = s / g.chol[j][j]
		}
		s := 1 + math.Exp(g.noise) + leastNoise
		for _, v := range row[:i] {
			s -= v * v
		}
		if s <= 0 {
			return math.Inf(-1)
		}
		row[i] = math.Sqrt(s)
		logDet += 2 * math.Log(row[i])
	}
	half := g.solveLower(y)
	square := 0.0
	for _, v := range half {
		square += v * v
	}
	g.alpha = g.solveUpper(half)
	g.amplitude = math.Max(square/float64(n), 1e-6)
	density := -0.5*float64(n)*math.Log(g.amplitude) - 0.5*logDet
	centre := lengthMean + 0.5*math.Log(float64(len(g.length)))
	for _, l := range g.length {
		z := (l - centre) / lengthDeviation
		density -= 0.5 * z * z
	}
	z := (g.noise - noiseMean) / noiseDeviation
	return density - 0.5*z*z
}

func (g *gp) solveLower(y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		for j, l := range g.chol[i][:i] {
			v -= l * out[j]
		}
		out[i] = v / g.chol[i][i]
	}
	return out
}

func (g *gp) solveUpper(y []float64) []float64 {
	out := append([]float64(nil), y...)
	for i := len(y) - 1; i >= 0; i-- {
		out[i] /= g.chol[i][i]
		for j, l := range g.chol[i][:i] {
			out[j] -= l * out[i]
		}
	}
	return out
}

// fit searches for the lengths and the noise of highest posterior density, one after the other with steps that become smaller.
func (g *gp) fit(x [][]float64, y []float64) (density float64) {
	density = g.condition(x, y)
	for _, step := range []float64{1.2, 0.6, 0.3} {
		for range 2 {
			moved := false
			for i := range len(g.length) + 1 {
				p := &g.noise
				if i < len(g.length) {
					p = &g.length[i]
				}
				for _, d := range []float64{step, -step} {
					was := *p
					*p += d
					if now := g.condition(x, y); now > density {
						density, moved = now, true
						break
					}
					*p = was
				}
			}
			if !moved {
				break
			}
		}
	}
	return g.condition(x, y)
}

// predict is the mean and the deviation of the function at a point, without noise (eq. 2.25 and 2.26).
func (g *gp) predict(at []float64) (mean, deviation float64) {
	k := make([]float64, len(g.x))
	for i, x := range g.x {
		k[i] = g.kernel(at, x)
		mean += k[i] * g.alpha[i]
	}
	v := 1.0
	for _, s := range g.solveLower(k) {
		v -= s * s
	}
	return mean, math.Sqrt(math.Max(v, 1e-12) * g.amplitude)
}

// improvement is how far below best the value at a point is expected to be: (b-μ)·Φ(z) + σ·φ(z) with z = (b-μ)/σ
// (Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box Functions", 1998, eq. 15).
func (g *gp) improvement(at []float64, best float64) float64 {
	mean, deviation := g.predict(at)
	z := (best - mean) / deviation
	return (best-mean)*0.5*math.Erfc(-z/math.Sqrt2) + deviation*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)
}
