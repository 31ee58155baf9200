package elbv2_test

import (
	"encoding/json"
	"net"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"drydock/alb"
	"drydock/alb/node"
	"drydock/awsapi/apitest"
	"drydock/awsapi/elbv2"
)

// certificates knows a few certificates.
type certificates []string

func (c certificates) Certificate(arn string) (chain, key string, err error) {
	for _, known := range c {
		if arn == known {
			return "chain of " + arn, "key of " + arn, nil
		}
	}
	return "", "", net.ErrClosed
}

func (certificates) Changed() <-chan struct{} { return nil }

const (
	mainCertificate  = "arn:aws:acm:us-east-1:123456789012:certificate/main"
	otherCertificate = "arn:aws:acm:us-east-1:123456789012:certificate/other"
)

// busyNode refuses to open one port.
type busyNode struct{ port uint16 }

func (n busyNode) Apply(s node.Snapshot) map[string]error {
	problems := map[string]error{}
	for _, lb := range s.LoadBalancers {
		for _, l := range lb.Listeners {
			if at := l.Addresses[0]; at.Port() == n.port {
				problems[l.ARN] = &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: syscall.EADDRINUSE}
			}
		}
	}
	return problems
}

// decode parses what the command line prints.
func decode[T any](t *testing.T, out string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return v
}

type text = map[string]any

// TestCommandLine_HTTPS runs what an HTTPS listener needs with the real AWS CLI.
func TestCommandLine_HTTPS(t *testing.T) {
	s, _ := newServerWith(t, idleNode{}, alb.Config{Certificates: certificates{mainCertificate, otherCertificate}})
	aws := apitest.NewCLI(t, s)
	lb := aws.Run("elbv2", "create-load-balancer", "--name", "shop", "--subnets", "subnet-1a", "subnet-1b", "--query", "LoadBalancers[0].LoadBalancerArn", "--output", "text")
	fixed := `Type=fixed-response,FixedResponseConfig={StatusCode="404"}`
	l := decode[text](t, aws.Run("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTPS", "--port", "443",
		"--certificates", "CertificateArn="+mainCertificate, "--ssl-policy", "ELBSecurityPolicy-TLS13-1-2-2021-06", "--mutual-authentication", "Mode=off",
		"--default-actions", fixed, "--query", "Listeners[0]"))
	listener := l["ListenerArn"].(string)
	if l["SslPolicy"] != "ELBSecurityPolicy-TLS13-1-2-2021-06" || !reflect.DeepEqual(l["Certificates"], []any{text{"CertificateArn": mainCertificate}}) ||
		!reflect.DeepEqual(l["MutualAuthentication"], text{"Mode": "off"}) {
		t.Errorf("created %v", l)
	}
	added := aws.Run("elbv2", "add-listener-certificates", "--listener-arn", listener, "--certificates", "CertificateArn="+otherCertificate, "--query", "Certificates[].[CertificateArn,IsDefault]", "--output", "text")
	if added != otherCertificate+"\tFalse" {
		t.Errorf("added %s", added)
	}
	all := aws.Run("elbv2", "describe-listener-certificates", "--listener-arn", listener, "--query", "Certificates[].[CertificateArn,IsDefault]", "--output", "text")
	if all != mainCertificate+"\tTrue\n"+otherCertificate+"\tFalse" {
		t.Errorf("certificates are %s", all)
	}
	aws.Run("elbv2", "remove-listener-certificates", "--listener-arn", listener, "--certificates", "CertificateArn="+otherCertificate)
	for _, refused := range []struct{ want, message, certificate string }{
		{"(OperationNotPermitted)", "Default certificate cannot be removed", "CertificateArn=" + mainCertificate},
		{"(CertificateNotFound)", "not found", "CertificateArn=" + otherCertificate},
		{"(ValidationError)", "You cannot set the isDefault parameter for a certificate.", "CertificateArn=" + mainCertificate + ",IsDefault=true"},
	} {
		if out := aws.Fail("elbv2", "remove-listener-certificates", "--listener-arn", listener, "--certificates", refused.certificate); !strings.Contains(out, refused.want) || !strings.Contains(out, refused.message) {
			t.Error(out)
		}
	}
	aws.Run("elbv2", "modify-listener", "--listener-arn", listener, "--certificates", "CertificateArn="+otherCertificate, "--ssl-policy", "ELBSecurityPolicy-2016-08")
	policy := decode[text](t, aws.Run("elbv2", "describe-ssl-policies", "--names", "ELBSecurityPolicy-2016-08", "--query", "SslPolicies[0]"))
	ciphers := policy["Ciphers"].([]any)
	if !reflect.DeepEqual(policy["SslProtocols"], []any{"TLSv1", "TLSv1.1", "TLSv1.2"}) || !reflect.DeepEqual(ciphers[0], text{"Name": "ECDHE-ECDSA-AES128-GCM-SHA256", "Priority": 1.0}) {
		t.Errorf("policy is %v", policy)
	}
	if out := aws.Fail("elbv2", "describe-ssl-policies", "--names", "ELBSecurityPolicy-1999"); !strings.Contains(out, "(SSLPolicyNotFound)") {
		t.Error(out)
	}
	set := aws.Run("elbv2", "modify-listener-attributes", "--listener-arn", listener, "--attributes", "Key=routing.http.response.server.enabled,Value=false",
		"Key=routing.http.response.x_frame_options.header_value,Value=DENY", "Key=routing.http.request.x_amzn_tls_version.header_name,Value=X-Tls-Version")
	if got := aws.Run("elbv2", "describe-listener-attributes", "--listener-arn", listener); got != set || !strings.Contains(got, `"X-Tls-Version"`) || !strings.Contains(got, `"DENY"`) {
		t.Errorf("attributes are %s; set were %s", got, set)
	}
}

// TestCommandLine_Refusals makes mistakes that users make, with the real AWS CLI.
func TestCommandLine_Refusals(t *testing.T) {
	s, n := newServerWith(t, busyNode{8080}, alb.Config{Certificates: certificates{mainCertificate}})
	aws := apitest.NewCLI(t, s)
	lb := aws.Run("elbv2", "create-load-balancer", "--name", "shop", "--subnets", "subnet-1a", "subnet-1b", "--query", "LoadBalancers[0].LoadBalancerArn", "--output", "text")
	tg := aws.Run("elbv2", "create-target-group", "--name", "users", "--protocol", "HTTP", "--port", "3000", "--target-type", "ip", "--vpc-id", n.DefaultVPC().ID, "--query", "TargetGroups[0].TargetGroupArn", "--output", "text")
	forward := "Type=forward,TargetGroupArn=" + tg
	listener := aws.Run("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "80", "--default-actions", forward, "--query", "Listeners[0].ListenerArn", "--output", "text")
	rule := func(conditions, actions string) []string {
		return []string{"create-rule", "--listener-arn", listener, "--priority", "1", "--conditions", conditions, "--actions", actions}
	}
	path := `[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a"]}}]`
	for _, refused := range []struct {
		name, code, message string
		args                []string
	}{
		{"six values", "ValidationError", "A rule can only have '5' condition values", rule(`[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/1", "/2", "/3", "/4", "/5", "/6"]}}]`, forward)},
		{"two path conditions", "ValidationError", "A rule can only have one 'path-pattern' condition", rule(`[{"Field": "path-pattern", "Values": ["/a"]}, {"Field": "path-pattern", "Values": ["/b"]}]`, forward)},
		{"bad weight", "ValidationError", "between 0 and 999", rule(path, `[{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "`+tg+`", "Weight": 1000}]}}]`)},
		{"HTTPS without certificate", "ValidationError", "A certificate must be specified for HTTPS listeners", []string{"create-listener", "--load-balancer-arn", lb, "--protocol", "HTTPS", "--port", "443", "--default-actions", forward}},
		{"a port in use", "InvalidConfigurationRequest", "address already in use", []string{"create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "8080", "--default-actions", forward}},
		{"the listener's own port", "DuplicateListener", "A listener already exists on this port for this load balancer", []string{"create-listener", "--load-balancer-arn", lb, "--protocol", "HTTPS", "--port", "80", "--certificates", "CertificateArn=" + mainCertificate, "--default-actions", forward}},
		{"authenticate", "InvalidLoadBalancerAction", "The action type 'authenticate-cognito' is not supported by drydock yet", rule(path, `[{"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {"UserPoolArn": "a", "UserPoolClientId": "b", "UserPoolDomain": "c"}}]`)},
		{"jwt", "InvalidLoadBalancerAction", "The action type 'jwt-validation' is not supported by drydock yet", rule(path, `[{"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": {"JwksEndpoint": "https://a/", "Issuer": "b"}}]`)},
		{"lookahead", "ValidationError", "is not a valid regular expression", rule(`[{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/(?!a)"]}}]`, forward)},
		{"logs without bucket", "InvalidConfigurationRequest", "'access_logs.s3.bucket' cannot be empty", []string{"modify-load-balancer-attributes", "--load-balancer-arn", lb, "--attributes", "Key=access_logs.s3.enabled,Value=true"}},
		{"slow start and least outstanding", "InvalidConfigurationRequest", "You cannot enable both slow start and least outstanding requests algorithm on a target group", []string{"modify-target-group-attributes", "--target-group-arn", tg, "--attributes", "Key=slow_start.duration_seconds,Value=30", "Key=load_balancing.algorithm.type,Value=least_outstanding_requests"}},
	} {
		out := aws.Fail(append([]string{"elbv2"}, refused.args...)...)
		if !strings.Contains(out, "("+refused.code+")") || !strings.Contains(out, refused.message) {
			t.Errorf("%s is refused with %s; want %s: %s", refused.name, out, refused.code, refused.message)
		}
	}
}

// TestCommandLine_RulesComeBackVerbatim sends regular expressions and transforms, and what
// gRPC target groups have, with the real AWS CLI.
func TestCommandLine_RulesComeBackVerbatim(t *testing.T) {
	s, n := newServerWith(t, idleNode{}, alb.Config{Certificates: certificates{mainCertificate}})
	aws := apitest.NewCLI(t, s)
	lb := aws.Run("elbv2", "create-load-balancer", "--name", "shop", "--subnets", "subnet-1a", "subnet-1b", "--query", "LoadBalancers[0].LoadBalancerArn", "--output", "text")
	tg := decode[text](t, aws.Run("elbv2", "create-target-group", "--name", "calls", "--protocol", "HTTP", "--protocol-version", "GRPC", "--port", "50051", "--target-type", "ip", "--vpc-id", n.DefaultVPC().ID, "--matcher", "GrpcCode=0-5", "--query", "TargetGroups[0]"))
	if tg["ProtocolVersion"] != "GRPC" || tg["HealthCheckPath"] != "/AWS.ALB/healthcheck" || !reflect.DeepEqual(tg["Matcher"], text{"GrpcCode": "0-5"}) {
		t.Errorf("the target group is %v", tg)
	}
	listener := aws.Run("elbv2", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTPS", "--port", "443", "--certificates", "CertificateArn="+mainCertificate,
		"--default-actions", "Type=forward,TargetGroupArn="+tg["TargetGroupArn"].(string), "--query", "Listeners[0].ListenerArn", "--output", "text")
	conditions := `[{"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^[a-z]+\\.example\\.com$"]}},
		{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "User-Agent", "RegexValues": ["^curl/"]}}]`
	transforms := `[{"Type": "host-header-rewrite", "HostHeaderRewriteConfig": {"Rewrites": [{"Regex": "^(.+)\\.example\\.com$", "Replace": "$1.internal"}]}},
		{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/dp/(.*)$", "Replace": "/product?id=$1"}]}}]`
	rule := aws.Run("elbv2", "create-rule", "--listener-arn", listener, "--priority", "1", "--conditions", conditions, "--transforms", transforms,
		"--actions", `Type=fixed-response,FixedResponseConfig={StatusCode="200"}`, "--query", "Rules[0].RuleArn", "--output", "text")
	described := decode[text](t, aws.Run("elbv2", "describe-rules", "--rule-arns", rule, "--query", "Rules[0]"))
	if want := decode[any](t, transforms); !reflect.DeepEqual(described["Transforms"], want) {
		t.Errorf("transforms are %v; want %v", described["Transforms"], want)
	}
	got, want := described["Conditions"].([]any), decode[[]any](t, conditions)
	if !reflect.DeepEqual(got[0].(text)["HostHeaderConfig"], want[0].(text)["HostHeaderConfig"]) || !reflect.DeepEqual(got[1], want[1]) {
		t.Errorf("conditions are %v; want %v", got, want)
	}
	aws.Run("elbv2", "modify-rule", "--rule-arn", rule, "--reset-transforms")
	if left := aws.Run("elbv2", "describe-rules", "--rule-arns", rule, "--query", "Rules[0].Transforms"); left != "[]" {
		t.Errorf("after a reset the transforms are %s", left)
	}
}

// TestTerraform_ReadsEverythingItAsksFor makes the calls that Terraform makes beside those
// for its resources themselves.
func TestTerraform_ReadsEverythingItAsksFor(t *testing.T) {
	c := newCaller(t)
	s := c.stack()
	set := do[elbv2.SetSubnetsOutput](c, "SetSubnets", &elbv2.SetSubnetsInput{LoadBalancerArn: &s.lb, Subnets: c.subnets()})
	if len(set.AvailabilityZones) != 2 || *set.IpAddressType != "ipv4" {
		t.Errorf("subnets %+v", set)
	}
	if out := do[elbv2.SetIpAddressTypeOutput](c, "SetIpAddressType", &elbv2.SetIpAddressTypeInput{LoadBalancerArn: &s.lb, IpAddressType: new("ipv4")}); *out.IpAddressType != "ipv4" {
		t.Errorf("type %+v", out)
	}
	c.refused("SetIpAddressType", &elbv2.SetIpAddressTypeInput{LoadBalancerArn: &s.lb, IpAddressType: new("dualstack")}, "InvalidConfigurationRequest", "dualstack")
	if out := do[elbv2.DescribeCapacityReservationOutput](c, "DescribeCapacityReservation", &elbv2.DescribeCapacityReservationInput{LoadBalancerArn: &s.lb}); out.MinimumLoadBalancerCapacity != nil {
		t.Errorf("capacity %+v", out)
	}
	c.refused("DescribeCapacityReservation", &elbv2.DescribeCapacityReservationInput{LoadBalancerArn: new(strings.Replace(s.lb, "/lb/", "/no/", 1))}, "LoadBalancerNotFound", "")
	limits := map[string]string{}
	for _, l := range do[elbv2.DescribeAccountLimitsOutput](c, "DescribeAccountLimits", nil).Limits {
		limits[*l.Name] = *l.Max
	}
	if limits["application-load-balancers"] != "50" || limits["certificates-per-application-load-balancer"] != "25" {
		t.Errorf("limits %v", limits)
	}
	attributes := do[elbv2.DescribeListenerAttributesOutput](c, "DescribeListenerAttributes", &elbv2.DescribeListenerAttributesInput{ListenerArn: &s.listener}).Attributes
	if len(attributes) != 11 || *attributes[0].Key != "routing.http.response.server.enabled" || *attributes[0].Value != "true" || *attributes[1].Value != "" {
		t.Errorf("%d attributes", len(attributes))
	}
	tag := []elbv2.Tag{{Key: new("Name"), Value: new("web")}}
	do[elbv2.AddTagsOutput](c, "AddTags", &elbv2.AddTagsInput{ResourceArns: []string{s.listener}, Tags: tag})
	if got := do[elbv2.DescribeTagsOutput](c, "DescribeTags", &elbv2.DescribeTagsInput{ResourceArns: []string{s.listener}}).TagDescriptions; !reflect.DeepEqual(got[0].Tags, tag) {
		t.Errorf("tags %+v", got)
	}
}
