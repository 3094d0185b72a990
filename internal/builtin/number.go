package builtin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// notANumber says which field of which line is wrong, counted from 1 within what was read.
type notANumber struct {
	column int
	text   string
}

func (e *notANumber) Error() string {
	return fmt.Sprintf("column %d: %q is not a number", e.column, e.text)
}

// nextNumber reads the number of a CSV field that starts at b[at] and returns it with the place of the comma or line end behind it,
// or len(b). An empty field and "nan" are missing values. The value is that of the text as a float64 rounded to float32, as Python
// reads it.
func nextNumber(b []byte, at int) (v float32, next int, ok bool) {
	i := at
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	for i+1 < len(b) && b[i] == '0' && b[i+1]-'0' <= 9 {
		i++ // A leading zero is no digit that counts.
	}
	first := i
	mantissa, i := digitRun(b, i, 0)
	digits, scale := i-first, 0
	if i < len(b) && b[i] == '.' {
		if mantissa == 0 {
			digits = 0
		}
		fraction := i + 1
		mantissa, i = digitRun(b, fraction, mantissa)
		scale = i - fraction
		digits += scale
	}
	// Nineteen digits fit 64 bits; an exponent, a space, a word or more digits take the long way.
	if digits == 0 || digits > 19 || scale >= len(powersOf10) || i < len(b) && b[i] != ',' && b[i] != '\n' {
		return slowNumber(b, at)
	}
	d := float64(mantissa) / powersOf10[scale]
	if mantissa >= 1<<53 && !safeToNarrow(d) {
		return slowNumber(b, at)
	}
	if negative {
		d = -d
	}
	return float32(d), i, true
}

// digitRun appends the digits at b[i:] to mantissa, eight at a time where it can, and returns the place behind them.
func digitRun(b []byte, i int, mantissa uint64) (uint64, int) {
	for i+8 <= len(b) {
		word := binary.LittleEndian.Uint64(b[i:])
		// Every byte is '0'…'9' when its high half is 3, and still is with 6 added.
		const high, three = 0xf0f0f0f0f0f0f0f0, 0x3030303030303030
		if word&high != three || (word+0x0606060606060606)&high != three {
			break
		}
		word -= three
		word = word*10 + word>>8 // pairs of digits, in every other byte
		word = (word&0x000000ff000000ff*(100+1000000<<32) + word>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
		mantissa = mantissa*100000000 + word
		i += 8
	}
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		mantissa = mantissa*10 + uint64(b[i]-'0')
	}
	return mantissa, i
}

// powersOf10 are exact in float64.
var powersOf10 = [23]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// safeToNarrow says whether d, which may be off by two units in its last place, rounds to the same float32 all the same: it lies
// clear of the middle between two neighbours. (Below 2^53 a mantissa and a quotient by an exact power are correctly rounded as they are.)
func safeToNarrow(d float64) bool {
	const lowBits, middle, margin = 1<<29 - 1, 1 << 28, 4
	low := int64(math.Float64bits(d) & lowBits)
	return d > 1e-30 && d < 1e30 && (low < middle-margin || low > middle+margin)
}

func slowNumber(b []byte, at int) (v float32, next int, ok bool) {
	next = at
	for next < len(b) && b[next] != ',' && b[next] != '\n' {
		next++
	}
	text := bytes.TrimSpace(b[at:next])
	if len(text) == 0 || bytes.EqualFold(text, []byte("nan")) {
		return float32(math.NaN()), next, true
	}
	if bytes.ContainsAny(text, "xX_pPiI") { // hexadecimal, separators and infinities are Go's, not a table's
		return 0, next, false
	}
	d, err := strconv.ParseFloat(string(text), 64)
	if v = float32(d); err != nil || math.IsInf(float64(v), 0) {
		return 0, next, false
	}
	return v, next, true
}

// fieldText returns the field at b[at] for an error, shortened.
func fieldText(b []byte, at int) string {
	end := at
	for end < len(b) && b[end] != ',' && b[end] != '\n' {
		end++
	}
	text := bytes.TrimSpace(b[at:end])
	const shown = 60
	if len(text) > shown {
		return string(text[:shown]) + "…"
	}
	return string(text)
}
