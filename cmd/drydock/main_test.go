package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"drydock/network/networktest"
)

func TestExitCodes_Usage(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"stauts", "did you mean `drydock status`?"},
		{"frobnicate", "`drydock --help` lists all"},
		{"status --outptu json", "did you mean --output?"},
		{"status --zzzzzzzzzz", "drydock status has no option --zzzzzzzzzz"},
		{"--zzzzzzzzzz", "has no option --zzzzzzzzzz"},
		{"status --output xml", "the formats are text and json"},
		{"status --endpoint localhost:4566", "is not a URL"},
		{"deploy", "deploy needs one service"},
		{"deploy web", "deploy what?"},
		{"deploy web --image a --task-definition b", "exclude each other"},
		{"deploy web --force-new-deployment --container app", "give --image too"},
		{"rollback", "rollback needs one service"},
		{"scale", "scale needs a service and a count"},
		{"scale web", "is not a service and a count"},
		{"scale web=-1", "is not a service and a count"},
		{"scale web=two", "is not a service and a count"},
		{"run-task", "run-task needs a task definition"},
		{"stop-task", "stop-task needs one task id"},
		{"logs", "logs needs one service or task"},
		{"exec web", "exec needs a task or service and a command"},
		{"load", "load needs one URL"},
		{"load http://127.0.0.1/ --rate 0", "must be above 0"},
		{"load http://127.0.0.1/ --rate many", "--rate"},
		{"load /relative", "is not a URL"},
		{"load http://127.0.0.1/ --header broken", "'Name: value'"},
		{"load http://127.0.0.1/ --fail-on 9xx", "name statuses"},
		{"load http://127.0.0.1/ --body @/no/such/file", "name a file that can be read"},
		{"why first", "why takes `last` or nothing"},
		{"events extra", "events takes no arguments"},
		{"up /no/such/place", "name a directory with a drydock.yaml"},
		{"up a b", "up takes one directory or file"},
		{"down --all somewhere", "leave out --all"},
		{"doctor --vpc-cidr 300.0.0.0/8", "is not a range"},
	} {
		code, stdout, stderr := runCLI(t, strings.Fields(test.args)...)
		if code != exitUsage || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("drydock %s: exit %d, stdout %q, stderr %q, want %q", test.args, code, stdout, stderr, test.want)
		}
	}
}

// closedEndpoint returns a URL at which nothing answers.
func closedEndpoint(t *testing.T) string {
	return "http://" + networktest.Address(t).String()
}

func TestNoDaemon_NamesTheRemedy(t *testing.T) {
	endpoint := closedEndpoint(t)
	stackDir := writeStack(t, "cluster: shop\n")
	for _, args := range []string{
		"status", "events", "why", "logs web", "exec web -- ls", "deploy web --force-new-deployment", "rollback web",
		"scale web=1", "stop-task abcdef", "run-task web", "up " + stackDir, "down " + stackDir,
	} {
		code, _, stderr := runCLI(t, append([]string{"--endpoint", endpoint}, strings.Fields(args)...)...)
		want := "no daemon answers at " + endpoint + ": start one with `drydock daemon` (or `make run`)"
		if code != exitFailed || !strings.Contains(stderr, want) {
			t.Errorf("drydock %s: exit %d, %q", args, code, stderr)
		}
	}
}

func TestEndpoint_MayStandBeforeTheVerbOrInTheEnvironment(t *testing.T) {
	endpoint := closedEndpoint(t)
	_, _, stderr := runCLI(t, "--endpoint", endpoint, "status")
	if !strings.Contains(stderr, endpoint) {
		t.Errorf("before the verb: %q", stderr)
	}
	t.Setenv("DRYDOCK_ENDPOINT", endpoint)
	_, _, stderr = runCLI(t, "status")
	if !strings.Contains(stderr, endpoint) {
		t.Errorf("in the environment: %q", stderr)
	}
}

func TestEveryVerb_HasAnExampleAndTwins(t *testing.T) {
	for _, verb := range verbs() {
		if !strings.Contains(verb.Description, "Example:\n") || !strings.Contains(verb.Description, "drydock "+verb.Name) {
			t.Errorf("%s: its help has no example", verb.Name)
		}
		for _, flag := range verb.Flags {
			env := flag.(cli.DocGenerationFlag).GetEnvVars()
			want := "DRYDOCK_" + strings.ToUpper(strings.ReplaceAll(flag.Names()[0], "-", "_"))
			if !slices.Contains(env, want) {
				t.Errorf("%s --%s: environment twin %v, want %s", verb.Name, flag.Names()[0], env, want)
			}
		}
		code, stdout, _ := runCLI(t, verb.Name, "--help")
		if code != exitOK || !strings.Contains(stdout, "Example:") {
			t.Errorf("%s --help: exit %d\n%s", verb.Name, code, stdout)
		}
	}
}

func TestHelp_ListsEveryVerb(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"help"}} {
		code, stdout, _ := runCLI(t, args...)
		for _, verb := range verbs() {
			if code != exitOK || !strings.Contains(stdout, verb.Name) {
				t.Errorf("%v: exit %d, no %s", args, code, verb.Name)
			}
		}
	}
	if _, stdout, _ := runCLI(t, "help", "deploy"); !strings.Contains(stdout, "--force-new-deployment") {
		t.Errorf("help deploy: %s", stdout)
	}
}

func TestArrange_MovesOptionsBeforeArguments(t *testing.T) {
	app := newApp(nil, nil)
	for in, want := range map[string]string{
		"drydock deploy web --image x --no-wait":     "drydock deploy --image x --no-wait web",
		"drydock --endpoint u deploy web":            "drydock deploy --endpoint u web",
		"drydock exec web --container c -- ls -l":    "drydock exec --container c web -- ls -l",
		"drydock load http://h/ --rate=5 -d 1s":      "drydock load --rate=5 -d 1s http://h/",
		"drydock load http://h/ -H a:b -H c:d":       "drydock load -H a:b -H c:d http://h/",
		"drydock run-task t --env A=B -- sh -c true": "drydock run-task --env A=B t -- sh -c true",
		"drydock deploy web --image x --help":        "drydock deploy --help",
		"drydock exec web -- ls --help":              "drydock exec web -- ls --help",
		"drydock nosuch --x y":                       "drydock nosuch --x y",
		"drydock":                                    "drydock",
	} {
		got, err := arrange(app, strings.Fields(in))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", in, strings.Join(got, " "), want)
		}
	}
}

func TestNearest(t *testing.T) {
	verbs := []string{"status", "deploy", "up", "down"}
	for in, want := range map[string]string{"stauts": "status", "deplyo": "deploy", "UP": "up", "zzzzz": "", "dwn": "down"} {
		if got := nearest(in, verbs); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestEnv_QuotesForTheShell(t *testing.T) {
	_, stdout, _ := runCLI(t, "env", "--endpoint", "http://localhost:4567")
	for _, want := range []string{"export AWS_ENDPOINT_URL=http://localhost:4567\n", "export AWS_ACCESS_KEY_ID=drydock\n", "export AWS_SECRET_ACCESS_KEY=", "export AWS_DEFAULT_REGION=us-east-1\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in %q", want, stdout)
		}
	}
	if got := shellQuote("a'b c"); got != `'a'\''b c'` {
		t.Errorf("got %s", got)
	}
	if _, stdout, _ := runCLI(t, "env", "--unset"); !strings.HasPrefix(stdout, "unset AWS_ENDPOINT_URL\n") {
		t.Errorf("got %q", stdout)
	}
}
