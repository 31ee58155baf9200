// Package spectest runs h2spec, the conformance suite of HTTP/2, against a server in tests.
package spectest

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// cases is how many there are, the strict ones included.
const cases = 146

// Run wants every case to pass against the server that speaks TLS at addr. It must answer
// GET / with a body of some bytes.
func Run(t *testing.T, addr netip.AddrPort) {
	t.Helper()
	c := &config.Config{Host: addr.Addr().String(), Port: int(addr.Port()), Path: "/", Timeout: 10 * time.Second,
		MaxHeaderLen: 4000, TLS: true, Insecure: true, Strict: true}
	passed := 0
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		silently(func() { group.Test(c) })
		passed += group.PassedCount
		for _, failed := range failures(group) {
			t.Error(failed)
		}
	}
	if passed < cases {
		t.Errorf("%d cases passed, want all %d", passed, cases)
	}
}

func failures(g *spec.TestGroup) (all []string) {
	for _, test := range g.Tests {
		if r := test.Result; r == nil || r.Failed || r.Skipped {
			detail := ""
			if r != nil && r.Error != nil {
				detail = r.Error.Error()
			}
			all = append(all, g.ID()+": "+test.Desc+": "+detail)
		}
	}
	for _, sub := range g.Groups {
		all = append(all, failures(sub)...)
	}
	return all
}

// silently keeps off the standard output what f writes there: h2spec's own report.
func silently(f func()) {
	out := os.Stdout
	defer func() { os.Stdout = out }()
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		defer nowhere.Close()
		os.Stdout = nowhere
	}
	f()
}
