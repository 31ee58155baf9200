package taskdefs

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/store/storetest"
	"drydock/timeline"
)

const arnPrefix = "arn:aws:ecs:us-east-1:123456789012:task-definition/"

func TestRegister_RevisionsIncreaseFromOne(t *testing.T) {
	c := open(t, &storetest.Memory{})
	for i, want := range []string{"web:1", "web:2", "web:3"} {
		r := register(t, c, "web")
		if r.Name() != want || r.ARN != arnPrefix+want || r.Revision != i+1 || r.Definition.Revision != i+1 || r.Status != Active {
			t.Errorf("got %s %s %s", r.Name(), r.ARN, r.Status)
		}
	}
	if r := register(t, c, "api"); r.Name() != "api:1" {
		t.Errorf("got %s", r.Name())
	}
}

func TestRegister_NeverReusesARevision(t *testing.T) {
	store := &storetest.Memory{}
	c := open(t, store)
	register(t, c, "web")
	second := register(t, c, "web")
	if _, err := c.Deregister(t.Context(), second.ARN, noon); err != nil {
		t.Fatal(err)
	}
	if _, failures, err := c.Delete(t.Context(), []string{second.ARN}, noon); err != nil || failures != nil {
		t.Fatal(failures, err)
	}
	if err := c.Purge(t.Context(), func(string) bool { return false }, noon); err != nil {
		t.Fatal(err)
	}
	if r := register(t, open(t, store), "web"); r.Revision != 3 {
		t.Errorf("after a restart: revision %d, want 3", r.Revision)
	}
}

func TestRegister_RefusedOrNotStoredLeavesNothing(t *testing.T) {
	store := &storetest.Memory{}
	c := open(t, store)
	if _, err := c.Register(t.Context(), doc(t, func(d object) { d["cpu"] = "1" }), nil, "", noon); err == nil {
		t.Error("accepted")
	}
	store.Fail = errFull
	if _, err := c.Register(t.Context(), doc(t), nil, "", noon); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	store.Fail = nil
	if len(store.Rows)+len(store.Events)+len(c.List(List{})) > 0 {
		t.Errorf("left %v, %v", store.Rows, store.Events)
	}
	if r := register(t, c, "web"); r.Revision != 1 {
		t.Errorf("revision %d", r.Revision)
	}
}

func TestCatalogue_EventsNameTheirCause(t *testing.T) {
	store := &storetest.Memory{Seq: 40}
	c := open(t, store)
	ctx := timeline.WithCause(t.Context(), 7)
	r, err := c.Register(ctx, doc(t, func(d object) { d["nonsense"] = 1 }), nil, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deregister(ctx, r.Name(), noon); err != nil {
		t.Fatal(err)
	}
	type brief struct {
		seq, cause int64
		kind       timeline.Kind
		message    string
	}
	want := []brief{
		{41, 7, timeline.Config, "Task definition user-service:1 was registered."},
		{42, 41, timeline.Warning, "Task definition user-service:1: nonsense: not a member of the API; ignored."},
		{43, 7, timeline.Config, "Task definition user-service:1 was deregistered."},
	}
	var got []brief
	for _, e := range store.Events {
		got = append(got, brief{e.Seq, e.Cause, e.Kind, e.Message})
		if e.Subject != r.ARN || !e.Time.Equal(noon) {
			t.Errorf("%s at %s", e.Subject, e.Time)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestLookup_References(t *testing.T) {
	c := open(t, &storetest.Memory{})
	register(t, c, "web")
	register(t, c, "web")
	third := register(t, c, "web")
	if _, err := c.Deregister(t.Context(), third.ARN, noon); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"web": "web:2", "web:1": "web:1", "web:3": "web:3",
		arnPrefix + "web:2": "web:2", arnPrefix + "web": "web:2",
	} {
		r, err := c.Lookup(ref)
		if err != nil || r.Name() != want {
			t.Errorf("%s: got %s, %v", ref, r.Name(), err)
		}
	}
}

func TestLookup_Refusals(t *testing.T) {
	c := open(t, &storetest.Memory{})
	gone := register(t, c, "gone")
	if _, err := c.Deregister(t.Context(), gone.ARN, noon); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"nobody":  "ClientException: Unable to describe task definition.",
		"gone":    "ClientException: Unable to describe task definition.", // no ACTIVE revision
		"gone:2":  "ClientException: Unable to describe task definition.",
		"":        "ClientException: Unable to describe task definition.",
		"gone:x":  "InvalidParameterException: Invalid revision number. Number: x",
		"gone:0":  "InvalidParameterException: Invalid revision number. Number: 0",
		"gone:-1": "InvalidParameterException: Invalid revision number. Number: -1",
	} {
		_, err := c.Lookup(ref)
		wantError(t, err, want)
	}
}

func TestDeregister_MakesInactive(t *testing.T) {
	store := &storetest.Memory{}
	c := open(t, store)
	register(t, c, "web")
	if _, err := c.Deregister(t.Context(), "web:1", noon); err != nil {
		t.Fatal(err)
	}
	events := len(store.Events)
	again, err := c.Deregister(t.Context(), "web:1", noon.Add(time.Hour))
	if err != nil || again.Status != Inactive || !again.DeregisteredAt.Equal(noon) || len(store.Events) != events {
		t.Errorf("again: %v, %v", again.DeregisteredAt, err)
	}
	wantError(t, again.Usable(), "ClientException: TaskDefinition is inactive")
	_, err = c.Deregister(t.Context(), "web", noon)
	wantError(t, err, "ClientException: Revision is missing.")
	_, err = c.Deregister(t.Context(), "web:one", noon)
	wantError(t, err, "InvalidParameterException: Invalid revision number. Number: one")
	_, err = c.Deregister(t.Context(), "web:2", noon)
	wantError(t, err, "ClientException: Unable to describe task definition.")
}

func TestList_SortsByFamilyThenRevision(t *testing.T) {
	c := open(t, &storetest.Memory{})
	for _, f := range []string{"web", "api", "web", "web-admin"} {
		register(t, c, f)
	}
	for range 8 {
		register(t, c, "api")
	}
	if _, err := c.Deregister(t.Context(), "web:1", noon); err != nil {
		t.Fatal(err)
	}
	short := func(l List) string {
		return strings.ReplaceAll(strings.Join(c.List(l), " "), arnPrefix, "")
	}
	for _, c := range []struct {
		list List
		want string
	}{
		{List{Family: "web"}, "web:2"}, // exact, not a prefix
		{List{Family: "we"}, ""},
		{List{Status: Inactive}, "web:1"},
		{List{}, "api:1 api:2 api:3 api:4 api:5 api:6 api:7 api:8 api:9 web:2 web-admin:1"},
		{List{Descending: true}, "web-admin:1 web:2 api:9 api:8 api:7 api:6 api:5 api:4 api:3 api:2 api:1"},
	} {
		if got := short(c.list); got != c.want {
			t.Errorf("%+v: got %s", c.list, got)
		}
	}
}

func TestFamilies_PrefixAndStatus(t *testing.T) {
	c := open(t, &storetest.Memory{})
	for _, f := range []string{"web", "web", "web-admin", "api"} {
		register(t, c, f)
	}
	for _, ref := range []string{"web:1", "api:1"} {
		if _, err := c.Deregister(t.Context(), ref, noon); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []struct{ prefix, status, want string }{
		{"", "", "api web web-admin"}, {"", "ALL", "api web web-admin"}, {"we", "", "web web-admin"},
		{"", Active, "web web-admin"}, {"", Inactive, "api"}, {"nobody", "", ""},
	} {
		if got := strings.Join(c.Families(f.prefix, f.status), " "); got != f.want {
			t.Errorf("%+v: got %s", f, got)
		}
	}
}

func TestDelete_Failures(t *testing.T) {
	c := open(t, &storetest.Memory{})
	register(t, c, "web")
	_, failures, err := c.Delete(t.Context(), []string{"web", "web:2", "web:1"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := []Failure{
		{"web", "The specified task definition identifier is invalid. Specify a valid name or ARN and try again."},
		{"web:2", "The specified task definition does not exist. Specify a valid account, family, revision and try again."},
		{"web:1", "The specified task definition is still in ACTIVE status. Please deregister the target and try again."},
	}
	if !slices.Equal(failures, want) {
		t.Errorf("got %v", failures)
	}
	_, _, err = c.Delete(t.Context(), make([]string, 11), noon)
	wantError(t, err, "InvalidParameterException: The number of task definitions must be between 1 and 10.")
}

func TestPurge_WaitsUntilNothingRefers(t *testing.T) {
	c := open(t, &storetest.Memory{})
	r := register(t, c, "web")
	if _, err := c.Deregister(t.Context(), r.ARN, noon); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Delete(t.Context(), []string{r.ARN}, noon); err != nil {
		t.Fatal(err)
	}
	inUse := true
	for range 2 {
		if err := c.Purge(t.Context(), func(string) bool { return inUse }, noon); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Lookup(r.ARN); inUse && (err != nil || got.Status != DeleteInProgress) {
			t.Errorf("in use: %s, %v", got.Status, err)
		} else if !inUse {
			wantError(t, err, "ClientException: Unable to describe task definition.")
		}
		inUse = false
	}
}

func TestOpen_FindsWhatWasRegistered(t *testing.T) {
	store := &storetest.Memory{}
	c := open(t, store)
	before, err := c.Register(t.Context(), append(doc(t, func(d object) { d["cpu"] = ".25 vCPU" }), "\n\n"...),
		[]Tag{{"a", "b"}}, "me", noon)
	if err != nil {
		t.Fatal(err)
	}
	after, err := open(t, store).Lookup("user-service")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := Describe(before)
	got, err := Describe(after)
	if err != nil || string(got) != string(want) || string(after.Raw) != string(before.Raw) || !slices.Equal(after.Tags, before.Tags) {
		t.Errorf("%v: got %s\nwant %s", err, got, want)
	}
}

func TestRegister_Tags(t *testing.T) {
	c := open(t, &storetest.Memory{})
	tagged := doc(t, func(d object) { d["tags"] = []any{object{"key": "from", "value": "document"}} })
	for _, given := range [][]Tag{nil, {{"from", "call"}}} {
		r, err := c.Register(t.Context(), tagged, given, "", noon)
		want := "document"
		if given != nil {
			want = "call"
		}
		if err != nil || len(r.Tags) != 1 || r.Tags[0].Value != want {
			t.Errorf("got %v, %v", r.Tags, err)
		}
	}
	for _, bad := range [][]Tag{
		make([]Tag, 51), {{"", "v"}}, {{"aws:x", "v"}}, {{"k", "1"}, {"k", "2"}},
		{{strings.Repeat("k", 129), "v"}}, {{"k", strings.Repeat("v", 257)}},
	} {
		var e *Error
		if err := c.SetTags(t.Context(), "user-service:1", bad, noon); !errors.As(err, &e) || e.Code != "InvalidParameterException" {
			t.Errorf("%.40v: got %v", bad, err)
		}
	}
	if err := c.SetTags(t.Context(), "user-service:1", []Tag{{"k", "v"}}, noon); err != nil {
		t.Fatal(err)
	}
	if r, _ := c.Lookup("user-service:1"); len(r.Tags) != 1 || r.Tags[0].Key != "k" {
		t.Errorf("got %v", r.Tags)
	}
}

func TestRegister_ConcurrentlyGivesEveryNumberOnce(t *testing.T) {
	c := open(t, &storetest.Memory{})
	text := doc(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Register(t.Context(), text, nil, "", noon); err != nil {
				t.Error(err)
			}
			c.List(List{})
		})
	}
	wg.Wait()
	if n := len(c.List(List{})); n != 20 {
		t.Errorf("%d revisions", n)
	}
}

func TestRegister_CompatibilitiesAndAttributes(t *testing.T) {
	c := open(t, &storetest.Memory{})
	fargate := register(t, c, "web")
	if !slices.Equal(fargate.Compatibilities, []string{"EC2", "FARGATE"}) || !slices.Contains(fargate.RequiresAttributes, "ecs.capability.task-eni") {
		t.Errorf("got %v, %v", fargate.Compatibilities, fargate.RequiresAttributes)
	}
	bridge, err := c.Register(t.Context(), doc(t, ec2, func(d object) { d["taskRoleArn"] = "r" }), nil, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"com.amazonaws.ecs.capability.docker-remote-api.1.18", "com.amazonaws.ecs.capability.task-iam-role"}
	if !slices.Equal(bridge.Compatibilities, []string{"EC2"}) || !slices.Equal(bridge.RequiresAttributes, want) {
		t.Errorf("got %v, %v", bridge.Compatibilities, bridge.RequiresAttributes)
	}
}
