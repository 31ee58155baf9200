package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/network"
	docker "github.com/docker/docker/client"
	"github.com/urfave/cli/v2"

	"drydock/alb/control"
)

// Verdict is the result of one check.
type Verdict string

// The verdicts. Only a failure keeps drydock from doing its main job.
const (
	VerdictOK   Verdict = "ok"
	VerdictWarn Verdict = "warn"
	VerdictFail Verdict = "fail"
)

// Check is one line of `drydock doctor`.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Remedy  string  `json:"remedy,omitempty"`
}

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "check what drydock needs on this machine, with a remedy for what is missing",
		Description: "Exits 1 if a check fails; warnings are about abilities you may not need.\n\nExample:\n  drydock doctor",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "state-dir", EnvVars: twin("state-dir"), Value: defaultStateDir(), Usage: "`DIR` of the daemon's state"},
			&cli.StringFlag{Name: "vpc-cidr", EnvVars: twin("vpc-cidr"), Value: "172.31.0.0/16", Usage: "`CIDR` of the default VPC"},
			&cli.IntFlag{Name: "port-offset", EnvVars: twin("port-offset"), Usage: "what the daemon adds to listener ports"},
			outputFlag(),
			endpointFlag(),
		},
		Action: doctorAction,
	}
}

func doctorAction(c *cli.Context) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	cidr, err := netip.ParsePrefix(c.String("vpc-cidr"))
	if err != nil {
		return usagef("--vpc-cidr %q is not a range: it looks like 172.31.0.0/16", c.String("vpc-cidr"))
	}
	ctx, cancel := context.WithTimeout(c.Context, 30*time.Second)
	defer cancel()
	status, statusErr := api.status(ctx)
	checks := []Check{
		checkDocker(ctx),
		checkDaemon(api, status, statusErr),
		checkNode(status, c.String("state-dir")),
		checkPrivileges(),
		checkMetadata(status),
		checkTool("iptables", "security groups"),
		checkTool("ipset", "security groups"),
		checkSysctl("net/ipv4/ip_forward", "1", "tasks cannot reach each other through the host", "Docker sets it; `sysctl -w net.ipv4.ip_forward=1`"),
		checkSysctl("net/bridge/bridge-nf-call-iptables", "1", "security groups cannot be enforced between tasks", "`modprobe br_netfilter` and `sysctl -w net.bridge.bridge-nf-call-iptables=1`"),
		checkListenerPort(status, 80+c.Int("port-offset")),
		checkRange(ctx, status, cidr),
		checkStateDir(c.String("state-dir")),
	}
	return printChecks(c, append(checks, checkLeftovers(ctx)...))
}

func printChecks(c *cli.Context, checks []Check) error {
	failed := false
	for _, check := range checks {
		failed = failed || check.Verdict == VerdictFail
	}
	if wantsJSON(c) {
		if err := printJSON(c.App.Writer, checks); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.App.Writer, checksText(newScreen(c.App.Writer), checks))
	}
	if failed {
		return errReported
	}
	return nil
}

func checksText(s *screen, checks []Check) string {
	colors := map[Verdict]string{VerdictOK: green, VerdictWarn: yellow, VerdictFail: red}
	var t table
	for _, check := range checks {
		text := check.Found
		if check.Remedy != "" {
			text += ": " + check.Remedy
		}
		t.add(s.paint(colors[check.Verdict], string(check.Verdict)), check.Name, text)
	}
	return t.String()
}

func checkDocker(ctx context.Context) Check {
	c := Check{Name: "Docker", Verdict: VerdictFail}
	engine, err := docker.NewClientWithOpts(docker.FromEnv, docker.WithAPIVersionNegotiation())
	if err != nil {
		c.Found, c.Remedy = err.Error(), "check DOCKER_HOST"
		return c
	}
	defer engine.Close()
	info, err := engine.Info(ctx)
	switch {
	case errors.Is(err, os.ErrPermission), err != nil && strings.Contains(err.Error(), "permission denied"):
		c.Found, c.Remedy = "no permission for "+engine.DaemonHost(), "run as root, or `sudo usermod -aG docker $USER` and log in again"
	case err != nil:
		c.Found, c.Remedy = "no engine answers at "+engine.DaemonHost(), "start it (`sudo systemctl start docker` or `sudo dockerd`), or install it (`sudo apt-get install docker.io`)"
	default:
		c.Verdict, c.Found = VerdictOK, fmt.Sprintf("engine %s, API %s, %d CPUs, %d MiB", info.ServerVersion, engine.ClientVersion(), info.NCPU, info.MemTotal>>20)
	}
	return c
}

func checkDaemon(api *client, status *Status, err error) Check {
	c := Check{Name: "daemon", Verdict: VerdictWarn}
	if err == nil {
		d := status.Daemon
		c.Verdict, c.Found = VerdictOK, fmt.Sprintf("%s at %s, pid %d, security groups %s", d.Version, api.endpoint, d.PID, d.SecurityGroups)
		return c
	}
	var unreachable *unreachableError
	if !errors.As(err, &unreachable) {
		c.Verdict, c.Found, c.Remedy = VerdictFail, "port taken", err.Error()
		return c
	}
	c.Found, c.Remedy = "none answers at "+api.endpoint, "start one with `drydock daemon` (or `make run`)"
	if u, err := url.Parse(api.endpoint); err == nil && errors.Is(listenable(u.Host), syscall.EADDRINUSE) {
		c.Verdict, c.Found = VerdictFail, u.Host+" is taken by something that does not answer"
		c.Remedy = "stop it, or use another port: `drydock daemon --listen 127.0.0.1:4567`"
	}
	return c
}

// checkNode looks for the load balancers' process, which goes on without a daemon.
func checkNode(status *Status, stateDir string) Check {
	c := Check{Name: "load balancer node", Verdict: VerdictOK}
	switch pid := control.Holder(stateDir); {
	case status != nil && status.Node != nil && status.Node.Error != "":
		c.Verdict, c.Found = VerdictFail, status.Node.Error
		c.Remedy = "see its log, " + control.LogFile(status.Daemon.StateDir)
	case status != nil && status.Node != nil:
		c.Found = status.Node.words(time.Now())
	case pid != 0:
		c.Found = fmt.Sprintf("pid %d goes on without a daemon", pid)
		c.Verdict, c.Remedy = VerdictWarn, "`drydock daemon` takes it over, `drydock down --all` ends it"
	default:
		c.Found = "none runs: the daemon starts it"
	}
	return c
}

func checkPrivileges() Check {
	if os.Geteuid() == 0 {
		return Check{Name: "privileges", Verdict: VerdictOK, Found: "root"}
	}
	return Check{Name: "privileges", Verdict: VerdictWarn, Found: "not root, so security groups are not enforced, and tasks do not reach the load balancers", Remedy: "start the daemon with sudo to enforce them"}
}

// checkMetadata looks whether tasks find the agent at 169.254.170.2.
func checkMetadata(status *Status) Check {
	c := Check{Name: "task metadata", Verdict: VerdictOK, Found: "no daemon serves it"}
	switch {
	case status == nil:
	case strings.HasPrefix(status.Daemon.TaskMetadata, "NOT SERVED"):
		c.Verdict, c.Found, c.Remedy = VerdictWarn, status.Daemon.TaskMetadata, "tasks have no metadata, credentials and task protection until then"
	default:
		c.Found = status.Daemon.TaskMetadata
	}
	return c
}

func checkTool(name, purpose string) Check {
	path, err := exec.LookPath(name)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if path, err = exec.LookPath(filepath.Join(dir, name)); err == nil {
				break
			}
		}
	}
	if err != nil {
		return Check{Name: name, Verdict: VerdictWarn, Found: "not installed, so " + purpose + " are not enforced", Remedy: "`sudo apt-get install " + name + "`"}
	}
	return Check{Name: name, Verdict: VerdictOK, Found: path}
}

func checkSysctl(name, want, consequence, remedy string) Check {
	dotted := strings.ReplaceAll(name, "/", ".")
	data, err := os.ReadFile("/proc/sys/" + name)
	value := strings.TrimSpace(string(data))
	if err != nil {
		return Check{Name: dotted, Verdict: VerdictWarn, Found: "absent, so " + consequence, Remedy: remedy}
	}
	if value != want {
		return Check{Name: dotted, Verdict: VerdictWarn, Found: "is " + value + ", so " + consequence, Remedy: remedy}
	}
	return Check{Name: dotted, Verdict: VerdictOK, Found: value}
}

// checkListenerPort looks whether a load balancer could listen, unless one of ours does.
func checkListenerPort(status *Status, port int) Check {
	address := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	c := Check{Name: "listener port", Verdict: VerdictOK, Found: address + " is free"}
	if status != nil && len(status.LoadBalancers) > 0 {
		return checkListeners(status)
	}
	err := listenable(address)
	switch {
	case errors.Is(err, syscall.EACCES):
		c.Verdict, c.Found = VerdictWarn, "no permission to listen on "+address
		c.Remedy = "start the daemon with `--port-offset 8000` (port 80 becomes 8080), or `sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80`"
	case errors.Is(err, syscall.EADDRINUSE):
		c.Verdict, c.Found = VerdictWarn, address+" is taken by another program"
		c.Remedy = "stop it, or start the daemon with `--port-offset 8000` or `--alb-address 127.0.0.2`"
	case err != nil:
		c.Verdict, c.Found, c.Remedy = VerdictWarn, err.Error(), "choose another with `drydock daemon --alb-address`"
	}
	return c
}

func checkListeners(status *Status) Check {
	c := Check{Name: "listener port", Verdict: VerdictOK}
	var urls []string
	for _, lb := range status.LoadBalancers {
		for _, l := range lb.Listeners {
			if l.Error != "" {
				return Check{Name: c.Name, Verdict: VerdictFail, Found: lb.Name + " does not listen on " + l.URL + ": " + l.Error, Remedy: "free the port, or restart the daemon with --port-offset"}
			}
			urls = append(urls, l.URL)
		}
	}
	c.Found = "load balancers listen on " + orDash(strings.Join(urls, ", "))
	return c
}

// listenable returns why nothing can listen on an address, or nil.
func listenable(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// checkRange looks for networks that overlap with the VPC.
func checkRange(ctx context.Context, status *Status, cidr netip.Prefix) Check {
	c := Check{Name: "VPC range", Verdict: VerdictOK, Found: cidr.String() + " is free"}
	if status != nil && status.Daemon.CIDR != "" {
		c.Found = status.Daemon.CIDR + " in use by " + status.Daemon.VPC
		return c
	}
	clash := hostClash(cidr)
	if other := dockerClash(ctx, cidr); other != "" {
		clash = other
	}
	if clash != "" {
		c.Verdict, c.Found = VerdictWarn, cidr.String()+" overlaps "+clash
		c.Remedy = "the daemon will take another range; to choose it: `drydock daemon --vpc-cidr 10.99.0.0/16`"
	}
	return c
}

func hostClash(cidr netip.Prefix) string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(cidr) {
				return "host interface " + i.Name + " (" + p.String() + ")"
			}
		}
	}
	return ""
}

func dockerClash(ctx context.Context, cidr netip.Prefix) string {
	engine, err := docker.NewClientWithOpts(docker.FromEnv, docker.WithAPIVersionNegotiation())
	if err != nil {
		return ""
	}
	defer engine.Close()
	networks, err := engine.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return ""
	}
	for _, n := range networks {
		for _, pool := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(pool.Subnet); err == nil && p.Overlaps(cidr) {
				return "Docker network " + n.Name + " (" + pool.Subnet + ")"
			}
		}
	}
	return ""
}

// checkStateDir looks whether the directory, or the nearest that exists above it, can be written.
func checkStateDir(dir string) Check {
	c := Check{Name: "state directory", Verdict: VerdictOK, Found: dir}
	existing := dir
	for {
		info, err := os.Stat(existing)
		if err == nil && !info.IsDir() {
			c.Verdict, c.Found, c.Remedy = VerdictFail, existing+" is not a directory", "choose another with `drydock daemon --state-dir DIR`"
			return c
		}
		if err == nil || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	if err := syscall.Access(existing, 2); err != nil {
		c.Verdict, c.Found, c.Remedy = VerdictFail, existing+" cannot be written", "run as its owner, or choose another with `drydock daemon --state-dir DIR`"
	} else if existing != dir {
		c.Found += " (will be made)"
	}
	return c
}
