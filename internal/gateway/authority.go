package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/world"
)

const (
	authorityFile = "authority.pem" // its key and its certificate
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is not used any more.
	renewBefore = 7 * 24 * time.Hour
	// backdated is for clients whose clock is behind.
	backdated = 24 * time.Hour
	// maxLeaves bounds the certificates that are kept; when they are too many, they are made anew.
	maxLeaves = 1024
)

// awsDomains are what the authority may speak for. Whoever had its key could impersonate nothing else.
var awsDomains = []string{"amazonaws.com", "amazonaws.com.cn", "api.aws"}

// An authority makes certificates for the names of AWS's hosts.
type authority struct {
	certificatePEM []byte
	root           *x509.Certificate
	key            *ecdsa.PrivateKey
	leafKey        *ecdsa.PrivateKey // of all certificates; it lives as long as the process
	world          world.World

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// openAuthority reads the authority of a folder, or makes one where there is none that will last.
func openAuthority(dir string, w world.World) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, authorityFile)
	a, err := readAuthority(file)
	if errors.Is(err, os.ErrNotExist) || err == nil && w.Now().Add(leafLife).After(a.root.NotAfter) {
		a, err = makeAuthority(file, w.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("the certificate authority of the data folder: %w", err)
	}
	a.world, a.leaves = w, map[string]*tls.Certificate{}
	if a.leafKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	return a, writeBundle(filepath.Join(dir, bundleFile), a.certificatePEM, os.Getenv)
}

func readAuthority(file string) (*authority, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	a := &authority{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PRIVATE KEY":
			a.key, err = x509.ParseECPrivateKey(block.Bytes)
		case "CERTIFICATE":
			a.certificatePEM = pem.EncodeToMemory(block)
			a.root, err = x509.ParseCertificate(block.Bytes)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if a.key == nil || a.root == nil || !a.key.PublicKey.Equal(a.root.PublicKey) {
		return nil, fmt.Errorf("%s does not hold a key and its certificate; remove it and new ones are made", file)
	}
	return a, nil
}

func makeAuthority(file string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Mobula"}, CommonName: "Mobula on this machine"},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, PermittedDNSDomains: awsDomains, PermittedDNSDomainsCritical: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, block := range []*pem.Block{{Type: "EC PRIVATE KEY", Bytes: keyDER}, {Type: "CERTIFICATE", Bytes: der}} {
		if err := pem.Encode(&text, block); err != nil {
			return nil, err
		}
	}
	if err := replaceFile(file, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return readAuthority(file)
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// certificate is one for a host's name, as it was made before where that is still good.
func (a *authority) certificate(name string) (*tls.Certificate, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	now := a.world.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[name]; c != nil && now.Add(renewBefore).Before(c.Leaf.NotAfter) {
		return c, nil
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Mobula"}}, DNSNames: []string{name},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(leafLife), KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey, Leaf: leaf}
	a.leaves[name] = c
	return c, nil
}

// replaceFile writes beside and renames, so that a reader sees the old or the new file, and a crash leaves one of them.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
