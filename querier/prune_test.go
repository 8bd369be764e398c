package querier

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// TestJudge tries every operator with every range of a few values: what is
// said to be impossible must not be there, and what is said of all must hold.
func TestJudge(t *testing.T) {
	numbers := []Value{Number(1), Number(2), parseNumber("2.5"), Number(3), Number(4)}
	texts := []Value{Text(""), Text("a"), Text("ab"), Text("b"), Text("c")}
	for _, domain := range [][]Value{numbers, texts} {
		for _, op := range operators {
			for _, values := range choices(op, append(append([]Value{Null()}, numbers...), texts...)) {
				c := test{op: op, values: values}
				if c.check("", false) != nil {
					continue
				}
				checkJudge(t, &c, domain)
			}
		}
	}
}

// choices returns the lists of values to try with an operator.
func choices(op Operator, from []Value) [][]Value {
	out := [][]Value{}
	for _, v := range from {
		if op != Between {
			out = append(out, []Value{v})
		}
		if op == Between || op == In {
			for _, w := range from {
				out = append(out, []Value{v, w})
			}
		}
	}
	return out
}

func checkJudge(t *testing.T, c *test, domain []Value) {
	t.Helper()
	var all interval
	all.narrow(c)
	for i := range domain {
		if all.empty && c.match(&domain[i]) {
			t.Fatalf("%s %+v is said to be empty, but %+v passes", c.op, c.values, domain[i])
		}
		for j := i; j < len(domain); j++ {
			may, must := c.judge(&domain[i], &domain[j])
			for k := i; k <= j; k++ {
				if got := c.match(&domain[k]); got && !may || !got && must {
					t.Fatalf("%s %+v from %+v to %+v: may %t, must %t, but %+v gives %t", c.op, c.values, domain[i], domain[j], may, must, domain[k], got)
				}
			}
			if hit := c.match(&domain[i]) || c.match(&domain[j]); may && !hit && j == i {
				t.Fatalf("%s %+v at %+v: it may pass, but does not", c.op, c.values, domain[i])
			}
		}
	}
}

// plainRow is the schema of event files without dictionaries, as other tools
// may write it.
type plainRow struct {
	Stream   string   `parquet:"stream_id"`
	Type     string   `parquet:"event_type"`
	Sequence int64    `parquet:"sequence_number"`
	Position int64    `parquet:"position"`
	Ordinal  int32    `parquet:"ordinal"`
	Time     int64    `parquet:"timestamp,timestamp(microsecond:utc)"`
	Ingested int64    `parquet:"ingested_at,timestamp(microsecond:utc)"`
	ID       *string  `parquet:"event_id,optional"`
	Tags     []string `parquet:"tags,list"`
	Payload  []byte   `parquet:"payload,json"`
	Metadata []byte   `parquet:"metadata,json"`
}

// TestPlainStrings runs over columns of strings without a dictionary.
func TestPlainStrings(t *testing.T) {
	var rows []plainRow
	for i := range 100 {
		rows = append(rows, plainRow{Stream: fmt.Sprintf("s-%02d", i), Type: fmt.Sprintf("t%d", i%2), Sequence: 1,
			Position: int64(i) + 1, Payload: []byte("{}"), Metadata: []byte("{}")})
	}
	var buf bytes.Buffer
	if err := parquet.Write(&buf, rows); err != nil {
		t.Fatal(err)
	}
	m := &memory{id: "log", hidden: event.MinTime, now: 99, bodies: map[string][]byte{"f0": buf.Bytes()}}
	m.files = []snapshot.File{{Key: "f0", Rows: 100, MaxStream: "z", MinSequence: 1, MaxSequence: 1, MinPosition: 1, MaxPosition: 100}}
	for query, want := range map[string]string{
		`"where":[{"field":"stream_id","operator":"contains","value":"-1"},{"field":"event_type","operator":"eq","value":"t1"}],"reduce":{"type":"count"}}`: `5`,
		`"where":[{"field":"streamId","operator":"in","value":["s-07","s-99","x"]}],"reduce":{"type":"count","groupBy":["stream_id"]}}`:                     `[{"stream_id":"s-07","count":1},{"stream_id":"s-99","count":1}]`,
		`"reduce":{"type":"max","field":"stream_id","groupBy":["event_type"]}}`:                                                                             `[{"event_type":"t0","max":"s-98"},{"event_type":"t1","max":"s-99"}]`,
	} {
		if res := m.run(t, fromLog+query); string(res.Aggregation) != want {
			t.Errorf("%s: %s, want %s", query, res.Aggregation, want)
		}
	}
}
