package querier

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// reduced scans an instance in memory and returns the table.
func reduced(t *testing.T, m *memory, query string) *table {
	t.Helper()
	q, err := Parse([]byte(query))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	p, err := newPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newEngine(m).begin(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.scan(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r.table
}

// sent returns a table as it comes out at the other end.
func sent(t *testing.T, from *table, memory *budget) *table {
	t.Helper()
	body, err := encodePartial(from)
	if err != nil {
		t.Fatal(err)
	}
	to, err := decodePartial(from.plan, memory, body)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// answered returns what a table answers.
func answered(t *testing.T, table *table) []byte {
	t.Helper()
	out, err := table.appendJSON(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPartialsMerge splits logs among three, sends what each found through
// Arrow, merges in any order and wants the answer over all events.
func TestPartialsMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 2))
	for range 4 {
		events := randomLog(rng, 300, 2)
		parts := make([][]event.Event, 3)
		for _, e := range events {
			i := rng.IntN(3)
			parts[i] = append(parts[i], e)
		}
		var shares []*memory
		for _, p := range parts {
			shares = append(shares, store(t, rng, p, 1, event.MinTime))
		}
		for range 60 {
			query := fromLog + `"reduce":` + randomReduce(rng) + "}"
			memory := &budget{limit: MaxMemory}
			var whole *table
			for _, i := range rng.Perm(3) {
				part := sent(t, reduced(t, shares[i], query), memory)
				if whole == nil {
					whole = part
				} else if err := whole.merge(part); err != nil {
					t.Fatal(err)
				}
			}
			got, want := string(answered(t, whole)), refRun(events, event.MinTime, 0, query).aggregation
			if !sameJSON(t, got, want) {
				t.Fatalf("%s\ngives %s\nwant  %s", query, got, want)
			}
		}
	}
}

// TestPartialsAreAccounted wants the memory of what was read to be counted.
func TestPartialsAreAccounted(t *testing.T) {
	m := payloads(t, `{"a":"`+strings.Repeat("x", 5000)+`"}`)
	for _, r := range []string{`{"type":"collect","field":"a"}`, `{"type":"countDistinct","field":"a"}`, `{"type":"topK","field":"a"}`,
		`{"type":"max","field":"a"}`, `{"type":"last","field":"a"}`, `{"type":"count","groupBy":["a"]}`} {
		from := reduced(t, m, reduceLog(r))
		body, err := encodePartial(from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodePartial(from.plan, &budget{limit: 4000}, body); !fault.Is(err, fault.Limit) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// TestPartialOfAnother wants a partial of another reduction, and one that is cut
// or spoilt, to be refused rather than to be read wrongly.
func TestPartialOfAnother(t *testing.T) {
	m := payloads(t, `{"a":1,"b":2.5}`, `{"a":2}`, `{"a":"x"}`)
	body, err := encodePartial(reduced(t, m, reduceLog(`{"type":"topK","field":"a","groupBy":["g"]}`)))
	if err != nil {
		t.Fatal(err)
	}
	other := reduced(t, m, reduceLog(`{"type":"topK","field":"b","groupBy":["b"]}`)).plan
	if _, err := decodePartial(other, &budget{limit: MaxMemory}, body); !fault.Is(err, fault.Corrupt) {
		t.Errorf("of another reduction: %v", err)
	}
	own := reduced(t, m, reduceLog(`{"type":"topK","field":"a","groupBy":["b"]}`)).plan
	refused := func(body []byte, what string, i int) {
		if _, err := decodePartial(own, &budget{limit: MaxMemory}, body); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s at %d: %v", what, i, err)
		}
	}
	for i := range body {
		refused(body[:i], "cut", i)
		spoilt := bytes.Clone(body)
		spoilt[i] ^= 1 << (i % 8)
		refused(spoilt, "flipped", i)
	}
}
