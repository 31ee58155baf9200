package timeline

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// running is how every story with a task begins: the deployment that started it.
const running = `
-60 api CreateService terraform desiredCount=1            < none
-60 deploy message=deployment_ecs-svc/1_was_created
-60 decide desired=1 min=1 max=2 healthy=0 start=A
-59 task A - PROVISIONING desiredStatus=RUNNING
-58 task A PENDING RUNNING desiredStatus=RUNNING          = running
-58 target A - unused
-58 target A unused initial reason=Elb.InitialHealthChecking
-57 target A initial healthy                              = healthy
`

var stopTaskStory = running + `
3.000 api StopTask aws-cli                                                < none
3.004 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated reason=Task_stopped_by_user
3.012 signal A SIGTERM stopTimeout=30
3.020 exit A app 0
8.391 target A healthy draining reason=Target.DeregistrationInProgress
1.000 ok n=20 on=A state=healthy
3.100 fail 502 conn_refused on=A state=healthy n=39 every=0.13
2.500 fail 502 target_closed_inflight on=A state=healthy n=2 took=0.52
`

func TestExplain_Stories(t *testing.T) {
	checkStories(t, map[string]explained{
		"StopTask signals before it deregisters (WHY-004)": {
			story: stopTaskStory, code: StopWhileRegistered, confidence: Certain,
			sentence: []string{"Task aaaaaaaa (orders:12)", "with StopTask by aws-cli", "still registered (healthy)", "refused 39 connections and cut 2 requests", "until ECS deregistered it 5.4 s after the stop signal"},
			chain:    "request target task exit signal task-state api-call", states: "healthy RUNNING",
		},
		"StopTask known by its stopCode only": {
			story: running + `
				3.004 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated < none
				3.012 signal A SIGTERM stopTimeout=30
				3.1   fail 502 conn_refused on=A state=healthy n=3`,
			code: StopWhileRegistered, confidence: Likely,
			sentence: []string{"was stopped with StopTask while", "refused 3 connections; the target is still registered"},
			chain:    "request target task signal task-state", states: "healthy DEACTIVATING",
		},
		"StopTask closes idle connections too": {
			story: running + `
				3.000 api StopTask aws-cli                          < none
				3.004 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated
				3.012 signal A SIGTERM stopTimeout=30
				3.1   fail 502 keepalive_race on=A state=healthy idle=1.2s took=0.001`,
			code: StopWhileRegistered, confidence: Certain,
			sentence: []string{"closed idle connections under 1 request"},
			chain:    "request target task signal task-state api-call", states: "healthy DEACTIVATING",
		},
		"an event after the failure is not its reason": {
			story: running + `
				3.1   fail 502 keepalive_race on=A state=healthy idle=5.001s took=0.0004
				3.5   api StopTask aws-cli                          < none
				3.6   task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated
				3.7   signal A SIGTERM stopTimeout=30
				3.9   exit A app 0`,
			code: KeepAliveTooShort, confidence: Certain, sentence: []string{"idle for 5.001 s"}, chain: "request target task", states: "healthy RUNNING",
		},
		"crash": {
			story: running + `
				5.2 exit A app 1                                     < running
				5.3 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=EssentialContainerExited
				5.0 fail 502 target_closed_inflight on=A state=healthy took=0.15
				5.2 fail 502 conn_refused on=A state=healthy n=4`,
			code: ContainerExit, confidence: Certain,
			sentence: []string{"Container app of task aaaaaaaa (orders:12) exited with code 1, and nothing had asked it to", "refused 4 connections and cut 1 request"},
			chain:    "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"exit of a container that may be another": {
			story: running + `
				5.2 exit A sidecar 0                                 < running
				5.3 fail 502 conn_refused on=A state=healthy n=4`,
			code: ContainerExit, confidence: Likely, sentence: []string{"Container sidecar", "exited with code 0"},
			chain: "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"out of memory": {
			story: running + `
				5.2 exit A app 137 oom=true                          < running
				5.3 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=EssentialContainerExited
				5.0 fail 502 target_closed_inflight on=A state=healthy took=0.15 n=2`,
			code: OutOfMemory, confidence: Certain,
			sentence: []string{"killed at its memory limit (OutOfMemoryError, exit code 137)", "cut 2 requests"},
			chain:    "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"killed when stopTimeout had passed": {
			story: running + `
				1.0  api UpdateService terraform taskDefinition=orders:13 < none
				1.1  deploy message=deployment_ecs-svc/2_was_created
				1.2  decide desired=1 min=1 max=2 healthy=2 stop=A
				1.3  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=ServiceSchedulerInitiated
				1.4  target A healthy draining drain=6.4s
				6.4  target A draining unused
				6.5  task A DEACTIVATING STOPPING desiredStatus=STOPPED
				6.5  signal A SIGTERM stopTimeout=5
				11.5 exit A app 137
				0.5  fail 502 target_closed_inflight on=A state=healthy took=11.0`,
			code: StopTimeout, confidence: Certain,
			sentence: []string{"ECS sent SIGKILL to task aaaaaaaa (orders:12) (UpdateService by terraform): stopTimeout 5 s had passed since SIGTERM", "11 s old"},
			chain:    "request target task exit signal task-state target-state target-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"exits at the stop signal (WHY-006)": {
			story: running + `
				1.0  api UpdateService terraform                     < none
				1.2  decide desired=1 min=1 max=2 healthy=2 stop=A
				1.3  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=ServiceSchedulerInitiated = stopping
				1.4  target A healthy draining drain=6.4s
				6.4  target A draining unused
				6.5  signal A SIGTERM stopTimeout=30                 < stopping
				6.52 exit A app 0
				0.5  fail 502 target_closed_inflight on=A state=healthy took=6.01`,
			code: ExitedAtSignal, confidence: Certain,
			sentence: []string{"ECS sent SIGTERM to task aaaaaaaa (orders:12) (UpdateService by terraform); its container app exited 0 20 ms later and cut 1 request, the longest 6 s old"},
			chain:    "request target task exit signal task-state decision api-call", states: "healthy RUNNING",
		},
		"signalled by the scheduler before it was deregistered": {
			story: running + `
				1.0  api UpdateService terraform desiredCount=0      < none
				1.3  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=ServiceSchedulerInitiated = stopping
				1.4  signal A SIGTERM stopTimeout=30
				2.6  target A healthy draining                       < stopping
				1.5  fail 502 conn_refused on=A state=healthy n=7`,
			code: SignalFirst, confidence: Certain,
			sentence: []string{"ECS sent SIGTERM to task aaaaaaaa (orders:12) 1.2 s before its target was deregistered; the task refused 7 connections (UpdateService by terraform)"},
			chain:    "request target task signal task-state api-call", states: "healthy DEACTIVATING",
		},
		"chosen after its deregistration": {
			story: running + `
				1.0  api UpdateService terraform                     < none
				1.3  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=ServiceSchedulerInitiated = stopping
				1.4  target A healthy draining drain=1.4s
				1.5  target A draining unused
				1.6  signal A SIGTERM stopTimeout=30
				1.7  exit A app 0
				4.6  fail 502 conn_refused_draining on=A state=draining n=2`,
			code: DrainLag, confidence: Certain,
			sentence: []string{"was chosen 3.3 s after its deregistration began", "container app had exited by then: it refused 2 connections"},
			chain:    "request target task exit signal target-state target-state task-state api-call", states: "draining DEACTIVATING",
		},
		"cut at the end of the deregistration delay (WHY-007)": {
			story: running + `
				1.0  api UpdateService terraform                     < none
				1.2  decide desired=1 min=1 max=2 healthy=2 stop=A
				1.4  target A healthy draining drain=6.4s
				6.4  target A draining unused
				-0.4 fail 502 dereg_delay_elapsed on=A state=healthy took=6.8`,
			code: DeregShort, confidence: Certain,
			sentence: []string{"The load balancer itself cut 1 request at the end of the deregistration delay of 5 s; task aaaaaaaa (orders:12) was still working, the longest request was 6.8 s old (UpdateService by terraform)"},
			chain:    "request target task target-state decision api-call", states: "healthy RUNNING",
		},
		"cut by the end of the delay while a fault held it up": {
			story: running + `
				1.0  fault A network-blackhole-port running port=3000 protocol=tcp trafficType=ingress < none
				1.2  decide desired=1 min=1 max=2 healthy=2 stop=A
				1.4  target A healthy draining drain=6.4s
				6.4  target A draining unused
				1.1  fail 502 dereg_delay_elapsed on=A state=healthy took=5.3 connected=never`,
			code: FaultInjected, confidence: Certain, sentence: []string{"network-blackhole-port of ingress 3000"},
			chain: "request target task fault", states: "healthy RUNNING",
		},
		"cut by the end of the delay while it still waited for a connection to a stopped task": {
			story: running + `
				1.000 api StopTask aws-cli                          < none
				1.004 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated
				1.012 signal A SIGTERM stopTimeout=30
				1.020 exit A app 0
				1.250 target A healthy draining drain=6.25s
				6.250 target A draining unused
				1.1   fail 502 dereg_delay_elapsed on=A state=healthy took=5.1 connected=never`,
			code: StopWhileRegistered, confidence: Certain,
			sentence: []string{"was stopped with StopTask by aws-cli while its target was still registered"},
			chain:    "request target task exit signal task-state api-call", states: "healthy DEACTIVATING",
		},
		"not listening yet (WHY-005)": {
			story: running + `
				1.0  decide desired=2 start=B                        < none
				1.0  task B - PENDING desiredStatus=RUNNING
				1.5  task B PENDING RUNNING desiredStatus=RUNNING
				1.5  target B unused initial
				9.5  target B initial healthy
				2.0  fail 502 conn_refused on=B state=initial failopen=true n=5`,
			code: NotListeningYet, confidence: Certain,
			sentence: []string{"No target of target group orders was healthy, so the load balancer failed open to task bbbbbbbb (orders:12), which was still initial and not listening on 172.31.0.8:3000 yet; it refused 5 connections. It became healthy 7.5 s after the first failure."},
			chain:    "request target task target-state task-state task-state decision", states: "initial RUNNING",
		},
		"never listening": {
			story: running + `
				1.5  target B unused initial                         < none
				2.0  fail 502 conn_refused on=B state=initial failopen=true n=5`,
			code: NotListeningYet, confidence: Likely, sentence: []string{"failed open to task bbbbbbbb"},
			chain: "request target task target-state", states: "initial unknown",
		},
		"failed open to an unhealthy target": {
			story: running + `
				1.5  target A healthy unhealthy reason=Target.FailedHealthChecks detail=Connection_refused < healthy
				2.0  fail 502 conn_refused on=A state=unhealthy failopen=true`,
			code: FailedOpen, confidence: Certain, sentence: []string{"failed open to task aaaaaaaa (orders:12), which was unhealthy (Connection refused)"},
			chain: "request target task target-state target-state target-state target-state task-state task-state decision deployment api-call", states: "unhealthy RUNNING",
		},
		"keep-alive race": {
			story: running + `
				-50 config loadbalancer/app/web/1111111111111111 idle_timeout.timeout_seconds=60 < none
				3.1 fail 502 keepalive_race on=A state=healthy idle=5.001s took=0.0004 n=3 every=60`,
			code: KeepAliveTooShort, confidence: Certain,
			sentence: []string{"Task aaaaaaaa (orders:12) closed an idle connection just as the load balancer sent a request on it: it had been idle for 5.001 s, and this was request 17 on it (the first of 3 requests). idle_timeout.timeout_seconds is 60 s."},
			chain:    "request target task", states: "healthy RUNNING",
		},
		"a reused connection that closed at once": {
			story: running + `
				3.1 fail 502 target_closed_inflight on=A state=healthy idle=5.001s took=0.004`,
			code: KeepAliveTooShort, confidence: Possible, sentence: []string{"closed an idle connection"}, chain: "request target task", states: "healthy RUNNING",
		},
		"slower than the idle timeout": {
			story: running + `3.1 fail 504 response_timeout on=A state=healthy took=60.001`,
			code:  IdleTimeout, confidence: Certain, sentence: []string{"Task aaaaaaaa (orders:12) sent nothing for 60.001 s"}, chain: "request target task", states: "healthy RUNNING",
		},
		"frozen": {
			story: running + `
				70  target A healthy unhealthy reason=Target.Timeout < healthy
				3.1 fail 504 response_timeout on=A state=healthy took=60.001`,
			code: Frozen, confidence: Likely, sentence: []string{"answered neither requests (the load balancer gave up after 60 s) nor health checks"},
			chain: "request target task target-state target-state target-state target-state task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"black hole": {
			story: running + `
				1.0 fault A network-blackhole-port running port=3000 protocol=tcp trafficType=ingress < none
				4.0 fail 504 connect_timeout on=A state=healthy took=10 n=3`,
			code: FaultInjected, confidence: Certain,
			sentence: []string{"A fault had been injected into task aaaaaaaa (orders:12) on purpose, 3 s before the first failure: network-blackhole-port of ingress 3000"},
			chain:    "request target task fault", states: "healthy RUNNING",
		},
		"black hole at another port": {
			story: running + `
				1.0 fault A network-blackhole-port running port=4000 protocol=tcp trafficType=ingress < none
				4.0 fail 504 connect_timeout on=A state=healthy took=10`,
			code: ConnectDropped, confidence: Possible, sentence: []string{"did not answer the connection attempt within 10 s"}, chain: "request target task", states: "healthy RUNNING",
		},
		"black hole that has ended": {
			story: running + `
				1.0 fault A network-blackhole-port running port=3000 protocol=tcp trafficType=ingress < none
				3.0 fault A network-blackhole-port stopped port=3000 protocol=tcp trafficType=ingress
				4.0 fail 504 connect_timeout on=A state=healthy took=10`,
			code: ConnectDropped, confidence: Possible, sentence: []string{"did not answer the connection attempt within 10 s"}, chain: "request target task", states: "healthy RUNNING",
		},
		"injected packet loss": {
			story: running + `
				1.0 fault A network-packet-loss running < none
				4.0 fail 504 response_timeout on=A state=healthy took=60`,
			code: FaultInjected, confidence: Likely, sentence: []string{"network-packet-loss"}, chain: "request target task fault", states: "healthy RUNNING",
		},
		"black hole between the task and its database": {
			story: running + `
				1.0 fault A network-blackhole-port running port=5432 protocol=tcp trafficType=egress < none
				4.0 fail 503 target_made on=A state=healthy target=503 took=1`,
			code: FaultInjected, confidence: Likely, sentence: []string{"network-blackhole-port of egress 5432"}, chain: "request target task fault", states: "healthy RUNNING",
		},
		"security group": {
			story: running + `
				-50 net sg-2 message=security_group_sg-2_(tasks)_now_allows_tcp/3000 < none
				1.0 api RevokeSecurityGroupIngress aws-cli           < none
				1.0 net sg-2 message=security_group_sg-2_(tasks)_no_longer_allows_tcp/3000
				4.0 fail 504 connect_timeout on=A state=healthy took=10 n=3`,
			code: SecurityGroup, confidence: Likely,
			sentence: []string{"got no answer for 10 s, since a security group changed 3 s before the first failure: security group sg-2 (tasks) no longer allows tcp/3000 (RevokeSecurityGroupIngress by aws-cli)"},
			chain:    "request target task network api-call", states: "healthy RUNNING",
		},
		"another task's security group": {
			story: running + `
				-59 net eni-1 address=172.31.0.7 groups=sg-7         < none
				1.0 net sg-2 message=security_group_sg-2_no_longer_allows_tcp/3000 < none
				4.0 fail 504 connect_timeout on=A state=healthy took=10`,
			code: ConnectDropped, confidence: Possible, sentence: []string{"did not answer the connection attempt within 10 s"}, chain: "request target task", states: "healthy RUNNING",
		},
		"security group that the task was started in (WHY-011)": {
			story: running + `
				4.0  fail 504 connect_timeout on=A state=initial failopen=true took=10 n=3
				14.5 target A initial unhealthy reason=Target.Timeout blocked=no_inbound_rule_of_the_task's_security_group_sg-7_(shut)_lets_tcp/3000_in < running`,
			code: SecurityGroup, confidence: Certain,
			sentence: []string{"Connections to task aaaaaaaa (orders:12) on 172.31.0.7:3000 got no answer for 10 s: no inbound rule of the task's security group sg-7 (shut) lets tcp/3000 in (CreateService by terraform)."},
			chain:    "request target task target-state task-state task-state decision deployment api-call", states: "initial RUNNING",
		},
		"restarted in place (WHY-010)": {
			story: running + `
				5.2 exit A app 1 restart=1                           < running
				6.0 restart A app
				5.0 fail 502 target_closed_inflight on=A state=healthy took=0.15
				5.3 fail 502 conn_refused on=A state=healthy n=4`,
			code: ContainerRestart, confidence: Certain,
			sentence: []string{"Container app of task aaaaaaaa (orders:12) exited with code 1 and its restartPolicy started it again in place, 800 ms later; its target stayed registered (healthy) and refused 4 connections and cut 1 request."},
			chain:    "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"restarted in place, not listening yet": {
			story: running + `
				5.2 exit A app 137 restart=1 oom=true                < running
				6.0 restart A app
				6.5 fail 502 conn_refused on=A state=healthy n=2`,
			code: ContainerRestart, confidence: Likely,
			sentence: []string{"was killed at its memory limit (OutOfMemoryError, exit code 137) and its restartPolicy started it again in place", "refused 2 connections"},
			chain:    "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"a restart long ago is not the reason": {
			story: running + `
				5.2 exit A app 1 restart=1                           < running
				6.0 restart A app
				95.0 api StopTask aws-cli                            < none
				95.1 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated
				95.2 signal A SIGTERM stopTimeout=30
				96.0 fail 502 conn_refused on=A state=healthy`,
			code: StopWhileRegistered, confidence: Certain, sentence: []string{"was stopped with StopTask by aws-cli"},
			chain: "request target task signal task-state api-call", states: "healthy DEACTIVATING",
		},
		"address gone": {
			story: running + `
				1.0 exit A app 1                                     < running
				1.5 task A DEPROVISIONING STOPPED desiredStatus=STOPPED stopCode=EssentialContainerExited
				4.0 fail 504 connect_timeout on=A state=healthy took=10`,
			code: AddressGone, confidence: Certain, sentence: []string{"Task aaaaaaaa (orders:12) had been gone for 2.5 s and its address 172.31.0.7:3000 with it, but its target was still healthy"},
			chain: "request target task task-state exit task-state task-state decision deployment api-call", states: "healthy STOPPED",
		},
		"desired count 0 (WHY-003)": {
			story: running + `
				1.0 api UpdateService aws-cli desiredCount=0         < none
				1.1 decide desired=0 min=0 max=0 healthy=1 stop=A
				1.2 target A healthy draining
				2.0 fail 503 no_registered_targets n=4`,
			code: NoDesiredTasks, confidence: Certain, sentence: []string{"The desiredCount of service orders is 0 (UpdateService by aws-cli); target group orders has had no target since 12:00:01"},
			chain: "request target decision api-call", states: "none",
		},
		"old tasks stopped first": {
			story: running + `
				1.0  api UpdateService aws-cli taskDefinition=orders:13 < none
				1.1  deploy message=deployment_ecs-svc/2_was_created
				1.1  decide desired=1 min=0 max=1 healthy=1 stop=A   = stop
				1.2  target A healthy draining
				6.2  target A draining unused
				6.3  decide desired=1 min=0 max=1 healthy=0 start=B  < stop
				13.5 target B unused initial
				2.0  fail 503 all_targets_unused n=4
				6.5  fail 503 no_registered_targets n=40`,
			code: StoppedFirst, confidence: Certain,
			sentence: []string{"A deployment of service orders (UpdateService by aws-cli) stopped its old tasks before a new one was healthy: minimumHealthyPercent asks for 0 healthy tasks and maximumPercent at most 1 task; target group orders had no target for 12 s"},
			chain:    "request target decision deployment api-call", states: "none",
		},
		"the only task was stopped": {
			story: running + `
				1.0  api StopTask aws-cli                            < none
				1.1  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated
				1.2  target A healthy draining
				1.3  decide desired=1 min=1 max=2 healthy=0 start=B  < none
				4.2  target B unused initial
				2.0  fail 503 all_targets_unused n=4`,
			code: LastTaskStopped, confidence: Certain, sentence: []string{"The only task of service orders, aaaaaaaa, was stopped with StopTask (StopTask by aws-cli); target group orders had no target for 3 s"},
			chain: "request target target-state task-state api-call", states: "none",
		},
		"every task failed": {
			story: running + `
				1.0  exit A app 1                                    < running
				1.1  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=EssentialContainerExited reason=Essential_container_in_task_exited
				1.2  target A healthy draining
				2.0  fail 503 no_registered_targets n=4`,
			code: NoTaskSurvived, confidence: Certain, sentence: []string{"The tasks of service orders failed, last aaaaaaaa (Essential container in task exited)"},
			chain: "request target task-state exit task-state task-state decision deployment api-call", states: "none",
		},
		"not registered yet": {
			story: `
				0.0  api CreateService terraform desiredCount=1      < none
				0.1  decide desired=1 min=1 max=2 healthy=0 start=A
				0.2  task A - PENDING desiredStatus=RUNNING
				5.0  target A - unused
				5.0  target A unused initial
				1.0  fail 503 no_registered_targets n=4`,
			code: NotRegisteredYet, confidence: Certain,
			sentence: []string{"Service orders was still starting its tasks (CreateService by terraform): target group orders had no registered target until 4 s after the first failure"},
			chain:    "request target decision api-call", states: "none",
		},
		"client gone": {
			story: running + `3.1 fail 460 client_gone on=A state=healthy took=3.0`,
			code:  ClientLeft, confidence: Certain, sentence: []string{"The client closed the connection after 3.000 s, before task aaaaaaaa (orders:12) had answered"}, chain: "request target task", states: "healthy RUNNING",
		},
		"answered by the target": {
			story: running + `3.1 fail 500 target_made on=A state=healthy took=0.02 target=500 n=12`,
			code:  AnsweredByTarget, confidence: Certain, sentence: []string{"Task aaaaaaaa (orders:12) answered 500 itself; the load balancer only passed it on"}, chain: "request target task", states: "healthy RUNNING",
		},
		"truncated": {
			story: running + `3.1 fail 200 truncated_response on=A state=healthy took=0.02 target=200 detail=100_of_5000_bytes`,
			code:  Truncated, confidence: Certain, sentence: []string{"in the middle of the response; status 200 had already been sent. (100 of 5000 bytes)"}, chain: "request target task", states: "healthy RUNNING",
		},
		"truncated by a crash": {
			story: running + `
				3.11 exit A app 139                                  < running
				3.2 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=EssentialContainerExited
				3.1 fail 200 truncated_response on=A state=healthy took=0.02 target=200`,
			code: ContainerExit, confidence: Certain, sentence: []string{"exited with code 139", "truncated 1 response"},
			chain: "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"fixed response": {
			story: `3.1 fail 503 action=fixed-response`,
			code:  FixedResponse, confidence: Certain, sentence: []string{"Listener rule 10 answers 503 itself"}, chain: "request target",
		},
		"TLS that the target does not speak": {
			story: running + `3.1 fail 502 target_tls_error on=A state=healthy detail=first_record_does_not_look_like_a_TLS_handshake`,
			code:  TargetTLS, confidence: Certain, sentence: []string{"Task aaaaaaaa (orders:12) did not agree on a TLS session", "172.31.0.7:3000", "does not look like"}, chain: "request target task", states: "healthy RUNNING",
		},
		"gRPC group asked in HTTP/1.1": {
			story: `3.1 fail 464 protocol_version_mismatch detail=HTTP/1.1_request,_GRPC_group`,
			code:  ProtocolVersion, confidence: Certain, sentence: []string{"GET does not fit the protocol version of target group orders; no target was asked. (HTTP/1.1 request, GRPC group)"}, chain: "request target", states: "none",
		},
		"a transform": {
			story: `3.1 fail 500 transform_failed detail=path_without_a_slash`,
			code:  TransformBroken, confidence: Certain, sentence: []string{"Listener rule 10 rewrites the request", "(path without a slash)"}, chain: "request target", states: "none",
		},
		"a redirect that is too long": {
			story: `3.1 fail 507 location_too_long action=redirect`,
			code:  LongLocation, confidence: Certain, sentence: []string{"Listener rule 10 redirects to a Location longer than 8 KiB"}, chain: "request target",
		},
		"unknown": {
			story: running + `3.1 fail 502 conn_refused on=A state=healthy detail=connect:_connection_refused`,
			code:  UnknownReason, confidence: Unsure,
			sentence: []string{"I don't know. The load balancer saw conn_refused from task aaaaaaaa (orders:12) at 172.31.0.7:3000; the task was RUNNING; its target was healthy. (connect: connection refused)"},
			chain:    "request target task", states: "healthy RUNNING",
		},
		"nothing known at all": {
			story: `3.1 fail 503 no_registered_targets`,
			code:  UnknownReason, confidence: Unsure, sentence: []string{"I don't know. The load balancer saw no_registered_targets at target group orders."}, chain: "request target", states: "none",
		},
	})
}

// explained is a story and how it must be explained.
type explained struct {
	story      string
	code       Code
	confidence Confidence
	sentence   []string // parts of it
	chain      string   // kinds
	states     string   // of target and task
}

func checkStories(t *testing.T, stories map[string]explained) {
	t.Helper()
	for name, test := range stories {
		t.Run(name, func(t *testing.T) {
			e := told(t, test.story).explain()
			if len(e.Clusters) != 1 {
				t.Fatalf("%d clusters: %+v", len(e.Clusters), e.Clusters)
			}
			c := e.Clusters[0]
			if c.Code != test.code || c.Confidence != test.confidence {
				t.Errorf("%s %s, want %s %s", c.Confidence, c.Code, test.confidence, test.code)
			}
			for _, part := range test.sentence {
				if !strings.Contains(c.Sentence, part) {
					t.Errorf("sentence is %q, want %q in it", c.Sentence, part)
				}
			}
			kinds, states := walk(c.Chain)
			if kinds != test.chain || states != test.states {
				t.Errorf("chain is %s with %s, want %s with %s", kinds, states, test.chain, test.states)
			}
			if (c.Code == UnknownReason) != (e.Unknown == c.Count) {
				t.Errorf("%d of %d unknown", e.Unknown, c.Count)
			}
			if c.OnAWS.ErrorReason != "-" || len(c.OnAWS.Metrics) == 0 || len(c.OnAWS.AccessLog) != len(c.Causes) {
				t.Errorf("on AWS: %+v", c.OnAWS)
			}
		})
	}
}

// walk returns the kinds of a chain, and the states of target and task.
func walk(chain []Link) (kinds, states string) {
	var k, s []string
	for _, link := range chain {
		k = append(k, link.Kind)
		if link.State != "" {
			s = append(s, link.State)
		}
	}
	return strings.Join(k, " "), strings.Join(s, " ")
}

func TestExplain_EveryCauseHasARuleAndEveryCodeItsWords(t *testing.T) {
	for code, words := range stories {
		if words.sentence == nil {
			t.Errorf("%s has no sentence", code)
		}
		if code != UnknownReason && (words.why == "" || len(words.fix) == 0) {
			t.Errorf("%s has no why or no fix", code)
		}
	}
	for _, cause := range failingCauses {
		if rules[cause] == nil {
			t.Errorf("%s has no rule", cause)
		}
	}
}

func TestExplain_WhatAWSShows(t *testing.T) { // WHY-001, WHY-002, WHY-003
	for name, test := range map[string]struct{ story, line string }{
		"refused": {running + `3.1 fail 502 conn_refused on=A state=initial failopen=true`,
			`HTTPCode_ELB_502_Count 1, HTTPCode_ELB_5XX_Count 1, TargetConnectionErrorCount 1, UnhealthyRoutingRequestCount 1, access log "172.31.0.7:3000 -1 -1 -1 502 -", error_reason "-"`},
		"cut": {running + `3.1 fail 502 target_closed_inflight on=A took=4.205`,
			`HTTPCode_ELB_502_Count 1, HTTPCode_ELB_5XX_Count 1, access log "172.31.0.7:3000 0.001 4.205 -1 502 -", error_reason "-"`},
		"no target": {`3.1 fail 503 no_registered_targets`,
			`HTTPCode_ELB_503_Count 1, HTTPCode_ELB_5XX_Count 1, access log "- -1 -1 -1 503 -", error_reason "-"`},
		"target made": {running + `3.1 fail 500 target_made on=A took=0.02 target=500`,
			`HTTPCode_Target_5XX_Count 1, access log "172.31.0.7:3000 0.001 0.020 -1 500 500", error_reason "-"`},
		"client gone": {running + `3.1 fail 460 client_gone on=A`,
			`HTTPCode_ELB_4XX_Count 1, access log "172.31.0.7:3000 -1 -1 -1 460 -", error_reason "-"`},
		"no TLS": {running + `3.1 fail 502 target_tls_error on=A`,
			`HTTPCode_ELB_502_Count 1, HTTPCode_ELB_5XX_Count 1, TargetTLSNegotiationErrorCount 1, access log "172.31.0.7:3000 -1 -1 -1 502 -", error_reason "-"`},
		"other protocol": {`3.1 fail 464 protocol_version_mismatch`,
			`HTTPCode_ELB_4XX_Count 1, access log "- -1 -1 -1 464 -", error_reason "-"`},
		"truncated": {running + `3.1 fail 200 truncated_response on=A target=200`,
			`HTTPCode_Target_2XX_Count 1, access log "172.31.0.7:3000 -1 -1 -1 200 200", error_reason "-"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(t, test.story).explain().Clusters[0].OnAWS.String(); got != test.line {
				t.Errorf("got  %s\nwant %s", got, test.line)
			}
		})
	}
}

func TestExplain_Settings(t *testing.T) {
	e := told(t, running+`
		1.2  decide desired=1 min=1 max=2 healthy=2 stop=A < none
		1.4  target A healthy draining
		-0.4 fail 502 dereg_delay_elapsed on=A state=healthy took=6.8`).explain()
	want := []Setting{{"deregistration_delay.timeout_seconds", "5 s", "event 10"}}
	if got := e.Clusters[0].Settings; !slices.Equal(got, want) {
		t.Errorf("settings %v, want %v (from the cut itself, if the event does not tell)", got, want)
	}
}

func TestExplain_TellsHowTheTargetWentOn(t *testing.T) {
	for story, want := range map[string]string{
		running + `3.1 fail 504 response_timeout on=A state=healthy took=10`: " The target answered 200 after 12.300 s, to nobody.",
		running + `3.1 fail 460 client_gone on=A state=healthy took=10`:      " The target answered 200 after 12.300 s, to nobody.",
	} {
		tale := told(t, story)
		tale.outcomes[0].Epilogue = &Epilogue{After: 12300 * time.Millisecond, Status: 200, Detail: "complete"}
		if got := tale.explain().Clusters[0].Sentence; !strings.HasSuffix(got, want) {
			t.Errorf("%q does not end in %q", got, want)
		}
	}
}

func TestExplain_SeparatesTasksStatusesAndIncidents(t *testing.T) {
	e := told(t, running+`
		1.0  fail 502 conn_refused on=A state=healthy n=3
		1.0  fail 502 conn_refused on=B state=healthy n=2
		1.5  fail 500 target_made on=A target=500
		1.5  fail 503 target_made on=A target=503
		200  fail 502 conn_refused on=A state=healthy n=4`).explain()
	var counts []int
	for _, c := range e.Clusters {
		counts = append(counts, c.Count)
	}
	if want := []int{4, 3, 2, 1, 1}; !slices.Equal(counts, want) {
		t.Errorf("clusters of %v, want %v", counts, want)
	}
	if last := e.Last(); len(last.Clusters) != 1 || last.Clusters[0].Count != 4 || last.Failed != 11 {
		t.Errorf("last is %+v", last)
	}
}

func TestRoutes(t *testing.T) {
	for uri, want := range map[string]string{
		"/api/orders/17?x=1": "/api/orders/*", "/api/orders": "/api/orders", "/": "/", "*": "*",
		"/u/3f2b8c1a-0000-4000-8000-123456789abc/x": "/u/*/x", "/facade/v2": "/facade/v2", "/a//b": "/a//b",
	} {
		if got := pathOf(uri); got != want {
			t.Errorf("%s is %s, want %s", uri, got, want)
		}
	}
}
