package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"drydock/acm"
	"drydock/alb"
	"drydock/alb/control"
	"drydock/autoscaling"
	"drydock/awsapi"
	acmapi "drydock/awsapi/acm"
	autoscalingapi "drydock/awsapi/applicationautoscaling"
	cloudwatchapi "drydock/awsapi/cloudwatch"
	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
	iamapi "drydock/awsapi/iam"
	logsapi "drydock/awsapi/logs"
	"drydock/awsapi/sts"
	"drydock/cloudwatch"
	"drydock/cloudwatch/logs"
	"drydock/iam"
	"drydock/network"
	"drydock/network/iptables"
	"drydock/orchestrator"
	"drydock/orchestrator/agent"
	"drydock/orchestrator/docker"
	"drydock/ssm"
	"drydock/store"
	"drydock/taskdefs"
	"drydock/timeline"
)

// daemon is the whole program, wired. It is the only place that knows all rooms.
type daemon struct {
	config   daemonConfig
	log      *slog.Logger
	started  time.Time
	instance string

	store        *store.DB
	events       *timeline.Log
	requests     *timeline.Recorder
	network      *network.Network
	enforcer     network.Enforcer
	certificates *acm.Authority
	node         *control.Client
	balancer     *alb.Balancer
	definitions  *taskdefs.Catalogue
	engine       *docker.Engine
	monitor      *cloudwatch.Monitor
	scaler       *autoscaling.Scaler
	scheduler    *orchestrator.Controller
	agent        *agent.Agent
	logs         *logs.Service
	sessions     ssm.Sessions
	roles        *iam.Directory

	alive    net.Listener // tells other programs that the instance has a daemon
	listener net.Listener
	server   *http.Server
	quit     chan struct{} // closed when the private API has taken everything down
	halt     func()        // ends every actor but the API server
	halted   chan struct{} // closed when they have ended
	removed  bool

	refused chan struct{} // size 1: the node could not open a listener

	goingDown atomic.Bool // the private API was asked to take everything down
}

// openDaemon puts the parts together and listens. Nothing runs before Run.
func openDaemon(ctx context.Context, config daemonConfig, log *slog.Logger) (*daemon, error) {
	d := &daemon{config: config, log: log, started: time.Now(), quit: make(chan struct{}), halted: make(chan struct{}), refused: make(chan struct{}, 1)}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *daemon) open(ctx context.Context) error {
	var err error
	if d.store, err = store.Open(ctx, d.config.StateDir); err != nil {
		return err
	}
	if d.listener, err = net.Listen("tcp", d.config.Listen); err != nil {
		return fmt.Errorf("serve the AWS APIs: %w; see who listens there with `ss -ltnp`, or choose another address with --listen", err)
	}
	if d.instance, err = d.loadInstance(ctx); err != nil {
		return err
	}
	if d.alive, err = holdInstance(d.instance); err != nil {
		return err
	}
	if d.engine, err = docker.New(ctx, docker.Config{Instance: d.instance, Home: home(d.config.StateDir), ContainerInstance: d.containerInstance(), Logger: d.log}); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.openTimeline, d.openNetwork, d.openCertificates, d.openBalancer, d.openMonitor, d.openScheduler, d.openScaler, d.openAgent, d.openLogs, d.openRoles, d.openAPI, d.claimRange} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// instanceRow holds the 8 hex digits in the labels and names of everything that is ours.
const instanceRow = "daemon/instance"

func (d *daemon) loadInstance(ctx context.Context) (string, error) {
	var instance string
	err := d.store.Load(ctx, "daemon", func(_ string, doc []byte) error { return json.Unmarshal(doc, &instance) })
	if err != nil || instance != "" {
		return instance, err
	}
	var b [4]byte
	rand.Read(b[:])
	instance = hex.EncodeToString(b[:])
	return instance, d.store.Commit(ctx, map[string]any{instanceRow: instance}, nil)
}

func (d *daemon) containerInstance() string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:container-instance/%s", d.config.Region, d.config.Account, d.instance)
}

func (d *daemon) openTimeline(ctx context.Context) error {
	d.events = timeline.NewLog(d.store, 0)
	if err := d.events.Restore(ctx); err != nil {
		return fmt.Errorf("restore the timeline: %w", err)
	}
	d.store.OnCommit = func(events []timeline.Event) { d.events.Append(events...) }
	d.requests = timeline.NewRecorder(d.store, timeline.RecorderOptions{})
	return d.say(ctx, timeline.Daemon, fmt.Sprintf("drydock %s started, pid %d", version, os.Getpid()), nil)
}

// say puts an event about the daemon itself on the timeline.
func (d *daemon) say(ctx context.Context, kind timeline.Kind, message string, data map[string]string) error {
	e := timeline.Event{Seq: d.store.NextSeq(), Time: time.Now(), Kind: kind, Subject: "drydock", Message: message, Data: data}
	return d.store.Commit(ctx, nil, []timeline.Event{e})
}

func (d *daemon) openNetwork(ctx context.Context) error {
	cidr, err := d.chooseCIDR(ctx)
	if err != nil {
		return err
	}
	d.network, err = network.Open(ctx, d.store, network.Config{
		Region: d.config.Region, Account: d.config.Account, CIDR: cidr, StrictIDs: d.config.StrictIDs,
		Prefix: d.prefix(), Enforced: true, Linger: d.linger(),
		BridgeName: func(vpc string) string { return docker.BridgeName(d.instance, vpc) },
	})
	if err != nil {
		return err
	}
	d.enforcer = iptables.New(d.prefix(), d.network.Bridge())
	return nil
}

// linger is how long interfaces take to end: with AWS's pace the scheduler itself waits for it.
func (d *daemon) linger() time.Duration {
	if pace, _, _ := d.config.paces(); pace.Detach > 0 {
		return 0
	}
	return orchestrator.PaceAWS.Detach
}

// prefix begins the names of our chains and sets.
func (d *daemon) prefix() string { return rulePrefix(d.instance) }

func (d *daemon) openBalancer(ctx context.Context) error {
	_, pace, err := d.config.paces()
	if err != nil {
		return err
	}
	if d.node, err = d.newNode(); err != nil {
		return err
	}
	d.balancer, err = alb.Open(ctx, d.store, d.node, d.network, alb.Config{
		Region: d.config.Region, Account: d.config.Account, Address: d.config.ALBAddress,
		Instance: orchestrator.InstanceID(d.instance), PortOffset: d.config.PortOffset, Pace: pace, Certificates: d.certificates, StaleConnection: d.config.Stale,
	})
	return err
}

func (d *daemon) openScheduler(ctx context.Context) error {
	pace, _, err := d.config.paces()
	if err != nil {
		return err
	}
	if d.definitions, err = taskdefs.Open(ctx, d.store, d.config.Region, d.config.Account); err != nil {
		return err
	}
	values, err := d.openSecrets()
	if err != nil {
		return err
	}
	d.scheduler, err = orchestrator.New(ctx, d.store, d.engine, d.balancer, d.network, d.definitions, orchestrator.Config{
		Region: d.config.Region, Account: d.config.Account, Machine: d.instance, Pace: pace, Logger: d.log, Secrets: values, HookDir: d.config.Hooks, WarmPool: d.config.WarmPool,
		Hosts: d.balancerNames, Inject: d.agentVariables, BeforeRemove: d.keepLogs, Alarms: d.monitor,
	})
	return err
}

// balancerNames are the names under which tasks find the load balancers.
func (d *daemon) balancerNames() map[string]string {
	all, err := d.balancer.DescribeLoadBalancers(context.Background(), nil, nil)
	if err != nil {
		return nil
	}
	names := make(map[string]string, len(all))
	for _, lb := range all {
		names[lb.DNSName] = lb.VPCAddress.String()
	}
	return names
}

func (d *daemon) openRoles(ctx context.Context) (err error) {
	d.roles, err = iam.Open(ctx, d.store, iam.Config{Account: d.config.Account, Strict: d.config.StrictIDs})
	return err
}

func (d *daemon) openAPI(context.Context) error {
	api := awsapi.NewServer()
	api.Account, api.Log = d.config.Account, d.log
	api.OnCall, api.OnDone = d.recordCall, d.recordDone
	ecs.Register(api, d.scheduler, d.definitions)
	ecs.RegisterExec(api, d.scheduler, execSessions{d})
	elbv2.Register(api, d.balancer)
	acmapi.Register(api, d.certificates)
	ec2.Register(api, d.network)
	sts.Register(api)
	iamapi.Register(api, d.roles)
	logsapi.Register(api, d.logs)
	cloudwatchapi.Register(api, d.monitor)
	autoscalingapi.Register(api, d.scaler)
	mux := http.NewServeMux()
	mux.Handle("/_drydock/", awsapi.Guard(nil, d.private()))
	mux.Handle("/", api)
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)}
	return nil
}

// Addr returns the address of the AWS APIs.
func (d *daemon) Addr() net.Addr { return d.listener.Addr() }

// Run serves until ctx ends, or until the private API has taken everything down.
func (d *daemon) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, halt := context.WithCancel(ctx)
	d.halt = halt
	failed := make(chan error, 1)
	go func() {
		defer close(d.halted)
		failed <- serveUntil(parts, map[string]func(context.Context) error{
			"security groups": func(ctx context.Context) error { return d.network.Enforce(ctx, d.enforcer, 10*time.Second) },
			"addresses":       d.every(5*time.Second, "free addresses", d.freeAddresses),
			"housekeeping":    d.every(10*time.Minute, "drop what is old", d.dropOld),
			"definitions":     d.every(2*time.Second, "forget deleted task definitions", d.forgetDefinitions),
			"load balancer":   d.runNode,
			"target health":   d.balancer.Run,
			"listeners":       d.tryRefused,
			"certificates":    d.certificates.Run,
			"scheduler":       d.scheduler.Run,
			"metrics":         d.monitor.Run,
			"auto scaling":    d.scaler.Run,
			"agent":           d.agent.Run,
		})
	}()
	go d.server.Serve(d.listener)
	var err error
	select {
	case <-ctx.Done():
	case <-d.quit:
	case err = <-failed:
	}
	if d.goingDown.Load() {
		<-d.quit // the parts end because everything is being removed: let that end first
	}
	d.stopServing()
	halt()
	<-d.halted
	return err
}

func (d *daemon) stopServing() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close() // those that follow events would wait forever
	}
}

// every runs do every so often, until ctx ends. A failure is logged, and do runs again.
func (d *daemon) every(pause time.Duration, what string, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
			if err := do(ctx); err != nil && ctx.Err() == nil {
				d.log.Error(what, "error", err)
			}
			timer.Reset(pause)
		}
	}
}

// freeAddresses gives addresses free when their quarantine ends.
func (d *daemon) freeAddresses(ctx context.Context) error {
	_, err := d.network.Expire(ctx, time.Now())
	return err
}

// forgetDefinitions forgets deleted task definitions once no service and no task needs them.
func (d *daemon) forgetDefinitions(ctx context.Context) error {
	return d.definitions.Purge(ctx, d.scheduler.RefersTo, time.Now())
}

// dropOld drops what has grown old: events and outcomes beyond those that are kept, and the
// logs of tasks that are no longer known.
func (d *daemon) dropOld(ctx context.Context) error {
	return errors.Join(d.store.Prune(ctx), d.dropLogs(ctx))
}

// goesOn says what a daemon leaves running.
const goesOn = "containers and load balancers go on"

// Close releases what the daemon holds. Containers and load balancers go on, and the firewall
// rules with them: without those, tasks would be open to everybody.
func (d *daemon) Close() error {
	var errs []error
	if d.listener != nil {
		d.listener.Close()
	}
	if d.alive != nil {
		defer d.alive.Close()
	}
	if d.store != nil {
		if d.events != nil && !d.removed {
			d.say(context.Background(), timeline.Daemon, "drydock stopped; "+goesOn, nil)
		}
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
