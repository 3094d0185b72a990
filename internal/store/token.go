package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// ErrTokenReused is given where a token comes with a request other than the one it came with first.
var ErrTokenReused = errors.New("the client token was used with a different request before")

// tokenLife is how long a token is remembered; AWS does not say how long it does.
const tokenLife = 8 * 24 * time.Hour

// Idempotent looks a client's token up. Where the same request came with it before, seen is true and result is what was remembered.
// An empty token is never seen.
func (tx *Tx) Idempotent(s Scope, operation, token string, request []byte) (result string, seen bool, err error) {
	if token == "" {
		return "", false, nil
	}
	var known string
	seen, err = tx.one([]any{&known, &result}, `SELECT request, result FROM tokens WHERE account = ? AND region = ? AND operation = ? AND token = ? AND created >= ?`,
		s.Account, s.Region, operation, token, tx.db.World.Now().Add(-tokenLife).UnixMicro())
	if err == nil && seen && known != requestSum(request) {
		err = ErrTokenReused
	}
	return result, seen, err
}

// RememberToken keeps the result of a request under its token, and forgets tokens that are too old. An empty token is not kept.
func (tx *Tx) RememberToken(s Scope, operation, token string, request []byte, result string) error {
	if token == "" {
		return nil
	}
	now := tx.db.World.Now()
	if _, err := tx.Exec(`DELETE FROM tokens WHERE created < ?`, now.Add(-tokenLife).UnixMicro()); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO tokens (account, region, operation, token, request, result, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		s.Account, s.Region, operation, token, requestSum(request), result, now.UnixMicro())
	return err
}

func requestSum(request []byte) string {
	sum := sha256.Sum256(request)
	return hex.EncodeToString(sum[:])
}
