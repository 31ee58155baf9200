package acm

import "time"

// What ACM does not let callers choose, in one place.
const (
	lifetime    = 395 * 24 * time.Hour // of a requested certificate (ACM-003)
	renewBefore = 60 * 24 * time.Hour  // its end, a requested certificate is renewed (ACM-004)
	idempotent  = time.Hour            // a token means the same request for so long (ACM-005)
	maxTags     = 50                   // of one certificate
)

// Values of our own.
const (
	rootLifetime = 10 * 365 * 24 * time.Hour
	backdate     = time.Hour // clocks of clients may be slow
	retryRenewal = time.Minute
)
