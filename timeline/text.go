package timeline

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// TextOptions say how an explanation is printed.
type TextOptions struct {
	Location *time.Location // of the times printed; default: the local one
	Width    int            // columns to wrap at; default 100
}

// Text writes the explanation for people: a block for each cluster, or one line if nothing failed.
func (e Explanation) Text(w io.Writer, options TextOptions) error {
	p := printer{location: options.Location, width: cmp.Or(options.Width, 100)}
	if p.location == nil {
		p.location = time.Local
	}
	if e.Failed == 0 {
		p.line("0 of %s failed in the last %s.", plural(e.Requests, "request"), span(e.To.Sub(e.From)))
	}
	for _, c := range e.Clusters {
		p.cluster(c)
	}
	if e.Failed > 0 {
		p.summary(e)
	}
	if e.Dropped > 0 {
		p.line("%s forgotten to make room for newer ones.", were(e.Dropped))
	}
	if e.Missing != "" {
		p.wrapped("", e.Missing)
	}
	_, err := io.WriteString(w, strings.Map(visible, p.text.String()))
	return err
}

// visible replaces what a terminal would obey: paths and trace ids are the client's own words.
func visible(r rune) rune {
	if r != '\n' && unicode.IsControl(r) {
		return utf8.RuneError
	}
	return r
}

func were(dropped uint64) string {
	if dropped == 1 {
		return "1 older failure was"
	}
	return thousands(int(dropped)) + " older failures were"
}

// span returns how long d is in the way people ask for it: 10 m, 1 h 30 m, 45 s.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			d %= unit.length
		}
	}
	return cmp.Or(strings.Join(parts, " "), "0 s")
}

type printer struct {
	text     strings.Builder
	location *time.Location
	width    int
}

func (p *printer) line(format string, args ...any) {
	p.text.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// wrapped writes text after label, in lines of the width at most.
func (p *printer) wrapped(label, text string) { p.filled(label, " ", strings.Fields(text)) }

// filled writes pieces, which are never broken, after label, in lines of the width at most.
func (p *printer) filled(label, separator string, pieces []string) {
	line, indent := label, strings.Repeat(" ", utf8.RuneCountInString(label))
	for i, piece := range pieces {
		if i < len(pieces)-1 {
			piece += separator
		}
		if i > 0 && utf8.RuneCountInString(line+strings.TrimRight(piece, " ")) > p.width {
			p.line("%s", line)
			line = indent
		}
		line += piece
	}
	p.line("%s", line)
}

func (p *printer) summary(e Explanation) {
	explained := e.Failed - e.Unknown
	p.line("%s of %s failed in the last %s; %d/%d explained · --output json for machines",
		thousands(e.Failed), plural(e.Requests, "request"), span(e.To.Sub(e.From)), explained, e.Failed)
}

func (p *printer) cluster(c Cluster) {
	p.header(c)
	p.wrapped("", c.Sentence)
	p.line("")
	p.story(c)
	p.line("")
	if c.Why != "" {
		p.wrapped("Why: ", c.Why)
	}
	label := "Fix: "
	for _, fix := range c.Fix {
		p.wrapped(label, fix)
		label = " or: "
	}
	if known := knownSettings(c); len(known) > 0 {
		p.filled("Settings: ", ", ", known)
	}
	p.filled("On AWS you would see: ", ", ", c.OnAWS.lines())
	if c.FalsifiedBy != "" {
		p.wrapped("Wrong if: ", c.FalsifiedBy)
	}
	p.line("%s", strings.Join(slices.Compact([]string{string(c.Confidence), string(c.Code), plural(c.Count, "request")}), " · "))
	p.line("")
}

func (p *printer) header(c Cluster) {
	parts := []string{fmt.Sprintf("%d ×%s", c.Status, thousands(c.Count)), routesText(c.Routes), p.windowText(c.Window)}
	if c.TargetGroup != "" {
		parts = append(parts, "target group "+groupName(c.TargetGroup))
	}
	p.line("%s", strings.Join(parts, "   "))
}

func (p *printer) windowText(w Window) string {
	const tenths = "15:04:05.0"
	from, to := w.From.In(p.location).Format(tenths), w.To.In(p.location).Format(tenths)
	if from == to {
		return from
	}
	return fmt.Sprintf("%s – %s (%s)", from, to, seconds(w.To.Sub(w.From)))
}

// routesText tells the routes: "GET,POST /api/orders/*".
func routesText(routes []Route) string {
	const most = 2
	var texts []string
	for _, r := range routes[:min(len(routes), most)] {
		texts = append(texts, strings.Join(r.Methods, ",")+" "+r.Path)
	}
	if more := len(routes) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %s more", plural(more, "route")))
	}
	return strings.Join(texts, ", ")
}

// row is a line of the story: an event, or the requests that ended with one cause.
type row struct {
	at   time.Time
	text string
	note string
}

// story writes events and failures in order of time.
func (p *printer) story(c Cluster) {
	var rows []row
	for _, e := range c.Evidence {
		rows = append(rows, row{e.Time, e.Text, fmt.Sprintf("#%d", e.Seq)})
	}
	for i, cause := range c.Causes {
		rows = append(rows, requestRow(c, i, cause))
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	for _, r := range rows {
		gap := max(2, p.width-16-8-utf8.RuneCountInString(r.text))
		p.line("  %s  %s%s%s", p.moment(r.at, c.Window.From), r.text, strings.Repeat(" ", gap), r.note)
	}
}

// moment prints a time, with its date where that differs from the failure's.
func (p *printer) moment(t, failure time.Time) string {
	t, failure = t.In(p.location), failure.In(p.location)
	if t.YearDay() != failure.YearDay() || t.Year() != failure.Year() {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("15:04:05.000")
}

func requestRow(c Cluster, i int, cause CauseCount) row {
	log := strings.Fields(c.OnAWS.AccessLog[i])
	text := plural(cause.Count, "request")
	if log[0] != "-" {
		text += " → " + log[0]
	}
	if cause.Cause != CauseNone {
		text += ": " + string(cause.Cause)
	}
	return row{cause.First, text, strings.Join(log[1:4], "/")}
}

func knownSettings(c Cluster) []string {
	var known []string
	for _, s := range c.Settings {
		if s.Value != "" {
			known = append(known, s.Name+" "+s.Value)
		}
	}
	return known
}

// String tells in a line what AWS would show.
func (a OnAWS) String() string { return strings.Join(a.lines(), ", ") }

func (a OnAWS) lines() []string {
	var lines []string
	for _, m := range a.Metrics {
		lines = append(lines, fmt.Sprintf("%s %d", m.Name, m.Sum))
	}
	for _, shape := range a.AccessLog {
		lines = append(lines, `access log "`+shape+`"`)
	}
	return append(lines, `error_reason "`+a.ErrorReason+`"`)
}
