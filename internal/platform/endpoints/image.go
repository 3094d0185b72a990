package endpoints

import (
	"regexp"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
)

// served is the tag of the built-in XGBoost image that is served: the version of the library in this program.
const served = "3.2-1"

var xgboostImage = regexp.MustCompile(`(?:^|/)sagemaker-xgboost:([\w.-]+)$`)

// commandOf is what serves a model of an image, or says what is served.
func commandOf(image string) ([]string, error) {
	m := xgboostImage.FindStringSubmatch(image)
	if m == nil {
		return nil, awsapi.Validation("Image '%s' cannot be served: no runtime is known for it. Served is sagemaker-xgboost:%s.", image, served)
	}
	if m[1] != served && !strings.HasPrefix(m[1], served+"-") {
		return nil, awsapi.Validation("Image '%s' cannot be served: version %s of sagemaker-xgboost is not served, %s is.", image, m[1], served)
	}
	return []string{"mobula", builtin.Command, builtin.ServeCommand}, nil
}
