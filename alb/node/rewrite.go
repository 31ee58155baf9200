package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"
)

// appendRequest writes the head that the target gets: always built anew from what was
// parsed, in the order ALB uses, the client's own fields in their order and case (ALB-021).
func (c *clientConn) appendRequest(b []byte, q *request, traceID []byte) []byte {
	lb := c.route.lb
	b = append(append(append(append(b, q.method...), ' '), q.target...), " HTTP/1.1\r\n"...)
	if mode := lb.Attributes.XFFHeaderProcessing; mode != "preserve" && mode != "remove" {
		b = c.appendForwardedFor(b, q)
	}
	b = append(append(append(b, "X-Forwarded-Proto: "...), c.route.scheme...), "\r\nX-Forwarded-Port: "...)
	b = append(append(b, c.route.portText...), "\r\n"...)
	b = c.appendHost(b, q)
	b = append(append(append(b, "X-Amzn-Trace-Id: "...), traceID...), "\r\n"...)
	lengthDone := false
	for i := range q.fields {
		f := &q.fields[i]
		if !forwards(f.kind, &lb.Attributes) || lb.Attributes.DropInvalidHeaderFields && !isCompliantName(f.name) {
			continue
		}
		switch f.kind {
		case fieldContentLength:
			if lengthDone || q.framing == byChunks {
				continue
			}
			lengthDone = true
		case fieldTransferEncoding:
			if q.framing != byChunks || !equalFold(f.value, "chunked") {
				continue
			}
			b = append(b, "Transfer-Encoding: chunked\r\n"...)
			continue
		}
		b = appendField(b, f)
	}
	return append(b, "\r\n"...)
}

// forwards reports whether a client's field is passed on at its own place.
func forwards(k kind, a *LoadBalancerAttributes) bool {
	switch k {
	case fieldHop, fieldConnection, fieldExpect, fieldForwardedProto, fieldForwardedPort, fieldTraceID, fieldHost:
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

func (c *clientConn) appendForwardedFor(b []byte, q *request) []byte {
	b = append(b, "X-Forwarded-For: "...)
	for i := range q.fields {
		if f := &q.fields[i]; f.kind == fieldForwardedFor && len(f.value) > 0 {
			b = append(append(b, f.value...), ", "...)
		}
	}
	if c.route.lb.Attributes.XFFClientPort {
		return append(append(b, c.client...), "\r\n"...)
	}
	return append(c.addr.Addr().AppendTo(b), "\r\n"...)
}

// appendHost writes the Host that the target sees (ALB-022).
func (c *clientConn) appendHost(b []byte, q *request) []byte {
	if c.route.lb.Attributes.PreserveHostHeader && q.hosts > 0 {
		for i := range q.fields {
			if f := &q.fields[i]; f.kind == fieldHost {
				b = append(append(append(b, "Host: "...), f.value...), "\r\n"...)
			}
		}
		return b
	}
	b = append(b, "Host: "...)
	b = c.appendAuthority(b, q, c.route.port == 80 || c.route.port == 443)
	return append(b, "\r\n"...)
}

// appendAuthority writes the host in lower case, without a port or always with one.
func (c *clientConn) appendAuthority(b []byte, q *request, bare bool) []byte {
	host := q.host
	if len(host) == 0 {
		b = append(b, c.route.lb.DNSName...)
	} else if without := withoutPort(host); bare {
		return appendLower(b, without)
	} else if b = appendLower(b, host); len(without) != len(host) {
		return b
	}
	if bare {
		return b
	}
	return append(append(b, ':'), c.route.portText...)
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
	for i := digits - 1; i >= 0; i-- {
		b = append(b, "0123456789abcdef"[n>>(4*i)&15])
	}
	return b
}

// appendResponse writes a target's head for the client, and says how its body is framed there.
func (c *clientConn) appendResponse(b []byte, p *response, f framing) (head []byte, to framing) {
	to = f
	if f == byClose && c.http11 {
		to = byChunks
	}
	if f == byChunks && !c.http11 {
		to = byClose
	}
	if to == byClose {
		c.keep = false
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(append(append(b, ' '), p.reason...), "\r\n"...)
	lengthDone := false
	for i := range p.fields {
		field := &p.fields[i]
		switch field.kind {
		case fieldHop, fieldConnection, fieldTransferEncoding:
			continue
		case fieldContentLength:
			if lengthDone || p.chunked {
				continue
			}
			lengthDone = true
		}
		b = appendField(b, field)
	}
	if to == byChunks {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	b = append(b, connectionLine(c.keep)...)
	return append(b, "\r\n"...), to
}

// appendChunk writes one chunk.
func appendChunk(b, data []byte) []byte {
	b = strconv.AppendUint(b, uint64(len(data)), 16)
	b = append(b, "\r\n"...)
	return append(append(b, data...), "\r\n"...)
}

const lastChunk = "0\r\n\r\n"

// hostPort is the host of an outcome: always with a port.
func (c *clientConn) hostPort(b []byte, q *request) []byte {
	return c.appendAuthority(b, q, false)
}

func clientAddr(a fmt.Stringer) netip.AddrPort {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0) // in-memory connections
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
