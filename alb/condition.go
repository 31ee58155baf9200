package alb

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Condition is a condition of a rule: a field, and the configuration of that field.
// host-header and path-pattern may have Values instead; both are described.
type Condition struct {
	Field                   string
	Values                  []string
	HostHeaderConfig        *ValuesConfig
	PathPatternConfig       *ValuesConfig
	HTTPHeaderConfig        *HTTPHeaderConfig
	HTTPRequestMethodConfig *ValuesConfig
	QueryStringConfig       *QueryStringConfig
	SourceIPConfig          *ValuesConfig
	RegexValues             []string // of host-header and path-pattern
}

// ValuesConfig holds the values of a condition, one of which must match. Conditions on the
// host header and the path may have regular expressions (RE2) instead.
type ValuesConfig struct{ Values, RegexValues []string }

// HTTPHeaderConfig holds a condition on a header.
type HTTPHeaderConfig struct {
	HTTPHeaderName string
	Values         []string
	RegexValues    []string // RE2, instead of Values
}

// QueryStringConfig holds a condition on the query string.
type QueryStringConfig struct{ Values []QueryStringKeyValue }

// QueryStringKeyValue is a pair to find in the query string; without a key, any key.
type QueryStringKeyValue struct{ Key, Value string }

// The fields of a condition.
const (
	hostHeader    = "host-header"
	pathPattern   = "path-pattern"
	httpHeader    = "http-header"
	requestMethod = "http-request-method"
	queryString   = "query-string"
	sourceIP      = "source-ip"
)

// resolveConditions checks the conditions of a rule and completes them as descriptions
// show them (ALB-231, ALB-232).
func resolveConditions(conditions []Condition) ([]Condition, error) {
	if len(conditions) == 0 {
		return nil, invalid("A condition must be specified")
	}
	resolved := make([]Condition, 0, len(conditions))
	once := map[string]bool{}
	values, wildcards := 0, 0
	for _, c := range conditions {
		c, err := c.resolve()
		if err != nil {
			return nil, err
		}
		if once[c.Field] {
			return nil, invalid("A rule can only have one '%s' condition", c.Field)
		}
		once[c.Field] = c.Field != httpHeader && c.Field != queryString
		values += len(c.texts()) + len(c.regexes())
		wildcards += c.wildcards()
		resolved = append(resolved, c)
	}
	if values > maxConditionValuesPerRule {
		return nil, invalid("A rule can only have '%d' condition values", maxConditionValuesPerRule)
	}
	if wildcards > maxConditionWildcards {
		return nil, invalid("A rule can only have '%d' condition wildcards", maxConditionWildcards)
	}
	return resolved, nil
}

func (c Condition) resolve() (Condition, error) {
	if err := c.checkMembers(); err != nil {
		return c, err
	}
	switch c.Field {
	case hostHeader:
		return c.resolveValues("HostHeaderConfig", c.HostHeaderConfig, checkHost)
	case pathPattern:
		return c.resolveValues("PathPatternConfig", c.PathPatternConfig, checkPath)
	case requestMethod:
		return c, checkValues(c.Field, c.texts(), checkMethod)
	case sourceIP:
		return c, checkValues(c.Field, c.texts(), checkSource)
	case httpHeader:
		if err := checkHeaderName(c.HTTPHeaderConfig.HTTPHeaderName); err != nil {
			return c, err
		}
		return c.resolveHeader()
	case queryString:
		return c, c.checkQuery()
	}
	return c, invalid("Condition field '%s' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'", c.Field)
}

// checkMembers checks that a condition has the configuration of its field and no other.
func (c Condition) checkMembers() error {
	if c.Field != hostHeader && c.Field != pathPattern && len(c.RegexValues) > 0 && c.Field != httpHeader {
		return invalid("You cannot specify 'RegexValues' for a condition of field '%s'", c.Field)
	}
	for _, member := range []struct {
		field, name string
		present     bool
	}{
		{hostHeader, "HostHeaderConfig", c.HostHeaderConfig != nil},
		{pathPattern, "PathPatternConfig", c.PathPatternConfig != nil},
		{httpHeader, "HttpHeaderConfig", c.HTTPHeaderConfig != nil},
		{requestMethod, "HttpRequestMethodConfig", c.HTTPRequestMethodConfig != nil},
		{queryString, "QueryStringConfig", c.QueryStringConfig != nil},
		{sourceIP, "SourceIpConfig", c.SourceIPConfig != nil},
	} {
		legacy := (c.Field == hostHeader || c.Field == pathPattern) && len(c.Values)+len(c.RegexValues) > 0
		switch {
		case c.Field == member.field && !member.present && !legacy:
			return invalid("You must specify '%s' for a condition of field '%s'", member.name, c.Field)
		case c.Field != member.field && member.present:
			return invalid("You cannot specify '%s' for a condition of field '%s'", member.name, c.Field)
		}
	}
	return nil
}

// resolveValues takes values from either of the two places where they may be given, and puts
// them into both: descriptions hold both (ALB-233, ALB-244).
func (c Condition) resolveValues(member string, config *ValuesConfig, check func(string) error) (Condition, error) {
	switch {
	case config == nil:
		config = &ValuesConfig{Values: c.Values, RegexValues: c.RegexValues}
	case len(c.Values) > 0:
		return c, invalid("You cannot provide both Values and '%s' for a condition of type '%s'", member, c.Field)
	case len(c.RegexValues) > 0:
		return c, invalid("You cannot provide both RegexValues and '%s' for a condition of type '%s'", member, c.Field)
	}
	c.Values, c.RegexValues = config.Values, config.RegexValues
	if c.Field == hostHeader {
		c.HostHeaderConfig = config
	} else {
		c.PathPatternConfig = config
	}
	return c, c.checkEither(config.Values, config.RegexValues, check)
}

// resolveHeader takes regular expressions for a header from either of the two places where
// they may be given.
func (c Condition) resolveHeader() (Condition, error) {
	config := *c.HTTPHeaderConfig
	if len(c.RegexValues) > 0 {
		if len(config.RegexValues) > 0 {
			return c, invalid("You cannot provide both RegexValues and 'HttpHeaderConfig.RegexValues' for a condition of type '%s'", c.Field)
		}
		config.RegexValues, c.RegexValues = c.RegexValues, nil
	}
	c.HTTPHeaderConfig = &config
	return c, c.checkEither(config.Values, config.RegexValues, checkText)
}

// checkEither checks the values of a condition, or the regular expressions that it has
// instead (ALB-245).
func (c Condition) checkEither(values, regexes []string, check func(string) error) error {
	switch {
	case len(regexes) == 0:
		return checkValues(c.Field, values, check)
	case len(values) > 0:
		return invalid("You cannot specify both 'Values' and 'RegexValues' for a condition of type '%s'", c.Field)
	}
	for _, regex := range regexes {
		if err := checkLength(c.Field, regex, 128); err != nil {
			return err
		}
		if err := checkRegex("Condition value", regex); err != nil {
			return err
		}
	}
	return nil
}

// checkRegex checks a regular expression: ELB's lack of lookaround, back references and the
// like is RE2's.
func checkRegex(what, regex string) error {
	if !printable.MatchString(regex) {
		return invalid("%s '%s' contains a character that is not valid", what, regex)
	}
	if _, err := regexp.Compile(regex); err != nil {
		return invalid("%s '%s' is not a valid regular expression: %v", what, regex, err)
	}
	return nil
}

func checkValues(field string, values []string, check func(string) error) error {
	if len(values) == 0 {
		return invalid("A condition value must be specified for field '%s'", field)
	}
	for _, value := range values {
		if err := check(value); err != nil {
			return err
		}
	}
	return nil
}

// regexes returns the regular expressions of a condition.
func (c Condition) regexes() []string {
	if c.Field == httpHeader {
		return c.HTTPHeaderConfig.RegexValues
	}
	return c.RegexValues
}

// texts returns the values of a condition, whatever its field.
func (c Condition) texts() []string {
	switch c.Field {
	case httpHeader:
		return c.HTTPHeaderConfig.Values
	case requestMethod:
		return c.HTTPRequestMethodConfig.Values
	case sourceIP:
		return c.SourceIPConfig.Values
	case queryString:
		var texts []string
		for _, pair := range c.QueryStringConfig.Values {
			texts = append(texts, pair.Value)
		}
		return texts
	}
	return c.Values
}

func (c Condition) wildcards() int {
	if c.Field == requestMethod || c.Field == sourceIP {
		return 0
	}
	n := 0
	for _, text := range c.texts() {
		n += countWildcards(text)
	}
	if c.QueryStringConfig != nil {
		for _, pair := range c.QueryStringConfig.Values {
			n += countWildcards(pair.Key)
		}
	}
	return n
}

// countWildcards counts * and ? that are not escaped.
func countWildcards(s string) int {
	s = strings.NewReplacer(`\*`, "", `\?`, "").Replace(s)
	return strings.Count(s, "*") + strings.Count(s, "?")
}

var (
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9.*?-]+\.[A-Za-z*?]+$`)
	pathCharset   = regexp.MustCompile(`^[A-Za-z0-9 _\-.$/~"'@:+&*?]+$`)
	methodPattern = regexp.MustCompile(`^[A-Z_-]+$`)
	tokenPattern  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	printable     = regexp.MustCompile(`^[\x20-\x7e]+$`)
)

func checkLength(field, value string, most int) error {
	if value == "" || len(value) > most {
		return invalid("Condition value '%s' of field '%s' must have 1 to %d characters", value, field, most)
	}
	return nil
}

func checkHost(value string) error {
	if err := checkLength(hostHeader, value, 128); err != nil {
		return err
	}
	if !hostPattern.MatchString(value) {
		return invalid("The host header value '%s' is not valid: use letters, digits, '-', '.', '*' and '?', at least one '.', and only letters after the last one", value)
	}
	return nil
}

func checkPath(value string) error {
	if err := checkLength(pathPattern, value, 128); err != nil {
		return err
	}
	if !pathCharset.MatchString(value) {
		return invalid("Condition value '%s' contains a character that is not valid", value)
	}
	return nil
}

func checkMethod(value string) error {
	if err := checkLength(requestMethod, value, 40); err != nil {
		return err
	}
	if !methodPattern.MatchString(value) {
		return invalid("Condition value '%s' contains a character that is not valid: use A-Z, '-' and '_'", value)
	}
	return nil
}

func checkHeaderName(name string) error {
	switch {
	case len(name) > 40 || !tokenPattern.MatchString(name):
		return invalid("The HTTP header name '%s' is not valid: use 1 to 40 characters of an HTTP token", name)
	case strings.EqualFold(name, "host"):
		return invalid("You cannot specify 'Host' as the HTTP header name; use a condition of field 'host-header'")
	}
	return nil
}

func checkText(value string) error {
	if err := checkLength("http-header", value, 128); err != nil {
		return err
	}
	if !printable.MatchString(value) {
		return invalid("Condition value %q contains a character that is not valid", value)
	}
	return nil
}

func checkSource(value string) error {
	prefix, err := netip.ParsePrefix(value)
	switch {
	case err != nil:
		return invalid("The source IP value '%s' is not a valid CIDR block", value)
	case value == "255.255.255.255/32":
		return invalid("The source IP value '%s' is not allowed", value)
	case prefix.Addr().Is4In6():
		return invalid("The source IP value '%s' is not a valid CIDR block", value)
	}
	return nil
}

func (c Condition) checkQuery() error {
	if len(c.QueryStringConfig.Values) == 0 {
		return invalid("A condition value must be specified for field '%s'", c.Field)
	}
	for _, pair := range c.QueryStringConfig.Values {
		texts := []string{pair.Value}
		if pair.Key != "" {
			texts = append(texts, pair.Key)
		}
		for _, text := range texts {
			if err := checkLength(queryString, text, 128); err != nil {
				return err
			}
			if !printable.MatchString(text) {
				return invalid("Condition value %q contains a character that is not valid", text)
			}
		}
	}
	return nil
}

func (x *tx) warnConditions(arn string, conditions []Condition) {
	for _, c := range conditions {
		if n := len(c.texts()) + len(c.regexes()); n > maxConditionValuesAdvisory {
			x.warn(arn, fmt.Sprintf("a condition has %d values; AWS documents at most %d per condition", n, maxConditionValuesAdvisory), c.Field)
		}
	}
}
