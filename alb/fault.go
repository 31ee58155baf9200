package alb

import (
	"context"
	"fmt"
	"time"

	"drydock/timeline"
)

// maxStaleConnection bounds the fault: beyond it every request would fail.
const maxStaleConnection = time.Minute

// SetFault has a target group reproduce the keep-alive race, which AWS shows by chance: for
// staleConnection after the end of an idle connection to a target was read, it is offered
// to a request once more. 0 goes back to what [Config] says.
func (b *Balancer) SetFault(ctx context.Context, targetGroupARN string, staleConnection time.Duration) error {
	if staleConnection < 0 || staleConnection > maxStaleConnection {
		return invalid("The fault stale-connection '%v' must be from 0s to %v", staleConnection, maxStaleConnection)
	}
	return b.update(ctx, func(x *tx) error {
		tg, err := x.targetGroup(targetGroupARN)
		if err != nil {
			return err
		}
		next := *tg
		next.StaleConnection = staleConnection
		x.targetGroups.put(x, targetGroupARN, &next)
		if staleConnection == 0 {
			x.event(timeline.Config, targetGroupARN, "fault stale-connection of target group "+tg.Name+" was removed", nil)
			return nil
		}
		x.warnFault(targetGroupARN, "of target group "+tg.Name, staleConnection)
		return nil
	})
}

// warnFault says that 502s are to be expected which AWS would not make, or not as often.
func (x *tx) warnFault(subject, where string, stale time.Duration) {
	message := fmt.Sprintf("fault stale-connection %s: closed connections to targets are used once more for %v, so that requests fail with 502", where, stale)
	x.event(timeline.Warning, subject, message, map[string]string{"field": "fault", "fault": "stale-connection=widen:" + stale.String()})
}
