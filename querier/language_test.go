package querier

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

// TestConditionsReadings has a case for each question about composite and text
// conditions that has more than one possible answer.
func TestConditionsReadings(t *testing.T) {
	docs := []string{`{"a":"Straße"}`, `{"a":"STRASSE"}`, `{"a":null}`, `{}`, `{"a":["x","Y"]}`, `{"a":5}`, `{"a":"K"}`, `{"a":"x\ny"}`}
	m := payloads(t, docs...)
	for _, c := range []struct{ where, want string }{
		{`{"not":{"field":"a","operator":"gt","value":4}}`, "e0 e1 e2 e3 e4 e6 e7"},
		{`{"field":"a","operator":"exists","value":true}`, "e0 e1 e2 e4 e5 e6 e7"},
		{`{"field":"a","operator":"exists","value":false}`, "e3"},
		{`{"field":"a","operator":"neq","value":"straße","ignoreCase":true}`, "e1 e2 e3 e4 e5 e6 e7"},
		{`{"field":"a","operator":"eq","value":"straSSe","ignoreCase":true}`, "e1"}, // simple folding does not know ß as ss
		{`{"field":"a","operator":"eq","value":"\u212a","ignoreCase":true}`, "e6"},  // the Kelvin sign
		{`{"field":"a","operator":"contains","value":"y","ignoreCase":true}`, "e4 e7"},
		{`{"field":"a","operator":"contains","value":"y"}`, "e7"},
		{`{"field":"a","operator":"in","value":["k",5],"ignoreCase":true}`, "e5 e6"},
		{`{"field":"a","operator":"startsWith","value":""}`, "e0 e1 e6 e7"},
		{`{"field":"a","operator":"startsWith","value":"Stra"}`, "e0"},
		{`{"field":"a","operator":"endsWith","value":"SE","ignoreCase":true}`, "e1"},
		{`{"field":"a","operator":"endsWith","value":"sse","ignoreCase":true}`, "e1"},
		{`{"field":"a","operator":"matches","value":"^y"}`, ""}, // lines are not looked at
		{`{"field":"a","operator":"matches","value":"(?m)^y"}`, "e7"},
		{`{"field":"a","operator":"matches","value":"5"}`, ""}, // a number is no text
		{`{"field":"event_type","operator":"endsWith","value":"1"}`, "e1 e3 e5 e7"},
		{`{"field":"id","operator":"startsWith","value":"e"},{"or":[{"field":"stream_id","operator":"eq","value":"S","ignoreCase":true}]}`, "e0 e1 e2 e3 e4 e5 e6 e7"},
		{`{"and":[{"field":"sequence_number","operator":"gt","value":2},{"and":[{"field":"sequence_number","operator":"lt","value":5}]}]}`, "e2 e3"},
		{`{"not":{"not":{"field":"a","operator":"eq","value":5}}}`, "e5"},
	} {
		res := m.run(t, fromLog+`"where":[`+c.where+`]}`)
		if got := ids(res); got != c.want || res.Total != int64(len(res.Events)) {
			t.Errorf("%s finds %q, want %q", c.where, got, c.want)
		}
	}
}

// TestLanguageRefuses wants each message to name the place and what is wrong.
func TestLanguageRefuses(t *testing.T) {
	where := func(c string) string { return `"where":[` + c + `]` }
	reduce := func(r string) string { return `"reduce":` + r }
	leaf := `{"field":"a","operator":"eq","value":1}`
	for _, c := range []struct{ query, want string }{
		{where(`{"and":[]}`), "where[0]: and takes at least one condition"},
		{where(`{"not":[` + leaf + `]}`), "where[0].not: an object is expected"},
		{where(`{"or":[` + leaf + `],"field":"a"}`), "where[0]: a condition has either field, operator and value, or one of and, or, not"},
		{where(`{"or":[` + leaf + `],"and":[` + leaf + `]}`), "where[0]: a condition has either"},
		{where(`{"or":[` + leaf + `,{"field":"a","operator":"eq"}]}`), "where[0].or[1]: a condition has field, operator and value"},
		{where(`{"operator":"and","value":1}`), `and is written as {"and": …}`},
		{where(strings.Repeat(`{"not":`, 17) + leaf + strings.Repeat(`}`, 17)), "at most 16 deep"},
		{where(strings.Repeat(`{"not":`, 100_000)), "at most 16 deep"},
		{where(`{"or":[` + strings.Repeat(leaf+",", 50) + leaf + `]},{"and":[` + strings.Repeat(leaf+",", 50) + leaf + `]}`), "where: a query has at most 100 conditions"},
		{where(`{"field":"a","operator":"gt","value":1,"ignoreCase":true}`), "where[0].ignoreCase: it goes with eq, neq, in,"},
		{where(`{"field":"a","operator":"exists","value":1}`), "where[0].value: exists takes true or false"},
		{where(`{"field":"a","operator":"endsWith","value":1}`), "where[0].value: endsWith takes a string"},
		{where(`{"field":"a","operator":"matches","value":"a("}`), `where[0].value: "a(" is no regular expression of RE2`},
		{where(`{"field":"a","operator":"matches","value":"` + strings.Repeat("a", 1025) + `"}`), "at most 1024 bytes"},
		{where(`{"field":"a","operator":"hasTag","value":"x"}`), "where[0].field: hasTag is about tags: leave the field out"},
		{where(`{"field":"timestamp","operator":"matches","value":"2"}`), "matches is for strings; compare times"},
		{where(`{"field":"timestamp","operator":"gt","value":"now-1x"}`), "where[0].value: the time"},
		{reduce(`{"values":{}}`), "reduce.values: there is at least one"},
		{reduce(`{"values":{"n":{"type":"count"}},"type":"count"}`), "reduce: it has either type, or values"},
		{reduce(`{"values":{"n":{"type":"sum"}}}`), "reduce.values.n.field: sum needs a field"},
		{reduce(`{"values":{"n":{"type":"p0","field":"a"}}}`), `reduce.values.n.type: "p0" is none of`},
		{reduce(`{"type":"p99.99","field":"a"}`), `"p99.99" is none of`},
		{reduce(`{"type":"p050","field":"a"}`), `"p050" is none of`},
		{reduce(`{"type":"max","field":"a","k":3}`), "reduce.k: it goes with topK only"},
		{reduce(`{"type":"topK","field":"a","k":1001}`), "reduce.k: topK shows 1 … 1000 values"},
		{reduce(`{"type":"count","groupBy":[{"field":"a","bucket":"1h"}]}`), "reduce.groupBy[0]: only timestamp and ingested_at have buckets"},
		{reduce(`{"type":"count","groupBy":[{"field":"timestamp","bucket":"1x"}]}`), `"1x" is no length`},
		{reduce(`{"type":"count","groupBy":[{"field":"timestamp","bucket":"1h","zone":"Mars/Base"}]}`), `"Mars/Base" is no zone`},
		{reduce(`{"type":"count","groupBy":["a"],"orderBy":{"field":"n"}}`), `reduce.orderBy[0].field: "n" is no key and no value of the groups; they have a, count`},
		{reduce(`{"type":"count","limit":5}`), "reduce: orderBy and limit are of groups"},
		{reduce(`{"type":"count","groupBy":["a"],"limit":0}`), "reduce.limit: a number of groups is 1 or more"},
		{reduce(`{"values":{"a":{"type":"count"}},"groupBy":["a"]}`), "reduce.groupBy[0]: a is here twice"},
	} {
		if _, err := Parse([]byte(fromLog + c.query + "}")); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\ngives %v\nwant  %s", c.query, err, c.want)
		}
	}
}

// TestNowIsPinned wants relative times to be relative to the point of the view,
// on later pages, too.
func TestNowIsPinned(t *testing.T) {
	m := payloads(t, `{}`, `{}`, `{}`, `{}`)
	m.now = 1_700_000_000_000_002 // the third event's time
	q, err := Parse([]byte(fromLog + `"where":[{"not":{"field":"timestamp","operator":"gt","value":"now"}}],"limit":2}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := newEngine(m).Run(context.Background(), q)
	if err != nil || ids(res) != "e0 e1" || res.Total != 3 {
		t.Fatalf("%v, %v", res, err)
	}
	q.Cursor = res.Cursor
	if res, err = newEngine(m).Run(context.Background(), q); err != nil || ids(res) != "e2" {
		t.Fatalf("%v, %v", res, err)
	}
}

// TestSumsMergeInAnyOrder sums numbers that a plain sum gets wrong, in parts of
// any size and order.
func TestSumsMergeInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		var values []float64
		exact := new(big.Float).SetPrec(2000)
		for range 1 + rng.IntN(40) {
			v := (rng.Float64() - 0.5) * math.Pow(10, float64(rng.IntN(15)))
			values = append(values, v, v*1e-7)
			if rng.IntN(2) == 0 {
				values = append(values, -v)
			}
		}
		rng.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		total := &sum{}
		for len(values) > 0 {
			part := &sum{}
			n := 1 + rng.IntN(len(values))
			for _, f := range values[:n] {
				v := floatValue(f)
				part.add(&v, origin{})
				exact.Add(exact, big.NewFloat(f))
			}
			total.merge(part)
			values = values[n:]
		}
		want, _ := exact.Float64()
		if got := total.float(); math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("the sum is %v, want %v", got, want)
		}
	}
}

// TestMemoryOfReductions wants what is kept to be accounted for.
func TestMemoryOfReductions(t *testing.T) {
	var docs []string
	for i := range 2000 {
		docs = append(docs, fmt.Sprintf(`{"a":"%d","n":%g}`, i, math.Pow(1.03, float64(i))))
	}
	m := payloads(t, docs...)
	for _, r := range []string{`{"type":"countDistinct","field":"a"}`, `{"type":"topK","field":"a"}`, `{"type":"p50","field":"n"}`} {
		q, err := Parse([]byte(reduceLog(r)))
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(m)
		e.memory = 50_000
		if _, err := e.Run(context.Background(), q); !fault.Is(err, fault.Limit) {
			t.Errorf("%s: %v", r, err)
		}
		e.memory = 1 << 20
		if _, err := e.Run(context.Background(), q); err != nil {
			t.Errorf("%s: %v", r, err)
		}
	}
}
