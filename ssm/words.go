package ssm

import "fmt"

// Words splits a command line as a shell does: by spaces, with quotes and backslashes.
func Words(line string) ([]string, error) {
	var words []string
	var word []byte
	quote, begun := byte(0), false
	for i := 0; i < len(line); i++ {
		ch := line[i]
		switch {
		case ch == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word, begun = append(word, line[i]), true
		case quote != 0 && ch == quote:
			quote = 0
		case quote == 0 && (ch == '\'' || ch == '"'):
			quote, begun = ch, true
		case quote == 0 && (ch == ' ' || ch == '\t' || ch == '\n'):
			if begun {
				words, word, begun = append(words, string(word)), nil, false
			}
		default:
			word, begun = append(word, ch), true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("the closing %c is missing in %s", quote, line)
	}
	if begun {
		words = append(words, string(word))
	}
	return words, nil
}
