package timeline

import (
	"cmp"
	"fmt"
	"strings"
)

// describe tells an event in a few words, from its data where that says more than its message.
func describe(e Event) string {
	switch e.Kind {
	case APICall:
		return describeCall(e)
	case Signal:
		return fmt.Sprintf("%s → task %s", cmp.Or(e.Data["signal"], "stop signal"), taskID(subject(e, "task")))
	case Exit:
		return describeExit(e)
	case TaskState:
		return describeTask(e)
	case TargetState:
		return describeTarget(e)
	case Decision:
		return describeDecision(e)
	case Deployment:
		return cmp.Or(e.Message, strings.TrimSpace("deployment "+e.Data["deployment"]+" "+e.Data["rolloutState"]))
	}
	return cmp.Or(e.Message, string(e.Kind)+" "+e.Subject)
}

func describeCall(e Event) string {
	text := callOf(e)
	if n := e.Data["desiredCount"]; n != "" {
		text += ", desiredCount " + n
	}
	if d := e.Data["taskDefinition"]; d != "" {
		text += ", taskDefinition " + last(d)
	}
	if err := e.Data["error"]; err != "" {
		text += ": " + err
	}
	return text
}

func describeExit(e Event) string {
	text := fmt.Sprintf("container %s of task %s exited", e.Data["container"], taskID(subject(e, "task")))
	if code := e.Data["exitCode"]; code != "" {
		text += " " + code
	}
	if e.Data["oom"] == "true" {
		text += ", out of memory"
	}
	return text
}

func describeTask(e Event) string {
	text := fmt.Sprintf("task %s %s", taskID(subject(e, "task")), transition(e))
	if why := strings.TrimSpace(e.Data["stopCode"] + " " + quoted(e.Data["reason"])); why != "" {
		text += ", " + why
	}
	return text
}

func describeTarget(e Event) string {
	text := fmt.Sprintf("target %s %s", cmp.Or(e.Data["target"], taskID(e.Data["task"])), transition(e))
	if reason := e.Data["reason"]; reason != "" {
		text += ", " + reason
	}
	return text
}

func describeDecision(e Event) string {
	var parts []string
	for _, what := range []string{"start", "stop"} {
		if n := len(strings.Fields(e.Data[what])); n > 0 {
			parts = append(parts, what+" "+plural(n, "task"))
		}
	}
	if len(parts) == 0 {
		return cmp.Or(e.Message, "the scheduler decided")
	}
	return fmt.Sprintf("the scheduler decided to %s (desired %s, min %s, max %s, healthy %s)", strings.Join(parts, " and "),
		e.Data["desired"], e.Data["min"], e.Data["max"], cmp.Or(e.Data["healthy"], "0"))
}

func transition(e Event) string {
	if e.Data["from"] == "" {
		return "→ " + e.Data["to"]
	}
	return e.Data["from"] + " → " + e.Data["to"]
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return `"` + s + `"`
}
