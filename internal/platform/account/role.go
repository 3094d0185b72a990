package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxRoles is AWS's quota of roles in an account.
const maxRoles = 1000

// role is the row of a role that was made or changed here. A role that has none exists nevertheless, as implied has it.
type role struct {
	Name, Path, ID, ARN string
	Trust               string // who may assume it, as JSON
	Description         string
	MaxSession          int32
	Tags                []awsapi.IAMTag
	Created             time.Time
	Attached            []string          // ARNs of managed policies, in order
	Inline              map[string]string // documents of the role's own policies by name
}

var roleRows = store.NewCollection("iam-role", func(r *role) store.Index { return store.Index{Created: r.Created} })

// anywhere is the scope of IAM's rows: an account's roles are the same in all regions.
func anywhere(ctx context.Context) store.Scope {
	return store.Scope{Account: identity.From(ctx).Account, Region: "aws-global"}
}

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

const serviceTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// implied is a role that nobody made. The caller's own has the path it is known by.
func implied(ctx context.Context, name string) *role {
	p := identity.From(ctx)
	path := "/"
	if name == p.RoleName() {
		_, full, _ := strings.Cut(p.RoleARN, ":role")
		path = strings.TrimSuffix(full, name)
	}
	return &role{Name: name, Path: path, ID: "AROAMOBULA", ARN: identity.RoleARN(p.Account, path[1:]+name), Trust: serviceTrust, MaxSession: 3600, Created: time.Unix(0, 0).UTC()}
}

// made says whether somebody made the role.
func (r *role) made() bool { return r.Created.Unix() > 0 }

func noSuchEntity(message string) error {
	return &awsapi.Error{Code: "NoSuchEntity", Status: 404, Message: message}
}

// find returns the role of a name, made or implied.
func find(ctx context.Context, tx *store.Tx, name string) (*role, error) {
	if !roleName.MatchString(name) {
		return nil, &awsapi.Error{Code: "ValidationError", Status: 400, Message: "The specified value for roleName is invalid. It must contain only alphanumeric characters and the following: +=,.@_-"}
	}
	r, err := roleRows.Get(tx, anywhere(ctx), name)
	if errors.Is(err, store.ErrNotFound) {
		return implied(ctx, name), nil
	}
	return r, err
}

// show is the role as IAM shows it: documents are percent-encoded there.
func (r *role) show() *awsapi.Role {
	out := &awsapi.Role{Path: &r.Path, RoleName: &r.Name, RoleId: &r.ID, Arn: &r.ARN, CreateDate: awsapi.Stamp(r.Created),
		AssumeRolePolicyDocument: encoded(r.Trust), MaxSessionDuration: &r.MaxSession, Tags: r.Tags}
	if r.Description != "" {
		out.Description = &r.Description
	}
	return out
}

func encoded(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// checkDocument refuses what is not a policy at all. What a policy says has no effect here and is kept as it is.
func checkDocument(document string) error {
	var policy struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return &awsapi.Error{Code: "MalformedPolicyDocument", Status: 400, Message: "This policy contains invalid Json"}
	}
	if len(policy.Statement) == 0 {
		return &awsapi.Error{Code: "MalformedPolicyDocument", Status: 400, Message: "Syntax errors in policy. Missing required field Statement"}
	}
	return nil
}

// CreateRole makes a role, or gives a role that exists already only by its name what it is asked to have.
func (s *Service) CreateRole(ctx context.Context, in *awsapi.CreateRoleRequest) (*awsapi.CreateRoleResponse, error) {
	if err := checkDocument(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	if in.PermissionsBoundary != nil {
		return nil, &awsapi.Error{Code: "InvalidInput", Status: 400, Message: "PermissionsBoundary is not served: there are no permissions that it could bound."}
	}
	p := identity.From(ctx)
	r := &role{Name: *in.RoleName, Path: "/", ID: "AROA" + strings.ToUpper(s.World.NewID(17)), Trust: *in.AssumeRolePolicyDocument,
		Description: awsapi.Val(in.Description), MaxSession: 3600, Tags: in.Tags, Created: s.World.Now().Truncate(time.Second)}
	if in.Path != nil {
		r.Path = *in.Path
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	r.ARN = identity.RoleARN(p.Account, r.Path[1:]+r.Name)
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, err := find(ctx, tx, r.Name); err != nil {
			return err
		}
		n, err := roleRows.Count(tx, anywhere(ctx), store.Query{})
		if err != nil {
			return err
		}
		if n >= maxRoles {
			return quota("RolesPerAccount", maxRoles)
		}
		err = roleRows.Insert(tx, anywhere(ctx), r.Name, r.ARN, r)
		if errors.Is(err, store.ErrExists) || err == nil && r.Name == p.RoleName() {
			return &awsapi.Error{Code: "EntityAlreadyExists", Status: 409, Message: "Role with name " + r.Name + " already exists."}
		}
		return err
	})
	return &awsapi.CreateRoleResponse{Role: r.show()}, err
}

// GetRole shows the role of a name.
func (s *Service) GetRole(ctx context.Context, in *awsapi.GetRoleRequest) (*awsapi.GetRoleResponse, error) {
	out := &awsapi.GetRoleResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		r, err := find(ctx, tx, awsapi.Val(in.RoleName))
		if err == nil {
			out.Role = r.show()
		}
		return err
	})
}

// ListRoles lists the caller's role and those that were made or changed, by name.
func (s *Service) ListRoles(ctx context.Context, in *awsapi.ListRolesRequest) (*awsapi.ListRolesResponse, error) {
	out := &awsapi.ListRolesResponse{Roles: []awsapi.Role{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) (err error) {
		page, err := roleRows.List(tx, anywhere(ctx), store.Query{Limit: 2 * maxRoles})
		if err != nil {
			return err
		}
		own := implied(ctx, identity.From(ctx).RoleName())
		byName := map[string]*role{own.Name: own}
		for i := range page.Items {
			byName[page.Items[i].Name] = &page.Items[i]
		}
		var names []string
		for name, r := range byName {
			if strings.HasPrefix(r.Path, awsapi.Val(in.PathPrefix)) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		names, out.Marker, out.IsTruncated = pageOf(names, in.Marker, in.MaxItems)
		for _, name := range names {
			out.Roles = append(out.Roles, *byName[name].show())
		}
		return nil
	})
}

// pageOf cuts a page out of sorted names. The marker is the last name of the page before.
func pageOf(names []string, marker *string, most *int32) (page []string, next *string, truncated *bool) {
	limit := 100
	if most != nil {
		limit = int(*most)
	}
	if marker != nil {
		from, found := slices.BinarySearch(names, *marker)
		if found {
			from++
		}
		names = names[from:]
	}
	if len(names) > limit {
		return names[:limit], &names[limit-1], new(true)
	}
	return names, nil, new(false)
}

// UpdateAssumeRolePolicy changes who may assume a role.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *awsapi.UpdateAssumeRolePolicyRequest) error {
	if err := checkDocument(*in.PolicyDocument); err != nil {
		return err
	}
	return s.change(ctx, *in.RoleName, func(r *role) error {
		r.Trust = *in.PolicyDocument
		return nil
	})
}

// DeleteRole forgets a role that was made or changed and has no policies.
func (s *Service) DeleteRole(ctx context.Context, in *awsapi.DeleteRoleRequest) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		r, err := roleRows.Get(tx, anywhere(ctx), *in.RoleName)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return noSuchEntity("The role with name " + *in.RoleName + " cannot be found.")
		case err != nil:
			return err
		case len(r.Attached) > 0:
			return &awsapi.Error{Code: "DeleteConflict", Status: 409, Message: "Cannot delete entity, must detach all policies first."}
		case len(r.Inline) > 0:
			return &awsapi.Error{Code: "DeleteConflict", Status: 409, Message: "Cannot delete entity, must delete policies first."}
		}
		return roleRows.Delete(tx, anywhere(ctx), *in.RoleName)
	})
}

// change changes the row of a role, and makes it where the role had none.
func (s *Service) change(ctx context.Context, name string, fn func(*role) error) error {
	return s.changeIn(ctx, name, func(_ *store.Tx, r *role) error { return fn(r) })
}

// changeIn is change for what must look at other rows too.
func (s *Service) changeIn(ctx context.Context, name string, fn func(*store.Tx, *role) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		r, err := find(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := fn(tx, r); err != nil {
			return err
		}
		err = roleRows.Put(tx, anywhere(ctx), name, r)
		if errors.Is(err, store.ErrNotFound) {
			return roleRows.Insert(tx, anywhere(ctx), name, r.ARN, r)
		}
		return err
	})
}
