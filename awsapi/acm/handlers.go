package acm

import (
	"context"
	"errors"

	"drydock/acm"
	"drydock/awsapi"
)

// api holds what the handlers need.
type api struct {
	authority *acm.Authority
}

// Register registers the handlers of ACM.
func Register(s *awsapi.Server, a *acm.Authority) {
	h := api{a}
	awsapi.Handle(s, "acm", "RequestCertificate", h.requestCertificate)
	awsapi.Handle(s, "acm", "ImportCertificate", h.importCertificate)
	awsapi.Handle(s, "acm", "DescribeCertificate", h.describeCertificate)
	awsapi.Handle(s, "acm", "GetCertificate", h.getCertificate)
	awsapi.Handle(s, "acm", "ListCertificates", h.listCertificates)
	awsapi.Handle(s, "acm", "DeleteCertificate", h.deleteCertificate)
	awsapi.Handle(s, "acm", "RenewCertificate", h.renewCertificate)
	awsapi.Handle(s, "acm", "AddTagsToCertificate", h.addTags)
	awsapi.Handle(s, "acm", "RemoveTagsFromCertificate", h.removeTags)
	awsapi.Handle(s, "acm", "ListTagsForCertificate", h.listTags)
}

// pageSize is the most that ACM returns at once (WIRE-022).
const pageSize = 1000

func (h api) requestCertificate(ctx context.Context, in *RequestCertificateRequest) (*RequestCertificateResponse, error) {
	options := awsapi.Value(in.Options)
	arn, err := h.authority.RequestCertificate(ctx, acm.RequestCertificateInput{
		DomainName: *in.DomainName, SubjectAlternativeNames: in.SubjectAlternativeNames,
		ValidationMethod: awsapi.Value(in.ValidationMethod), ValidationDomains: validationDomains(in.DomainValidationOptions),
		KeyAlgorithm: awsapi.Value(in.KeyAlgorithm), IdempotencyToken: awsapi.Value(in.IdempotencyToken),
		Transparency: awsapi.Value(options.CertificateTransparencyLoggingPreference), Export: awsapi.Value(options.Export),
		Tags: tags(in.Tags), CertificateAuthorityARN: awsapi.Value(in.CertificateAuthorityArn), ManagedBy: awsapi.Value(in.ManagedBy),
	})
	if err != nil {
		return nil, err
	}
	return &RequestCertificateResponse{CertificateArn: &arn}, nil
}

func validationDomains(options []DomainValidationOption) map[string]string {
	domains := map[string]string{}
	for _, o := range options {
		domains[*o.DomainName] = *o.ValidationDomain
	}
	return domains
}

func (h api) importCertificate(ctx context.Context, in *ImportCertificateRequest) (*ImportCertificateResponse, error) {
	arn, err := h.authority.ImportCertificate(ctx, acm.ImportCertificateInput{
		CertificateARN: awsapi.Value(in.CertificateArn), Certificate: in.Certificate, Key: in.PrivateKey,
		Certificates: in.CertificateChain, Tags: tags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &ImportCertificateResponse{CertificateArn: &arn}, nil
}

func (h api) describeCertificate(_ context.Context, in *DescribeCertificateRequest) (*DescribeCertificateResponse, error) {
	d, err := h.authority.DescribeCertificate(*in.CertificateArn)
	if err != nil {
		return nil, err
	}
	return &DescribeCertificateResponse{Certificate: detailShape(d)}, nil
}

func (h api) getCertificate(_ context.Context, in *GetCertificateRequest) (*GetCertificateResponse, error) {
	body, chain, err := h.authority.GetCertificate(*in.CertificateArn)
	if err != nil {
		return nil, err
	}
	return &GetCertificateResponse{Certificate: &body, CertificateChain: awsapi.NonZero(chain)}, nil
}

func (h api) listCertificates(_ context.Context, in *ListCertificatesRequest) (*ListCertificatesResponse, error) {
	includes := awsapi.Value(in.Includes)
	all, err := h.authority.ListCertificates(acm.ListCertificatesInput{
		Statuses: in.CertificateStatuses, KeyTypes: includes.KeyTypes, KeyUsages: includes.KeyUsage, ExtendedKeyUsages: includes.ExtendedKeyUsage,
		Export: awsapi.Value(includes.ExportOption), ManagedBy: awsapi.Value(includes.ManagedBy),
		SortBy: awsapi.Value(in.SortBy), SortOrder: awsapi.Value(in.SortOrder),
	})
	if err != nil {
		return nil, err
	}
	part, next, err := awsapi.Page(all, in.NextToken, in.MaxItems, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		return nil, &awsapi.Error{Code: "InvalidArgsException", Message: "The token '" + *in.NextToken + "' is invalid."}
	}
	if err != nil {
		return nil, err
	}
	return &ListCertificatesResponse{CertificateSummaryList: awsapi.List(part, summaryShape), NextToken: next}, nil
}

func (h api) deleteCertificate(ctx context.Context, in *DeleteCertificateRequest) (*DeleteCertificateOutput, error) {
	return nil, h.authority.DeleteCertificate(ctx, *in.CertificateArn)
}

func (h api) renewCertificate(ctx context.Context, in *RenewCertificateRequest) (*RenewCertificateOutput, error) {
	return nil, h.authority.RenewCertificate(ctx, *in.CertificateArn)
}

func (h api) addTags(ctx context.Context, in *AddTagsToCertificateRequest) (*AddTagsToCertificateOutput, error) {
	return nil, h.authority.AddTagsToCertificate(ctx, *in.CertificateArn, tags(in.Tags))
}

func (h api) removeTags(ctx context.Context, in *RemoveTagsFromCertificateRequest) (*RemoveTagsFromCertificateOutput, error) {
	withValue := awsapi.List(in.Tags, func(t Tag) bool { return t.Value != nil })
	return nil, h.authority.RemoveTagsFromCertificate(ctx, *in.CertificateArn, tags(in.Tags), withValue)
}

func (h api) listTags(_ context.Context, in *ListTagsForCertificateRequest) (*ListTagsForCertificateResponse, error) {
	found, err := h.authority.ListTagsForCertificate(*in.CertificateArn)
	if err != nil {
		return nil, err
	}
	return &ListTagsForCertificateResponse{Tags: awsapi.List(found, func(t acm.Tag) Tag { return Tag{Key: &t.Key, Value: &t.Value} })}, nil
}

func tags(shapes []Tag) []acm.Tag {
	return awsapi.List(shapes, func(t Tag) acm.Tag { return acm.Tag{Key: awsapi.Value(t.Key), Value: awsapi.Value(t.Value)} })
}
