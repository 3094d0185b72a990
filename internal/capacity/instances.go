package capacity

import (
	"fmt"
	"regexp"
)

// An Instance is what one host of an instance type shows: virtual processors and memory.
type Instance struct {
	VCPUs  int
	Memory int64 // bytes
}

// sizes is how many virtual processors each size has.
var sizes = map[string]int{"medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "3xlarge": 12, "4xlarge": 16, "6xlarge": 24, "8xlarge": 32, "9xlarge": 36,
	"10xlarge": 40, "12xlarge": 48, "16xlarge": 64, "18xlarge": 72, "24xlarge": 96, "32xlarge": 128, "48xlarge": 192}

// perCPU is the memory in GiB for one virtual processor, by the letter of the family.
var perCPU = map[string]float64{"c": 2, "m": 4, "r": 8, "t": 2, "g": 4, "p": 8, "x": 16, "z": 8, "i": 8, "d": 8, "inf": 2, "trn": 4}

var instanceType = regexp.MustCompile(`^ml\.([a-z]+)\d+[a-z0-9-]*\.([a-z0-9]+)$`)

// InstanceOf reads an instance type. Sizes and memory are those that AWS publishes for the families' common members.
func InstanceOf(name string) (Instance, error) {
	if name == "local" {
		return Instance{}, nil // the machine as it is
	}
	m := instanceType.FindStringSubmatch(name)
	if m != nil {
		cpus, known := sizes[m[2]]
		gib, family := perCPU[m[1]]
		if !family {
			gib, family = perCPU[m[1][:1]]
		}
		if known && family {
			return Instance{cpus, int64(gib * float64(cpus) * (1 << 30))}, nil
		}
	}
	return Instance{}, fmt.Errorf("'%s' is not an instance type; one looks like ml.m5.xlarge", name)
}
