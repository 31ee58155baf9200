package logs

import (
	"regexp"
	"strings"
)

// matcher reports whether a message matches a filter pattern.
type matcher = func(message string) bool

// parsePattern reads a filter pattern (CWL-009): terms that must all occur, -terms that must not,
// ?terms of which one must, "phrases", %regular expressions%, and { selectors } for JSON. An
// empty pattern matches everything.
func parsePattern(pattern string) (matcher, error) {
	text := strings.TrimSpace(pattern)
	switch {
	case text == "":
		return func(string) bool { return true }, nil
	case text[0] == '{':
		return parseSelector(text)
	case text[0] == '[':
		return nil, invalid("Invalid filter pattern: drydock has no patterns for space-delimited fields yet, such as %s; use terms or a JSON pattern", text)
	}
	return parseTerms(text)
}

func parseTerms(text string) (matcher, error) {
	var all, none, any []matcher
	for text != "" {
		list := &all
		switch text[0] {
		case '?':
			list, text = &any, text[1:]
		case '-':
			list, text = &none, text[1:]
		}
		term, rest, err := parseTerm(text)
		if err != nil {
			return nil, err
		}
		*list, text = append(*list, term), strings.TrimLeft(rest, " ")
	}
	return func(message string) bool {
		for _, m := range all {
			if !m(message) {
				return false
			}
		}
		for _, m := range none {
			if m(message) {
				return false
			}
		}
		for _, m := range any {
			if m(message) {
				return true
			}
		}
		return len(any) == 0
	}, nil
}

// parseTerm takes one word, phrase or regular expression off the front.
func parseTerm(text string) (m matcher, rest string, err error) {
	if text == "" {
		return nil, "", invalid("Invalid filter pattern: a term is missing after ? or -")
	}
	if quote := text[0]; quote == '"' || quote == '%' {
		inside, rest, ok := strings.Cut(text[1:], string(quote))
		if !ok {
			return nil, "", invalid("Invalid filter pattern: the closing %c is missing", quote)
		}
		if quote == '%' {
			m, err = matchExpression(inside)
			return m, rest, err
		}
		return contains(inside), rest, nil
	}
	word, rest, _ := strings.Cut(text, " ")
	return contains(word), rest, nil
}

func contains(text string) matcher {
	return func(message string) bool { return strings.Contains(message, text) }
}

func matchExpression(text string) (matcher, error) {
	r, err := regexp.Compile(text)
	if err != nil {
		return nil, invalid("Invalid filter pattern: %v", err)
	}
	return r.MatchString, nil
}
