package builtin

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// FuzzNumber: the quick reader gives what Go's exact one gives, rounded as Python rounds, or refuses the same text.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.5", "-12.25", "16777217", "0.1", "1e-3", " 7 ", "", "nan", "inf", "1_0", "0x10", ".5", "5.", ".", "-", "+1",
		"1.00000005960464477539", "1.0000000596046448", "340282356779733661637539395458142568448", "9007199254740993", "0.30000001192092896",
		"123456789012345678", "1.4e-45", "1e-60", "33554433.5", "0.00000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, ",\n") {
			return
		}
		for _, b := range []string{text, text + ",1", text + "\n2"} {
			v, next, ok := nextNumber([]byte(b), 0)
			trimmed := strings.TrimSpace(text)
			if next != len(text) && ok {
				t.Fatalf("%q ends at %d", b, next)
			}
			if trimmed == "" || strings.EqualFold(trimmed, "nan") {
				if !ok || v == v {
					t.Fatalf("%q is %v, %v; want missing", b, v, ok)
				}
				continue
			}
			want, err := strconv.ParseFloat(trimmed, 64)
			valid := err == nil && !math.IsInf(float64(float32(want)), 0) && !strings.ContainsAny(trimmed, "xX_pPiI")
			if ok != valid || ok && v != float32(want) {
				t.Fatalf("%q is %v, %v; want %v, %v", b, v, ok, float32(want), valid)
			}
		}
	})
}

// FuzzDecode: no body crashes the server, and what it accepts are whole rows.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"1,2,3\n4,5,6", ",,", "0:1 2:3", `{"instances":[{"features":[1,2,3]},[1,null,2]]}`, `[[1,2,3]]`, `[1,2,3]`, "[]", "[[]]", `{"features":[1,2,3]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, kind := range []string{csvType, libsvmType, jsonType, jsonLinesType} {
			rows, err := decode(kind, []byte(body), nil, 3)
			if err == nil && (len(rows) == 0 || len(rows)%3 != 0) {
				t.Fatalf("%s %q gives %d numbers", kind, body, len(rows))
			}
		}
	})
}

// TestPiecesMeetAtEveryByte cuts a file at every byte, and every row must be read once, in order, with its line number right.
func TestPiecesMeetAtEveryByte(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.csv")
	text := "1,10\n2,20\n\n3,30\n44,40"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	size := int64(len(text))
	for first := range size {
		for second := first; second <= size; second++ {
			var labels []float32
			for _, p := range []piece{{path, 0, first}, {path, first, second}, {path, second, size}} {
				if p.from == p.to {
					continue
				}
				lines, err := p.read(nil)
				if err != nil {
					t.Fatal(err)
				}
				b, err := parseBlock(lines, shape{leading: 1, columns: 2})
				if err != nil {
					t.Fatal(err)
				}
				labels = append(labels, b.labels...)
				at := bytes.Index(lines, []byte("44,"))
				if at >= 0 {
					got := p.locate(&badLine{line: bytes.Count(lines[:at], []byte("\n")), reason: os.ErrInvalid}).Error()
					if !strings.Contains(got, "a.csv line 5: ") {
						t.Fatalf("cut at %d and %d: %s", first, second, got)
					}
				}
			}
			if len(labels) != 4 || labels[0] != 1 || labels[1] != 2 || labels[2] != 3 || labels[3] != 44 {
				t.Fatalf("cut at %d and %d: labels %v", first, second, labels)
			}
		}
	}
}

func TestCountCPUs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0": 1, "0-3": 4, "0-1,4,6-7": 5, "": 0, "x": 0, "3-1": 0} {
		if got := countCPUs(text); got != want {
			t.Errorf("%q has %d CPUs, want %d", text, got, want)
		}
	}
}

func TestNumbersAreWrittenAsPythonDoes(t *testing.T) {
	t.Parallel()
	for v, want := range map[float32]string{1: "1.0", 0.1: "0.10000000149011612", -2.5: "-2.5", 1e-5: "9.999999747378752e-06", 1e20: "1.0000000200408773e+20", 123456: "123456.0", 0: "0.0"} {
		if got := string(appendNumber(nil, v)); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
