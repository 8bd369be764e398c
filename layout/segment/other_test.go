package segment

import (
	"bytes"
	"errors"
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
	commit, err := Encode(events, nil)
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
	events := randomEvents(rand.New(rand.NewPCG(1, 1)), 40, 2)
	var data bytes.Buffer
	w := NewWriter(&data, true, nil)
	if err := errors.Join(w.Write(events), w.Close()); err != nil {
		f.Fatal(err)
	}
	whole, err := Open(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		f.Fatal(err)
	}
	commit, err := Encode(events, nil)
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
		broken = bytes.Clone(data.Bytes())
		copy(broken[int64(at)%whole.End():whole.End()], damage)
		file, err := Open(bytes.NewReader(broken), int64(len(broken)))
		if err != nil {
			t.Fatalf("the file's end did not change: %v", err)
		}
		b, err := file.Groups()[0].Read(AllColumns)
		if err != nil {
			return
		}
		for i := range events {
			if got := b.Event(i, 3); !reflect.DeepEqual(got, events[i]) {
				t.Fatalf("row %d silently became %+v", i, got)
			}
		}
	})
}
