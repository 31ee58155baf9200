package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/awsapi/acm"
	"drydock/awsapi/elbv2"
)

// secureStack is the good stack with an HTTPS listener beside the other one.
func secureStack(certificate string) string {
	return strings.Replace(goodStack, "    listeners:\n", "    listeners:\n      - port: 443\n        protocol: HTTPS\n        certificate: "+certificate+
		"\n        defaultActions: [{type: forward, targetGroup: web}]\n", 1)
}

// upWith writes another stack and brings it up.
func upWith(t *testing.T, f *fakeDaemon, dir, text string, want ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, stackFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := f.run("up", dir)
	if code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for _, w := range want {
		if !strings.Contains(stderr, w) {
			t.Errorf("no %q in\n%s", w, stderr)
		}
	}
}

// listenerNames returns the names of the certificates of the listener on port 443, the default one's first.
func listenerNames(t *testing.T, f *fakeDaemon) (all []string) {
	t.Helper()
	api := &client{endpoint: f.url, http: httpClient()}
	balancers, err := call[elbv2.DescribeLoadBalancersOutput](t.Context(), api, "elbv2", "DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{})
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := call[elbv2.DescribeListenersOutput](t.Context(), api, "elbv2", "DescribeListeners", &elbv2.DescribeListenersInput{LoadBalancerArn: balancers.LoadBalancers[0].LoadBalancerArn})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners.Listeners {
		if *l.Port != 443 {
			continue
		}
		found, err := call[elbv2.DescribeListenerCertificatesOutput](t.Context(), api, "elbv2", "DescribeListenerCertificates", &elbv2.DescribeListenerCertificatesInput{ListenerArn: l.ListenerArn})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range found.Certificates {
			all = append(all, certificateName(t.Context(), t, api, *c.CertificateArn))
		}
	}
	return all
}

func certificateName(ctx context.Context, t *testing.T, api *client, arn string) string {
	t.Helper()
	found, err := call[acm.DescribeCertificateResponse](ctx, api, "acm", "DescribeCertificate", &acm.DescribeCertificateRequest{CertificateArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found.Certificate.SubjectAlternativeNames, "+")
}

func TestUp_RequestsCertificates(t *testing.T) {
	f := newFakeDaemon(t)
	dir := writeStack(t, goodStack)
	upWith(t, f, dir, secureStack("shop.localhost"), "created    certificate      shop.localhost", "created    listener         front:443  HTTPS")
	if got := listenerNames(t, f); len(got) != 1 || got[0] != "shop.localhost" {
		t.Error(got)
	}
	upWith(t, f, dir, secureStack("shop.localhost"), "unchanged  certificate      shop.localhost", "unchanged  listener         front:443")
	upWith(t, f, dir, secureStack(`[shop.localhost, {domainName: api.localhost, subjectAlternativeNames: ["*.api.localhost"]}]`),
		"unchanged  certificate      shop.localhost", "created    certificate      api.localhost", "added      certificate      front:443")
	if got := strings.Join(listenerNames(t, f), " "); got != "shop.localhost api.localhost+*.api.localhost" {
		t.Error(got)
	}
	upWith(t, f, dir, secureStack("api.localhost"), "created    certificate      api.localhost", "modified   listener         front:443", "removed    certificate      front:443")
	if got := strings.Join(listenerNames(t, f), " "); got != "api.localhost" {
		t.Error(got)
	}
	code, _, stderr := f.run("down", dir)
	if code != exitOK || !strings.Contains(stderr, "deleted    certificate      api.localhost") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

func TestUp_TakesCertificatesByARN(t *testing.T) {
	f := newFakeDaemon(t)
	api := &client{endpoint: f.url, http: httpClient()}
	out, err := call[acm.RequestCertificateResponse](t.Context(), api, "acm", "RequestCertificate", &acm.RequestCertificateRequest{DomainName: optional("own.test")})
	if err != nil {
		t.Fatal(err)
	}
	dir := writeStack(t, goodStack)
	upWith(t, f, dir, secureStack(*out.CertificateArn), "created    listener         front:443")
	if got := listenerNames(t, f); len(got) != 1 || got[0] != "own.test" {
		t.Error(got)
	}
	if code, _, stderr := f.run("down", dir); code != exitOK || strings.Contains(stderr, "certificate") {
		t.Errorf("exit %d: what the stack did not request is not its to delete\n%s", code, stderr)
	}
	upWith(t, f, dir, strings.Replace(secureStack("x"), "certificate: x", "certificates: [{certificateArn: "+*out.CertificateArn+"}]", 1), "created    listener         front:443")
	if code, _, stderr := f.run("up", writeStack(t, secureStack(*out.CertificateArn+"0"))); code != exitFailed || !strings.Contains(stderr, "CertificateNotFound") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
