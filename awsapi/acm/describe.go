package acm

import (
	"cmp"

	"drydock/acm"
	"drydock/awsapi"
)

func detailShape(d acm.Detail) *CertificateDetail {
	c := &CertificateDetail{
		CertificateArn: &d.ARN, DomainName: &d.DomainName, SubjectAlternativeNames: d.SubjectAlternativeNames,
		Serial: &d.Serial, Subject: &d.Subject, Issuer: &d.Issuer, Status: &d.Status, Type: &d.Type,
		CreatedAt: &d.CreatedAt, IssuedAt: awsapi.NonZero(d.IssuedAt), ImportedAt: awsapi.NonZero(d.ImportedAt),
		NotBefore: &d.NotBefore, NotAfter: &d.NotAfter, KeyAlgorithm: awsapi.NonZero(d.KeyAlgorithm), SignatureAlgorithm: &d.SignatureAlgorithm,
		InUseBy: append([]string{}, d.InUseBy...), RenewalEligibility: &d.RenewalEligibility, Options: optionsShape(d),
		KeyUsages:         awsapi.List(d.KeyUsages, func(name string) KeyUsage { return KeyUsage{Name: &name} }),
		ExtendedKeyUsages: awsapi.List(d.ExtendedKeyUsages, func(u acm.ExtendedKeyUsage) ExtendedKeyUsage { return ExtendedKeyUsage{Name: &u.Name, OID: &u.OID} }),
	}
	if d.Type == acm.AmazonIssued {
		c.DomainValidationOptions = awsapi.List(d.Validations, validationShape)
	}
	if !d.RenewedAt.IsZero() {
		c.RenewalSummary = &RenewalSummary{RenewalStatus: new("SUCCESS"), DomainValidationOptions: c.DomainValidationOptions, UpdatedAt: &d.RenewedAt}
	}
	return c
}

func optionsShape(d acm.Detail) *CertificateOptions {
	return &CertificateOptions{CertificateTransparencyLoggingPreference: new(cmp.Or(d.Transparency, "DISABLED")), Export: awsapi.NonZero(d.Export)}
}

func validationShape(v acm.DomainValidation) DomainValidation {
	shape := DomainValidation{
		DomainName: &v.DomainName, ValidationDomain: &v.ValidationDomain, ValidationMethod: &v.Method, ValidationStatus: &v.Status, ValidationEmails: v.Emails,
	}
	if v.RecordName != "" {
		shape.ResourceRecord = &ResourceRecord{Name: &v.RecordName, Type: &v.RecordType, Value: &v.RecordValue}
	}
	return shape
}

// summaryNames is how many names a list shows of each certificate.
const summaryNames = 100

func summaryShape(d acm.Detail) CertificateSummary {
	names := d.SubjectAlternativeNames
	return CertificateSummary{
		CertificateArn: &d.ARN, DomainName: &d.DomainName, Status: &d.Status, Type: &d.Type, KeyAlgorithm: awsapi.NonZero(d.KeyAlgorithm),
		SubjectAlternativeNameSummaries: names[:min(len(names), summaryNames)], HasAdditionalSubjectAlternativeNames: new(len(names) > summaryNames),
		KeyUsages: d.KeyUsages, ExtendedKeyUsages: d.ExtendedNames(), ExportOption: awsapi.NonZero(d.Export), InUse: new(len(d.InUseBy) > 0),
		RenewalEligibility: &d.RenewalEligibility, NotBefore: &d.NotBefore, NotAfter: &d.NotAfter,
		CreatedAt: &d.CreatedAt, IssuedAt: awsapi.NonZero(d.IssuedAt), ImportedAt: awsapi.NonZero(d.ImportedAt),
	}
}
