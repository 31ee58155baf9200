package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// growthAim is the factor by which ten times the tasks may make a pass longer.
const growthAim = 15

// measurePlanner runs the planner's own benchmark and reports µs a pass and how they grow.
func measurePlanner(ctx context.Context, b *bench) error {
	b.say("planner: %d rounds of its benchmark", b.rounds)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkReconcile$", "-benchtime", "200ms",
		"-count", strconv.Itoa(b.rounds), "./orchestrator")
	cmd.Dir = b.root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %.1000s", err, out)
	}
	scenes, passes := readPasses(string(out))
	if len(scenes) == 0 {
		return fmt.Errorf("the planner's benchmark printed no figure: %.1000s", out)
	}
	for _, scene := range scenes {
		b.reportPasses(scene, passes[scene])
	}
	return nil
}

// passes are the rounds of a scene by number of tasks, in µs.
type passes map[int][]float64

var benchmarkLine = regexp.MustCompile(`^BenchmarkReconcile/(\S+)/tasks-(\d+)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`)

// readPasses reads what the benchmark printed.
func readPasses(out string) (scenes []string, all map[string]passes) {
	all = map[string]passes{}
	for line := range strings.Lines(out) {
		m := benchmarkLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if all[m[1]] == nil {
			all[m[1]] = passes{}
			scenes = append(scenes, m[1])
		}
		tasks, _ := strconv.Atoi(m[2]) // the pattern has seen to it
		ns, _ := strconv.ParseFloat(m[3], 64)
		all[m[1]][tasks] = append(all[m[1]][tasks], ns/1000)
	}
	return scenes, all
}

// reportPasses sets each size beside ten times the smaller one: growth is the ratio.
func (b *bench) reportPasses(scene string, p passes) {
	name := strings.ReplaceAll(strings.ReplaceAll(scene, "-", " "), "/", ", ")
	for _, tasks := range []int{100, 1_000, 10_000} {
		f := figure{Section: "planner", Name: fmt.Sprintf("a pass, %s, %d tasks", name, tasks), Unit: "µs", Rounds: p[tasks]}
		if smaller := p[tasks/10]; smaller != nil {
			f.Peer, f.PeerRounds, f.AtMost = fmt.Sprintf("for %d tasks", tasks/10), smaller, growthAim
		}
		b.report.add(f)
	}
}
