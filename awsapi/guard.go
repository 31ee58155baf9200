package awsapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Guard protects a local HTTP service from web pages: it refuses Host names that are not
// ours (DNS rebinding) and writes that a browser sends for a page of another origin.
// hosts are allowed beside localhost, *.localhost and the loopback addresses.
func Guard(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := checkHost(r, hosts)
		if err == nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
			err = checkOrigin(r)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkHost refuses a request whose Host header does not name this machine.
func checkHost(r *http.Request, hosts []string) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(hosts, host) {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return nil
	}
	return errForbidden(fmt.Sprintf("the Host header %q does not name this machine; use http://localhost", r.Host))
}

// checkOrigin refuses what a browser sends on behalf of a page that is not ours.
func checkOrigin(r *http.Request) error {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
	default:
		return errForbidden("a web page of another origin may not call this API (Sec-Fetch-Site: " + site + ")")
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) {
		return nil
	}
	return errForbidden("a web page of another origin may not call this API (Origin: " + origin + ")")
}

func errForbidden(message string) error {
	return &Error{Code: "AccessDeniedException", Message: message, Status: http.StatusForbidden}
}
