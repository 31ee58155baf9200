package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"drydock/alb/node"
)

// Apply has the process make a snapshot true. The result holds an error for each listener,
// by ARN, that could not be opened.
//
// The first call does not wait: its snapshot is sent as soon as there is a process. Then, and
// when a process that was gone for longer is there again, Sink.Refused tells of listeners that
// could not be opened. Later calls wait for a process that is on its way.
func (c *Client) Apply(s node.Snapshot) map[string]error {
	c.mu.Lock()
	first, absent := c.wanted == nil, c.absent
	c.wanted = &s
	c.mu.Unlock()
	switch {
	case first:
		return nil
	case absent != nil:
		return everyListener(s, absent)
	}
	failed, err := c.sendNow()
	if err != nil {
		return everyListener(s, err)
	}
	return failed
}

// sendNow waits for a process and sends the newest snapshot. If the process ends just then,
// the next one gets it.
func (c *Client) sendNow() (map[string]error, error) {
	for {
		up, err := c.awaitUp()
		if err != nil {
			return nil, err
		}
		failed, err := c.send(context.Background())
		if err == nil || !c.awaitDown(up) {
			return failed, err
		}
	}
}

// everyListener says the same of each listener.
func everyListener(s node.Snapshot, err error) map[string]error {
	failed := map[string]error{}
	for _, lb := range s.LoadBalancers {
		for _, l := range lb.Listeners {
			failed[l.ARN] = err
		}
	}
	return failed
}

// awaitUp waits for a process, and remembers if there was none for too long: one call that
// waits is enough.
func (c *Client) awaitUp() (up chan struct{}, err error) {
	timer := time.NewTimer(applyPatience)
	defer timer.Stop()
	c.mu.Lock()
	up = c.up
	c.mu.Unlock()
	select {
	case <-up:
		return up, nil
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connected {
		return c.up, nil
	}
	c.absent = fmt.Errorf("the load balancer node is not there: see %s", LogFile(c.config.StateDir))
	return nil, c.absent
}

// awaitDown reports whether Run notices, within a second, that the process is not there any more.
func (c *Client) awaitDown(up chan struct{}) bool {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		gone := c.up != up
		c.mu.Unlock()
		if gone {
			return true
		}
	}
	return false
}

// send sends the newest snapshot.
func (c *Client) send(ctx context.Context) (map[string]error, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.mu.Lock()
	s := c.wanted
	c.mu.Unlock()
	if s == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	body, err := c.do(ctx, http.MethodPut, "/snapshot", nil, c.config.Effective(*s))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var a applied
	if err := json.NewDecoder(body).Decode(&a); err != nil {
		return nil, fmt.Errorf("the load balancer node broke off: %w", err)
	}
	return a.errors(), nil
}

// open lets snapshots through, beginning with the newest.
func (c *Client) open(ctx context.Context, s State) error {
	failed, err := c.send(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	missed := c.absent != nil
	c.found, c.connected, c.absent = s, true, nil
	close(c.up)
	c.mu.Unlock()
	if len(failed) > 0 || missed {
		c.config.Sink.Refused()
	}
	return nil
}

// shut holds snapshots back.
func (c *Client) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connected {
		c.connected, c.up = false, make(chan struct{})
	}
}

// reopen lets snapshots through again after a change that did not come about.
func (c *Client) reopen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.connected {
		c.connected = true
		close(c.up)
	}
}
