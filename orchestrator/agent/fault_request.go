package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
)

// faultRequest is the body of a request about a fault. Numbers that are absent are not zero.
type faultRequest struct {
	Port               *uint16
	Protocol           string
	TrafficType        string
	DelayMilliseconds  *uint64
	JitterMilliseconds *uint64
	LossPercent        *uint64
	Sources            []string
	SourcesToFilter    []string
}

// faultResponse is the answer: one of its members.
type faultResponse struct {
	Status string `json:",omitempty"` // running, not-running or stopped
	Error  string `json:",omitempty"`
}

// fault starts, stops or looks for a fault of the task that asks (ECS-226).
func (a *Agent) fault(w http.ResponseWriter, r *http.Request) {
	status, err := a.serveFault(r)
	var refusal *Refusal
	switch {
	case err == nil:
		write(w, http.StatusOK, faultResponse{Status: status})
	case errors.As(err, &refusal):
		write(w, refusal.Status, faultResponse{Error: refusal.Text})
	default:
		a.log.Error("fault injection", "error", err)
		write(w, http.StatusInternalServerError, faultResponse{Error: "internal error"})
	}
}

func (a *Agent) serveFault(r *http.Request) (status string, err error) {
	operation := r.PathValue("operation")
	f, err := decodeFault(r, operation)
	if err != nil {
		return "", err
	}
	c, err := a.drilled(r)
	if err != nil {
		return "", err
	}
	f.Task = c.task.ARN
	switch operation {
	case "start":
		return "running", a.StartFault(r.Context(), f)
	case "stop":
		return "stopped", a.StopFault(r.Context(), f)
	}
	if a.Running(f) {
		return "running", nil
	}
	return "not-running", nil
}

// decodeFault reads and checks the body. Stopping and looking for latency and loss needs none.
func decodeFault(r *http.Request, operation string) (Fault, error) {
	f := Fault{Kind: r.PathValue("kind")}
	known := f.Kind == BlackholePort || f.Kind == Latency || f.Kind == PacketLoss
	if !known || operation != "start" && operation != "stop" && operation != "status" {
		return f, &Refusal{http.StatusNotFound, "404 page not found"}
	}
	if operation != "start" && f.Kind != BlackholePort {
		return f, nil
	}
	var in faultRequest
	switch err := json.NewDecoder(r.Body).Decode(&in); {
	case errors.Is(err, io.EOF):
		return f, &Refusal{http.StatusBadRequest, "required request body is missing"}
	case err != nil:
		return f, &Refusal{http.StatusBadRequest, err.Error()}
	}
	if err := in.complete(f.Kind); err != nil {
		return f, err
	}
	f.Protocol, f.TrafficType, f.Sources, f.SourcesToFilter = in.Protocol, in.TrafficType, in.Sources, in.SourcesToFilter
	f.Port, f.LossPercent = value(in.Port), value(in.LossPercent)
	f.DelayMilliseconds, f.JitterMilliseconds = value(in.DelayMilliseconds), value(in.JitterMilliseconds)
	return f, f.validate()
}

func value[N any](p *N) (n N) {
	if p != nil {
		n = *p
	}
	return n
}

// complete refuses a request in which a number is missing.
func (in faultRequest) complete(kind string) error {
	switch {
	case kind == BlackholePort && in.Port == nil:
		return missing("Port")
	case kind == Latency && in.DelayMilliseconds == nil:
		return missing("DelayMilliseconds")
	case kind == Latency && in.JitterMilliseconds == nil:
		return missing("JitterMilliseconds")
	case kind == PacketLoss && in.LossPercent == nil:
		return missing("LossPercent")
	}
	return nil
}

func missing(member string) error {
	return &Refusal{http.StatusBadRequest, "required parameter " + member + " is missing"}
}

func wrong(value any, member string) error {
	return &Refusal{http.StatusBadRequest, fmt.Sprintf("invalid value %v for parameter %s", value, member)}
}

// validate refuses, in the agent's words and order, what is no fault.
func (f *Fault) validate() error {
	switch {
	case f.Kind == BlackholePort && f.Protocol == "":
		return missing("Protocol")
	case f.Kind == BlackholePort && f.TrafficType == "":
		return missing("TrafficType")
	case f.Kind == BlackholePort && f.Protocol != "tcp" && f.Protocol != "udp":
		return wrong(f.Protocol, "Protocol")
	case f.Kind == BlackholePort && f.TrafficType != "ingress" && f.TrafficType != "egress":
		return wrong(f.TrafficType, "TrafficType")
	case f.Kind == PacketLoss && (f.LossPercent < 1 || f.LossPercent > 100):
		return wrong(f.LossPercent, "LossPercent")
	case f.Kind != BlackholePort && len(f.Sources) == 0:
		return missing("Sources")
	}
	for member, list := range map[string][]string{"Sources": f.Sources, "SourcesToFilter": f.SourcesToFilter} {
		for _, text := range list {
			if _, ok := prefix(text); !ok {
				return wrong(text, member)
			}
		}
	}
	return nil
}

// prefix reads an address or a CIDR block.
func prefix(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil
}

// prefixes are the IPv4 ones of texts that were checked before: tasks have no IPv6.
func prefixes(texts []string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		if p, ok := prefix(text); ok && p.Addr().Is4() {
			list = append(list, p)
		}
	}
	return list
}

// drilled returns the caller, or refuses one that may not inject faults into itself.
func (a *Agent) drilled(r *http.Request) (caller, error) {
	c, _, ok := a.named(r)
	if !ok {
		return c, &Refusal{http.StatusNotFound, noTask + " from v3 endpoint ID: " + r.PathValue("id")}
	}
	if !c.definition.EnableFaultInjection {
		return c, &Refusal{http.StatusBadRequest, "enableFaultInjection is not enabled for task: " + c.task.ARN}
	}
	if mode := c.definition.NetworkMode; mode != "awsvpc" {
		if mode == "" {
			mode = "bridge"
		}
		return c, &Refusal{http.StatusBadRequest, mode + " mode is not supported. Please use either host or awsvpc mode."}
	}
	return c, nil
}
