package cloudwatch

import (
	"regexp"
	"strconv"
	"strings"
)

// Statistics are the statistics that have a name of their own.
var Statistics = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}

// statistic makes one number of the data of a period.
type statistic func(*slot) (float64, bool)

var (
	percentileForm = regexp.MustCompile(`^p(\d{1,2}(?:\.\d{1,10})?|100)$`)
	otherForm      = regexp.MustCompile(`^(tm|wm|ts|tc|TM|WM|TS|TC|PR|IQM)`)
)

// parseStatistic reads Sum, Average, p99.9 and so on (CW-003).
func parseStatistic(name string) (statistic, error) {
	switch name {
	case "SampleCount":
		return func(s *slot) (float64, bool) { return s.count, true }, nil
	case "Sum":
		return func(s *slot) (float64, bool) { return s.sum, true }, nil
	case "Average":
		return func(s *slot) (float64, bool) { return s.sum / s.count, s.count > 0 }, nil
	case "Minimum":
		return func(s *slot) (float64, bool) { return s.least, true }, nil
	case "Maximum":
		return func(s *slot) (float64, bool) { return s.most, true }, nil
	}
	if m := percentileForm.FindStringSubmatch(name); m != nil {
		p, err := strconv.ParseFloat(m[1], 64)
		return func(s *slot) (float64, bool) { return s.percentile(p) }, err
	}
	if otherForm.MatchString(name) {
		return nil, badValue("The statistic %s is not supported by drydock: use %s or a percentile such as p99", name, strings.Join(Statistics, ", "))
	}
	return nil, badValue("The value %s for parameter ExtendedStatistic is not supported.", name)
}
