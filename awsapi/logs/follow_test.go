package logs

import (
	"net/http/httptest"
	"os/exec"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/cloudwatch/logs"
)

// follower does what `aws logs tail --follow` does: it asks again and again from the newest
// event that it saw, page by page, and leaves out what it has printed, by the events' ids.
// Meanwhile two streams are written, several events of the same millisecond included.
const follower = `
import boto3, time
logs = boto3.client("logs")
logs.create_log_group(logGroupName="/ecs/web")
for name in ("a", "b"):
    logs.create_log_stream(logGroupName="/ecs/web", logStreamName=name)
begin = int(time.time() * 1000) - 1000
printed, seen, since, written = [], set(), begin, []

def poll():
    global since
    more = {}
    while True:
        page = logs.filter_log_events(logGroupName="/ecs/web", startTime=since, interleaved=True, limit=3, **more)
        for e in page["events"]:
            if e["eventId"] not in seen:
                seen.add(e["eventId"])
                printed.append(e["logStreamName"] + " " + e["message"])
                newest.append(e["timestamp"])
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    since = max(newest)

newest = [begin]
for turn in range(20):
    at = begin + turn // 2 * 10  # two turns share their millisecond
    for name in ("a", "b"):
        events = [{"timestamp": at, "message": f"{turn}.{n}"} for n in range(2)]
        logs.put_log_events(logGroupName="/ecs/web", logStreamName=name, logEvents=events)
        written += [f"{name} {e['message']}" for e in events]
    poll()
assert sorted(printed) == sorted(written), (sorted(printed), sorted(written))
pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/ecs/web", PaginationConfig={"PageSize": 7})
assert sorted(e["logStreamName"] + " " + e["message"] for p in pages for e in p["events"]) == sorted(written)
print("all well")
`

// TestFollow_MissesAndRepeatsNothing, over pages and streams.
func TestFollow_MissesAndRepeatsNothing(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("python3 with boto3 is not installed")
	}
	service, err := logs.Open(t.Context(), &apitest.Store{}, noContainers{}, logs.Config{Region: "us-east-1", Account: "123456789012", Directory: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	Register(s, service)
	server := httptest.NewServer(s)
	defer server.Close()
	command := exec.Command("python3", "-c", follower)
	command.Env = apitest.Environment(server.URL, t.TempDir())
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
