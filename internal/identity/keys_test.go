package identity_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	clock := world.NewFixed(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1)
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "state.db"), World: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	self := identity.Principal{Account: identity.DefaultAccount, Region: identity.DefaultRegion,
		RoleARN: identity.RoleARN(identity.DefaultAccount, identity.DefaultRole), SessionName: "mobula"}
	file := filepath.Join(dir, "keys.json")
	keys, err := identity.OpenKeys(db, file, self)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := identity.OpenKeys(db, file, self); err != nil || again.Root != keys.Root {
		t.Errorf("the pair of a folder changed: %v, %v", again, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	secret, p, err := keys.Lookup(t.Context(), keys.Root.AccessKeyID, "")
	if err != nil || secret != keys.Root.SecretAccessKey || p.CallerARN() != "arn:aws:sts::123456789012:assumed-role/AmazonSageMaker-ExecutionRole-mobula/mobula" {
		t.Errorf("root: %v, %v", p, err)
	}

	job, err := keys.Issue(t.Context(), identity.IssueOptions{Account: "1", Region: "r", RoleARN: "arn:aws:iam::1:role/x", JobARN: "job", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, p, err = keys.Lookup(t.Context(), job.AccessKeyID, job.SessionToken); err != nil || p.JobARN != "job" || p.RoleName() != "x" {
		t.Errorf("job: %v, %v", p, err)
	}
	refused := func(why string, token string, want error) {
		t.Helper()
		if _, _, err := keys.Lookup(t.Context(), job.AccessKeyID, token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", why, err, want)
		}
	}
	refused("wrong token", "x", identity.ErrBadToken)
	clock.Advance(time.Hour)
	refused("expired", job.SessionToken, identity.ErrExpired)
	if err := keys.Extend(t.Context(), "job", time.Hour); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Hour - time.Second)
	if _, _, err := keys.Lookup(t.Context(), job.AccessKeyID, job.SessionToken); err != nil {
		t.Errorf("extended: %v", err)
	}
	clock.Advance(time.Second)
	refused("expired again", job.SessionToken, identity.ErrExpired)
	if err := keys.Extend(t.Context(), "another job", time.Hour); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("extending what is not there: %v", err)
	}
	if err := keys.Revoke(t.Context(), "job"); err != nil {
		t.Fatal(err)
	}
	refused("revoked", job.SessionToken, identity.ErrUnknownKey)

	// A session that was opened in a job ends by its own time, whatever becomes of the job.
	opened, err := keys.Issue(t.Context(), identity.IssueOptions{Account: "1", RoleARN: "arn:aws:iam::1:role/x", JobARN: "job", SessionName: "mine", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Extend(t.Context(), "job", 2*time.Hour); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("a session was extended with its job: %v", err)
	}
	if err := keys.Revoke(t.Context(), "job"); err != nil {
		t.Fatal(err)
	}
	job = opened
	if _, p, err := keys.Lookup(t.Context(), job.AccessKeyID, job.SessionToken); err != nil || p.CallerARN() != "arn:aws:sts::1:assumed-role/x/mine" || p.JobARN != "job" {
		t.Errorf("session: %v, %v", p, err)
	}
	clock.Advance(time.Hour)
	refused("session expired", job.SessionToken, identity.ErrExpired)

	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.OpenKeys(db, file, self); err == nil {
		t.Error("a file without a pair was taken")
	}
}

// Two processes that start on a new folder at a time must end up with one pair, and a reader never sees half of it.
func TestOnePairAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "keys.json")
	var wg sync.WaitGroup
	roots := make([]identity.Credentials, 16)
	for i := range roots {
		wg.Go(func() {
			keys, err := identity.OpenKeys(nil, file, identity.Principal{})
			if err != nil {
				t.Error(err)
				return
			}
			roots[i] = keys.Root
		})
	}
	wg.Wait()
	for _, r := range roots {
		if r != roots[0] || r.SecretAccessKey == "" {
			t.Errorf("pairs %s and %s", r.AccessKeyID, roots[0].AccessKeyID)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left: %v", len(entries), err)
	}
}
