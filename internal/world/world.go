// Package world holds what a program takes from outside: time, identifiers and randomness.
// Everything that needs one of them gets a World, so that a test can hold it still and a simulation can replay a seed.
package world

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// World is where a room gets the time, new identifiers and random numbers.
type World interface {
	// Now returns the present time in UTC.
	Now() time.Time
	// NewID returns a new identifier of n lower-case hexadecimal digits.
	NewID(n int) string
	// Uint64 returns a random number, uniform over all 64 bits.
	Uint64() uint64
}

// Real is the machine's clock and its cryptographic randomness.
func Real() World { return realWorld{} }

type realWorld struct{}

func (realWorld) Now() time.Time { return time.Now().UTC() }

func (realWorld) NewID(n int) string {
	b := make([]byte, (n+1)/2)
	rand.Read(b)
	return hex.EncodeToString(b)[:n]
}

func (realWorld) Uint64() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// Fixed is a world for tests: its clock moves only by Advance, its identifiers and numbers follow from the seed.
type Fixed struct {
	mu  sync.Mutex
	now time.Time
	rng *mathrand.Rand
}

// NewFixed returns a Fixed world that starts at now.
func NewFixed(now time.Time, seed uint64) *Fixed {
	return &Fixed{now: now.UTC(), rng: mathrand.New(mathrand.NewPCG(seed, seed))}
}

// Now returns the time the test set.
func (f *Fixed) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Advance moves the clock.
func (f *Fixed) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// NewID returns the next identifier of the seed's sequence.
func (f *Fixed) NewID(n int) string {
	b := make([]byte, (n+1)/2+8)
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], f.Uint64())
	}
	return hex.EncodeToString(b)[:n]
}

// Uint64 returns the next number of the seed's sequence.
func (f *Fixed) Uint64() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Uint64()
}
