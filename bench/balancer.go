package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
	peer, err := b.startNginx(ctx, targets)
	if err != nil {
		return err
	}
	var ours, theirs loads
	for round := range b.rounds {
		b.say("balancer: round %d of %d", round+1, b.rounds)
		if err := ours.round(ctx, s.balancer(), s.process.Pid); err != nil {
			return err
		}
		if peer == nil {
			continue
		}
		if err := theirs.round(ctx, peer.at, peer.process.Pid); err != nil {
			return err
		}
	}
	b.reportLoads(peer, ours, theirs)
	return nil
}

func (b *bench) reportLoads(peer *nginx, ours, theirs loads) {
	cpu := figure{Section: "balancer", Name: "small requests, kept connections: CPU a request", Unit: "µs", Rounds: ours.cpu, PeerRounds: theirs.cpu}
	rate := figure{Section: "balancer", Name: "  the same: requests a second", Unit: "/s", Rounds: ours.rate, PeerRounds: theirs.rate}
	if peer != nil {
		cpu.Peer, rate.Peer = "nginx, 1 worker", "nginx, 1 worker"
	}
	b.report.add(cpu)
	b.report.add(rate)
	if peer == nil {
		b.report.skip("balancer", "beside nginx", "nginx is not installed")
	}
}

// loads are the rounds of one balancer.
type loads struct{ cpu, rate []float64 }

// round loads a balancer and notes what a request cost its process.
func (l *loads) round(ctx context.Context, at netip.AddrPort, pid int) error {
	if _, err := load(ctx, at, connections, loadTime/6); err != nil { // warms up
		return err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	n, err := load(ctx, at, connections, loadTime)
	if err != nil {
		return err
	}
	after, err := cpuTime(pid)
	l.cpu = append(l.cpu, float64((after-before).Microseconds())/float64(n))
	l.rate = append(l.rate, float64(n)/loadTime.Seconds())
	return err
}

// nginx is the peer, in one process.
type nginx struct {
	at      netip.AddrPort
	process *os.Process
}

// startNginx returns nil if nginx is not installed.
func (b *bench) startNginx(ctx context.Context, targets []netip.AddrPort) (*nginx, error) {
	file, err := findNginx()
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
	cmd := exec.Command(file, "-p", b.dir, "-c", config, "-e", filepath.Join(b.dir, "nginx.error"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n.process = cmd.Process
	b.onEnd(func(context.Context) error {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait() // how it ends does not matter
		return nil
	})
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := answers(limited, n.at); err != nil {
		text, _ := os.ReadFile(filepath.Join(b.dir, "nginx.error"))
		return nil, fmt.Errorf("nginx: %w: %.500s", err, text)
	}
	return n, nil
}

func findNginx() (string, error) {
	if file, err := exec.LookPath("nginx"); err == nil {
		return file, nil
	}
	return exec.LookPath("/usr/sbin/nginx")
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
