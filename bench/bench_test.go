package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drydock/timeline"
)

func TestMedian_IsTheMiddleOrTheMeanOfBoth(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestPercentile_IsTheNearestRank(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		all     []time.Duration
		percent int
		want    time.Duration
	}{{nil, 50, 0}, {[]time.Duration{3}, 99, 3}, {hundred, 50, 50}, {hundred, 99, 99}, {[]time.Duration{2, 1}, 50, 1}} {
		if got := percentile(c.all, c.percent); got != c.want {
			t.Errorf("percentile %d of %d values = %d, want %d", c.percent, len(c.all), got, c.want)
		}
	}
}

// Aims are judged round by round: the better peer can be another one in each.
func TestAdd_JudgesAimsByTheMedianOfTheRoundsRatios(t *testing.T) {
	var r report
	r.add(figure{
		Rounds: []float64{10, 20, 30},
		Peers:  []peer{{Name: "a", Rounds: []float64{20, 10, 30}}, {Name: "b", Rounds: []float64{10, 40, 60}}},
		Aims:   []aim{{Of: betterOfTwo, AtMost: 1}, {Of: "b", AtMost: 0.4}, {Of: betterOfTwo}, {AtMost: 20}, {Of: "nobody", AtMost: 1}},
	})
	f := r.Figures[0]
	if f.Value != 20 || f.Peers[0].Value != 20 || f.Peers[0].Ratio != 1 || f.Peers[1].Ratio != 0.5 {
		t.Errorf("values: %+v", f)
	}
	want := []aim{
		{Of: betterOfTwo, AtMost: 1, Ratio: 1, Reached: true}, {Of: "b", AtMost: 0.4, Ratio: 0.5}, {Of: betterOfTwo, Ratio: 1, Reached: true},
		{AtMost: 20, Reached: true}, {Of: "nobody", AtMost: 1},
	}
	if !slices.Equal(f.Aims, want) {
		t.Errorf("aims %+v, want %+v", f.Aims, want)
	}
}

func TestPrint_SaysWhatIsMissedAndWhatIsNotYet(t *testing.T) {
	var r report
	r.add(figure{Section: "s", Name: "slow", Unit: "µs", Rounds: []float64{30}, Peers: []peer{{Name: "p", Rounds: []float64{10}}}, Aims: []aim{{Of: "p", AtMost: 1}}})
	r.add(figure{Section: "s", Name: "absent", Unit: "µs", NotYet: "no such thing", Peers: []peer{{Name: "p", Rounds: []float64{10}}}, Aims: []aim{{Of: "p", AtMost: 1}}})
	r.skip("s", "unable", "no tool")
	var out bytes.Buffer
	r.print(&out)
	rows := map[string][]string{}
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); len(words) > 1 {
			rows[words[0]] = words[1:]
		}
	}
	for name, want := range map[string]string{
		"slow": "30.0 µs 10.0 µs p 3.00 ≤ 1.00 MISSED", "absent": "not yet 10.0 µs p ≤ 1.00", "unable": "- skipped: no tool",
		"not": "yet: absent: no such thing",
	} {
		if got := strings.Join(rows[name], " "); got != want {
			t.Errorf("row %s is %q, want %q", name, got, want)
		}
	}
}

func TestReadWrk(t *testing.T) {
	s, err := readWrk("Running 2s test\n  1 threads\nBENCH 1000 2000000 1500 9000 0 0\n")
	if want := (sample{1000, 2 * time.Second, 1500 * time.Microsecond, 9 * time.Millisecond}); err != nil || s != want {
		t.Errorf("read %+v, %v; want %+v", s, err, want)
	}
	for _, bad := range []string{"", "BENCH 10\n", "BENCH 1000 2000000 1 1 3 0\n", "BENCH 1000 2000000 1 1 0 2\n", "BENCH 0 2000000 0 0 0 0\n"} {
		if s, err := readWrk(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}

const h2loadOutput = `starting benchmark...
Application protocol: h2

finished in 2.00s, 2500.00 req/s, 1.1MB/s
requests: 5000 total, 5128 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 5000 2xx, 0 3xx, 0 4xx, 0 5xx
`

func TestReadH2load(t *testing.T) {
	if s, err := readH2load(h2loadOutput); err != nil || s.requests != 5000 || s.took != 2*time.Second {
		t.Errorf("read %+v, %v", s, err)
	}
	for _, bad := range []string{
		"", strings.Replace(h2loadOutput, "protocol: h2", "protocol: http/1.1", 1), strings.Replace(h2loadOutput, "5000 succeeded", "4999 succeeded", 1),
		strings.ReplaceAll(h2loadOutput, "5000 ", "0 "), strings.Replace(h2loadOutput, "finished in", "in", 1),
	} {
		if s, err := readH2load(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}

func TestReadTimes(t *testing.T) {
	all, err := readTimes(strings.NewReader("1690000000000000\t200\t1234\n1690000000000100\t200\t42\n"))
	if want := []time.Duration{1234 * time.Microsecond, 42 * time.Microsecond}; err != nil || !slices.Equal(all, want) {
		t.Errorf("read %v, %v; want %v", all, err, want)
	}
	if _, err := readTimes(strings.NewReader("1\t200\tsoon\n")); err == nil {
		t.Error("a time that is no number was read")
	}
}

func TestParseCore(t *testing.T) {
	const text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 4 1000 8 16 32 7 0 0\ncpu1 5 0 0 0 0 0 0 0 0 0\n"
	c, err := parseCore(text, 0)
	if want := (coreTime{busy: 55 * tick, stolen: 7 * tick}); err != nil || c != want {
		t.Errorf("core 0 is %+v, %v; want %+v", c, err, want)
	}
	if _, err := parseCore(text, 2); err == nil {
		t.Error("core 2 was found")
	}
}

func TestUsage_CountsOwnWork(t *testing.T) {
	pids := family(os.Getpid())
	before, err := usageOf(pids)
	if err != nil {
		t.Fatal(err)
	}
	for n, began := 0, time.Now(); time.Since(began) < 50*time.Millisecond; n++ {
	}
	after, err := usageOf(pids)
	if err != nil || after.sub(before).all <= 0 {
		t.Errorf("used %v, %v", after.sub(before), err)
	}
	if mib, err := resident("VmRSS", pids...); err != nil || mib < 1 {
		t.Errorf("resident: %v MiB, %v", mib, err)
	}
}

// The key and its answer are RFC 6455's own example.
func TestAcceptKey(t *testing.T) {
	if got := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("key %q", got)
	}
}

func TestWebSocket_ComesBackFromTheBackend(t *testing.T) {
	b := &bench{}
	at, err := b.startEcho("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.cleanUp()
	for d := 100 * time.Millisecond; ; d *= 2 { // a busy machine may need longer
		s, err := loadWebSockets(t.Context(), at, d)
		if err != nil {
			t.Fatal(err)
		}
		if s.requests >= webSockets {
			break
		}
	}
	if err := answers(t.Context(), at); err != nil {
		t.Error(err)
	}
}

func TestLoadWith_EndsAtTheFirstFailure(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := loadWith(ctx, 4, time.Hour, func(n int) (func() error, func(), error) {
		turns := 0
		return func() error {
			if turns++; n == 2 && turns == 3 {
				return context.Canceled
			}
			return nil
		}, func() {}, nil
	})
	if err != context.Canceled || ctx.Err() != nil {
		t.Errorf("ended with %v", err)
	}
}

// A slow client of HTTP/2 gets as many bytes as it has made room for.
func TestSlowWindow_IsOpenedByteByByte(t *testing.T) {
	asked, result := make(chan string, 1), make(chan error, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Proto + " " + r.Method + " " + r.URL.Path
		_, err := w.Write(make([]byte, 64<<10))
		result <- err
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c, err := slowWindow(netip.MustParseAddrPort(s.Listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := <-asked; got != "HTTP/2.0 GET /64k" {
		t.Errorf("the server got %s", got)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	for data := 0; data < 3; {
		if err := c.step(); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 9)
		for head[3] != 0 || head[2] == 0 { // DATA
			if _, err := io.ReadFull(c, head); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, c, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); err != nil {
				t.Fatal(err)
			}
		}
		data += int(head[2])
	}
	select {
	case err := <-result:
		t.Errorf("the whole answer was sent: %v", err)
	default:
	}
}

func TestRivals_AreConfiguredAlike(t *testing.T) {
	for _, r := range []*rival{{title: "nginx", config: nginxTemplate}, {title: "HAProxy", config: haproxyTemplate}} {
		r.dir, r.address, r.keys = t.TempDir(), netip.MustParseAddr("127.0.0.9"), keys{P256: "/p256", RSA: "/rsa"}
		text, err := r.text()
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]int{
			"10.200.0.3:9000": 1 + len(grownTargets), "10.200.3.232:9000": 1, "10.200.0.3:9001": 1,
			"127.0.0.9:80 ": 1, "127.0.0.9:443 ": 1, "127.0.0.9:444 ": 1, "/rule-99/": 1,
		} {
			if got := strings.Count(text, what); got != want {
				t.Errorf("%s: %q stands there %d times, want %d", r.title, what, got, want)
			}
		}
	}
}

func TestLeastTime_CountsBatches(t *testing.T) {
	const start, delay, stop = 200 * time.Millisecond, time.Second, 100 * time.Millisecond
	for _, c := range []struct {
		minimum, maximum, tasks, step int
		want                          time.Duration
	}{
		{100, 200, 20, 20, 5100 * time.Millisecond}, // all start at once
		{50, 100, 20, 10, 6200 * time.Millisecond},  // half of them have to stop first
		{100, 150, 20, 10, 6200 * time.Millisecond}, // half of them fit beside the old ones
		{100, 110, 20, 2, 15 * time.Second},
		{75, 125, 3, 1, 3900 * time.Millisecond}, // rounded to the safe side: 3 at least, 3 at most, still one at a time
	} {
		r := rollout{minimum: c.minimum, maximum: c.maximum}
		if step, got := r.step(c.tasks), r.leastTime(c.tasks, start, delay, stop); step != c.step || got != c.want {
			t.Errorf("%d to %d %% of %d tasks: %d at a time, %v; want %d, %v", c.minimum, c.maximum, c.tasks, step, got, c.step, c.want)
		}
	}
}

func TestJudge_NoneIsReachedByNothingOnly(t *testing.T) {
	var r report
	for _, rounds := range [][]float64{{0}, {1}, nil} {
		r.add(figure{Rounds: rounds, Aims: []aim{{None: true}}})
	}
	for n, want := range []bool{true, false, false} {
		if got := r.Figures[n].Aims[0].Reached; got != want {
			t.Errorf("rounds %v reach the aim: %v, want %v", r.Figures[n].Rounds, got, want)
		}
	}
}

func TestReadLoss_TakesTheFirstOfEach(t *testing.T) {
	began := time.Unix(1000, 0)
	event := func(after time.Duration, kind timeline.Kind, from, to string) timeline.Event {
		return timeline.Event{Time: began.Add(after * time.Millisecond), Kind: kind, Data: map[string]string{"from": from, "to": to}}
	}
	m := readLoss(began, []timeline.Event{
		event(10, timeline.Exit, "", ""), event(11, timeline.TaskState, "RUNNING", "DEACTIVATING"), event(12, timeline.TaskState, "PROVISIONING", "PENDING"),
		event(60, timeline.TargetState, "healthy", "draining"), event(70, timeline.TargetState, "draining", ""),
		event(200, timeline.TaskState, "PENDING", "RUNNING"), event(201, timeline.TargetState, "unused", "initial"),
		event(210, timeline.TargetState, "initial", "healthy"), event(900, timeline.TargetState, "initial", "healthy"),
	})
	want := marks{markKnown: 10, markPlaced: 12, markOut: 60, markRunning: 200, markHealthy: 210}
	if !maps.Equal(m, want) {
		t.Errorf("read %v, want %v", m, want)
	}
}

func TestRolled_WaitsForStartsAndStops(t *testing.T) {
	at := time.Unix(1000, 0)
	events := []timeline.Event{
		{Time: at, Kind: timeline.TargetState, Data: map[string]string{"to": "healthy"}},
		{Time: at.Add(1), Kind: timeline.TaskState, Data: map[string]string{"to": "DEPROVISIONING"}},
		{Time: at.Add(2), Kind: timeline.TargetState, Data: map[string]string{"to": "healthy"}},
		{Time: at.Add(3), Kind: timeline.TaskState, Data: map[string]string{"to": "STOPPED"}},
	}
	if _, done := rolled(events, 2, 2); done {
		t.Error("one of two tasks has stopped: done")
	}
	if last, done := rolled(events, 2, 1); !done || !last.Equal(at.Add(2)) {
		t.Errorf("last %v, done %v; want the second target", last, done)
	}
}

// The drip counts what fails and goes on.
func TestDrip_CountsFailures(t *testing.T) {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer s.Close()
	d := startDrip(t.Context(), netip.MustParseAddrPort(s.Listener.Addr().String()))
	for n.Load() < 20 && t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if sent, failed := d.stop(); failed < 8 || failed > sent-8 {
		t.Errorf("%d of %d failed, want every other one", failed, sent)
	}
}

func TestNames_ThatThereAreNotAreRefused(t *testing.T) {
	for _, o := range []options{{only: "proxies"}, {workload: "small,1MiB"}} {
		if err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), ": there are ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
