package node

import (
	"crypto/tls"
	"slices"
)

// DefaultPolicy is the security policy of an HTTPS listener that names none (ALB-100).
const DefaultPolicy = "ELBSecurityPolicy-2016-08"

// Policy is one of ELB's predefined security policies.
type Policy struct {
	Name      string
	Protocols []string // TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3, oldest first
	// Ciphers are in ELB's order of preference and in OpenSSL's spelling. Those that
	// [Negotiable] denies are offered by ELB but not by this node.
	Ciphers     []string
	PostQuantum bool // key exchange with ML-KEM too
}

// Policies returns ELB's security policies in the order in which its API lists them.
func Policies() []Policy {
	list := make([]Policy, 0, len(policies))
	for _, p := range policies {
		list = append(list, p.policy())
	}
	return list
}

// PolicyNamed returns a security policy; ok is false if ELB has none of that name.
func PolicyNamed(name string) (p Policy, ok bool) {
	for _, row := range policies {
		if policyPrefix+row.name == name {
			return row.policy(), true
		}
	}
	return Policy{}, false
}

// Negotiable reports whether this node can negotiate a cipher of a policy. The TLS library
// lacks the CBC suites with SHA-384 and AES256-SHA256 (ALB-102).
func Negotiable(cipher string) bool {
	return slices.ContainsFunc(ciphers, func(c cipherRow) bool { return c.name == cipher && c.id != 0 })
}

const policyPrefix = "ELBSecurityPolicy-"

// policyRow is a policy as ELB's documentation tells of it: sets are letters of cipherRow.
type policyRow struct {
	name     string // after ELBSecurityPolicy-
	from, to uint16 // protocol versions
	sets     string
	quantum  bool
}

// policies is the one table of security policies (ALB-100). The rows below the first mark
// are no longer in ELB's tables: their ciphers are as best known. Those below the second are
// the same as their namesakes, with hybrid key exchange.
var policies = []policyRow{
	{"2016-08", tls.VersionTLS10, tls.VersionTLS12, "GSARB", false},
	{"TLS13-1-2-2021-06", tls.VersionTLS12, tls.VersionTLS13, "TGS", false},
	{"TLS13-1-2-Res-2021-06", tls.VersionTLS12, tls.VersionTLS13, "TG", false},
	{"TLS13-1-2-Ext1-2021-06", tls.VersionTLS12, tls.VersionTLS13, "TGSR", false},
	{"TLS13-1-2-Ext2-2021-06", tls.VersionTLS12, tls.VersionTLS13, "TGSARB", false},
	{"TLS13-1-1-2021-06", tls.VersionTLS11, tls.VersionTLS13, "TGSARB", false},
	{"TLS13-1-0-2021-06", tls.VersionTLS10, tls.VersionTLS13, "TGSARB", false},
	{"TLS13-1-3-2021-06", tls.VersionTLS13, tls.VersionTLS13, "T", false},
	{"TLS-1-2-2017-01", tls.VersionTLS12, tls.VersionTLS12, "GSR", false},
	{"TLS-1-1-2017-01", tls.VersionTLS11, tls.VersionTLS12, "GSARB", false},
	{"TLS-1-2-Ext-2018-06", tls.VersionTLS12, tls.VersionTLS12, "GSARB", false},
	{"2015-05", tls.VersionTLS10, tls.VersionTLS12, "GSARB", false},
	// Assumed.
	{"FS-2018-06", tls.VersionTLS10, tls.VersionTLS12, "GSA", false},
	{"TLS-1-0-2015-04", tls.VersionTLS10, tls.VersionTLS12, "GSARBD", false},
	{"FS-1-2-Res-2019-08", tls.VersionTLS12, tls.VersionTLS12, "GS", false},
	{"FS-1-1-2019-08", tls.VersionTLS11, tls.VersionTLS12, "GSA", false},
	{"FS-1-2-2019-08", tls.VersionTLS12, tls.VersionTLS12, "GSA", false},
	{"FS-1-2-Res-2020-10", tls.VersionTLS12, tls.VersionTLS12, "G", false},
	// Hybrid.
	{"TLS13-1-2-PQ-2025-09", tls.VersionTLS12, tls.VersionTLS13, "TGS", true},
	{"TLS13-1-2-Res-PQ-2025-09", tls.VersionTLS12, tls.VersionTLS13, "TG", true},
	{"TLS13-1-2-Ext1-PQ-2025-09", tls.VersionTLS12, tls.VersionTLS13, "TGSR", true},
	{"TLS13-1-2-Ext2-PQ-2025-09", tls.VersionTLS12, tls.VersionTLS13, "TGSARB", true},
	{"TLS13-1-0-PQ-2025-09", tls.VersionTLS10, tls.VersionTLS13, "TGSARB", true},
	{"TLS13-1-3-PQ-2025-09", tls.VersionTLS13, tls.VersionTLS13, "T", true},
}

// cipherRow is a cipher suite; set says with which others policies list it.
type cipherRow struct {
	set  byte
	name string // OpenSSL's
	id   uint16 // 0: the TLS library does not have it
}

// ciphers are all cipher suites, in ELB's order of preference.
var ciphers = []cipherRow{
	{'T', "TLS_AES_128_GCM_SHA256", tls.TLS_AES_128_GCM_SHA256},
	{'T', "TLS_AES_256_GCM_SHA384", tls.TLS_AES_256_GCM_SHA384},
	{'T', "TLS_CHACHA20_POLY1305_SHA256", tls.TLS_CHACHA20_POLY1305_SHA256},
	{'G', "ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{'G', "ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	{'S', "ECDHE-ECDSA-AES128-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
	{'S', "ECDHE-RSA-AES128-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
	{'A', "ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{'A', "ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
	{'G', "ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{'G', "ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{'S', "ECDHE-ECDSA-AES256-SHA384", 0},
	{'S', "ECDHE-RSA-AES256-SHA384", 0},
	{'A', "ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	{'A', "ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	{'R', "AES128-GCM-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	{'R', "AES128-SHA256", tls.TLS_RSA_WITH_AES_128_CBC_SHA256},
	{'B', "AES128-SHA", tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	{'R', "AES256-GCM-SHA384", tls.TLS_RSA_WITH_AES_256_GCM_SHA384},
	{'R', "AES256-SHA256", 0},
	{'B', "AES256-SHA", tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	{'D', "DES-CBC3-SHA", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
}

var protocols = []struct {
	name    string
	version uint16
}{
	{"TLSv1", tls.VersionTLS10}, {"TLSv1.1", tls.VersionTLS11}, {"TLSv1.2", tls.VersionTLS12}, {"TLSv1.3", tls.VersionTLS13},
}

func (r policyRow) policy() Policy {
	p := Policy{Name: policyPrefix + r.name, PostQuantum: r.quantum}
	for _, v := range protocols {
		if r.from <= v.version && v.version <= r.to {
			p.Protocols = append(p.Protocols, v.name)
		}
	}
	for _, c := range ciphers {
		if slices.Contains([]byte(r.sets), c.set) {
			p.Ciphers = append(p.Ciphers, c.name)
		}
	}
	return p
}

// settings returns what the policy asks of the TLS library, which chooses among the ciphers
// by an order of its own, and always has all three of TLS 1.3 (ALB-102).
func (p Policy) settings() *tls.Config {
	c := &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}}
	if p.PostQuantum {
		c.CurvePreferences = append(c.CurvePreferences, tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024)
	}
	for _, v := range protocols {
		if v.name == p.Protocols[0] {
			c.MinVersion = v.version
		}
		if v.name == p.Protocols[len(p.Protocols)-1] {
			c.MaxVersion = v.version
		}
	}
	for _, row := range ciphers {
		if row.id != 0 && row.set != 'T' && slices.Contains(p.Ciphers, row.name) {
			c.CipherSuites = append(c.CipherSuites, row.id)
		}
	}
	return c
}

// protocolName is OpenSSL's name of a protocol version, as in logs.
func protocolName(version uint16) string {
	for _, v := range protocols {
		if v.version == version {
			return v.name
		}
	}
	return tls.VersionName(version)
}

// cipherName is OpenSSL's name of a cipher suite, as in logs.
func cipherName(id uint16) string {
	for _, c := range ciphers {
		if c.id == id {
			return c.name
		}
	}
	return tls.CipherSuiteName(id)
}
