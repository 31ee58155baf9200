package timelinetest

import "strings"

// ShortenIDs replaces the ids in an event's message by what they stand for, so that messages
// compare: D a deployment, T a task, G a target group or whatever else has an ARN.
func ShortenIDs(message string) string {
	words := strings.Fields(message)
	for n, word := range words {
		bare := strings.Trim(word, "().,:")
		switch {
		case strings.HasPrefix(bare, "ecs-svc/"):
			words[n] = strings.Replace(word, bare, "D", 1)
		case len(bare) == 32 && strings.Trim(bare, "0123456789abcdef") == "":
			words[n] = strings.Replace(word, bare, "T", 1)
		case strings.HasPrefix(bare, "arn:"):
			words[n] = strings.Replace(word, bare, "G", 1)
		}
	}
	return strings.Join(words, " ")
}
