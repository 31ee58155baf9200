package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drydock/awsapi"
	"drydock/timeline"
)

// recordCall puts an API call that may change something on the timeline, before it does.
func (d *daemon) recordCall(ctx context.Context, c awsapi.Call) context.Context {
	data := callMembers(c.Raw)
	data["service"], data["operation"], data["caller"] = c.Service, c.Operation, c.UserAgent
	if service := callMembers(c.Raw)["service"]; service != "" {
		data["ecsService"] = service
	}
	if len(c.UnknownMembers) > 0 {
		data["ignored"] = strings.Join(c.UnknownMembers, " ")
	}
	e := timeline.Event{
		Seq: d.store.NextSeq(), Time: time.Now(), Kind: timeline.APICall, Subject: c.Service + ":" + c.Operation,
		Message: c.Operation + " by " + caller(c.UserAgent), Data: data,
	}
	if err := d.store.Commit(ctx, nil, append([]timeline.Event{e}, d.warnIgnored(c, e)...)); err != nil {
		d.log.Error("record an API call", "operation", c.Operation, "error", err)
		return ctx
	}
	return timeline.WithCause(ctx, e.Seq)
}

// warnIgnored warns of members that the service model does not have: silently ignored input
// would be a lie.
func (d *daemon) warnIgnored(c awsapi.Call, call timeline.Event) []timeline.Event {
	if len(c.UnknownMembers) == 0 {
		return nil
	}
	return []timeline.Event{{
		Seq: d.store.NextSeq(), Time: call.Time, Kind: timeline.Warning, Subject: call.Subject, Cause: call.Seq,
		Message: fmt.Sprintf("%s: not known to this version's service model: %s", c.Operation, strings.Join(c.UnknownMembers, ", ")),
		Data:    map[string]string{"service": c.Service, "operation": c.Operation, "members": strings.Join(c.UnknownMembers, " ")},
	}}
}

// recordDone puts a refusal on the timeline.
func (d *daemon) recordDone(ctx context.Context, c awsapi.Call, err error) {
	if err == nil {
		return
	}
	code := "InternalFailure"
	var coded interface{ AWSError() (string, string) }
	if errors.As(err, &coded) {
		code, _ = coded.AWSError()
	}
	e := timeline.Event{
		Seq: d.store.NextSeq(), Time: time.Now(), Kind: timeline.APICall, Subject: c.Service + ":" + c.Operation, Cause: timeline.CauseFrom(ctx),
		Message: fmt.Sprintf("%s was refused: %v", c.Operation, err),
		Data:    map[string]string{"service": c.Service, "operation": c.Operation, "caller": c.UserAgent, "error": code},
	}
	if err := d.store.Commit(ctx, nil, []timeline.Event{e}); err != nil {
		d.log.Error("record a refusal", "operation", c.Operation, "error", err)
	}
}

// caller shortens a user agent to the program's name: "aws-cli/2.1 Python…" is aws-cli.
func caller(agent string) string {
	name, _, _ := strings.Cut(agent, "/")
	if name == "" {
		return "an unnamed client"
	}
	return name
}

// callMembers returns a call's scalar members: what it was about.
func callMembers(body []byte) map[string]string {
	if len(body) > 0 && body[0] == '{' {
		return jsonMembers(body)
	}
	members := map[string]string{}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return members
	}
	for key, values := range form {
		if key != "Action" && key != "Version" && len(values) == 1 && len(values[0]) <= 200 {
			members[key] = values[0]
		}
	}
	return members
}

func jsonMembers(body []byte) map[string]string {
	members := map[string]string{}
	var doc map[string]any
	if json.Unmarshal(body, &doc) != nil {
		return members
	}
	for key, value := range doc {
		switch v := value.(type) {
		case string:
			if len(v) <= 200 {
				members[key] = v
			}
		case float64:
			members[key] = strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			members[key] = strconv.FormatBool(v)
		}
	}
	return members
}
