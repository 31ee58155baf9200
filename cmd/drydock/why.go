package main

import (
	"fmt"
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
	_, err = fmt.Fprint(c.App.Writer, whyText(newScreen(c.App.Writer), e))
	return err
}

// whyText writes an explanation for people.
func whyText(s *screen, e timeline.Explanation) string {
	var b strings.Builder
	if e.Failed == 0 {
		fmt.Fprintf(&b, "%s\n", s.paint(green, fmt.Sprintf("0 of %s requests failed between %s and %s", number(e.Requests), clock(e.From), clock(e.To))))
		return b.String()
	}
	fmt.Fprintf(&b, "%s between %s and %s\n", s.paint(red, fmt.Sprintf("%s of %s requests failed", number(e.Failed), number(e.Requests))), clock(e.From), clock(e.To))
	for _, cluster := range e.Clusters {
		b.WriteByte('\n')
		clusterText(&b, s, cluster)
	}
	if e.Dropped > 0 {
		fmt.Fprintf(&b, "\n%d more failures are no longer remembered\n", e.Dropped)
	}
	return b.String()
}

func clusterText(b *strings.Builder, s *screen, c timeline.Cluster) {
	fmt.Fprintf(b, "%s  %s  %s\n", s.paint(bold, fmt.Sprintf("%s × %d", number(c.Count), c.Status)), c.Code, s.paint(dim, string(c.Confidence)))
	fmt.Fprintf(b, "  %s\n", c.Sentence)
	if c.Why != "" {
		fmt.Fprintf(b, "  %s\n", c.Why)
	}
	for _, link := range c.Chain {
		seq := ""
		if link.Seq != 0 {
			seq = fmt.Sprintf(" [%d]", link.Seq)
		}
		fmt.Fprintf(b, "    %s %s%s %s\n", s.paint(dim, clock(link.Time)), link.Kind, seq, strings.TrimSpace(link.Text+" "+parenthesised(link.State)))
	}
	for _, fix := range c.Fix {
		fmt.Fprintf(b, "  %s %s\n", s.paint(green, "fix:"), fix)
	}
}

func parenthesised(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }
