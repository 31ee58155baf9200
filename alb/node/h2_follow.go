package node

import (
	"io"
	"time"
)

var _ survivor = (*h2Back)(nil)

// outlive keeps the stream of a request that the balancer gave up, to hear how the target
// goes on with it (ALB-065). A client that leaves is passed on to the target as a reset at
// once, as gRPC has it; nothing comes after that.
func (b *h2Back) outlive() bool {
	if b.ended() != endedNot {
		return false
	}
	b.doubt()
	b.silent = false
	return true
}

func (b *h2Back) follow(until time.Time, limit int64) (status int, bytes int64, err error) {
	defer b.release(false, time.Now())
	b.until(until)
	b.stream.SetReadDeadline(until)
	if err := b.stream.AwaitHead(); err != nil {
		return 0, 0, err
	}
	for bytes < limit {
		part, err := b.next(true)
		if err == io.EOF {
			return b.stream.Status, bytes, nil
		}
		if err != nil {
			return b.stream.Status, bytes, err
		}
		bytes += int64(len(part))
	}
	return b.stream.Status, bytes, errFollowedEnough
}
