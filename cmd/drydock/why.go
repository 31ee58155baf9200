package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/timeline"
)

func whyCommand() *cli.Command {
	return &cli.Command{
		Name:      "why",
		Usage:     "explain failed requests: what the balancer saw, and what led to it",
		ArgsUsage: "[last]",
		Description: "Failures are put together by cause, each with the chain from the request back to\n" +
			"what started it. `why last` explains the last failed request only.\n\n" +
			"Example:\n  drydock why --since 10m\n  drydock why last",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "since", Value: 10 * time.Minute, EnvVars: twin("since"), Usage: "requests of the last `DURATION`"},
			outputFlag(),
			endpointFlag(),
		},
		Action: whyAction,
	}
}

func whyAction(c *cli.Context) error {
	if c.NArg() > 1 || c.NArg() == 1 && c.Args().First() != "last" {
		return usagef("why takes `last` or nothing, but got %q: `drydock why --since 10m`", strings.Join(c.Args().Slice(), " "))
	}
	if c.Duration("since") <= 0 {
		return usagef("--since must be above 0: for example --since 10m")
	}
	query := url.Values{"since": {c.Duration("since").String()}}
	if c.Args().First() == "last" {
		query = url.Values{"last": {"1"}}
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	var e timeline.Explanation
	if err := api.get(c.Context, "why", query, &e); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c.App.Writer, e)
	}
	return e.Text(c.App.Writer, timeline.TextOptions{})
}
