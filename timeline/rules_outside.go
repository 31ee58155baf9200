package timeline

import (
	"fmt"
	"strings"
	"time"
)

// noticed is how much later than it happened something may be recorded of which no event of the
// engine tells, or whose event was lost: the engine is looked at this often at least.
const noticed = 10 * time.Second

// cutOff: somebody has taken the task's network interface away.
func cutOff(s *scene) (finding, bool) {
	if s.life == nil {
		return no()
	}
	e, ok := lastBefore(s.life.outside, s.o.End.Add(noticed), with("outside", "disconnect"))
	switch {
	case !ok:
		return no()
	case e.Time.After(s.o.End.Add(skew)):
		return because(Disconnected, Likely, e)
	}
	return because(Disconnected, Certain, e)
}

// heldUp: somebody has paused a container of the task, and it was not resumed before the request began.
func heldUp(s *scene) (finding, bool) {
	if s.life == nil {
		return no()
	}
	e, ok := lastBefore(s.life.outside, s.o.End.Add(skew), with("outside", "pause"))
	if !ok {
		return no()
	}
	on, resumed := firstAfter(s.life.outside, e.Time, with("outside", "unpause"))
	if resumed && on.Time.Before(s.o.Start) {
		return no()
	}
	return because(Paused, Certain, e)
}

func tellDisconnected(t *telling) string {
	return fmt.Sprintf("The network of %s was taken from it from outside, by somebody with Docker; its target was still registered (%s) and %s.",
		t.who(), t.first.chosenState(), t.loss())
}

func tellPaused(t *telling) string {
	return fmt.Sprintf("Container %s of %s was paused from outside, by somebody with Docker: it %s, the longest %s old.",
		t.root.Data["container"], t.who(), t.loss(), seconds(t.longest()))
}

// loss is the damage, with the requests that got no answer at all.
func (t *telling) loss() string {
	parts := []string{t.damage()}
	if n := t.countOf(DeregDelayElapsed, ResponseTimeout, ClientGone, ConnectTimeout, ConnectTimeoutDraining, TargetTLSTimeout); n > 0 {
		parts = append(parts, "left "+plural(n, "request")+" unanswered")
	}
	return strings.TrimPrefix(strings.Join(parts, " and "), " and ")
}

// endedBefore reports whether an exit that was recorded late can be behind a failure at t.
func endedBefore(exit Event, t time.Time) bool {
	at, err := time.Parse(time.RFC3339Nano, exit.Data["finishedAt"])
	return err == nil && !at.After(t) || exit.Data["outside"] == "remove" // nobody can tell when
}
