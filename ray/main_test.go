package ray_test

import (
	"os"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

func TestMain(m *testing.M) {
	ray.Main() // the workers of the tests are this program
	os.Exit(m.Run())
}
