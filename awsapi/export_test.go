package awsapi

import (
	"context"
	"reflect"
)

// HandleAny registers an operation whose types are only known at run time.
func HandleAny(s *Server, service, operation string, in reflect.Type, f func(ctx context.Context, in any) (any, error)) {
	s.handlers[service+" "+operation] = handler{
		newInput: func() any { return reflect.New(in).Interface() },
		call:     f,
	}
}
