package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"drydock/awsapi"
	"drydock/store"
)

// downWithoutDaemon removes everything of the instance whose state is in a directory: it
// starts that instance's daemon in this process, on a port of its own, and has it taken
// down, so that there is one way to remove things. It returns os.ErrNotExist if the
// directory holds no state. A daemon that runs on the directory is an error that names it.
func downWithoutDaemon(ctx context.Context, stateDir string, tell func(string)) error {
	if _, err := os.Stat(filepath.Join(stateDir, store.File)); err != nil {
		return err
	}
	d, err := openDaemon(ctx, directConfig(stateDir), slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("remove what %s knows of: %w", stateDir, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	api := &client{endpoint: "http://" + d.Addr().String(), http: httpClient()}
	err = api.takeDown(ctx, tell)
	if err != nil {
		cancel()
	}
	return errors.Join(err, <-ended, d.Close())
}

func directConfig(stateDir string) daemonConfig {
	return daemonConfig{
		Listen: "127.0.0.1:0", StateDir: stateDir, ALBAddress: netip.MustParseAddr("127.0.0.1"),
		CIDR: netip.MustParsePrefix("172.31.0.0/16"), Pace: "fast", Region: defaultRegion, Account: awsapi.DefaultAccount, Leaving: true,
	}
}
