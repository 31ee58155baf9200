package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/agent"
)

// daemonConfig is what the daemon is told on its command line.
type daemonConfig struct {
	Listen      string
	StateDir    string
	ALBAddress  netip.Addr
	PortOffset  int
	CIDR        netip.Prefix
	Pace        string
	Lags        []string // name=duration
	Region      string
	Account     string
	StrictIDs   bool
	Hooks       string        // directory of commands for lifecycle hooks; empty: none
	Secrets     string        // directory or file of secrets and environment files; empty: none
	Credentials string        // for tasks: none, dummy, profile or profile:NAME
	WarmPool    int           // task interfaces that are kept ready
	Stale       time.Duration // the fault stale-connection, of all target groups
	Verbose     bool
	Leaving     bool // everything is to be removed: no load balancer node is started
}

func daemonCommand() *cli.Command {
	return &cli.Command{
		Name:  "daemon",
		Usage: "run the daemon: ECS, the load balancer and the AWS APIs",
		Description: "The daemon serves the AWS APIs on --listen and runs tasks as Docker containers. It stops on\n" +
			"SIGTERM and leaves containers and load balancers running: the next daemon on the same\n" +
			"--state-dir takes them over.\n\n" +
			"Example:\n   drydock daemon --port-offset 8000        # a listener on port 80 answers on 127.0.0.1:8080 too",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:4566", EnvVars: twin("listen"), Usage: "`ADDRESS` of the AWS APIs; loopback only"},
			&cli.StringFlag{Name: "state-dir", Value: defaultStateDir(), EnvVars: twin("state-dir"), Usage: "`DIR` that keeps everything"},
			&cli.StringFlag{Name: "alb-address", Value: "127.0.0.1", EnvVars: twin("alb-address"), Usage: "`ADDRESS` on which load balancers listen"},
			&cli.IntFlag{Name: "port-offset", EnvVars: twin("port-offset"), Usage: "`N` added to every listener's port, for those who may not bind low ones"},
			&cli.StringFlag{Name: "vpc-cidr", Value: "172.31.0.0/16", EnvVars: twin("vpc-cidr"), Usage: "`CIDR` of the default VPC, when it is first made; another range is taken if this one is in use"},
			&cli.StringFlag{Name: "pace", Value: "fast", EnvVars: twin("pace"), Usage: "`fast`, or aws: AWS's own internal lags too"},
			&cli.StringSliceFlag{Name: "lag", EnvVars: twin("lag"), Usage: "one lag of the pace, such as `target-deregistration=3s`; may be given again; a wrong name lists them all"},
			&cli.StringFlag{Name: "region", Value: "us-east-1", EnvVars: twin("region"), Usage: "`REGION` in ARNs"},
			&cli.StringFlag{Name: "account", Value: "123456789012", EnvVars: twin("account"), Usage: "`ACCOUNT` in ARNs"},
			&cli.StringFlag{Name: "hooks", EnvVars: twin("hooks"), Usage: "`DIR` of programs that lifecycle hooks may run as exec:DIR/NAME; without it they may only call URLs"},
			&cli.StringFlag{Name: "secrets", EnvVars: twin("secrets"), Usage: "`PATH` of the secrets and environment files that task definitions name: a directory with\n" +
				"ssm/NAME, secretsmanager/NAME and s3/BUCKET/KEY, or a YAML or JSON file of names or ARNs and their values"},
			&cli.IntFlag{Name: "warm-pool", Value: defaultWarmPool, EnvVars: twin("warm-pool"), Usage: "keep `N` task interfaces ready, so that tasks start about three times faster; each is a container that sleeps; 0 keeps none"},
			&cli.BoolFlag{Name: "strict-ids", EnvVars: twin("strict-ids"), Usage: "refuse unknown subnet, security group and VPC ids, instead of adopting them"},
			&cli.StringFlag{Name: "credentials", Value: "none", EnvVars: twin("credentials"), Usage: "what tasks with a task role get: `none`, dummy keys, or profile[:NAME]: your own keys of that profile"},
			&cli.StringFlag{Name: "fault", EnvVars: twin("fault"), Usage: "`FAULT` to reproduce: " + faultForm + " uses closed connections to targets once more"},
			&cli.BoolFlag{Name: "verbose", EnvVars: twin("verbose"), Usage: "log every step"},
		},
		Action: daemonAction,
	}
}

const (
	// defaultWarmPool is enough for a replacement, and for a step of most deployments.
	defaultWarmPool = 4
	// maxWarmPool keeps a slip of the finger from filling a small machine with containers.
	maxWarmPool = 200
)

// defaultStateDir is /var/lib/drydock for root and ~/.drydock for others.
func defaultStateDir() string {
	home, err := os.UserHomeDir()
	if os.Geteuid() == 0 || err != nil {
		return "/var/lib/drydock"
	}
	return filepath.Join(home, ".drydock")
}

func daemonAction(c *cli.Context) error {
	config, err := readDaemonConfig(c)
	if err != nil {
		return err
	}
	d, err := openDaemon(c.Context, config, daemonLogger(c, config))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "drydock %s serves the AWS APIs on http://%s, state in %s\n", version, d.Addr(), config.StateDir)
	err = errors.Join(d.Run(c.Context), d.Close())
	if !d.removed {
		fmt.Fprintf(c.App.ErrWriter, "drydock stops; %s: `drydock down --all` ends them\n", goesOn)
	}
	return err
}

func daemonLogger(c *cli.Context, config daemonConfig) *slog.Logger {
	level := slog.LevelInfo
	if config.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(c.App.ErrWriter, &slog.HandlerOptions{Level: level}))
}

func readDaemonConfig(c *cli.Context) (daemonConfig, error) {
	config := daemonConfig{
		Listen: c.String("listen"), StateDir: c.String("state-dir"), PortOffset: c.Int("port-offset"),
		Pace: c.String("pace"), Lags: c.StringSlice("lag"), Region: c.String("region"), Account: c.String("account"),
		StrictIDs: c.Bool("strict-ids"), Secrets: c.String("secrets"), Hooks: c.String("hooks"), Verbose: c.Bool("verbose"),
		WarmPool: c.Int("warm-pool"),
	}
	if c.Args().Present() {
		return config, usagef("daemon takes no argument, but was given %q", c.Args().First())
	}
	if err := checkLoopback(config.Listen); err != nil {
		return config, err
	}
	var err error
	if config.ALBAddress, err = netip.ParseAddr(c.String("alb-address")); err != nil {
		return config, usagef("--alb-address %q is not an IP address: it looks like 127.0.0.1", c.String("alb-address"))
	}
	if config.CIDR, err = netip.ParsePrefix(c.String("vpc-cidr")); err != nil || !config.CIDR.Addr().Is4() || config.CIDR.Bits() < 16 || config.CIDR.Bits() > 27 {
		return config, usagef("--vpc-cidr %q is not an IPv4 range of /16 to /27: it looks like 172.31.0.0/16", c.String("vpc-cidr"))
	}
	config.Credentials = c.String("credentials")
	if err = checkCredentials(c.Context, config.Credentials); err != nil {
		return config, err
	}
	if config.Hooks, err = hookDir(config.Hooks); err != nil {
		return config, err
	}
	if config.Stale, err = parseFault(c.String("fault")); err != nil {
		return config, err
	}
	if config.WarmPool < 0 || config.WarmPool > maxWarmPool {
		return config, usagef("--warm-pool %d is not between 0 and %d", config.WarmPool, maxWarmPool)
	}
	if config.PortOffset < 0 || config.PortOffset > 65000 {
		return config, usagef("--port-offset %d is not between 0 and 65000", config.PortOffset)
	}
	if config.Pace != "fast" && config.Pace != "aws" {
		return config, usagef("--pace %q is neither fast nor aws", config.Pace)
	}
	_, _, err = config.paces()
	return config, err
}

// checkLoopback refuses an address that others could reach: whoever may call the API is
// root by way of Docker.
func checkLoopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("--listen %q is not an address and port: it looks like 127.0.0.1:4566", listen)
	}
	if addr, err := netip.ParseAddr(host); host == "localhost" || err == nil && addr.IsLoopback() {
		return nil
	}
	return usagef("--listen %q is not a loopback address: whoever reaches the API can run any container, so drydock listens on 127.0.0.1 only", listen)
}

// checkCredentials refuses credentials that no task could get.
func checkCredentials(ctx context.Context, text string) error {
	provider, err := agent.ParseProvider(text)
	if err == nil && provider != nil {
		_, err = provider.Retrieve(ctx)
	}
	if err != nil {
		return usagef("--credentials %s: %v; `aws configure list-profiles` lists the profiles, and --credentials dummy needs none", text, err)
	}
	return nil
}

// hookDir returns the directory of hooks as commands are compared with it.
func hookDir(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", usagef("--hooks %s: %v", dir, err)
	}
	if info, err := os.Stat(absolute); err != nil || !info.IsDir() {
		return "", usagef("--hooks %s is not a directory: it holds the programs that lifecycle hooks may run, and has to be there first", dir)
	}
	return absolute, nil
}

// paces returns the schedulers' and the balancer's lags of a pace.
func (c daemonConfig) paces() (orchestrator.Pace, alb.Pace, error) {
	scheduler := orchestrator.PaceFast
	if c.Pace == "aws" {
		scheduler = orchestrator.PaceAWS
	}
	balancer, err := alb.PaceNamed(c.Pace)
	for _, lag := range c.Lags {
		if err == nil {
			err = setLag(&scheduler, &balancer, lag)
		}
	}
	return scheduler, balancer, err
}

// setLag sets the lag of name=duration in the pace that has it.
func setLag(scheduler *orchestrator.Pace, balancer *alb.Pace, lag string) error {
	name, value, _ := strings.Cut(lag, "=")
	d, err := time.ParseDuration(value)
	switch {
	case err != nil || d < 0:
		return usagef("--lag %q is not a name and a duration: it looks like target-deregistration=3s", lag)
	case slices.Contains(balancer.Lags(), name):
		*balancer, err = balancer.With(name, d)
	case slices.Contains(scheduler.Lags(), name):
		*scheduler, err = scheduler.With(name, d)
	default:
		return usagef("--lag %q: there is no lag of that name; there are %s", lag, strings.Join(append(balancer.Lags(), scheduler.Lags()...), ", "))
	}
	return err
}

// shutdownGrace is how long API calls may take to end when the daemon stops.
const shutdownGrace = 3 * time.Second

// serveUntil runs every actor until ctx ends or one of them fails, and returns when all have ended.
func serveUntil(ctx context.Context, actors map[string]func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(actors))
	for name, run := range actors {
		go func() {
			err := run(ctx)
			if err != nil && ctx.Err() == nil {
				err = fmt.Errorf("%s: %w", name, err)
			} else {
				err = nil
			}
			ended <- err
		}()
	}
	var first error
	for range actors {
		if err := <-ended; err != nil && first == nil {
			first = err
		}
		cancel()
	}
	return first
}
