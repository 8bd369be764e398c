package querier

import (
	"fmt"
	"math/rand/v2"
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

// TestLeftOutGroupsTakeNoMemory asks for the first groups of more than are within the
// limit.
func TestLeftOutGroupsTakeNoMemory(t *testing.T) {
	m := byDay(t, 4)
	query := fromLog + `"limits":{"groups":20},"reduce":{"type":"min","field":"sequence_number","groupBy":["id"],"orderBy":[{"field":"min"}],"limit":1}}`
	if got := m.run(t, query).Aggregation; string(got) != `[{"id":"e0","min":1}]` {
		t.Errorf("got %s", got)
	}
}
