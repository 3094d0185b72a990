package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// cborType and cborProtocol mark requests and answers of the protocol Smithy RPC v2 CBOR, with which newer clients of CloudWatch begin.
const (
	cborType       = "application/cbor"
	cborHeader     = "Smithy-Protocol"
	cborProtocol   = "rpc-v2-cbor"
	cborTimeTag    = 1
	maxCBORNesting = 32
)

func isCBOR(r *http.Request) bool { return r.Header.Get(cborHeader) == cborProtocol }

var cborReader, _ = cbor.DecOptions{MaxNestedLevels: maxCBORNesting, DefaultMapType: reflect.TypeFor[map[string]any](), TimeTag: cbor.DecTagOptional, DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode()

// serveCBOR serves Smithy RPC v2 CBOR: POST /service/<its name>/operation/<name>.
func (h *Handler) serveCBOR(x *exchange) error {
	body, p, err := h.verifyWhole(x, x.r, x.sig, h.Limits.Body)
	if err != nil {
		return err
	}
	parts := strings.Split(x.r.URL.Path, "/")
	name := parts[len(parts)-1]
	r := h.routes[x.service+"."+name]
	if r == nil || x.r.Method != http.MethodPost || len(parts) != 5 || parts[1] != "service" || parts[3] != "operation" {
		return unknownOperation("The operation %s is not one of the service %s.", clip(name), x.service)
	}
	x.op = r.op
	tree, bad := cborTree(body)
	if bad != nil {
		return bad
	}
	out, err := h.call(x, r, p, tree)
	if err != nil {
		return err
	}
	b, err := writeCBOR(&awsapi.Shapes[r.op.Output], out)
	if err != nil {
		return err
	}
	x.Header().Set(cborHeader, cborProtocol)
	x.send(http.StatusOK, cborType, b)
	return nil
}

// cborTree makes of a body the tree that a JSON body would have been.
func cborTree(body []byte) (any, *awsapi.Error) {
	if len(body) == 0 {
		return map[string]any{}, nil
	}
	var v any
	if err := cborReader.Unmarshal(body, &v); err != nil {
		return nil, &awsapi.Error{Code: "SerializationException", Status: http.StatusBadRequest, Message: "The request is not CBOR: " + err.Error()}
	}
	return jsonValue(v), nil
}

func jsonValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			if part == nil {
				delete(v, name)
			} else {
				v[name] = jsonValue(part)
			}
		}
	case []any:
		for i := range v {
			v[i] = jsonValue(v[i])
		}
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case uint64:
		return json.Number(strconv.FormatUint(v, 10))
	case big.Int:
		return json.Number(v.String())
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
	case float32:
		return jsonValue(float64(v))
	case time.Time:
		return json.Number(strconv.FormatFloat(float64(v.Round(time.Millisecond).UnixMilli())/1000, 'f', -1, 64))
	case cbor.Tag:
		return jsonValue(v.Content)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	}
	return v
}

func writeCBOR(s *awsapi.Shape, out any) ([]byte, error) {
	tree, err := awsapi.OutputTree(s, out)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(cborValue(s, tree))
}

// cborValue gives a tree the types that the shape has in CBOR.
func cborValue(s *awsapi.Shape, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			member := &awsapi.Shapes[s.Elem]
			if s.Kind == "structure" {
				_, member = s.Member(name)
			}
			if member != nil {
				v[name] = cborValue(member, v[name])
			}
		}
	case []any:
		for i := range v {
			v[i] = cborValue(&awsapi.Shapes[s.Elem], v[i])
		}
	case json.Number:
		n, err := v.Float64()
		switch {
		case err != nil:
			return v.String()
		case s.Kind == "timestamp":
			return cbor.Tag{Number: cborTimeTag, Content: n}
		case s.Kind == "integer" || s.Kind == "long":
			return int64(n)
		}
		return n
	}
	return v
}

func (x *exchange) failCBOR(e *awsapi.Error) {
	b, err := cbor.Marshal(map[string]any{"__type": e.Code, "message": e.Message})
	if err != nil {
		b = nil // two texts
	}
	x.Header().Set(cborHeader, cborProtocol)
	x.Header().Set("X-Amzn-Query-Error", x.queryCode(e)+";Sender")
	x.send(e.Status, cborType, b)
}
