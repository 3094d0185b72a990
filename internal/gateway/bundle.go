package gateway

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
)

// bundleFile has the certificates that clients are to trust: those that the machine trusts, and the authority.
const bundleFile = "bundle.pem"

// SystemBundles are where systems keep the certificates that they trust, as crypto/x509 looks for them.
var SystemBundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"}

// BundleVariables name files of certificates in the environment of clients: of AWS's SDKs, OpenSSL with Python, requests with pip, curl, Node.
var BundleVariables = []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"}

// BundlePath is the bundle of a gateway's folder.
func BundlePath(dir string) string { return filepath.Join(dir, bundleFile) }

// Bundle is the bundle that a gateway wrote into its folder, with the certificates that the user of an environment trusts besides.
func Bundle(dir string, getenv func(string) string) ([]byte, error) {
	text, err := os.ReadFile(BundlePath(dir))
	if err != nil {
		return nil, err
	}
	return merge(append([][]byte{text}, trusted(getenv)...)), nil
}

// writeBundle leaves the file alone where it would say the same: a job may be reading it.
func writeBundle(path string, authority []byte, getenv func(string) string) error {
	text := merge(append(trusted(getenv), authority))
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return replaceFile(path, text, 0o644)
}

// trusted reads what the machine and the environment trust. What cannot be read is not trusted.
func trusted(getenv func(string) string) (texts [][]byte) {
	for _, path := range SystemBundles {
		if text, err := os.ReadFile(path); err == nil {
			texts = append(texts, text)
			break
		}
	}
	for _, name := range BundleVariables {
		if path := getenv(name); path != "" {
			if text, err := os.ReadFile(path); err == nil {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// merge has each certificate once.
func merge(texts [][]byte) []byte {
	var out bytes.Buffer
	seen := map[string]bool{}
	for _, text := range texts {
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" && !seen[string(block.Bytes)] {
				seen[string(block.Bytes)] = true
				out.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
			}
		}
	}
	return out.Bytes()
}
