package main

import "github.com/urfave/cli/v2"

func daemonCommand() *cli.Command {
	return &cli.Command{Name: "daemon", Usage: "run the daemon", Description: "Example:\n  drydock daemon"}
}

func defaultStateDir() string { return "/var/lib/drydock" }
