package main

import (
	"context"
	"net/http"
	"path/filepath"

	"drydock/acm"
)

// certificateDir is where the local certificate authority lies in a state directory.
func certificateDir(stateDir string) string { return filepath.Join(stateDir, "ca") }

func (d *daemon) openCertificates(ctx context.Context) (err error) {
	d.certificates, err = acm.Open(ctx, d.store, acm.Config{
		Region: d.config.Region, Account: d.config.Account, Directory: certificateDir(d.config.StateDir), Users: d.certificateUsers,
	})
	return err
}

// certificateUsers are the load balancers that use a certificate.
func (d *daemon) certificateUsers(arn string) []string {
	if d.balancer == nil {
		return nil // still opening
	}
	return d.balancer.InUse(arn)
}

// serveTrust answers the certificate of the local authority.
func (d *daemon) serveTrust(w http.ResponseWriter, _ *http.Request) {
	reply(w, trustOf(d.certificates.Root()))
}
