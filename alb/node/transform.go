package node

import (
	"regexp"

	"drydock/timeline"
)

// Statuses of a rule's transforms, as access logs name them (ALB-083).
const (
	transformSuccess     = "TransformSuccess"
	transformInvalidHost = "TransformInvalidHostHeader"
	transformInvalidPath = "TransformInvalidPath"
	transformTooLong     = "TransformBufferTooSmall"
)

// transform is a rule's transform, compiled.
type transform struct {
	host    bool // of the host, otherwise of path and query
	regex   *regexp.Regexp
	replace string
}

func compileTransforms(specs []Transform) (list []transform) {
	for _, t := range specs {
		if re, err := regexp.Compile(t.Regex); err == nil {
			list = append(list, transform{t.Type == "host-header-rewrite", re, t.Replace})
		}
	}
	return list
}

// transform rewrites what the target of the request sees; what rules see stays (ALB-083). It
// returns nil if no transform applies, and reports whether the request can be sent.
func (r *rule) transform(q *request) (t *timeline.Transformed, ok bool) {
	q.newHost, q.newTarget = nil, nil
	for i := range r.transforms {
		step := &r.transforms[i]
		from := q.target
		if step.host {
			from = appendLower(nil, withoutPort(q.host))
		}
		made, matched := step.apply(from)
		if !matched {
			continue
		}
		if t == nil {
			t = &timeline.Transformed{Status: transformSuccess}
		}
		if step.host {
			q.newHost, t.Host = made, string(made)
		} else {
			q.newTarget, t.URI = made, string(made)
		}
		if status := step.check(made); status != transformSuccess {
			t.Status = status
			return t, false
		}
	}
	return t, true
}

// check tells whether the result can be a host, or path and query.
func (t *transform) check(made []byte) string {
	switch {
	case len(made) > maxRequestLine:
		return transformTooLong
	case t.host && !isHost(made):
		return transformInvalidHost
	case !t.host && (len(made) == 0 || made[0] != '/' || !isTarget(made)):
		return transformInvalidPath
	}
	return transformSuccess
}

func isTarget(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// apply replaces the first match of the regular expression. $0 to $9 in the replacement
// stand for the match and its groups.
func (t *transform) apply(from []byte) (made []byte, matched bool) {
	at := t.regex.FindSubmatchIndex(from)
	if at == nil {
		return nil, false
	}
	made = append(made, from[:at[0]]...)
	for i := 0; i < len(t.replace); i++ {
		c := t.replace[i]
		if c != '$' || i+1 == len(t.replace) || t.replace[i+1] < '0' || t.replace[i+1] > '9' {
			made = append(made, c)
			continue
		}
		i++
		if g := 2 * int(t.replace[i]-'0'); g < len(at) && at[g] >= 0 {
			made = append(made, from[at[g]:at[g+1]]...)
		}
	}
	return append(made, from[at[1]:]...), true
}
