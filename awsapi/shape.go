package awsapi

// Value returns what p points to, or the zero value if it is nil.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// NonZero returns a pointer to v, or nil if v is its type's zero value: for members that
// AWS leaves out when there is nothing to say.
func NonZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// List converts a list; the result is never nil, so that it is sent even if it is empty.
func List[A, B any](from []A, convert func(A) B) []B {
	to := make([]B, len(from))
	for i, a := range from {
		to[i] = convert(a)
	}
	return to
}
