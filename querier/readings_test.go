package querier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// payloads makes a log of one event for each payload, in stream s, the first
// half in a data file and the rest in the tail.
func payloads(t testing.TB, docs ...string) *memory {
	t.Helper()
	var events []event.Event
	for i, d := range docs {
		events = append(events, event.Event{Stream: "s", Type: fmt.Sprintf("t%d", i%2), Time: 1_700_000_000_000_000 + event.Micros(i), ID: fmt.Sprintf("e%d", i),
			Payload: []byte(d), Metadata: []byte(`{"m":1}`), Sequence: int64(i) + 1, Ingested: 5, Place: event.Place{Position: int64(i) + 1}})
	}
	return store(t, rand.New(rand.NewPCG(1, 1)), events, 0.5, event.MinTime)
}

// ids returns the ids of a result's events, joined.
func ids(res *Result) string {
	var out []string
	for _, e := range res.Events {
		out = append(out, refPath(string(e), []string{"id"}).str)
	}
	return strings.Join(out, " ")
}

const fromLog = `{"from":{"instance":"log"},`

// whereLog and reduceLog write queries of one condition and of one reduction.
func whereLog(field, op, value string) string {
	return fromLog + fmt.Sprintf(`"where":[{"field":%q,"operator":%q,"value":%s}]}`, field, op, value)
}

func reduceLog(r string) string { return fromLog + `"reduce":` + r + `}` }

// readings has a case for each question that the language leaves open. The
// numbers are those of the protocol's list of ambiguities.
var readings = []struct {
	name  string
	docs  []string
	query string
	want  string // ids of the events, or the aggregation
	total int64
}{
	{"1 bare number", []string{`{"a":2}`, `{"a":3}`}, reduceLog(`{"type":"sum","field":"payload.a"}`), `5`, 2},
	{"1 bare array", []string{`{"a":2}`, `{"a":"x"}`}, reduceLog(`{"type":"collect","field":"payload.a"}`), `[2,"x"]`, 2},
	{"2 groups as rows", []string{`{}`, `{}`, `{}`}, reduceLog(`{"type":"count","groupBy":["event_type"]}`),
		`[{"event_type":"t0","count":2},{"event_type":"t1","count":1}]`, 3},
	{"2 types of keys are kept, missing is absent, null is null", []string{`{"a":1}`, `{"a":"1"}`, `{"a":1.0}`, `{}`, `{"a":null}`},
		reduceLog(`{"type":"count","groupBy":["payload.a"]}`),
		`[{"payload.a":null,"count":1},{"payload.a":1,"count":2},{"payload.a":"1","count":1},{"count":1}]`, 5},
	{"2 the key is the name as written", []string{`{"a":1}`}, reduceLog(`{"type":"max","field":"a","groupBy":["eventType","a"]}`),
		`[{"eventType":"t0","a":1,"max":1}]`, 1},
	{"4 a page does not limit a reduction", []string{`{"a":1}`, `{"a":2}`, `{"a":3}`},
		fromLog + `"limit":1,"offset":1,"select":["id"],"orderBy":{"field":"a","direction":"desc"},"reduce":{"type":"collect","field":"a"}}`, `[1,2,3]`, 3},
	{"5 missing matches neq", []string{`{"a":1}`, `{}`, `{"a":2}`}, whereLog("payload.a", "neq", "1"), "e1 e2", 2},
	{"5 missing matches no range", []string{`{}`, `{"a":0}`}, whereLog("payload.a", "lte", "5"), "e1", 1},
	{"5 missing does not equal null", []string{`{}`, `{"a":null}`}, whereLog("payload.a", "eq", "null"), "e1", 1},
	{"5 missing is in nothing", []string{`{}`, `{"a":null}`}, whereLog("payload.a", "in", "[null,1]"), "e1", 1},
	{"6 null differs from all else", []string{`{"a":null}`, `{"a":0}`, `{"a":false}`, `{"a":""}`}, whereLog("payload.a", "neq", "null"), "e1 e2 e3", 3},
	{"6 null is skipped", []string{`{"a":null}`, `{"a":4}`}, reduceLog(`{"type":"avg","field":"a"}`), `4`, 2},
	{"7 no coercion of numbers", []string{`{"a":40}`, `{"a":"40"}`, `{"a":40.0}`}, whereLog("a", "eq", "40"), "e0 e2", 2},
	{"7 no coercion of booleans", []string{`{"a":true}`, `{"a":1}`}, whereLog("a", "eq", "true"), "e0", 1},
	{"7 order is within a type", []string{`{"a":"5"}`, `{"a":5}`, `{"a":[5]}`}, whereLog("a", "gt", "4"), "e1", 1},
	{"7 strings by bytes", []string{`{"a":"B"}`, `{"a":"a"}`, `{"a":"é"}`}, whereLog("a", "gte", `"a"`), "e1 e2", 2},
	{"7 large whole numbers exactly", []string{`{"a":9007199254740993}`, `{"a":9007199254740992}`}, whereLog("a", "eq", "9007199254740993"), "e0", 1},
	{"7 whole against broken exactly", []string{`{"a":9007199254740993}`, `{"a":3}`}, whereLog("a", "lt", "9007199254740992.5"), "e1", 1},
	{"7 beyond int64", []string{`{"a":9223372036854775807}`, `{"a":9223372036854775808}`, `{"a":-9223372036854775808}`}, whereLog("a", "lt", "9223372036854775808"), "e0 e2", 2},
	{"7 below int64", []string{`{"a":-9223372036854775808}`, `{"a":-1e19}`}, whereLog("a", "gt", "-1e19"), "e0", 1},
	{"8 both ends", []string{`{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":3.5}`}, whereLog("a", "between", "[1,3]"), "e0 e1 e2", 3},
	{"8 ends the wrong way round", []string{`{"a":1}`, `{"a":2}`}, whereLog("a", "between", "[3,1]"), "", 0},
	{"9 literal and case-sensitive", []string{`{"a":"50% off"}`, `{"a":"50 off"}`, `{"a":"% OFF"}`}, whereLog("a", "contains", `"% off"`), "e0", 1},
	{"9 case-sensitive in columns", []string{`{}`, `{}`}, whereLog("event_type", "contains", `"T1"`), "", 0},
	{"9 escapes are read", []string{`{"a":"x\u0041y"}`, `{"a":"xAy"}`}, whereLog("a", "contains", `"A"`), "e0 e1", 2},
	{"9 member of an array", []string{`{"a":["x",1]}`, `{"a":["xx"]}`, `{"a":"x"}`, `{"a":{"x":1}}`}, whereLog("a", "contains", `"x"`), "e0 e2", 2},
	{"9 number in an array", []string{`{"a":["1",1.0]}`, `{"a":["1"]}`, `{"a":1}`}, whereLog("a", "contains", `1`), "e0", 1},
	{"10 in nothing", []string{`{"a":1}`}, whereLog("a", "in", "[]"), "", 0},
	{"12 append order", []string{`{"a":2}`, `{"a":1}`}, fromLog + `"where":[]}`, "e0 e1", 2},
	{"13 ties in append order, missing last", []string{`{}`, `{"a":2}`, `{"a":1}`, `{"a":2}`}, fromLog + `"orderBy":{"field":"a","direction":"desc"}}`, "e1 e3 e2 e0", 4},
	{"13 missing last, ascending", []string{`{}`, `{"a":2}`, `{"a":1}`}, fromLog + `"orderBy":{"field":"a","direction":"asc"}}`, "e2 e1 e0", 3},
	{"13 types apart", []string{`{"a":{}}`, `{"a":[]}`, `{"a":"x"}`, `{"a":1}`, `{"a":true}`, `{"a":null}`}, fromLog + `"orderBy":{"field":"a"}}`, "e5 e4 e3 e2 e1 e0", 6},
	{"14 limit 0", []string{`{}`, `{}`}, fromLog + `"limit":0}`, "", 2},
	{"16 sum of nothing", []string{`{}`}, reduceLog(`{"type":"sum","field":"a"}`), `0`, 1},
	{"16 avg of nothing", []string{`{}`}, reduceLog(`{"type":"avg","field":"a"}`), `null`, 1},
	{"16 min of nothing", []string{`{}`}, reduceLog(`{"type":"min","field":"a"}`), `null`, 1},
	{"16 max of nothing", []string{}, reduceLog(`{"type":"max","field":"a"}`), `null`, 0},
	{"16 count of nothing", []string{}, reduceLog(`{"type":"count"}`), `0`, 0},
	{"16 collect of nothing", []string{`{"a":null}`}, reduceLog(`{"type":"collect","field":"a"}`), `[]`, 1},
	{"16 groups of nothing", []string{}, reduceLog(`{"type":"count","groupBy":["a"]}`), `[]`, 0},
	{"17 count of a field", []string{`{"a":1}`, `{}`, `{"a":null}`}, reduceLog(`{"type":"count","field":"a"}`), `2`, 3},
	{"18 what is no number is skipped", []string{`{"a":1}`, `{"a":"7"}`, `{"a":true}`, `{"a":2}`}, reduceLog(`{"type":"sum","field":"a"}`), `3`, 4},
	{"18 timestamps are no numbers", []string{`{}`}, reduceLog(`{"type":"sum","field":"timestamp"}`), `0`, 1},
	{"20 sequences start at 1", []string{`{}`}, reduceLog(`{"type":"min","field":"sequence_number"}`), `1`, 1},
	{"24 bare names", []string{`{"statusCode":200,"u":{"id":7}}`, `{"statusCode":500}`}, whereLog("statusCode", "eq", "200"), "e0", 1},
	{"24 bare paths", []string{`{"u":{"id":7}}`, `{"u":{}}`}, whereLog("u.id", "eq", "7"), "e0", 1},
	{"25 camelCase", []string{`{}`, `{}`}, whereLog("eventType", "eq", `"t1"`), "e1", 1},
	{"instanceId is a field", []string{`{}`}, whereLog("instanceId", "eq", `"log"`), "e0", 1},
	{"instanceId of another", []string{`{}`}, whereLog("instance_id", "neq", `"log"`), "", 0},
	{"times as text", []string{`{}`, `{}`, `{}`}, whereLog("timestamp", "eq", `"2023-11-14T22:13:20.000001Z"`), "e1", 1},
	{"times as milliseconds", []string{`{}`, `{}`}, whereLog("timestamp", "eq", `1700000000000`), "e0", 1},
	{"times in a list", []string{`{}`, `{}`, `{}`}, whereLog("timestamp", "in", `[1700000000,"2023-11-14T22:13:20.000002Z"]`), "e0 e2", 2},
	{"times between", []string{`{}`, `{}`, `{}`}, whereLog("timestamp", "between", `[1700000000000001,"2023-11-14T22:13:21Z"]`), "e1 e2", 2},
	{"times are never null", []string{`{}`}, whereLog("timestamp", "neq", `null`), "e0", 1},
	{"extremes of times", []string{`{}`, `{}`}, reduceLog(`{"type":"max","field":"timestamp"}`), `"2023-11-14T22:13:20.000001Z"`, 2},
	{"extremes prefer numbers", []string{`{"a":"n/a"}`, `{"a":3}`, `{"a":true}`}, reduceLog(`{"type":"max","field":"a"}`), `3`, 3},
	{"extremes of texts", []string{`{"a":"y"}`, `{"a":"x"}`, `{"a":true}`}, reduceLog(`{"type":"min","field":"a"}`), `"x"`, 3},
	{"a sum passes an overflow", []string{`{"a":9223372036854775807}`, `{"a":9223372036854775807}`, `{"a":-9223372036854775807}`},
		reduceLog(`{"type":"sum","field":"a"}`), `9223372036854775807`, 3},
	{"a sum beyond int64", []string{`{"a":9223372036854775807}`, `{"a":1}`}, reduceLog(`{"type":"sum","field":"a"}`), `9223372036854775808`, 2},
	{"a negative sum beyond int64", []string{`{"a":-9223372036854775808}`, `{"a":-9223372036854775808}`}, reduceLog(`{"type":"sum","field":"a"}`), `-18446744073709551616`, 2},
	{"a sum beyond float64", []string{`{"a":1e308}`, `{"a":1e308}`, `{"a":1e999}`}, reduceLog(`{"type":"sum","field":"a"}`), `1.7976931348623157e308`, 3},
	{"the last of two members counts", []string{`{"a":1,"a":2}`, `{"a":{"b":1},"a":1}`}, whereLog("a", "eq", "2"), "e0", 1},
	{"the last of two members hides what the first held", []string{`{"a":{"b":1},"a":2}`}, whereLog("a.b", "eq", "1"), "", 0},
	{"arrays by index", []string{`{"a":[1,{"b":2}]}`, `{"a":{"1":{"b":2}}}`, `{"a":[{"b":2}]}`}, whereLog("a.1.b", "eq", "2"), "e0 e1", 2},
	{"a payload of any type", []string{`5`, ` "x" `, `[1]`, `{}`}, whereLog("payload", "eq", `"x"`), "e1", 1},
	{"reverse append order", []string{`{}`, `{}`, `{}`}, fromLog + `"orderBy":{"field":"$place","direction":"desc"},"limit":2}`, "e2 e1", 3},
}

func TestReadings(t *testing.T) {
	for _, c := range readings {
		t.Run(c.name, func(t *testing.T) {
			res := payloads(t, c.docs...).run(t, c.query)
			got := ids(res)
			if res.Aggregation != nil {
				if got = string(res.Aggregation); res.Events != nil {
					t.Error("events beside an aggregation")
				}
				if sameJSON(t, got, c.want) {
					got = c.want
				}
			}
			if got != c.want || res.Total != c.total {
				t.Errorf("got %s, total %d; want %s, total %d", got, res.Total, c.want, c.total)
			}
		})
	}
}

// TestSelect compares whole texts: members, their order and their bytes.
func TestSelect(t *testing.T) {
	const doc = ` {"b":{"y":1, "x" : [1.0,2]},"a":"\u0041"} `
	for _, c := range []struct{ fields, want string }{
		{``, `{"id":"e0","instanceId":"log","stream_id":"s","event_type":"t0","payload":` + doc + `,"metadata":{"m":1},"timestamp":"2023-11-14T22:13:20Z","sequence_number":1,"ingested_at":"1970-01-01T00:00:00.000005Z"}`},
		{`"event_type","payload"`, `{"event_type":"t0","payload":` + doc + `}`},
		{`"payload.b.y"`, `{"payload":{"b":{"y":1}}}`},
		{`"b.x.1","a","metadata.m","eventType"`, `{"event_type":"t0","payload":{"b":{"x":{"1":2}},"a":"\u0041"},"metadata":{"m":1}}`},
		{`"payload.b","payload.b.y"`, `{"payload":{"b":{"y":1, "x" : [1.0,2]}}}`},
		{`"payload.b.y","payload"`, `{"payload":` + doc + `}`},
		{`"nothing","tags","b.z"`, `{}`},
	} {
		res := payloads(t, doc).run(t, fromLog+`"select":[`+c.fields+`]}`)
		if got := string(res.Events[0]); got != c.want {
			t.Errorf("select %s:\n got %s\nwant %s", c.fields, got, c.want)
		}
	}
}

func TestTags(t *testing.T) {
	events := []event.Event{{Tags: []string{"red", "blue"}}, {Tags: []string{"redder"}}, {}}
	for i := range events {
		e := &events[i]
		e.Stream, e.Type, e.Payload, e.Metadata = "s", "t", []byte("{}"), []byte("{}")
		e.Sequence, e.Place.Position, e.ID = int64(i)+1, int64(i)+1, fmt.Sprintf("e%d", i)
	}
	m := store(t, rand.New(rand.NewPCG(1, 1)), events, 0.5, event.MinTime)
	for _, c := range []struct{ op, value, want string }{
		{"contains", `"red"`, "e0"}, {"contains", `1`, ""}, {"eq", `"red"`, ""}, {"neq", `"red"`, "e0 e1 e2"}, {"in", `["red"]`, ""}, {"eq", "null", ""},
	} {
		res := m.run(t, fromLog+fmt.Sprintf(`"where":[{"field":"tags","operator":%q,"value":%s}]}`, c.op, c.value))
		if got := ids(res); got != c.want {
			t.Errorf("tags %s %s: %q, want %q", c.op, c.value, got, c.want)
		}
	}
	if got := m.run(t, fromLog+`"select":["tags"],"limit":1}`).Events[0]; string(got) != `{"tags":["red","blue"]}` {
		t.Errorf("tags are shown as %s", got)
	}
}

// TestDerivedID checks ids of events whose client gave none.
func TestDerivedID(t *testing.T) {
	m := payloads(t, `{}`)
	m.commits, m.files = nil, nil
	m.addCommit(t, []event.Event{{Stream: "s", Type: "t", Payload: []byte("{}"), Metadata: []byte("{}"), Sequence: 1, Place: event.Place{Shard: 2, Position: 9}}})
	if got := ids(m.run(t, fromLog+`"where":[{"field":"id","operator":"eq","value":"2-9-0"}]}`)); got != "2-9-0" {
		t.Errorf("found %q by its derived id", got)
	}
}

func TestStoredNonsenseIsCorrupt(t *testing.T) {
	q, err := Parse([]byte(fromLog + `"where":[{"field":"a","operator":"eq","value":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(payloads(t, `{"a":`)).Run(context.Background(), q); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a payload that is no JSON gives %v", err)
	}
}
