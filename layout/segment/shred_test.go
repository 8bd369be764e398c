package segment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
)

// naive returns the JSON text at a path, "" for none, by going down one name
// after another.
func naive(doc string, names []string) string {
	if len(names) == 0 {
		return doc
	}
	dec := jsontext.NewDecoder(strings.NewReader(doc), jsontext.AllowDuplicateNames(true))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return ""
	}
	found := ""
	for dec.PeekKind() == '"' {
		name, _ := dec.ReadToken()
		is := name.String() == names[0]
		if v, err := dec.ReadValue(); err == nil && is {
			found = string(v)
		}
	}
	if found == "" {
		return ""
	}
	return naive(found, names[1:])
}

// held is what a column must hold of a JSON text: nil for null.
func held(raw string, t FieldType, want *FieldInfo) any {
	if raw == "" {
		return nil
	}
	if raw == "null" {
		want.Nulls++
		return nil
	}
	var v any
	switch {
	case t == Boolean && (raw == "true" || raw == "false"):
		v = raw == "true"
	case t == String && raw[0] == '"':
		var s string
		if json.Unmarshal([]byte(raw), &s) == nil && len(s) <= MaxFieldText {
			v = s
			want.Length += int64(len(s))
		}
	case (t == Int64 || t == Double) && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'):
		v = heldNumber(raw, t, want)
	}
	if v == nil {
		want.Residual++
		return nil
	}
	want.Values++
	return v
}

func heldNumber(raw string, t FieldType, want *FieldInfo) any {
	n, err := strconv.ParseInt(raw, 10, 64)
	f, ferr := strconv.ParseFloat(raw, 64)
	whole := err == nil
	if !whole && ferr == nil && f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		n, whole = int64(f), true
	}
	switch {
	case t == Int64 && whole:
		addTo(&want.Ints, n)
		return n
	case t == Int64 || ferr != nil && !whole:
		return nil
	case whole:
		if f = float64(n); f >= 1<<63 || int64(f) != n {
			return nil
		}
	default:
		if string(jsontext.Float(f).String()) != raw {
			want.Respelled++
		}
	}
	f += 0 // no negative zero
	addTo(&want.Floats, f)
	return f
}

// at returns a row of an array as held does.
func at(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.Boolean:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Dictionary:
		return a.Dictionary().(*array.String).Value(a.GetValueIndex(i))
	}
	panic(fmt.Sprintf("%T", a))
}

// randomJSON returns any JSON, with few names, so that paths meet.
func randomJSON(rng *rand.Rand, depth int) string {
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	space := func() string { return pick("", "", "", " ", "\n\t") }
	n := rng.IntN(10)
	if depth > 4 && n >= 7 {
		n = rng.IntN(7)
	}
	switch {
	case n == 0:
		return pick("null", "true", "false")
	case n < 3:
		return pick("0", "-0", "1", "1.0", "1e0", "-7", "9007199254740993", "9223372036854775807", "-9223372036854775808",
			"9223372036854775808", "12345678901234567890", "2.5", "2.50", "25E-1", "0.1000000000000000055", "1e-7", "1e-07", "1e400", "-0.0", "1e21", "0.000001", "0.0000012", strconv.FormatFloat(rng.NormFloat64(), 'g', -1, 64), strconv.Itoa(rng.Int()))
	case n < 5:
		return pick(`""`, `"x"`, `"a\"b\\"`, `"\u00e9\ud83d\ude00"`, `"é"`, `"\\\\"`, `"`+strings.Repeat("long", 300)+`"`, `"`+strconv.Itoa(rng.IntN(1000))+`"`)
	case n == 5:
		return "[" + space() + "]"
	case n == 6:
		return "[" + randomJSON(rng, depth+1) + "," + space() + randomJSON(rng, depth+1) + "]"
	}
	var members []string
	for range rng.IntN(5) {
		name := pick(`"a"`, `"b"`, `"c"`, `"\u0061"`, `"0"`, `""`, `"a.b"`, `"Größe"`, `"A"`, `"d\n"`)
		members = append(members, space()+name+space()+":"+space()+randomJSON(rng, depth+1)+space())
	}
	return "{" + space() + strings.Join(members, ",") + space() + "}"
}

// randomDocs returns events of random JSON in sorted order.
func randomDocs(rng *rand.Rand, n int) []event.Event {
	events := randomEvents(rng, n, 1)
	for i := range events {
		events[i].Payload = []byte(randomJSON(rng, 0))
		events[i].Metadata = []byte("{\"m\":" + randomJSON(rng, 2) + "}")
	}
	return events
}

// everyPlan returns plans whose fields are of every type, nested in each other's
// ways, with and without filters.
func everyPlan() []Plan {
	var out []Plan
	for t := Int64; t <= String; t++ {
		for _, paths := range [][]string{
			{"metadata.m", "payload.a", "payload.b.a", "payload.b.b"},
			{"metadata.m.a", "payload.a.a.a", "payload.a.b", "payload.Größe", "payload.c"},
		} {
			p := Plan{IDBits: 10}
			if t != Double {
				p.Dictionaries = Set(choices[:]...)
			}
			for i, path := range paths {
				f := Field{Path: path, Type: t}
				if t == String {
					f.FilterBits = i * 5
				}
				p.Fields = append(p.Fields, f)
			}
			out = append(out, p)
		}
	}
	return out
}

func openData(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkFields compares the columns of a file's fields, and what its footer says
// of them, with the JSON of its events.
func checkFields(t *testing.T, f *File, events []event.Event) {
	t.Helper()
	for _, info := range f.Fields() {
		want := FieldInfo{Field: info.Field, texts: info.texts}
		row := 0
		for _, g := range f.Groups() {
			b, err := g.ReadFields(0, []string{info.Path})
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Rows() {
				e := &events[row]
				doc, names := e.Payload, info.Names()
				if names[0] == "metadata" {
					doc = e.Metadata
				}
				raw := naive(string(doc), names[1:])
				if got, v := at(b.Field(info.Path), i), held(raw, info.Type, &want); got != v {
					t.Fatalf("row %d, %s as %s of %s: %#v, want %#v", row, info.Path, info.Type, doc, got, v)
				}
				row++
			}
		}
		if row != len(events) {
			t.Fatalf("%d rows, want %d", row, len(events))
		}
		if !reflect.DeepEqual(info, want) {
			t.Fatalf("the footer says %+v %+v %+v\nof what is     %+v %+v %+v", info, info.Ints, info.Floats, want, want.Ints, want.Floats)
		}
	}
}

func TestFieldsHoldWhatTheirPathsLeadTo(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	events := randomDocs(rng, 1000)
	for _, p := range everyPlan() {
		f := openData(t, writeData(t, events, p))
		if len(f.Fields()) != len(p.Fields) {
			t.Fatalf("%d fields of %d", len(f.Fields()), len(p.Fields))
		}
		checkFields(t, f, events)
		for i, e := range readAll(t, f, 3) {
			if !reflect.DeepEqual(e, events[i]) {
				t.Fatalf("row %d: %+v is not %+v", i, e, events[i])
			}
		}
	}
}

// Documents of all shapes, each one alone and after another one, whose traces it
// must not show.
func FuzzShred(f *testing.F) {
	f.Add(`{"a":{"b":1},"a":{"c":2}}`, `{"b":{"a":"x"}}`)
	f.Add(`{"a":{"a":{"a":1}},"a":[],"\u0061":{"b":"\u0000"}}`, `[{"a":1}]`)
	f.Add(` {"b" : {"a" : 1.0 , "b":-0.0e5}} `, `"\\\"}"`)
	f.Add(`{"z":1,"a":1,"y":2}`, `{"a":true,"z":{"a":1},"y":{"a":1}}`)
	plans := everyPlan()
	f.Fuzz(func(t *testing.T, docs1, docs2 string) {
		shredders := make([]*shredder, len(plans))
		for i := range plans {
			shredders[i] = newShredder(&plans[i], dataSchema(&plans[i]))
		}
		for row, doc := range []string{docs1, docs2, docs1} {
			valid := jsontext.Value(doc).IsValid(jsontext.AllowDuplicateNames(true))
			e := event.Event{Payload: []byte(doc), Metadata: []byte(`{"m":` + doc + `}`)}
			for i, s := range shredders {
				if s.shred(row, &e); valid {
					checkShredded(t, plans[i].Fields, s, row, &e)
				}
			}
		}
	})
}

// checkShredded compares a row of a chunk with the JSON of its event.
func checkShredded(t *testing.T, fields []Field, s *shredder, row int, e *event.Event) {
	t.Helper()
	for i, f := range fields {
		var got any
		if v := s.fields[i].rows[row]; !v.IsNull() {
			switch f.Type {
			case Int64:
				got = v.Int64()
			case Double:
				got = v.Double()
			case Boolean:
				got = v.Boolean()
			case String:
				got = string(v.ByteArray())
			}
		}
		doc, names := e.Payload, f.Names()
		if names[0] == "metadata" {
			doc = e.Metadata
		}
		if want := held(naive(strings.TrimSpace(string(doc)), names[1:]), f.Type, &FieldInfo{}); got != want {
			t.Fatalf("%s as %s of %s: %#v, want %#v", f.Path, f.Type, doc, got, want)
		}
	}
}

// What is no JSON counts against every field, so that whoever needs one reads
// the JSON, and finds it.
func TestUnreadableDocumentsAreResidual(t *testing.T) {
	for _, doc := range []string{`{"a":`, `{"a" 1}`, `{"a":1`, `{"a`, `{"a":"x`, `nonsense{`, `{"a":[}`, `{`, ` `} {
		events := []event.Event{{Stream: "s", Type: "t", Sequence: 1, Payload: []byte(doc), Metadata: []byte("{}")}}
		p := Plan{Fields: []Field{{Path: "payload.a", Type: Int64}, {Path: "payload.b.c", Type: String}}}
		f := openData(t, writeData(t, events, p))
		for _, info := range f.Fields() {
			if info.Residual == 0 && doc != `nonsense{` {
				t.Errorf("%s: %+v", doc, info)
			}
		}
	}
}

func TestNumbersAreSpelled(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	check := func(raw string) {
		t.Helper()
		n := readNumber([]byte(raw))
		if n.whole || n.overflow {
			return
		}
		if got, want := spelled([]byte(raw), n.f), jsontext.Float(n.f).String() == raw; got != want {
			t.Fatalf("spelled(%s) = %t", raw, got)
		}
	}
	for range 30_000 {
		digits := strconv.FormatUint(rng.Uint64()>>rng.IntN(64), 10)
		at := rng.IntN(len(digits) + 1)
		lead, rest := digits[:at], digits[at:]
		if lead == "" {
			lead = "0"
			rest = strings.Repeat("0", rng.IntN(9)) + rest
		}
		raw := []string{"", "-"}[rng.IntN(2)] + lead
		if rest != "" {
			raw += "." + rest
		}
		check(raw)
		check(raw + "e" + strconv.Itoa(rng.IntN(40)-20))
	}
}

func TestSketchIsCloseEnough(t *testing.T) {
	for _, n := range []int{1, 3, 10, 100, 1000, 100_000} {
		var a, b sketch
		for i := range n {
			for range 3 {
				a.add(fmt.Append(nil, "value ", i))
			}
			b.add(fmt.Append(nil, "value ", i+n/2))
		}
		if got := float64(a.estimate()); got < 0.6*float64(n) || got > 1.5*float64(n) {
			t.Errorf("%v of %d", got, n)
		}
		a.merge(&b)
		if got, want := float64(a.estimate()), 1.5*float64(n); got < 0.6*want || got > 1.6*want {
			t.Errorf("merged: %v of %v", got, want)
		}
	}
}

func TestFooterOfFields(t *testing.T) {
	in := []FieldInfo{
		{Field: Field{"payload.a", Int64, 0}, Values: 3, Nulls: 1, Residual: 2, Ints: &Totals[int64]{Min: math.MinInt64, Max: math.MaxInt64, NoSum: true}},
		{Field: Field{"payload.b", Double, 0}, Values: 3, Respelled: 1, Floats: &Totals[float64]{Min: -1e-300, Max: math.MaxFloat64, Sum: 0.1}},
		{Field: Field{"payload.\"é\" c", String, 7}, Values: 3, Length: 9, texts: sketch{1, 2, 63: 7}},
		{Field: Field{"payload.d", Boolean, 0}},
	}
	text, err := encodeFields(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := decodeFields(text)
	if err != nil || !reflect.DeepEqual(in, out) {
		t.Fatalf("%s: %+v, %v", text, out, err)
	}
	for _, bad := range []string{`{`, `[{"path":"payload.a","type":"int96","values":1}]`, `[{"path":"a","type":"int64","min":"x"}]`, `[{"path":"a","type":"double","min":1,"max":1e999}]`} {
		if _, err := decodeFields(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
