package awsapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// message is what a request says it wants.
type message struct {
	target string     // X-Amz-Target, or what stands for it in CBOR's path
	form   url.Values // Query and EC2 only
}

// guessProtocol returns the protocol to answer in before the service is known.
func guessProtocol(r *http.Request) Protocol {
	if r.Header.Get("Smithy-Protocol") != "" || strings.Contains(r.Header.Get("Content-Type"), "cbor") {
		return CBOR
	}
	if r.Header.Get("X-Amz-Target") != "" || strings.Contains(r.Header.Get("Content-Type"), "json") {
		return JSON
	}
	if r.URL.Query().Has("Action") || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return Query
	}
	return ""
}

// readMessage reads the body and, for forms, its parameters.
func (x *exchange) readMessage() (message, error) {
	body, err := x.readBody()
	if err != nil {
		return message{}, err
	}
	x.call.Raw = body
	if x.protocol == CBOR {
		return message{target: targetOfPath(x.r.URL.Path)}, nil
	}
	if target := x.r.Header.Get("X-Amz-Target"); target != "" {
		return message{target: target}, nil
	}
	text := x.r.URL.RawQuery
	if x.protocol == Query && len(body) > 0 {
		text = strings.Trim(text+"&"+string(body), "&")
	} else if x.r.Method == http.MethodGet {
		x.call.Raw = []byte(text)
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return message{}, errMalformed("The form could not be read: " + err.Error())
	}
	return message{form: form}, nil
}

// dispatch finds the service and operation: by X-Amz-Target, by the form's Version, or, where
// those don't tell, by the signature's scope. Never by host, and by path in CBOR only (WIRE-001).
func (x *exchange) dispatch(m message) error {
	scope := x.call.Service
	if m.target != "" {
		prefix, operation, _ := strings.Cut(m.target, ".")
		x.call.Operation = operation
		x.service = find(func(s *Service) bool { return s.TargetPrefix == prefix && prefix != "" })
		if x.service != nil && !x.service.Speaks(x.protocol) {
			return errUnknownOperation(x.protocol, "drydock does not speak rpc-v2-cbor with "+x.service.Title+": configure the SDK to use awsJson.")
		}
	} else if m.form.Get("Action") != "" {
		x.call.Operation = m.form.Get("Action")
		x.service = findForm(m.form.Get("Version"), scope)
		if x.service != nil && x.service.Protocol == EC2 {
			x.protocol = EC2
		}
	}
	if x.service == nil {
		return errUnknownOperation(x.protocol, unserved(scope, m))
	}
	x.service, x.call.Service = x.service.speaking(x.protocol), x.service.Name
	return nil
}

// targetOfPath returns what X-Amz-Target would be for a path /service/NAME/operation/NAME;
// anything may stand before it.
func targetOfPath(path string) string {
	parts := strings.Split(path, "/")
	if n := len(parts); n >= 5 && parts[n-4] == "service" && parts[n-2] == "operation" {
		return parts[n-3] + "." + parts[n-1]
	}
	return ""
}

func unserved(scope string, m message) string {
	asked := m.target
	if asked == "" {
		asked = strings.TrimSpace(m.form.Get("Action") + " " + m.form.Get("Version"))
	}
	return strings.TrimSuffix(fmt.Sprintf("drydock does not serve the service %q: %s", scope, asked), ": ")
}

// findForm returns the form service with an API version; the signing name decides between
// services that share it, and stands in when no version was sent.
func findForm(version, scope string) *Service {
	form := func(s *Service) bool {
		return (s.Speaks(Query) || s.Protocol == EC2) && (version == "" || s.Version == version)
	}
	if s := find(func(s *Service) bool { return form(s) && s.SigningName == scope }); s != nil {
		return s
	}
	if version == "" {
		return nil
	}
	return find(form)
}

func find(matches func(s *Service) bool) *Service {
	for _, s := range Services {
		if matches(s) {
			return s
		}
	}
	return nil
}

// errNotServed answers an operation without a handler (WIRE-009).
func (x *exchange) errNotServed() error {
	s, operation := x.service, x.call.Operation
	if s.Knows(operation) {
		return errUnknownOperation(s.Protocol, fmt.Sprintf("drydock does not implement %s's operation %s yet.", s.Title, operation))
	}
	switch s.Protocol {
	case EC2:
		return errUnknownOperation(EC2, fmt.Sprintf("The action %s is not valid for this web service.", operation))
	case Query:
		return errUnknownOperation(Query, fmt.Sprintf("Could not find operation %s for version %s", operation, s.Version))
	}
	return errUnknownOperation(s.Protocol, fmt.Sprintf("%s has no operation %q.", s.Title, operation))
}
