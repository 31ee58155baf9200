package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"drydock/timeline/timelinetest"
)

// What a client sent before it learnt of GOAWAY is passed over in silence: it must not end the
// streams that are served (RFC 9113, 6.8).
func TestMaxRequests_WhatCrossesGoAwayHarmsNobody(t *testing.T) {
	frames := map[string]func(p *peer, id uint32){
		"nothing more":  func(*peer, uint32) {},
		"body":          func(p *peer, id uint32) { p.fr.WriteData(id, true, []byte("body")) },
		"reset":         func(p *peer, id uint32) { p.fr.WriteRSTStream(id, http2.ErrCodeCancel) },
		"window update": func(p *peer, id uint32) { p.fr.WriteWindowUpdate(id, 4096) },
		"trailers": func(p *peer, id uint32) {
			p.fr.WriteData(id, false, []byte("body"))
			p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.encodeFields("a", "b"), EndStream: true, EndHeaders: true})
		},
	}
	for name, send := range frames {
		t.Run(name, func(t *testing.T) {
			timelinetest.Bubble(t, func(t *testing.T) {
				p, _ := meet(t, Config{MaxRequests: 2, Handler: func(s *Stream) { time.Sleep(time.Duration(s.ID()) * time.Second); say(s, "hi") }})
				p.request(true)
				p.request(true)
				send(p, p.request(false))
				p.want("GOAWAY NO_ERROR", "HEADERS", "DATA hi END", "HEADERS", "DATA hi END", "end")
				if err := p.result(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
