package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/timeline"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name:  "events",
		Usage: "show what happened: every state change and API call, with its cause",
		Description: "The number in brackets is the event that led to this one: follow them back to see why.\n\n" +
			"Example:\n  drydock events --since 10m\n  drydock events -f",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, EnvVars: twin("follow"), Usage: "keep showing events as they happen"},
			&cli.DurationFlag{Name: "since", EnvVars: twin("since"), Usage: "only the last `DURATION`, such as 10m"},
			&cli.Int64Flag{Name: "after", EnvVars: twin("after"), Usage: "only events after this `NUMBER`"},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Value: 100, EnvVars: twin("limit"), Usage: "at most so many, the newest ones; 0 for all"},
			outputFlag(),
			endpointFlag(),
		},
		Action: eventsAction,
	}
}

func eventsAction(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("events takes no arguments, but got %q: `drydock events --help` shows its options", c.Args().First())
	}
	if c.Duration("since") < 0 || c.Int("limit") < 0 || c.Int64("after") < 0 {
		return usagef("--since, --limit and --after can't be below 0: for example --since 10m --limit 50")
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	show := printEvent(c)
	err = api.lines(c.Context, http.MethodGet, "events", eventsQuery(c), func(line json.RawMessage) error {
		var e timeline.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		return show(e, line)
	})
	if c.Bool("follow") && c.Context.Err() != nil {
		return nil // interrupting is how following ends
	}
	return err
}

func eventsQuery(c *cli.Context) url.Values {
	q := url.Values{}
	q.Set("limit", fmt.Sprint(c.Int("limit")))
	if c.IsSet("after") {
		q.Set("after", fmt.Sprint(c.Int64("after")))
	}
	if since := c.Duration("since"); since > 0 {
		q.Set("since", since.String())
	}
	if c.Bool("follow") {
		q.Set("follow", "1")
	}
	return q
}

func printEvent(c *cli.Context) func(timeline.Event, json.RawMessage) error {
	if wantsJSON(c) {
		return func(_ timeline.Event, line json.RawMessage) error {
			_, err := fmt.Fprintf(c.App.Writer, "%s\n", line)
			return err
		}
	}
	s := newScreen(c.App.Writer)
	return func(e timeline.Event, _ json.RawMessage) error {
		_, err := fmt.Fprintln(c.App.Writer, eventLine(s, e))
		return err
	}
}

func eventLine(s *screen, e timeline.Event) string {
	cause := ""
	if e.Cause != 0 {
		cause = fmt.Sprintf("[%d]", e.Cause)
	}
	return fmt.Sprintf("%6d %-8s %s  %s  %s", e.Seq, cause, s.paint(dim, e.Time.Local().Format("15:04:05.000")),
		s.paint(kindColor(e.Kind), fmt.Sprintf("%-13s", e.Kind)), e.Message)
}

func kindColor(k timeline.Kind) string {
	switch k {
	case timeline.Warning:
		return yellow
	case timeline.Exit, timeline.Signal:
		return red
	case timeline.APICall, timeline.Deployment:
		return bold
	}
	return ""
}

// sinceQuery asks for what happened since a time, as the private API wants it.
func sinceQuery(start, now time.Time) url.Values {
	return url.Values{"since": {now.Sub(start).String()}}
}
