package segment

import (
	"bytes"
	"testing"

	"github.com/firnlog/firn/internal/forge"
	"github.com/firnlog/firn/layout/fault"
)

// FuzzForged overwrites the end of a data file, which the manifest's checksum
// guards, as if the manifest had been made to fit: all of it is read, or Corrupt, and no
// more is taken than there can be.
func FuzzForged(f *testing.F) {
	events, data := mixed(f, 40)
	end := uint16(int64(len(data)) - openData(f, data).End())
	f.Add(uint16(3), []byte{0xff})
	f.Add(uint16(900), []byte{0x16, 0x80, 0x80, 0x80, 0x80, 0x80, 0x0f})
	f.Fuzz(func(t *testing.T, fromEnd uint16, damage []byte) {
		forged := forge.Overwrite(data, fromEnd%end, damage)
		forge.Within(t, 64<<20, func() {
			if err := readForged(forged, events[7].Stream); err != nil && !fault.Is(err, fault.Corrupt) {
				t.Errorf("the error's kind is %v: %v", fault.KindOf(err), err)
			}
		})
	})
}

// readForged reads all that queries read of a data file.
func readForged(body []byte, stream string) error {
	file, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	var paths []string
	for _, f := range file.Fields() {
		paths = append(paths, f.Path)
	}
	for _, g := range file.Groups() {
		g.Stats(Stream)
		_, err1 := g.Pages(Stream)
		_, err2 := g.MayHold(Stream, stream)
		_, err3 := g.ReadRows(Rows{{3, 9}}, AllColumns, paths)
		_, err4 := g.ReadFields(AllColumns, paths)
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				return err
			}
		}
		for _, path := range paths {
			g.FieldStats(path)
			_, err1 := g.FieldPages(path)
			_, err2 := g.FieldMayHold(path, "x")
			_, _, err3 := g.RowsWith(path, []string{"x"})
			for _, err := range []error{err1, err2, err3} {
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}
