package acm

import (
	"context"
	"fmt"
)

// DeleteCertificate deletes a certificate that no load balancer uses (ACM-011).
func (a *Authority) DeleteCertificate(ctx context.Context, arn string) error {
	if _, err := a.find(arn); err != nil {
		return err
	}
	if len(a.users(arn)) > 0 {
		return a.inUse(arn)
	}
	return a.update(ctx, func(t *tx) error {
		c, err := t.get(arn)
		if err != nil {
			return err
		}
		t.event(0, arn, fmt.Sprintf("deleted the certificate for %s", c.DomainName), nil)
		t.next[arn] = nil
		return nil
	})
}
