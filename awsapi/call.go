package awsapi

import (
	"context"
	"crypto/rand"
	"fmt"
)

// DefaultAccount is the account that calls belong to unless the server is told otherwise.
const DefaultAccount = "123456789012"

// Call is one API call as it came in.
type Call struct {
	Service        string // as in ops.txt: elbv2
	Operation      string
	Region         string // from the signature
	AccessKey      string // from the signature, not verified
	Account        string
	RequestID      string
	Raw            []byte // body as sent, as JSON if it was CBOR; the query string of a GET
	UserAgent      string
	UnknownMembers []string // input that the service model does not have, ignored
}

type callKey struct{}

// CallFrom returns the call that a handler is serving, or a zero Call outside one.
func CallFrom(ctx context.Context) Call {
	c, _ := ctx.Value(callKey{}).(Call)
	return c
}

// WithCall returns a context in which [CallFrom] finds c, for tests of handlers.
func WithCall(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
