package awsapi

import (
	"slices"
	"strings"
)

// Protocol is how a service puts its calls on the wire.
type Protocol string

// The protocols that drydock speaks, named as in the service models.
const (
	JSON  Protocol = "json"  // awsJson 1.1: JSON both ways, operation in X-Amz-Target
	Query Protocol = "query" // form posts, XML answers
	EC2   Protocol = "ec2"   // like Query, with EC2's own names and envelopes
	CBOR  Protocol = "cbor"  // smithy-rpc-v2-cbor: CBOR both ways, operation in the path
)

// Service is what the wire layer knows of one AWS service.
type Service struct {
	Name         string   // as in ops.txt and in the CLI: elbv2
	Title        string   // for people: Elastic Load Balancing v2
	SigningName  string   // in the SigV4 credential scope: elasticloadbalancing
	Protocol     Protocol // that clients of ours speak; see Speaks
	Version      string   // API version, sent by forms
	TargetPrefix string   // of X-Amz-Target, JSON only
	Namespace    string   // of XML answers
	Errors       map[string]int
	listed       []string // operations that have shapes, sorted
	known        string   // every operation of the service model, each between spaces
}

// also are the protocols that a service speaks beside its own: what the SDKs chose over the
// years (WIRE-023).
var also = map[string][]Protocol{"cloudwatch": {CBOR, Query}}

// Speaks reports whether the service can be called by a protocol.
func (s *Service) Speaks(p Protocol) bool {
	return s.Protocol == p || slices.Contains(also[s.Name], p)
}

// speaking returns the service as one that speaks p, which it must.
func (s *Service) speaking(p Protocol) *Service {
	if s.Protocol == p {
		return s
	}
	c := *s
	c.Protocol = p
	return &c
}

// Lists reports whether the operation stands in ops.txt, so that it has shapes.
func (s *Service) Lists(operation string) bool {
	_, found := slices.BinarySearch(s.listed, operation)
	return found
}

// Knows reports whether AWS has such an operation, whether we serve it or not.
func (s *Service) Knows(operation string) bool {
	return operation != "" && strings.Contains(s.known, " "+operation+" ")
}

// Operations returns the operations that have shapes, sorted.
func (s *Service) Operations() []string { return slices.Clone(s.listed) }

// LookupService returns the service with a name as in ops.txt, or nil.
func LookupService(name string) *Service {
	for _, s := range Services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Mutates reports whether an operation may change something: it does not if its
// name starts with Describe, List or Get.
func Mutates(service, operation string) bool {
	for _, verb := range []string{"Describe", "List", "Get"} {
		if strings.HasPrefix(operation, verb) {
			return false
		}
	}
	return true
}
