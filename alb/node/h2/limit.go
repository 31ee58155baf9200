package h2

import "time"

// strain counts frames that make us work for nothing: empty DATA, PING, SETTINGS, PRIORITY,
// small WINDOW_UPDATE, unknown frames, and streams that are opened and reset (CVE-2019-9511
// to 9518, CVE-2023-39325). Useful ones are set off against them.
func (c *Conn) strain(weight int) error {
	if c.junk+weight < strainLimit {
		c.junk += weight
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.strainLocked(weight)
}

// strainLocked is strain under mu.
func (c *Conn) strainLocked(weight int) error {
	if c.junk += weight; c.junk < strainLimit {
		return nil
	}
	c.junk -= min(c.junk, c.useful)
	c.useful = 0
	if c.junk < strainLimit {
		return nil
	}
	now := time.Now()
	if now.Sub(c.junkAt) < strainFor {
		return calm("too many frames for nothing")
	}
	c.junk, c.junkAt = 0, now
	return nil
}
