package h2

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/alb/node/h2/spectest"
)

// TestH2Spec runs every case of h2spec against a server on TLS.
func TestH2Spec(t *testing.T) {
	l := serveTLS(t, Config{Handler: greet})
	spectest.Run(t, netip.MustParseAddrPort(l.Addr().String()))
}

// greet reads the request to its end and answers with a few bytes.
func greet(s *Stream) {
	for {
		if _, err := s.Next(true); err == io.EOF {
			break
		} else if err != nil {
			return
		}
	}
	s.WriteHead(200, []Field{{Name: "content-type", Value: "text/plain"}}, false)
	s.Send([]byte(strings.Repeat("hello ", 20)), true)
}

func serveTLS(t *testing.T, config Config) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, config)
	return l
}

// serve serves every connection of l until the test ends.
func serve(t *testing.T, l net.Listener, config Config) {
	var work sync.WaitGroup
	var mu sync.Mutex
	var conns []*Conn
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := Server(conn, config)
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			work.Go(func() { c.Run() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
