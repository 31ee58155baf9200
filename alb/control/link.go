package control

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// A hand-over is a conversation in frames: four bytes of length and a JSON document.

// handed is what a predecessor says first. Its descriptors follow: the lock, then a
// listening socket for each address.
type handed struct {
	PID       int              `json:"pid"`
	Build     string           `json:"build"`
	Snapshot  *node.Snapshot   `json:"snapshot,omitempty"` // in force, with the targets' states; nil: none yet
	Addresses []netip.AddrPort `json:"addresses"`
}

// told is what a successor says.
type told struct {
	Serving  bool           `json:"serving,omitempty"`  // it accepts: the predecessor may stop to
	Snapshot *node.Snapshot `json:"snapshot,omitempty"` // a new one
	Stop     bool           `json:"stop,omitempty"`     // the load balancers end
}

// relayed is what a predecessor says once it retires.
type relayed struct {
	Retires     bool                `json:"retires,omitempty"` // it does not accept any more, and the lock is the successor's
	Outcome     *timeline.Outcome   `json:"outcome,omitempty"`
	Epilogue    *timeline.Epilogue  `json:"epilogue,omitempty"`
	Connection  *node.Connection    `json:"connection,omitempty"`
	Record      *Record             `json:"record,omitempty"` // that no daemon has stored
	Lost        uint64              `json:"lost,omitempty"`   // records
	Connections *int                `json:"connections,omitempty"`
	Targets     []node.TargetStatus `json:"targets,omitempty"` // those with requests in flight
}

const frameLimit = 256 << 20

func writeFrame(w io.Writer, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

// readFrame reads not a byte beyond the frame: descriptors may come with the next one.
func readFrame(r io.Reader, doc any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > frameLimit {
		return fmt.Errorf("a frame of %d bytes", size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	return json.Unmarshal(text, doc)
}

// link is a retiring process's way to its successor. Requests do not wait for it.
type link struct {
	conn  net.Conn
	queue chan relayed
	lost  atomic.Uint64
}

func newLink(conn net.Conn) *link { return &link{conn: conn, queue: make(chan relayed, 4096)} }

func (l *link) tell(r relayed) {
	select {
	case l.queue <- r:
	default:
		l.lost.Add(1)
	}
}

const linkTick = 250 * time.Millisecond

// send writes what is told, and now and then what rest returns, until over is closed, and
// then once more. It goes on counting what gets lost when the successor is gone.
func (l *link) send(over <-chan struct{}, rest func() []relayed) {
	tick := time.NewTicker(linkTick)
	defer tick.Stop()
	var broken error
	write := func(all ...relayed) {
		for _, r := range all {
			broken = errors.Join(broken, l.write(broken, r))
		}
	}
	for {
		select {
		case r := <-l.queue:
			write(r)
		case <-tick.C:
			write(rest()...)
		case <-over:
			for len(l.queue) > 0 {
				write(<-l.queue)
			}
			write(rest()...)
			return
		}
	}
}

func (l *link) write(broken error, r relayed) error {
	if broken != nil {
		return nil
	}
	r.Lost += l.lost.Swap(0)
	return writeFrame(l.conn, r)
}
