package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// report is all figures of a run.
type report struct {
	Machine string   `json:"machine"`
	Seconds float64  `json:"seconds"`         // that the run took
	Notes   []string `json:"notes,omitempty"` // what to know about the conditions
	Figures []figure `json:"figures"`
}

// figure is one thing measured, beside peers where there are any.
type figure struct {
	Section string    `json:"section"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Value   float64   `json:"value"` // median
	Rounds  []float64 `json:"rounds,omitempty"`
	Peers   []peer    `json:"peers,omitempty"`
	Aims    []aim     `json:"aims,omitempty"`
	Skipped string    `json:"skipped,omitempty"` // why nothing was measured
	NotYet  string    `json:"notYet,omitempty"`  // why drydock could not be measured beside its peers
}

// peer is somebody else's figure, measured in the same rounds.
type peer struct {
	Name   string    `json:"name"`
	Value  float64   `json:"value"`           // median
	Ratio  float64   `json:"ratio,omitempty"` // median of the rounds' ratios, ours by the peer's
	Rounds []float64 `json:"rounds,omitempty"`
}

// aim is what a figure is to be at most.
type aim struct {
	Of      string  `json:"of,omitempty"`     // a peer's name or betterOfTwo: the aim is a ratio; empty: it is a value
	AtMost  float64 `json:"atMost,omitempty"` // 0: no aim, the ratio is for information
	None    bool    `json:"none,omitempty"`   // the value is to be 0
	Ratio   float64 `json:"ratio,omitempty"`  // what the aim is about, if it is a ratio
	Reached bool    `json:"reached"`
}

// betterOfTwo stands for the peer whose value was the lower one in each round.
const betterOfTwo = "the better"

// add enters a figure: its rounds, its peers' and its aims.
func (r *report) add(f figure) {
	f.Value = median(f.Rounds)
	for i, p := range f.Peers {
		f.Peers[i].Value, f.Peers[i].Ratio = median(p.Rounds), median(ratios(f.Rounds, p.Rounds))
	}
	for i, a := range f.Aims {
		f.Aims[i] = f.judge(a)
	}
	r.Figures = append(r.Figures, f)
}

// skip enters a figure that could not be measured.
func (r *report) skip(section, name, why string) {
	r.Figures = append(r.Figures, figure{Section: section, Name: name, Skipped: why})
}

// judge compares an aim with what was measured. Nothing measured reaches no aim.
func (f figure) judge(a aim) aim {
	goal := f.Value
	if a.Of != "" {
		a.Ratio = median(ratios(f.Rounds, f.rival(a.Of)))
		goal = a.Ratio
	}
	a.Reached = a.AtMost == 0 || goal > 0 && goal <= a.AtMost
	if a.None {
		a.Reached = len(f.Rounds) > 0 && goal == 0
	}
	return a
}

// rival returns the rounds that an aim is relative to.
func (f figure) rival(name string) []float64 {
	if name == betterOfTwo {
		return lowest(f.Peers[:min(2, len(f.Peers))])
	}
	for _, p := range f.Peers {
		if p.Name == name {
			return p.Rounds
		}
	}
	return nil
}

// lowest returns the lowest value of each round.
func lowest(peers []peer) []float64 {
	var out []float64
	for _, p := range peers {
		for i, v := range p.Rounds {
			if i == len(out) {
				out = append(out, v)
			}
			out[i] = min(out[i], v)
		}
	}
	return out
}

// ratios pairs the rounds: ours by the peer's.
func ratios(ours, peers []float64) []float64 {
	var out []float64
	for i := range min(len(ours), len(peers)) {
		if peers[i] > 0 {
			out = append(out, ours[i]/peers[i])
		}
	}
	return out
}

// median returns 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// print writes the table for people.
func (r *report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tDRYDOCK\tPEER\tPEER\tRATIO\tAIM\t")
	section := ""
	for _, f := range r.Figures {
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(t, "%s\t\t\t\t\t\t\n", section)
		}
		f.print(t)
	}
	t.Flush()
	r.printReasons(w)
	fmt.Fprintf(w, "\n%s; medians of interleaved rounds; %.0f s in all\n", r.Machine, r.Seconds)
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
}

// printReasons says why figures are missing; in the table the reasons would not fit.
func (r *report) printReasons(w io.Writer) {
	said := map[string]bool{}
	for _, f := range r.Figures {
		if f.NotYet != "" && !said[f.Name] {
			said[f.Name] = true
			fmt.Fprintf(w, "\nnot yet: %s: %s", f.Name, f.NotYet)
		}
	}
	fmt.Fprintln(w)
}

func (f figure) print(w io.Writer) {
	if f.Skipped != "" {
		fmt.Fprintf(w, "  %s\t-\tskipped: %s\t\t\t\t\n", f.Name, f.Skipped)
		return
	}
	ours := quantity(f.Value, f.Unit)
	if f.NotYet != "" {
		ours = "not yet"
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t", f.Name, ours, f.beside(0), f.beside(1))
	if len(f.Aims) == 0 {
		fmt.Fprintf(w, "%s\t\t\n", f.onlyRatio())
	}
	for i, a := range f.Aims {
		if i > 0 {
			fmt.Fprint(w, "\t\t\t\t")
		}
		a.print(w, f)
	}
}

// beside returns the cell of a peer.
func (f figure) beside(i int) string {
	if i >= len(f.Peers) {
		return ""
	}
	return quantity(f.Peers[i].Value, f.Unit) + " " + f.Peers[i].Name
}

// onlyRatio is the ratio of a figure without an aim. Beside two peers it would be ambiguous.
func (f figure) onlyRatio() string {
	if len(f.Peers) != 1 || f.Peers[0].Ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", f.Peers[0].Ratio)
}

func (a aim) print(w io.Writer, f figure) {
	ratio, limit, verdict := "", "≤ "+quantity(a.AtMost, f.Unit), a.verdict(f)
	if a.Of != "" {
		limit = fmt.Sprintf("≤ %.2f", a.AtMost)
		if len(f.Peers) > 1 {
			limit += " × " + a.Of
		}
	}
	switch {
	case a.None:
		limit = "none"
	case a.AtMost == 0:
		limit = "× " + a.Of
	}
	if a.Ratio != 0 {
		ratio = fmt.Sprintf("%.2f", a.Ratio)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\n", ratio, limit, verdict)
}

func (a aim) verdict(f figure) string {
	switch {
	case f.NotYet != "" || a.AtMost == 0 && !a.None:
		return ""
	case a.Reached:
		return "ok"
	}
	return "MISSED"
}

// quantity writes a value with about three digits.
func quantity(v float64, unit string) string {
	switch {
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f %s", v, unit)
	case v >= 10:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.2f %s", v, unit)
}

// write writes the figures for programs.
func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
