package transform

import (
	"errors"
	"io"
	"iter"

	"github.com/mobula-ml/mobula/internal/records"
)

// frameBatches splits binary records into batches. A record that is sent alone goes without its header and padding, as the service sends it; in a
// batch of several, records go as they lie in the file.
func (p *pass) frameBatches(from io.Reader, limit int64, tooLarge error) iter.Seq2[[][]byte, error] {
	return func(yield func([][]byte, error) bool) {
		var batch [][]byte
		size := int64(0)
		for r := records.NewReader(from, p.plan.frames, limit); ; {
			one, err := r.Next()
			switch {
			case err == io.EOF: //nolint:errorlint // what Next gives behind the last record
				if len(batch) > 0 {
					yield(batch, nil)
				}
				return
			case errors.Is(err, records.ErrTooLarge):
				yield(nil, tooLarge)
				return
			case errors.Is(err, records.ErrBroken):
				yield(nil, clientError("%v", err))
				return
			case err != nil:
				yield(nil, unreadable(err))
				return
			case p.plan.single:
				if !yield([][]byte{one.Payload}, nil) {
					return
				}
				continue
			}
			if len(batch) > 0 && size+int64(len(one.Frame)) > limit {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
			batch, size = append(batch, one.Frame), size+int64(len(one.Frame))
		}
	}
}

// between is what separates the records of a batch: the end of a line, where they are no binary ones.
func (p *plan) between() []byte {
	if p.frames != nil {
		return nil
	}
	return []byte("\n")
}
