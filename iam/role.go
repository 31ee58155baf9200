package iam

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Role is a role. Values are read-only.
type Role struct {
	Name               string            `json:"name"`
	Path               string            `json:"path"` // begins and ends with a slash
	ID                 string            `json:"id"`   // AROA…
	ARN                string            `json:"arn"`
	CreatedAt          time.Time         `json:"createdAt"`
	TrustPolicy        string            `json:"trustPolicy"` // as it came
	Description        string            `json:"description,omitempty"`
	MaxSessionDuration int64             `json:"maxSessionDuration"` // s
	Boundary           string            `json:"boundary,omitempty"` // a policy's ARN
	Tags               map[string]string `json:"tags,omitempty"`
	Inline             map[string]string `json:"inline,omitempty"`   // documents by name
	Attached           []string          `json:"attached,omitempty"` // ARNs, in order of attachment
	Adopted            bool              `json:"adopted,omitempty"`
}

// defaultSession is how long sessions last at most, unless a role says otherwise, in seconds (IAM-003).
const defaultSession = 3600

// adoptedTrust lets ECS tasks assume an adopted role (IAM-004).
const adoptedTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// CreateRole makes a role of a name, a trust policy and what else r says.
// Errors: EntityAlreadyExists, MalformedPolicyDocument.
func (d *Directory) CreateRole(ctx context.Context, r Role) (Role, error) {
	if err := checkDocument(r.TrustPolicy); err != nil {
		return Role{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if have := d.roles[r.Name]; have != nil && !have.Adopted {
		return Role{}, exists("Role", r.Name)
	}
	d.complete(&r)
	err := d.keepRole(ctx, &r, "role "+r.Name+" was created")
	return r, err
}

// complete gives a new role what IAM gives it.
func (d *Directory) complete(r *Role) {
	r.Path = cmp.Or(r.Path, "/")
	r.ID, r.ARN = newID("AROA"), d.arn("role", r.Path, r.Name)
	r.CreatedAt = time.Now().Truncate(time.Second)
	r.MaxSessionDuration = cmp.Or(r.MaxSessionDuration, defaultSession)
}

func (d *Directory) arn(kind, path, name string) string {
	return "arn:aws:iam::" + d.config.Account + ":" + kind + path + name
}

func (d *Directory) keepRole(ctx context.Context, r *Role, message string) error {
	if err := d.keep(ctx, roleRow, r.Name, r, message); err != nil {
		return err
	}
	d.roles[r.Name] = r
	return nil
}

// Role returns a role, adopting an unknown one. Errors: NoSuchEntity.
func (d *Directory) Role(ctx context.Context, name string) (Role, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.role(ctx, name)
	if err != nil {
		return Role{}, err
	}
	return *r, nil
}

func (d *Directory) role(ctx context.Context, name string) (*Role, error) {
	if r := d.roles[name]; r != nil {
		return r, nil
	}
	if d.config.Strict {
		return nil, noRole(name)
	}
	r := &Role{Name: name, TrustPolicy: adoptedTrust, Adopted: true}
	d.complete(r)
	return r, d.keepRole(ctx, r, "role "+name+" is not known here: it is adopted, as if it existed")
}

// Roles returns the roles whose path begins with prefix, by name.
func (d *Directory) Roles(prefix string) []Role {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []Role
	for _, name := range slices.Sorted(maps.Keys(d.roles)) {
		if r := d.roles[name]; strings.HasPrefix(r.Path, prefix) {
			list = append(list, *r)
		}
	}
	return list
}

// changeRole changes a copy of a role.
func (d *Directory) changeRole(ctx context.Context, name string, change func(*Role) error) (Role, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.role(ctx, name)
	if err != nil {
		return Role{}, err
	}
	changed := *r
	changed.Attached, changed.Inline = slices.Clone(r.Attached), maps.Clone(r.Inline)
	if err := change(&changed); err != nil {
		return Role{}, err
	}
	return changed, d.keepRole(ctx, &changed, "role "+r.Name+" was changed")
}

// UpdateRole sets what is given: the description, the longest session in seconds.
func (d *Directory) UpdateRole(ctx context.Context, name string, description *string, session *int64) (Role, error) {
	return d.changeRole(ctx, name, func(r *Role) error {
		if description != nil {
			r.Description = *description
		}
		if session != nil {
			r.MaxSessionDuration = *session
		}
		return nil
	})
}

// SetTrustPolicy replaces who may assume a role. Errors: NoSuchEntity, MalformedPolicyDocument.
func (d *Directory) SetTrustPolicy(ctx context.Context, name, document string) error {
	if err := checkDocument(document); err != nil {
		return err
	}
	_, err := d.changeRole(ctx, name, func(r *Role) error { r.TrustPolicy = document; return nil })
	return err
}

// TagRole adds tags and takes others away.
func (d *Directory) TagRole(ctx context.Context, name string, add map[string]string, remove []string) error {
	_, err := d.changeRole(ctx, name, func(r *Role) error { r.Tags = retagged(r.Tags, add, remove); return nil })
	return err
}

// PutInline keeps an inline policy under a name. Errors: NoSuchEntity, MalformedPolicyDocument.
func (d *Directory) PutInline(ctx context.Context, role, name, document string) error {
	if err := checkDocument(document); err != nil {
		return err
	}
	_, err := d.changeRole(ctx, role, func(r *Role) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[name] = document
		return nil
	})
	return err
}

// Inline returns an inline policy. Errors: NoSuchEntity.
func (d *Directory) Inline(ctx context.Context, role, name string) (document string, err error) {
	r, err := d.Role(ctx, role)
	if err != nil {
		return "", err
	}
	document, ok := r.Inline[name]
	if !ok {
		return "", errorf("NoSuchEntity", "The role policy with name %s cannot be found.", name)
	}
	return document, nil
}

// DeleteInline deletes an inline policy. Errors: NoSuchEntity.
func (d *Directory) DeleteInline(ctx context.Context, role, name string) error {
	_, err := d.changeRole(ctx, role, func(r *Role) error {
		if _, ok := r.Inline[name]; !ok {
			return errorf("NoSuchEntity", "The role policy with name %s cannot be found.", name)
		}
		delete(r.Inline, name)
		return nil
	})
	return err
}

// Attach attaches a managed policy, AWS's or the account's own. Errors: NoSuchEntity.
func (d *Directory) Attach(ctx context.Context, role, policy string) error {
	_, err := d.changeRole(ctx, role, func(r *Role) error {
		if !awsManaged(policy) && d.policies[policy] == nil {
			return noPolicy(policy)
		}
		if !slices.Contains(r.Attached, policy) {
			r.Attached = append(r.Attached, policy)
		}
		return nil
	})
	return err
}

// Detach detaches a managed policy. Errors: NoSuchEntity.
func (d *Directory) Detach(ctx context.Context, role, policy string) error {
	_, err := d.changeRole(ctx, role, func(r *Role) error {
		at := slices.Index(r.Attached, policy)
		if at < 0 {
			return errorf("NoSuchEntity", "Policy %s was not found.", policy)
		}
		r.Attached = slices.Delete(r.Attached, at, at+1)
		return nil
	})
	return err
}

// DeleteRole deletes a role that has no policies. Errors: NoSuchEntity, DeleteConflict.
func (d *Directory) DeleteRole(ctx context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.roles[name]
	switch {
	case r == nil:
		return noRole(name)
	case len(r.Attached) > 0:
		return conflict("Cannot delete entity, must detach all policies first.")
	case len(r.Inline) > 0:
		return conflict("Cannot delete entity, must delete policies first.")
	}
	if err := d.keep(ctx, roleRow, name, nil, "role "+name+" was deleted"); err != nil {
		return err
	}
	delete(d.roles, name)
	return nil
}
