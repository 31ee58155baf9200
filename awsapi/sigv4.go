package awsapi

import (
	"net/http"
	"net/url"
	"strings"
)

// credential is what a SigV4 signature says about the caller. It is not verified.
type credential struct {
	accessKey string
	region    string
	service   string // signing name
}

const algorithm = "AWS4-HMAC-SHA256"

// parseCredential reads the signature of a request, from the Authorization header or from
// the query of a presigned URL. It returns nil without error if there is none.
func parseCredential(r *http.Request, query url.Values) (*credential, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		return parseAuthorization(header)
	}
	if query.Get("X-Amz-Algorithm") == algorithm && query.Get("X-Amz-Signature") != "" {
		return parseScope(query.Get("X-Amz-Credential"))
	}
	return nil, nil
}

func parseAuthorization(header string) (*credential, error) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return nil, errIncompleteSignature("Unsupported AWS 'algorithm', only " + algorithm + " is supported.")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[key] = value
	}
	for _, key := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parts[key] == "" {
			return nil, errIncompleteSignature("Authorization header requires '" + key + "' parameter.")
		}
	}
	return parseScope(parts["Credential"])
}

// parseScope reads "ACCESSKEY/20260102/us-east-1/ecs/aws4_request".
func parseScope(s string) (*credential, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" || parts[0] == "" || parts[2] == "" || parts[3] == "" {
		return nil, errIncompleteSignature("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request.")
	}
	return &credential{accessKey: parts[0], region: parts[2], service: parts[3]}, nil
}

func errIncompleteSignature(message string) error {
	return &Error{Code: "IncompleteSignature", Message: message, Status: http.StatusBadRequest}
}

// errUnsigned answers a request without a signature. Web pages can't sign, so nothing is done without.
func errUnsigned(p Protocol) error {
	if p == JSON || p == CBOR {
		return &Error{Code: "MissingAuthenticationTokenException", Status: http.StatusBadRequest,
			Message: "Request is missing Authentication Token. Any access key will do, but there must be one: see `drydock env`."}
	}
	return &Error{Code: "MissingAuthenticationToken", Status: http.StatusForbidden,
		Message: "Request is missing Authentication Token. Any access key will do, but there must be one: see `drydock env`."}
}
