package ray

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// cpu is Ray's name of the CPU resource.
const cpu = "CPU"

// slot is the resource behind Options.MaxWorkers; it is not shown.
const slot = "\x00slot"

// whole is one of a resource in units. Ray counts in the same ten-thousandths, so that three times a third of a CPU can never be more than one.
const whole = 10_000

// amounts are resources in units, by name. A value is never changed once made.
type amounts map[string]int64

func unitsOf(name string, n float64) (int64, error) {
	u := math.Round(n * whole)
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return 0, fmt.Errorf("resource %q must have a name", name)
	case math.IsNaN(n) || n < 0 || n > math.MaxInt32:
		return 0, fmt.Errorf("resource %s: %v must be from 0 to %d", name, n, math.MaxInt32)
	case math.Abs(n*whole-u) > 1e-6:
		return 0, fmt.Errorf("resource %s: %s must be a multiple of 0.0001", name, strconv.FormatFloat(n, 'f', -1, 64))
	}
	return int64(u), nil
}

func (a amounts) with(name string, units int64) amounts {
	b := maps.Clone(a)
	if b == nil {
		b = amounts{}
	}
	b[name] = units
	return b
}

// key tells requests apart that need the same.
func (a amounts) key() string {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(a)) {
		b = append(append(b, name...), 0)
		b = append(strconv.AppendInt(b, a[name], 10), 0)
	}
	return string(b)
}

func (a amounts) floats() map[string]float64 {
	m := map[string]float64{}
	for name, u := range a {
		if name != slot {
			m[name] = float64(u) / whole
		}
	}
	return m
}

// String writes amounts as "CPU: 0.5, gpu: 1".
func (a amounts) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if name != slot {
			parts = append(parts, name+": "+strconv.FormatFloat(float64(a[name])/whole, 'f', -1, 64))
		}
	}
	return strings.Join(parts, ", ")
}
