package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"drydock/alb"
)

// faultForm is what --fault and the private API take.
const faultForm = "stale-connection=widen:2ms"

// parseFault reads a fault to reproduce: for how long a connection to a target is used once
// more after its end was read.
func parseFault(text string) (stale time.Duration, err error) {
	if text == "" {
		return 0, nil
	}
	value, ok := strings.CutPrefix(text, "stale-connection=widen:")
	if stale, err = time.ParseDuration(value); !ok || err != nil || stale <= 0 || stale > time.Minute {
		return 0, usagef("--fault %q is not a fault: it looks like %s, up to 1m", text, faultForm)
	}
	return stale, nil
}

// faultRequest is the body of POST /_drydock/fault.
type faultRequest struct {
	TargetGroup string `json:"targetGroup"` // name or ARN
	Fault       string `json:"fault"`       // as for --fault; empty: none of the group's own
}

// serveFault has a target group reproduce a fault.
func (d *daemon) serveFault(w http.ResponseWriter, r *http.Request) {
	var in faultRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "the request is no JSON document: "+err.Error(), `send {"targetGroup": "web", "fault": "`+faultForm+`"}`)
		return
	}
	stale, err := parseFault(in.Fault)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error(), "")
		return
	}
	arn := in.TargetGroup
	if !strings.HasPrefix(arn, "arn:") {
		found, err := d.balancer.DescribeTargetGroups(r.Context(), "", nil, []string{in.TargetGroup})
		if err != nil {
			refuseFault(w, err)
			return
		}
		arn = found[0].ARN
	}
	if err := d.balancer.SetFault(r.Context(), arn, stale); err != nil {
		refuseFault(w, err)
		return
	}
	reply(w, faultRequest{TargetGroup: arn, Fault: in.Fault})
}

func refuseFault(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if refusal := new(alb.Error); errors.As(err, &refusal) {
		status = http.StatusBadRequest
	}
	refuse(w, status, err.Error(), "`drydock status` lists the target groups")
}
