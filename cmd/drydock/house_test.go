package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rooms says which of our packages each room may import. A room's sub-folders that are not
// listed belong to it.
var rooms = map[string][]string{
	"timeline":            {},
	"taskdefs":            {"timeline"},
	"network":             {"timeline"},
	"network/iptables":    {"network"},
	"alb/node":            {"timeline"},
	"alb/control":         {"alb/node", "timeline"},
	"alb/logs":            {"alb/node", "timeline"},
	"alb/metrics":         {"alb/node", "timeline"},
	"alb":                 {"alb/node", "network", "timeline"},
	"acm":                 {"timeline"},
	"cloudwatch":          {"timeline"},
	"cloudwatch/logs":     {"timeline"},
	"autoscaling":         {"cloudwatch", "timeline"},
	"iam":                 {"timeline"},
	"ssm":                 {},
	"orchestrator":        {"taskdefs", "network", "alb", "timeline"},
	"orchestrator/agent":  {"orchestrator", "taskdefs", "network", "alb", "timeline"},
	"orchestrator/docker": {"orchestrator", "taskdefs", "network"},
	"secrets":             {},
	"store":               {"taskdefs", "network", "alb", "acm", "orchestrator", "timeline"},
	"store/storetest":     {"timeline"},
	"network/networktest": {},
	"awsapi/apitest":      {"awsapi", "store/storetest"},
	"awsapi":              {"taskdefs", "network", "alb", "acm", "cloudwatch", "cloudwatch/logs", "autoscaling", "iam", "orchestrator", "timeline"},
	"examples":            {},
	"bench":               {"timeline", "awsapi", "orchestrator/docker"},
	"cmd/drydock":         nil, // everything
}

// foreign says which rooms alone may import a library.
var foreign = map[string][]string{
	"github.com/docker/docker":    {"orchestrator/docker", "cmd/drydock", "bench"},
	"github.com/mattn/go-sqlite3": {"store"},
	"database/sql":                {"store"},
	"github.com/urfave/cli":       {"cmd/drydock"},
	"net/http/httputil":           {},
	"github.com/fxamacker/cbor":   {"awsapi"},
	"go.yaml.in/yaml":             {"cmd/drydock", "secrets"},
}

func TestImports_FollowTheHouse(t *testing.T) {
	for _, p := range listPackages(t) {
		path := strings.TrimPrefix(p.ImportPath, "drydock/")
		room := roomOf(path)
		if room == "" {
			t.Errorf("package %s is in no room: give it one in this table", path)
			continue
		}
		for _, imported := range p.Imports {
			checkImport(t, path, room, imported)
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "drydock/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// roomOf returns the room of a package: the longest one that its path begins with.
func roomOf(path string) string {
	best := ""
	for room := range rooms {
		if (path == room || strings.HasPrefix(path, room+"/")) && len(room) > len(best) {
			best = room
		}
	}
	return best
}

func checkImport(t *testing.T, path, room, imported string) {
	if ours, ok := strings.CutPrefix(imported, "drydock/"); ok {
		allowed := rooms[room]
		if target := roomOf(ours); target != room && allowed != nil && !slices.Contains(allowed, target) {
			t.Errorf("%s imports %s: room %s may import %v only", path, ours, room, allowed)
		}
		return
	}
	for library, allowed := range foreign {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(allowed, room) {
			t.Errorf("%s imports %s: only %v may", path, imported, allowed)
		}
	}
}

var factID = regexp.MustCompile(`\b(AAS|ACM|ALB|CW|ECS|IAM|LOG|NET|WHY|WIRE)-\d{3}\b`)

// TestFacts_AreStatedOnceAndTested: every fact that code cites stands in a FACTS.md, once, and
// names a test that exists.
func TestFacts_AreStatedOnceAndTested(t *testing.T) {
	facts, tests, cited := readFacts(t)
	for id, where := range cited {
		if facts[id] == "" {
			t.Errorf("%s cites %s, which no FACTS.md states", where, id)
		}
	}
	name := regexp.MustCompile(`\b(Test|Fuzz)\w+`)
	for id, line := range facts {
		named := name.FindAllString(line, -1)
		if len(named) == 0 {
			t.Errorf("%s names no test", id)
		}
		for _, test := range named {
			if !tests[test] {
				t.Errorf("%s names %s, which does not exist", id, test)
			}
		}
	}
}

// readFacts walks the repository: the line of each fact, the names of all tests, and where
// each fact is cited.
func readFacts(t *testing.T) (facts map[string]string, tests map[string]bool, cited map[string]string) {
	facts, tests, cited = map[string]string{}, map[string]bool{}, map[string]string{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") && entry.Name() != "FACTS.md" {
			return err
		}
		data, err := os.ReadFile(path)
		if entry.Name() == "FACTS.md" {
			readFactTable(t, path, string(data), facts)
			return err
		}
		for _, m := range function.FindAllStringSubmatch(string(data), -1) {
			tests[m[1]] = true
		}
		for _, id := range factID.FindAllString(string(data), -1) {
			cited[id] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return facts, tests, cited
}

func readFactTable(t *testing.T, path, text string, facts map[string]string) {
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		id := strings.TrimSpace(cells[1])
		if factID.FindString(id) != id || id == "" {
			continue
		}
		if facts[id] != "" {
			t.Errorf("%s states %s a second time", path, id)
		}
		facts[id] = line
	}
}

// TestBubbles_AreThoseOfTimelinetest: a bubble made otherwise can end the whole test program
// under the race detector (see timelinetest.Bubble).
func TestBubbles_AreThoseOfTimelinetest(t *testing.T) {
	bubble := regexp.MustCompile(`\bsynctest\.Test\(`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || filepath.Base(filepath.Dir(path)) == "timelinetest" {
			return err
		}
		data, err := os.ReadFile(path)
		if bubble.Match(data) {
			t.Errorf("%s calls synctest.Test: call timelinetest.Bubble", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
