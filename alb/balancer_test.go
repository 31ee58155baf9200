package alb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"drydock/alb/node"
	"drydock/store/storetest"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

func TestCreate_TheSameAgainReturnsWhatExists(t *testing.T) {
	w := newWorld(t, Config{})
	lb := w.loadBalancer("shop")
	if lb.State.Code != "provisioning" {
		t.Errorf("a new load balancer is %q; want provisioning", lb.State.Code)
	}
	again := w.loadBalancer("shop")
	if again.ARN != lb.ARN || again.State.Code != "active" {
		t.Errorf("created again: %s %s; want %s active", again.ARN, again.State.Code, lb.ARN)
	}
	tg := w.targetGroup("users")
	if again := w.targetGroup("users"); again.ARN != tg.ARN {
		t.Errorf("target group created again: %s; want %s", again.ARN, tg.ARN)
	}
	l := w.listener(lb.ARN, 80, forwardTo(tg.ARN))
	if again := w.listener(lb.ARN, 80, forwardTo(tg.ARN)); again.ARN != l.ARN {
		t.Errorf("listener created again: %s; want %s", again.ARN, l.ARN)
	}
}

func TestCreate_NamesAndARNs(t *testing.T) {
	w := newWorld(t, Config{Region: "eu-west-1"})
	lb := must(w.CreateLoadBalancer(t.Context(), CreateLoadBalancerInput{Name: "shop", Subnets: w.subnets[:2], Scheme: "internal"}))
	tg := w.targetGroup("users")
	l := w.listener(lb.ARN, 80, forwardTo(tg.ARN))
	rule := must(w.DescribeRules(t.Context(), l.ARN, nil))[0]
	for got, prefix := range map[string]string{
		lb.ARN:   "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/",
		tg.ARN:   "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/users/",
		l.ARN:    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/" + lb.ID() + "/",
		rule.ARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/" + lb.ID() + "/",
	} {
		if !strings.HasPrefix(got, prefix) {
			t.Errorf("%s; want %s…", got, prefix)
		}
	}
	if !strings.HasPrefix(lb.DNSName, "internal-shop-") || !strings.HasSuffix(lb.DNSName, ".eu-west-1.elb.localhost") {
		t.Errorf("DNS name is %s", lb.DNSName)
	}
	if lb.CanonicalHostedZoneID != hostedZoneID {
		t.Errorf("hosted zone is %q", lb.CanonicalHostedZoneID)
	}
	if !rule.IsDefault || rule.Priority != "default" {
		t.Errorf("the default rule is %+v", rule)
	}
}

func TestDelete_WhatDoesNotExistSucceeds(t *testing.T) {
	w := newWorld(t, Config{})
	if err := w.DeleteLoadBalancer(t.Context(), missingARN("loadbalancer/app")); err != nil {
		t.Error(err)
	}
	if err := w.DeleteTargetGroup(t.Context(), missingARN("targetgroup")); err != nil {
		t.Error(err)
	}
	if err := w.DeregisterTargets(t.Context(), w.targetGroup("users").ARN, []Target{{ID: userIP}}); err != nil {
		t.Error(err)
	}
}

func TestLoadBalancer_HasAnInterfaceUntilItIsDeleted(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	lb := must(w.DescribeLoadBalancers(t.Context(), nil, []string{"shop"}))[0]
	interfaces := must(w.network.NetworkInterfaces(nil))
	if len(interfaces) != 1 || interfaces[0].Description != "ELB "+lb.ID() || interfaces[0].Address != lb.VPCAddress {
		t.Fatalf("interfaces are %+v", interfaces)
	}
	snapshot := w.node.last()
	if snapshot.LoadBalancers[0].Source != lb.VPCAddress || snapshot.TargetGroups[0].Source != lb.VPCAddress {
		t.Errorf("sources differ from %s: %+v", lb.VPCAddress, snapshot)
	}
	w.register(tg, userIP)
	if err := w.DeleteLoadBalancer(t.Context(), lb.ARN); err != nil {
		t.Fatal(err)
	}
	if left := must(w.network.NetworkInterfaces(nil)); len(left) != 0 {
		t.Errorf("interfaces left: %+v", left)
	}
	if h := w.health(tg, userIP); h.State != Unused {
		t.Errorf("its target is %s; want unused", h.State)
	}
	if len(w.node.last().LoadBalancers) != 0 {
		t.Error("the node still has it")
	}
}

func TestLoadBalancer_ThatCouldNotBeStoredLeavesNoInterface(t *testing.T) {
	w := newWorld(t, Config{})
	w.store.Fail = errors.New("disk full")
	if _, err := w.CreateLoadBalancer(t.Context(), CreateLoadBalancerInput{Name: "shop", Subnets: w.subnets[:2]}); !errors.Is(err, w.store.Fail) {
		t.Errorf("error is %v; want %v", err, w.store.Fail)
	}
	if left := must(w.network.NetworkInterfaces(nil)); len(left) != 0 {
		t.Errorf("interfaces left: %+v", left)
	}
	if all := must(w.DescribeLoadBalancers(t.Context(), nil, nil)); len(all) != 0 {
		t.Errorf("it is described: %+v", all)
	}
}

func TestOpen_ReleasesInterfacesOfBalancersThatAreGone(t *testing.T) {
	w := newWorld(t, Config{})
	w.serving()
	w.store = &storetest.Memory{}
	w.open(Config{})
	if left := must(w.network.NetworkInterfaces(nil)); len(left) != 0 {
		t.Errorf("interfaces left: %+v", left)
	}
}

func TestListener_ATakenPortCreatesNothing(t *testing.T) {
	w := newWorld(t, Config{})
	lb, tg := w.loadBalancer("shop"), w.targetGroup("users")
	w.register(tg, userIP)
	w.node.take("127.0.0.1:80", syscall.EADDRINUSE)
	_, err := w.CreateListener(t.Context(), CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTP", Port: 80, DefaultActions: forwardTo(tg.ARN)})
	wantError(t, err, "InvalidConfigurationRequest", "127.0.0.1:80: listen tcp")
	for _, part := range []string{"address already in use", "ss -ltnp 'sport = :80'", "--port-offset"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not tell %q", err, part)
		}
	}
	if all := must(w.DescribeListeners(t.Context(), lb.ARN, nil)); len(all) != 0 || len(w.view.Load().rules.rows) != 0 {
		t.Errorf("left behind: %+v", all)
	}
	if h := w.health(tg, userIP); h.State != Unused {
		t.Errorf("its target is %s; want unused", h.State)
	}
	if lb := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0]; lb.State.Code != "active" {
		t.Errorf("the load balancer is %+v", lb.State)
	}
	w.node.take("127.0.0.1:80", syscall.EACCES)
	_, err = w.CreateListener(t.Context(), CreateListenerInput{LoadBalancerARN: lb.ARN, Protocol: "HTTP", Port: 80, DefaultActions: forwardTo(tg.ARN)})
	wantError(t, err, "InvalidConfigurationRequest", "Ports below 1024 need root")
}

func TestListener_ModifyToATakenPortKeepsTheOldOne(t *testing.T) {
	w := newWorld(t, Config{PortOffset: 8000})
	tg := w.targetGroup("users")
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(tg.ARN))
	w.node.take("127.0.0.1:8081", syscall.EADDRINUSE)
	_, err := w.ModifyListener(t.Context(), ModifyListenerInput{ListenerARN: l.ARN, Port: 81})
	wantError(t, err, "InvalidConfigurationRequest", "127.0.0.1:8081")
	if now := must(w.DescribeListeners(t.Context(), "", []string{l.ARN}))[0]; now.Port != 80 || now.Address.Port() != 8080 || now.Problem != "" {
		t.Errorf("the listener is %+v", now)
	}
	moved := must(w.ModifyListener(t.Context(), ModifyListenerInput{ListenerARN: l.ARN, Port: 82}))
	if moved.Address != netip.MustParseAddrPort("127.0.0.1:8082") {
		t.Errorf("moved to %s", moved.Address)
	}
}

func TestListener_TheSamePortOfAnotherBalancerGetsTheNextAddress(t *testing.T) {
	w := newWorld(t, Config{})
	fixed := []Action{{Type: "fixed-response", FixedResponseConfig: &FixedResponseConfig{StatusCode: "200"}}}
	first, other := w.loadBalancer("first"), w.loadBalancer("other")
	for _, want := range []struct {
		lb      LoadBalancer
		port    int
		address string
	}{{first, 80, "127.0.0.1:80"}, {other, 80, "127.0.0.2:80"}, {other, 81, "127.0.0.2:81"}, {first, 81, "127.0.0.1:81"}} {
		if l := w.listener(want.lb.ARN, want.port, fixed); l.Address.String() != want.address {
			t.Errorf("listener on %d is at %s; want %s", want.port, l.Address, want.address)
		}
	}
	w.open(Config{})
	all := must(w.DescribeLoadBalancers(t.Context(), nil, []string{"other"}))
	if all[0].Address.String() != "127.0.0.2" {
		t.Errorf("after a restart its address is %s", all[0].Address)
	}
}

func TestOpen_ATakenPortIsReportedAndTriedAgain(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		w.serving()
		w.node.take("127.0.0.1:80", syscall.EADDRINUSE)
		w.open(Config{})
		lb := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0]
		l := must(w.DescribeListeners(t.Context(), lb.ARN, nil))[0]
		if lb.State.Code != "active_impaired" || !strings.Contains(l.Problem, "127.0.0.1:80") {
			t.Errorf("load balancer is %+v, problem is %q", lb.State, l.Problem)
		}
		if warnings := w.store.Told(timeline.Warning); len(warnings) != 1 || warnings[0].Subject != l.ARN {
			t.Errorf("warnings are %+v", warnings)
		}
		w.node.take("127.0.0.1:80", nil)
		go w.Run(t.Context())
		time.Sleep(FastPace.Retry + time.Millisecond)
		synctest.Wait()
		if lb := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0]; lb.State.Code != "active" {
			t.Errorf("after the port is free: %+v", lb.State)
		}
	})
}

func TestAttributes_DefaultsAndWarnings(t *testing.T) {
	w := newWorld(t, Config{})
	tg, lb := w.targetGroup("users"), w.loadBalancer("shop")
	got := map[string]string{}
	for _, a := range must(w.DescribeLoadBalancerAttributes(t.Context(), lb.ARN)) {
		got[a.Key] = a.Value
	}
	for _, a := range must(w.DescribeTargetGroupAttributes(t.Context(), tg.ARN)) {
		got[a.Key] = a.Value
	}
	for key, value := range map[string]string{
		"idle_timeout.timeout_seconds": "60", "client_keep_alive.seconds": "3600", "routing.http2.enabled": "true",
		"routing.http.desync_mitigation_mode": "defensive", "deregistration_delay.timeout_seconds": "300",
		"load_balancing.algorithm.type": "round_robin", "stickiness.lb_cookie.duration_seconds": "86400",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
	} {
		if got[key] != value {
			t.Errorf("%s is %q; want %q", key, got[key], value)
		}
	}
	must(w.ModifyTargetGroupAttributes(t.Context(), tg.ARN, []Attribute{{"slow_start.duration_seconds", "30"}, {"load_balancing.cross_zone.enabled", "false"}}))
	warnings := w.store.Told(timeline.Warning)
	if len(warnings) != 1 || warnings[0].Data["field"] != "load_balancing.cross_zone.enabled" {
		t.Errorf("warnings are %+v; want one on cross-zone load balancing", warnings)
	}
}

func TestModifyTargetGroup_ReachesTheNode(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.serving()
	if h := tg.HealthCheck; h.IntervalSeconds != 30 || h.TimeoutSeconds != 5 || h.HealthyThresholdCount != 5 || h.UnhealthyThresholdCount != 2 ||
		h.Path != "/" || h.Port != "traffic-port" || h.Matcher != "200" || h.Protocol != "HTTP" {
		t.Errorf("defaults are %+v", h)
	}
	w.register(tg, userIP)
	w.probe(tg, userIP, node.Healthy)
	must(w.ModifyTargetGroup(t.Context(), tg.ARN, HealthCheck{IntervalSeconds: 10, Port: "8081", Path: "/health", Matcher: "200-299"}))
	if h := w.node.last().TargetGroups[0].HealthCheck; h.Interval != 10*time.Second || h.Port != 8081 || h.Path != "/health" || h.Matcher != "200-299" {
		t.Errorf("the node checks %+v", h)
	}
	if h := w.health(tg, userIP); h.State != Healthy || h.HealthCheckPort != "8081" {
		t.Errorf("the target is %+v; want healthy as before, checked on 8081", h)
	}
}

func TestRules_BothFormsOfAConditionAreDescribed(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.targetGroup("users")
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(tg.ARN))
	rule := must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: 7, Actions: forwardTo(tg.ARN), Conditions: []Condition{
		{Field: "host-header", HostHeaderConfig: &ValuesConfig{Values: []string{"*.example.com"}}}, {Field: "path-pattern", Values: []string{"/a"}},
	}}))
	for _, c := range rule.Conditions {
		if len(c.Values) != 1 || c.HostHeaderConfig == nil && c.PathPatternConfig == nil {
			t.Errorf("condition is %+v", c)
		}
	}
	config := rule.Actions[0].ForwardConfig
	if rule.Actions[0].TargetGroupARN != tg.ARN || len(config.TargetGroups) != 1 || *config.TargetGroups[0].Weight != 1 {
		t.Errorf("action is %+v", rule.Actions[0])
	}
}

func TestRules_PrioritiesChangeAllAtOnce(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.targetGroup("users")
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(tg.ARN))
	rule := func(priority int, path string) Rule {
		return must(w.CreateRule(t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: priority, Conditions: pathIs(path), Actions: forwardTo(tg.ARN)}))
	}
	one, ten := rule(1, "/a"), rule(10, "/b")
	must(w.SetRulePriorities(t.Context(), []RulePriority{{one.ARN, 10}, {ten.ARN, 1}}))
	rules := w.node.last().LoadBalancers[0].Listeners[0].Rules
	if len(rules) != 3 || rules[0].ARN != ten.ARN || rules[1].ARN != one.ARN || rules[2].Priority != "default" {
		t.Errorf("the node evaluates %+v", rules)
	}
}

func TestTags_AddReplaceRemove(t *testing.T) {
	w := newWorld(t, Config{})
	tg := w.targetGroup("users")
	l := w.listener(w.loadBalancer("shop").ARN, 80, forwardTo(tg.ARN))
	arns := []string{tg.ARN, l.ARN, must(w.DescribeRules(t.Context(), l.ARN, nil))[0].ARN, l.LoadBalancerARN}
	for _, tags := range [][]Tag{{{"a", "1"}, {"b", "2"}}, {{"a", "3"}}} {
		if err := w.AddTags(t.Context(), arns, tags); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.RemoveTags(t.Context(), arns, []string{"b", "c"}); err != nil {
		t.Fatal(err)
	}
	for i, d := range must(w.DescribeTags(t.Context(), arns)) {
		if d.ResourceARN != arns[i] || !reflect.DeepEqual(d.Tags, []Tag{{"a", "3"}}) {
			t.Errorf("tags are %+v", d)
		}
	}
}

func TestChanges_TellsEverySubscriberUntilItsContextEnds(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		ctx, stop := context.WithCancel(t.Context())
		first, second := w.Changes(ctx), w.Changes(t.Context())
		w.targetGroup("users")
		<-first
		<-second
		stop()
		synctest.Wait()
		w.targetGroup("orders")
		<-second
		select {
		case <-first:
			t.Error("a subscriber whose context ended was told")
		default:
		}
	})
}

// fill makes a bit of everything.
func (w *world) fill() {
	tg := w.serving()
	w.register(tg, userIP, "172.31.0.51")
	w.probe(tg, userIP, node.Healthy)
	w.deregister(tg, "172.31.0.51")
	orders := w.targetGroup("orders")
	lb := must(w.DescribeLoadBalancers(w.t.Context(), nil, nil))[0]
	l := must(w.DescribeListeners(w.t.Context(), lb.ARN, nil))[0]
	none := 0
	create := func(priority int, action Action, conditions ...Condition) {
		must(w.CreateRule(w.t.Context(), CreateRuleInput{ListenerARN: l.ARN, Priority: priority, Conditions: conditions, Actions: []Action{action}}))
	}
	create(10, Action{Type: "forward", ForwardConfig: &ForwardConfig{TargetGroups: []TargetGroupTuple{{tg.ARN, nil}, {orders.ARN, &none}}}},
		Condition{Field: "host-header", Values: []string{"shop.example.com"}},
		Condition{Field: "http-header", HTTPHeaderConfig: &HTTPHeaderConfig{HTTPHeaderName: "X-Beta", Values: []string{"yes"}}})
	create(9, Action{Type: "redirect", RedirectConfig: &RedirectConfig{StatusCode: "HTTP_301", Protocol: "HTTPS", Port: "443"}},
		Condition{Field: "query-string", QueryStringConfig: &QueryStringConfig{[]QueryStringKeyValue{{"v", "2"}}}},
		Condition{Field: "http-request-method", HTTPRequestMethodConfig: &ValuesConfig{Values: []string{"GET"}}})
	create(100, Action{Type: "fixed-response", FixedResponseConfig: &FixedResponseConfig{StatusCode: "404", ContentType: "application/json", MessageBody: `{"error": "Not Found"}`}},
		Condition{Field: "source-ip", SourceIPConfig: &ValuesConfig{Values: []string{"10.0.0.0/8"}}})
	must(w.ModifyLoadBalancerAttributes(w.t.Context(), lb.ARN, []Attribute{{"idle_timeout.timeout_seconds", "30"}}))
}

func TestSnapshot_Golden(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{PortOffset: 8000})
		w.fill()
		got, err := json.MarshalIndent(w.node.last(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		vpcAddress := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0].VPCAddress.String()
		got = bytes.ReplaceAll(got, []byte(vpcAddress), []byte("192.0.2.1")) // the network's choice
		key := must(json.Marshal(w.node.last().CookieKey))
		got = bytes.ReplaceAll(got, key, []byte(`"random"`))
		golden := filepath.Join("testdata", "snapshot.json")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			os.MkdirAll("testdata", 0o755)
			os.WriteFile(golden, append(got, '\n'), 0o644)
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got)+"\n" != string(want) {
			t.Errorf("the snapshot differs from %s (UPDATE_GOLDEN=1 rewrites it):\n%s", golden, got)
		}
	})
}

func TestOpen_FindsEverythingAgain(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		w.fill()
		before, targets := w.node.last(), w.Targets()
		w.open(Config{})
		after := w.node.last()
		if after.Version <= before.Version {
			t.Errorf("version went from %d to %d", before.Version, after.Version)
		}
		after.Version = before.Version
		a, b := must(json.Marshal(before)), must(json.Marshal(after))
		if string(a) != string(b) {
			t.Errorf("the snapshot was\n%s\nand is\n%s", a, b)
		}
		same := func(a, b TargetHealth) bool {
			return a.State == b.State && a.Registration == b.Registration && a.DrainUntil.Equal(b.DrainUntil)
		}
		if !maps.EqualFunc(targets, w.Targets(), same) {
			t.Errorf("targets were %+v and are %+v", targets, w.Targets())
		}
	})
}

// TestDrain_NeverGoesBack lets users, health checks and time do what they like.
func TestDrain_NeverGoesBack(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { // without Deadline, which a bubble does not have
			w := newWorld(t, Config{Pace: rapid.SampledFrom([]Pace{FastPace, AWSPace}).Draw(rt, "pace")})
			tg := w.serving()
			ips := []string{userIP, "172.31.0.51"}
			draining := map[string]time.Time{}
			rt.Repeat(map[string]func(*rapid.T){
				"register":   func(rt *rapid.T) { w.register(tg, rapid.SampledFrom(ips).Draw(rt, "ip")) },
				"deregister": func(rt *rapid.T) { w.deregister(tg, rapid.SampledFrom(ips).Draw(rt, "ip")) },
				"probe": func(rt *rapid.T) {
					seen := append(must(w.registrationIDs()), "reg-0")
					w.probeRegistration(tg, rapid.SampledFrom(seen).Draw(rt, "registration"),
						rapid.SampledFrom([]node.State{node.Initial, node.Healthy, node.Unhealthy}).Draw(rt, "state"))
				},
				"sleep": func(rt *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 200).Draw(rt, "seconds")) * time.Second)
					w.pass(t.Context())
				},
				"restart": func(*rapid.T) { w.open(w.config) },
				"": func(rt *rapid.T) {
					for id, r := range w.view.Load().registrations.rows {
						if until, ok := draining[id]; ok && (r.State != Draining || !r.DrainUntil.Equal(until)) {
							rt.Fatalf("%s drained until %v; now it is %+v", id, until, r)
						}
						if r.State == Draining {
							draining[id] = r.DrainUntil
						}
					}
					for id, until := range draining {
						if w.view.Load().registrations.rows[id] == nil && time.Now().Before(until) {
							rt.Fatalf("%s is gone before %v", id, until)
						}
					}
				},
			})
		})
	})
}

func (w *world) registrationIDs() ([]string, error) {
	var ids []string
	for _, r := range w.view.Load().allRegistrations() {
		ids = append(ids, r.ID)
	}
	return ids, nil
}
