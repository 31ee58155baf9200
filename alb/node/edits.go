package node

import "strings"

// edits are what the attributes of a listener and its load balancer change in messages.
type edits struct {
	noServer   bool
	response   []field // set in every response (ALB-086)
	tlsVersion []byte  // names of the fields that tell a target of the client's TLS; nil: none
	tlsCipher  []byte
}

func compileEdits(lb LoadBalancerAttributes, l ListenerAttributes) edits {
	e := edits{noServer: l.NoServer}
	for _, h := range l.ResponseHeaders {
		e.response = append(e.response, field{name: []byte(h.Name), value: []byte(h.Value)})
	}
	if lb.TLSHeaders {
		e.tlsVersion = renamed(l.RequestHeaders, "x-amzn-tls-version")
		e.tlsCipher = renamed(l.RequestHeaders, "x-amzn-tls-cipher-suite")
	}
	return e
}

// renamed is the name that a listener gives to a field (ALB-087).
func renamed(list []Header, name string) []byte {
	for _, h := range list {
		if strings.EqualFold(h.Name, name) && h.Value != "" {
			return []byte(h.Value)
		}
	}
	return []byte(name)
}

// clean leaves out the client's own copies of the fields about TLS: a target may trust them (ALB-084).
func (e *edits) clean(q *request) {
	if e.tlsVersion == nil {
		return
	}
	kept := q.fields[:0]
	for _, f := range q.fields {
		if !sameName(f.name, e.tlsVersion) && !sameName(f.name, e.tlsCipher) {
			kept = append(kept, f)
		}
	}
	q.fields = kept
}

func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if toLower(a[i]) != toLower(b[i]) {
			return false
		}
	}
	return true
}

// dress edits a target's response, for whatever protocol the client speaks: what the
// listener sets replaces what the target sent.
func (e *edits) dress(p *response) {
	if !e.noServer && len(e.response) == 0 {
		return
	}
	kept := p.fields[:0]
	for _, f := range p.fields {
		if !e.replaces(f.name) {
			kept = append(kept, f)
		}
	}
	p.fields = append(kept, e.response...)
}

func (e *edits) replaces(name []byte) bool {
	if e.noServer && equalFold(name, "server") {
		return true
	}
	for i := range e.response {
		if sameName(name, e.response[i].name) {
			return true
		}
	}
	return false
}

// dressAnswer edits an answer of the balancer's own (ALB-086).
func (e *edits) dressAnswer(a *answer) { a.noServer, a.fields = e.noServer, e.response }
