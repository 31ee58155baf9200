package main

import (
	"fmt"
	"slices"
	"strings"
)

// stackError is one mistake in a stack file, with where it is and what to do.
type stackError struct {
	File   string
	Line   int
	Field  string // path of the field: targetGroups[0].port
	Reason string
	Remedy string // may be empty
}

func (e *stackError) Error() string {
	text := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Field != "" {
		text += e.Field + ": "
	}
	if e.Remedy == "" {
		return text + e.Reason
	}
	return text + strings.TrimSuffix(e.Reason, ".") + ": " + e.Remedy
}

// stackErrors are all the mistakes found in one reading, in the order of the lines.
type stackErrors []*stackError

// maxStackErrors is how many mistakes are shown at once.
const maxStackErrors = 10

func (e stackErrors) Error() string {
	var lines []string
	for _, one := range e[:min(len(e), maxStackErrors)] {
		lines = append(lines, one.Error())
	}
	if more := len(e) - maxStackErrors; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	lines = append(lines, "nothing was created")
	return strings.Join(lines, "\n")
}

// asUsage returns the errors as one usage error, or nil if there are none.
func (e stackErrors) asUsage() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *stackError) int {
		if order := strings.Compare(a.File, b.File); order != 0 {
			return order
		}
		return a.Line - b.Line
	})
	return &usageError{e.Error()}
}

// didYouMean returns the remedy for a name that is not one of the known ones.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	if len(known) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(known))
	return "choose from " + strings.Join(sorted, ", ")
}
