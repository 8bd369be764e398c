package querier

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
)

// kind is what a value is. A number is whole where it is an integer within
// int64 however it was written, and broken otherwise, so that each number has
// one form.
type kind uint8

const (
	missing kind = iota
	null
	boolean
	whole
	broken
	text
	moment // a timestamp column's; never compared with other kinds
	array
	object
)

// Value is a value of a field, or one that a condition asks for. The zero Value
// is that of a field that an event does not have.
type Value struct {
	kind kind
	n    int64  // whole, moment, boolean; the bits of broken
	s    string // text; the JSON text of broken, array and object, "" if none is known
}

// Text returns a string value.
func Text(s string) Value { return Value{kind: text, s: s} }

// Number returns a whole number.
func Number(n int64) Value { return Value{kind: whole, n: n} }

// Null returns JSON's null.
func Null() Value { return Value{kind: null} }

// Bool returns a boolean.
func Bool(b bool) Value {
	if b {
		return Value{kind: boolean, n: 1}
	}
	return Value{kind: boolean}
}

func timeValue(m event.Micros) Value { return Value{kind: moment, n: int64(m)} }

// parseValue reads valid JSON text without white space around it. The value
// shares the text's memory where it can; "" is the missing value.
func parseValue(raw string) Value {
	if raw == "" {
		return Value{}
	}
	switch raw[0] {
	case 'n':
		return Null()
	case 't', 'f':
		return Bool(raw[0] == 't')
	case '"':
		return Text(unquote(raw))
	case '[':
		return Value{kind: array, s: raw}
	case '{':
		return Value{kind: object, s: raw}
	}
	return parseNumber(raw)
}

// unquote returns the string that a JSON string stands for.
func unquote(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	b, _ := jsontext.AppendUnquote(nil, raw) // raw is valid
	return string(b)
}

func parseNumber(raw string) Value {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return Number(n)
	}
	f, _ := strconv.ParseFloat(raw, 64) // out of range gives an infinity
	v := floatValue(f)
	if v.kind == broken {
		v.s = raw
	}
	return v
}

// floatValue returns f as a number; what float64 cannot hold as its largest.
func floatValue(f float64) Value {
	f = max(-math.MaxFloat64, min(f, math.MaxFloat64))
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return Number(int64(f))
	}
	return Value{kind: broken, n: int64(math.Float64bits(f))}
}

// broken returns the number of a broken value.
func (v *Value) broken() float64 { return math.Float64frombits(uint64(v.n)) }

// rank orders values of different types. Values compare by rank first.
func (v *Value) rank() int {
	switch v.kind {
	case broken:
		return int(whole)
	default:
		return int(v.kind)
	}
}

// ordered reports whether a and b are of one type that gt and its like compare.
func ordered(a, b *Value) bool {
	return a.rank() == b.rank() && a.kind >= whole && a.kind <= moment
}

// compare orders all values: by type, then by value. Missing comes first; who
// wants it last looks for it before.
func compare(a, b *Value) int {
	if c := cmp.Compare(a.rank(), b.rank()); c != 0 {
		return c
	}
	switch a.kind {
	case whole, broken:
		return compareNumbers(a, b)
	case boolean, moment:
		return cmp.Compare(a.n, b.n)
	case text, array, object:
		return strings.Compare(a.s, b.s)
	}
	return 0
}

// compareNumbers compares without loss. A broken number is no integer within
// int64: it lies below 2^53, where rounding the whole one cannot reach it, or
// beyond int64.
func compareNumbers(a, b *Value) int {
	switch {
	case a.kind == whole && b.kind == whole:
		return cmp.Compare(a.n, b.n)
	case a.kind == broken && b.kind == broken:
		return cmp.Compare(a.broken(), b.broken())
	case a.kind == broken:
		return -compareNumbers(b, a)
	case b.broken() >= 1<<63: // where the largest int64 would be rounded up to
		return -1
	}
	return cmp.Compare(float64(a.n), b.broken())
}

// scalar reports whether v is null, a boolean, a number or a string.
func (v *Value) scalar() bool { return v.kind >= null && v.kind <= text }

// compacted returns an array or object without white space, so that what
// differs only in it is the same group and the same place in an order.
func (v Value) compacted() Value {
	if v.kind == array || v.kind == object {
		raw := jsontext.Value(v.s)
		if raw.Compact(jsontext.AllowDuplicateNames(true)) == nil {
			v.s = string(raw)
		}
	}
	return v
}

// clone returns v without any tie to the memory of a row group.
func (v Value) clone() Value {
	v.s = strings.Clone(v.s)
	return v
}

// size is about what a kept value takes in memory, in bytes.
func (v *Value) size() int { return 40 + len(v.s) }

// appendJSON appends v as JSON; null for the missing value.
func (v *Value) appendJSON(b []byte) []byte {
	switch v.kind {
	case boolean:
		return strconv.AppendBool(b, v.n != 0)
	case whole:
		return strconv.AppendInt(b, v.n, 10)
	case broken:
		if v.s == "" {
			return append(b, jsontext.Float(v.broken()).String()...)
		}
		return append(b, v.s...)
	case text:
		return appendQuoted(b, v.s)
	case moment:
		return appendTime(b, event.Micros(v.n))
	case array, object:
		return append(b, v.s...)
	}
	return append(b, "null"...)
}

// appendKey appends a form that is the same for equal values only and tells
// where it ends.
func (v *Value) appendKey(b []byte) []byte {
	b = append(b, byte(v.rank()), byte(v.kind))
	switch v.kind {
	case boolean, whole, broken, moment:
		return appendUint64(b, uint64(v.n))
	case text, array, object:
		return append(appendUint64(b, uint64(len(v.s))), v.s...)
	}
	return b
}

func appendUint64(b []byte, n uint64) []byte {
	for range 8 {
		b = append(b, byte(n))
		n >>= 8
	}
	return b
}

// appendQuoted appends s as a JSON string; what is no UTF-8 becomes U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendTime(b []byte, m event.Micros) []byte {
	b = append(b, '"')
	b = m.Time().AppendFormat(b, "2006-01-02T15:04:05.999999999Z07:00")
	return append(b, '"')
}
