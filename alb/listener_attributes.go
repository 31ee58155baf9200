package alb

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"drydock/alb/node"
	"drydock/timeline"
)

const (
	serverAttribute = "routing.http.response.server.enabled"
	requestPrefix   = "routing.http.request."
	responsePrefix  = "routing.http.response."
)

// headerAttribute is a listener attribute that sets a header's value in responses, or renames
// one that the load balancer adds to requests.
type headerAttribute struct {
	attributeSpec
	header string
}

// responseHeaders are the headers that a listener can set in responses (ALB-240).
var responseHeaders = []headerAttribute{
	responseHeader("Strict-Transport-Security", headerText),
	responseHeader("Access-Control-Allow-Origin", allowedOrigin),
	responseHeader("Access-Control-Allow-Methods", listOf("GET", "HEAD", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PUT", "*")),
	responseHeader("Access-Control-Allow-Headers", headerText),
	responseHeader("Access-Control-Allow-Credentials", word("true")),
	responseHeader("Access-Control-Expose-Headers", headerText),
	responseHeader("Access-Control-Max-Age", maxAge),
	responseHeader("Content-Security-Policy", headerText),
	responseHeader("X-Content-Type-Options", word("nosniff")),
	responseHeader("X-Frame-Options", frameOptions),
}

// requestHeaders are the headers about TLS that a listener can rename.
var requestHeaders = []headerAttribute{
	requestHeader("X-Amzn-Mtls-Clientcert-Serial-Number").without(),
	requestHeader("X-Amzn-Mtls-Clientcert-Issuer").without(),
	requestHeader("X-Amzn-Mtls-Clientcert-Subject").without(),
	requestHeader("X-Amzn-Mtls-Clientcert-Validity").without(),
	requestHeader("X-Amzn-Mtls-Clientcert-Leaf").without(),
	requestHeader("X-Amzn-Mtls-Clientcert").without(),
	requestHeader("X-Amzn-Tls-Version"),
	requestHeader("X-Amzn-Tls-Cipher-Suite"),
}

// listenerAttributes holds all of them in the order of descriptions.
var listenerAttributes = func() []attributeSpec {
	all := []attributeSpec{boolean(serverAttribute, "true")}
	for _, h := range append(slices.Clone(responseHeaders), requestHeaders...) {
		all = append(all, h.attributeSpec)
	}
	return all
}()

func responseHeader(header string, check func(string) bool) headerAttribute {
	return headerAttribute{attributeSpec{key: responsePrefix + snake(header) + ".header_value", check: orEmpty(check)}, header}
}

func requestHeader(header string) headerAttribute {
	return headerAttribute{attributeSpec{key: requestPrefix + snake(header) + ".header_name", check: orEmpty(headerName)}, header}
}

func (h headerAttribute) without() headerAttribute {
	h.attributeSpec = h.withoutEffect()
	return h
}

func snake(header string) string { return strings.ToLower(strings.ReplaceAll(header, "-", "_")) }

func orEmpty(check func(string) bool) func(string) bool {
	return func(v string) bool { return v == "" || len(v) <= 1024 && check(v) }
}

func headerText(v string) bool { return printable.MatchString(v) }

var newName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)

func headerName(v string) bool {
	return newName.MatchString(v) && !slices.Contains(reservedHeaders, strings.ToLower(v))
}

// reservedHeaders are those that requests have anyhow.
var reservedHeaders = []string{
	"host", "connection", "transfer-encoding", "content-length", "te", "trailer", "upgrade", "expect",
	"x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id",
}

func word(allowed string) func(string) bool {
	return func(v string) bool { return v == allowed }
}

func listOf(allowed ...string) func(string) bool {
	return func(v string) bool {
		for part := range strings.SplitSeq(v, ",") {
			if !slices.Contains(allowed, strings.TrimSpace(part)) {
				return false
			}
		}
		return true
	}
}

func maxAge(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && 0 <= n && n <= 86400
}

func allowedOrigin(v string) bool {
	if v == "*" || v == "null" {
		return true
	}
	u, err := url.Parse(v)
	return err == nil && u.Scheme != "" && u.Host != "" && printable.MatchString(v)
}

func frameOptions(v string) bool {
	origin, allow := strings.CutPrefix(v, "ALLOW-FROM ")
	return v == "DENY" || v == "SAMEORIGIN" || allow && allowedOrigin(origin)
}

func (l *Listener) attribute(key string) string {
	return valueOf(listenerAttributes, l.Attributes, key)
}

// attributeSpecs returns the attributes that a listener has: those of TLS need HTTPS.
func (l *Listener) attributeSpecs() []attributeSpec {
	if l.Protocol == "HTTPS" {
		return listenerAttributes
	}
	return listenerAttributes[:1+len(responseHeaders)]
}

// DescribeListenerAttributes returns all attributes of a listener, defaults included.
func (b *Balancer) DescribeListenerAttributes(_ context.Context, arn string) ([]Attribute, error) {
	l, err := b.view.Load().listener(arn)
	if err != nil {
		return nil, err
	}
	return describeAttributes(l.attributeSpecs(), l.attribute), nil
}

// ModifyListenerAttributes sets attributes and returns all of them.
func (b *Balancer) ModifyListenerAttributes(ctx context.Context, arn string, changes []Attribute) ([]Attribute, error) {
	err := b.update(ctx, func(x *tx) error {
		l, err := x.listener(arn)
		if err != nil {
			return err
		}
		if err := l.checkAttributeProtocols(changes); err != nil {
			return err
		}
		next := *l
		if next.Attributes, err = mergeAttributes("listener", listenerAttributes, l.Attributes, changes); err != nil {
			return err
		}
		x.warnIgnored(arn, listenerAttributes, l.Attributes, changes)
		x.listeners.put(x, arn, &next)
		x.event(timeline.Config, arn, "modified attributes of the listener on port "+strconv.Itoa(l.Port), attributeData(changes))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.DescribeListenerAttributes(ctx, arn)
}

// checkAttributeProtocols refuses to rename headers about TLS where there is none.
func (l *Listener) checkAttributeProtocols(changes []Attribute) error {
	for _, change := range changes {
		known := specOf(listenerAttributes, change.Key) != nil
		if known && change.Value != "" && specOf(l.attributeSpecs(), change.Key) == nil {
			return refuse("InvalidConfigurationRequest", "The listener attribute '%s' is not supported for %s listeners", change.Key, l.Protocol)
		}
	}
	return nil
}

// compileAttributes returns the attributes that act.
func (l *Listener) compileAttributes() node.ListenerAttributes {
	compiled := node.ListenerAttributes{NoServer: l.attribute(serverAttribute) == "false"}
	for _, h := range responseHeaders {
		if value := l.attribute(h.key); value != "" {
			compiled.ResponseHeaders = append(compiled.ResponseHeaders, node.Header{Name: h.header, Value: value})
		}
	}
	for _, h := range requestHeaders {
		if name := l.attribute(h.key); name != "" && !h.ignored && l.Protocol == "HTTPS" {
			compiled.RequestHeaders = append(compiled.RequestHeaders, node.Header{Name: strings.ToLower(h.header), Value: name})
		}
	}
	return compiled
}
