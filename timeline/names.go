package timeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// last returns what follows the last slash of an ARN or path.
func last(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// taskID returns the first eight digits of a task's id.
func taskID(arn string) string {
	id := last(arn)
	return id[:min(len(id), 8)]
}

// groupName returns the name in a target group's ARN, …:targetgroup/name/id.
func groupName(arn string) string {
	if _, rest, ok := strings.Cut(arn, "targetgroup/"); ok {
		arn, _, _ = strings.Cut(rest, "/")
	}
	return arn
}

// operation returns the name of the API operation that e tells of: StopTask.
func operation(e Event) string {
	if _, op, ok := strings.Cut(e.Subject, ":"); ok && !strings.HasPrefix(e.Subject, "arn:") {
		return op
	}
	return e.Data["operation"]
}

// callOf returns an API call in words: "StopTask by aws-cli".
func callOf(e Event) string {
	if caller := callerName(e.Data["caller"]); caller != "" {
		return operation(e) + " by " + caller
	}
	return operation(e)
}

// callerName returns the program's name in a user agent: aws-cli/2.15.0 Python/3 → aws-cli.
func callerName(userAgent string) string {
	name, _, _ := strings.Cut(userAgent, " ")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// source says where a value was seen.
func source(e Event) string { return "event " + strconv.FormatInt(e.Seq, 10) }

// seconds returns d in seconds or milliseconds with its unit, in as many digits as matter.
func seconds(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Millisecond:
		return trimZeros(fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return trimZeros(fmt.Sprintf("%.1f", d.Seconds())) + " s"
	}
	return fmt.Sprintf("%d s", int64(math.Round(d.Seconds())))
}

// exactly returns d in seconds with milliseconds.
func exactly(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func trimZeros(s string) string { return strings.TrimSuffix(s, ".0") }

// plural returns "1 request", "1,204 requests".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands returns n with commas.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
