package querier

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random queries; 0 takes the time")

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

// scalars are values that events hold and queries ask for, chosen to collide.
var scalars = []string{"1", "1.0", "2", "-3", "0.5", "1e2", "100", `"1"`, `"a"`, `"ab"`, `"abc"`, `"b\u0061"`, `"ba"`, `"é\n\"q\""`,
	"true", "false", "null", `""`, "9007199254740993", "9007199254740992.0", "9223372036854775807", "1e300", "0.1"}

func randomJSON(rng *rand.Rand, depth int) string {
	space := pick(rng, []string{"", "", " "})
	switch n := rng.IntN(10); {
	case n < 7 || depth == 0:
		return pick(rng, scalars)
	case n < 8:
		var list []string
		for range rng.IntN(4) {
			list = append(list, space+randomJSON(rng, depth-1))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	var members []string
	for range rng.IntN(5) {
		members = append(members, space+pick(rng, []string{`"a"`, `"b"`, `"c"`, `"\u0061"`, `"0"`})+space+":"+randomJSON(rng, depth-1))
	}
	return "{" + strings.Join(members, ","+space) + "}"
}

func randomPayload(rng *rand.Rand) []byte {
	switch rng.IntN(30) {
	case 0:
		return nil
	case 1:
		return []byte(randomJSON(rng, 2))
	}
	s := fmt.Sprintf(`{"n":%d,"a":%s,"b":%s`, rng.IntN(1000), randomJSON(rng, 1), randomJSON(rng, 3))
	if rng.IntN(2) == 0 {
		s += `,"f":` + fmt.Sprint(rng.Float64()*100)
	}
	return []byte(s + "}")
}

const dayMicros = 86_400_000_000

// randomLog returns n events as shards would have numbered them.
func randomLog(rng *rand.Rand, n, shards int) []event.Event {
	types := 4 + rng.IntN(16)
	var out []event.Event
	sequence := map[string]int64{}
	position := make([]int64, shards)
	start := event.ToMicros(time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC))
	for len(out) < n {
		shard := rng.IntN(shards)
		position[shard]++
		for ordinal := range 1 + rng.IntN(30) {
			stream := fmt.Sprintf("s%d-%d", shard, rng.IntN(5))
			sequence[stream]++
			e := event.Event{Stream: stream, Type: fmt.Sprintf("t%d", rng.IntN(types)),
				Time: start + event.Micros(rng.IntN(40))*(dayMicros/10) + event.Micros(rng.IntN(2)), Payload: randomPayload(rng),
				Metadata: []byte(pick(rng, []string{`{}`, `{"source":"web","v":1}`, ` {"source": "app"} `, ``})),
				Sequence: sequence[stream], Ingested: start + event.Micros(len(out))*1000,
				Place: event.Place{Shard: shard, Position: position[shard], Ordinal: int32(ordinal)}}
			if rng.IntN(4) == 0 {
				e.ID = fmt.Sprintf("id-%d", rng.IntN(100))
			}
			for i := range rng.IntN(3) {
				e.Tags = append(e.Tags, fmt.Sprintf("%c%d", 'x'+i, rng.IntN(3)))
			}
			out = append(out, e)
		}
	}
	return out
}

var randomFields = []string{"id", "instanceId", "stream_id", "streamId", "event_type", "eventType", "timestamp", "sequence_number", "tags", "ingested_at",
	"payload", "metadata", "payload.n", "n", "payload.a", "a", "b", "b.a", "payload.b.b", "b.0", "b.a.0", "b.c.a", "f", "payload.f", "metadata.source", "metadata.v", "nothing"}

// randomValue returns a value that a condition on a field may hit.
func randomValue(rng *rand.Rand, e event.Event, field string) string {
	if strings.HasSuffix(field, "_at") || field == "timestamp" {
		at := e.Time
		if field != "timestamp" {
			at = e.Ingested
		}
		day := `"` + at.Day()
		return pick(rng, []string{day + `"`, day + `||-1d/d"`, `"now-6h"`, `"now+1d/d"`, `"` + at.String() + `"`, fmt.Sprint(int64(at)), fmt.Sprint(int64(at) / 1000), fmt.Sprintf("%d.5", int64(at)/1e6)})
	}
	if v := refGet(e, field); rng.IntN(4) > 0 && v.typ != "missing" && v.typ != "array" && v.typ != "object" {
		return v.raw
	}
	return pick(rng, scalars)
}

// orderable makes a value one that gt and its like take.
func orderable(v string) string {
	if strings.Contains("tfn", v[:1]) {
		return "7"
	}
	return v
}

// randomCondition returns a condition that may be made of others down to a depth.
func randomCondition(rng *rand.Rand, events []event.Event, depth int) string {
	if depth > 0 && rng.IntN(4) == 0 {
		part := func() string { return randomCondition(rng, events, depth-1) }
		switch rng.IntN(3) {
		case 0:
			return `{"not":` + part() + `}`
		case 1:
			return `{"and":[` + part() + `,` + part() + `]}`
		}
		return `{"or":[` + part() + `,` + part() + `,` + part() + `]}`
	}
	field := pick(rng, randomFields)
	op := pick(rng, allOperators)
	isTime := field == "timestamp" || field == "ingested_at" || field == "ingestedAt"
	switch op {
	case Contains, StartsWith, EndsWith, Matches:
		if isTime {
			op = Eq
		}
	case HasTag:
		return fmt.Sprintf(`{"operator":"hasTag","value":%q%s}`, pick(rng, []string{"x1", "X1", "y0", "z"}), randomFold(rng, op))
	}
	return fmt.Sprintf(`{"field":%q,"operator":%q,"value":%s%s}`, field, op, randomOperand(rng, events, field, op, isTime), randomFold(rng, op))
}

func randomFold(rng *rand.Rand, op Operator) string {
	if slices.Contains(caseless, op) && rng.IntN(4) == 0 {
		return `,"ignoreCase":true`
	}
	return ""
}

// randomOperand returns a value, or a list of them, that an operator takes.
func randomOperand(rng *rand.Rand, events []event.Event, field string, op Operator, isTime bool) string {
	value := func() string { return randomValue(rng, pick(rng, events), field) }
	v := value()
	switch op {
	case Gt, Gte, Lt, Lte:
		return orderable(v)
	case Between:
		lo, hi := orderable(v), orderable(value())
		if !isTime && (lo[0] == '"') != (hi[0] == '"') {
			hi = lo
		}
		return "[" + lo + "," + hi + "]"
	case In:
		list := []string{}
		for range rng.IntN(12) {
			list = append(list, value())
		}
		return "[" + strings.Join(list, ",") + "]"
	case Contains:
		if rng.IntN(2) == 0 {
			return pick(rng, []string{`"a"`, `"s"`, `"-"`, `"x1"`, `"0"`, `"A"`})
		}
	case Exists:
		return pick(rng, []string{"true", "false"})
	case StartsWith, EndsWith:
		return pick(rng, []string{`"a"`, `"s0"`, `"T1"`, `"t1"`, `"1"`, `""`, `"we"`, `"É"`, `"é"`})
	case Matches:
		return pick(rng, []string{`"^a"`, `"b?c$"`, `"[0-9]+-1"`, `"T[0-3]$"`, `""`, `"é"`})
	}
	return v
}

func randomQuery(rng *rand.Rand, events []event.Event) string {
	q := `{"from":{"instance":"log"`
	if rng.IntN(8) == 0 {
		q += fmt.Sprintf(`,"stream":%q`, pick(rng, events).Stream)
	}
	q += "}"
	var where []string
	for range []int{0, 1, 1, 1, 2, 2, 3}[rng.IntN(7)] {
		where = append(where, randomCondition(rng, events, 3))
	}
	q += `,"where":[` + strings.Join(where, ",") + "]"
	if rng.IntN(2) == 0 {
		return q + `,"reduce":` + randomReduce(rng) + "}"
	}
	if rng.IntN(3) == 0 {
		q += fmt.Sprintf(`,"select":["%s"]`, strings.Join(someFields(rng, 1+rng.IntN(4)), `","`))
	}
	if n := rng.IntN(3); n > 0 {
		var by []string
		for _, f := range someFields(rng, n) {
			by = append(by, fmt.Sprintf(`{"field":%q,"direction":%q}`, f, pick(rng, []string{"asc", "desc"})))
		}
		if rng.IntN(5) == 0 {
			by[len(by)-1] = fmt.Sprintf(`{"field":"$place","direction":%q}`, pick(rng, []string{"asc", "desc"}))
		}
		q += `,"orderBy":[` + strings.Join(by, ",") + "]"
	}
	if rng.IntN(4) > 0 {
		q += fmt.Sprintf(`,"limit":%d`, pick(rng, []int{0, 1, 3, 10, 50, 10000}))
	}
	if rng.IntN(4) == 0 {
		q += fmt.Sprintf(`,"offset":%d`, pick(rng, []int{1, 7, 100, 2000}))
	}
	return q + "}"
}

var randomReductions = append(slices.Clone(reductions), "p50", "p99", "p99.9", "p1")

// randomFirsts returns a reduction to the first groups by an extreme, most of which
// are found without all events.
func randomFirsts(rng *rand.Rand) string {
	typ, direction := Min, "asc"
	if rng.IntN(2) == 0 {
		typ, direction = Max, "desc"
	}
	if rng.IntN(6) == 0 {
		direction = pick(rng, []string{"asc", "desc"})
	}
	keys := pick(rng, []string{`"stream_id"`, `"event_type"`, `"payload.a"`, `"stream_id","b"`, `{"field":"timestamp","bucket":"1h"}`})
	more := pick(rng, []string{"", "", `,{"field":"event_type","direction":"desc"}`})
	if !strings.Contains(keys, "event_type") {
		more = ""
	}
	return fmt.Sprintf(`{"values":{"x":{"type":%q,"field":%q}},"groupBy":[%s],"orderBy":[{"field":"x","direction":%q}%s],"limit":%d}`,
		typ, pick(rng, []string{"timestamp", "timestamp", "ingested_at", "sequence_number", "payload.n"}), keys, direction, more, 1+rng.IntN(4))
}

func randomReduce(rng *rand.Rand) string {
	if rng.IntN(6) == 0 {
		return randomFirsts(rng)
	}
	aggregation := func() (typ Reduction, text string) {
		typ = pick(rng, randomReductions)
		text = fmt.Sprintf(`"type":%q`, typ)
		if typ != Count || rng.IntN(3) == 0 {
			text += fmt.Sprintf(`,"field":%q`, pick(rng, randomFields))
		}
		if typ == TopK && rng.IntN(2) == 0 {
			text += `,"k":3`
		}
		return typ, text
	}
	typ, q := aggregation()
	names := []string{}
	if sortable := []Reduction{Count, CountDistinct, Min, Max, First, Last}; slices.Contains(sortable, typ) {
		names = append(names, string(typ))
	}
	if rng.IntN(2) == 0 {
		names = nil
		var values []string
		for i := range 1 + rng.IntN(3) {
			_, text := aggregation()
			values = append(values, fmt.Sprintf(`"v%d":{%s}`, i, text))
		}
		q = `"values":{` + strings.Join(values, ",") + "}"
	}
	n := rng.IntN(3)
	if n == 0 {
		return "{" + q + "}"
	}
	var keys []string
	for _, f := range someFields(rng, n) {
		names = append(names, f)
		key := fmt.Sprintf("%q", f)
		if f == "timestamp" || f == "ingested_at" {
			key = fmt.Sprintf(`{"field":%q,"bucket":%q,"zone":%q}`, f, pick(rng, []string{"15m", "1h", "6h", "1d", "1w", "1M", "3M"}),
				pick(rng, []string{"UTC", "Europe/Berlin", "America/Havana", "Asia/Kolkata"}))
		}
		keys = append(keys, key)
	}
	q += `,"groupBy":[` + strings.Join(keys, ",") + "]"
	if rng.IntN(2) == 0 {
		q += fmt.Sprintf(`,"orderBy":[{"field":%q,"direction":%q}]`, pick(rng, names), pick(rng, []string{"asc", "desc"}))
	}
	if rng.IntN(3) == 0 {
		q += fmt.Sprintf(`,"limit":%d`, 1+rng.IntN(20))
	}
	return "{" + q + "}"
}

func someFields(rng *rand.Rand, n int) []string {
	var out []string
	for _, i := range rng.Perm(len(randomFields))[:n] {
		out = append(out, randomFields[i])
	}
	return out
}

// sameJSON compares JSON: numbers within 1e-9, all else exactly.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	decode := func(s string) (v any) {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, s)
		}
		return v
	}
	return sameValue(decode(got), decode(want))
}

func sameValue(a, b any) bool {
	if m, ok := b.(map[string]any); ok && m["about"] != nil {
		return between(a, m["about"].([]any))
	}
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		f, g := refNumber(x.String()).num, refNumber(y.String()).num
		if f.Cmp(g) == 0 {
			return true
		}
		p, _ := f.Float64()
		q, _ := g.Float64()
		return math.Abs(p-q) <= 1e-9*max(1, math.Abs(p), math.Abs(q))
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameValue(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if _, ok := y[k]; !ok || !sameValue(x[k], y[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// between reports whether a percentile is within its error of the numbers around
// it.
func between(a any, around []any) bool {
	n, ok := a.(json.Number)
	if !ok {
		return false
	}
	f, _ := n.Float64()
	for _, w := range around {
		g, _ := w.(json.Number).Float64()
		if math.Abs(f-g) <= (percentileError+1e-9)*math.Abs(g) {
			return true
		}
	}
	return false
}

// TestEngineAgainstReference runs random queries over random logs that lie in
// the tail, in files and in both, and compares with the reference evaluator.
func TestEngineAgainstReference(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	logs, queries := 12, 200
	if testing.Short() {
		logs, queries = 3, 100
	}
	for i := range logs {
		events := randomLog(rng, 200+rng.IntN(600), 1+i%3)
		hidden := event.MinTime
		if i%2 == 1 {
			hidden = event.Micros(int64(events[rng.IntN(len(events))].Time) / 1e6 * 1e6)
		}
		m := store(t, rng, events, []float64{0, 1, 0.5, 0.9}[i%4], hidden)
		m.now = pick(rng, events).Time
		for range queries {
			query := randomQuery(rng, events)
			compareRun(t, m, events, query)
		}
	}
}

func compareRun(t *testing.T, m *memory, events []event.Event, query string) {
	t.Helper()
	compareWith(t, newEngine(m), m, events, query)
}

// compareWith compares the answer of an engine over m with the reference.
func compareWith(t *testing.T, e *Engine, m *memory, events []event.Event, query string) *Result {
	t.Helper()
	want := refRun(events, m.hidden, m.now, query)
	got := m.ask(t, e, query)
	checkStats(t, query, got)
	sameAnswer(t, query, got, want)
	return got
}

// sameAnswer compares an answer with that of the reference.
func sameAnswer(t *testing.T, query string, got *Result, want refAnswer) {
	t.Helper()
	if got.Total != int64(want.total) {
		t.Fatalf("%s\ntotal %d, want %d", query, got.Total, want.total)
	}
	if want.aggregation != "" {
		if !sameJSON(t, string(got.Aggregation), want.aggregation) {
			t.Fatalf("%s\naggregation %s\nwant %s", query, got.Aggregation, want.aggregation)
		}
		return
	}
	if len(got.Events) != len(want.events) {
		t.Fatalf("%s\n%d events, want %d", query, len(got.Events), len(want.events))
	}
	for i, e := range got.Events {
		if !sameJSON(t, string(e), want.events[i]) {
			t.Fatalf("%s\nevent %d is %s\nwant %s", query, i, e, want.events[i])
		}
	}
}
