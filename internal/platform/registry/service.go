package registry

import (
	"errors"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Deps is what the room needs from below.
type Deps struct {
	DB      *store.DB
	Objects object.Store
	World   world.World
}

// Service serves the operations of the model registry.
type Service struct{ Deps }

// New returns the room's service.
func New(deps Deps) *Service { return &Service{deps} }

// group is the row of a model package group.
type group struct {
	awsapi.DescribeModelPackageGroupOutput
	LastVersion int32
	Policy      string // the resource policy, or ""
}

var (
	groupRows = store.NewCollection("model-package-group", func(g *group) store.Index {
		return store.Index{Status: *g.ModelPackageGroupStatus, Created: g.CreationTime.Time}
	})
	packageRows = store.NewCollection("model-package", func(p *awsapi.DescribeModelPackageOutput) store.Index {
		versioned := "no"
		if p.ModelPackageGroupName != nil {
			versioned = "yes"
		}
		// Times have milliseconds; versions that were made in the same one keep their order.
		created := p.CreationTime.Add(time.Duration(awsapi.Val(p.ModelPackageVersion)%1000) * time.Microsecond)
		return store.Index{Status: *p.ModelPackageStatus, Parent: awsapi.Val(p.ModelPackageGroupName), Created: created,
			Keys: map[string]string{"approval": awsapi.Val(p.ModelApprovalStatus), "versioned": versioned}}
	})
)

// lastPart takes a name out of a name or an ARN.
func lastPart(nameOrARN, kind string) string {
	if _, name, ok := strings.Cut(nameOrARN, ":"+kind+"/"); ok {
		return name
	}
	return nameOrARN
}

func getGroup(tx *store.Tx, scope store.Scope, nameOrARN *string) (*group, error) {
	name := lastPart(awsapi.Val(nameOrARN), "model-package-group")
	g, err := groupRows.Get(tx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.Validation("ModelPackageGroup %s does not exist.", scope.ARN("model-package-group/"+strings.ToLower(name)))
	}
	return g, err
}

// rowOf is the name under which a package is kept: "<group>/<version>" or the name of one without versions.
func rowOf(p *awsapi.DescribeModelPackageOutput) string {
	return lastPart(*p.ModelPackageArn, "model-package")
}

func getPackage(tx *store.Tx, scope store.Scope, nameOrARN *string) (*awsapi.DescribeModelPackageOutput, error) {
	given := awsapi.Val(nameOrARN)
	p, err := packageRows.Get(tx, scope, strings.ToLower(lastPart(given, "model-package")))
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.Validation("ModelPackage %s does not exist.", given)
	}
	return p, err
}

// emit appends an event of a package.
func emit(tx *store.Tx, what string, p *awsapi.DescribeModelPackageOutput) error {
	return tx.Emit(store.Event{Type: "ModelPackage." + what, Resource: *p.ModelPackageArn, Data: awsapi.Encode(p)})
}
