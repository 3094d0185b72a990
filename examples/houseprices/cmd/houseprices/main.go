// Command houseprices is the house-price workflow as a program of its own: `houseprices apply`, `houseprices start --follow`, and so on,
// against the server that the AWS_ variables name.
package main

import (
	"github.com/mobula-ml/mobula/examples/houseprices"
	"github.com/mobula-ml/mobula/pipeline"
)

func main() { pipeline.Main(houseprices.Workflow(houseprices.Options{})) }
