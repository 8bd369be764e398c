package querier

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// TestPagesEqualOneQuery pages through queries and compares with the reference
// evaluator's one answer.
func TestPagesEqualOneQuery(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	events := randomLog(rng, 250, 3)
	var times []event.Micros
	for _, e := range events {
		times = append(times, e.Time)
	}
	slices.Sort(times)
	m := store(t, rng, events, 0.6, times[len(times)/10])
	orders := []string{
		``, `"orderBy":[{"field":"$place","direction":"desc"}],`, `"orderBy":[{"field":"timestamp","direction":"desc"}],`,
		`"orderBy":[{"field":"timestamp"}],`, `"orderBy":[{"field":"a","direction":"desc"}],`, `"orderBy":[{"field":"b"}],`,
		`"orderBy":[{"field":"nothing"}],`, `"orderBy":[{"field":"event_type"},{"field":"f","direction":"desc"}],`,
		`"orderBy":[{"field":"timestamp","direction":"desc"},{"field":"$place","direction":"desc"}],`, `"orderBy":[{"field":"tags"}],`,
	}
	wheres := []string{``, `"where":[{"field":"n","operator":"gt","value":300}],`, `"where":[{"field":"event_type","operator":"neq","value":"t1"}],`}
	for _, o := range orders {
		for _, w := range wheres {
			for _, tail := range []string{``, `"offset":13,`, `"total":false,`} {
				body := fromLog + o + w + tail
				want := refRun(events, m.hidden, m.now, body+`"limit":10000}`)
				got, total := walkPages(t, m, body, rng)
				if tail == `"total":false,` {
					want.total = -1
				}
				if len(got) != len(want.events) || total != int64(want.total) {
					t.Fatalf("%s: %d events, total %d; want %d, %d", body, len(got), total, len(want.events), want.total)
				}
				for i := range got {
					if !sameJSON(t, got[i], want.events[i]) {
						t.Fatalf("%s: event %d is %s, want %s", body, i, got[i], want.events[i])
					}
				}
			}
		}
	}
}

// walkPages asks for all pages, of random sizes.
func walkPages(t *testing.T, m *memory, body string, rng *rand.Rand) (events []string, total int64) {
	t.Helper()
	cursor := ""
	for first := true; first || cursor != ""; first = false {
		query := body + fmt.Sprintf(`"limit":%d`, 1+rng.IntN(120))
		if cursor != "" {
			query += `,"cursor":"` + cursor + `"`
		}
		res := m.run(t, query+"}")
		if !first && res.Total != total {
			t.Fatalf("%s: total %d after %d", query, res.Total, total)
		}
		if !first && len(res.Events) == 0 {
			t.Fatalf("%s: an empty page behind a cursor", query)
		}
		for _, e := range res.Events {
			events = append(events, string(e))
		}
		total, cursor = res.Total, res.Cursor
	}
	return events, total
}

func TestCursorIsChecked(t *testing.T) {
	m := payloads(t, `{"a":1}`, `{"a":2}`, `{"a":3}`)
	good := m.run(t, fromLog+`"limit":1,"orderBy":{"field":"a"}}`).Cursor
	decoded, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(old, new string) string {
		s := strings.Replace(string(decoded), old, new, 1)
		if s == string(decoded) {
			t.Fatalf("%s is not in %s", old, s)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(s))
	}
	for _, c := range []struct{ name, query, cursor, want string }{
		{"no base64", `"orderBy":{"field":"a"},`, "%%%", "it is none"},
		{"no JSON", `"orderBy":{"field":"a"},`, "AAAA", "it is none"},
		{"too long", `"orderBy":{"field":"a"},`, strings.Repeat("A", MaxCursor+4), "it is none"},
		{"another order", `"orderBy":{"field":"a","direction":"desc"},`, good, "another query"},
		{"another condition", `"orderBy":{"field":"a"},"where":[{"field":"a","operator":"gt","value":0}],`, good, "another query"},
		{"another offset", `"orderBy":{"field":"a"},"offset":1,`, good, "another query"},
		{"an unknown member", `"orderBy":{"field":"a"},`, forge(`{"q"`, `{"x":1,"q"`), "it is none"},
		{"no keys", `"orderBy":{"field":"a"},`, forge(`["i1"]`, `[]`), "damaged"},
		{"a key of no kind", `"orderBy":{"field":"a"},`, forge(`"i1"`, `"z1"`), "damaged"},
		{"a key of no number", `"orderBy":{"field":"a"},`, forge(`"i1"`, `"ix"`), "damaged"},
		{"no place", `"orderBy":{"field":"a"},`, forge(`0-1-0`, `0-1`), "damaged"},
		{"no such point", `"orderBy":{"field":"a"},`, forge(`"s":7`, `"s":8`), "no such point"},
	} {
		q, err := Parse([]byte(fromLog + c.query + `"cursor":"` + c.cursor + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		_, err = newEngine(m).Run(context.Background(), q)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if got := ids(m.run(t, fromLog+`"limit":5,"orderBy":{"field":"a"},"cursor":"`+good+`"}`)); got != "e1 e2" {
		t.Errorf("the good cursor gives %q", got)
	}
}

// FuzzCursor wants no panic whatever a cursor holds.
func FuzzCursor(f *testing.F) {
	m := payloads(f, `{"a":1}`, `{"a":"x"}`, `{}`, `{"a":[1]}`)
	q := New(m.id)
	field, _ := ParseField("a")
	q.OrderBy = []Order{{Field: field}}
	q.Limit = 1
	for range 4 {
		res, err := newEngine(m).Run(context.Background(), q)
		if err != nil {
			f.Fatal(err)
		}
		body, _ := base64.RawURLEncoding.DecodeString(res.Cursor)
		f.Add(body)
		q.Cursor = res.Cursor
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q := *q
		q.Cursor = base64.RawURLEncoding.EncodeToString(body)
		_, err := newEngine(m).Run(context.Background(), &q)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
	})
}

// TestKeysComeBack sends each kind of value through a cursor.
func TestKeysComeBack(t *testing.T) {
	for _, v := range []Value{{}, Null(), Bool(true), Bool(false), Number(-5), parseNumber("1e300"), parseNumber("0.1"), Text(""), Text("é\x00"), timeValue(event.MinTime), parseValue(`[1]`), parseValue(`{"a":1}`)} {
		got, err := decodeKey(encodeKey(&v))
		if err != nil || got.kind != v.kind || compare(&got, &v) != 0 {
			t.Errorf("%+v comes back as %+v (%v)", v, got, err)
		}
	}
}
