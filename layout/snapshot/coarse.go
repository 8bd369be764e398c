package snapshot

import (
	"context"
	"slices"
	"strings"

	"github.com/firnlog/firn/layout"
)

// fineDays is how many of the newest days of a snapshot stay days: these change
// often, and queries ask for them.
const fineDays = 32

// levels are the lengths of the names of coarser entries: a month, a year, a
// decade, a century, a millennium.
var levels = [...]int{len("2006-01"), len("2006"), len("200"), len("20"), len("2")}

// coarsen makes entries of several days out of the oldest ones, until those that
// are left are few and small enough together. What their manifests hold goes into
// new ones.
func (t Table) coarsen(ctx context.Context, s *Snapshot) error {
	size := 0
	for _, d := range s.Days {
		size += t.entrySize(d)
	}
	for _, length := range levels {
		for from := 0; size > coarseBytes || len(s.Days) > maxDays; {
			var to int
			if from, to = sharing(s.Days, from, length); to == from || to > len(s.Days)-fineDays {
				break
			}
			var files []File
			for _, d := range s.Days[from:to] {
				more, err := t.Files(ctx, d)
				if err != nil {
					return err
				}
				files = append(files, more...)
				size -= t.entrySize(d)
				if d.Manifest != "" {
					s.Dropped = append(s.Dropped, d.Manifest)
				}
			}
			coarse := summary(s.Days[from].Day[:length], files)
			size += t.entrySize(coarse)
			s.Days = slices.Replace(s.Days, from, to, coarse)
			from++
		}
	}
	return nil
}

// entrySize returns the size of an entry whose files are in a manifest.
func (t Table) entrySize(d Day) int {
	d.Files, d.Manifest = nil, layout.NewManifest(t.Instance)
	return jsonSize(d)
}

// sharing returns the first entries from the given one on, all and at least two,
// whose names begin with the same so many letters; none if there are no such.
func sharing(days []Day, from, length int) (first, behind int) {
	for ; from < len(days); from = max(behind, from+1) {
		behind = from
		for behind < len(days) && len(days[behind].Day) > length && days[behind].Day[:length] == days[from].Day[:length] {
			behind++
		}
		if behind-from > 1 {
			return from, behind
		}
	}
	return from, from
}

// entryOf returns the name of the entry that files of a day belong in.
func entryOf(days []Day, day string) string {
	for _, d := range days {
		if strings.HasPrefix(day, d.Day) {
			return d.Day
		}
	}
	return day
}
