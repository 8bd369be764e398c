package querier

import (
	"errors"
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	bins "github.com/DataDog/sketches-go/ddsketch/store"
	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/event"
)

func (*count) form() arrow.DataType     { return arrow.PrimitiveTypes.Int64 }
func (c *count) write(b arrays.Builder) { b.(*arrays.Int64Builder).Append(int64(*c)) }

func (c *count) read(a arrow.Array, row int) (int, error) {
	*c = count(a.(*arrays.Int64).Value(row))
	return 0, nil
}

// form is that of the avg, too, which is a sum.
func (*sum) form() arrow.DataType {
	return arrow.StructOf(arrow.Field{Name: "high", Type: arrow.PrimitiveTypes.Uint64}, arrow.Field{Name: "low", Type: arrow.PrimitiveTypes.Uint64},
		arrow.Field{Name: "floats", Type: arrow.PrimitiveTypes.Float64}, arrow.Field{Name: "lost", Type: arrow.PrimitiveTypes.Float64},
		arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "breaks", Type: arrow.FixedWidthTypes.Boolean})
}

func (s *sum) write(b arrays.Builder) {
	sb := b.(*arrays.StructBuilder)
	sb.Append(true)
	sb.FieldBuilder(0).(*arrays.Uint64Builder).Append(s.hi)
	sb.FieldBuilder(1).(*arrays.Uint64Builder).Append(s.lo)
	sb.FieldBuilder(2).(*arrays.Float64Builder).Append(s.f)
	sb.FieldBuilder(3).(*arrays.Float64Builder).Append(s.lost)
	sb.FieldBuilder(4).(*arrays.Int64Builder).Append(s.n)
	sb.FieldBuilder(5).(*arrays.BooleanBuilder).Append(s.breaks)
}

func (s *sum) read(a arrow.Array, row int) (int, error) {
	sa := a.(*arrays.Struct)
	float := func(i int) float64 {
		f := sa.Field(i).(*arrays.Float64).Value(row)
		if math.IsNaN(f) {
			return 0
		}
		return finite(f)
	}
	*s = sum{hi: sa.Field(0).(*arrays.Uint64).Value(row), lo: sa.Field(1).(*arrays.Uint64).Value(row), f: float(2), lost: float(3),
		n: sa.Field(4).(*arrays.Int64).Value(row), breaks: sa.Field(5).(*arrays.Boolean).Value(row)}
	return 0, nil
}

func (*extreme) form() arrow.DataType     { return arrow.BinaryTypes.Binary }
func (x *extreme) write(b arrays.Builder) { writeValue(b, &x.best) }

func (x *extreme) read(a arrow.Array, row int) (size int, err error) {
	x.best, err = readValue(a, row)
	return len(x.best.s), err
}

func (*edge) form() arrow.DataType {
	return arrow.StructOf(append([]arrow.Field{{Name: "value", Type: arrow.BinaryTypes.Binary},
		{Name: "time", Type: arrow.PrimitiveTypes.Int64}}, placeFields...)...)
}

func (e *edge) write(b arrays.Builder) {
	sb := b.(*arrays.StructBuilder)
	sb.Append(true)
	writeValue(sb.FieldBuilder(0), &e.value)
	sb.FieldBuilder(1).(*arrays.Int64Builder).Append(int64(e.at.time))
	writePlace(sb, 2, e.at.place)
}

func (e *edge) read(a arrow.Array, row int) (size int, err error) {
	sa := a.(*arrays.Struct)
	e.at = origin{event.Micros(sa.Field(1).(*arrays.Int64).Value(row)), readPlace(sa, 2, row)}
	e.value, err = readValue(sa.Field(0), row)
	return len(e.value.s), err
}

func (*collect) form() arrow.DataType {
	return arrow.ListOf(arrow.StructOf(append([]arrow.Field{{Name: "value", Type: arrow.BinaryTypes.Binary}}, placeFields...)...))
}

func (c *collect) write(b arrays.Builder) {
	lb := b.(*arrays.ListBuilder)
	lb.Append(true)
	sb := lb.ValueBuilder().(*arrays.StructBuilder)
	for i := range c.values {
		sb.Append(true)
		writeValue(sb.FieldBuilder(0), &c.values[i].value)
		writePlace(sb, 1, c.values[i].place)
	}
}

func (c *collect) read(a arrow.Array, row int) (size int, err error) {
	la := a.(*arrays.List)
	sa := la.ListValues().(*arrays.Struct)
	from, to := la.ValueOffsets(row)
	for i := int(from); i < int(to); i++ {
		v, err := readValue(sa.Field(0), i)
		if err != nil {
			return size, err
		}
		size += c.add(&v, origin{place: readPlace(sa, 1, i)})
	}
	return size, nil
}

func (*frequent) form() arrow.DataType {
	return arrow.ListOf(arrow.StructOf(arrow.Field{Name: "value", Type: arrow.BinaryTypes.Binary}, arrow.Field{Name: "count", Type: arrow.PrimitiveTypes.Int64}))
}

func (f *frequent) write(b arrays.Builder) {
	lb := b.(*arrays.ListBuilder)
	lb.Append(true)
	sb := lb.ValueBuilder().(*arrays.StructBuilder)
	for _, t := range f.counts {
		sb.Append(true)
		writeValue(sb.FieldBuilder(0), &t.value)
		sb.FieldBuilder(1).(*arrays.Int64Builder).Append(t.n)
	}
}

func (f *frequent) read(a arrow.Array, row int) (size int, err error) {
	la := a.(*arrays.List)
	sa := la.ListValues().(*arrays.Struct)
	from, to := la.ValueOffsets(row)
	for i := int(from); i < int(to); i++ {
		v, err := readValue(sa.Field(0), i)
		if err != nil {
			return size, err
		}
		size += f.add(&v, origin{})
		f.counts[string(v.appendKey(nil))].n = sa.Field(1).(*arrays.Int64).Value(i)
	}
	return size, nil
}

// form is that of a sketch's own text; none at all is no numbers.
func (*percentile) form() arrow.DataType { return arrow.BinaryTypes.Binary }

func (p *percentile) write(b arrays.Builder) {
	var text []byte
	if p.sketch != nil {
		p.sketch.Encode(&text, false)
	}
	b.(*arrays.BinaryBuilder).Append(text)
}

func (p *percentile) read(a arrow.Array, row int) (size int, err error) {
	text := a.(*arrays.Binary).Value(row)
	if len(text) == 0 {
		return 0, nil
	}
	p.sketch, err = ddsketch.DecodeDDSketch(text, bins.BufferedPaginatedStoreConstructor, nil)
	if err != nil {
		return 0, corruptPartial(err)
	}
	if !p.sketch.IndexMapping.Equals(sketchMapping) {
		return 0, corruptPartial(errors.New("a sketch is of another error"))
	}
	p.n = int(p.sketch.GetCount())
	return p.grown(true), nil
}
