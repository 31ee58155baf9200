package acm

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// RenewCertificate renews a requested certificate at once (ACM-007).
func (a *Authority) RenewCertificate(ctx context.Context, arn string) error {
	c, err := a.find(arn)
	if err != nil {
		return err
	}
	if c.Type != AmazonIssued {
		return invalid("Certificate %s is not eligible for renewal: it was imported.", arn)
	}
	return a.renew(ctx, arn, 0)
}

// renew gives a certificate new documents. Without a cause the caller's event is it.
func (a *Authority) renew(ctx context.Context, arn string, cause int64) error {
	old, err := a.find(arn)
	if err != nil {
		return err
	}
	issued := *old
	if err := a.root.issue(&issued, time.Now().UTC()); err != nil {
		return err
	}
	return a.update(ctx, func(t *tx) error {
		current, err := t.get(arn)
		if err != nil {
			return err
		}
		c := *current
		c.Body, c.Chain, c.Key, c.RenewAt, c.RenewedAt = issued.Body, issued.Chain, issued.Key, issued.RenewAt, issued.IssuedAt
		c.Event = t.event(cause, arn, fmt.Sprintf("renewed the certificate for %s; the old one ends in %s", c.DomainName,
			old.RenewAt.Add(renewBefore).Sub(t.now).Round(time.Minute)), map[string]string{"renewAt": c.RenewAt.Format(time.DateOnly)})
		t.put(c)
		return nil
	})
}

// Run renews certificates when their deadlines come, until ctx ends.
func (a *Authority) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		case <-timer.C:
		}
		timer.Reset(a.renewDue(ctx, time.Now()))
	}
}

// renewDue renews what is due at now, and returns how long nothing else is. A day at most:
// clocks step, machines sleep.
func (a *Authority) renewDue(ctx context.Context, now time.Time) time.Duration {
	wait := 24 * time.Hour
	for _, c := range a.all() {
		if c.Type != AmazonIssued {
			continue
		}
		if now.Before(c.RenewAt) && c.Chain == a.root.text { // not of an authority that was lost
			wait = min(wait, c.RenewAt.Sub(now))
			continue
		}
		if err := a.renew(ctx, c.ARN, c.Event); err != nil {
			slog.ErrorContext(ctx, "renew certificate", "certificate", c.ARN, "error", err)
			wait = min(wait, retryRenewal)
		}
	}
	return wait
}
