package secrets

import "strings"

// reference is a valueFrom, taken apart.
type reference struct {
	ref     string   // as given
	names   []string // of the secret or parameter, the fullest first
	arn     string   // without what follows a secret's name; empty if it was given by name
	secret  bool     // of Secrets Manager, else of the Parameter Store
	key     string   // member of a JSON secret; empty is the whole of it
	version string   // stage or id of a secret's version; empty is the current one
}

const (
	secretPrefix    = "arn:aws:secretsmanager:"
	parameterPrefix = "arn:aws:ssm:"
	currentStage    = "AWSCURRENT"
	// referencePath is the parameter under which the Parameter Store hands out secrets.
	referencePath = "/aws/reference/secretsmanager/"
)

// parseReference takes a valueFrom apart. What is no ARN is the name of a parameter (ECS-273).
func parseReference(ref string) (reference, bool) {
	switch {
	case strings.HasPrefix(ref, secretPrefix):
		return parseSecret(ref)
	case strings.HasPrefix(ref, parameterPrefix):
		return parseParameter(ref)
	case strings.HasPrefix(ref, referencePath):
		name := ref[len(referencePath):]
		return reference{ref: ref, names: []string{name}, secret: true}, name != ""
	}
	return reference{ref: ref, names: parameterNames(ref)}, ref != "" && !strings.HasPrefix(ref, "arn:")
}

// parseSecret reads arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME[:KEY:STAGE:ID].
func parseSecret(ref string) (reference, bool) {
	parts := strings.Split(ref, ":")
	if len(parts) < 7 || len(parts) > 10 || parts[5] != "secret" || parts[6] == "" {
		return reference{}, false
	}
	r := reference{ref: ref, arn: strings.Join(parts[:7], ":"), names: secretNames(parts[6]), secret: true}
	parts = append(parts, "", "", "")
	r.key, r.version = parts[7], parts[9]
	if r.version == "" && parts[8] != currentStage {
		r.version = parts[8]
	}
	return r, true
}

// suffixLength is the length of what Secrets Manager adds to a secret's name in its ARN: a
// hyphen and six characters.
const suffixLength = 7

// secretNames returns the name in an ARN, with and without Secrets Manager's suffix.
func secretNames(name string) []string {
	at := len(name) - suffixLength
	if at < 1 || name[at] != '-' || strings.ContainsAny(name[at+1:], "-/_+=.@") {
		return []string{name}
	}
	return []string{name, name[:at]}
}

func parseParameter(ref string) (reference, bool) {
	parts := strings.SplitN(ref, ":", 6)
	if len(parts) < 6 || !strings.HasPrefix(parts[5], "parameter/") || parts[5] == "parameter/" {
		return reference{}, false
	}
	return reference{ref: ref, arn: ref, names: parameterNames(strings.TrimPrefix(parts[5], "parameter"))}, true
}

// parameterNames returns a name with and without its first slash: ARNs don't tell them apart.
func parameterNames(name string) []string {
	bare := strings.TrimPrefix(name, "/")
	if bare == name {
		return []string{name}
	}
	return []string{name, bare}
}

// parseObject reads arn:aws:s3:::BUCKET/KEY or s3://BUCKET/KEY.
func parseObject(ref string) (bucket, key string, ok bool) {
	path, found := strings.CutPrefix(ref, "arn:aws:s3:::")
	if !found {
		path, found = strings.CutPrefix(ref, "s3://")
	}
	bucket, key, slash := strings.Cut(path, "/")
	return bucket, key, found && slash && bucket != "" && key != ""
}
