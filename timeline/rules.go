package timeline

import (
	"slices"
	"strings"
	"time"
)

// A rule recognises one reason. It sees one failed request and what surrounded it, and
// answers with a finding, or not at all.
//
// To add a rule: write it, give it its place in rules (the most specific one first), its
// words in stories, and a story test.
type rule func(*scene) (finding, bool)

// finding is what a rule found. Requests with the same finding share a cluster.
type finding struct {
	code       Code
	confidence Confidence
	root       Event // the event that led there; zero if there is none
}

// rules are tried in order for requests of a cause.
var rules = map[Cause][]rule{
	ConnRefused:            {restartedInPlace, outOfMemory, cutOff, stoppedByUser, chosenAfterDeregistration, signalledFirst, containerExited, notListeningYet, failedOpen},
	ConnRefusedDraining:    {outOfMemory, cutOff, stoppedByUser, chosenAfterDeregistration, signalledFirst, containerExited},
	ICMPUnreachable:        {restartedInPlace, outOfMemory, cutOff, stoppedByUser, addressGone, chosenAfterDeregistration, containerExited},
	TargetClosedInflight:   {restartedInPlace, outOfMemory, cutOff, killedAtStopTimeout, stoppedByUser, signalledFirst, exitedAtSignal, containerExited, raced},
	KeepaliveRace:          {restartedInPlace, outOfMemory, cutOff, stoppedByUser, signalledFirst, exitedAtSignal, containerExited, idleConnectionClosed},
	TruncatedResponse:      {restartedInPlace, outOfMemory, cutOff, killedAtStopTimeout, stoppedByUser, signalledFirst, exitedAtSignal, containerExited, found(Truncated)},
	DeregDelayElapsed:      {faultOnTheWay, faultBehind, cutOff, heldUp, neverConnected(outOfMemory), neverConnected(stoppedByUser), neverConnected(containerExited), cutByDrainEnd},
	NoRegisteredTargets:    {nothingDesired, lastTaskStopped, oldTasksStoppedFirst, noTaskSurvived, notRegisteredYet},
	AllTargetsUnused:       {nothingDesired, lastTaskStopped, oldTasksStoppedFirst, noTaskSurvived, notRegisteredYet},
	ConnectTimeout:         {faultOnTheWay, cutOff, heldUp, addressGone, securityGroupChanged, securityGroupBlocks, unanswered},
	ConnectTimeoutDraining: {faultOnTheWay, cutOff, heldUp, addressGone, securityGroupChanged, securityGroupBlocks, unanswered},
	ResponseTimeout:        {faultOnTheWay, faultBehind, cutOff, heldUp, frozen, found(IdleTimeout)},
	ContentLengthShort:     {found(ShortBody)},
	BadResponse:            {found(Malformed)},
	ResponseHeaderTooLarge: {found(ResponseHeader)},
	ClientGone:             {faultOnTheWay, faultBehind, cutOff, heldUp, found(ClientLeft)},
	TargetMade:             {faultBehind, found(AnsweredByTarget)},
	BadTransferEncoding:    {found(RequestEncoding)},
	TargetTLSError:         {restartedInPlace, outOfMemory, cutOff, stoppedByUser, signalledFirst, exitedAtSignal, containerExited, found(TargetTLS)},
	TargetTLSTimeout:       {faultOnTheWay, cutOff, heldUp, frozen, found(TargetTLS)},
	ProtocolMismatch:       {found(ProtocolVersion)},
	TransformFailed:        {found(TransformBroken)},
	LocationTooLong:        {found(LongLocation)},
	CauseNone:              {answeredBehindFault, answeredByTarget, fixedResponse},
}

// diagnose returns the finding of the first rule that recognises the request.
func diagnose(s *scene) finding {
	for _, r := range rules[s.o.Cause] {
		if f, ok := r(s); ok {
			return f
		}
	}
	return finding{code: UnknownReason, confidence: Unsure}
}

// found returns a rule for what the load balancer saw itself, beyond doubt.
func found(code Code) rule {
	return func(*scene) (finding, bool) { return finding{code: code, confidence: Certain}, true }
}

func because(code Code, c Confidence, root Event) (finding, bool) {
	return finding{code, c, root}, true
}

func no() (finding, bool) { return finding{}, false }

// restartedInPlace: a container had exited and its restart policy started it again, while the
// target stayed registered (WHY-010). For as long as it takes to listen again that is inferred.
func restartedInPlace(s *scene) (finding, bool) {
	exit, back := s.life.bounce(s.o.End.Add(exitLag))
	if exit.Seq == 0 || s.stop.exit.Time.After(exit.Time) || s.stop.term.Time.After(exit.Time) {
		return no()
	}
	switch {
	case back.Seq == 0 || !s.o.Start.After(back.Time):
		return because(ContainerRestart, Certain, exit)
	case s.o.Start.Before(back.Time.Add(listenLag)) && s.o.Cause == ConnRefused:
		return because(ContainerRestart, Likely, exit)
	}
	return no()
}

// listenLag is for how long after a restart a refused connection is put down to it.
const listenLag = 30 * time.Second

func outOfMemory(s *scene) (finding, bool) {
	if s.stop.exit.Data["oom"] != "true" {
		return no()
	}
	return because(OutOfMemory, Certain, s.stop.exit)
}

// stoppedByUser: StopTask signals at once and deregisters afterwards (WHY-004).
func stoppedByUser(s *scene) (finding, bool) {
	st := s.stop
	if !st.byUser || st.term.Seq == 0 && st.exit.Seq == 0 && st.kill.Seq == 0 {
		return no()
	}
	confidence := Certain
	if st.call.Seq == 0 {
		confidence = Likely // stopCode says so, the call itself is not known
	}
	return because(StopWhileRegistered, confidence, firstKnown(st.exit, st.kill, st.term))
}

// firstKnown returns the first event that is not zero.
func firstKnown(events ...Event) Event {
	for _, e := range events {
		if e.Seq != 0 {
			return e
		}
	}
	return Event{}
}

// killedAtStopTimeout: the request was cut by the SIGKILL at the end of stopTimeout.
func killedAtStopTimeout(s *scene) (finding, bool) {
	st := s.stop
	if st.kill.Seq == 0 || st.term.Seq == 0 || st.kill.Time.Before(s.o.Start) {
		return no()
	}
	if st.exit.Seq != 0 && st.exit.Time.Before(st.kill.Time) {
		return no()
	}
	return because(StopTimeout, Certain, st.kill)
}

// chosenAfterDeregistration: the request was routed to a target that was draining already, because
// it takes a while until a deregistration reaches the data plane.
func chosenAfterDeregistration(s *scene) (finding, bool) {
	st := s.stop
	if st.deregistered.Seq == 0 || !s.o.Start.After(st.deregistered.Time) {
		return no()
	}
	if st.exit.Seq == 0 && st.term.Seq == 0 {
		return because(DrainLag, Likely, st.deregistered)
	}
	return because(DrainLag, Certain, firstKnown(st.exit, st.term))
}

// signalledFirst: the stop by the scheduler reached the task before its deregistration (against WHY-006).
func signalledFirst(s *scene) (finding, bool) {
	if s.stop.term.Seq == 0 || !s.stillRegistered(s.stop.term.Time) {
		return no()
	}
	return because(SignalFirst, Certain, firstKnown(s.stop.exit, s.stop.term))
}

// exitedAtSignal: the stop signal came in its proper place, but a request was still running.
func exitedAtSignal(s *scene) (finding, bool) {
	st := s.stop
	if st.term.Seq == 0 {
		return no()
	}
	if st.exit.Seq == 0 {
		return because(ExitedAtSignal, Likely, st.term)
	}
	return because(ExitedAtSignal, Certain, st.exit)
}

// containerExited: a container exited and nobody had asked for it.
func containerExited(s *scene) (finding, bool) {
	st := s.stop
	if st.exit.Seq == 0 || st.term.Seq != 0 {
		return no()
	}
	ended := with("stopCode", "EssentialContainerExited")
	if st.exit.Time.After(s.o.End.Add(exitLag)) {
		return because(ContainerExit, Likely, st.exit) // it was noticed late
	}
	if _, ok := firstAfter(s.life.states, st.exit.Time.Add(-exitLag), ended); ok {
		return because(ContainerExit, Certain, st.exit)
	}
	return because(ContainerExit, Likely, st.exit) // it may have been another container of the task
}

// notListeningYet: no target was healthy, so that ALB failed open (WHY-005) to one that still starts.
func notListeningYet(s *scene) (finding, bool) {
	if s.chosenState() != "initial" {
		return no()
	}
	root, _ := lastBefore(s.target, s.o.Start.Add(skew), with("to", "initial"))
	if _, ok := firstAfter(s.target, s.o.Start, with("to", "healthy")); ok {
		return because(NotListeningYet, Certain, root)
	}
	return because(NotListeningYet, Likely, root)
}

// failedOpen: no target was healthy, so that ALB failed open to an unhealthy one.
func failedOpen(s *scene) (finding, bool) {
	if !s.o.Target.FailOpen && s.chosenState() != "unhealthy" {
		return no()
	}
	root, _ := lastBefore(s.target, s.o.Start.Add(skew), with("to", "unhealthy"))
	if s.o.Target.FailOpen {
		return because(FailedOpen, Certain, root)
	}
	return because(FailedOpen, Likely, root)
}

// idleConnectionClosed: the node saw a reused connection close as it wrote to it; nothing retries (WHY-008).
func idleConnectionClosed(s *scene) (finding, bool) {
	if status, _ := s.taskStatus(s.o.End); status != "" && status != "RUNNING" {
		return because(KeepAliveTooShort, Likely, Event{})
	}
	return because(KeepAliveTooShort, Certain, Event{})
}

// raced: a reused connection was closed with the request outstanding, but not at once.
func raced(s *scene) (finding, bool) {
	if !s.o.Connection.Reused || s.o.TargetTime > 10*time.Millisecond {
		return no()
	}
	return because(KeepAliveTooShort, Possible, Event{})
}

// neverConnected applies a rule to requests that were still waiting for a connection: nobody
// worked on them, so their age says nothing about the delay.
func neverConnected(r rule) rule {
	return func(s *scene) (finding, bool) {
		if s.o.RequestTime >= 0 {
			return no()
		}
		return r(s)
	}
}

// cutByDrainEnd: the load balancer closed the connection itself (WHY-007).
func cutByDrainEnd(s *scene) (finding, bool) {
	return because(DeregShort, Certain, s.stop.deregistered)
}

// addressGone: the task had stopped, and its network interface was gone, before the connection attempt.
func addressGone(s *scene) (finding, bool) {
	status, e := s.taskStatus(s.o.Start.Add(skew))
	if status != "STOPPED" && status != "DEPROVISIONING" && s.stop.exit.Seq == 0 {
		return no()
	}
	if e.Seq == 0 || s.stop.exit.Seq != 0 && status != "STOPPED" && status != "DEPROVISIONING" {
		return because(AddressGone, Likely, s.stop.exit)
	}
	return because(AddressGone, Certain, e)
}

// securityGroupChanged: packets got no answer, and the last change to the task's security groups
// took a rule away.
func securityGroupChanged(s *scene) (finding, bool) {
	groups := s.securityGroups()
	change, ok := lastBefore(s.network, s.o.Start.Add(skew), func(e Event) bool {
		concerned := groups == "" || !strings.HasPrefix(e.Subject, "sg-") || strings.Contains(groups, e.Subject)
		return concerned && (removesRule(e) || addsRule(e))
	})
	if !ok || !removesRule(change) {
		return no()
	}
	return because(SecurityGroup, Likely, change)
}

// securityGroupBlocks: when the target did not answer its health checks, the network knew that
// no rule of the security groups lets the load balancer through to it (WHY-011).
func securityGroupBlocks(s *scene) (finding, bool) {
	e, _ := lastBefore(s.target, s.o.End.Add(blockedLag), func(e Event) bool { return e.Data["blocked"] != "" || e.Data["to"] == "healthy" })
	if e.Data["blocked"] == "" {
		return no()
	}
	return because(SecurityGroup, Certain, e)
}

// blockedLag is how much later than a request's failure a target may be found unhealthy for the
// same reason.
const blockedLag = time.Minute

// securityGroups returns the ids of the security groups that the target's address was put in, if known.
func (s *scene) securityGroups() string {
	address, _, _ := strings.Cut(s.o.Target.Address, ":")
	e, _ := lastBefore(s.network, s.o.Start, func(e Event) bool {
		return e.Data["groups"] != "" && (e.Data["address"] == address || s.task != "" && e.Subject == s.task)
	})
	return e.Data["groups"]
}

func removesRule(e Event) bool { return saysRule(e, "revoke", "no longer allows") }

func addsRule(e Event) bool { return saysRule(e, "authorize", "now allows") }

func saysRule(e Event, words ...string) bool {
	text := strings.ToLower(e.Subject + " " + e.Data["operation"] + " " + e.Message)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// unanswered: the connection attempt got no answer, for whatever reason.
func unanswered(s *scene) (finding, bool) { return because(ConnectDropped, Possible, Event{}) }

// frozen: the target answered neither this request nor its health checks.
func frozen(s *scene) (finding, bool) {
	sick, ok := firstAfter(s.target, s.o.Start, with("reason", "Target.Timeout"))
	if !ok || sick.Time.After(s.o.End.Add(time.Minute)) {
		sick, ok = lastBefore(s.target, s.o.Start, anyEvent)
		ok = ok && sick.Data["reason"] == "Target.Timeout"
	}
	if !ok {
		return no()
	}
	return because(Frozen, Likely, sick)
}

func answeredByTarget(s *scene) (finding, bool) {
	if s.o.TargetStatus < 500 {
		return no()
	}
	return because(AnsweredByTarget, Certain, Event{})
}

func fixedResponse(s *scene) (finding, bool) {
	if s.o.Action != "fixed-response" {
		return no()
	}
	return because(FixedResponse, Certain, Event{})
}
