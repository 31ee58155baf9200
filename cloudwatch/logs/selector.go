package logs

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// selector reads a JSON pattern such as { $.level = "ERROR" && ($.status >= 500 || $.retry IS TRUE) }.
type selector struct {
	tokens []string
	at     int
}

// condition is a part of a JSON pattern.
type condition func(document any) bool

func parseSelector(text string) (matcher, error) {
	inside, ok := strings.CutSuffix(text[1:], "}")
	if !ok {
		return nil, invalid("Invalid filter pattern: the closing } is missing")
	}
	p := selector{tokens: selectorTokens(inside)}
	c, err := p.or()
	if err == nil && p.at < len(p.tokens) {
		err = p.unexpected()
	}
	if err != nil {
		return nil, err
	}
	return func(message string) bool {
		var document any
		return json.Unmarshal([]byte(message), &document) == nil && c(document)
	}, nil
}

// selectorTokens splits a pattern into words, quoted strings and operators.
func selectorTokens(text string) []string {
	var tokens []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := tokenLength(text)
		tokens, text = append(tokens, text[:n]), text[n:]
	}
	return tokens
}

func tokenLength(text string) int {
	for _, operator := range []string{"&&", "||", "!=", ">=", "<=", "(", ")", "=", ">", "<"} {
		if strings.HasPrefix(text, operator) {
			return len(operator)
		}
	}
	if text[0] == '"' {
		if end := strings.IndexByte(text[1:], '"'); end >= 0 {
			return end + 2
		}
		return len(text)
	}
	if end := strings.IndexAny(text, " \t()=!<>&|"); end > 0 {
		return end
	}
	return len(text)
}

func (p *selector) next() string {
	if p.at == len(p.tokens) {
		return ""
	}
	p.at++
	return p.tokens[p.at-1]
}

func (p *selector) take(token string) bool {
	if p.at < len(p.tokens) && p.tokens[p.at] == token {
		p.at++
		return true
	}
	return false
}

func (p *selector) unexpected() error {
	if p.at >= len(p.tokens) {
		return invalid("Invalid filter pattern: it ends too soon")
	}
	return invalid("Invalid filter pattern: %q is not expected there", p.tokens[p.at])
}

func (p *selector) or() (condition, error) {
	return p.chain("||", p.and, func(a, b condition) condition { return func(d any) bool { return a(d) || b(d) } })
}

func (p *selector) and() (condition, error) {
	return p.chain("&&", p.one, func(a, b condition) condition { return func(d any) bool { return a(d) && b(d) } })
}

func (p *selector) chain(operator string, part func() (condition, error), join func(a, b condition) condition) (condition, error) {
	c, err := part()
	for err == nil && p.take(operator) {
		var d condition
		if d, err = part(); err == nil {
			c = join(c, d)
		}
	}
	return c, err
}

func (p *selector) one() (condition, error) {
	if p.take("(") {
		c, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return c, err
	}
	field := p.next()
	if !strings.HasPrefix(field, "$") {
		p.at = max(0, p.at-1)
		return nil, p.unexpected()
	}
	return p.compare(strings.Split(strings.TrimPrefix(strings.TrimPrefix(field, "$"), "."), "."))
}

func (p *selector) compare(field []string) (condition, error) {
	operator := p.next()
	switch strings.ToUpper(operator) {
	case "IS":
		return isKind(field, strings.ToUpper(p.next()))
	case "NOT":
		if !p.take("EXISTS") {
			return nil, p.unexpected()
		}
		return func(d any) bool { _, ok := lookUp(d, field); return !ok }, nil
	case "=", "!=", ">", ">=", "<", "<=":
	default:
		p.at = max(0, p.at-1)
		return nil, p.unexpected()
	}
	value := p.next()
	if value == "" {
		return nil, p.unexpected()
	}
	return compareTo(field, operator, value)
}

func isKind(field []string, kind string) (condition, error) {
	wanted := map[string]any{"NULL": nil, "TRUE": true, "FALSE": false}
	want, ok := wanted[kind]
	if !ok {
		return nil, invalid("Invalid filter pattern: IS is followed by NULL, TRUE or FALSE, not by %q", kind)
	}
	return func(d any) bool {
		got, ok := lookUp(d, field)
		return ok && got == want
	}, nil
}

func compareTo(field []string, operator, value string) (condition, error) {
	text, quoted := strings.CutPrefix(value, `"`)
	text = strings.TrimSuffix(text, `"`)
	number, err := strconv.ParseFloat(text, 64)
	numeric := err == nil && !quoted
	if !numeric && operator != "=" && operator != "!=" {
		return nil, invalid("Invalid filter pattern: %s compares numbers, not %s", operator, value)
	}
	return func(d any) bool {
		got, ok := lookUp(d, field)
		if !ok {
			return false
		}
		if n, isNumber := got.(float64); isNumber && numeric {
			return ordered(operator, n, number)
		}
		matched, _ := path.Match(text, fmt.Sprint(got))
		return matched == (operator == "=") && (operator == "=" || operator == "!=")
	}, nil
}

func ordered(operator string, a, b float64) bool {
	switch operator {
	case "=":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}

// lookUp finds a member of a document; items of arrays are not looked into.
func lookUp(document any, field []string) (any, bool) {
	for _, name := range field {
		object, ok := document.(map[string]any)
		if !ok {
			return nil, false
		}
		if document, ok = object[name]; !ok {
			return nil, false
		}
	}
	return document, true
}
