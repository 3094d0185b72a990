package wire

import (
	"net/http"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// stream answers with events, each of which is on its way before the next is asked for. An error that ends them is the last of them.
func (h *Handler) stream(x *exchange, shape *awsapi.Shape, events awsapi.EventStream) error {
	x.Header().Set("Content-Type", awsapi.EventsType)
	x.WriteHeader(http.StatusOK)
	x.Flush()
	for event, err := range events.Each() {
		if canceled(x.r.Context(), err) {
			return nil
		}
		var frame []byte
		if err == nil {
			frame, err = awsapi.EncodeEvent(shape, event)
		}
		ends := err != nil
		if ends {
			if frame, err = awsapi.EncodeException(shape, h.translate(x, err)); err != nil {
				return err
			}
		}
		if _, err := x.Write(frame); err != nil || ends {
			return nil //nolint:nilerr // a client that has gone cannot be told
		}
		x.Flush()
	}
	return nil
}
