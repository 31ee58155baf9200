package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// keys are PEM files of a certificate and its key each.
type keys struct{ P256, RSA string }

// makeKeys makes a certificate of each kind in dir.
func makeKeys(dir string) (keys, error) {
	k := keys{P256: filepath.Join(dir, "p256.pem"), RSA: filepath.Join(dir, "rsa.pem")}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return k, err
	}
	if err := writeCertificate(k.P256, p256); err != nil {
		return k, err
	}
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return k, err
	}
	return k, writeCertificate(k.RSA, rsa2048)
}

func writeCertificate(file string, key crypto.Signer) error {
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "bench.example"}, DNSNames: []string{"bench.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 1, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return os.WriteFile(file, text.Bytes(), 0o600)
}

// splitKeys returns the certificate and the key of a file.
func splitKeys(file string) (certificate, key []byte, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	_, rest := pem.Decode(text)
	return text[:len(text)-len(rest)], rest, nil
}
