package footer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/internal/forge"
)

type row struct {
	Name string            `parquet:"name"`
	List []int64           `parquet:"list,list"`
	Map  map[string]string `parquet:"map"`
	Flag *bool             `parquet:"flag"`
}

func sample(t testing.TB) []byte {
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[row](&buf, parquet.KeyValueMetadata("a", "b"), parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("name"))))
	for range 3 {
		if _, err := w.Write([]row{{Name: "a", List: []int64{1, 2}, Map: map[string]string{"k": "v"}}, {Name: "b"}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func check(b []byte) error { return Check(bytes.NewReader(b), int64(len(b))) }

func TestFooters(t *testing.T) {
	whole := sample(t)
	if err := check(whole); err != nil {
		t.Fatal(err)
	}
	file := func(footer ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32(append([]byte("PAR1"), footer...), uint32(len(footer))), "PAR1"...)
	}
	longer := bytes.Clone(whole)
	longer[len(longer)-5] = 1
	for name, b := range map[string][]byte{
		"no file":                  whole[:7],
		"a footer beyond the file": longer,
		"an empty footer":          file(),
		"a list beyond the footer": file(0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f, 0),
		"a text beyond the footer": file(0x18, 0xff, 0xff, 0x7f, 0),
		"a map beyond the footer":  file(0x1b, 0xff, 0x7f, 0x88, 0),
		"an unknown type":          file(0x1f, 0),
		"deep":                     file(append(bytes.Repeat([]byte{0x1c}, 100), make([]byte, 101)...)...),
	} {
		if err := check(b); err == nil {
			t.Errorf("%s is let through", name)
		}
	}
}

// FuzzCheck overwrites a footer: what is let through, the library reads without
// asking for more than there can be.
func FuzzCheck(f *testing.F) {
	whole := sample(f)
	f.Add(uint16(20), []byte{0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, fromEnd uint16, damage []byte) {
		b := forge.Overwrite(whole, fromEnd, damage)
		if check(b) != nil {
			return
		}
		forge.Within(t, 16<<20, func() {
			defer func() { _ = recover() }() // whoever opens files does so
			_, _ = parquet.OpenFile(bytes.NewReader(b), int64(len(b)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		})
	})
}
