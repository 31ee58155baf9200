package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"drydock/awsapi/apitest"
)

// awsCLI runs the real AWS command line against the program.
type awsCLI struct {
	p   *program
	env []string
}

func (p *program) AWS() *awsCLI {
	p.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		p.Skip("the AWS CLI is not installed")
	}
	return &awsCLI{p, apitest.Environment(p.endpoint, p.TempDir())}
}

func (a *awsCLI) try(args []string) (string, error) {
	command := exec.Command("aws", append(args, "--region", "us-east-1")...)
	command.Env = a.env
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (a *awsCLI) Run(args ...string) string {
	a.p.Helper()
	out, err := a.try(args)
	if err != nil {
		a.p.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (a *awsCLI) Fail(args ...string) string {
	a.p.Helper()
	out, err := a.try(args)
	if err == nil {
		a.p.Fatalf("aws %s succeeded:\n%s", strings.Join(args, " "), out)
	}
	return out
}

const (
	notFound = `Type=fixed-response,FixedResponseConfig={StatusCode=404,ContentType=application/json,MessageBody='{"error": "Not Found"}'}`
	redirect = `Type=redirect,RedirectConfig={Protocol=HTTPS,Port=443,StatusCode=HTTP_301}`
)

// TestChapter gives the commands of a textbook's chapter about load balancers and ECS, ids
// and all, to a daemon that knows nothing.
func TestChapter(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	aws := p.AWS()
	p.Run("up", smallDir, "--no-wait") // for the image
	p.Run("down", smallDir)

	balancer := aws.Run("elbv2", "create-load-balancer", "--name", "my-app-alb", "--subnets", "subnet-public-1a", "subnet-public-1b",
		"--security-groups", "sg-alb-public", "--scheme", "internet-facing", "--type", "application", "--ip-address-type", "ipv4",
		"--query", "LoadBalancers[0].LoadBalancerArn", "--output", "text")
	users := aws.createTargetGroup("user-service-tg")
	orders := aws.createTargetGroup("order-service-tg")
	listener := aws.createListeners(balancer)
	aws.createRule(listener, "1", "/api/users/*", users)
	aws.createRule(listener, "2", "/api/orders/*", orders)
	aws.Run("elbv2", "modify-target-group-attributes", "--target-group-arn", users,
		"--attributes", "Key=deregistration_delay.timeout_seconds,Value=30")

	aws.createService(users)
	aws.Run("ecs", "wait", "services-stable", "--cluster", "production", "--services", "user-service")
	targets := aws.checkHealthy(users, 3)
	checkChapterRoutes(p)
	aws.checkChain(targets)
}

func (a *awsCLI) createTargetGroup(name string) string {
	a.p.Helper()
	return a.Run("elbv2", "create-target-group", "--name", name, "--protocol", "HTTP", "--port", "3000", "--vpc-id", "vpc-0a1b2c3d",
		"--target-type", "ip", "--health-check-protocol", "HTTP", "--health-check-path", "/health",
		"--health-check-interval-seconds", "30", "--health-check-timeout-seconds", "5", "--healthy-threshold-count", "2",
		"--unhealthy-threshold-count", "3", "--query", "TargetGroups[0].TargetGroupArn", "--output", "text")
}

// createListeners creates the chapter's two listeners. The chapter's certificate is not
// known here, so the one that forwards gets one that was asked for.
func (a *awsCLI) createListeners(balancer string) (forwards string) {
	a.p.Helper()
	https := func(certificate string) []string {
		return []string{"elbv2", "create-listener", "--load-balancer-arn", balancer, "--protocol", "HTTPS", "--port", "443",
			"--certificates", "CertificateArn=" + certificate, "--default-actions", notFound}
	}
	out := a.Fail(https("arn:aws:acm:us-east-1:123456789012:certificate/abc-123")...)
	if !strings.Contains(out, "CertificateNotFound") || !strings.Contains(out, "certificate/abc-123' not found") {
		a.p.Errorf("an HTTPS listener with a certificate that nobody knows is refused with %q", out)
	}
	a.Run("elbv2", "create-listener", "--load-balancer-arn", balancer, "--protocol", "HTTP", "--port", "80", "--default-actions", redirect)
	a.Run(https(a.Run("acm", "request-certificate", "--domain-name", "shop.example.com", "--query", "CertificateArn", "--output", "text"))...)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.p.Run("trust", "--pem").stdout)) {
		a.p.Fatal("drydock trust --pem prints no certificate")
	}
	a.p.secure = map[int]*tls.Config{443: {RootCAs: roots, ServerName: "shop.example.com"}}
	return a.Run("elbv2", "describe-listeners", "--load-balancer-arn", balancer, "--query", "Listeners[?Port==`443`].ListenerArn", "--output", "text")
}

func (a *awsCLI) createRule(listener, priority, path, group string) {
	a.p.Helper()
	a.Run("elbv2", "create-rule", "--listener-arn", listener, "--priority", priority,
		"--conditions", fmt.Sprintf(`[{"Field": "path-pattern", "PathPatternConfig": { "Values": [%q] }}]`, path),
		"--actions", fmt.Sprintf(`[{"Type": "forward", "TargetGroupArn": %q}]`, group))
}

// createService creates the chapter's service, of the third revision as there.
func (a *awsCLI) createService(group string) {
	a.p.Helper()
	a.Run("ecs", "create-cluster", "--cluster-name", "production")
	for range 3 {
		a.Run("ecs", "register-task-definition", "--family", "user-service", "--requires-compatibilities", "FARGATE",
			"--network-mode", "awsvpc", "--cpu", "256", "--memory", "512", "--container-definitions",
			`[{"name": "user-service", "image": "shop/user-service:v1", "portMappings": [{"containerPort": 3000}]}]`)
	}
	a.Run("ecs", "create-service", "--cluster", "production", "--service-name", "user-service", "--task-definition", "user-service:3",
		"--desired-count", "3", "--launch-type", "FARGATE", "--load-balancers",
		fmt.Sprintf(`[{"targetGroupArn": %q, "containerName": "user-service", "containerPort": 3000}]`, group),
		"--network-configuration", `{"awsvpcConfiguration": {"subnets": ["subnet-private-1a", "subnet-private-1b"],
			"securityGroups": ["sg-ecs-tasks"], "assignPublicIp": "DISABLED"}}`)
}

// checkHealthy wants so many healthy targets, and returns their addresses.
func (a *awsCLI) checkHealthy(group string, want int) (addresses []string) {
	a.p.Helper()
	var health struct {
		TargetHealthDescriptions []struct {
			Target       struct{ ID string }
			TargetHealth struct{ State string }
		}
	}
	out := a.Run("elbv2", "describe-target-health", "--target-group-arn", group, "--output", "json")
	if err := json.Unmarshal([]byte(out), &health); err != nil {
		a.p.Fatal(err)
	}
	for _, h := range health.TargetHealthDescriptions {
		if h.TargetHealth.State == "healthy" {
			addresses = append(addresses, h.Target.ID)
		}
	}
	if len(addresses) != want {
		a.p.Fatalf("%d targets are healthy, want %d\n%s", len(addresses), want, out)
	}
	return addresses
}

func checkChapterRoutes(p *program) {
	p.Helper()
	for _, test := range []struct {
		port   int
		path   string
		status int
		want   string
	}{
		{443, "/api/users/1", 200, `"service":"user-service"`},
		{443, "/api/orders/1", 503, "503 Service Temporarily Unavailable"},
		{443, "/nowhere", 404, `{"error": "Not Found"}`},
		{80, "/api/users/1", 301, ""},
	} {
		if status, body := p.Get(test.port, test.path); status != test.status || !strings.Contains(body, test.want) {
			p.Errorf("GET :%d%s: %d %s, want %d with %q", test.port, test.path, status, body, test.status, test.want)
		}
	}
}

// checkChain makes the security group chain of the chapter and wants tasks to be reached
// through the load balancer only.
func (a *awsCLI) checkChain(targets []string) {
	a.p.Helper()
	if os.Geteuid() != 0 || !strings.HasPrefix(a.p.Status().Daemon.SecurityGroups, "enforced") {
		a.p.Logf("security groups are %s: the chain is not tested", a.p.Status().Daemon.SecurityGroups)
		return
	}
	a.Run("ec2", "authorize-security-group-ingress", "--group-id", "sg-alb-public", "--protocol", "tcp", "--port", "443", "--cidr", "0.0.0.0/0")
	a.Run("ec2", "authorize-security-group-ingress", "--group-id", "sg-ecs-tasks", "--protocol", "tcp", "--port", "3000", "--source-group", "sg-alb-public")
	for _, address := range targets {
		a.p.Eventually("nobody but the load balancer reaches "+address, func() error {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, "3000"), time.Second)
			if err == nil {
				conn.Close()
				return fmt.Errorf("a connection from the host was accepted")
			}
			return nil
		})
	}
	a.p.checkAllTasksServe(443, "/api/users/1", len(targets))
}
