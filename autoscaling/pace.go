package autoscaling

import (
	"fmt"
	"time"
)

// Pace holds what AWS does not let users set, and does not promise: how long target tracking
// looks before it acts. The order of steps is the same in every pace (AAS-010).
type Pace struct {
	Period     time.Duration // of a datapoint of target tracking
	OutPeriods int           // that many over the target scale out
	InPeriods  int           // that many well below it scale in
	InFraction float64       // of the target, that is well below
	Cooldown   time.Duration // of a policy that sets none
	Repeat     time.Duration // how often a policy acts while its alarm stays as it is
}

// PaceAWS is as AWS is seen to do it: three minutes out, fifteen in.
var PaceAWS = Pace{Period: time.Minute, OutPeriods: 3, InPeriods: 15, InFraction: 0.9, Cooldown: 5 * time.Minute, Repeat: time.Minute}

// PaceFast is for people who watch: half a minute out, a minute and a half in.
var PaceFast = Pace{Period: 10 * time.Second, OutPeriods: 3, InPeriods: 9, InFraction: 0.9, Cooldown: 30 * time.Second, Repeat: 10 * time.Second}

// PaceNamed returns the pace of a name, fast or aws.
func PaceNamed(name string) (Pace, error) {
	switch name {
	case "", "fast":
		return PaceFast, nil
	case "aws":
		return PaceAWS, nil
	}
	return Pace{}, fmt.Errorf("pace %q is neither fast nor aws", name)
}

// activitiesKept bounds the activities that are remembered of a target; AWS keeps six weeks.
const activitiesKept = 100
