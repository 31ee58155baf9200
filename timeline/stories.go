package timeline

import (
	"cmp"
	"fmt"
	"time"
)

// story is how an explanation is told. A sentence names who did what, with numbers, their units
// and the settings by the names that the API gives them.
type story struct {
	sentence    func(*telling) string
	why         string
	fix         []string // alternatives
	falsifiedBy string   // for what is inferred
	settings    func(*telling) []Setting
}

var stories map[Code]story

func init() { // the sentences' helpers use the table's types: this breaks the cycle
	stories = map[Code]story{
		StopWhileRegistered: {
			sentence: tellStopTask,
			why:      "StopTask signals first and deregisters after. A deployment or scale-in drains first.",
			fix: []string{"app: on SIGTERM keep serving until the target is out of service (10 s is a good start), then close",
				"aws ecs update-service --force-new-deployment instead of stop-task"},
			settings: func(t *telling) []Setting { return []Setting{t.stopTimeout()} },
		},
		SignalFirst: {
			sentence: tellSignalFirst,
			why:      "A task must leave its target group before it is signalled; ECS waits for the target to be unused. Here that order was not kept.",
			fix:      []string{"app: on SIGTERM keep serving until the target is out of service, then close"},
			settings: func(t *telling) []Setting { return []Setting{t.deregDelay(), t.stopTimeout()} },
		},
		DrainLag: {
			sentence: tellDrainLag,
			why:      "A deregistration takes time to reach the load balancer's data plane: until then it routes new requests to the target.",
			fix: []string{"app: keep accepting connections for some seconds after SIGTERM",
				"raise deregistration_delay.timeout_seconds above the propagation time"},
			settings: func(t *telling) []Setting { return []Setting{t.deregDelay()} },
		},
		ExitedAtSignal: {
			sentence: tellExitedAtSignal,
			why:      "The target had been drained, but what is still open after the deregistration delay (WebSockets, long requests) ends with the process.",
			fix:      []string{"app: on SIGTERM finish the requests in flight before exiting", "raise deregistration_delay.timeout_seconds above the longest request"},
			settings: func(t *telling) []Setting { return []Setting{t.deregDelay(), t.stopTimeout()} },
		},
		StopTimeout: {
			sentence: tellStopTimeout,
			why:      "SIGKILL follows the stop signal when stopTimeout has passed, whatever is in flight. Exit code 137 is that kill, not memory.",
			fix: []string{"raise stopTimeout above the longest request", "app: handle the stop signal and exit in time (a shell as PID 1 does not pass it on)",
				"linuxParameters.initProcessEnabled"},
			settings: func(t *telling) []Setting { return []Setting{t.stopTimeout()} },
		},
		OutOfMemory: {
			sentence: tellOutOfMemory,
			why:      "The kernel kills the process at the container's memory limit at once; the target stays registered until ECS notices.",
			fix:      []string{"raise memory in the task definition", "app: bound its memory below the limit"},
		},
		ContainerExit: {
			sentence:    tellContainerExit,
			why:         "Nothing announces a crash: the target stays registered until ECS or a health check notices.",
			fix:         []string{"app: see its last log lines before the exit (drydock logs)", "run more than one task, so that the others carry the load"},
			falsifiedBy: "the exited container is not the one that serves the requests",
		},
		ContainerRestart: {
			sentence: tellContainerRestart,
			why:      "With a restartPolicy the agent starts a container again in place: the task stays RUNNING, its target registered, and no service event tells of it.",
			fix: []string{"app: see its last log lines before the exit (drydock logs)", "restartPolicy.enabled false: ECS then replaces the task, and deregisters its target",
				"run more than one task, so that the others carry the load"},
			falsifiedBy: "the container that was restarted is not the one that serves the requests",
		},
		Disconnected: {
			sentence: tellDisconnected,
			why:      "A task without its network interface answers nobody; its target stays registered until that is noticed. ECS then replaces the task.",
			fix:      []string{"leave the networks of tasks to ECS: stop a task with aws ecs stop-task, cut it off with drydock fault"},
		},
		Paused: {
			sentence: tellPaused,
			why:      "The kernel accepts connections for a container that is paused: only the answers fail to come, until health checks have failed often enough.",
			fix:      []string{"docker unpause the container, or wait until health checks have it replaced", "shorten the health check (interval × unhealthy threshold)"},
		},
		NotListeningYet: {
			sentence:    tellNotListeningYet,
			why:         "With no healthy target the load balancer fails open: it routes to every registered target, ready or not.",
			fix:         []string{"keep a healthy task until the new one is (minimumHealthyPercent 100)", "make the application listen sooner"},
			falsifiedBy: "the task listens on another port, or on 127.0.0.1 only",
		},
		FailedOpen: {
			sentence: tellFailedOpen,
			why:      "With no healthy target the load balancer fails open: it routes to all of them, and never answers 503 for that.",
			fix:      []string{"make the health check pass: path, port, matcher", "check that the application listens on containerPort, on 0.0.0.0"},
		},
		KeepAliveTooShort: {
			sentence:    tellKeepAlive,
			why:         "The load balancer reuses idle connections for up to its idle timeout and does not retry. A target that closes them sooner loses the race now and then.",
			fix:         []string{"app: set its keep-alive timeout at least 5 s above idle_timeout.timeout_seconds", "lower idle_timeout.timeout_seconds below the app's keep-alive timeout"},
			falsifiedBy: "the target closes connections for another reason, such as a limit of requests per connection",
			settings:    func(t *telling) []Setting { return []Setting{t.idleTimeout()} },
		},
		DeregShort: {
			sentence: tellDeregShort,
			why:      "At the end of the deregistration delay the load balancer closes what is unfinished. The application is signalled only after that.",
			fix:      []string{"raise deregistration_delay.timeout_seconds above the longest request"},
			settings: func(t *telling) []Setting { return []Setting{t.deregDelay()} },
		},
		IdleTimeout: {
			sentence: tellIdleTimeout,
			why:      "The load balancer gives up when a target sends nothing for idle_timeout.timeout_seconds; the target's work is wasted.",
			fix:      []string{"raise idle_timeout.timeout_seconds", "app: send the first bytes sooner, or answer 202 and work in the background"},
			settings: func(t *telling) []Setting { return []Setting{t.idleTimeout()} },
		},
		Frozen: {
			sentence:    tellFrozen,
			why:         "The kernel accepts connections for a process that does not run: only the answer fails to come.",
			fix:         []string{"app: find what blocks it (deadlock, event loop, garbage collection)", "raise cpu in the task definition"},
			falsifiedBy: "health checks time out for a reason of their own",
			settings:    func(t *telling) []Setting { return []Setting{t.idleTimeout()} },
		},
		ShortBody: {
			sentence: func(t *telling) string {
				return t.whoFirst() + " announced more bytes in Content-Length than it sent; the load balancer waited for the rest and gave up." + t.detail()
			},
			why: "A response whose body is shorter than its Content-Length ends in 504.",
			fix: []string{"app: send the Content-Length of the body that it really writes"},
		},
		FaultInjected: {
			sentence:    tellFault,
			why:         "The fault was asked for, by `drydock fault` or by the task itself: it is a drill.",
			fix:         []string{"end the fault (drydock fault TASK FAULT --stop), if the drill is over", "what a drill breaks, an outage breaks too: more tasks in more zones, shorter health checks, timeouts in the application"},
			falsifiedBy: "the same failures go on when the fault has ended",
		},
		SecurityGroup: {
			sentence:    tellSecurityGroup,
			why:         "A security group drops what no rule allows, silently: the connection attempt times out after 10 s.",
			fix:         []string{"allow the container port from the load balancer's security group (authorize-security-group-ingress)"},
			falsifiedBy: "the tasks' group allows the load balancer's group on the container port",
		},
		AddressGone: {
			sentence: tellAddressGone,
			why:      "When a task has stopped, its network interface goes with it: packets to its address get no answer.",
			fix:      []string{"let ECS stop tasks by deployment or scale-in, which drains them first", "shorten the health check (interval × unhealthy threshold)"},
		},
		ConnectDropped: {
			sentence: func(t *telling) string {
				return t.whoFirst() + " did not answer the connection attempt within 10 s. A security group, a full listen backlog or a dead host would look like this." + t.detail()
			},
			why:         "The load balancer waits 10 s for a connection to a target.",
			fix:         []string{"check the security groups of the task and the load balancer", "check whether the process still accepts connections"},
			falsifiedBy: "a connection from the load balancer's address succeeds",
		},
		NoDesiredTasks: {
			sentence: tellNothingDesired,
			why:      "A target group without registered targets answers 503.",
			fix:      []string{"raise desiredCount"},
			settings: func(t *telling) []Setting { return []Setting{t.fromDecision("desiredCount", "desired")} },
		},
		LastTaskStopped: {
			sentence: tellLastTaskStopped,
			why:      "ECS starts the replacement only after the stop; until it is registered the target group is empty.",
			fix:      []string{"desiredCount 2 or more", "aws ecs update-service --force-new-deployment instead of stop-task"},
			settings: func(t *telling) []Setting { return []Setting{t.fromDecision("desiredCount", "desired")} },
		},
		StoppedFirst: {
			sentence: tellStoppedFirst,
			why:      "minimumHealthyPercent says how many tasks must stay while others are replaced; maximumPercent how many may run beside them.",
			fix:      []string{"minimumHealthyPercent 100 and maximumPercent 200: start the new task first", "desiredCount 2 with minimumHealthyPercent 50"},
			settings: func(t *telling) []Setting {
				return []Setting{t.percent("minimumHealthyPercent", "min", "at least"), t.percent("maximumPercent", "max", "at most"), t.fromDecision("desiredCount", "desired")}
			},
		},
		NoTaskSurvived: {
			sentence:    tellNoTaskSurvived,
			why:         "A failed task is deregistered; when the last one is gone the target group answers 503.",
			fix:         []string{"see why the tasks stop (drydock logs, stoppedReason)", "deploymentCircuitBreaker with rollback"},
			falsifiedBy: "the group was emptied by something else, such as DeregisterTargets",
		},
		NotRegisteredYet: {
			sentence: tellNotRegisteredYet,
			why:      "A task is registered when it is RUNNING; before that the target group has nobody to choose.",
			fix:      []string{"wait for the service to be stable before sending traffic (aws ecs wait services-stable)"},
		},
		AnsweredByTarget: {
			sentence: tellTargetMade,
			why:      "The target wrote this status itself; the load balancer only passed it on.",
			fix:      []string{"app: see its log lines at that time (drydock logs)"},
		},
		ClientLeft: {
			sentence: func(t *telling) string {
				return fmt.Sprintf("The client closed the connection after %s, before %s had answered.%s", exactly(t.longest()), t.who(), t.epilogue())
			},
			why: "460 means that the client's patience is shorter than the target's response time.",
			fix: []string{"raise the client's timeout", "app: answer sooner"},
		},
		Truncated: {
			sentence: func(t *telling) string {
				return fmt.Sprintf("%s closed the connection in the middle of the response; status %d had already been sent.%s", t.whoFirst(), t.o.Status, t.detail())
			},
			why: "Once the status is sent nothing can turn it into a 5xx: the client sees an incomplete body, dashboards see success.",
			fix: []string{"app: see its log lines at that time (drydock logs)"},
		},
		Malformed: {
			sentence: func(t *telling) string {
				return t.whoFirst() + " sent something that is not a valid HTTP response." + t.detail()
			},
			why: "The load balancer answers 502 for a response that it cannot parse.",
			fix: []string{"check that the target group's port and protocol are the application's"},
		},
		ResponseHeader: {
			sentence: func(t *telling) string {
				return t.whoFirst() + " sent a response header of more than 32 KiB, the most that the load balancer takes." + t.detail()
			},
			why: "The limit is fixed.",
			fix: []string{"app: send fewer or smaller headers (cookies, tokens, Link)"},
		},
		RequestEncoding: {
			sentence: func(t *telling) string {
				return "The client sent a Transfer-Encoding that the load balancer does not support." + t.detail()
			},
			why: "The load balancer takes chunked and identity only.",
			fix: []string{"client: send chunked, or a Content-Length"},
		},
		TargetTLS: {
			sentence: tellTargetTLS,
			why:      "A target group whose protocol is HTTPS speaks TLS to its targets. The certificate is not checked: a handshake fails only if the other side speaks something else.",
			fix:      []string{"make the application speak TLS on that port", "change the target group's protocol to HTTP (a new target group)"},
		},
		ProtocolVersion: {
			sentence: tellProtocolVersion,
			why:      "A target group speaks the version of its ProtocolVersion only: HTTP2 and GRPC groups take HTTP/2 requests, GRPC ones only POST, HTTP1 groups take no gRPC. 464 is the answer to the rest.",
			fix:      []string{"send the request in the protocol of the target group", "change the rule, or the target group's ProtocolVersion (a new target group)"},
		},
		TransformBroken: {
			sentence: func(t *telling) string {
				return fmt.Sprintf("Listener rule %s rewrites the request, and what came out is not a valid one.%s", cmp.Or(t.o.RulePriority, "default"), t.detail())
			},
			why: "A transform whose regular expression matches, but whose result cannot be sent, answers 500.",
			fix: []string{"correct the transform's Replace: a URL begins with /, a host has no spaces"},
		},
		LongLocation: {
			sentence: func(t *telling) string {
				return fmt.Sprintf("Listener rule %s redirects to a Location longer than 8 KiB.", cmp.Or(t.o.RulePriority, "default"))
			},
			why: "The limit is fixed; longer ones are answered with 507.",
			fix: []string{"redirect without #{query}, or shorten what the client sends"},
		},
		FixedResponse: {
			sentence: func(t *telling) string {
				return fmt.Sprintf("Listener rule %s answers %d itself (fixed-response); no target was asked.", cmp.Or(t.o.RulePriority, "default"), t.o.Status)
			},
			why: "The request matched a rule whose action is a fixed response.",
			fix: []string{"change the rule's action, or give a rule that forwards a lower priority number"},
		},
		UnknownReason: {sentence: tellUnknown},
	}
}

// detail returns the system's own words for the failure, as a sentence.
func (t *telling) detail() string {
	if t.first.o.Detail == "" {
		return ""
	}
	return " (" + t.first.o.Detail + ")"
}

func (t *telling) stopTimeout() Setting {
	s := Setting{Name: "stopTimeout"}
	if value := t.stop.term.Data["stopTimeout"]; value != "" {
		s.Value, s.Source = withSeconds(value), source(t.stop.term)
	}
	return s
}

// withSeconds adds the unit to a number of seconds that has none.
func withSeconds(value string) string {
	if d, err := time.ParseDuration(value); err == nil {
		return seconds(d)
	}
	return value + " s"
}

func (t *telling) deregDelay() Setting {
	s := t.setting("deregistration_delay.timeout_seconds", t.o.End, t.o.TargetGroup)
	if s.Value != "" {
		s.Value = withSeconds(s.Value)
		return s
	}
	if delay, ok := t.drainDelay(); ok {
		s.Value, s.Source = seconds(delay), source(t.stop.deregistered)
	}
	return s
}

func (t *telling) idleTimeout() Setting {
	s := t.setting("idle_timeout.timeout_seconds", t.o.End, t.o.LoadBalancer)
	if s.Value != "" {
		s.Value = withSeconds(s.Value)
	}
	return s
}

// fromDecision returns a setting as the scheduler's last decision knew it.
func (t *telling) fromDecision(name, key string) Setting {
	s := Setting{Name: name}
	e, ok := t.decision(func(e Event) bool { return e.Data[key] != "" })
	if t.root.Kind == Decision {
		e, ok = t.root, t.root.Data[key] != ""
	}
	if ok {
		s.Value, s.Source = e.Data[key], source(e)
	}
	return s
}

// percent returns a setting that the decision knows as a number of tasks.
func (t *telling) percent(name, key, bound string) Setting {
	s := t.fromDecision(name, key)
	if n, ok := number(t.root, key); ok {
		s.Value = bound + " " + plural(n, "task")
	}
	return s
}
