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
	Seconds float64  `json:"seconds"` // that the run took
	Figures []figure `json:"figures"`
}

// figure is one thing measured, beside a peer where there is one.
type figure struct {
	Section string  `json:"section"`
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	Value   float64 `json:"value"` // median
	Peer    string  `json:"peer,omitempty"`
	PeerIs  float64 `json:"peerValue,omitempty"` // median
	Ratio   float64 `json:"ratio,omitempty"`     // median of the rounds' ratios
	AtMost  float64 `json:"atMost,omitempty"`    // the aim: of the ratio where there is a peer, else of the value
	Reached bool    `json:"reached"`             // true where there is no aim
	Skipped string  `json:"skipped,omitempty"`   // why there are no values

	Rounds     []float64 `json:"rounds,omitempty"`
	PeerRounds []float64 `json:"peerRounds,omitempty"`
}

// add enters a figure: its rounds and, if given, the peer's rounds and the aim.
func (r *report) add(f figure) {
	f.Value, f.PeerIs = median(f.Rounds), median(f.PeerRounds)
	if f.Ratio == 0 {
		f.Ratio = median(ratios(f.Rounds, f.PeerRounds))
	}
	f.Reached = f.AtMost == 0 || f.goal() <= f.AtMost
	r.Figures = append(r.Figures, f)
}

// skip enters a figure that could not be measured.
func (r *report) skip(section, name, why string) {
	r.Figures = append(r.Figures, figure{Section: section, Name: name, Skipped: why, Reached: true})
}

// goal is the value that the aim is about.
func (f figure) goal() float64 {
	if f.Peer != "" {
		return f.Ratio
	}
	return f.Value
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
	fmt.Fprintln(t, "FIGURE\tDRYDOCK\tPEER\tRATIO\tAIM\t")
	section := ""
	for _, f := range r.Figures {
		if f.Section != section {
			section = f.Section
			fmt.Fprintf(t, "%s\t\t\t\t\t\n", section)
		}
		f.print(t)
	}
	t.Flush()
	fmt.Fprintf(w, "\n%s; medians of interleaved rounds; %.0f s in all\n", r.Machine, r.Seconds)
}

func (f figure) print(w io.Writer) {
	if f.Skipped != "" {
		fmt.Fprintf(w, "  %s\t-\tskipped: %s\t\t\t\n", f.Name, f.Skipped)
		return
	}
	peer, ratio, aim, verdict := "", "", "", ""
	if f.Peer != "" {
		peer = quantity(f.PeerIs, f.Unit) + " " + f.Peer
	}
	if f.Ratio != 0 {
		ratio = fmt.Sprintf("%.2f", f.Ratio)
	}
	if f.AtMost != 0 {
		aim, verdict = "≤ "+quantity(f.AtMost, f.Unit), "ok"
		if f.Peer != "" {
			aim = fmt.Sprintf("≤ %.2f", f.AtMost)
		}
	}
	if !f.Reached {
		verdict = "MISSED"
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", f.Name, quantity(f.Value, f.Unit), peer, ratio, aim, verdict)
}

// quantity writes a value with about three digits.
func quantity(v float64, unit string) string {
	switch {
	case v >= 100:
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
