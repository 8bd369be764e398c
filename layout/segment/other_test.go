package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/firnlog/firn/layout/event"
)

// The files are open: another implementation of Parquet reads the same rows,
// with the logical types that we mean.
func TestAnotherImplementationReadsTheSame(t *testing.T) {
	events := randomEvents(rand.New(rand.NewPCG(9, 9)), 5000, 100)
	slices.SortFunc(events, func(a, b event.Event) int { return bytes.Compare([]byte(a.Stream), []byte(b.Stream)) })
	commit, err := Encode(events, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	w := NewWriter(&data, true, nil)
	if err := w.Write(events); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"commit": commit, "data file": data.Bytes()} {
		r, err := file.NewParquetReader(bytes.NewReader(body), file.WithReadProps(parquet.NewReaderProperties(memory.DefaultAllocator)))
		if err != nil {
			t.Fatal(err)
		}
		ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		table, err := ar.ReadTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if table.NumRows() != int64(len(events)) {
			t.Fatalf("%s: %d rows", name, table.NumRows())
		}
		for c, typ := range []string{"utf8", "utf8", "int64", "int64", "int32", "timestamp[us, tz=UTC]", "timestamp[us, tz=UTC]", "utf8", "list<element: utf8>", "", ""} {
			if got := table.Schema().Field(c).Type.String(); typ != "" && got != typ {
				t.Errorf("%s: column %s is %s, not %s", name, Column(c), got, typ)
			}
		}
		records := array.NewTableReader(table, 0)
		row := 0
		for records.Next() {
			rec := records.RecordBatch()
			for i := range int(rec.NumRows()) {
				e := events[row]
				for c, want := range map[Column]string{Stream: e.Stream, Type: e.Type, Sequence: fmt.Sprint(e.Sequence), Payload: string(e.Payload), Metadata: string(e.Metadata)} {
					if got := text(rec.Column(int(c)), i); got != want {
						t.Fatalf("%s, row %d: %s is %q, not %q", name, row, c, got, want)
					}
				}
				if id := rec.Column(int(ID)); id.IsNull(i) != (e.ID == "") || !id.IsNull(i) && id.ValueStr(i) != e.ID {
					t.Fatalf("%s, row %d: id %q", name, row, id.ValueStr(i))
				}
				row++
			}
		}
	}
}

// Fields are structs of typed columns, by the names in their paths.
func TestAnotherImplementationReadsTheFields(t *testing.T) {
	events := randomDocs(rand.New(rand.NewPCG(5, 9)), 2000)
	for _, p := range everyPlan() {
		data := writeData(t, events, p)
		r, err := file.NewParquetReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		table, err := ar.ReadTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		own, err := openData(t, data).Groups()[0].ReadFields(0, paths(p))
		if err != nil {
			t.Fatal(err)
		}
		at0 := table.Schema().FieldIndices(fieldsName)[0]
		for _, f := range p.Fields {
			a := table.Column(at0).Data().Chunk(0)
			for _, name := range f.Names() {
				s := a.(*array.Struct)
				i, ok := s.DataType().(*arrow.StructType).FieldIdx(name)
				if !ok {
					t.Fatalf("%s: no %s in %s", f.Path, name, s.DataType())
				}
				a = s.Field(i)
			}
			for i := range events {
				if got, want := at(a, i), at(own.Field(f.Path), i); got != want {
					t.Fatalf("row %d, %s: %v, want %v", i, f.Path, got, want)
				}
			}
		}
	}
}

func paths(p Plan) []string {
	var out []string
	for _, f := range p.Fields {
		out = append(out, f.Path)
	}
	return out
}

// text returns a value as text; arrays of bytes would print as base64.
func text(a arrow.Array, i int) string {
	if b, ok := a.(*array.Binary); ok {
		return b.ValueString(i)
	}
	return a.ValueStr(i)
}

// FuzzDamage overwrites bytes of a data file's pages, which only their own
// checksums guard, and of a commit, which its seal guards. Whatever is written
// there, what is read is right or an error.
func FuzzDamage(f *testing.F) {
	events, data := mixed(f, 40)
	whole := openData(f, data)
	before, err := whole.Groups()[0].ReadFields(0, mixedPaths)
	if err != nil {
		f.Fatal(err)
	}
	commit, err := Encode(events, 0, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(4), []byte{0xff})
	f.Add(uint16(200), []byte{0x15, 0x80, 0x80, 0x80, 0x80, 0x0f})
	f.Fuzz(func(t *testing.T, at uint16, damage []byte) {
		broken := bytes.Clone(commit)
		copy(broken[int(at)%len(broken):], damage)
		if _, err := Decode(broken); (err == nil) != bytes.Equal(broken, commit) {
			t.Fatalf("a damaged commit: %v", err)
		}
		broken = bytes.Clone(data)
		copy(broken[int64(at)%whole.End():whole.End()], damage)
		file, err := Open(bytes.NewReader(broken), int64(len(broken)))
		if err != nil {
			t.Fatalf("the file's end did not change: %v", err)
		}
		rows := Rows{{int(at) % 40, 40}}
		if b, err := file.Groups()[0].ReadRows(rows, AllColumns, mixedPaths); err == nil {
			unchanged(t, b, rows[0].From, events, before)
		}
		if b, err := file.Groups()[0].ReadFields(AllColumns, mixedPaths); err == nil {
			unchanged(t, b, 0, events, before)
		}
		for i := range events {
			if may, err := file.Groups()[0].MayHold(Stream, events[i].Stream); !may && err == nil {
				t.Fatalf("the stream of row %d silently went", i)
			}
		}
	})
}

// unchanged compares a batch, which begins with a row, with the events and
// fields that were written.
func unchanged(t *testing.T, b *Batch, first int, events []event.Event, before *Batch) {
	t.Helper()
	for i := range b.Rows() {
		if got := b.Event(i, 3); !reflect.DeepEqual(got, events[first+i]) {
			t.Fatalf("row %d silently became %+v", first+i, got)
		}
		for _, path := range mixedPaths {
			if got, want := at(b.Field(path), i), at(before.Field(path), first+i); got != want {
				t.Fatalf("%s of row %d silently became %v", path, first+i, got)
			}
		}
	}
}
