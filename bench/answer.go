package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// answers returns when an address answers a GET with 200.
func answers(ctx context.Context, at netip.AddrPort) error {
	transport := &http.Transport{DisableKeepAlives: true}
	c := http.Client{Transport: transport, Timeout: time.Second}
	for {
		err := get(ctx, &c, "http://"+at.String()+"/")
		if err == nil {
			return nil
		}
		if !pause(ctx, 5*time.Millisecond) {
			return fmt.Errorf("wait for %s: %w (last: %v)", at, ctx.Err(), err)
		}
	}
}

func get(ctx context.Context, c *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	a, err := c.Do(r)
	if err != nil {
		return err
	}
	a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, a.Status)
	}
	return nil
}

// pause sleeps, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return ctx.Err() == nil
}
