package dataset_test

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
)

// rank is the hash as hash.go documents it, written down a second time.
func rank(seed uint64, key ...any) uint64 {
	const m = 1<<32 - 1
	next := func() uint64 {
		seed += 0x9E3779B97F4A7C15
		z := seed
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		return (z^z>>31)>>33 | 1<<30 | 1
	}
	var c, d [3]uint64
	for i := range c {
		c[i], d[i] = next(), next()
	}
	var h uint64
	for _, k := range key {
		v := uint64(0x9E3779B97F4A7C15)
		switch k := k.(type) {
		case int64:
			v = uint64(k)
		case float64:
			v = math.Float64bits(k)
		case string:
			sum := md5.Sum([]byte(k))
			v = binary.LittleEndian.Uint64(sum[8:])
		}
		a, b := next(), next()
		h ^= (v&m)*a ^ (v>>32)*b
	}
	for i := range c {
		h = (h&m)*c[i] ^ (h>>32)*d[i]
	}
	return h<<32 | h>>32
}

func TestTheHashIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	// The figures must never change: a split of last year would no longer be the split of today.
	for want, got := range map[uint64]uint64{7619065267248504268: rank(42, int64(7)), 18255090968233115155: rank(42, -1.5, "héllo", nil), 561657529427518561: rank(0, int64(-1))} {
		if got != want {
			t.Errorf("a rank is %d, not %d", got, want)
		}
	}
	d := numbers(t, open(t, dataset.Config{}), 2000).WithColumn("x", "if(id % 5 = 0, NULL, x)").WithColumn("name", "name || 'é'").WithColumn("id", "id - 1000")
	last := uint64(0)
	for row, err := range d.RandomShuffle(42, "x", "name", "id").Rows(t.Context()) {
		must(t, err)
		h := rank(42, row[2], row[1], row[0])
		if h < last {
			t.Fatalf("%v stands behind a row of a higher rank", row)
		}
		last = h
	}
}

func TestTheHashSpreads(t *testing.T) {
	t.Parallel()
	// Chi-square over 64 buckets, for keys as they come: counted up, small whole numbers as doubles, shares of one.
	for name, key := range map[string]func(i int) []any{
		"counter":  func(i int) []any { return []any{int64(i)} },
		"multiple": func(i int) []any { return []any{int64(i) << 33} },
		"doubles":  func(i int) []any { return []any{float64(i % 100), float64(i / 100)} },
		"shares":   func(i int) []any { return []any{float64(i) / 1000} },
	} {
		for seed := range uint64(8) {
			var high, low [64]float64
			seen := map[uint64]bool{}
			const n = 6400
			for i := range n {
				h := rank(seed, key(i)...)
				high[h>>58]++
				low[rank(seed+1, key(i)...)>>58^h>>58]++ // two seeds give orders that have nothing to do with one another
				seen[h] = true
			}
			for _, counts := range [][64]float64{high, low} {
				chi := 0.0
				for _, c := range counts {
					chi += (c - n/64) * (c - n/64) / (n / 64)
				}
				if chi > 120 { // 63 degrees of freedom: one in 50,000
					t.Errorf("%s, seed %d: chi-square %.0f", name, seed, chi)
				}
			}
			if len(seen) != n {
				t.Errorf("%s, seed %d: %d of %d hashes differ", name, seed, len(seen), n)
			}
		}
	}
}

func TestSplitIsExactAndComplete(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	cases := [][]float64{{.6, .2, .2}, {.6, .2}, {1}, {1.0 / 3, 1.0 / 3, 1.0 / 3}, {.1, .2, .3, .4}, {.7, .1}}
	for _, n := range []int{0, 1, 2, 9, 10, 999} {
		d := numbers(t, s, n)
		for _, fractions := range cases {
			parts, err := d.RandomShuffle(random.Uint64(), "id").SplitProportionately(fractions...)
			must(t, err)
			var all []any
			sum := 0.0
			for i, p := range parts {
				part := column(t, p, "id")
				all = append(all, part...)
				if i < len(fractions) {
					sum += fractions[i]
				}
				if want := int(math.Floor(float64(n)*sum + 1e-9)); i < len(parts)-1 && len(all) != want {
					t.Errorf("%v of %d: %d rows up to part %d, want %d", fractions, n, len(all), i, want)
				}
			}
			seen := map[any]bool{}
			for _, id := range all {
				seen[id] = true
			}
			if len(all) != n || len(seen) != n {
				t.Errorf("%v of %d: %d rows, %d different", fractions, n, len(all), len(seen))
			}
		}
	}
}

func TestAnswersDependOnRowsAndSeedAlone(t *testing.T) {
	t.Parallel()
	const n = 3000
	lines := make([]string, n)
	for i := range lines {
		// Some rows share their key, some are wholly the same, and the numbers are of very different sizes.
		lines[i] = fmt.Sprintf("%d,%g,n%d", i/3, math.Ldexp(1+float64(i%700), i%60-30), i%5)
	}
	var want []string
	for run, c := range []struct {
		threads, files int
		format         string
	}{{1, 1, "csv"}, {2, 1, "csv"}, {8, 7, "csv"}, {3, 50, "csv"}, {4, 3, "parquet"}} {
		order := rand.New(rand.NewPCG(uint64(run), 0))
		if run > 0 {
			order.Shuffle(n, func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		}
		dir := t.TempDir()
		for f := range c.files {
			part := lines[f*n/c.files : (f+1)*n/c.files]
			must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.csv", f)), []byte("id,x,name\n"+strings.Join(part, "\n")+"\n"), 0o644))
		}
		s := open(t, dataset.Config{Threads: c.threads})
		d, err := s.ReadCSV(t.Context(), dir, dataset.CSVOptions{})
		must(t, err)
		if c.format == "parquet" {
			must(t, d.WriteParquet(t.Context(), dir, dataset.WriteOptions{Shards: 5}))
			d, err = s.ReadParquet(t.Context(), dir)
			must(t, err)
		}
		var got []string
		for _, key := range [][]string{{"id"}, nil, {"name", "x"}} {
			parts, err := d.RandomShuffle(7, key...).SplitProportionately(.6, .2)
			must(t, err)
			scaler, err := dataset.StandardScaler{Columns: []string{"x", "id"}}.Learn(t.Context(), parts[0])
			must(t, err)
			got = append(got, fmt.Sprintf("%x %x", scaler.Mean, scaler.Deviation))
			for i, p := range parts {
				out := filepath.Join(dir, fmt.Sprintf("out%d", i))
				must(t, scaler.Transform(p).WriteCSV(t.Context(), out, dataset.WriteOptions{}))
				b, err := os.ReadFile(out)
				must(t, err)
				got = append(got, string(b))
			}
		}
		if want == nil {
			want = got
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%+v: answer %d differs:\n%.200s\n%.200s", c, i, got[i], want[i])
			}
		}
	}
}

func TestSplitWithoutShuffleDoesNotFollowTheFiles(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	d := numbers(t, s, 100)
	first, err := d.SplitProportionately(.5)
	must(t, err)
	second, err := d.Filter("id > 40").Union(d.Filter("id <= 40")).SplitProportionately(.5)
	must(t, err)
	if a, b := column(t, first[0], "id"), column(t, second[0], "id"); !slices.Equal(a, b) || len(a) != 50 {
		t.Errorf("%v\n%v", a, b)
	}
	// A split of a part, of a filtered shuffle and of a limited one cut what is there.
	again, err := first[0].Filter("id % 2 = 0").Limit(10).SplitProportionately(.3)
	must(t, err)
	if a, b := column(t, again[0], "id"), column(t, again[1], "id"); len(a) != 3 || len(b) != 7 || !slices.Equal(append(a, b...), column(t, first[0].Filter("id % 2 = 0").Limit(10), "id")) {
		t.Errorf("%v %v", a, b)
	}
}
