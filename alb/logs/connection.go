package logs

import (
	"net/netip"
	"strconv"

	"drydock/alb/node"
)

// AppendConnection appends the connection log line of c, with its newline. At is the address
// of the load balancer node. Client certificates are not asked for, so what would be said
// about them is "-" (LOG-020).
func AppendConnection(b []byte, c *node.Connection, at netip.Addr) []byte {
	b = append(appendTime(b, c.Time), ' ')
	b = append(c.Client.Addr().Unmap().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(c.Client.Port()), 10), ' ')
	b = append(strconv.AppendInt(b, int64(c.Port), 10), ' ')
	b = append(appendWord(b, c.TLS.Protocol), ' ')
	b = append(appendWord(b, c.TLS.Cipher), ' ')
	if c.Handshake < 0 || c.TLS.Protocol == "" || c.Failed != "" {
		b = append(b, '-')
	} else {
		b = appendSeconds(b, c.Handshake)
	}
	b = append(b, ` "-" - - `...)
	b = append(append(b, verifyStatus(c)...), ' ')
	b = append(appendWord(b, c.TraceID), " - "...) // tls_keyexchange: the node does not say
	b = append(appendWord(b, c.LoadBalancer), ' ')
	return append(at.AppendTo(b), '\n')
}

// verifyStatus tells how the handshake ended. All codes of AWS's but the last concern
// client certificates (LOG-021).
func verifyStatus(c *node.Connection) string {
	switch {
	case c.Failed != "":
		return "Failed:UnmappedConnectionError"
	case c.TLS.Protocol != "":
		return "Success"
	}
	return "-"
}
