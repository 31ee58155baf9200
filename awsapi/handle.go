package awsapi

import (
	"context"
	"fmt"
)

// handler is a registered operation.
type handler struct {
	newInput func() any
	call     func(ctx context.Context, in any) (any, error)
}

// Handle registers f for an operation that stands in ops.txt; it panics for any other.
// In and Out are the operation's generated shapes, or structs with the same tags. An Out
// whose pointer implements [json.Marshaler] is sent as it marshals itself; a member of
// type [json.RawMessage] is sent verbatim. An error that implements
// AWSError() (code, message string) goes to the client; any other is answered as an
// internal failure and logged.
func Handle[In, Out any](s *Server, service, operation string, f func(ctx context.Context, in *In) (*Out, error)) {
	known := LookupService(service)
	if known == nil || !known.Lists(operation) {
		panic(fmt.Sprintf("awsapi: handle %s %s: not in ops.txt", service, operation))
	}
	s.handlers[service+" "+operation] = handler{
		newInput: func() any { return new(In) },
		call: func(ctx context.Context, in any) (any, error) {
			out, err := f(ctx, in.(*In))
			if err != nil || out == nil { // a typed nil must not become an answer (WIRE-010)
				return nil, err
			}
			return out, nil
		},
	}
}

// Handles reports whether an operation has a handler.
func (s *Server) Handles(service, operation string) bool {
	_, ok := s.handlers[service+" "+operation]
	return ok
}
