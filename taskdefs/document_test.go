package taskdefs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse_KeepsTheDocumentVerbatim(t *testing.T) {
	text := []byte("{ \"family\" : \"a\",\n\t\"memory\": \"1 GB\", \"containerDefinitions\": [ {\"name\":\"c\",\"image\":\"i\",\"nonsense\":1e3} ] }\n")
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Raw, text) {
		t.Errorf("got %s", d.Raw)
	}
}

func TestParse_NamesTheFieldOfAWrongType(t *testing.T) {
	for _, c := range []struct {
		change func(object)
		want   string
	}{
		{func(d object) { d["family"] = 1 }, "family: expected a string, found the number 1"},
		{func(d object) { d["cpu"] = 256 }, "cpu: expected a string, found the number 256"},
		{func(d object) { d["containerDefinitions"] = object{} }, "containerDefinitions: expected a list, found an object"},
		{func(d object) { d["containerDefinitions"] = []any{nil} }, "containerDefinitions[0]: expected an object, found null"},
		{func(d object) { first(d)["cpu"] = "256" }, `containerDefinitions[0].cpu: expected an integer, found the string "256"`},
		{func(d object) { first(d)["memory"] = 1.5 }, "containerDefinitions[0].memory: expected an integer, found 1.5"},
		{func(d object) { first(d)["essential"] = "yes" }, `containerDefinitions[0].essential: expected true or false, found the string "yes"`},
		{func(d object) { first(d)["command"] = "run" }, `containerDefinitions[0].command: expected a list, found the string "run"`},
		{func(d object) { first(d)["command"] = []any{true} }, "containerDefinitions[0].command[0]: expected a string, found true"},
		{func(d object) { first(d)["dockerLabels"] = object{"a": 1} }, "containerDefinitions[0].dockerLabels.a: expected a string, found the number 1"},
		{func(d object) { first(d)["portMappings"] = []any{object{"containerPort": "80"}} }, `containerDefinitions[0].portMappings[0].containerPort: expected an integer, found the string "80"`},
	} {
		_, err := Parse(doc(t, c.change))
		wantError(t, err, "SerializationException: "+c.want)
	}
}

func TestParse_NamesTheLineOfBrokenJSON(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "the task definition is not valid JSON: it ends too early",
		"{\"family\": ":      "the task definition is not valid JSON: it ends too early",
		"{\n\"family\": \n}": "the task definition is not valid JSON: line 3: invalid character '}' looking for beginning of value",
		"[]":                 "the task definition must be a JSON object, not a list",
		"{}\n{}":             "the task definition is followed by something else at line 2",
	} {
		_, err := Parse([]byte(text))
		wantError(t, err, "SerializationException: "+want)
	}
}

func TestParse_TakesNullAsAbsent(t *testing.T) {
	d, err := Parse(doc(t, func(d object) { d["pidMode"] = nil; first(d)["healthCheck"] = nil }))
	if err != nil {
		t.Fatal(err)
	}
	if d.Definition.ContainerDefinitions[0].HealthCheck != nil {
		t.Error("null became a health check")
	}
	answer, err := Describe(Registered{Document: *d})
	if err != nil || bytes.Contains(answer, []byte("null")) {
		t.Errorf("%v: %s", err, answer)
	}
}

func TestParse_WarnsOfWhatHasNoEffect(t *testing.T) {
	d, err := Parse(doc(t, func(d object) {
		d["Family"], d["revision"] = "x", 3
		d["volumes"] = []any{object{"name": "v", "efsVolumeConfiguration": object{"fileSystemId": "fs-1"}}}
		first(d)["heathCheck"] = object{}
		first(d)["portMappings"].([]any)[0].(object)["protokol"] = "tcp"
		first(d)["firelensConfiguration"] = object{"type": "fluentbit"}
		first(d)["logConfiguration"] = object{"logDriver": "awsfirelens"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Family: not a member of the API; ignored",
		"containerDefinitions[0].heathCheck: not a member of the API; ignored",
		"containerDefinitions[0].portMappings[0].protokol: not a member of the API; ignored",
		"revision: not a member of the API; ignored",
		"containerDefinitions[0].logConfiguration.logDriver: accepted, but without effect: Docker keeps the logs, and `drydock logs` shows them; nothing is sent elsewhere",
		"containerDefinitions[0].firelensConfiguration: accepted, but without effect: log routing is not emulated: the container runs, but no logs are sent to it",
		"volumes[0].efsVolumeConfiguration: accepted, but without effect: an empty directory of the task is mounted",
	}
	if !slices.Equal(d.Warnings, want) {
		t.Errorf("got\n%s", strings.Join(d.Warnings, "\n"))
	}
	if d.Definition.Family != "user-service" || d.Definition.Revision != 0 {
		t.Errorf("got %s:%d", d.Definition.Family, d.Definition.Revision)
	}
}

// TestTypes_CoverTheAPI compares the typed view with the service model, member by member.
func TestTypes_CoverTheAPI(t *testing.T) {
	f, err := os.Open("testdata/request-members.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var want []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "#") {
			want = append(want, lines.Text())
		}
	}
	var got []string
	leaves("", reflect.TypeFor[TaskDefinition](), "", &got)
	slices.Sort(want)
	slices.Sort(got)
	for _, w := range want {
		// Windows is refused later, with a sentence of its own.
		if w, _, _ := strings.Cut(w, " WINDOWS"); !slices.Contains(got, w) {
			t.Errorf("missing: %s", w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d members, the API has %d", len(got), len(want))
	}
}

func leaves(path string, t reflect.Type, enum string, all *[]string) {
	switch t.Kind() {
	case reflect.Pointer:
		leaves(path, t.Elem(), enum, all)
	case reflect.Slice:
		leaves(path+"[]", t.Elem(), enum, all)
	case reflect.Struct:
		for _, m := range members(t) {
			leaves(join(path, m.name), m.typ, m.tag.Get("enum"), all)
		}
	default:
		kind := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Map: "map", reflect.Int: "integer", reflect.Int64: "integer"}[t.Kind()]
		*all = append(*all, strings.TrimSpace(path+" "+kind+" "+enum))
	}
}

// TestDescribe_AnswersEverythingRegistered: whatever a document says comes back, value for
// value; the rest is defaults.
func TestDescribe_AnswersEverythingRegistered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawValue(t, reflect.TypeFor[TaskDefinition](), "", "document").(object)
		delete(tree, "cpu") // sizes are normalised
		delete(tree, "memory")
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		d, err := read(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		first, err := Describe(Registered{Document: *d, Family: "f", Revision: 1})
		if err != nil {
			t.Fatal(err)
		}
		second, _ := Describe(Registered{Document: *d, Family: "f", Revision: 1})
		if !bytes.Equal(first, second) {
			t.Fatal("the order of members changes")
		}
		answer, err := decodeTree(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		delete(tree, "tags")
		contains(t, "", answer, roundTrip(t, tree))
	})
}

func roundTrip(t *rapid.T, v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := decodeTree(text)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// contains fails unless everything in part is in whole.
func contains(t *rapid.T, path string, whole, part any) {
	switch part := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		for name, v := range part {
			if !ok || w[name] == nil {
				t.Fatalf("%s.%s was lost", path, name)
			}
			contains(t, path+"."+name, w[name], v)
		}
	case []any:
		w, ok := whole.([]any)
		if !ok || len(w) != len(part) {
			t.Fatalf("%s has %d items, want %d", path, len(w), len(part))
		}
		for i := range part {
			contains(t, fmt.Sprintf("%s[%d]", path, i), w[i], part[i])
		}
	default:
		hostPort := strings.HasSuffix(path, ".hostPort") && part == json.Number("0")
		if whole != part && !hostPort { // 0 may become the container port
			t.Fatalf("%s is %v, want %v", path, whole, part)
		}
	}
}

func drawValue(t *rapid.T, typ reflect.Type, tag reflect.StructTag, label string) any {
	switch typ.Kind() {
	case reflect.Pointer:
		return drawValue(t, typ.Elem(), tag, label)
	case reflect.Struct:
		o := object{}
		for _, m := range members(typ) {
			if m.tag.Get("required") == "true" || rapid.Bool().Draw(t, m.name+" is there") {
				o[m.name] = drawValue(t, m.typ, m.tag, m.name)
			}
		}
		return o
	case reflect.Slice:
		list := []any{}
		for range rapid.IntRange(0, 2).Draw(t, label+" items") {
			list = append(list, drawValue(t, typ.Elem(), reflect.StructTag(itemTag(tag)), label))
		}
		return list
	case reflect.Map:
		return object{"a<b": "&", "z": rapid.String().Draw(t, label)}
	case reflect.Bool:
		return rapid.Bool().Draw(t, label)
	case reflect.String:
		if enum := tag.Get("enum"); enum != "" {
			return rapid.SampledFrom(strings.Split(enum, ",")).Draw(t, label)
		}
		return rapid.String().Draw(t, label)
	default:
		low, high := -1, 100000
		if bounds := tag.Get("range"); bounds != "" {
			fmt.Sscanf(bounds, "%d-%d", &low, &high)
		}
		return rapid.IntRange(low, high).Draw(t, label)
	}
}

// TestWithoutEffect_NamesEveryMember: what is accepted but not acted on, in the API's order.
func TestWithoutEffect_NamesEveryMember(t *testing.T) {
	d, err := Parse(doc(t, ec2, func(d object) {
		d["placementConstraints"] = []any{object{"type": "memberOf", "expression": "attribute:x"}}
		d["volumes"] = []any{object{"name": "s3", "s3filesVolumeConfiguration": object{"fileSystemArn": "arn"}}, object{"name": "later", "configuredAtLaunch": true}, object{"name": "plain"}}
		c := first(d)
		c["repositoryCredentials"] = object{"credentialsParameter": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub"}
		c["portMappings"] = []any{object{"containerPort": 80, "appProtocol": "http"}}
		d["runtimePlatform"] = object{"cpuArchitecture": map[bool]string{true: "ARM64", false: "X86_64"}[runtime.GOARCH == "amd64"]}
		c["linuxParameters"] = object{"swappiness": 10, "capabilities": object{"add": []any{"NET_RAW", "SYS_PTRACE"}}}
		c["logConfiguration"] = object{"logDriver": "awslogs", "options": object{"awslogs-group": "g", "awslogs-region": "r", "mode": "blocking"},
			"secretOptions": []any{object{"name": "n", "valueFrom": "v"}}}
		c["resourceRequirements"] = []any{object{"type": "GPU", "value": "1"}}
		c["credentialSpecs"] = []any{"credentialspec:x"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	const container = "containerDefinitions[0]."
	want := []string{
		container + "repositoryCredentials", container + "portMappings.appProtocol", container + "linuxParameters.capabilities.add", container + "linuxParameters.swappiness",
		container + "logConfiguration.options.mode", container + "logConfiguration.secretOptions",
		container + "resourceRequirements", container + "credentialSpecs",
		"volumes[0].s3filesVolumeConfiguration", "volumes[1].configuredAtLaunch", "placementConstraints", "runtimePlatform.cpuArchitecture",
	}
	var got []string
	for _, m := range d.Definition.WithoutEffect() {
		got = append(got, m.Member)
		if m.Why == "" {
			t.Errorf("%s: no reason", m.Member)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if none, err := Parse(doc(t)); err != nil || len(none.Definition.WithoutEffect()) > 0 || len(none.Warnings) > 0 {
		t.Errorf("an ordinary definition: %v, %v", none.Warnings, err)
	}
}

// TestParse_NamesUnknownMembersAtEveryDepth fills every member of the API and puts one that is
// unknown into each structure: all of them are named, and none gets into the answer.
func TestParse_NamesUnknownMembersAtEveryDepth(t *testing.T) {
	var want []string
	document := full("", reflect.TypeFor[TaskDefinition](), "", &want).(object)
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	d, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(d.Unknown, want) || len(want) < 30 {
		t.Errorf("got %d, want %d:\n%s", len(d.Unknown), len(want), strings.Join(d.Unknown, "\n"))
	}
	answer, err := Describe(Registered{Document: *d})
	if err != nil || bytes.Contains(answer, []byte("nonsense")) {
		t.Errorf("%v: %s", err, answer)
	}
}

// full makes a value of a type that the reader takes, with an unknown member in each structure.
func full(path string, typ reflect.Type, tag reflect.StructTag, unknown *[]string) any {
	switch typ.Kind() {
	case reflect.Pointer:
		return full(path, typ.Elem(), tag, unknown)
	case reflect.Struct:
		o := object{"nonsense": 1}
		*unknown = append(*unknown, join(path, "nonsense"))
		for _, m := range members(typ) {
			o[m.name] = full(join(path, m.name), m.typ, m.tag, unknown)
		}
		return o
	case reflect.Slice:
		return []any{full(path+"[0]", typ.Elem(), tag, unknown)}
	case reflect.Map:
		return object{"a": "b"}
	case reflect.String:
		first, _, _ := strings.Cut(tag.Get("enum"), ",")
		if first == "" && (path == "cpu" || path == "memory") {
			return "1024"
		}
		return first
	case reflect.Bool:
		return true
	default:
		var low int
		fmt.Sscanf(tag.Get("range"), "%d-", &low)
		return low
	}
}
