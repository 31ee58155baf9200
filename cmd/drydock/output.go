package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// The colours, as SGR parameters.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
	bold   = "1"
)

// twin returns the environment variable that stands for an option.
func twin(option string) []string {
	return []string{"DRYDOCK_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", EnvVars: twin("output"), Usage: "`FORMAT` of the result: text or json",
		Action: func(_ *cli.Context, value string) error {
			if value != "text" && value != "json" {
				return usagef("--output %q: the formats are text and json", value)
			}
			return nil
		}}
}

func wantsJSON(c *cli.Context) bool { return c.String("output") == "json" }

// printJSON writes a document for programs.
func printJSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// screen writes for people: colours and redrawing on a terminal, plain lines elsewhere.
type screen struct {
	w        io.Writer
	terminal bool
	color    bool
	drawn    int // lines of the last draw, to be overwritten by the next
}

func newScreen(w io.Writer) *screen {
	terminal := isTerminal(w)
	return &screen{w: w, terminal: terminal, color: terminal && os.Getenv("NO_COLOR") == ""}
}

// paint colours text, if the screen has colours.
func (s *screen) paint(color, text string) string {
	if !s.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// line writes one line below what was drawn last.
func (s *screen) line(format string, args ...any) {
	s.erase()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// draw replaces what was drawn last. It does nothing where there is no terminal.
func (s *screen) draw(text string) {
	if !s.terminal {
		return
	}
	s.erase()
	width, height := s.size()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > height-1 {
		lines = lines[:height-1]
	}
	for _, l := range lines {
		fmt.Fprintln(s.w, clip(l, width))
	}
	s.drawn = len(lines)
}

// keep leaves what was drawn last on the screen.
func (s *screen) keep() { s.drawn = 0 }

func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.w, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

func (s *screen) size() (width, height int) {
	f, ok := s.w.(*os.File)
	if !ok {
		return 80, 24
	}
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row < 2 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// clip cuts a line to width columns; colour sequences take none.
func clip(line string, width int) string {
	if visible(line) <= width {
		return line
	}
	var b strings.Builder
	column, inSequence := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			inSequence = true
		case inSequence:
			inSequence = r != 'm'
		case column == width-1:
			continue
		default:
			column++
		}
		b.WriteRune(r)
	}
	return b.String()
}

// visible counts the columns of text without its colour sequences.
func visible(text string) int {
	n, rest := 0, text
	for {
		before, after, found := strings.Cut(rest, "\x1b[")
		n += utf8.RuneCountInString(before)
		if !found {
			return n
		}
		_, rest, _ = strings.Cut(after, "m")
	}
}

// table is rows of cells, printed in aligned columns.
type table struct{ rows [][]string }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	widths := t.widths()
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-visible(cell)+2))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

func (t *table) widths() []int {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(cell))
		}
	}
	return widths
}

// duration writes d for people: 85ms, 4.2s, 3m05s, 2h10m, 3d4h.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// number writes n with thousands separators.
func number[T int | int64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count with its noun: 1 task, 3 tasks.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// tail returns what follows the last slash: the name or id in an ARN.
func tail(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// shortID shortens a task id to what is enough to tell tasks apart.
func shortID(id string) string {
	id = tail(id)
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// healthColor returns the colour of a task or target state.
func healthColor(state string) string {
	switch strings.ToUpper(state) {
	case "HEALTHY", "RUNNING", "ACTIVE", "COMPLETED", "STEADY":
		return green
	case "UNHEALTHY", "STOPPED", "FAILED", "UNUSED":
		return red
	case "":
		return ""
	}
	return yellow
}
