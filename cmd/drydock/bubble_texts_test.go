package main

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// identities are what differs from run to run in the events of services.
var identities = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`arn:aws:elasticloadbalancing:[^ )]*`), "<target group>"},
	{regexp.MustCompile(`ecs-svc/[0-9]{19}`), "ecs-svc/<id>"},
	{regexp.MustCompile(`\(task [0-9a-f]{32}\)`), "(task <id>)"},
	{regexp.MustCompile(` registered [0-9]+ targets`), " registered <n> targets"}, // at once or one after the other
}

// TestEvents_GoldenTexts holds every text that a service's events have to the byte, ids apart. The texts
// are those of real accounts and of AWS's guide.
func TestEvents_GoldenTexts(t *testing.T) {
	told := map[string]bool{}
	for _, tell := range []func(t *testing.T, told map[string]bool){tellDeployments, tellFailures, tellBreaker, tellAlarms} {
		tell(t, told)
	}
	got := strings.Join(slices.Sorted(maps.Keys(told)), "\n") + "\n"
	file := filepath.Join("testdata", "events.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the events read\n%s\nwant\n%s", got, want)
	}
}

// listen notes the texts that the service has said.
func (b *bubble) listen(told map[string]bool) {
	for _, e := range b.web().Events {
		text := e.Message
		for _, id := range identities {
			text = id.what.ReplaceAllString(text, id.as)
		}
		told[text] = true
	}
}

// tellDeployments: a deployment, scaling, a stop of what is pending, protection, a deployment that is stuck.
func tellDeployments(t *testing.T, told map[string]bool) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second, pace: "aws"}, func(t *testing.T, b *bubble) {
		b.deploy("app:2", behaviour{})
		b.steady(10 * time.Minute)
		b.image("app:2", behaviour{}, enginetest.Script{Start: time.Hour})
		three, one, hundred := 3, 1, 100
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &three }))
		time.Sleep(time.Minute)
		for _, task := range b.tasks() {
			b.life.Load().scheduler.UpdateTaskProtection(t.Context(), orchestrator.ProtectionInput{Tasks: []string{task.ARN}, Enabled: true})
		}
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one }))
		time.Sleep(time.Minute)
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.Maximum, in.ForceNewDeployment = &hundred, true }))
		time.Sleep(time.Minute)
		b.listen(told)
	})
}

// tellFailures: health checks of either kind that fail, an image that is not there.
func tellFailures(t *testing.T, told map[string]bool) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, pace: "aws", containers: checked}, func(t *testing.T, b *bubble) {
		for _, harm := range []func(*behaviour){
			func(a *behaviour) { a.ill = true },
			func(a *behaviour) { a.answerAfter = 10 * time.Second },
		} {
			b.app(b.tasks()[0].ARN).set(harm)
			time.Sleep(5 * time.Minute)
		}
		b.engine.SetHealth(b.tasks()[0].ARN, "app", orchestrator.HealthUnhealthy)
		time.Sleep(5 * time.Minute)
		b.deploy("app:2", behaviour{listenAfter: time.Hour})
		time.Sleep(2 * time.Minute)
		missing := &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errors.New("ref pull has been retried 1 time(s): not found")}
		b.deployScript("app:3", behaviour{}, enginetest.Script{Fail: missing})
		time.Sleep(20 * time.Minute)
		b.listen(told)
	})
}

func tellBreaker(t *testing.T, told map[string]bool) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, breaker: true}, func(t *testing.T, b *bubble) {
		b.deploy("app:2", behaviour{ill: true})
		b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, time.Hour)
		b.listen(told)
	})
}

func tellAlarms(t *testing.T, told map[string]bool) {
	alarm := &bell{}
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, alarms: alarm, pace: "aws"}, func(t *testing.T, b *bubble) {
		b.must(b.update(func(in *orchestrator.ServiceInput) {
			in.Alarms = &orchestrator.DeploymentAlarms{Names: []string{"5xx"}, Enable: true, Rollback: true}
		}))
		b.deploy("app:2", behaviour{})
		time.Sleep(time.Minute)
		alarm.ringing.Store(true)
		b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, time.Hour)
		b.listen(told)
	})
}
