package node

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"
)

// groupID is a target group in a cookie: a digest of its ARN.
type groupID [16]byte

func idOf(arn string) (id groupID) {
	sum := sha256.Sum256([]byte(arn))
	copy(id[:], sum[:])
	return id
}

// What a ticket is for.
const (
	ticketGroup byte = iota + 1
	ticketTarget
	ticketApp
)

// ticket is what a stickiness cookie says. A target is named by address and port: what comes
// back under both is the same target to ELB.
type ticket struct {
	kind   byte
	group  groupID
	addr   netip.AddrPort // zero for ticketGroup
	issued time.Time
}

// sealer encrypts tickets, so that clients can neither read nor make them (ALB-091).
type sealer struct {
	key  []byte
	aead cipher.AEAD
}

const (
	ticketBytes = 68 // with nonce and tag 96, which is 128 characters, as many as ALB's cookies have
	nonceBytes  = 12
	sealedChars = 128
)

// newSealer makes a sealer from a key of any length.
func newSealer(key []byte) *sealer {
	sum := sha256.Sum256(key)
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &sealer{bytes.Clone(key), aead}
}

func randomSealer() *sealer {
	var key [32]byte
	rand.Read(key[:])
	return newSealer(key[:])
}

// or returns a sealer for a snapshot's key: last if it is the same, s without a key.
func (s *sealer) or(last *sealer, key []byte) *sealer {
	switch {
	case len(key) == 0:
		return s
	case last != nil && bytes.Equal(last.key, key):
		return last
	}
	return newSealer(key)
}

// seal appends a cookie's value.
func (s *sealer) seal(to []byte, t ticket) []byte {
	var b [nonceBytes + ticketBytes + 16]byte
	rand.Read(b[:nonceBytes])
	p := b[nonceBytes : nonceBytes+ticketBytes]
	p[0] = t.kind
	binary.BigEndian.PutUint64(p[1:], uint64(t.issued.UnixNano()))
	copy(p[9:], t.group[:])
	if t.addr.IsValid() {
		addr := t.addr.Addr().As16()
		copy(p[25:], addr[:])
		binary.BigEndian.PutUint16(p[41:], t.addr.Port())
	}
	s.aead.Seal(p[:0], b[:nonceBytes], p, nil)
	return base64.StdEncoding.AppendEncode(to, b[:])
}

// open reads a cookie's value. ok is false for anything that this key did not seal.
func (s *sealer) open(value []byte) (t ticket, ok bool) {
	var b [sealedChars]byte
	if len(value) != sealedChars {
		return ticket{}, false
	}
	n, err := base64.StdEncoding.Strict().Decode(b[:], value)
	if err != nil || n != nonceBytes+ticketBytes+16 {
		return ticket{}, false
	}
	p, err := s.aead.Open(b[nonceBytes:nonceBytes], b[:nonceBytes], b[nonceBytes:n], nil)
	if err != nil || len(p) != ticketBytes {
		return ticket{}, false
	}
	t.kind = p[0]
	t.issued = time.Unix(0, int64(binary.BigEndian.Uint64(p[1:])))
	copy(t.group[:], p[9:])
	t.addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte(p[25:41])).Unmap(), binary.BigEndian.Uint16(p[41:]))
	return t, true
}
