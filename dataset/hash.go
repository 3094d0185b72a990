package dataset

import (
	"fmt"
	"strings"
)

// The rank of a row is a 64-bit hash of its key and the seed, in plain arithmetic of unsigned integers that SQL and any other language share:
//
//	each column of the key gives 64 bits v: the two's complement of an integer (a boolean, and the microseconds since 1970 of a date or a time
//	stamp, are integers), the IEEE 754 bits of a floating or decimal number as double, and of anything else the last 8 bytes, the
//	first of them lowest, of the MD5 (RFC 1321) of its text; NULL gives 0x9E3779B97F4A7C15;
//	h = ⊕ over the columns i of lo(v)·a[i] ⊕ hi(v)·b[i], where lo and hi are the lower and upper 32 bits;
//	three times h = lo(h)·c ⊕ hi(h)·d, each time with another c and d;
//	at last the halves of h change places, for the middle of a product is mixed best.
//
// All factors are odd and have 31 bits, so no product exceeds 63 bits. They come from SplitMix64 (Steele, Lea, Flood 2014) started at the
// seed, each value shifted right by 33, with the bits 30 and 0 set: first c and d of the three rounds, then a and b column by column.
const (
	hashRounds = 3
	hashNull   = 0x9E3779B97F4A7C15
	lowBits    = "4294967295::UBIGINT"
)

// factors is the sequence of multipliers of a seed.
type factors uint64

func (f *factors) next() uint64 {
	*f += 0x9E3779B97F4A7C15
	z := uint64(*f)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return (z^z>>31)>>33 | 1<<30 | 1
}

// hashed gives a SELECT of the kept columns of from and of the hash, as column h.
func hashed(from string, kept []string, key []Column, seed uint64, h string) string {
	f := factors(seed)
	var rounds [hashRounds][2]uint64
	for i := range rounds {
		rounds[i] = [2]uint64{f.next(), f.next()}
	}
	columns := identifiers(kept)
	values := make([]string, len(key))
	sum := ""
	for i, c := range key {
		// The values get names of their own, in a query below, so that each is computed once.
		v := identifier(fmt.Sprintf("%s %d", h, i))
		values[i] = "coalesce(" + bits(c) + ", " + fmt.Sprint(uint64(hashNull)) + "::UBIGINT) AS " + v
		if term := mixed(v, f.next(), f.next()); sum == "" {
			sum = term
		} else {
			sum = "xor(" + sum + ", " + term + ")"
		}
	}
	query := "SELECT " + columns + ", " + strings.Join(values, ", ") + " FROM " + from
	query = "SELECT " + columns + ", " + sum + " AS " + identifier(h) + " FROM (" + query + ")"
	for _, r := range rounds {
		query = "SELECT " + columns + ", " + mixed(identifier(h), r[0], r[1]) + " AS " + identifier(h) + " FROM (" + query + ")"
	}
	x := identifier(h)
	return "SELECT " + columns + ", (" + x + " & " + lowBits + ") * 4294967296::UBIGINT + (" + x + " >> 32::UBIGINT) AS " + x + " FROM (" + query + ")"
}

// mixed is lo(v)·a ⊕ hi(v)·b.
func mixed(v string, a, b uint64) string {
	return fmt.Sprintf("xor((%s & %s) * %d::UBIGINT, (%s >> 32::UBIGINT) * %d::UBIGINT)", v, lowBits, a, v, b)
}

// bits gives the 64 bits of a column's value as UBIGINT.
func bits(c Column) string {
	name := identifier(c.Name)
	switch kindOf(c.Type) {
	case integer:
		if c.Type == "UBIGINT" {
			return name
		}
		return "CAST(CAST(CAST(" + name + " AS BIGINT) AS BIT) AS UBIGINT)"
	case floating:
		return "CAST(CAST(CAST(" + name + " AS DOUBLE) AS BIT) AS UBIGINT)"
	case instant:
		return "CAST(CAST(epoch_us(CAST(" + name + " AS TIMESTAMP)) AS BIT) AS UBIGINT)"
	case words:
		return "md5_number_lower(" + name + ")"
	}
	return "md5_number_lower(CAST(" + name + " AS VARCHAR))"
}

// kind is what a type is to the hash and to arithmetic.
type kind int

const (
	other kind = iota
	integer
	floating
	instant
	words
)

func kindOf(sqlType string) kind {
	switch sqlType {
	case "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT":
		return integer
	case "FLOAT", "DOUBLE":
		return floating
	case "DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS":
		return instant
	case "VARCHAR":
		return words
	}
	if strings.HasPrefix(sqlType, "DECIMAL(") {
		return floating
	}
	return other
}
