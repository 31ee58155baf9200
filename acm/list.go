package acm

import (
	"slices"
	"time"
)

// ListCertificatesInput holds what ListCertificates filters and sorts by. Empty lists do not filter.
type ListCertificatesInput struct {
	Statuses          []string
	KeyTypes          []string
	KeyUsages         []string // a certificate must have one of them
	ExtendedKeyUsages []string
	Export            string // ENABLED or DISABLED
	ManagedBy         string
	SortBy            string // CREATED_AT, together with SortOrder
	SortOrder         string // ASCENDING or DESCENDING
}

// ListCertificates returns the certificates that pass all filters, oldest first.
func (a *Authority) ListCertificates(in ListCertificatesInput) ([]Detail, error) {
	if (in.SortBy == "") != (in.SortOrder == "") {
		return nil, invalid("SortBy and SortOrder must be specified together.")
	}
	now, list := time.Now(), []Detail{}
	for _, c := range a.all() {
		d, err := a.detail(c, now)
		if err != nil {
			return nil, err
		}
		if in.lets(d) {
			list = append(list, d)
		}
	}
	if in.SortOrder == "DESCENDING" {
		slices.Reverse(list)
	}
	return list, nil
}

// lets reports whether a certificate passes all filters. Without KeyTypes, ACM shows RSA of
// up to 2048 bits only; we also show those whose request named no algorithm (ACM-008).
func (in ListCertificatesInput) lets(d Detail) bool {
	keyTypes := in.KeyTypes
	if len(keyTypes) == 0 && !d.DefaultKey {
		keyTypes = []string{"RSA_1024", "RSA_2048"}
	}
	export := d.Export
	if export == "" {
		export = "DISABLED"
	}
	return among(in.Statuses, d.Status) && among(keyTypes, d.KeyAlgorithm) &&
		overlaps(in.KeyUsages, d.KeyUsages) && overlaps(in.ExtendedKeyUsages, d.ExtendedNames()) &&
		(in.Export == "" || in.Export == export) && in.ManagedBy == ""
}

// ExtendedNames returns the names of the extended key usages.
func (d Detail) ExtendedNames() (names []string) {
	for _, u := range d.ExtendedKeyUsages {
		names = append(names, u.Name)
	}
	return names
}

// among reports whether a value is wanted; without wishes all are.
func among(wanted []string, value string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

func overlaps(wanted, have []string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(have, func(v string) bool { return slices.Contains(wanted, v) })
}
