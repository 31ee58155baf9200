package timeline

import "time"

// Explanation says why requests failed: a few clusters instead of many requests. Its JSON
// form only ever grows.
type Explanation struct {
	From     time.Time `json:"from"`     // start of what was looked at
	To       time.Time `json:"to"`       // end of what was looked at
	Requests int       `json:"requests"` // that ended in this time, failed or not
	Failed   int       `json:"failed"`
	Unknown  int       `json:"unknown"`           // failed requests that no rule explains
	Dropped  uint64    `json:"dropped,omitempty"` // failed requests that are no longer remembered, of any time
	Missing  string    `json:"missing,omitempty"` // what could not be asked, and why: the rest still counts
	Clusters []Cluster `json:"clusters"`          // most failures first
}

// Cluster is a set of failed requests that have one explanation.
type Cluster struct {
	Code         Code         `json:"code"`
	Cause        Cause        `json:"cause"`  // what the load balancer saw most often
	Causes       []CauseCount `json:"causes"` // everything it saw
	Confidence   Confidence   `json:"confidence"`
	Status       int          `json:"status"`
	TargetStatus int          `json:"targetStatus,omitempty"`
	Count        int          `json:"count"`
	Window       Window       `json:"window"`
	Routes       []Route      `json:"routes"`
	LoadBalancer string       `json:"loadBalancer,omitempty"`
	TargetGroup  string       `json:"targetGroup,omitempty"` // ARN
	Tasks        []string     `json:"tasks,omitempty"`       // ARNs of the tasks that the requests were sent to
	Service      string       `json:"service,omitempty"`     // ARN
	Sentence     string       `json:"sentence"`              // what happened: actor, numbers, settings
	Why          string       `json:"why,omitempty"`         // the rule of ECS or ALB behind it
	Chain        []Link       `json:"chain"`                 // request → target → task → … → API call
	Evidence     []Evidence   `json:"evidence"`              // in order of time
	Settings     []Setting    `json:"settings"`
	Fix          []string     `json:"fix"`                   // alternatives
	FalsifiedBy  string       `json:"falsifiedBy,omitempty"` // what would prove the explanation wrong
	OnAWS        OnAWS        `json:"onAWS"`
	TraceIDs     []string     `json:"traceIds"` // of up to 20 of the requests

	ids []string // of all requests
}

// Window is a stretch of time, from the start of the first request to the end of the last.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// CauseCount is how many requests ended with a cause, most frequent first.
type CauseCount struct {
	Cause Cause     `json:"cause"`
	Count int       `json:"count"`
	First time.Time `json:"first"` // start of the first of them
}

// Route is a path, and the methods that were used on it. Parts of the path that look like ids are "*".
type Route struct {
	Methods []string `json:"methods"`
	Path    string   `json:"path"`
	Count   int      `json:"count"`
}

// Link is one step from the failed request back to what started everything. The kinds of the first
// links are "request", "target" and "task"; those of the others are the kinds of their events.
type Link struct {
	Seq     int64     `json:"seq,omitempty"` // the event that shows it; 0 if it is not an event
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject,omitempty"`
	State   string    `json:"state,omitempty"` // of the target or task at the moment of the request
	Text    string    `json:"text"`
}

// Evidence is an event that the explanation rests on.
type Evidence struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// Setting is a setting that mattered, by the name that the AWS API gives it.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`  // with its unit; empty if it is not known
	Source string `json:"source"` // where the value was seen: "event 812", "request"
}

// OnAWS is what AWS would show for the same failures: symptoms, never the reason.
type OnAWS struct {
	Metrics     []Metric `json:"metrics"`     // of AWS/ApplicationELB
	AccessLog   []string `json:"accessLog"`   // target:port, three times, two status codes; a line for each of the causes
	ErrorReason string   `json:"errorReason"` // always "-" for these failures (WHY-001)
}

// Metric is a CloudWatch metric and the sum that the cluster adds to it.
type Metric struct {
	Name string `json:"name"`
	Sum  int    `json:"sum"`
}

// Confidence says what an explanation rests on.
type Confidence string

// The degrees of confidence.
const (
	Certain  Confidence = "certain"  // observed directly
	Likely   Confidence = "likely"   // inferred from what was observed
	Possible Confidence = "possible" // it fits, and so would other reasons
	Unsure   Confidence = "unknown"  // of the code "unknown" only
)

// Code names an explanation. Codes are stable: scenarios and scripts compare them.
type Code string

// The codes, in the order of the catalogue of causes.
const (
	NotListeningYet     Code = "not-listening-yet"            // chosen by fail-open before it listened
	FailedOpen          Code = "fail-open"                    // chosen by fail-open while unhealthy
	FaultInjected       Code = "fault-injected"               // a fault was injected on purpose
	SecurityGroup       Code = "sg"                           // a security group rule is missing
	DeregShort          Code = "dereg-short"                  // cut at the end of the deregistration delay
	StopWhileRegistered Code = "stop-while-registered"        // StopTask signals before it deregisters
	KeepAliveTooShort   Code = "keepalive-race"               // the target closed an idle connection as it was reused
	IdleTimeout         Code = "idle-504"                     // slower than the idle timeout
	AddressGone         Code = "address-gone"                 // the task had gone, its address with it
	ConnectDropped      Code = "connect-504"                  // no answer to the connection attempt
	Frozen              Code = "frozen"                       // answered neither requests nor health checks
	ResponseHeader      Code = "resp-header"                  // response header over 32 KiB
	Malformed           Code = "malformed"                    // not an HTTP response
	ShortBody           Code = "short-body"                   // less body than Content-Length promised
	Truncated           Code = "rst-mid-body"                 // the response ended early, after its status was sent
	ClientLeft          Code = "client-460"                   // the client hung up first
	ExitedAtSignal      Code = "sigterm-exit"                 // exited at the stop signal with requests in flight
	SignalFirst         Code = "signal-before-deregistration" // the scheduler signalled a task that was still registered
	DrainLag            Code = "drain-lag"                    // chosen after its deregistration
	StopTimeout         Code = "stoptimeout"                  // killed when stopTimeout had passed
	StoppedFirst        Code = "min0max100"                   // old tasks were stopped before new ones were there
	NoDesiredTasks      Code = "desired-zero"                 // desiredCount is 0
	LastTaskStopped     Code = "last-task-stopped"            // StopTask stopped the only task
	NoTaskSurvived      Code = "all-targets-failed"           // every task failed
	NotRegisteredYet    Code = "not-registered-yet"           // the first tasks are still starting
	OutOfMemory         Code = "oom"                          // killed at its memory limit
	ContainerExit       Code = "container-exit"               // the container exited by itself
	ContainerRestart    Code = "container-restart"            // the container was restarted in place by its restart policy
	Disconnected        Code = "network-lost"                 // somebody took the task's network interface away
	Paused              Code = "paused"                       // somebody paused a container of the task
	AnsweredByTarget    Code = "target-made"                  // the application answered 5xx itself
	TargetTLS           Code = "target-tls"                   // no TLS session with the target
	ProtocolVersion     Code = "proto"                        // the target group speaks another version of HTTP
	TransformBroken     Code = "transform-failed"             // a rule's transform made no valid request
	LongLocation        Code = "location-too-long"            // a redirect's Location over 8 KiB
	FixedResponse       Code = "fixed-response"               // a listener rule answers 5xx
	RequestEncoding     Code = "bad-transfer-encoding"        // the request's Transfer-Encoding is not supported
	UnknownReason       Code = "unknown"
)
