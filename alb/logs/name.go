package logs

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"drydock/alb/node"
)

// interval is how long a log file is grown: AWS delivers one for each (LOG-010).
const interval = 5 * time.Minute

// kind is one of the three logs of a load balancer.
type kind int

const (
	access kind = iota
	connection
	healthCheck
	kinds
)

// String returns the name that counters give it.
func (k kind) String() string { return [...]string{"access", "connection", "health_check"}[k] }

// prefix is what the names of its files begin with (LOG-011).
func (k kind) prefix() string { return [...]string{"", "conn_log_", "health_check_log_"}[k] }

// testFile is the name of the file that shows that logs can be written (LOG-012).
func (k kind) testFile() string {
	return [...]string{"ELBAccessLogTestFile", "ELBConnectionLogTestFile", "ELBHealthCheckLogTestFile"}[k]
}

// destination is where a stream's files go, and what their names say. It is comparable.
type destination struct {
	root    string // bucket[/prefix]/AWSLogs/account
	account string
	region  string
	id      string // app.name.id
	at      netip.Addr
}

// newDestination finds out where a load balancer's logs go in a bucket.
func newDestination(lb *node.LoadBalancer, to node.LogBucket) (destination, error) {
	arn := strings.SplitN(lb.ARN, ":", 6)
	if len(arn) != 6 || arn[3] == "" || arn[4] == "" {
		return destination{}, fmt.Errorf("log to bucket %q: %q is no load balancer ARN", to.Bucket, lb.ARN)
	}
	root := filepath.Join(to.Bucket, to.Prefix, "AWSLogs", arn[4])
	id := strings.ReplaceAll(lb.ID, "/", ".")
	for _, part := range []string{to.Bucket, root, filepath.Join(arn[3], id)} {
		if !filepath.IsLocal(part) {
			return destination{}, fmt.Errorf("log to bucket %q, prefix %q: not a place in the bucket", to.Bucket, to.Prefix)
		}
	}
	if to.Bucket != filepath.Base(to.Bucket) || strings.HasPrefix(to.Bucket, ".") {
		return destination{}, fmt.Errorf("log to bucket %q: not the name of a bucket", to.Bucket)
	}
	return destination{root: root, account: arn[4], region: arn[3], id: id, at: nodeAddress(lb)}, nil
}

// nodeAddress is the address that a load balancer's logs give as that of the node.
func nodeAddress(lb *node.LoadBalancer) netip.Addr {
	if lb.Address.IsValid() {
		return lb.Address
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// key is a new name for the file of the interval that ends at end, without ".gz":
// AWSLogs/123456789012/elasticloadbalancing/us-east-2/2016/05/01/123456789012_elasticloadbalancing_us-east-2_app.web.1234567890abcdef_20160501T2340Z_10.0.0.1_20sg8hgm.log
func (d destination) key(k kind, end time.Time) string {
	end = end.UTC()
	name := fmt.Sprintf("%s%s_elasticloadbalancing_%s_%s_%s_%s_%s.log", k.prefix(), d.account, d.region, d.id,
		end.Format("20060102T1504Z"), d.at, randomName())
	return filepath.Join(d.root, "elasticloadbalancing", d.region, end.Format("2006/01/02"), name)
}

func randomName() string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	b := make([]byte, 8)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

// endOf returns the end of the interval that a time is in.
func endOf(t time.Time) time.Time { return t.Truncate(interval).Add(interval) }
