package awsapi

// Val returns what p points to, or the zero value where it is nil.
func Val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
