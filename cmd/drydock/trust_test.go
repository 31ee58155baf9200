package main

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/acm"
	"drydock/awsapi/apitest"
)

func TestTrust_PrintsTheAuthority(t *testing.T) {
	f := newFakeDaemon(t)
	code, text, stderr := f.run("trust")
	if code != exitOK || !strings.Contains(text, f.root.PEM) || !strings.Contains(text, f.root.Fingerprint) || !strings.Contains(text, f.root.Path) {
		t.Errorf("exit %d: %s%s", code, text, stderr)
	}
	for _, way := range []string{"update-ca-certificates", "security add-trusted-cert", "curl --cacert", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "keytool -importcert"} {
		if !strings.Contains(text, way) {
			t.Errorf("no %s in\n%s", way, text)
		}
	}
	_, text, _ = f.run("trust", "--pem")
	if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM([]byte(text)) || text != f.root.PEM {
		t.Errorf("not a certificate: %s", text)
	}
	var got Trust
	if _, text, _ = f.run("trust", "--output", "json"); json.Unmarshal([]byte(text), &got) != nil || got.Fingerprint != f.root.Fingerprint || got.PEM != f.root.PEM {
		t.Errorf("%s", text)
	}
}

func TestTrust_WithoutDaemon(t *testing.T) {
	dir, closed := t.TempDir(), closedEndpoint(t)
	code, _, stderr := runCLI(t, "trust", "--endpoint", closed, "--state-dir", dir)
	if code != exitFailed || !strings.Contains(stderr, "no daemon answers") || !strings.Contains(stderr, "no certificate authority in "+dir) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, err := acm.Open(t.Context(), &apitest.Store{}, acm.Config{Directory: certificateDir(dir)}); err != nil {
		t.Fatal(err)
	}
	code, text, _ := runCLI(t, "trust", "--pem", "--endpoint", closed, "--state-dir", dir)
	if want, _ := os.ReadFile(filepath.Join(dir, "ca", "ca.pem")); code != exitOK || text != string(want) || text == "" {
		t.Errorf("exit %d: %s", code, text)
	}
}
