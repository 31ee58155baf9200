package alb

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"drydock/alb/node"
	"drydock/timeline/timelinetest"
)

var fixed404 = []Action{{Type: "fixed-response", FixedResponseConfig: &FixedResponseConfig{StatusCode: "404"}}}

func secured(certificates ...string) Security {
	var s Security
	for _, name := range certificates {
		s.Certificates = append(s.Certificates, certificateNamed(name))
	}
	return s
}

// secureListener makes an HTTPS listener with a certificate called main.
func (w *world) secureListener(lb string, port int, actions []Action) Listener {
	w.t.Helper()
	return must(w.CreateListener(w.t.Context(), CreateListenerInput{
		LoadBalancerARN: lb, Protocol: "HTTPS", Port: port, DefaultActions: actions, Security: secured("main"),
	}))
}

// compiled returns a listener as the node got it.
func (w *world) compiled(arn string) node.Listener {
	for _, lb := range w.node.last().LoadBalancers {
		for _, l := range lb.Listeners {
			if l.ARN == arn {
				return l
			}
		}
	}
	w.t.Fatalf("the node has no listener %s", arn)
	return node.Listener{}
}

func TestRefusals_Security(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main", "other")})
	lb := w.loadBalancer("shop")
	plain, secure := w.listener(lb.ARN, 80, fixed404), w.secureListener(lb.ARN, 443, fixed404)
	grpc := groupInput(w, "grpc")
	grpc.ProtocolVersion = "GRPC"
	users, calls := w.targetGroup("users"), must(w.CreateTargetGroup(t.Context(), grpc))
	must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: secure.ARN, Priority: 1, Conditions: pathIs("/calls"), Actions: forwardTo(calls.ARN)}))
	w.node.take("127.0.0.1:8443", syscall.EADDRINUSE)
	create := func(change func(*CreateListenerInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTPS", Port: 444, DefaultActions: fixed404, Security: secured("main")}
			change(&in)
			return second(w.CreateListener(ctx, in))
		}
	}
	modify := func(l Listener, change func(*ModifyListenerInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := ModifyListenerInput{ListenerARN: l.ARN}
			change(&in)
			return second(w.ModifyListener(ctx, in))
		}
	}
	mutual := func(m MutualAuthentication) func(context.Context) error {
		return create(func(in *CreateListenerInput) { in.Security.MutualAuthentication = &m })
	}
	redirect := []Action{{Type: "redirect", RedirectConfig: &RedirectConfig{StatusCode: "HTTP_301", Protocol: "HTTP"}}}
	loop := []Action{{Type: "redirect", RedirectConfig: &RedirectConfig{StatusCode: "HTTP_301", Protocol: "HTTPS", Port: "443"}}}
	checkRefusals(t, w, []refusal{
		{"HTTPS without certificate", "ValidationError", "A certificate must be specified for HTTPS listeners", create(func(in *CreateListenerInput) { in.Security.Certificates = nil })},
		{"two certificates", "TooManyCertificates", "Up to '1' certificate ARNs can be specified, but '2' were specified", create(func(in *CreateListenerInput) { in.Security = secured("main", "other") })},
		{"unknown certificate", "CertificateNotFound", "Certificate '" + certificateNamed("missing") + "' not found", create(func(in *CreateListenerInput) { in.Security = secured("missing") })},
		{"no certificate ARN", "ValidationError", "Certificate ARN 'main' is not valid", create(func(in *CreateListenerInput) { in.Security.Certificates = []string{"main"} })},
		{"unknown policy", "SSLPolicyNotFound", "'ELBSecurityPolicy-2020'", create(func(in *CreateListenerInput) { in.Security.SSLPolicy = "ELBSecurityPolicy-2020" })},
		{"ALPN policy", "ValidationError", "An ALPN policy cannot be specified for HTTPS listeners", create(func(in *CreateListenerInput) { in.Security.ALPNPolicy = []string{"HTTP2Only"} })},
		{"passthrough", "InvalidConfigurationRequest", "The mutual authentication mode 'passthrough' is not supported by drydock yet", mutual(MutualAuthentication{Mode: "passthrough"})},
		{"verify", "InvalidConfigurationRequest", "'verify' is not supported by drydock yet", mutual(MutualAuthentication{Mode: "verify", TrustStoreARN: "arn"})},
		{"mode", "ValidationError", "one of '[off, passthrough, verify]'", mutual(MutualAuthentication{Mode: "on"})},
		{"trust store", "ValidationError", "trust store", mutual(MutualAuthentication{Mode: "off", TrustStoreARN: "arn"})},
		{"certificate of HTTP", "ValidationError", "A certificate cannot be specified for HTTP listeners", create(func(in *CreateListenerInput) { in.Protocol = "HTTP" })},
		{"policy of HTTP", "ValidationError", "An SSL policy cannot be specifed for HTTP listeners", modify(plain, func(in *ModifyListenerInput) { in.Security.SSLPolicy = node.DefaultPolicy })},
		{"mutual authentication of HTTP", "ValidationError", "Mutual authentication cannot be specified for HTTP listeners", modify(plain, func(in *ModifyListenerInput) { in.Security.MutualAuthentication = &MutualAuthentication{} })},
		{"becomes HTTPS without certificate", "ValidationError", "A certificate must be specified for HTTPS listeners", modify(plain, func(in *ModifyListenerInput) { in.Protocol = "HTTPS" })},
		{"becomes HTTP with certificate", "ValidationError", "A certificate cannot be specified for HTTP listeners", modify(secure, func(in *ModifyListenerInput) { in.Protocol, in.Security = "HTTP", secured("main") })},
		{"becomes HTTP before gRPC", "InvalidLoadBalancerAction", "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'", modify(secure, func(in *ModifyListenerInput) { in.Protocol = "HTTP" })},
		{"HTTP before gRPC", "InvalidLoadBalancerAction", "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'", func(ctx context.Context) error {
			return second(w.CreateRule(ctx, CreateRuleInput{ListenerARN: plain.ARN, Priority: 1, Conditions: pathIs("/"), Actions: forwardTo(calls.ARN)}))
		}},
		{"redirect to HTTP", "InvalidLoadBalancerAction", "redirects HTTPS to HTTP", create(func(in *CreateListenerInput) { in.DefaultActions = redirect })},
		{"redirect loop", "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop.", create(func(in *CreateListenerInput) { in.Port, in.DefaultActions = 443, loop })},
		{"add to HTTP", "ValidationError", "A certificate cannot be specified for HTTP listeners", func(ctx context.Context) error {
			return second(w.AddListenerCertificates(ctx, plain.ARN, secured("main").Certificates))
		}},
		{"add unknown", "CertificateNotFound", "not found", func(ctx context.Context) error {
			return second(w.AddListenerCertificates(ctx, secure.ARN, secured("other", "missing").Certificates))
		}},
		{"add to nothing", "ListenerNotFound", "One or more listeners not found", func(ctx context.Context) error {
			return second(w.AddListenerCertificates(ctx, missingARN("listener/app/x"), secured("main").Certificates))
		}},
		{"remove default", "OperationNotPermitted", "Default certificate cannot be removed", func(ctx context.Context) error {
			return w.RemoveListenerCertificates(ctx, secure.ARN, secured("main").Certificates)
		}},
		{"remove absent", "CertificateNotFound", "not found", func(ctx context.Context) error {
			return w.RemoveListenerCertificates(ctx, secure.ARN, secured("other").Certificates)
		}},
		{"describe unknown policy", "SSLPolicyNotFound", "'nothing'", func(ctx context.Context) error { return second(w.DescribeSSLPolicies(ctx, []string{"nothing"})) }},
	})
	_, err := w.CreateListener(t.Context(), CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTPS", Port: 8443, DefaultActions: forwardTo(users.ARN), Security: secured("main")})
	wantError(t, err, "InvalidConfigurationRequest", "address already in use")
}

func TestSecurity_WithoutCertificatesNoneIsKnown(t *testing.T) {
	w := newWorld(t, Config{})
	_, err := w.CreateListener(t.Context(), CreateListenerInput{LoadBalancerARN: w.loadBalancer("shop").ARN, Protocol: "HTTPS", Port: 443, DefaultActions: fixed404, Security: secured("main")})
	wantError(t, err, "CertificateNotFound", "not found")
}

func TestSecurity_ReachesTheNode(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main", "other", "third", "unused")})
	l := w.secureListener(w.loadBalancer("shop").ARN, 443, fixed404)
	if l.SSLPolicy != "ELBSecurityPolicy-2016-08" {
		t.Errorf("the default policy is %q", l.SSLPolicy)
	}
	if again := w.secureListener(l.LoadBalancerARN, 443, fixed404); again.ARN != l.ARN {
		t.Errorf("created again: %s; want %s", again.ARN, l.ARN)
	}
	must(w.AddListenerCertificates(t.Context(), l.ARN, secured("third", "other", "main").Certificates))
	must(w.AddListenerCertificates(t.Context(), l.ARN, secured("other").Certificates))
	if got := w.compiled(l.ARN); got.Protocol != "HTTPS" || got.SSLPolicy != l.SSLPolicy || !slices.Equal(got.Certificates, secured("main", "third", "other").Certificates) {
		t.Errorf("the node serves %+v", got)
	}
	want := []ListenerCertificate{{certificateNamed("main"), true}, {certificateNamed("third"), false}, {certificateNamed("other"), false}, {certificateNamed("main"), false}}
	if got := must(w.DescribeListenerCertificates(t.Context(), l.ARN)); !reflect.DeepEqual(got, want) {
		t.Errorf("certificates are %v; want %v", got, want)
	}
	var arns []string
	for _, c := range w.node.last().Certificates {
		arns = append(arns, c.ARN)
		if c.Chain != "chain 0 of "+c.ARN || c.Key != "key 0 of "+c.ARN {
			t.Errorf("the node has %+v", c)
		}
	}
	if !slices.Equal(arns, secured("main", "other", "third").Certificates) {
		t.Errorf("the node has %v", arns)
	}
	if err := w.RemoveListenerCertificates(t.Context(), l.ARN, secured("main", "third").Certificates); err != nil {
		t.Fatal(err)
	}
	must(w.ModifyListener(t.Context(), ModifyListenerInput{ListenerARN: l.ARN, Security: Security{Certificates: secured("third").Certificates, SSLPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06"}}))
	if got := w.compiled(l.ARN); got.SSLPolicy != "ELBSecurityPolicy-TLS13-1-2-2021-06" || !slices.Equal(got.Certificates, secured("third", "other").Certificates) {
		t.Errorf("after the change the node serves %+v", got)
	}
	w.open(w.config)
	if got := w.compiled(l.ARN); !slices.Equal(got.Certificates, secured("third", "other").Certificates) {
		t.Errorf("after a restart the node serves %+v", got)
	}
	must(w.ModifyListener(t.Context(), ModifyListenerInput{ListenerARN: l.ARN, Protocol: "HTTP"}))
	if got := w.compiled(l.ARN); got.Certificates != nil || got.SSLPolicy != "" || w.node.last().Certificates != nil {
		t.Errorf("as HTTP listener the node serves %+v", got)
	}
}

func TestSecurity_ATakenPortOfAnHTTPSListenerCreatesNothing(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main")})
	w.node.take("127.0.0.1:443", syscall.EADDRINUSE)
	_, err := w.CreateListener(t.Context(), CreateListenerInput{LoadBalancerARN: w.loadBalancer("shop").ARN, Protocol: "HTTPS", Port: 443, DefaultActions: fixed404, Security: secured("main")})
	wantError(t, err, "InvalidConfigurationRequest", "127.0.0.1:443")
	if users := w.InUse(certificateNamed("main")); len(users) != 0 {
		t.Errorf("its certificate is in use by %v", users)
	}
}

func TestCertificates_InUseByLoadBalancers(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main", "other")})
	first, second := w.loadBalancer("first"), w.loadBalancer("second")
	l := w.secureListener(first.ARN, 443, fixed404)
	w.secureListener(first.ARN, 444, fixed404)
	w.secureListener(second.ARN, 443, fixed404)
	must(w.AddListenerCertificates(t.Context(), l.ARN, secured("other").Certificates))
	both := []string{first.ARN, second.ARN}
	slices.Sort(both)
	if got := w.InUse(certificateNamed("main")); !slices.Equal(got, both) {
		t.Errorf("main is in use by %v; want %v", got, both)
	}
	if got := w.InUse(certificateNamed("other")); !slices.Equal(got, []string{first.ARN}) {
		t.Errorf("other is in use by %v", got)
	}
	if err := w.DeleteLoadBalancer(t.Context(), first.ARN); err != nil {
		t.Fatal(err)
	}
	if got := w.InUse(certificateNamed("other")); len(got) != 0 {
		t.Errorf("other is in use by %v", got)
	}
}

func TestCertificates_AtMost25BesideTheDefault(t *testing.T) {
	var names []string
	for i := range maxCertificates + 1 {
		names = append(names, fmt.Sprint("c", i))
	}
	w := newWorld(t, Config{Certificates: newCertificates(append(names, "main")...)})
	l := w.secureListener(w.loadBalancer("shop").ARN, 443, fixed404)
	must(w.AddListenerCertificates(t.Context(), l.ARN, secured(names[1:]...).Certificates))
	version := w.node.last().Version
	_, err := w.AddListenerCertificates(t.Context(), l.ARN, secured(names[0]).Certificates)
	wantError(t, err, "TooManyCertificates", "'25'")
	if w.node.last().Version != version {
		t.Error("the refused call changed something")
	}
}

// TestCertificates_ARenewedOneReachesTheNode lets Run see that a certificate changed.
func TestCertificates_ARenewedOneReachesTheNode(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		certificates := newCertificates("main", "unused")
		w := newWorld(t, Config{Certificates: certificates})
		w.secureListener(w.loadBalancer("shop").ARN, 443, fixed404)
		go w.Run(t.Context())
		certificates.renew("main")
		synctest.Wait()
		if got := w.node.last().Certificates; len(got) != 1 || !strings.HasPrefix(got[0].Chain, "chain 1 ") {
			t.Errorf("the node serves %+v", got)
		}
		version := w.node.last().Version
		certificates.renew("unused")
		synctest.Wait()
		if w.node.last().Version != version {
			t.Error("a certificate that no listener names made another snapshot")
		}
	})
}

func TestPolicies_ByNameAndAll(t *testing.T) {
	w := newWorld(t, Config{})
	all := must(w.DescribeSSLPolicies(t.Context(), nil))
	one := must(w.DescribeSSLPolicies(t.Context(), []string{"ELBSecurityPolicy-TLS13-1-3-2021-06"}))
	if len(all) < 10 || len(one) != 1 || !slices.Equal(one[0].Protocols, []string{"TLSv1.3"}) || len(one[0].Ciphers) != 3 {
		t.Errorf("%d policies; one is %+v", len(all), one)
	}
}
