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

// measurePlanner runs the planner's own benchmark and reports µs of CPU a pass, and how they grow.
func measurePlanner(ctx context.Context, b *bench) error {
	b.say("planner: %d rounds of its benchmark", b.rounds)
	r := &planRounds{passes: map[string]passes{}}
	for range b.rounds {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkReconcile$", "-benchtime", "200ms", "./orchestrator")
		cmd.Dir = b.root
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %.1000s", err, out)
		}
		if !r.read(string(out)) {
			return fmt.Errorf("the planner's benchmark printed no figure: %.1000s", out)
		}
	}
	for _, scene := range r.scenes {
		b.reportPasses(scene, r.passes[scene])
	}
	return nil
}

// passes are the rounds of a scene by number of tasks, in µs.
type passes map[int][]float64

// planRounds are the rounds of all scenes, in the benchmark's order.
type planRounds struct {
	scenes []string
	passes map[string]passes
}

var benchmarkLine = regexp.MustCompile(`^BenchmarkReconcile/(\S+)/tasks-(\d+)(?:-\d+)?\s.*\s([0-9.]+) cpu-ns/op`)

// read takes in what a run of the benchmark printed, and reports whether it printed anything.
func (r *planRounds) read(out string) bool {
	found := false
	for line := range strings.Lines(out) {
		m := benchmarkLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		found = true
		if r.passes[m[1]] == nil {
			r.passes[m[1]] = passes{}
			r.scenes = append(r.scenes, m[1])
		}
		tasks, _ := strconv.Atoi(m[2]) // the pattern has seen to it
		ns, _ := strconv.ParseFloat(m[3], 64)
		r.passes[m[1]][tasks] = append(r.passes[m[1]][tasks], ns/1000)
	}
	return found
}

// reportPasses sets each size beside ten times the smaller one: growth is the ratio.
func (b *bench) reportPasses(scene string, p passes) {
	name := strings.ReplaceAll(strings.ReplaceAll(scene, "-", " "), "/", ", ")
	for _, tasks := range []int{100, 1_000, 10_000} {
		f := figure{Section: "planner", Name: fmt.Sprintf("a pass, %s, %d tasks", name, tasks), Unit: "µs", Rounds: p[tasks]}
		if smaller := p[tasks/10]; smaller != nil {
			f.Peers = []peer{{Name: fmt.Sprintf("for %d tasks", tasks/10), Rounds: smaller}}
			f.Aims = []aim{{Of: f.Peers[0].Name, AtMost: growthAim}}
		}
		b.report.add(f)
	}
}
