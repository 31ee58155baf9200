package networktest

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestAddress_RefusesUntilSomebodyListens(t *testing.T) {
	addr := Address(t).String()
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dialled %v, %v, want connection refused", conn, err)
	}
	for range 2 { // also after somebody did
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		l.Close()
	}
}

// More are asked for than the kernel has: it gives out none twice.
func TestAddress_IsNotGivenToSomebodyElse(t *testing.T) {
	kept := Address(t)
	for range 40_000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if l.Addr().String() == kept.String() {
			t.Fatalf("%s was given to somebody else", kept)
		}
	}
}
