package endpoints

import (
	"slices"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/world"
)

// mostInstances bounds the hosts of an endpoint. Each is a process tree that holds the model, at times several times over.
const mostInstances = 16

// bounded refuses a deployment of too many hosts.
func (d *deployment) bounded() error {
	total := 0
	for i := range d.Variants {
		total += len(d.Variants[i].instances())
	}
	if total <= mostInstances {
		return nil
	}
	return awsapi.LimitExceeded("The account-level service limit 'instances of an endpoint' is %d Instances, with current utilization of 0 Instances and a request delta of %d Instances.",
		mostInstances, total)
}

// variant returns the variant of a name, or nil where there is none, or no deployment.
func (d *deployment) variant(name string) *variant {
	for i := 0; d != nil && i < len(d.Variants); i++ {
		if d.Variants[i].Name == name {
			return &d.Variants[i]
		}
	}
	return nil
}

// ids are those of all hosts of a deployment, if there is one.
func (d *deployment) ids() map[string]bool {
	all := map[string]bool{}
	for i := 0; d != nil && i < len(d.Variants); i++ {
		for _, one := range d.Variants[i].instances() {
			all[one.ID] = true
		}
	}
	return all
}

// clone copies what changes with the number of instances.
func (d *deployment) clone() *deployment {
	c := *d
	c.Variants = slices.Clone(d.Variants)
	for i := range c.Variants {
		c.Variants[i].Also = slices.Clone(c.Variants[i].Also)
	}
	return &c
}

// instances are the hosts of a variant, in their order.
func (v *variant) instances() []*instance {
	all := []*instance{&v.instance}
	for i := range v.Also {
		all = append(all, &v.Also[i])
	}
	return all
}

// memory is what one host of the variant takes of the machine, in bytes.
func (v *variant) memory() int64 {
	if v.Serverless != nil {
		return int64(awsapi.Val(v.Serverless.MemorySizeInMB)) << 20
	}
	shape, err := capacity.InstanceOf(v.InstanceType)
	if err != nil {
		return 0 // of a type that has a name of its own
	}
	return shape.Memory
}

// resize takes hosts off the end or adds new ones.
func (v *variant) resize(n int32, w world.World) {
	v.Instances = n
	v.Also = v.Also[:min(len(v.Also), int(n)-1)]
	for range int(n) - 1 - len(v.Also) {
		v.Also = append(v.Also, instance{ID: w.NewID(12)})
		if len(v.Also) > mostInstances { // which is refused, whatever is asked for
			return
		}
	}
}
