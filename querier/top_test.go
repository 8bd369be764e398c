package querier

import (
	"fmt"
	"testing"
)

// TestFirstOfManyRows takes small pages from row groups of many events, in
// which candidates are thinned out on the way.
func TestFirstOfManyRows(t *testing.T) {
	const rows = 5000
	m := numbered(t, rows, func(i int) string { return fmt.Sprintf(`{"n":%d}`, i*7919%rows) })
	for direction, first := range map[string]int{"asc": 0, "desc": rows - 1} {
		cursor, want := "", first
		for page := range 3 {
			res := m.run(t, fromLog+fmt.Sprintf(`"select":["n"],"limit":10,"cursor":%q,"orderBy":{"field":"n","direction":%q}}`, cursor, direction))
			for _, e := range res.Events {
				if string(e) != fmt.Sprintf(`{"payload":{"n":%d}}`, want) {
					t.Fatalf("%s, page %d: %s, want %d", direction, page, e, want)
				}
				want += map[string]int{"asc": 1, "desc": -1}[direction]
			}
			if cursor = res.Cursor; len(res.Events) != 10 || cursor == "" || res.Total != rows {
				t.Fatalf("%s, page %d: %d events of %d, cursor %q", direction, page, len(res.Events), res.Total, cursor)
			}
		}
	}
}
