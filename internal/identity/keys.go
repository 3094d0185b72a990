package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
)

// Credentials are a key pair, with a session token where the pair is a job's or a session's.
type Credentials struct {
	AccessKeyID, SecretAccessKey string
	SessionToken                 string    `json:",omitempty"`
	Expires                      time.Time `json:",omitzero"`
}

// The errors of Lookup.
var (
	ErrUnknownKey = errors.New("the access key is not one of this server's")
	ErrBadToken   = errors.New("the session token does not belong to the access key")
	ErrExpired    = errors.New("the key has expired")
)

// Keys knows every key pair that may call.
type Keys struct {
	Root Credentials
	self Principal
	db   *store.DB

	mu    sync.RWMutex
	cache map[string]jobKey
}

type jobKey struct {
	Credentials
	principal Principal
}

// OpenKeys reads the key pair of a data folder from file, or makes one there.
func OpenKeys(db *store.DB, file string, self Principal) (*Keys, error) {
	root, err := readRoot(file)
	if errors.Is(err, os.ErrNotExist) {
		root, err = makeRoot(file)
	}
	if err != nil {
		return nil, fmt.Errorf("the key pair of the data folder: %w", err)
	}
	self.AccessKey = root.AccessKeyID
	return &Keys{Root: root, self: self, db: db, cache: map[string]jobKey{}}, nil
}

// Self is the principal that the data folder's own pair acts as.
func (k *Keys) Self() Principal { return k.self }

func readRoot(file string) (c Credentials, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil || c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return c, fmt.Errorf("%s does not hold a key pair; remove it and a new one is made", file)
	}
	return c, nil
}

// makeRoot writes a new pair under a temporary name first, so that a crash leaves no half of it. Of two that make one at a time, the first
// to give it its name wins, and the other uses that.
func makeRoot(file string) (Credentials, error) {
	c := newPair("AKIA")
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return c, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".keys-*") // made with mode 0600
	if err != nil {
		return c, err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(append(b, '\n')); err != nil {
		f.Close()
		return c, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return c, err
	}
	switch err := os.Link(f.Name(), file); {
	case errors.Is(err, os.ErrExist):
		return readRoot(file)
	case err != nil: // a file system without links
		if err := os.Rename(f.Name(), file); err != nil {
			return c, err
		}
	}
	return c, syncFolder(filepath.Dir(file))
}

// syncFolder makes the names in a folder outlive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func newPair(prefix string) Credentials {
	var b [50]byte
	rand.Read(b[:])
	return Credentials{AccessKeyID: prefix + base32.StdEncoding.EncodeToString(b[:10]), SecretAccessKey: base64.RawStdEncoding.EncodeToString(b[20:])}
}

// IssueOptions say for what a key is.
type IssueOptions struct {
	Account, Region, RoleARN, JobARN string
	// SessionName makes the key one of a session that a caller opened: it ends by its time alone, though the job that it was opened in may end before.
	SessionName string
	TTL         time.Duration
}

// keptExpired is how long a key that has expired is still known by its own error.
const keptExpired = 24 * time.Hour

// Issue makes a key for a job or a session. It is on disk when Issue returns.
func (k *Keys) Issue(ctx context.Context, o IssueOptions) (Credentials, error) {
	c := newPair("ASIA")
	var token [48]byte
	rand.Read(token[:])
	c.SessionToken = base64.StdEncoding.EncodeToString(token[:])
	now := k.db.World.Now()
	c.Expires = now.Add(o.TTL)
	err := k.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM job_keys WHERE expires < ?`, now.Add(-keptExpired).UnixMicro()); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO job_keys (access_key, secret, token, account, region, role, job, session, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			c.AccessKeyID, c.SecretAccessKey, c.SessionToken, o.Account, o.Region, o.RoleARN, o.JobARN, o.SessionName, c.Expires.UnixMicro())
		return err
	})
	if err != nil {
		return Credentials{}, fmt.Errorf("issue a key for %s%s: %w", o.JobARN, o.SessionName, err)
	}
	k.forget(func(j jobKey) bool { return j.Expires.Before(now.Add(-keptExpired)) })
	return c, nil
}

// Extend lets the keys of a job live for another ttl from now, where they would have ended sooner. ErrUnknownKey says that the job has none.
func (k *Keys) Extend(ctx context.Context, jobARN string, ttl time.Duration) error {
	until := k.db.World.Now().Add(ttl).UnixMicro()
	var n int64
	err := k.db.Update(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Exec(`UPDATE job_keys SET expires = CASE WHEN expires < ? THEN ? ELSE expires END WHERE job = ? AND session = ''`, until, until, jobARN)
		return err
	})
	if err == nil && n == 0 {
		err = ErrUnknownKey
	}
	if err != nil {
		return fmt.Errorf("extend the key of %s: %w", jobARN, err)
	}
	k.forget(func(j jobKey) bool { return j.principal.JobARN == jobARN })
	return nil
}

// Revoke ends every key of a job.
func (k *Keys) Revoke(ctx context.Context, jobARN string) error {
	err := k.db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM job_keys WHERE job = ? AND session = ''`, jobARN)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke the key of %s: %w", jobARN, err)
	}
	k.forget(func(j jobKey) bool { return j.principal.JobARN == jobARN })
	return nil
}

// forget drops keys from memory, after what made them stale is on disk.
func (k *Keys) forget(stale func(jobKey) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.cache, func(_ string, j jobKey) bool { return stale(j) })
}

// AccountOf tells the account of an access key, whether or not it has expired. ErrUnknownKey says that it is not one of this server's.
func (k *Keys) AccountOf(ctx context.Context, accessKey string) (string, error) {
	if accessKey == k.Root.AccessKeyID {
		return k.self.Account, nil
	}
	j, err := k.load(ctx, accessKey)
	return j.principal.Account, err
}

// Lookup returns the secret of an access key and who acts with it.
func (k *Keys) Lookup(ctx context.Context, accessKey, sessionToken string) (secret string, p Principal, err error) {
	if accessKey == k.Root.AccessKeyID {
		return k.Root.SecretAccessKey, k.self, nil
	}
	k.mu.RLock()
	j, known := k.cache[accessKey]
	k.mu.RUnlock()
	if !known {
		if j, err = k.load(ctx, accessKey); err != nil {
			return "", Principal{}, err
		}
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(j.SessionToken), []byte(sessionToken)) != 1:
		return "", Principal{}, ErrBadToken
	case !k.db.World.Now().Before(j.Expires):
		return "", Principal{}, ErrExpired
	}
	return j.SecretAccessKey, j.principal, nil
}

func (k *Keys) load(ctx context.Context, accessKey string) (j jobKey, err error) {
	k.mu.Lock() // held while reading, so that no change comes between the read and the cache
	defer k.mu.Unlock()
	found := false
	err = k.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query(func(rows *sql.Rows) error {
			var expires int64
			found = true
			err := rows.Scan(&j.SecretAccessKey, &j.SessionToken, &j.principal.Account, &j.principal.Region, &j.principal.RoleARN, &j.principal.JobARN, &j.principal.SessionName, &expires)
			j.Expires = time.UnixMicro(expires)
			return err
		}, `SELECT secret, token, account, region, role, job, session, expires FROM job_keys WHERE access_key = ?`, accessKey)
	})
	if err == nil && !found {
		err = ErrUnknownKey
	}
	if err != nil {
		return j, err
	}
	j.AccessKeyID, j.principal.AccessKey = accessKey, accessKey
	if j.principal.SessionName == "" {
		j.principal.SessionName = "SageMaker"
	}
	k.cache[accessKey] = j
	return j, nil
}
