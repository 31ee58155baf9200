package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// head is the head of a request as a target gets it, without the protocol's framing. Its
// slices point into the request and into exchange.text.
type head struct {
	method  []byte
	target  []byte // path and query
	fields  []field
	traceID []byte // value of X-Amzn-Trace-Id
}

// Names of the fields that the balancer adds, as ALB writes them.
var (
	nameForwardedFor   = []byte("X-Forwarded-For")
	nameForwardedProto = []byte("X-Forwarded-Proto")
	nameForwardedPort  = []byte("X-Forwarded-Port")
	nameHost           = []byte("Host")
	nameTraceID        = []byte("X-Amzn-Trace-Id")
	nameUpgrade        = []byte("Upgrade")
	nameConnection     = []byte("Connection")
	valueUpgrade       = []byte("Upgrade")
)

// targetHead fills in the head that the target gets: always built anew from what was parsed, in
// the order ALB uses, the client's own fields in their order and case (ALB-021). Of the framing
// fields, one Content-Length, or one Transfer-Encoding: chunked, keeps the client's place for it; a
// target that is not asked in HTTP/1.1 must leave out fieldTransferEncoding, and takes
// fieldHost as its authority.
func (x *exchange) targetHead() {
	h, q, lb := &x.head, &x.req, x.route.lb
	h.method, h.target, h.fields = q.method, q.target, h.fields[:0]
	if q.newTarget != nil {
		h.target = q.newTarget
	}
	if mode := lb.Attributes.XFFHeaderProcessing; mode != "preserve" && mode != "remove" {
		from := len(x.text)
		x.text = x.appendForwardedFor(x.text, q)
		h.add(nameForwardedFor, x.text[from:], fieldForwardedFor)
	}
	h.add(nameForwardedProto, x.route.schemeBytes, fieldForwardedProto)
	h.add(nameForwardedPort, x.route.portBytes, fieldForwardedPort)
	x.addTLS(h)
	x.addHost(h, q)
	h.add(nameTraceID, h.traceID, fieldTraceID)
	lengthDone, encodingDone := false, false
	tunnel := q.tunnels()
	for i := range q.fields {
		f := &q.fields[i]
		if tunnel && f.kind == fieldUpgrade && isWebSocket(f.value) {
			h.add(nameUpgrade, f.value, fieldUpgrade)
			h.add(nameConnection, valueUpgrade, fieldConnection)
			tunnel = false
		}
		if !forwards(f.kind, &lb.Attributes) {
			continue
		}
		switch f.kind {
		case fieldContentLength:
			if lengthDone || q.framing == byChunks {
				continue
			}
			lengthDone = true
		case fieldTransferEncoding:
			if encodingDone || q.framing != byChunks {
				continue
			}
			encodingDone = true
		}
		h.fields = append(h.fields, *f)
	}
}

func (h *head) add(name, value []byte, k kind) {
	h.fields = append(h.fields, field{name, value, k})
}

// sizeHTTP1 is how long appendHTTP1's text is at most.
func (h *head) sizeHTTP1() int {
	const ends = len("  HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
	n := ends + len(h.method) + len(h.target)
	for i := range h.fields {
		n += len(h.fields[i].name) + len(": \r\n") + len(h.fields[i].value)
	}
	return n
}

// appendHTTP1 writes a head as text. chunked says how the body is framed.
func (h *head) appendHTTP1(b []byte, chunked bool) []byte {
	b = append(append(append(b, h.method...), ' '), h.target...)
	b = append(b, " HTTP/1.1\r\n"...)
	for i := range h.fields {
		if h.fields[i].kind == fieldTransferEncoding {
			b = append(b, "Transfer-Encoding: chunked\r\n"...)
			chunked = false
			continue
		}
		b = appendField(b, &h.fields[i])
	}
	if chunked { // the client did not speak HTTP/1.1
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(b, "\r\n"...)
}

// forwards reports whether a client's field is passed on at its own place, whether Connection names it
// or not (ALB-097).
func forwards(k kind, a *LoadBalancerAttributes) bool {
	switch k {
	case fieldHop, fieldUpgrade, fieldConnection, fieldExpect, fieldForwardedProto, fieldForwardedPort, fieldTraceID, fieldHost:
		return false
	case fieldForwardedFor:
		return a.XFFHeaderProcessing == "preserve"
	}
	return true
}

func appendField(b []byte, f *field) []byte {
	b = append(append(b, f.name...), ": "...)
	return append(append(b, f.value...), "\r\n"...)
}

func (x *exchange) appendForwardedFor(b []byte, q *request) []byte {
	for i := range q.fields {
		if f := &q.fields[i]; f.kind == fieldForwardedFor && len(f.value) > 0 {
			b = append(append(b, f.value...), ", "...)
		}
	}
	if x.route.lb.Attributes.XFFClientPort {
		return append(b, x.peer.text...)
	}
	return x.peer.addr.Addr().AppendTo(b)
}

// addTLS tells the target of the client's TLS, if it is to be told (ALB-087).
func (x *exchange) addTLS(h *head) {
	e, tls := &x.route.edits, &x.o.TLS
	if e.tlsVersion == nil || tls.Protocol == "" {
		return
	}
	from := len(x.text)
	x.text = append(x.text, tls.Protocol...)
	h.add(e.tlsVersion, x.text[from:], fieldOther)
	from = len(x.text)
	x.text = append(x.text, tls.Cipher...)
	h.add(e.tlsCipher, x.text[from:], fieldOther)
}

// addHost adds the Host that the target sees (ALB-022).
func (x *exchange) addHost(h *head, q *request) {
	if x.route.lb.Attributes.PreserveHostHeader && q.hosts > 0 && q.newHost == nil {
		for i := range q.fields {
			if f := &q.fields[i]; f.kind == fieldHost {
				h.add(nameHost, f.value, fieldHost)
			}
		}
		return
	}
	from := len(x.text)
	x.text = x.appendAuthority(x.text, q, x.route.port == 80 || x.route.port == 443)
	h.add(nameHost, x.text[from:], fieldHost)
}

// appendAuthority writes the host in lower case, without a port or always with one.
func (x *exchange) appendAuthority(b []byte, q *request, bare bool) []byte {
	host := q.host
	if q.newHost != nil {
		host = q.newHost
	}
	if len(host) == 0 {
		b = append(b, x.route.lb.DNSName...)
	} else if without := withoutPort(host); bare {
		return appendLower(b, without)
	} else if b = appendLower(b, host); len(without) != len(host) {
		return b
	}
	if bare {
		return b
	}
	return append(append(b, ':'), x.route.portText...)
}

// appendTraceID writes the value of X-Amzn-Trace-Id (ALB-023).
func appendTraceID(b []byte, q *request, now time.Time) []byte {
	var value []byte
	for i := range q.fields {
		if q.fields[i].kind == fieldTraceID {
			value = q.fields[i].value
			break
		}
	}
	if !bytes.Contains(value, []byte("Root=")) || len(value) > maxTraceFields {
		b = appendRoot(append(b, "Root="...), now)
		if len(value) == 0 || len(value) > maxTraceFields {
			return b
		}
		return append(append(b, ';'), value...)
	}
	b = appendRoot(append(b, "Self="...), now)
	for _, part := range bytes.Split(value, []byte(";")) {
		if part = trimSpace(part); len(part) > 0 && !bytes.HasPrefix(part, []byte("Self=")) {
			b = append(append(b, ';'), part...)
		}
	}
	return b
}

func appendRoot(b []byte, now time.Time) []byte {
	b = append(b, "1-"...)
	b = appendHex(b, uint64(now.Unix()), 8)
	b = append(b, '-')
	b = appendHex(b, rand.Uint64(), 16)
	return appendHex(b, rand.Uint64(), 8)
}

func appendHex(b []byte, n uint64, digits int) []byte {
	at := len(b)
	b = append(b, "0000000000000000"[:digits]...)
	for i := len(b) - 1; i >= at; i-- {
		b[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
	return b
}

// hostPort is the host of an outcome: always with a port.
func (x *exchange) hostPort(b []byte, q *request) []byte {
	return x.appendAuthority(b, q, false)
}

func clientAddr(a fmt.Stringer) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0) // in-memory connections
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
