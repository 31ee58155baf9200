package node

// stretch makes the stack of a new goroutine as large as a request needs, at once and while
// there is little on it to copy. Left to itself it grows twice, deep inside of the exchange, and
// walks all frames each time. It is having the frame that does it: nothing in it is touched
// unless touch.
//
//go:noinline
func stretch(touch bool) {
	if touch {
		var room [stackRoom]byte
		touched(&room)
	}
}

// stackRoom makes the 2 KiB that a stack begins with 4 KiB.
const stackRoom = 2 << 10

//go:noinline
func touched(room *[stackRoom]byte) { room[0] = 1 }
