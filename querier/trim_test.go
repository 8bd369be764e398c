package querier

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

// TestFirstGroups compares the first groups in the order of an extreme with the
// reference, where parts of the events leave out the others and where they must not.
func TestFirstGroups(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 5))
	events := randomLog(rng, 900, 2)
	m := store(t, rng, events, 0.8, event.MinTime)
	for _, reduction := range []string{"min", "max", "first"} {
		for _, field := range []string{"timestamp", "sequence_number", "payload.n"} {
			for _, order := range []string{`{"field":"x","direction":"asc"}`, `{"field":"x","direction":"desc"}`,
				`{"field":"stream_id","direction":"desc"}`, `{"field":"event_type"},{"field":"x","direction":"desc"}`} {
				for _, more := range []string{"", `,"n":{"type":"count"}`} {
					compareRun(t, m, events, fmt.Sprintf(fromLog+`"reduce":{"values":{"x":{"type":%q,"field":%q}%s},"groupBy":["stream_id","event_type"],"orderBy":[%s],"limit":3}}`,
						reduction, field, more, order))
				}
			}
		}
	}
}

// TestFirstGroupsOfLargeUnits finds the first groups among thousands of rows of a row
// group: where some hundreds are enough to tell, where they are all of one group, and
// where very many are as far.
func TestFirstGroupsOfLargeUnits(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 2))
	for name, stream := range map[string]func(i int) int{
		"many groups":        func(int) int { return rng.IntN(300) },
		"one group at first": func(i int) int { return max(0, i/10-200) },
	} {
		for _, same := range []int{1, 900} { // events of one time
			events := manyEvents(4000)
			sequence := map[string]int64{}
			for i := range events {
				e := &events[i]
				e.Stream = fmt.Sprintf("s%04d", stream(i))
				sequence[e.Stream]++
				e.Sequence, e.Time = sequence[e.Stream], event.Micros(i/same)
			}
			m := &memory{id: "log", hidden: event.MinTime, now: 99, shred: true}
			m.addFile(t, events[1500:], 2500)
			m.addFile(t, events[:1500], 1500)
			for _, where := range []string{"", `"where":[{"field":"event_type","operator":"in","value":["t1","t2"]},{"field":"n","operator":"lt","value":900}],`} {
				for _, by := range []string{`{"type":"min","field":"timestamp","groupBy":["stream_id"],"orderBy":[{"field":"min"}],"limit":3}`,
					`{"type":"max","field":"timestamp","groupBy":["stream_id"],"orderBy":[{"field":"max","direction":"desc"}],"limit":5}`} {
					t.Run(name, func(t *testing.T) { compareRun(t, m, events, fromLog+where+`"reduce":`+by+`}`) })
				}
			}
		}
	}
}

// TestFirstGroupsSpareTheRest pins what is not read once the first groups are known:
// files behind them, also where the total takes the counts by type, and none where
// it takes a scan.
func TestFirstGroupsSpareTheRest(t *testing.T) {
	m := byDay(t, 80)
	const first = `"reduce":{"type":"min","field":"timestamp","groupBy":["stream_id"],"orderBy":[{"field":"min"}],"limit":3}`
	for _, c := range []struct {
		query       string
		stream      string // of the first group
		total       int64
		files, rows int64 // at most
	}{
		{first, `s00`, 4000, wave, 5 * 10 * minWorkers},
		{`"where":[{"field":"event_type","operator":"eq","value":"t1"}],` + first, `s01`, 1360, wave, 5 * 10 * minWorkers},
		{`"where":[{"field":"n","operator":"gte","value":0}],` + first, `s00`, 4000, 80, 4000},
		{`"total":false,"where":[{"field":"n","operator":"gte","value":0}],` + first, `s00`, -1, wave, 5 * 10 * minWorkers},
	} {
		e := newEngine(m)
		e.workers = minWorkers
		res := m.ask(t, e, fromLog+c.query+"}")
		if got := string(res.Aggregation); !strings.HasPrefix(got, `[{"stream_id":"`+c.stream+`","min":"1970-01-01T00:00:00`) {
			t.Errorf("%s: %s", c.query, got)
		}
		if s := res.Stats; res.Total != c.total || s.FilesRead > c.files || s.RowsScanned > c.rows {
			t.Errorf("%s: total %d, %d files, %d rows, want %d, at most %d, %d", c.query, res.Total, s.FilesRead, s.RowsScanned, c.total, c.files, c.rows)
		}
	}
}

// TestLeftOutGroupsTakeNoMemory asks for the first groups of more than are within the
// limit.
func TestLeftOutGroupsTakeNoMemory(t *testing.T) {
	m := byDay(t, 4)
	query := fromLog + `"limits":{"groups":20},"reduce":{"type":"min","field":"sequence_number","groupBy":["id"],"orderBy":[{"field":"min"}],"limit":1}}`
	if got := m.run(t, query).Aggregation; string(got) != `[{"id":"e0","min":1}]` {
		t.Errorf("got %s", got)
	}
}
