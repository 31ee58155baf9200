package acm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// DomainValidation is how the ownership of one name was shown. Here it always has been
// (ACM-002): the records and addresses are those that a caller would use on AWS.
type DomainValidation struct {
	DomainName, ValidationDomain, Method, Status string
	Emails                                       []string // of the method EMAIL
	RecordName, RecordType, RecordValue          string   // of the method DNS
}

// validations returns one for each name of a requested certificate.
func (c *Certificate) validations() (list []DomainValidation) {
	if c.Type != AmazonIssued {
		return nil
	}
	for _, domain := range c.SubjectAlternativeNames {
		v := DomainValidation{
			DomainName: domain, ValidationDomain: cmp.Or(c.ValidationDomains[domain], domain),
			Method: c.ValidationMethod, Status: "SUCCESS",
		}
		switch bare := strings.TrimPrefix(domain, "*."); v.Method {
		case "DNS":
			v.RecordName, v.RecordType = "_"+token(bare+" name", 32)+"."+bare+".", "CNAME"
			v.RecordValue = "_" + token(bare+" value", 32) + "." + token(bare, 10) + ".acm-validations.aws."
		case "EMAIL":
			for _, mailbox := range []string{"administrator", "hostmaster", "postmaster", "webmaster", "admin"} {
				v.Emails = append(v.Emails, mailbox+"@"+strings.TrimPrefix(v.ValidationDomain, "*."))
			}
		}
		list = append(list, v)
	}
	return list
}

// token is the same for the same seed, so that callers who create the record create it once.
func token(seed string, digits int) string {
	sum := sha256.Sum256([]byte(seed))
	return hex.EncodeToString(sum[:])[:digits]
}
