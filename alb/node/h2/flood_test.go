package h2

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"drydock/timeline/timelinetest"
)

// CVE-2023-39325: opened and reset streams do not run more handlers than streams may be
// open, and end the connection if there is no end to them.
func TestFlood_RapidReset(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		var running, most, served atomic.Int64
		p, _ := meet(t, Config{MaxStreams: 8, Handler: func(s *Stream) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Minute) // a handler that does not look whether its client is there
			served.Add(1)
		}})
		for range 50 {
			p.fr.WriteRSTStream(p.request(true), http2.ErrCodeCancel)
		}
		p.want("…", "GOAWAY ENHANCE_YOUR_CALM")
		p.wantCode(EnhanceYourCalm)
		if most.Load() > 8 || served.Load() > 8*(1+waitingPerLimit) {
			t.Errorf("%d handlers at once and %d in all, want at most 8 and 40", most.Load(), served.Load())
		}
	})
}

// The same with handlers that return at once: the number of resets in a while is limited.
func TestFlood_RapidResetOfQuickHandlers(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{Handler: func(s *Stream) { s.Next(true) }})
		for range strainLimit {
			if p.fr.WriteRSTStream(p.request(false), http2.ErrCodeCancel) != nil {
				break
			}
			synctest.Wait()
		}
		p.want("…", "GOAWAY ENHANCE_YOUR_CALM")
		p.wantCode(EnhanceYourCalm)
	})
}

// Resets at a human pace do no harm, and useful requests pay for many.
func TestFlood_SomeResetsAreFine(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{Handler: func(s *Stream) { s.Next(true) }})
		for range strainLimit {
			p.fr.WriteRSTStream(p.request(false), http2.ErrCodeCancel)
			time.Sleep(5 * time.Millisecond)
		}
		select {
		case f := <-p.frames:
			t.Errorf("got %s", f)
		default:
		}
	})
}

// CVE-2023-45288: a block that goes on and on.
func TestFlood_Continuation(t *testing.T) {
	for name, fragment := range map[string]string{"empty": "", "large": "\x00\x01a\x7f\x80\x7f" + strings.Repeat("x", 16000)} {
		t.Run(name, func(t *testing.T) {
			timelinetest.Bubble(t, func(t *testing.T) {
				p, _ := meet(t, Config{Handler: func(s *Stream) { t.Error("the request was served") }})
				p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.encode(), EndStream: true})
				for range maxBlockFrames { // what comes after GOAWAY is taken, and thrown away
					if p.fr.WriteContinuation(1, false, []byte(fragment[:min(len(fragment), 16000)])) != nil {
						break
					}
				}
				p.want("GOAWAY")
				p.result()
			})
		})
	}
}

// HPACK bomb: one large entry of the table, named again and again. The request can be
// answered, nothing of it is kept, and the connection goes on.
func TestFlood_HPACKBomb(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{Handler: func(s *Stream) {
			size := 0
			for _, f := range s.Head() {
				size += len(f.Name) + len(f.Value)
			}
			if !s.TooLarge && size > 4000 || size > defaultHead {
				t.Errorf("head of %d bytes, too large: %v", size, s.TooLarge)
			}
			status := 200
			if s.TooLarge {
				status = 400
			}
			s.WriteHead(status, nil, true)
		}})
		bomb := p.encode("x", strings.Repeat("b", 3900)) // entry 62 of the table
		for range 14_000 {
			bomb = append(bomb, 0x80|62)
		}
		p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: bomb[:16000], EndStream: true})
		p.fr.WriteContinuation(1, true, bomb[16000:])
		p.want("HEADERS :status=400 END")
		p.next = 3
		p.request(true)
		p.want("HEADERS :status=200 END")
	})
}

// A field above its limit is answered for, too.
func TestHead_FieldTooLarge(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		p, _ := meet(t, Config{Handler: func(s *Stream) {
			if s.TooLarge {
				s.WriteHead(400, nil, true)
			}
		}})
		block := p.encode("x", strings.Repeat("\xff", 17000))
		p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:16000], EndStream: true})
		p.fr.WriteContinuation(1, true, block[16000:])
		p.want("HEADERS :status=400 END")
	})
}

// CVE-2019-9512, 9515, 9518 and relatives.
func TestFlood_Frames(t *testing.T) {
	floods := map[string]func(p *peer) error{
		"ping":          func(p *peer) error { return p.fr.WritePing(false, [8]byte{}) },
		"settings":      func(p *peer) error { return p.fr.WriteSettings() },
		"settings ack":  func(p *peer) error { return p.fr.WriteSettingsAck() },
		"priority":      func(p *peer) error { return p.fr.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
		"unknown":       func(p *peer) error { return p.fr.WriteRawFrame(99, 0, 0, nil) },
		"empty data":    func(p *peer) error { return p.fr.WriteData(1, false, nil) },
		"window update": func(p *peer) error { return p.fr.WriteWindowUpdate(1, 1) },
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			timelinetest.Bubble(t, func(t *testing.T) {
				p, _ := meet(t, Config{Handler: func(s *Stream) { s.Next(true) }})
				p.request(false)
				sent := 0
				for flood(p) == nil {
					if sent++; sent > strainLimit+lingerBytes/frameHeader {
						t.Fatalf("%d frames were taken", sent)
					}
				}
				p.want("…", "GOAWAY ENHANCE_YOUR_CALM")
				p.wantCode(EnhanceYourCalm)
			})
		})
	}
}

// Answers that the peer does not read are not collected without end.
func TestFlood_AnswersNotRead(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		here, there := net.Pipe()
		c := Server(there, Config{Handler: func(*Stream) {}})
		done := make(chan error, 1)
		go func() { done <- c.Run() }()
		fr := http2.NewFramer(here, nil)
		here.Write([]byte(preface))
		fr.WriteSettings()
		sent := 0
		for fr.WritePing(false, [8]byte{}) == nil {
			if sent++; sent > (maxControl+lingerBytes)/frameHeader {
				t.Fatalf("%d frames were taken", sent)
			}
		}
		var e *ConnError
		if err := <-done; !errors.As(err, &e) || e.Code != EnhanceYourCalm {
			t.Errorf("connection ended with %v", err)
		}
	})
}

// Slow flow control: a client that asks for much and takes little holds no more than a stream
// until its deadline.
func TestFlood_SlowWindow(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		result := make(chan error, 1)
		p, _ := meet(t, Config{Handler: func(s *Stream) {
			s.WriteHead(200, nil, false)
			s.SetWriteDeadline(time.Now().Add(time.Minute))
			result <- s.Send(make([]byte, 1<<20), true)
			s.Reset(Cancel)
		}})
		p.request(true)
		for range 90 {
			p.fr.WriteWindowUpdate(1, 1)
			time.Sleep(time.Second)
		}
		if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Send: %v", err)
		}
		p.want("…", "RST CANCEL")
		p.request(true)
		p.want("HEADERS")
	})
}
