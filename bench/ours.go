package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"drydock/awsapi/ec2"
	"drydock/awsapi/elbv2"
)

// ours is drydock: a daemon of its own, set up through the AWS APIs as a user would.
type ours struct {
	*daemon
	bench   *bench
	title   string
	binary  string
	shift   int // of all ports
	cores   cores
	keys    keys
	made    int // daemons, each on an empty state
	vpc     string
	subnets []string
	groups  map[string]string // target group ARNs by name
	missing map[int]error     // ports that it does not serve yet, and why
}

func (o *ours) name() string         { return o.title }
func (o *ours) processes() []int     { return o.balancing() }
func (o *ours) lacks(port int) error { return o.missing[port] }

func (o *ours) on(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port+o.shift))
}

// logged is how many bytes the access logs of this state have, compressed or not yet.
func (o *ours) logged() (bytes int64) {
	filepath.WalkDir(filepath.Join(o.dir, "s3"), func(_ string, entry fs.DirEntry, err error) error { // what can't be read counts nothing
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// daemonUsage is the CPU time of the daemon, if that does not balance itself.
func (o *ours) daemonUsage() (time.Duration, error) {
	if o.daemon == nil || o.node == 0 {
		return 0, nil
	}
	return cpuTime(o.process.Pid)
}

// start starts a daemon on an empty state. Its balancer stays on the proxies' core; the daemon,
// if that is another process, moves to the other one.
func (o *ours) start(ctx context.Context) (err error) {
	o.made++
	if o.daemon, err = newDaemon(o.binary, filepath.Join(o.bench.dir, fmt.Sprintf("%s-%d", o.title, o.made))); err != nil {
		return err
	}
	o.offset, o.subnets, o.groups, o.missing = o.shift, nil, map[string]string{}, map[int]error{}
	err = onCore(o.cores.proxy, func() error {
		_, err := o.daemon.start(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := o.furnish(ctx); err != nil {
		return fmt.Errorf("set up drydock: %w: %s", err, o.lastWords())
	}
	if err := o.findNode(ctx); err != nil {
		return err
	}
	if o.node != 0 {
		prefer(o.node)
		return move(o.process.Pid, o.cores.rest)
	}
	return nil
}

func (o *ours) stop(ctx context.Context) error {
	if o.daemon == nil {
		return nil
	}
	return errors.Join(o.down(ctx), os.RemoveAll(o.dir))
}

// furnish makes target groups, the load balancer, and its listeners and rules.
func (o *ours) furnish(ctx context.Context) error {
	if _, err := o.status(ctx); err != nil {
		return err
	}
	var subnets ec2.DescribeSubnetsResult
	if err := o.api.Do(ctx, "ec2", "DescribeSubnets", &ec2.DescribeSubnetsRequest{}, &subnets); err != nil {
		return err
	}
	for _, subnet := range subnets.Subnets {
		o.vpc, o.subnets = *subnet.VpcId, append(o.subnets, *subnet.SubnetId)
	}
	if err := errors.Join(o.makeGroup(ctx, "static", targetsAt(3, staticPort)), o.makeGroup(ctx, "echo", targetsAt(3, echoPort))); err != nil {
		return err
	}
	lb, err := o.makeBalancer(ctx, "bench")
	if err != nil {
		return err
	}
	if _, err := o.makeListener(ctx, lb, plainPort, "static", ruleCount, "echo", ""); err != nil {
		return err
	}
	o.secure(ctx, lb, p256Port, o.keys.P256)
	o.secure(ctx, lb, rsaPort, o.keys.RSA)
	return o.awaitTargets(ctx, map[string]int{"static": 3, "echo": 3})
}

// secure makes an HTTPS listener, or remembers why there is none.
func (o *ours) secure(ctx context.Context, lb string, port int, file string) {
	certificate, err := o.importCertificate(ctx, file)
	if err == nil {
		_, err = o.makeListener(ctx, lb, port, "static", ruleCount, "echo", certificate)
	}
	o.missing[port] = err
}

func (o *ours) makeGroup(ctx context.Context, name string, targets []netip.AddrPort) error {
	var out elbv2.CreateTargetGroupOutput
	err := o.api.Do(ctx, "elbv2", "CreateTargetGroup", &elbv2.CreateTargetGroupInput{
		Name: &name, Protocol: new("HTTP"), Port: new(int64(targets[0].Port())), TargetType: new("ip"), VpcId: &o.vpc,
		HealthCheckPath: new("/"), HealthCheckIntervalSeconds: new(int64(300)),
	}, &out)
	if err != nil {
		return err
	}
	o.groups[name] = *out.TargetGroups[0].TargetGroupArn
	in := &elbv2.RegisterTargetsInput{TargetGroupArn: new(o.groups[name])}
	for _, t := range targets {
		in.Targets = append(in.Targets, elbv2.TargetDescription{Id: new(t.Addr().String()), Port: new(int64(t.Port())), AvailabilityZone: new("all")})
	}
	return o.api.Do(ctx, "elbv2", "RegisterTargets", in, nil)
}

// makeBalancer makes a load balancer that logs and keeps idle connections.
func (o *ours) makeBalancer(ctx context.Context, name string) (arn string, err error) {
	var out elbv2.CreateLoadBalancerOutput
	err = o.api.Do(ctx, "elbv2", "CreateLoadBalancer", &elbv2.CreateLoadBalancerInput{Name: &name, Subnets: o.subnets, SecurityGroups: []string{anyGroup}}, &out)
	if err != nil {
		return "", err
	}
	arn = *out.LoadBalancers[0].LoadBalancerArn
	in := &elbv2.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &arn}
	for key, value := range map[string]string{
		"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "bench", "idle_timeout.timeout_seconds": "4000",
	} {
		in.Attributes = append(in.Attributes, elbv2.LoadBalancerAttribute{Key: &key, Value: &value})
	}
	return arn, o.api.Do(ctx, "elbv2", "ModifyLoadBalancerAttributes", in, nil)
}

// makeListener makes a listener with so many rules; the last one is /ws and forwards to last.
func (o *ours) makeListener(ctx context.Context, lb string, port int, group string, rules int, last, certificate string) (arn string, err error) {
	in := &elbv2.CreateListenerInput{LoadBalancerArn: &lb, Protocol: new("HTTP"), Port: new(int64(port)), DefaultActions: o.forward(group)}
	if certificate != "" {
		in.Protocol, in.Certificates = new("HTTPS"), []elbv2.Certificate{{CertificateArn: &certificate}}
	}
	var out elbv2.CreateListenerOutput
	if err := o.api.Do(ctx, "elbv2", "CreateListener", in, &out); err != nil {
		return "", err
	}
	arn = *out.Listeners[0].ListenerArn
	for n := 1; n <= rules; n++ {
		pattern, to := fmt.Sprintf("/rule-%d/*", n), group
		if n == rules {
			pattern, to = "/ws", last
		}
		if err := o.makeRule(ctx, arn, n, pattern, to); err != nil {
			return arn, err
		}
	}
	return arn, nil
}

func (o *ours) makeRule(ctx context.Context, listener string, priority int, pattern, group string) error {
	return o.api.Do(ctx, "elbv2", "CreateRule", &elbv2.CreateRuleInput{
		ListenerArn: &listener, Priority: new(int64(priority)), Actions: o.forward(group),
		Conditions: []elbv2.RuleCondition{{Field: new("path-pattern"), Values: []string{pattern}}},
	}, nil)
}

func (o *ours) forward(group string) []elbv2.Action {
	return []elbv2.Action{{Type: new("forward"), TargetGroupArn: new(o.groups[group])}}
}

// awaitTargets waits until so many targets of each group are healthy.
func (o *ours) awaitTargets(ctx context.Context, want map[string]int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for group, n := range want {
		s := stack{daemon: o.daemon, group: o.groups[group]}
		if err := s.awaitHealthy(ctx, n); err != nil {
			return fmt.Errorf("target group %s: %w", group, err)
		}
	}
	return nil
}

// importCertificate imports a certificate and its key into ACM.
func (o *ours) importCertificate(ctx context.Context, file string) (arn string, err error) {
	certificate, key, err := splitKeys(file)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string][]byte{"Certificate": certificate, "PrivateKey": key})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.api.Endpoint, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CertificateManager.ImportCertificate")
	r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=bench/"+time.Now().UTC().Format("20060102")+"/us-east-1/acm/aws4_request, SignedHeaders=host, Signature=0")
	a, err := o.api.HTTP.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if a.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ImportCertificate: %s: %.200s", a.Status, text)
	}
	var out struct{ CertificateArn string }
	return out.CertificateArn, json.Unmarshal(text, &out)
}
