package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/awsapi/acm"
	"drydock/awsapi/elbv2"
)

// stackCertificate is a certificate of a listener: one that exists, by its ARN, or one to
// request.
type stackCertificate struct {
	path    string
	arn     *string
	request acm.RequestCertificateRequest
}

// names returns the names that a certificate is to be for, in lower case, its domain name first.
func (c stackCertificate) names() []string {
	names := []string{strings.ToLower(deref(c.request.DomainName))}
	for _, name := range c.request.SubjectAlternativeNames {
		if name = strings.ToLower(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// readCertificates reads `certificate:`, which says more simply what certificates AWS's
// own member would name by ARN: a domain name, an ARN, what RequestCertificate takes, or a
// list of those. The first one is the default certificate.
func (r *stackReader) readCertificates(n *yaml.Node, path string) []stackCertificate {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		return []stackCertificate{r.readCertificate(n, path)}
	}
	var all []stackCertificate
	for i, element := range n.Content {
		all = append(all, r.readCertificate(resolve(element), fmt.Sprintf("%s[%d]", path, i)))
	}
	return all
}

func (r *stackReader) readCertificate(n *yaml.Node, path string) stackCertificate {
	r.lines[path] = n.Line
	c := stackCertificate{path: path}
	switch {
	case n.Kind == yaml.MappingNode:
		r.shape(n, reflect.ValueOf(&c.request).Elem(), path)
	case n.Kind != yaml.ScalarNode || isNull(n):
		r.fail(n, path, "is "+describeNode(n)+", not a certificate", "give a domain name such as shop.localhost, or a certificate's ARN")
	case strings.HasPrefix(n.Value, "arn:"):
		c.arn = &n.Value
	default:
		c.request.DomainName = &n.Value
	}
	return c
}

// checkCertificates looks whether a listener has certificates just where it needs them.
func (r *stackReader) checkCertificates(l stackListener) {
	given, protocol := len(l.certificates) > 0 || len(l.input.Certificates) > 0, deref(l.input.Protocol)
	switch {
	case len(l.certificates) > 0 && len(l.input.Certificates) > 0:
		r.at(l.path+".certificate", "stands beside certificates", "give one of the two")
	case protocol == "HTTPS" && !given && !r.gives(l.path+".certificate") && !r.gives(l.path+".certificates"):
		r.at(l.path+".certificate", "is missing: an HTTPS listener needs one", "write `certificate: shop.localhost`, and one is issued by the local authority (see `drydock trust`)")
	case protocol == "HTTP" && given:
		r.at(l.path+".certificate", "is for HTTPS listeners", "write `protocol: HTTPS`, or remove the certificate")
	case protocol == "HTTP" && l.input.SslPolicy != nil:
		r.at(l.path+".sslPolicy", "is for HTTPS listeners", "write `protocol: HTTPS`, or remove the policy")
	}
	for _, c := range l.certificates {
		if name := deref(c.request.DomainName); name != "" && !strings.Contains(strings.TrimPrefix(name, "*."), ".") {
			r.at(c.path, fmt.Sprintf("%q is not a name that ACM issues certificates for", name), "it takes two parts at least: `"+name+".localhost`")
		}
	}
}

// withCertificate returns the default certificate of a listener in AWS's shape.
func withCertificate(arn string) []elbv2.Certificate {
	return []elbv2.Certificate{{CertificateArn: &arn}}
}
