package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for did not come about
	exitUsage  = 2 // the command line or the stack file could not be understood
)

// errReported is returned by a verb that failed and has already said why.
var errReported = errors.New("already reported")

// usageError is a mistake in the command line or in a file that the user wrote.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run runs the command line and returns its exit code. The first interrupt cancels
// the verb's context; a second one ends the process.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return runContext(ctx, args, stdout, stderr)
}

func runContext(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	return report(stderr, err)
}

// report prints err, if there is anything left to say, and returns the exit code.
func report(stderr io.Writer, err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "drydock: %v\n", err)
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "drydock: interrupted")
		return exitFailed
	}
	fmt.Fprintf(stderr, "drydock: %v\n", err)
	return exitFailed
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                 "drydock",
		Usage:                "Amazon ECS with an Application Load Balancer, on this machine",
		UsageText:            "drydock VERB [options] [arguments]",
		Description:          "Start the daemon with `drydock daemon`, bring a stack up with `drydock up DIR`,\nlook with `drydock status`. `drydock VERB --help` shows an example of each verb.",
		Version:              version,
		Flags:                []cli.Flag{endpointFlag()},
		Commands:             verbs(),
		Action:               unknownVerb,
		Writer:               stdout,
		ErrWriter:            stderr,
		HideHelpCommand:      true,
		EnableBashCompletion: true,
		ExitErrHandler:       func(*cli.Context, error) {},
		OnUsageError:         explainUsage,
	}
	for _, verb := range app.Commands {
		verb.OnUsageError = explainUsage
		verb.HideHelpCommand = true
	}
	return app
}

func verbs() []*cli.Command {
	return []*cli.Command{
		daemonCommand(),
		albCommand(),
		upCommand(),
		downCommand(),
		statusCommand(),
		describeCommand(),
		deployCommand(),
		rollbackCommand(),
		scaleCommand(),
		runTaskCommand(),
		stopTaskCommand(),
		eventsCommand(),
		whyCommand(),
		alarmCommand(),
		logsCommand(),
		execCommand(),
		faultCommand(),
		loadCommand(),
		envCommand(),
		trustCommand(),
		doctorCommand(),
		versionCommand(),
	}
}

func unknownVerb(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowAppHelp(c)
	}
	name := c.Args().First()
	if name == "help" {
		return helpVerb(c, c.Args().Get(1))
	}
	var names []string
	for _, verb := range c.App.Commands {
		names = append(names, verb.Names()...)
	}
	if near := nearest(name, names); near != "" {
		return usagef("there is no verb %q: did you mean `drydock %s`? (`drydock --help` lists all)", name, near)
	}
	return usagef("there is no verb %q: `drydock --help` lists all", name)
}

func helpVerb(c *cli.Context, verb string) error {
	if c.App.Command(verb) == nil {
		return cli.ShowAppHelp(c)
	}
	return cli.ShowCommandHelp(c, verb)
}

func explainUsage(c *cli.Context, err error, _ bool) error {
	name := strings.TrimSpace("drydock " + verbName(c))
	text := err.Error()
	if flag, ok := strings.CutPrefix(text, "flag provided but not defined: "); ok {
		return unknownFlag(c, name, strings.TrimLeft(flag, "-"))
	}
	return usagef("%s: see `%s --help`", strings.Replace(text, " for flag -", " for --", 1), name)
}

func unknownFlag(c *cli.Context, name, flag string) error {
	flags := c.App.Flags
	if c.Command != nil && len(c.Command.Flags) > 0 {
		flags = c.Command.Flags
	}
	var known []string
	for _, f := range flags {
		known = append(known, f.Names()...)
	}
	if near := nearest(flag, known); near != "" {
		return usagef("%s has no option --%s: did you mean --%s? (`%s --help` lists all)", name, flag, near, name)
	}
	return usagef("%s has no option --%s: `%s --help` lists all", name, flag, name)
}

func verbName(c *cli.Context) string {
	if c.Command == nil || c.Command.Name == c.App.Name {
		return ""
	}
	return c.Command.Name
}

// arrange moves options before arguments, and global options behind the verb, so that
// `drydock deploy web --image x` and `drydock --endpoint URL deploy web` both work:
// the flag package stops at the first argument. Nothing behind "--" is touched.
func arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return []string{app.Name}, nil
	}
	before, rest := splitOptions(app.Flags, args[1:], true)
	if len(rest) == 0 || rest[0] == "--" {
		return args, nil
	}
	verb := app.Command(rest[0])
	if verb == nil {
		return args, nil
	}
	options, arguments := splitOptions(verb.Flags, rest[1:], false)
	if helpAsked(before) {
		return args, nil
	}
	if slices.ContainsFunc(options, isHelp) { // with an argument behind it, it would ask for a topic
		return []string{args[0], verb.Name, "--help"}, nil
	}
	return slices.Concat([]string{args[0], verb.Name}, before, options, arguments), nil
}

func isHelp(option string) bool { return slices.Contains([]string{"--help", "-help", "-h"}, option) }

func helpAsked(options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		return isHelp(o) || slices.Contains([]string{"--version", "-version", "-v", "--generate-bash-completion"}, o)
	})
}

// splitOptions separates options, with their values, from arguments. With
// untilFirst it stops at the first argument.
func splitOptions(flags []cli.Flag, args []string, untilFirst bool) (options, arguments []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return options, append(arguments, args[i:]...)
		case !strings.HasPrefix(arg, "-") || arg == "-":
			if untilFirst {
				return options, args[i:]
			}
			arguments = append(arguments, arg)
		default:
			options = append(options, arg)
			if takesValue(flags, arg) && i+1 < len(args) {
				i++
				options = append(options, args[i])
			}
		}
	}
	return options, arguments
}

func takesValue(flags []cli.Flag, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	name := strings.TrimLeft(arg, "-")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}

// nearest returns the candidate that name is probably a slip of, or "".
func nearest(name string, candidates []string) string {
	best, bestDistance := "", len(name)/3+2
	for _, candidate := range candidates {
		d := editDistance(strings.ToLower(name), strings.ToLower(candidate))
		if d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
