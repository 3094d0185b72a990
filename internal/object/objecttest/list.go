package objecttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/object"
)

func sorted(keys []string) []string {
	out := slices.Clone(keys)
	slices.Sort(out)
	return slices.Compact(out)
}

func testList(t *testing.T, s object.Store) {
	all := []string{"a", "a!", "a-b", "a/b", "a/b/c", "a0", "ab", "b/1", "b/2", "b/2/x", "z", "ä", "€", "😀"}
	for _, key := range all {
		put(t, s, key, key)
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "b/2", "c", "zz"} {
		var want []string
		for _, key := range sorted(all) {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		equal(t, keys(t, s, prefix), want)
	}
	page, more, err := s.List(t.Context(), bucket, "", "a/b", 2)
	if err != nil || !more || len(page) != 2 || page[0].Key != "a/b/c" || page[1].Key != "a0" || page[0].Size != 5 || page[0].ETag == "" {
		t.Fatalf("got %+v, %v, %v", page, more, err)
	}
	page, more, err = s.List(t.Context(), bucket, "", "zz", 0)
	if err != nil || more || len(page) != 3 {
		t.Fatalf("got %+v, %v, %v", page, more, err)
	}
}

// groupsOf is the rule of S3's common prefixes over a sorted list of keys.
func groupsOf(all []string, prefix, delimiter string) (out []string) {
	for _, key := range sorted(all) {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if before, _, found := strings.Cut(rest, delimiter); found {
			if g := "group " + prefix + before + delimiter; !slices.Contains(out, g) {
				out = append(out, g)
			}
			continue
		}
		out = append(out, key)
	}
	return out
}

func testGroups(t *testing.T, s object.Store) {
	rng := rand.New(rand.NewPCG(1, 2))
	var all []string
	for range 150 {
		var b strings.Builder
		for range 1 + rng.IntN(4) {
			b.WriteString([]string{"a", "b", "/", "-", "c/", strings.Repeat("w", 120), "%", "é"}[rng.IntN(8)])
		}
		all = append(all, b.String())
		put(t, s, b.String(), "x")
	}
	equal(t, keys(t, s, ""), sorted(all))
	for _, delimiter := range []string{"/", "-", "a/", "w"} {
		for _, prefix := range []string{"", "a", "a/", "c/", "b-", "/"} {
			for _, limit := range []int{1, 2, 7, 1000} {
				var got []string
				for after := ""; ; {
					page, err := s.ListGroups(t.Context(), bucket, prefix, delimiter, after, limit)
					ok(t, err)
					got = append(got, merged(page)...)
					if !page.More {
						break
					}
					if after = page.Next; len(page.Objects)+len(page.Prefixes) != limit {
						t.Fatalf("a page that is not the last has %d of %d entries", len(page.Objects)+len(page.Prefixes), limit)
					}
				}
				if want := groupsOf(all, prefix, delimiter); strings.Join(got, "|") != strings.Join(want, "|") {
					t.Fatalf("prefix %q, delimiter %q, limit %d:\ngot  %q\nwant %q", prefix, delimiter, limit, got, want)
				}
			}
		}
	}
	for i := range 30 {
		put(t, s, fmt.Sprintf("flat/%02d", i), "")
	}
	page, err := s.ListGroups(t.Context(), bucket, "flat/", "/", "flat/27", 5)
	if err != nil || page.More || len(page.Objects) != 2 {
		t.Fatalf("got %+v, %v", page, err)
	}
}

// merged puts a page's objects and prefixes in the order of the listing.
func merged(page object.Page) []string {
	type entry struct{ sort, say string }
	var list []entry
	for _, o := range page.Objects {
		list = append(list, entry{o.Key, o.Key})
	}
	for _, p := range page.Prefixes {
		list = append(list, entry{p, "group " + p})
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.sort, b.sort) })
	var out []string
	for _, e := range list {
		out = append(out, e.say)
	}
	return out
}
