package alb

import (
	"context"
	"reflect"
	"testing"

	"drydock/alb/node"
	"drydock/timeline"
)

func TestRefusals_Attributes(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main")})
	lb := w.loadBalancer("shop")
	plain, secure := w.listener(lb.ARN, 80, fixed404), w.secureListener(lb.ARN, 443, fixed404)
	balancer := func(changes ...Attribute) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.ModifyLoadBalancerAttributes(ctx, lb.ARN, changes))
		}
	}
	listener := func(l Listener, key, value string) func(context.Context) error {
		return func(ctx context.Context) error {
			return second(w.ModifyListenerAttributes(ctx, l.ARN, []Attribute{{key, value}}))
		}
	}
	header := func(key, value string) func(context.Context) error { return listener(plain, responsePrefix+key, value) }
	checkRefusals(t, w, []refusal{
		{"connection logs without bucket", "InvalidConfigurationRequest", "'connection_logs.s3.bucket' cannot be empty", balancer(Attribute{"connection_logs.s3.enabled", "true"})},
		{"health check logs without bucket", "InvalidConfigurationRequest", "'health_check_logs.s3.bucket' cannot be empty", balancer(Attribute{"health_check_logs.s3.enabled", "true"})},
		{"bucket", "ValidationError", "'../etc' is not valid", balancer(Attribute{"access_logs.s3.bucket", "../etc"})},
		{"bucket of dots", "ValidationError", "'a..b' is not valid", balancer(Attribute{"access_logs.s3.bucket", "a..b"})},
		{"prefix that climbs", "ValidationError", "'a/../b' is not valid", balancer(Attribute{"access_logs.s3.prefix", "a/../b"})},
		{"prefix with a slash first", "ValidationError", "'/a' is not valid", balancer(Attribute{"connection_logs.s3.prefix", "/a"})},
		{"prefix AWSLogs", "ValidationError", "'a/AWSLogs' is not valid", balancer(Attribute{"health_check_logs.s3.prefix", "a/AWSLogs"})},
		{"unknown listener attribute", "ValidationError", "Listener attribute key 'routing.http' is not recognized", listener(plain, "routing.http", "")},
		{"of a network load balancer", "InvalidConfigurationRequest", "The provided listener attribute is not supported", listener(plain, "tcp.idle_timeout.seconds", "60")},
		{"no boolean", "ValidationError", "'no' is not valid", listener(plain, serverAttribute, "no")},
		{"line break", "ValidationError", "is not valid for key", header("strict_transport_security.header_value", "a\r\nb")},
		{"origin", "ValidationError", "is not valid", header("access_control_allow_origin.header_value", "example.com")},
		{"methods", "ValidationError", "is not valid", header("access_control_allow_methods.header_value", "GET,FETCH")},
		{"credentials", "ValidationError", "is not valid", header("access_control_allow_credentials.header_value", "false")},
		{"max age", "ValidationError", "is not valid", header("access_control_max_age.header_value", "86401")},
		{"content type options", "ValidationError", "is not valid", header("x_content_type_options.header_value", "sniff")},
		{"frame options", "ValidationError", "is not valid", header("x_frame_options.header_value", "ALLOWALL")},
		{"TLS header of HTTP", "InvalidConfigurationRequest", "is not supported for HTTP listeners", listener(plain, requestPrefix+"x_amzn_tls_version.header_name", "X-Tls")},
		{"header name", "ValidationError", "'a b' is not valid", listener(secure, requestPrefix+"x_amzn_tls_version.header_name", "a b")},
		{"reserved name", "ValidationError", "'Host' is not valid", listener(secure, requestPrefix+"x_amzn_tls_version.header_name", "Host")},
		{"attributes of nothing", "ListenerNotFound", "One or more listeners not found", func(ctx context.Context) error {
			return second(w.DescribeListenerAttributes(ctx, missingARN("listener/app/x")))
		}},
	})
}

func TestAttributes_OfLoadBalancersReachTheNode(t *testing.T) {
	w := newWorld(t, Config{})
	lb := w.loadBalancer("shop")
	compiled := func() node.LoadBalancerAttributes { return w.node.last().LoadBalancers[0].Attributes }
	if a := compiled(); a.NoHTTP2 || a.TLSHeaders || a.AccessLogs != nil || a.ConnectionLogs != nil || a.HealthCheckLogs != nil {
		t.Errorf("defaults are %+v", a)
	}
	must(w.ModifyLoadBalancerAttributes(t.Context(), lb.ARN, []Attribute{
		{"routing.http2.enabled", "false"}, {"routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"},
		{"access_logs.s3.enabled", "true"}, {"access_logs.s3.bucket", "my-logs"}, {"access_logs.s3.prefix", "alb/my-app"},
		{"connection_logs.s3.enabled", "true"}, {"connection_logs.s3.bucket", "connections"},
		{"health_check_logs.s3.bucket", "checks"},
	}))
	a := compiled()
	if !a.NoHTTP2 || !a.TLSHeaders {
		t.Errorf("the node has %+v", a)
	}
	if !reflect.DeepEqual(a.AccessLogs, &node.LogBucket{Bucket: "my-logs", Prefix: "alb/my-app"}) || !reflect.DeepEqual(a.ConnectionLogs, &node.LogBucket{Bucket: "connections"}) || a.HealthCheckLogs != nil {
		t.Errorf("the node logs to %+v %+v %+v", a.AccessLogs, a.ConnectionLogs, a.HealthCheckLogs)
	}
	must(w.ModifyLoadBalancerAttributes(t.Context(), lb.ARN, []Attribute{{"access_logs.s3.enabled", "false"}, {"health_check_logs.s3.enabled", "true"}}))
	if a := compiled(); a.AccessLogs != nil || !reflect.DeepEqual(a.HealthCheckLogs, &node.LogBucket{Bucket: "checks"}) {
		t.Errorf("the node logs to %+v %+v", a.AccessLogs, a.HealthCheckLogs)
	}
	if warnings := w.store.Told(timeline.Warning); len(warnings) != 0 {
		t.Errorf("warnings are %+v", warnings)
	}
}

func TestAttributes_OfListenersReachTheNode(t *testing.T) {
	w := newWorld(t, Config{Certificates: newCertificates("main")})
	lb := w.loadBalancer("shop")
	plain, secure := w.listener(lb.ARN, 80, fixed404), w.secureListener(lb.ARN, 443, fixed404)
	if got := w.compiled(secure.ARN).Attributes; !reflect.DeepEqual(got, node.ListenerAttributes{}) {
		t.Errorf("defaults are %+v", got)
	}
	if http, https := must(w.DescribeListenerAttributes(t.Context(), plain.ARN)), must(w.DescribeListenerAttributes(t.Context(), secure.ARN)); len(http) != 11 || len(https) != 19 || http[0] != (Attribute{serverAttribute, "true"}) {
		t.Errorf("%d and %d attributes, the first is %v", len(http), len(https), http[0])
	}
	must(w.ModifyListenerAttributes(t.Context(), secure.ARN, []Attribute{
		{serverAttribute, "false"},
		{responsePrefix + "x_frame_options.header_value", "DENY"},
		{responsePrefix + "strict_transport_security.header_value", "max-age=31536000; includeSubDomains"},
		{requestPrefix + "x_amzn_tls_cipher_suite.header_name", "X-Cipher"},
		{requestPrefix + "x_amzn_mtls_clientcert.header_name", "X-Client"},
	}))
	want := node.ListenerAttributes{
		NoServer:        true,
		ResponseHeaders: []node.Header{{Name: "Strict-Transport-Security", Value: "max-age=31536000; includeSubDomains"}, {Name: "X-Frame-Options", Value: "DENY"}},
		RequestHeaders:  []node.Header{{Name: "x-amzn-tls-cipher-suite", Value: "X-Cipher"}},
	}
	if got := w.compiled(secure.ARN).Attributes; !reflect.DeepEqual(got, want) {
		t.Errorf("the node has %+v; want %+v", got, want)
	}
	if warnings := w.store.Told(timeline.Warning); len(warnings) != 1 || warnings[0].Data["field"] != requestPrefix+"x_amzn_mtls_clientcert.header_name" {
		t.Errorf("warnings are %+v", warnings)
	}
	must(w.ModifyListenerAttributes(t.Context(), secure.ARN, []Attribute{{responsePrefix + "x_frame_options.header_value", ""}}))
	if got := w.compiled(secure.ARN).Attributes.ResponseHeaders; len(got) != 1 {
		t.Errorf("after a reset the node sets %+v", got)
	}
}

func TestSubnets_AreReplacedAndTheAddressStays(t *testing.T) {
	w := newWorld(t, Config{})
	lb := w.loadBalancer("shop")
	set := must(w.SetSubnets(t.Context(), lb.ARN, w.subnets[:2], ""))
	if len(set.AvailabilityZones) != 2 || set.VPCAddress != lb.VPCAddress || len(w.store.Told(timeline.Warning)) != 0 {
		t.Errorf("set to %+v", set)
	}
	zone, _ := w.zoneOf(lb.VPCAddress)
	var others []string
	for _, subnet := range must(w.network.Subnets(nil)) {
		if subnet.Zone != zone {
			others = append(others, subnet.ID)
		}
	}
	if len(others) < 2 {
		t.Skip("the network has two zones only")
	}
	set = must(w.SetSubnets(t.Context(), lb.ARN, others[:2], "ipv4"))
	if got := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0]; !reflect.DeepEqual(got.AvailabilityZones, set.AvailabilityZones) || got.VPCAddress != lb.VPCAddress {
		t.Errorf("described as %+v", got)
	}
	if warnings := w.store.Told(timeline.Warning); len(warnings) != 1 || warnings[0].Data["field"] != "Subnets" {
		t.Errorf("warnings are %+v", warnings)
	}
	_, err := w.SetSubnets(t.Context(), lb.ARN, w.subnets[:1], "")
	wantError(t, err, "ValidationError", "At least two subnets")
	_, err = w.SetSubnets(t.Context(), lb.ARN, w.subnets[:2], "dualstack")
	wantError(t, err, "InvalidConfigurationRequest", "'dualstack' is not supported by drydock yet")
	_, err = w.SetIPAddressType(t.Context(), lb.ARN, "ipv5")
	wantError(t, err, "ValidationError", "ipAddressType")
	if got := must(w.SetIPAddressType(t.Context(), lb.ARN, "ipv4")); got != "ipv4" {
		t.Errorf("set to %q", got)
	}
}
