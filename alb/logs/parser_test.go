package logs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// athena is the expression with which Amazon Athena's documentation has ALB's access logs
// read, with the three fields that came later.
var athena = regexp.MustCompile(`^([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([^ ]*)[:-]([0-9]*) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) (|[-0-9]*) (-|[-0-9]*) ([-0-9]*) ([-0-9]*) ` +
	`"([^ ]*) (.*) (- |[^ ]*)" "([^"]*)" ([A-Z0-9-_]+) ([A-Za-z0-9.-]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^"]*)" ([-.0-9]*) ([^ ]*) "([^"]*)" "([^"]*)" ` +
	`"([^ ]*)" "([^\s]+?)" "([^\s]+)" "([^ ]*)" "([^ ]*)" ([^ ]*) "([^"]*)" "([^"]*)" "([^"]*)"$`)

// accessFields are the fields of an access log line by AWS's names.
var accessFields = []string{"type", "time", "elb", "client", "target", "request_processing_time", "target_processing_time",
	"response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request", "user_agent",
	"ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn", "matched_rule_priority",
	"request_creation_time", "actions_executed", "redirect_url", "error_reason", "target_list", "target_status_code_list",
	"classification", "classification_reason", "conn_trace_id", "transformed_host", "transformed_uri", "request_transform_status"}

// splitLine cuts a line at its spaces, but not within quotes: another way to read it than athena's.
func splitLine(line string) ([]string, error) {
	line, whole := strings.CutSuffix(line, "\n")
	if !whole || strings.ContainsAny(line, "\n\r") {
		return nil, fmt.Errorf("not one line: %q", line)
	}
	var fields []string
	for rest, more := line, true; more; {
		var field string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			if field, rest, ok = strings.Cut(quoted, `"`); !ok {
				return nil, fmt.Errorf("a quote does not end: %q", quoted)
			}
			if rest != "" && rest[0] != ' ' {
				return nil, fmt.Errorf("a quote ends within a field: %q", rest)
			}
			rest, more = strings.CutPrefix(rest, " ")
		} else {
			field, rest, more = strings.Cut(rest, " ")
			if strings.Contains(field, `"`) {
				return nil, fmt.Errorf("a quote within a field: %q", field)
			}
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// parseAccess reads an access log line.
func parseAccess(line string) (map[string]string, error) {
	fields, err := splitLine(line)
	if err != nil {
		return nil, err
	}
	if len(fields) != len(accessFields) {
		return nil, fmt.Errorf("%d fields: %q", len(fields), fields)
	}
	byName := map[string]string{}
	for i, name := range accessFields {
		byName[name] = unescape(fields[i])
	}
	return byName, nil
}

var escaped = regexp.MustCompile(`\\x[0-9A-F]{2}`)

func unescape(s string) string {
	return escaped.ReplaceAllStringFunc(s, func(e string) string {
		n, err := strconv.ParseUint(e[2:], 16, 8)
		if err != nil {
			panic(err)
		}
		return string([]byte{byte(n)})
	})
}

func mustParse(t testing.TB, line string) map[string]string {
	t.Helper()
	fields, err := parseAccess(line)
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	return fields
}
