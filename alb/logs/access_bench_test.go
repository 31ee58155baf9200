package logs

import (
	"os"
	"testing"
	"time"
	"unsafe"

	"drydock/alb/node"
	"drydock/timeline"
)

// ordinary is an outcome as the node makes it for a request that went well.
func ordinary() timeline.Outcome {
	start := time.Date(2026, 10, 1, 12, 0, 0, 364_123_456, time.UTC)
	return timeline.Outcome{
		ID: "a1b2c3d4-00000001-000001", TraceID: "Root=1-58337262-36d228ad5d99923122bbe354",
		Start: start, End: start.Add(3210 * time.Microsecond),
		LoadBalancer: "app/my-loadbalancer/50dc6c495c0c9188",
		Listener:     "arn:aws:elasticloadbalancing:us-east-2:123456789012:listener/app/my-loadbalancer/50dc6c495c0c9188/0467ef3c8400ae65",
		Client:       "192.168.131.39:2817", Method: "GET", Scheme: "http", Host: "www.example.com:80", URI: "/some/path?x=y", Proto: "HTTP/1.1",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0", RulePriority: "default", Action: "forward",
		TargetGroup: "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067",
		Target:      timeline.Target{Registration: "r-1", Address: "10.0.0.1:80", State: "healthy"},
		Connection:  timeline.Connection{Reused: true, Nth: 7, Idle: time.Millisecond},
		Status:      200, TargetStatus: 200, RequestTime: 100 * time.Microsecond, TargetTime: 1200 * time.Microsecond, ResponseTime: 20 * time.Microsecond,
		ReceivedBytes: 134, SentBytes: 366, SnapshotVersion: 12, Type: "http", ConnTraceID: "TID_1234abcd5678ef901234abcd5678ef90", RuleEvaluations: 1,
	}
}

func BenchmarkAppendAccess(b *testing.B) {
	o, buf := ordinary(), make([]byte, 0, 4096)
	b.ReportAllocs()
	b.Logf("an outcome has %d bytes, its line %d", unsafe.Sizeof(o), len(AppendAccess(nil, &o)))
	for b.Loop() {
		buf = AppendAccess(buf[:0], &o)
	}
}

// BenchmarkFinished is what the request path pays.
func BenchmarkFinished(b *testing.B) {
	for _, mode := range []string{"not wanted", "logged"} {
		b.Run(mode, func(b *testing.B) {
			o := newOffice(b, b.TempDir())
			o.create = func(string) (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
			if mode == "logged" {
				o.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
			}
			r, k := webRequest(1), &desk{Delivery: o.Delivery, open: map[*stream]struct{}{}}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if o.Finished(r); n%1000 == 999 {
					b.StopTimer()
					k.drain()
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkDelivery is all that a logged request costs: queue, format and write.
func BenchmarkDelivery(b *testing.B) {
	o := newOffice(b, b.TempDir())
	o.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
	r, k := webRequest(1), &desk{Delivery: o.Delivery, open: map[*stream]struct{}{}}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if o.Finished(r); n%1000 == 999 {
			k.drain()
		}
		if n%200_000 == 199_999 { // 100 MB
			for s := range k.open {
				for _, f := range s.files {
					f.file.Truncate(0)
				}
			}
		}
	}
}

// BenchmarkFinishedParallel has all processors at the queue while it is emptied.
func BenchmarkFinishedParallel(b *testing.B) {
	o := newOffice(b, b.TempDir())
	o.create = func(string) (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }
	o.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
	o.run()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for r := webRequest(1); pb.Next(); {
			o.Finished(r)
		}
	})
	b.ReportMetric(float64(o.Lost()[0].Queue)/float64(b.N), "lost/op")
}
