package node

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestPolicies_AreELBs(t *testing.T) {
	var names []string
	for _, p := range Policies() {
		names = append(names, strings.TrimPrefix(p.Name, policyPrefix))
	}
	// The order of an answer of DescribeSSLPolicies, then what came later.
	want := "2016-08 TLS13-1-2-2021-06 TLS13-1-2-Res-2021-06 TLS13-1-2-Ext1-2021-06 TLS13-1-2-Ext2-2021-06 TLS13-1-1-2021-06 " +
		"TLS13-1-0-2021-06 TLS13-1-3-2021-06 TLS-1-2-2017-01 TLS-1-1-2017-01 TLS-1-2-Ext-2018-06 2015-05 FS-2018-06 TLS-1-0-2015-04 " +
		"FS-1-2-Res-2019-08 FS-1-1-2019-08 FS-1-2-2019-08 FS-1-2-Res-2020-10 TLS13-1-2-PQ-2025-09 TLS13-1-2-Res-PQ-2025-09 " +
		"TLS13-1-2-Ext1-PQ-2025-09 TLS13-1-2-Ext2-PQ-2025-09 TLS13-1-0-PQ-2025-09 TLS13-1-3-PQ-2025-09"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{
		DefaultPolicy: "TLSv1 TLSv1.1 TLSv1.2: ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 " +
			"ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-SHA384 " +
			"ECDHE-RSA-AES256-SHA384 ECDHE-RSA-AES256-SHA ECDHE-ECDSA-AES256-SHA AES128-GCM-SHA256 AES128-SHA256 AES128-SHA AES256-GCM-SHA384 AES256-SHA256 AES256-SHA",
		"ELBSecurityPolicy-TLS13-1-2-2021-06": "TLSv1.2 TLSv1.3: TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 " +
			"ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 " +
			"ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384",
		"ELBSecurityPolicy-TLS13-1-3-2021-06":  "TLSv1.3: TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256",
		"ELBSecurityPolicy-FS-1-2-Res-2020-10": "TLSv1.2: ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384",
	} {
		p, ok := PolicyNamed(name)
		if got := strings.Join(p.Protocols, " ") + ": " + strings.Join(p.Ciphers, " "); !ok || got != want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, want)
		}
	}
	if _, ok := PolicyNamed("ELBSecurityPolicy-2014-01"); ok {
		t.Error("a policy that there is not")
	}
}

func TestPolicies_WhatTheLibraryLacks(t *testing.T) {
	var lacking []string
	for _, c := range ciphers {
		if !Negotiable(c.name) {
			lacking = append(lacking, c.name)
		}
	}
	if got := strings.Join(lacking, " "); got != "ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384 AES256-SHA256" {
		t.Error(got)
	}
}

// probeTLS does one handshake with a policy.
func probeTLS(t *testing.T, policy string, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	lb := &LoadBalancer{}
	terms, err := compileTerms(lb, Listener{SSLPolicy: policy, Certificates: []string{"ec", "rsa"}}, parseCertificates([]Certificate{
		testCertificate("ec", ecdsaKey, "a.test"), testCertificate("rsa", rsaKey, "a.test"),
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	client.InsecureSkipVerify, client.ServerName = true, "a.test"
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan error, 1)
	server := tls.Server(far, terms.config)
	go func() {
		err := server.Handshake()
		if err != nil {
			far.Close()
		}
		done <- err
	}()
	err = tls.Client(near, client).Handshake()
	near.Close() // an alert that nobody reads must not hold the server
	return server.ConnectionState(), errors.Join(err, <-done)
}

func TestPolicies_AcceptExactlyTheirProtocols(t *testing.T) {
	var all []uint16
	for _, c := range ciphers {
		all = append(all, c.id)
	}
	for _, p := range Policies() {
		for _, v := range protocols {
			state, err := probeTLS(t, p.Name, &tls.Config{MinVersion: v.version, MaxVersion: v.version, CipherSuites: all})
			want := slices.Contains(p.Protocols, v.name)
			if (err == nil) != want || err == nil && protocolName(state.Version) != v.name {
				t.Errorf("%s with %s: %v", p.Name, v.name, err)
			}
		}
	}
}

func TestPolicies_AcceptExactlyTheirCiphers(t *testing.T) {
	for _, p := range Policies() {
		for _, c := range ciphers {
			if c.id == 0 || c.set == 'T' {
				continue
			}
			state, err := probeTLS(t, p.Name, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{c.id}})
			want := slices.Contains(p.Ciphers, c.name) && slices.Contains(p.Protocols, "TLSv1.2")
			if (err == nil) != want || err == nil && cipherName(state.CipherSuite) != c.name {
				t.Errorf("%s with %s: %v", p.Name, c.name, err)
			}
		}
	}
}

func TestPolicies_HybridKeyExchangeOnlyWhereNamed(t *testing.T) {
	for _, p := range Policies() {
		for _, curve := range []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024} {
			state, err := probeTLS(t, p.Name, &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{curve}})
			if (err == nil) != p.PostQuantum || err == nil && state.CurveID != curve {
				t.Errorf("%s with %s: %v", p.Name, curve, err)
			}
		}
	}
}
