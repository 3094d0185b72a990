// Package storetest is the suite that every driver of the store passes.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// thing is a resource of the suite's own.
type thing struct {
	Name, Status, Parent, Colour string
	Created                      time.Time
	N                            int
}

var things = store.NewCollection("thing", func(t *thing) store.Index {
	return store.Index{Status: t.Status, Parent: t.Parent, Created: t.Created, Modified: t.Created, Keys: map[string]string{"colour": t.Colour}}
})

var (
	scope = store.Scope{Account: "123456789012", Region: "us-east-1"}
	other = store.Scope{Account: "123456789012", Region: "eu-west-1"}
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Run runs the suite. Open opens the same empty store each time it is called in one test, so that a test can close and open again.
func Run(t *testing.T, open func(t *testing.T) func() *store.DB) {
	for name, test := range map[string]func(*testing.T, func() *store.DB){
		"Collections": collections, "Lists": lists, "PagesUnderChange": pagesUnderChange, "UpdatesStandAlone": updatesStandAlone, "Panics": panics,
		"Events": events, "Consumers": consumers, "Tokens": tokens, "Tags": tags, "ManyWriters": manyWriters, "Close": closing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func update(t *testing.T, db *store.DB, fn func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func insert(t *testing.T, db *store.DB, s store.Scope, v thing) {
	t.Helper()
	update(t, db, func(tx *store.Tx) error { return things.Insert(tx, s, v.Name, s.ARN("thing/"+v.Name), &v) })
}

func list(t *testing.T, db *store.DB, q store.Query) (page store.Page[thing]) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *store.Tx) (err error) {
		page, err = things.List(tx, scope, q)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return page
}

func collections(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	insert(t, db, scope, thing{Name: "a", N: 1})
	insert(t, db, other, thing{Name: "a", N: 2})
	check := func(tx *store.Tx) error {
		if err := things.Insert(tx, scope, "a", "arn:other", &thing{}); !errors.Is(err, store.ErrExists) {
			t.Errorf("inserting a name twice: %v", err)
		}
		if err := things.Insert(tx, scope, "b", scope.ARN("thing/a"), &thing{}); !errors.Is(err, store.ErrExists) {
			t.Errorf("inserting an ARN twice: %v", err)
		}
		if err := things.Put(tx, scope, "b", &thing{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("putting what is not there: %v", err)
		}
		if err := things.Delete(tx, scope, "b"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleting what is not there: %v", err)
		}
		v, err := things.GetARN(tx, other.ARN("thing/a"))
		if err != nil || v.N != 2 {
			t.Errorf("by ARN: %v, %v", v, err)
		}
		if ok, err := tx.Exists(scope.ARN("thing/a")); !ok || err != nil {
			t.Errorf("exists: %v, %v", ok, err)
		}
		return things.Put(tx, scope, "a", &thing{Name: "a", N: 3, Colour: "red"})
	}
	update(t, db, check)
	db.Close()
	db = open()
	defer db.Close()
	if p := list(t, db, store.Query{Keys: map[string]string{"colour": "red"}}); len(p.Items) != 1 || p.Items[0].N != 3 {
		t.Errorf("after opening again: %v", p.Items)
	}
	update(t, db, func(tx *store.Tx) error { return things.Delete(tx, scope, "a") })
	if p := list(t, db, store.Query{Keys: map[string]string{"colour": "red"}}); len(p.Items) != 0 {
		t.Errorf("deleted, yet listed by key: %v", p.Items)
	}
}

func lists(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	for i := range 20 {
		insert(t, db, scope, thing{Name: fmt.Sprintf("t%02d_%%x", i), Status: []string{"Up", "Down"}[i%2], Parent: fmt.Sprint("p", i%5),
			Colour: []string{"red", "blue"}[i/10], Created: epoch.Add(time.Duration(i/2) * time.Hour)})
	}
	at := epoch.Add(3 * time.Hour)
	for _, c := range []struct {
		name string
		q    store.Query
		want int
	}{
		{"all", store.Query{}, 20},
		{"status", store.Query{Status: "Up"}, 10},
		{"parent and status", store.Query{Parent: "p1", Status: "Down"}, 2},
		{"key", store.Query{Keys: map[string]string{"colour": "blue"}}, 10},
		{"contains, any case", store.Query{NameContains: "T01"}, 1},
		{"wildcards are letters", store.Query{NameContains: "_%"}, 20},
		{"wildcards are letters, none", store.Query{NameContains: "%_"}, 0},
		{"prefix", store.Query{NamePrefix: "t1"}, 10},
		{"after", store.Query{CreatedAfter: &at}, 14},
		{"before", store.Query{CreatedBefore: &at}, 8},
	} {
		for _, by := range []store.SortField{store.ByName, store.ByCreated, store.ByModified, store.ByStatus} {
			for _, down := range []bool{false, true} {
				q := c.q
				q.SortBy, q.Descending, q.Limit = by, down, 3
				var names []string
				for {
					page := list(t, db, q)
					for _, v := range page.Items {
						names = append(names, v.Name)
					}
					if q.Token = page.Next; q.Token == "" {
						break
					}
				}
				if len(names) != c.want || len(slices.Compact(slices.Sorted(slices.Values(names)))) != c.want {
					t.Errorf("%s by %s, descending %v: %d names, want %d: %v", c.name, by, down, len(names), c.want, names)
				}
			}
		}
	}
	page := list(t, db, store.Query{Limit: 3})
	for _, q := range []store.Query{{Limit: 3, Token: "junk"}, {Limit: 3, Status: "Up", Token: page.Next}, {Limit: 3, Descending: true, Token: page.Next}} {
		err := db.View(t.Context(), func(tx *store.Tx) error { _, err := things.List(tx, scope, q); return err })
		if !errors.Is(err, store.ErrBadToken) {
			t.Errorf("token %q: %v, want ErrBadToken", q.Token, err)
		}
	}
}

// pagesUnderChange: what is there from beginning to end is listed exactly once, whatever comes and goes meanwhile.
func pagesUnderChange(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	stay := map[string]int{}
	var go_ []string
	for i := range 200 {
		name := fmt.Sprintf("s%03d", i)
		insert(t, db, scope, thing{Name: name, Created: epoch.Add(time.Duration(rng.IntN(20)) * time.Second)})
		if i%2 == 0 {
			stay[name] = 0
		} else {
			go_ = append(go_, name)
		}
	}
	q := store.Query{SortBy: store.ByCreated, Descending: true, Limit: 7}
	for n := 0; ; n++ {
		page := list(t, db, q)
		for _, v := range page.Items {
			if _, ok := stay[v.Name]; ok {
				stay[v.Name]++
			}
		}
		if q.Token = page.Next; q.Token == "" {
			break
		}
		insert(t, db, scope, thing{Name: fmt.Sprintf("new%03d", n), Created: epoch.Add(time.Duration(rng.IntN(20)) * time.Second)})
		if n < len(go_) {
			update(t, db, func(tx *store.Tx) error { return things.Delete(tx, scope, go_[n]) })
		}
	}
	for name, times := range stay {
		if times != 1 {
			t.Errorf("%s was listed %d times", name, times)
		}
	}
}

func updatesStandAlone(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	wrong := errors.New("wrong")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := db.Update(t.Context(), func(tx *store.Tx) error {
				name := fmt.Sprint(i)
				if err := things.Insert(tx, scope, name, scope.ARN("thing/"+name), &thing{Name: name}); err != nil {
					return err
				}
				if err := tx.Emit(store.Event{Type: "Thing.Made", Resource: name}); err != nil {
					return err
				}
				if i%3 == 0 {
					return wrong
				}
				return nil
			})
			if (i%3 == 0) != errors.Is(err, wrong) {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if p := list(t, db, store.Query{}); len(p.Items) != 40 {
		t.Errorf("%d things, want 40", len(p.Items))
	}
	update(t, db, func(tx *store.Tx) error {
		events, err := tx.Events(0, 100)
		if len(events) != 40 || events[39].Seq != 40 {
			t.Errorf("%d events, the last is %v: numbers of failed updates must not be spent", len(events), events[len(events)-1].Seq)
		}
		return err
	})
}

func panics(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	err := db.Update(t.Context(), func(*store.Tx) error { panic("oh") })
	if err == nil || !strings.Contains(err.Error(), "panic in an update: oh") {
		t.Errorf("got %v", err)
	}
	insert(t, db, scope, thing{Name: "after"})
}

func events(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan store.Event, 100)
	done := make(chan error, 1)
	go func() { done <- db.Follow(ctx, 0, func(e store.Event) error { got <- e; return nil }) }()
	for i := range 10 {
		update(t, db, func(tx *store.Tx) error { return tx.Emit(store.Event{Type: "Thing.Made", Resource: fmt.Sprint(i)}) })
	}
	for i := range 10 {
		if e := <-got; e.Seq != int64(i+1) || e.Resource != fmt.Sprint(i) || string(e.Data) != "{}" {
			t.Errorf("event %d is %+v", i+1, e)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func consumers(t *testing.T, open func() *store.DB) {
	db := open()
	for i := range 7 {
		update(t, db, func(tx *store.Tx) error {
			return tx.Emit(store.Event{Type: "Thing.Made", Resource: fmt.Sprint("r", i)})
		})
	}
	broken := errors.New("broken")
	consume := func(stopAt string, fail error) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		return db.Consume(ctx, "c", func(tx *store.Tx, e store.Event) error {
			if e.Resource == stopAt {
				if fail != nil {
					return fail
				}
				tx.AfterCommit(cancel)
			}
			return things.Insert(tx, scope, e.Resource, scope.ARN("thing/"+e.Resource), &thing{Name: e.Resource})
		})
	}
	if err := consume("r4", broken); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if p := list(t, db, store.Query{}); len(p.Items) != 4 {
		t.Errorf("%d things, want the 4 before the event that failed", len(p.Items))
	}
	db.Close()
	db = open()
	defer db.Close()
	if err := consume("r6", nil); !errors.Is(err, context.Canceled) { // an event that came twice would fail to insert
		t.Fatal(err)
	}
	if p := list(t, db, store.Query{}); len(p.Items) != 7 {
		t.Errorf("%d things, want 7", len(p.Items))
	}
}

func tokens(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	update(t, db, func(tx *store.Tx) error {
		if _, seen, err := tx.Idempotent(scope, "Op", "t", []byte("x")); seen || err != nil {
			t.Errorf("new token: %v, %v", seen, err)
		}
		return tx.RememberToken(scope, "Op", "t", []byte("x"), "result")
	})
	update(t, db, func(tx *store.Tx) error {
		if r, seen, err := tx.Idempotent(scope, "Op", "t", []byte("x")); r != "result" || !seen || err != nil {
			t.Errorf("known token: %v, %v, %v", r, seen, err)
		}
		if _, _, err := tx.Idempotent(scope, "Op", "t", []byte("y")); !errors.Is(err, store.ErrTokenReused) {
			t.Errorf("token with another request: %v", err)
		}
		if _, seen, err := tx.Idempotent(other, "Op", "t", []byte("x")); seen || err != nil {
			t.Errorf("token in another region: %v, %v", seen, err)
		}
		if _, seen, err := tx.Idempotent(scope, "Op", "", nil); seen || err != nil {
			t.Errorf("no token: %v, %v", seen, err)
		}
		return nil
	})
}

func tags(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	insert(t, db, scope, thing{Name: "a"})
	arn := scope.ARN("thing/a")
	tag := func(k, v string) awsapi.Tag { return awsapi.Tag{Key: &k, Value: &v} }
	show := func(tx *store.Tx) (out []string) {
		list, err := tx.Tags(arn)
		if err != nil {
			t.Error(err)
		}
		for _, x := range list {
			out = append(out, *x.Key+"="+*x.Value)
		}
		return out
	}
	update(t, db, func(tx *store.Tx) error {
		if err := tx.SetTags(arn, []awsapi.Tag{tag("b", "1"), tag("a", "2"), tag("b", "3")}); err != nil {
			return err
		}
		if got := show(tx); !slices.Equal(got, []string{"b=3", "a=2"}) {
			t.Errorf("tags %v", got)
		}
		return tx.RemoveTags(arn, []string{"b", "none"})
	})
	var many []awsapi.Tag
	for i := range 50 {
		many = append(many, tag(fmt.Sprint("k", i), ""))
	}
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.SetTags(arn, many) }); !errors.Is(err, store.ErrTooManyTags) {
		t.Errorf("51 tags: %v", err)
	}
	update(t, db, func(tx *store.Tx) error {
		if got := show(tx); !slices.Equal(got, []string{"a=2"}) {
			t.Errorf("tags %v", got)
		}
		return things.Delete(tx, scope, "a")
	})
	update(t, db, func(tx *store.Tx) error {
		if got := show(tx); len(got) != 0 {
			t.Errorf("tags of a deleted resource: %v", got)
		}
		return nil
	})
}

func manyWriters(t *testing.T, open func() *store.DB) {
	db := open()
	defer db.Close()
	insert(t, db, scope, thing{Name: "count"})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 10 {
				if err := db.Update(t.Context(), func(tx *store.Tx) error {
					v, err := things.Get(tx, scope, "count")
					if err != nil {
						return err
					}
					v.N++
					return things.Put(tx, scope, "count", v)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if p := list(t, db, store.Query{}); p.Items[0].N != 200 {
		t.Errorf("counted to %d, want 200", p.Items[0].N)
	}
}

func closing(t *testing.T, open func() *store.DB) {
	db := open()
	db.Close()
	if err := db.Update(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("update of a closed store: %v", err)
	}
}
