package pipelines

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// requestOf is the form of a request by which its idempotency token knows it again.
func requestOf(in any) []byte {
	b, err := json.Marshal(in)
	if err != nil {
		panic("a decoded request can be encoded: " + err.Error())
	}
	return b
}

// limit reads MaxResults; the service's default and maximum is 100.
func limit(max *int32) int {
	if max == nil {
		return 100
	}
	return int(*max)
}

func timeOf(t *awsapi.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

func tokenError(err error) error {
	if errors.Is(err, store.ErrBadToken) {
		return awsapi.Validation("NextToken is not one that this operation gave for these filters.")
	}
	return err
}
