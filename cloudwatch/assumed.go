package cloudwatch

import "time"

// What AWS does not say, or does not say exactly, in one place.
const (
	// Resolution is the length of a slot, the shortest period that an alarm can have (CW-001).
	Resolution = 10 * time.Second
	// fineKept is how long slots of 10 seconds are kept, as AWS keeps data of high resolution;
	// those of a minute follow (CW-002).
	fineKept = 3 * time.Hour
	// coarseKept is how long slots of a minute are kept. AWS keeps them for 15 days; an alarm
	// looks back one day at most (CW-002).
	coarseKept = 24 * time.Hour
	// seriesLimit bounds the metrics; those that nobody has reported for longest go first.
	seriesLimit = 5000
	// distinctLimit bounds the distinct values of a slot that percentiles are made of; beyond
	// it, values are rounded to 2 % (CW-003).
	distinctLimit = 100
	// historyLimit bounds the items of one alarm's history; AWS keeps 30 days.
	historyLimit = 100
	// extraPeriods is how many periods an alarm looks back further than EvaluationPeriods, to
	// make up for missing ones (CW-012).
	extraPeriods = 2
	// futureLimit and pastLimit bound the timestamps of PutMetricData (CW-005).
	futureLimit = 2 * time.Hour
	pastLimit   = 14 * 24 * time.Hour
	// watchedFor is how long a metric counts as watched after somebody asked for its data.
	watchedFor = 10 * time.Minute
)
