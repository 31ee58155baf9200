package acm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of the local authority, in its directory.
const (
	rootKeyFile  = "ca.key" // PEM, PKCS #8, for its owner only
	rootFile     = "ca.pem"
	rootLongName = "drydock local certificate authority"
)

// Root is the certificate of the local authority: what clients have to trust.
type Root struct {
	PEM         string
	Path        string // where it lies
	Fingerprint string // SHA-256, as AB:CD:…
	NotAfter    time.Time
}

// Root returns the certificate of the local authority.
func (a *Authority) Root() Root { return a.root.describe() }

// ReadRoot returns the certificate of the local authority whose directory is given.
func ReadRoot(directory string) (Root, error) {
	path := filepath.Join(directory, rootFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Root{}, err
	}
	c, err := parseOne(string(text))
	if err != nil {
		return Root{}, fmt.Errorf("read %s: %w", path, err)
	}
	return (&root{certificate: c, text: string(text), path: path}).describe(), nil
}

// root is the local authority.
type root struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	text        string // certificate, as PEM
	path        string // of its file
}

func (r *root) describe() Root {
	sum := sha256.Sum256(r.certificate.Raw)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return Root{PEM: r.text, Path: r.path, Fingerprint: strings.Join(parts, ":"), NotAfter: r.certificate.NotAfter}
}

// openRoot reads the local authority, or makes one. A key without a certificate gets one, as
// does one whose certificate ends before a new leaf would.
func openRoot(directory string, now time.Time) (r *root, made bool, err error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, false, err
	}
	r = &root{path: filepath.Join(directory, rootFile)}
	if err := r.readKey(directory); errors.Is(err, fs.ErrNotExist) {
		err = r.makeKey(directory)
		if err != nil {
			return nil, false, err
		}
	} else if err != nil {
		return nil, false, err
	}
	err = r.readCertificate()
	if errors.Is(err, fs.ErrNotExist) || err == nil && now.Add(lifetime).After(r.certificate.NotAfter) {
		return r, true, r.makeCertificate(now)
	}
	return r, false, err
}

func (r *root) readKey(directory string) error {
	path := filepath.Join(directory, rootKeyFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s is damaged: put a copy back, or remove it and %s and trust the new authority", path, rootFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	var ok bool
	if r.key, ok = key.(*ecdsa.PrivateKey); !ok {
		return fmt.Errorf("%s holds a key of type %T, not an ECDSA one", path, key)
	}
	return nil
}

// makeKey writes a new key. If a certificate is there, its key was lost: it is kept, because
// replacing it would silently end the trust in it.
func (r *root) makeKey(directory string) (err error) {
	if _, err := os.Stat(r.path); err == nil {
		return fmt.Errorf("%s is there but its key %s is not: put the key back, or remove the certificate and trust the new authority", r.path, rootKeyFile)
	}
	if r.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	text, err := keyText(r.key)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(directory, rootKeyFile), text, 0o600)
}

func (r *root) readCertificate() error {
	text, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	if r.certificate, err = parseOne(string(text)); err != nil {
		return fmt.Errorf("read %s: %w", r.path, err)
	}
	if !r.key.PublicKey.Equal(r.certificate.PublicKey) {
		return fmt.Errorf("%s does not belong to the key %s beside it: remove it, and trust the new certificate", r.path, rootKeyFile)
	}
	r.text = string(text)
	return nil
}

func (r *root) makeCertificate(now time.Time) error {
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: rootName(), NotBefore: now.Add(-backdate), NotAfter: now.Add(rootLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &r.key.PublicKey, r.key)
	if err != nil {
		return err
	}
	if r.certificate, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	r.text = certificateText(der)
	return writeFile(r.path, r.text, 0o644)
}

// rootName tells the authorities of several machines apart.
func rootName() pkix.Name {
	name := pkix.Name{Organization: []string{"drydock"}, CommonName: rootLongName}
	if host, err := os.Hostname(); err == nil {
		name.OrganizationalUnit = []string{host}
	}
	return name
}

// newSerial returns a random number of 16 bytes, positive and without leading zeros.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

func certificateText(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func keyText(key any) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// writeFile writes a file so that it is there whole or not at all.
func writeFile(path, text string, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
