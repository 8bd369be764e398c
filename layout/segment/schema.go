package segment

import (
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"github.com/firnlog/firn/layout/codec"
)

// fieldsName is the group that holds the columns of fields.
const fieldsName = "fields"

// dataSchema returns the schema of a data file. Fields and filters stand before the
// documents, so that what is searched lies together. Their groups are required
// and only the columns are optional: whether an object was there is a matter of
// the JSON.
func dataSchema(p *Plan) *parquet.Schema {
	fields, filters := parquet.Group{}, parquet.Group{}
	for _, f := range p.Fields {
		put(fields, &f, f.node())
	}
	for _, f := range p.Filters {
		put(filters, &f, parquet.Optional(parquet.Leaf(parquet.ByteArrayType)))
	}
	root := ordered{Node: commitSchema}
	for _, c := range commitSchema.Fields() {
		if c.Name() == Payload.String() {
			root.add(fieldsName, fields)
			root.add(filtersName, filters)
		}
		root.fields = append(root.fields, fitting(p.column(c)))
	}
	return parquet.NewSchema(commitSchema.Name(), root)
}

// put puts the column of a path into a group.
func put(g parquet.Group, f *Field, column parquet.Node) {
	names := f.Names()
	for _, name := range names[:len(names)-1] {
		if g[name] == nil {
			g[name] = parquet.Group{}
		}
		g = g[name].(parquet.Group)
	}
	g[names[len(names)-1]] = column
}

// column returns a column of commits as data files have it: with or without a
// dictionary, if that was to be chosen.
func (p *Plan) column(c parquet.Field) parquet.Field {
	for _, col := range choices {
		switch {
		case c.Name() != col.String():
		case p.Dictionaries.Has(col):
			return encoded(c, &parquet.RLEDictionary)
		case col == Metadata:
			return encoded(c, &parquet.Plain)
		}
	}
	return c
}

// fitting lets the columns that may be text, or much like it, be compressed as it
// pays.
func fitting(c parquet.Field) parquet.Field {
	if c.Name() != Stream.String() && c.Name() != Payload.String() {
		return c
	}
	return parquet.Group{c.Name(): parquet.Compressed(c, codec.Fitting())}.Fields()[0]
}

func encoded(c parquet.Field, e encoding.Encoding) parquet.Field {
	return parquet.Group{c.Name(): parquet.Encoded(c, e)}.Fields()[0]
}

// node returns the field's column in the schema.
func (f *Field) node() parquet.Node {
	switch f.Type {
	case Int64:
		return parquet.Optional(parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked))
	case Double:
		return parquet.Optional(parquet.Leaf(parquet.DoubleType))
	case Boolean:
		return parquet.Optional(parquet.Leaf(parquet.BooleanType))
	}
	if f.FilterBits > 0 {
		return parquet.Compressed(parquet.Optional(parquet.Encoded(parquet.String(), &parquet.Plain)), codec.Fitting())
	}
	return parquet.Optional(parquet.Encoded(parquet.String(), &parquet.RLEDictionary))
}

// ordered is a group whose members keep their order.
type ordered struct {
	parquet.Node
	fields []parquet.Field
}

// Fields implements [parquet.Node].
func (o ordered) Fields() []parquet.Field { return o.fields }

// add adds a group, if it has members.
func (o *ordered) add(name string, g parquet.Group) {
	if len(g) > 0 {
		o.fields = append(o.fields, parquet.Group{name: g}.Fields()...)
	}
}

// columnPath returns the names of the field's column in the schema.
func (f *Field) columnPath() []string { return append([]string{fieldsName}, f.Names()...) }

// leafOf returns the index of the leaf at a path, -1 where there is none.
func leafOf(s *parquet.Schema, path []string) int {
	if l, ok := s.Lookup(path...); ok {
		return l.ColumnIndex
	}
	return -1
}
