package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// hookEvent is what a hook is called with: the event of AWS's Lambda functions (ECS-145).
type hookEvent struct {
	ExecutionID      string          `json:"executionId"`
	LifecycleStage   string          `json:"lifecycleStage"`
	ResourceARN      string          `json:"resourceArn"`
	ExecutionDetails hookExecution   `json:"executionDetails"`
	HookDetails      json.RawMessage `json:"hookDetails,omitempty"`
}

type hookExecution struct {
	ServiceARN               string             `json:"serviceArn"`
	TargetServiceRevisionARN string             `json:"targetServiceRevisionArn"`
	TestTrafficWeights       map[string]float64 `json:"testTrafficWeights"` // by service revision ARN, in percent
	ProductionTrafficWeights map[string]float64 `json:"productionTrafficWeights"`
}

// newHookEvent returns the event for a run of a hook of the service's primary deployment.
// Weights are told at the stages that are about them. The target of a rollback is still
// what failed (ECS-146).
func newHookEvent(s *Service, h *HookRun) hookEvent {
	d := s.Primary()
	sh := d.Shift
	mine, other := d, s.Deployment(sh.Blue)
	target, resource := d, d.Record
	if sh.Failed != "" {
		if other = s.Deployment(sh.Failed); other != nil {
			target = other
		}
	}
	e := hookEvent{ExecutionID: h.ID, LifecycleStage: h.Stage, ResourceARN: resource, HookDetails: h.Details}
	e.ExecutionDetails = hookExecution{
		ServiceARN: s.ARN, TargetServiceRevisionARN: target.RevisionARN,
		TestTrafficWeights: map[string]float64{}, ProductionTrafficWeights: map[string]float64{},
	}
	if h.Stage == StageTestShift || h.Stage == StageReconcile {
		share(e.ExecutionDetails.TestTrafficWeights, mine, other, sh.Test)
	}
	if h.Stage == StagePreProductionShift || h.Stage == StageProductionShift || h.Stage == StageReconcile {
		share(e.ExecutionDetails.ProductionTrafficWeights, mine, other, sh.Production)
	}
	return e
}

func share(weights map[string]float64, mine, other *Deployment, percent float64) {
	percent = max(percent, 0)
	weights[mine.RevisionARN] = percent
	if other != nil {
		weights[other.RevisionARN] = tenth(100 - percent)
	}
}

// HookAnswer is what a hook answered.
type HookAnswer struct {
	Status  string          // SUCCEEDED, FAILED or IN_PROGRESS
	Delay   time.Duration   // before the next call, of IN_PROGRESS
	Details json.RawMessage // for the next call
}

// parseHookAnswer reads what a hook answered. What is not valid counts as a failure (ECS-145).
func parseHookAnswer(text []byte) (HookAnswer, error) {
	var in struct {
		HookStatus    string          `json:"hookStatus"`
		CallBackDelay *float64        `json:"callBackDelay"`
		HookDetails   json.RawMessage `json:"hookDetails"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return HookAnswer{}, fmt.Errorf("its answer is not a JSON object with a hookStatus: %w", err)
	}
	answer := HookAnswer{Status: in.HookStatus, Delay: hookCallback, Details: in.HookDetails}
	switch in.HookStatus {
	case HookSucceeded, HookFailed, HookInProgress:
	case "":
		return answer, errors.New("its answer has no hookStatus")
	default:
		return answer, fmt.Errorf("its hookStatus %q is none of SUCCEEDED, FAILED and IN_PROGRESS", in.HookStatus)
	}
	if d := in.CallBackDelay; d != nil {
		if *d < 0 || *d > (24*time.Hour).Seconds() {
			return answer, fmt.Errorf("its callBackDelay of %v s is not within a day", *d)
		}
		answer.Delay = time.Duration(*d * float64(time.Second))
	}
	return answer, nil
}

// merged returns the details of a hook with those that it answered over them.
func merged(have, answered json.RawMessage) json.RawMessage {
	var all, more map[string]json.RawMessage
	if json.Unmarshal(answered, &more) != nil || len(more) == 0 {
		return have
	}
	if json.Unmarshal(have, &all) != nil || all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, more)
	text, err := json.Marshal(all)
	if err != nil {
		return have
	}
	return text
}
