package featurestore

import (
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// ordered is a group of columns that keeps the order of the features, as SageMaker's files do.
type ordered struct {
	parquet.Group
	names []string
}

// Fields returns the columns in order.
func (o ordered) Fields() []parquet.Field {
	byName := map[string]parquet.Field{}
	for _, f := range o.Group.Fields() {
		byName[f.Name()] = f
	}
	out := make([]parquet.Field, 0, len(o.names))
	for _, n := range o.names {
		out = append(out, byName[n])
	}
	return out
}

// schemaOf is the schema of a group's offline store: its features, then the columns that the store adds.
func schemaOf(g *group) (*parquet.Schema, []string) {
	cols, names := parquet.Group{}, []string{}
	add := func(name string, node parquet.Node) {
		cols[name] = parquet.Compressed(parquet.Optional(node), &snappy.Codec{})
		names = append(names, name)
	}
	for _, f := range g.Features {
		switch awsapi.Val(f.FeatureType) {
		case awsapi.FeatureTypeIntegral:
			add(*f.FeatureName, parquet.Int(64))
		case awsapi.FeatureTypeFractional:
			add(*f.FeatureName, parquet.Leaf(parquet.DoubleType))
		default:
			add(*f.FeatureName, parquet.String())
		}
	}
	add("write_time", parquet.Timestamp(parquet.Microsecond))
	add("api_invocation_time", parquet.Timestamp(parquet.Microsecond))
	add("is_deleted", parquet.Leaf(parquet.BooleanType))
	return parquet.NewSchema("feature_group", ordered{cols, names}), names
}

// rowsAtOnce bounds the rows that are encoded at a time.
const rowsAtOnce = 1024

// writeParquet writes rows as one file.
func writeParquet(w io.Writer, g *group, rows []logged) error {
	schema, names := schemaOf(g)
	place := map[string]int{} // of a column among the leaves
	for i, path := range schema.Columns() {
		place[path[0]] = i
	}
	file := parquet.NewWriter(w, schema)
	batch := make([]parquet.Row, 0, rowsAtOnce)
	for i, r := range rows {
		row := make(parquet.Row, len(names))
		set := func(name string, v parquet.Value) {
			definition := 1
			if v.IsNull() {
				definition = 0
			}
			row[place[name]] = v.Level(0, definition, place[name])
		}
		for _, f := range g.Features {
			v, err := valueOf(f, r.values)
			if err != nil {
				return err
			}
			set(*f.FeatureName, v)
		}
		set("write_time", parquet.Int64Value(r.written))
		set("api_invocation_time", parquet.Int64Value(r.written))
		set("is_deleted", parquet.BooleanValue(r.deleted))
		if batch = append(batch, row); len(batch) == rowsAtOnce || i == len(rows)-1 {
			if _, err := file.WriteRows(batch); err != nil {
				return fmt.Errorf("write parquet: %w", err)
			}
			batch = batch[:0]
		}
	}
	return file.Close()
}

// valueOf is the value of a feature, null where the record has none. Values were checked when they came in.
func valueOf(f awsapi.FeatureDefinition, values map[string]string) (parquet.Value, error) {
	text, has := values[*f.FeatureName]
	if !has {
		return parquet.NullValue(), nil
	}
	switch awsapi.Val(f.FeatureType) {
	case awsapi.FeatureTypeIntegral:
		n, err := strconv.ParseInt(text, 10, 64)
		return parquet.Int64Value(n), err
	case awsapi.FeatureTypeFractional:
		x, err := strconv.ParseFloat(text, 64)
		return parquet.DoubleValue(x), err
	}
	return parquet.ByteArrayValue([]byte(text)), nil
}
