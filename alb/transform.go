package alb

// Transform rewrites what a target sees of the requests that a rule matches: their Host
// header or their URL.
type Transform struct {
	Type     string // host-header-rewrite or url-rewrite
	Rewrites []Rewrite
}

// Rewrite replaces the first match of a regular expression (RE2); $1 to $9 in the
// replacement stand for its groups.
type Rewrite struct{ Regex, Replace string }

// The types of a transform.
const (
	hostHeaderRewrite = "host-header-rewrite"
	urlRewrite        = "url-rewrite"
)

// maxRewrite is the longest regular expression or replacement, in bytes.
const maxRewrite = 1024

// checkTransforms checks the transforms of a rule: at most one of each type, each with one
// rewrite (ALB-246).
func checkTransforms(transforms []Transform) error {
	seen := map[string]bool{}
	for _, t := range transforms {
		if t.Type != hostHeaderRewrite && t.Type != urlRewrite {
			return constraint(t.Type, "transforms.1.member.type", "satisfy enum value set: [host-header-rewrite, url-rewrite]")
		}
		if seen[t.Type] {
			return invalid("A rule can only have one '%s' transform", t.Type)
		}
		seen[t.Type] = true
		if len(t.Rewrites) != 1 {
			return invalid("A transform of type '%s' must have exactly one rewrite, but '%d' were specified", t.Type, len(t.Rewrites))
		}
		if err := t.Rewrites[0].check(); err != nil {
			return err
		}
	}
	return nil
}

func (r Rewrite) check() error {
	switch {
	case r.Regex == "" || len(r.Regex) > maxRewrite:
		return invalid("The regular expression of a transform must have 1 to %d characters", maxRewrite)
	case len(r.Replace) > maxRewrite:
		return invalid("The replacement of a transform cannot be longer than '%d' characters", maxRewrite)
	case r.Replace != "" && !printable.MatchString(r.Replace):
		return invalid("The replacement of a transform '%s' contains a character that is not valid", r.Replace)
	}
	return checkRegex("The regular expression of a transform", r.Regex)
}
