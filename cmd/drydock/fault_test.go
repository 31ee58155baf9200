package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/alb/node"
	"drydock/awsapi/apitest"
	"drydock/network"
)

func TestFault_IsReadFromTheCommandLine(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "stale-connection=widen:2ms": 2 * time.Millisecond, "stale-connection=widen:1m": time.Minute} {
		if got, err := parseFault(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"stale-connection", "stale-connection=widen:", "stale-connection=widen:-1ms", "stale-connection=widen:2m", "widen:2ms", "2ms"} {
		if _, err := parseFault(text); !errors.As(err, new(*usageError)) {
			t.Errorf("%q: %v; want a usage error", text, err)
		}
	}
}

// lastSnapshot keeps what it was given.
type lastSnapshot struct{ node.Snapshot }

func (l *lastSnapshot) Apply(s node.Snapshot) map[string]error { l.Snapshot = s; return nil }

func TestFault_OfATargetGroupByThePrivateAPI(t *testing.T) {
	store, last := &apitest.Store{}, &lastSnapshot{}
	n, err := network.Open(t.Context(), store, network.Config{CIDR: netip.MustParsePrefix("172.31.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	balancer, err := alb.Open(t.Context(), store, last, n, alb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tg, err := balancer.CreateTargetGroup(t.Context(), alb.CreateTargetGroupInput{Name: "web", Protocol: "HTTP", Port: 80, VPCID: n.DefaultVPC().ID, TargetType: "ip"})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{balancer: balancer}
	for _, step := range []struct {
		body   string
		status int
		want   time.Duration
	}{
		{`{"targetGroup": "web", "fault": "stale-connection=widen:2ms"}`, http.StatusOK, 2 * time.Millisecond},
		{`{"targetGroup": "nobody", "fault": "stale-connection=widen:3ms"}`, http.StatusBadRequest, 2 * time.Millisecond},
		{`{"targetGroup": "web", "fault": "stale"}`, http.StatusBadRequest, 2 * time.Millisecond},
		{`web`, http.StatusBadRequest, 2 * time.Millisecond},
		{`{"targetGroup": "` + tg.ARN + `", "fault": ""}`, http.StatusOK, 0},
	} {
		answer := httptest.NewRecorder()
		d.private().ServeHTTP(answer, httptest.NewRequest("POST", "/_drydock/fault", strings.NewReader(step.body)))
		if answer.Code != step.status || last.TargetGroups[0].StaleConnection != step.want {
			t.Errorf("%s: %d %s; the node has %v", step.body, answer.Code, answer.Body, last.TargetGroups[0].StaleConnection)
		}
	}
}
