package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

const (
	webARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
	webID  = "app/web/50dc6c495c0c9188"
)

// office is a delivery that runs in a directory of its own.
type office struct {
	*Delivery
	t    testing.TB
	stop func()
	logs *bytes.Buffer // what it told the logger, once it has stopped
}

func newOffice(t testing.TB, dir string) *office {
	t.Helper()
	o := &office{t: t, logs: &bytes.Buffer{}}
	o.Delivery = New(Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(o.logs, nil))})
	return o
}

func (o *office) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			o.t.Error(err)
		}
	})
	o.t.Cleanup(o.stop)
}

func (o *office) flush() {
	o.t.Helper()
	if err := o.Flush(context.Background()); err != nil {
		o.t.Fatal(err)
	}
}

// web is a snapshot with one load balancer that has some logs enabled.
func web(accessLogs, connectionLogs, healthCheckLogs *node.LogBucket) node.Snapshot {
	return node.Snapshot{LoadBalancers: []node.LoadBalancer{{ARN: webARN, ID: webID, Address: netip.MustParseAddr("10.0.0.5"),
		Attributes: node.LoadBalancerAttributes{AccessLogs: accessLogs, ConnectionLogs: connectionLogs, HealthCheckLogs: healthCheckLogs}}}}
}

func webRequest(n int) *timeline.Outcome {
	o := ordinary()
	o.LoadBalancer, o.URI = webID, fmt.Sprintf("/%d", n)
	o.Start, o.End = time.Now(), time.Now()
	return &o
}

// files returns the paths of regular files below dir, in order.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			path, err = filepath.Rel(dir, path)
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func matching(t testing.TB, dir, pattern string) (names []string) {
	t.Helper()
	re := regexp.MustCompile("^" + pattern + "$")
	for _, name := range files(t, dir) {
		if re.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

func unzip(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// paths returns the paths of the requests in access log lines.
func paths(t testing.TB, lines string) (found []string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		uri := strings.TrimPrefix(strings.Fields(mustParse(t, line)["request"])[1], "http://www.example.com:80/")
		found = append(found, uri)
	}
	return found
}

// shippedLines returns all access log lines in the bucket.
func shippedLines(t testing.TB, dir string) (lines string) {
	t.Helper()
	for _, name := range matching(t, dir, `.*/123456789012_elastic.*\.log\.gz`) {
		lines += unzip(t, filepath.Join(dir, name))
	}
	return lines
}

const shippedName = `AWSLogs/123456789012/elasticloadbalancing/us-east-2/\d{4}/\d\d/\d\d/%s123456789012_elasticloadbalancing_us-east-2_app\.web\.50dc6c495c0c9188_\d{8}T\d{4}Z_10\.0\.0\.5_[0-9a-z]{8}\.log\.gz`

func TestDelivery_ShipsUnderAWSNames(t *testing.T) {
	dir := t.TempDir()
	o := newOffice(t, dir)
	o.Configure(web(&node.LogBucket{Bucket: "my-logs", Prefix: "alb/prod"}, &node.LogBucket{Bucket: "my-logs"}, &node.LogBucket{Bucket: "checks"}))
	o.run()
	o.Finished(webRequest(1))
	o.Finished(webRequest(2))
	o.Connected(node.Connection{Time: time.Now(), LoadBalancer: webID, Client: netip.MustParseAddrPort("10.9.9.9:99"), Port: 80, TraceID: "TID_1"})
	o.Checked(node.Check{Time: time.Now(), LoadBalancers: []string{"app/other/1", webID}, Addr: netip.MustParseAddrPort("10.0.0.7:80"), Protocol: "HTTP", Passed: true, StatusCode: 200})
	o.flush()
	for pattern, content := range map[string]string{
		"my-logs/alb/prod/" + fmt.Sprintf(shippedName, ""):           " /1 /2",
		"my-logs/" + fmt.Sprintf(shippedName, "conn_log_"):           "10.9.9.9 99 80 - - - ",
		"checks/" + fmt.Sprintf(shippedName, "health_check_log_"):    "10.0.0.7:80 - PASS 200 - " + webID + " 10.0.0.5\n",
		"my-logs/alb/prod/AWSLogs/123456789012/ELBAccessLogTestFile": "",
		"my-logs/AWSLogs/123456789012/ELBConnectionLogTestFile":      "",
		"checks/AWSLogs/123456789012/ELBHealthCheckLogTestFile":      "",
	} {
		names := matching(t, dir, pattern)
		if len(names) != 1 {
			t.Errorf("%v match %s", names, pattern)
			continue
		}
		if strings.HasSuffix(names[0], ".gz") {
			text := unzip(t, filepath.Join(dir, names[0]))
			if strings.HasPrefix(content, " /") {
				text = " /" + strings.Join(paths(t, text), " /")
			}
			if !strings.Contains(text, content) {
				t.Errorf("%s holds %q", names[0], text)
			}
		}
	}
	if n := len(files(t, dir)); n != 6 {
		t.Errorf("there are other files: %v", files(t, dir))
	}
}

func TestDelivery_FiveMinuteIntervalsOfTheWallClock(t *testing.T) {
	dir := t.TempDir()
	timelinetest.Bubble(t, func(t *testing.T) {
		o := newOffice(t, dir)
		o.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
		o.run()
		defer o.stop()
		at := func(d time.Duration) { // since midnight
			midnight := time.Now().Truncate(24 * time.Hour)
			time.Sleep(time.Until(midnight.Add(d)))
		}
		finish := func(n int) {
			o.Finished(webRequest(n))
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		finish(1)
		at(299 * time.Second)
		finish(2)
		if live := matching(t, dir, `\.drydock/b/AWSLogs/.*_20000101T0005Z_10\.0\.0\.5_........\.log`); len(live) != 1 {
			t.Fatalf("no live file: %v", files(t, dir))
		} else if text, _ := os.ReadFile(filepath.Join(dir, live[0])); strings.Join(paths(t, string(text)), " ") != "1 2" {
			t.Errorf("the live file holds %s", text)
		}
		late := webRequest(4) // ends in the first interval, is told in the second
		at(300 * time.Second)
		finish(3)
		o.Finished(late)
		at(303 * time.Second)
		synctest.Wait()
		first := matching(t, dir, `b/AWSLogs/.*/2000/01/01/[^/]*_20000101T0005Z_10\.0\.0\.5_........\.log\.gz`)
		if len(first) != 1 || strings.Join(paths(t, unzip(t, filepath.Join(dir, first[0]))), " ") != "1 2 4" {
			t.Errorf("after the first interval there are %v", files(t, dir))
		}
		at(603 * time.Second)
		synctest.Wait()
		second := matching(t, dir, `b/AWSLogs/.*_20000101T0010Z_10\.0\.0\.5_........\.log\.gz`)
		if len(second) != 1 || strings.Join(paths(t, unzip(t, filepath.Join(dir, second[0]))), " ") != "3" {
			t.Errorf("after the second interval there are %v", files(t, dir))
		}
	})
}

func TestDelivery_FollowsTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	o := newOffice(t, dir)
	o.run()
	o.Finished(webRequest(0)) // nothing is known
	o.Configure(web(nil, nil, nil))
	o.Finished(webRequest(1))
	o.Configure(web(&node.LogBucket{Bucket: "first"}, nil, nil))
	o.Finished(webRequest(2))
	o.flush()
	o.Configure(web(&node.LogBucket{Bucket: "second"}, nil, nil))
	o.Finished(webRequest(3))
	o.flush()
	o.Configure(web(nil, nil, nil))
	o.Finished(webRequest(4))
	o.flush()
	for bucket, want := range map[string]string{"first": "2", "second": "3"} {
		if got := strings.Join(paths(t, shippedLines(t, filepath.Join(dir, bucket))), " "); got != want {
			t.Errorf("bucket %s has requests %s, not %s", bucket, got, want)
		}
	}
	if got := paths(t, shippedLines(t, dir)); len(got) != 2 {
		t.Errorf("requests %v are logged", got)
	}
	if len(o.streams) != 0 {
		t.Errorf("%d streams are left", len(o.streams))
	}
}

func TestDelivery_RefusesPlacesOutsideOfTheBucket(t *testing.T) {
	for _, to := range []node.LogBucket{{Bucket: "../b"}, {Bucket: "a/b"}, {Bucket: ".drydock"}, {Bucket: ""}, {Bucket: "b", Prefix: "../../x"}} {
		dir := t.TempDir()
		o := newOffice(t, filepath.Join(dir, "s3"))
		o.Configure(web(&to, nil, nil))
		o.run()
		o.Finished(webRequest(1))
		o.flush()
		o.stop()
		if left := files(t, dir); len(left) != 0 || !strings.Contains(o.logs.String(), "is not written") {
			t.Errorf("%+v: %v\n%s", to, left, o.logs)
		}
	}
}

func TestDelivery_CountsWhatTheDiskDoesNotTakeAndServesOn(t *testing.T) {
	dir := t.TempDir()
	o := newOffice(t, dir)
	full := true
	o.create = func(name string) (*os.File, error) { // called by Run only
		if full {
			return os.OpenFile("/dev/full", os.O_RDWR, 0)
		}
		return createLocked(name)
	}
	o.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
	o.run()
	for n := range 5 {
		for range 100 {
			o.Finished(webRequest(n))
		}
		if err := o.do(t.Context(), func(k *desk) { k.drain() }); err != nil {
			t.Fatal(err)
		}
	}
	if lost := o.Lost()[0]; lost != (Lost{Log: "access", Disk: 500}) {
		t.Errorf("lost are %+v", lost)
	}
	o.do(t.Context(), func(k *desk) { // there is room again
		full = false
		for s := range k.open {
			s.files = nil
		}
	})
	o.Finished(webRequest(7))
	o.flush()
	o.stop()
	if got := strings.Join(paths(t, shippedLines(t, dir)), " "); got != "7" {
		t.Errorf("requests %s are logged", got)
	}
	if text := o.logs.String(); strings.Count(text, "can't be written") != 1 || strings.Count(text, "can be written again") != 1 {
		t.Errorf("the logger was told:\n%s", text)
	}
}

func TestDelivery_LeavesTheLiveFilesOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	old := newOffice(t, dir)
	old.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
	old.run()
	old.Finished(webRequest(1))
	old.do(t.Context(), func(k *desk) { k.drain() })
	next := newOffice(t, dir)
	next.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
	next.run()
	next.Finished(webRequest(2))
	next.flush()
	if got := strings.Join(paths(t, shippedLines(t, dir)), " "); got != "2" {
		t.Errorf("requests %s are shipped", got)
	}
	old.Finished(webRequest(3))
	old.stop()
	got := paths(t, shippedLines(t, dir))
	slices.Sort(got)
	if strings.Join(got, " ") != "1 2 3" {
		t.Errorf("requests %s are shipped", got)
	}
}
