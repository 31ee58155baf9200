package iam

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy is a managed policy. Values are read-only.
type Policy struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"` // begins and ends with a slash
	ID          string            `json:"id"`   // ANPA…
	ARN         string            `json:"arn"`
	Description string            `json:"description,omitempty"`
	CreatedAt   time.Time         `json:"createdAt"`
	Tags        map[string]string `json:"tags,omitempty"`
	Versions    []Version         `json:"versions"` // oldest first
	Next        int               `json:"next"`     // number of the version that comes next
	Default     string            `json:"default"`  // id of a version

	Attachments int `json:"-"` // how many roles have it
}

// Version is one of a policy's documents.
type Version struct {
	ID        string    `json:"id"` // v1, v2 and so on
	Document  string    `json:"document"`
	CreatedAt time.Time `json:"createdAt"`
}

// mostVersions is how many versions a policy has at most (IAM-005).
const mostVersions = 5

// awsManaged reports whether a policy is one of AWS's own; all of those exist (IAM-006).
func awsManaged(arn string) bool { return strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") }

// CreatePolicy makes a policy of a name, whose first version is document.
// Errors: EntityAlreadyExists, MalformedPolicyDocument.
func (d *Directory) CreatePolicy(ctx context.Context, p Policy, document string) (Policy, error) {
	if err := checkDocument(document); err != nil {
		return Policy{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p.Path = cmp.Or(p.Path, "/")
	p.ARN = d.arn("policy", p.Path, p.Name)
	if d.policies[p.ARN] != nil {
		return Policy{}, errorf("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
	}
	p.ID, p.CreatedAt, p.Next = newID("ANPA"), time.Now().Truncate(time.Second), 2
	p.Versions, p.Default = []Version{{"v1", document, p.CreatedAt}}, "v1"
	return p, d.keepPolicy(ctx, &p, "policy "+p.Name+" was created")
}

func (d *Directory) keepPolicy(ctx context.Context, p *Policy, message string) error {
	if err := d.keep(ctx, policyRow, p.ARN, p, message); err != nil {
		return err
	}
	d.policies[p.ARN] = p
	return nil
}

// Policy returns a policy. Errors: NoSuchEntity.
func (d *Directory) Policy(arn string) (Policy, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.policy(arn)
	if err != nil {
		return Policy{}, err
	}
	p.Attachments = len(d.holders(arn))
	return *p, nil
}

// policy returns a copy of a policy.
func (d *Directory) policy(arn string) (*Policy, error) {
	if p := d.policies[arn]; p != nil {
		c := *p
		c.Versions = slices.Clone(p.Versions)
		return &c, nil
	}
	if !awsManaged(arn) {
		return nil, errorf("NoSuchEntity", "Policy %s was not found.", arn)
	}
	at := strings.LastIndex(arn, "/")
	created := time.Date(2015, 2, 6, 18, 40, 0, 0, time.UTC)
	return &Policy{
		Name: arn[at+1:], Path: strings.TrimPrefix(arn[:at+1], "arn:aws:iam::aws:policy"), ID: "ANPA" + strings.Repeat("A", 17), ARN: arn, CreatedAt: created,
		Versions: []Version{{"v1", `{"Version":"2012-10-17","Statement":[]}`, created}}, Default: "v1",
	}, nil
}

// holders returns the roles that have a policy.
func (d *Directory) holders(arn string) (names []string) {
	for name, r := range d.roles {
		if slices.Contains(r.Attached, arn) || r.Boundary == arn {
			names = append(names, name)
		}
	}
	return names
}

// changePolicy changes one of the account's own policies.
func (d *Directory) changePolicy(ctx context.Context, arn string, change func(*Policy) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.policy(arn)
	if err != nil {
		return err
	}
	if awsManaged(arn) {
		return errorf("AccessDenied", "Policy %s is not of this account.", arn)
	}
	if err := change(p); err != nil {
		return err
	}
	return d.keepPolicy(ctx, p, "policy "+p.Name+" was changed")
}

// TagPolicy adds tags and takes others away. Errors: NoSuchEntity.
func (d *Directory) TagPolicy(ctx context.Context, arn string, add map[string]string, remove []string) error {
	return d.changePolicy(ctx, arn, func(p *Policy) error { p.Tags = retagged(p.Tags, add, remove); return nil })
}

// CreateVersion adds a document to a policy. Errors: NoSuchEntity, LimitExceeded, MalformedPolicyDocument.
func (d *Directory) CreateVersion(ctx context.Context, arn, document string, asDefault bool) (Version, error) {
	if err := checkDocument(document); err != nil {
		return Version{}, err
	}
	var v Version
	err := d.changePolicy(ctx, arn, func(p *Policy) error {
		if len(p.Versions) >= mostVersions {
			return errorf("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", mostVersions)
		}
		v = Version{"v" + strconv.Itoa(p.Next), document, time.Now().Truncate(time.Second)}
		p.Versions, p.Next = append(p.Versions, v), p.Next+1
		if asDefault {
			p.Default = v.ID
		}
		return nil
	})
	return v, err
}

// DeleteVersion deletes a version that is not the default one. Errors: NoSuchEntity, DeleteConflict.
func (d *Directory) DeleteVersion(ctx context.Context, arn, id string) error {
	return d.changePolicy(ctx, arn, func(p *Policy) error {
		at := slices.IndexFunc(p.Versions, func(v Version) bool { return v.ID == id })
		switch {
		case at < 0:
			return noVersion(arn, id)
		case p.Default == id:
			return conflict("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, at, at+1)
		return nil
	})
}

func noVersion(arn, id string) *Error {
	return errorf("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", arn, id)
}

// Version returns a version of a policy. Errors: NoSuchEntity.
func (p Policy) Version(id string) (Version, error) {
	for _, v := range p.Versions {
		if v.ID == id {
			return v, nil
		}
	}
	return Version{}, noVersion(p.ARN, id)
}

// DeletePolicy deletes a policy that no role has and that has one version. Errors: NoSuchEntity, DeleteConflict.
func (d *Directory) DeletePolicy(ctx context.Context, arn string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.policies[arn]
	switch {
	case p == nil:
		return errorf("NoSuchEntity", "Policy %s was not found.", arn)
	case len(d.holders(arn)) > 0:
		return conflict("Cannot delete a policy attached to entities.")
	case len(p.Versions) > 1:
		return conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	if err := d.keep(ctx, policyRow, arn, nil, "policy "+p.Name+" was deleted"); err != nil {
		return err
	}
	delete(d.policies, arn)
	return nil
}
