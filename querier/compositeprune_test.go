package querier

import (
	"fmt"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

// TestCompositePruning pins what is scanned of three pages of a row group, which has
// the streams in their order, each in its own.
func TestCompositePruning(t *testing.T) {
	events := manyEvents(24_000)
	m := &memory{id: "log", hidden: event.MinTime, now: 99, shred: true}
	m.addFile(t, events, len(events))
	plain := &memory{id: "log", hidden: event.MinTime, now: 99}
	plain.addFile(t, events, 1_000)
	const page = 8_192
	low := `{"field":"stream_id","operator":"lt","value":"s050"}`
	high := `{"field":"stream_id","operator":"gte","value":"s250"}`
	begins := `{"field":"stream_id","operator":"startsWith","value":"s29"}`
	number := `{"field":"payload.n","operator":"gte","value":0}` // of all events
	other := `{"field":"payload.text","operator":"endsWith","value":"column "}`
	for _, c := range []struct {
		where   string
		scanned int64 // at most
	}{
		{`{"or":[` + low + `,` + begins + `]}`, 2 * page},
		{`{"and":[` + other + `,` + begins + `]}`, page},
		{`{"or":[` + low + `,` + other + `]}`, 3 * page},
		{`{"not":` + low + `}`, 3 * page},
		{`{"not":{"field":"stream_id","operator":"gte","value":"s050"}}`, page},
		{`{"not":{"or":[` + low + `,{"field":"stream_id","operator":"lt","value":"s250"}]}}`, page},
		{`{"not":{"and":[{"not":` + low + `},` + other + `]}}`, 3 * page},
		{`{"or":[{"not":` + number + `},` + high + `]}`, page},
		{`{"not":` + number + `}`, 0},
		{`{"not":{"not":` + begins + `}}`, page},
	} {
		query := fmt.Sprintf(fromLog+`"where":[%s],"reduce":{"type":"countDistinct","field":"id"}}`, c.where)
		got, want := m.run(t, query), plain.run(t, query)
		if answer(got) != answer(want) {
			t.Errorf("%s: %s, want %s", c.where, answer(got), answer(want))
		}
		if got.Stats.RowsScanned > c.scanned {
			t.Errorf("%s: %d rows are scanned, at most %d would do", c.where, got.Stats.RowsScanned, c.scanned)
		}
	}
}
