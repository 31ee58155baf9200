package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/template"
)

// proxy is one of the balancers that are compared. Each serves HTTP as plainPort, and HTTPS as
// p256Port and rsaPort.
type proxy interface {
	name() string
	// on is where the proxy serves what has this port.
	on(port int) netip.AddrPort
	// start returns when the proxy answers.
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// processes are those whose CPU time and memory count.
	processes() []int
	// lacks says why the proxy does not serve a port; nil if it does.
	lacks(port int) error
}

const (
	plainPort = 80
	p256Port  = 443
	rsaPort   = 444
)

// ruleCount is how many rules each proxy checks before a request takes its default: the last
// of them is /ws.
const ruleCount = 10

// rival is a proxy that is not ours.
type rival struct {
	*program
	title   string // also its program's name in small letters
	address netip.Addr
	core    int
	dir     string
	config  *template.Template
	args    func(config string) []string
	file    string
	keys    keys
}

func (r *rival) name() string       { return r.title }
func (r *rival) lacks(int) error    { return nil }
func (r *rival) processes() []int   { return family(r.Pid) }
func (r *rival) configFile() string { return filepath.Join(r.dir, "config") }

func (r *rival) on(port int) netip.AddrPort { return netip.AddrPortFrom(r.address, uint16(port)) }

func (r *rival) start(ctx context.Context) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.configFile(), []byte(text), 0o600); err != nil {
		return err
	}
	if r.program, err = startProgram(r.core, r.dir, r.file, r.args(r.configFile())...); err != nil {
		return err
	}
	return r.awaitAnswer(ctx, r.on(plainPort))
}

// text is the proxy's configuration.
func (r *rival) text() (string, error) {
	var text strings.Builder
	err := r.config.Execute(&text, map[string]any{
		"Dir": r.dir, "At": r.address, "Rules": ruleCount - 1, "Keys": r.keys,
		"Static": targetsAt(3, staticPort), "Echo": targetsAt(3, echoPort),
		"Grown": targetsAt(1000, staticPort), "GrownTargets": grownTargets, "GrownRules": grownRules,
	})
	return text.String(), err
}

// newNginx makes the peer nginx: a master and one worker.
func (b *bench) newNginx(core int, k keys) (*rival, error) {
	file, err := find("nginx")
	if err != nil {
		return nil, err
	}
	r := &rival{title: "nginx", address: netip.MustParseAddr("127.0.0.2"), core: core, dir: filepath.Join(b.dir, "nginx"), config: nginxTemplate, file: file, keys: k}
	r.args = func(config string) []string { return []string{"-p", r.dir, "-c", config, "-e", "stderr"} }
	return r, os.MkdirAll(r.dir, 0o700)
}

// newHAProxy makes the peer HAProxy: one process with one thread, which logs to a socket.
func (b *bench) newHAProxy(core int, k keys) (*rival, error) {
	file, err := find("haproxy")
	if err != nil {
		return nil, err
	}
	r := &rival{title: "HAProxy", address: netip.MustParseAddr("127.0.0.3"), core: core, dir: filepath.Join(b.dir, "haproxy"), config: haproxyTemplate, file: file, keys: k}
	r.args = func(config string) []string { return []string{"-db", "-f", config} }
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	return r, b.drain(filepath.Join(r.dir, "log"))
}

// logged counts the lines that were drained.
var logged atomic.Int64

// drain takes in what is logged to a datagram socket, as a log daemon would.
func (b *bench) drain(file string) error {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: file, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("take in logs: %w", err)
	}
	b.onEnd(func(context.Context) error { return conn.Close() })
	go func() {
		line := make([]byte, 4096)
		for {
			if _, err := conn.Read(line); err != nil {
				return
			}
			logged.Add(1)
		}
	}()
	return nil
}

// nginxTemplate has nginx do what the balancer does: round robin over kept connections,
// forwarding headers, ten rules, an access log; its buffers hold 64 KiB.
var nginxTemplate = template.Must(template.New("nginx").Parse(`daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {{.Dir}}/pid;
events { worker_connections 16384; }
http {
  access_log {{.Dir}}/access combined buffer=64k flush=1s;
  client_body_temp_path {{.Dir}}/body;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  http2_max_concurrent_streams 256;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  proxy_http_version 1.1;
  proxy_buffer_size 16k;
  proxy_buffers 4 64k;
  proxy_busy_buffers_size 128k;
  proxy_max_temp_file_size 0;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Port $server_port;
  upstream static {
{{range .Static}}    server {{.}};
{{end}}{{template "kept"}}  }
  upstream echo {
{{range .Echo}}    server {{.}};
{{end}}  }
{{range .GrownTargets}}  upstream targets-{{.Size}} {
{{range slice $.Grown 0 .Size}}    server {{.}};
{{end}}{{template "kept"}}  }
  server {
    listen {{$.At}}:{{.Port}} backlog=4096;
    location / { proxy_pass http://targets-{{.Size}}; }
  }
{{end}}{{range .GrownRules}}  server {
    listen {{$.At}}:{{.Port}} backlog=4096;
{{range $n := .Size}}    location ^~ /rule-{{$n}}/ { proxy_pass http://static; }
{{end}}    location / { proxy_pass http://static; }
  }
{{end}}{{define "kept"}}    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
{{end}}{{define "locations"}}{{range $n := .Rules}}    location ^~ /rule-{{$n}}/ { proxy_pass http://static; }
{{end}}    location / { proxy_pass http://static; }
    location = /ws {
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
      proxy_pass http://echo;
    }
{{end}}  server {
    listen {{.At}}:80 backlog=4096;
{{template "locations" .}}  }
  server {
    listen {{.At}}:443 ssl http2 backlog=4096;
    ssl_certificate {{.Keys.P256}};
    ssl_certificate_key {{.Keys.P256}};
{{template "locations" .}}  }
  server {
    listen {{.At}}:444 ssl http2 backlog=4096;
    ssl_certificate {{.Keys.RSA}};
    ssl_certificate_key {{.Keys.RSA}};
{{template "locations" .}}  }
}
`))

// haproxyTemplate has HAProxy do the same. It splices answers: left to itself (splice-auto) it
// does not, and a MiB costs it twice as much.
var haproxyTemplate = template.Must(template.New("haproxy").Parse(`global
  nbthread 1
  maxconn 13000
  no strict-limits
  log {{.Dir}}/log local0 info
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  log global
  option httplog
  option dontlognull
  option forwardfor
  option splice-response
  http-reuse always
  maxconn 13000
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend all
  bind {{.At}}:80 backlog 4096
  bind {{.At}}:443 ssl crt {{.Keys.P256}} alpn h2,http/1.1 backlog 4096
  bind {{.At}}:444 ssl crt {{.Keys.RSA}} alpn h2,http/1.1 backlog 4096
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Port %[dst_port]
{{range $n := .Rules}}  use_backend static if { path_beg /rule-{{$n}}/ }
{{end}}  use_backend echo if { path /ws }
  default_backend static
backend static
  balance roundrobin
{{range $n, $at := .Static}}  server static{{$n}} {{$at}} check inter 30s
{{end}}{{range .GrownTargets}}frontend targets-{{.Size}}
  bind {{$.At}}:{{.Port}} backlog 4096
  default_backend targets-{{.Size}}
backend targets-{{.Size}}
  balance roundrobin
{{range $n, $at := slice $.Grown 0 .Size}}  server t{{$n}} {{$at}}
{{end}}{{end}}{{range .GrownRules}}frontend rules-{{.Size}}
  bind {{$.At}}:{{.Port}} backlog 4096
{{range $n := .Size}}  use_backend static if { path_beg /rule-{{$n}}/ }
{{end}}  default_backend static
{{end}}backend echo
  balance roundrobin
{{range $n, $at := .Echo}}  server echo{{$n}} {{$at}} check inter 30s
{{end}}`))
