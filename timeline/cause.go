package timeline

import "context"

type causeKey struct{}

// WithCause returns a context that carries the sequence number of the event that
// caused what is done with it.
func WithCause(ctx context.Context, seq int64) context.Context {
	return context.WithValue(ctx, causeKey{}, seq)
}

// CauseFrom returns the sequence number that [WithCause] put in ctx, or 0.
func CauseFrom(ctx context.Context) int64 {
	seq, _ := ctx.Value(causeKey{}).(int64)
	return seq
}
