package timeline

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A story is a test in a small language: a line for each event or set of requests.
//
//	SECONDS VERB ARGUMENTS key=value… [= name] [< name|none]
//
// Seconds count from 12:00:00. An event's cause is the event of the line before, unless "< name"
// names another one or "< none" says there is none. In values "_" stands for a space. Tasks are
// capital letters: A is task aaaaaaaa… at 172.31.0.7:3000. The verbs:
//
//	api StopTask aws-cli            an API call and its caller
//	deploy / decide / say           deployment, decision and service event of service orders
//	task A RUNNING DEACTIVATING     from and to (- for none)
//	signal A SIGTERM  ·  exit A app 137  ·  restart A app  ·  target A healthy draining
//	fault A network-latency running    (or stopped)
//	outside A disconnect            (or pause, unpause)
//	net sg-1 MESSAGE  ·  config SUBJECT
//	fail 502 conn_refused on=A state=healthy n=39 every=0.1 took=3.0
//	ok n=10 on=A
type tale struct {
	t        testing.TB
	events   []Event
	outcomes []Outcome
	named    map[string]int64
}

const (
	ordersARN  = "arn:aws:ecs:us-east-1:000000000000:service/default/orders"
	ordersTG   = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/orders/0123456789abcdef"
	listenARN  = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/web/1111111111111111/2222222222222222"
	webID      = "app/web/1111111111111111"
	definition = "arn:aws:ecs:us-east-1:000000000000:task-definition/orders:"
)

func taskARN(letter string) string {
	return "arn:aws:ecs:us-east-1:000000000000:task/default/" + strings.Repeat(strings.ToLower(letter), 32)
}

func addressOf(letter string) string { return fmt.Sprintf("172.31.0.%d:3000", letter[0]-'A'+7) }

func at(secs string) time.Time {
	f, err := strconv.ParseFloat(secs, 64)
	if err != nil {
		panic(err)
	}
	return noon.Add(time.Duration(f*1e6) * time.Microsecond)
}

func told(t testing.TB, text string) *tale {
	t.Helper()
	s := &tale{t: t, named: map[string]int64{"none": 0}}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 {
			s.line(fields)
		}
	}
	return s
}

func (s *tale) explain() Explanation {
	return Explain(s.outcomes, s.events, noon.Add(10*time.Minute))
}

// line tells one line.
func (s *tale) line(fields []string) {
	when, verb := at(fields[0]), fields[1]
	cause, name := int64(len(s.events)), ""
	var args []string
	data := make(map[string]string)
	for i := 2; i < len(fields); i++ {
		key, value, isData := strings.Cut(fields[i], "=")
		switch {
		case fields[i] == "=":
			i++
			name = fields[i]
		case fields[i] == "<":
			i++
			cause = s.named[fields[i]]
		case isData:
			data[key] = strings.ReplaceAll(value, "_", " ")
		case fields[i] == "-":
			args = append(args, "")
		default:
			args = append(args, fields[i])
		}
	}
	if verb == "fail" || verb == "ok" {
		s.requests(when, verb, args, data)
		return
	}
	e := eventOf(verb, args, data)
	e.Seq, e.Time, e.Cause = int64(len(s.events)+1), when, cause
	s.events = append(s.events, e)
	if name != "" {
		s.named[name] = e.Seq
	}
}

func eventOf(verb string, args []string, data map[string]string) Event {
	e := Event{Data: data}
	task := func() {
		e.Subject = taskARN(args[0])
		data["task"], data["service"] = e.Subject, ordersARN
		if data["taskDefinition"] == "" {
			data["taskDefinition"] = definition + "12"
		}
	}
	switch verb {
	case "api":
		e.Kind, e.Subject = APICall, "ecs:"+args[0]
		if strings.Contains(args[0], "SecurityGroup") {
			e.Subject = "ec2:" + args[0]
		}
		data["operation"], data["caller"] = args[0], args[1]+"/2.15 Python/3.11"
		e.Message = args[0] + " by " + args[1]
	case "deploy", "say", "decide":
		e.Kind, e.Subject = map[string]Kind{"deploy": Deployment, "say": ServiceEvent, "decide": Decision}[verb], ordersARN
		data["service"] = "orders"
		e.Message = data["message"]
		for _, key := range []string{"start", "stop"} {
			data[key] = tasksOf(data[key])
		}
	case "task":
		task()
		e.Kind, data["from"], data["to"] = TaskState, args[1], args[2]
	case "signal":
		task()
		e.Kind, data["signal"] = Signal, args[1]
	case "exit":
		task()
		e.Kind, data["container"] = Exit, args[1]
		if len(args) > 2 {
			data["exitCode"] = args[2]
		}
	case "restart":
		task()
		e.Kind, data["container"] = Restart, args[1]
		e.Message = "container " + args[1] + " was started again by its restart policy"
	case "target":
		e.Kind, e.Subject = TargetState, ordersTG
		data["targetGroup"], data["target"], data["task"], data["from"], data["to"] = ordersTG, addressOf(args[0]), taskARN(args[0]), args[1], args[2]
		if d, err := time.ParseDuration(data["drain"]); err == nil {
			data["drainUntil"] = noon.Add(d).Format(time.RFC3339Nano)
		}
	case "fault":
		task()
		e.Kind, data["fault"], data["status"], data["what"] = Fault, args[1], args[2], args[1]+" of "+data["trafficType"]+" "+data["port"]
	case "outside":
		task()
		e.Kind, data["outside"] = map[bool]Kind{true: Network, false: Warning}[args[1] == "disconnect"], args[1]
	case "net":
		e.Kind, e.Subject, e.Message = Network, args[0], data["message"]
	case "config":
		e.Kind, e.Subject = Config, args[0]
	default:
		panic("no such verb: " + verb)
	}
	return e
}

func tasksOf(letters string) string {
	var arns []string
	for _, letter := range strings.Fields(letters) {
		arns = append(arns, taskARN(letter))
	}
	return strings.Join(arns, " ")
}

// requests adds n outcomes of one sort.
func (s *tale) requests(when time.Time, verb string, args []string, data map[string]string) {
	n, every, took := 1, 0.1, 0.0
	fmt.Sscan(data["n"], &n)
	fmt.Sscan(data["every"], &every)
	fmt.Sscan(data["took"], &took)
	for i := range n {
		start := when.Add(time.Duration(float64(i) * every * float64(time.Second)))
		o := Outcome{
			ID: fmt.Sprintf("r%04d", len(s.outcomes)), TraceID: fmt.Sprintf("Root=1-%08x", len(s.outcomes)),
			Start: start, End: start.Add(time.Duration(took * float64(time.Second))),
			LoadBalancer: webID, Listener: listenARN, TargetGroup: ordersTG, RulePriority: "10", Action: "forward",
			Method: "GET", URI: fmt.Sprintf("/api/orders/%d?x=1", i), Status: 200,
			RequestTime: -1, TargetTime: -1, ResponseTime: -1, Detail: data["detail"],
		}
		if data["action"] != "" {
			o.Action, o.TargetGroup = data["action"], ""
		}
		if letter := data["on"]; letter != "" {
			o.Target = Target{Registration: "reg-" + letter, Address: addressOf(letter), Task: taskARN(letter), State: data["state"], FailOpen: data["failopen"] == "true"}
		}
		fmt.Sscan(data["target"], &o.TargetStatus)
		if idle, err := time.ParseDuration(data["idle"]); err == nil {
			o.Connection = Connection{Reused: true, Nth: 17, Idle: idle}
		}
		if took > 0 && data["connected"] != "never" {
			o.RequestTime, o.TargetTime = time.Millisecond, o.End.Sub(o.Start)
		}
		if verb == "fail" {
			o.Status, _ = strconv.Atoi(args[0])
			if len(args) > 1 {
				o.Cause = Cause(args[1])
			}
		}
		s.outcomes = append(s.outcomes, o)
	}
}
