package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

func loadCommand() *cli.Command {
	return &cli.Command{
		Name:      "load",
		Usage:     "send requests at a constant rate and count what comes back",
		ArgsUsage: "URL",
		Description: "Requests are sent at times fixed in advance (an open loop), each exactly once and\n" +
			"never again: what a client without retries would see. Exits 1 if any failed.\n\n" +
			"Example:\n  drydock load http://127.0.0.1/api/users/ --rate 200 --duration 30s",
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "rate", Aliases: []string{"r"}, Value: 50, EnvVars: twin("rate"), Usage: "requests per second"},
			&cli.DurationFlag{Name: "duration", Aliases: []string{"d"}, Value: 10 * time.Second, EnvVars: twin("duration"), Usage: "how long to send"},
			&cli.StringFlag{Name: "method", Aliases: []string{"X"}, Value: http.MethodGet, EnvVars: twin("method"), Usage: "request method"},
			&cli.StringSliceFlag{Name: "header", Aliases: []string{"H"}, EnvVars: twin("header"), Usage: "`'NAME: VALUE'`, may be repeated"},
			&cli.StringFlag{Name: "body", EnvVars: twin("body"), Usage: "request body; @FILE reads it from a file"},
			&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, EnvVars: twin("timeout"), Usage: "for one request, from connecting to the end of its response"},
			&cli.StringFlag{Name: "fail-on", Value: "4xx,5xx,errors", EnvVars: twin("fail-on"), Usage: "what counts as failed: statuses, classes, errors, none"},
			&cli.IntFlag{Name: "max-in-flight", Value: 2000, EnvVars: twin("max-in-flight"), Usage: "requests under way at once; beyond it they fail unsent"},
			&cli.BoolFlag{Name: "insecure", EnvVars: twin("insecure"), Usage: "do not verify the server's certificate"},
			outputFlag(),
			endpointFlag(),
		},
		Action: loadAction,
	}
}

func loadAction(c *cli.Context) error {
	x, g, err := newLoad(c)
	if err != nil {
		return err
	}
	defer x.close()
	started := time.Now()
	watch(c.Context, g, newScreen(c.App.ErrWriter), started)
	report := g.tally.report()
	report.Method, report.URL, report.Rate = x.method, c.Args().First(), g.rate
	report.Duration, report.Elapsed = c.Duration("duration").String(), duration(time.Since(started))
	report.Interrupted = c.Context.Err() != nil
	if err := printLoad(c, report); err != nil {
		return err
	}
	if report.Failed > 0 {
		return errReported
	}
	return nil
}

func newLoad(c *cli.Context) (*exchanger, *generator, error) {
	if c.NArg() != 1 {
		return nil, nil, usagef("load needs one URL: `drydock load http://127.0.0.1/ --rate 50 --duration 10s`; `drydock status` shows the URLs of your load balancers")
	}
	rate, lasting := c.Float64("rate"), c.Duration("duration")
	if !(rate > 0 && rate <= 100_000) || lasting <= 0 || c.Duration("timeout") <= 0 || c.Int("max-in-flight") <= 0 {
		return nil, nil, usagef("--rate (at most 100000), --duration, --timeout and --max-in-flight must be above 0: for example --rate 200 --duration 30s")
	}
	failures, err := parseFailOn(c.String("fail-on"))
	if err != nil {
		return nil, nil, err
	}
	body, err := loadBody(c.String("body"))
	if err != nil {
		return nil, nil, err
	}
	x, err := newExchanger(strings.ToUpper(c.String("method")), c.Args().First(), c.StringSlice("header"), body, c.Duration("timeout"), c.Bool("insecure"))
	if err != nil {
		return nil, nil, err
	}
	count := requestCount(rate, lasting)
	g := &generator{send: x.do, rate: rate, count: count, maxInFlight: c.Int("max-in-flight"), tally: newTally(failures, count)}
	return x, g, nil
}

func loadBody(body string) ([]byte, error) {
	name, isFile := strings.CutPrefix(body, "@")
	if !isFile {
		return []byte(body), nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("--body: %v: name a file that can be read", err)
	}
	return data, nil
}

// watch runs the generator and shows a live line: each second on a terminal, else
// every five.
func watch(ctx context.Context, g *generator, s *screen, started time.Time) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Run(ctx)
	}()
	every := 5 * time.Second
	if s.terminal {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			s.erase()
			return
		case <-tick.C:
		}
		line := g.tally.report().live(time.Since(started))
		if s.terminal {
			s.draw(line)
		} else {
			s.line("%s", line)
		}
	}
}

func printLoad(c *cli.Context, report LoadReport) error {
	if wantsJSON(c) {
		return printJSON(c.App.Writer, report)
	}
	_, err := c.App.Writer.Write([]byte(report.text(newScreen(c.App.Writer))))
	return err
}
