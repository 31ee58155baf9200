package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// connections of the load generator; each has one request under way.
	connections = 32
	// loadTime is how long each round loads each balancer.
	loadTime = 3 * time.Second
)

// measureBalancer measures small requests on kept connections through the balancer to the
// service's tasks, beside nginx in front of the same tasks. It is there to see regressions.
func measureBalancer(ctx context.Context, b *bench) error {
	s, err := b.ensureService(ctx)
	if err != nil {
		return err
	}
	targets, err := s.addresses(ctx)
	if err != nil {
		return err
	}
	if err := s.findNode(ctx); err != nil {
		return err
	}
	peer, err := b.startNginx(ctx, targets)
	if err != nil {
		return err
	}
	var ours, theirs loads
	for round := range b.rounds {
		b.say("balancer: round %d of %d", round+1, b.rounds)
		if err := ours.round(ctx, s.balancer(), s.balancing()); err != nil {
			return err
		}
		if peer == nil {
			continue
		}
		if err := theirs.round(ctx, peer.at, []int{peer.process.Pid}); err != nil {
			return err
		}
	}
	b.reportLoads(peer, ours, theirs)
	return nil
}

func (b *bench) reportLoads(beside *nginx, ours, theirs loads) {
	cpu := figure{Section: "balancer", Name: "small requests, kept connections: CPU a request", Unit: "µs", Rounds: ours.cpu}
	rate := figure{Section: "balancer", Name: "  the same: requests a second", Unit: "/s", Rounds: ours.rate}
	if beside != nil {
		cpu.Peers = []peer{{Name: "nginx, 1 worker", Rounds: theirs.cpu}}
		rate.Peers = []peer{{Name: "nginx, 1 worker", Rounds: theirs.rate}}
	}
	b.report.add(cpu)
	b.report.add(rate)
	if beside == nil {
		b.report.skip("balancer", "beside nginx", "nginx is not installed")
	}
}

// loads are the rounds of one balancer.
type loads struct{ cpu, rate []float64 }

// round loads a balancer and notes what a request cost its process.
func (l *loads) round(ctx context.Context, at netip.AddrPort, pids []int) error {
	if _, err := load(ctx, at, connections, loadTime/6); err != nil { // warms up
		return err
	}
	before, err := usageOf(pids)
	if err != nil {
		return err
	}
	n, err := load(ctx, at, connections, loadTime)
	if err != nil {
		return err
	}
	after, err := usageOf(pids)
	l.cpu = append(l.cpu, float64(after.sub(before).all.Microseconds())/float64(n))
	l.rate = append(l.rate, float64(n)/loadTime.Seconds())
	return err
}

// nginx is the peer, in one process.
type nginx struct {
	at      netip.AddrPort
	process *program
}

// startNginx returns nil if nginx is not installed.
func (b *bench) startNginx(ctx context.Context, targets []netip.AddrPort) (*nginx, error) {
	file, err := find("nginx")
	if err != nil {
		return nil, nil
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	n := &nginx{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(ports[0]))}
	config := filepath.Join(b.dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(nginxConfig(b.dir, n.at, targets)), 0o600); err != nil {
		return nil, err
	}
	if n.process, err = startProgram(anyCore, b.dir, file, "-p", b.dir, "-c", config, "-e", "stderr"); err != nil {
		return nil, err
	}
	b.onEnd(n.process.stop)
	return n, n.process.awaitAnswer(ctx, n.at)
}

// nginxConfig sets nginx up to do what the balancer does: round robin over kept connections,
// forwarding headers, an access log.
func nginxConfig(dir string, at netip.AddrPort, targets []netip.AddrPort) string {
	var servers strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&servers, "    server %s;\n", t)
	}
	return fmt.Sprintf(`daemon off;
master_process off;
worker_processes 1;
pid %[1]s/nginx.pid;
events { worker_connections 1024; }
http {
  access_log %[1]s/nginx.access combined buffer=64k flush=1s;
  client_body_temp_path %[1]s/nginx-body;
  proxy_temp_path %[1]s/nginx-proxy;
  fastcgi_temp_path %[1]s/nginx-fastcgi;
  uwsgi_temp_path %[1]s/nginx-uwsgi;
  scgi_temp_path %[1]s/nginx-scgi;
  keepalive_requests 1000000;
  upstream tasks {
%[2]s    keepalive 64;
    keepalive_requests 1000000;
  }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://tasks;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
    }
  }
}
`, dir, servers.String(), at)
}
