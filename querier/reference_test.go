package querier

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/querier/datemath"
)

// The reference evaluator: the language read a second time, one event after the
// other, with encoding/json and big.Rat and no thought for speed.

// refValue is a value with its type: missing, null, boolean, number, string,
// time, array or object.
type refValue struct {
	typ string
	num *big.Rat // number, time, and 0 or 1 for boolean
	str string   // string; compacted text of array and object
	raw string   // as it was written
}

var refRanks = map[string]int{"null": 1, "boolean": 2, "number": 3, "string": 4, "time": 5, "array": 6, "object": 7}

func refNumber(text string) refValue {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return refValue{"number", big.NewRat(n, 1), "", text}
	}
	f, _ := strconv.ParseFloat(text, 64)
	if math.IsInf(f, 0) {
		f = math.Copysign(math.MaxFloat64, f)
	}
	return refValue{"number", new(big.Rat).SetFloat64(f), "", text}
}

func refParse(raw string) refValue {
	raw = strings.TrimSpace(raw)
	var v any
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(raw)
	}
	var compact bytes.Buffer
	json.Compact(&compact, []byte(raw))
	switch v := v.(type) {
	case nil:
		return refValue{"null", nil, "", raw}
	case bool:
		return refValue{"boolean", big.NewRat(int64(btoi(v)), 1), "", raw}
	case json.Number:
		return refNumber(v.String())
	case string:
		return refValue{"string", nil, v, raw}
	case []any:
		return refValue{"array", nil, compact.String(), raw}
	}
	return refValue{"object", nil, compact.String(), raw}
}

func refQuote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func refTime(m event.Micros) refValue {
	return refValue{"time", big.NewRat(int64(m), 1), "", refQuote(m.String())}
}

// refSeen remembers what paths of documents hold: the same are asked for
// thousands of times.
var refSeen = map[string]refValue{}

func refPath(doc string, path []string) refValue {
	key := strings.Join(path, ".") + "\x00" + doc
	v, ok := refSeen[key]
	if !ok {
		v = refWalk(doc, path)
		refSeen[key] = v
	}
	return v
}

// refWalk goes into a document.
func refWalk(doc string, path []string) refValue {
	if len(path) == 0 {
		return refParse(doc)
	}
	doc = strings.TrimSpace(doc)
	if doc[0] == '{' {
		var members map[string]json.RawMessage
		json.Unmarshal([]byte(doc), &members)
		if m, ok := members[path[0]]; ok {
			return refWalk(string(m), path[1:])
		}
	}
	if doc[0] == '[' {
		var elements []json.RawMessage
		json.Unmarshal([]byte(doc), &elements)
		for i, e := range elements {
			if strconv.Itoa(i) == path[0] {
				return refWalk(string(e), path[1:])
			}
		}
	}
	return refValue{typ: "missing"}
}

func refOr(doc []byte) string {
	if len(doc) == 0 {
		return "{}"
	}
	return string(doc)
}

func refGet(e event.Event, name string) refValue {
	str := func(s string) refValue { return refValue{"string", nil, s, refQuote(s)} }
	switch name {
	case "id":
		return str(e.EventID())
	case "instanceId", "instance_id":
		return str("log")
	case "stream_id", "streamId":
		return str(e.Stream)
	case "event_type", "eventType":
		return str(e.Type)
	case "timestamp":
		return refTime(e.Time)
	case "ingested_at", "ingestedAt":
		return refTime(e.Ingested)
	case "sequence_number", "sequenceNumber":
		return refNumber(strconv.FormatInt(e.Sequence, 10))
	case "tags":
		if len(e.Tags) == 0 {
			return refValue{typ: "missing"}
		}
		b, _ := json.Marshal(e.Tags)
		return refParse(string(b))
	}
	parts := strings.Split(name, ".")
	if parts[0] == "metadata" {
		return refPath(refOr(e.Metadata), parts[1:])
	}
	if parts[0] == "payload" {
		parts = parts[1:]
	}
	return refPath(refOr(e.Payload), parts)
}

func refCompare(a, b refValue) int {
	if a.typ != b.typ {
		return refRanks[a.typ] - refRanks[b.typ]
	}
	if a.num != nil {
		return a.num.Cmp(b.num)
	}
	return strings.Compare(a.str, b.str)
}

func refEqual(a, b refValue) bool {
	return a.typ == b.typ && a.typ != "missing" && a.typ != "array" && a.typ != "object" && refCompare(a, b) == 0
}

// refWanted reads a value of a condition for a field.
func refWanted(name string, raw json.RawMessage, up bool, now event.Micros) refValue {
	v := refParse(string(raw))
	switch name {
	case "timestamp", "ingested_at", "ingestedAt":
		switch v.typ {
		case "string":
			if m, err := event.ParseTime(v.str); err == nil {
				return refTime(m)
			}
			t, err := datemath.Parse(v.str, now.Time(), up)
			if err != nil {
				panic(err)
			}
			return refTime(event.ToMicros(t))
		case "number":
			m, _ := event.ParseTime(v.raw)
			return refTime(m)
		}
	}
	return v
}

// refCondition is a condition as encoding/json reads it.
type refCondition struct {
	And, Or         []refCondition
	Not             *refCondition
	Field, Operator string
	Value           json.RawMessage
	IgnoreCase      bool
}

func refHolds(e event.Event, c refCondition, now event.Micros) bool {
	if c.Not != nil {
		return !refHolds(e, *c.Not, now)
	}
	for _, part := range c.Or {
		if refHolds(e, part, now) {
			return true
		}
	}
	for _, part := range c.And {
		if !refHolds(e, part, now) {
			return false
		}
	}
	if c.Or != nil || c.And != nil {
		return c.And != nil
	}
	if c.Operator == "hasTag" {
		for _, tag := range e.Tags {
			if w := refParse(string(c.Value)).str; tag == w || c.IgnoreCase && strings.EqualFold(tag, w) {
				return true
			}
		}
		return false
	}
	return refMatch(e, c, now)
}

// refWith is the condition with another operator and value.
func (c refCondition) refWith(op string, value json.RawMessage) refCondition {
	c.Operator, c.Value = op, value
	return c
}

func refMatch(e event.Event, c refCondition, now event.Micros) bool {
	name, op, raw := c.Field, c.Operator, c.Value
	v := refGet(e, name)
	if op == "in" || op == "between" {
		var list []json.RawMessage
		json.Unmarshal(raw, &list)
		if op == "between" {
			return refMatch(e, c.refWith("gte", list[0]), now) && refMatch(e, c.refWith("lte", list[1]), now)
		}
		for _, w := range list {
			if refMatch(e, c.refWith("eq", w), now) {
				return true
			}
		}
		return false
	}
	w := refWanted(name, raw, op == "gt" || op == "lte", now)
	same := func(v refValue) bool {
		return refEqual(v, w) || c.IgnoreCase && v.typ == "string" && w.typ == "string" && strings.EqualFold(v.str, w.str)
	}
	lower := func(s string) string {
		if c.IgnoreCase {
			return strings.ToLower(s)
		}
		return s
	}
	switch op {
	case "eq":
		return same(v)
	case "neq":
		return !same(v)
	case "exists":
		return (v.typ != "missing") == (string(raw) == "true")
	case "startsWith":
		return v.typ == "string" && strings.HasPrefix(lower(v.str), lower(w.str))
	case "endsWith":
		return v.typ == "string" && strings.HasSuffix(lower(v.str), lower(w.str))
	case "matches":
		flags := map[bool]string{true: "(?i)"}
		return v.typ == "string" && regexp.MustCompile(flags[c.IgnoreCase]+w.str).MatchString(v.str)
	case "contains":
		if v.typ == "array" {
			var list []json.RawMessage
			json.Unmarshal([]byte(v.raw), &list)
			for _, m := range list {
				if same(refParse(string(m))) {
					return true
				}
			}
			return false
		}
		return v.typ == "string" && w.typ == "string" && strings.Contains(lower(v.str), lower(w.str))
	}
	if v.typ != w.typ || v.typ != "number" && v.typ != "string" && v.typ != "time" {
		return false
	}
	d := refCompare(v, w)
	switch op {
	case "gt":
		return d > 0
	case "gte":
		return d >= 0
	case "lt":
		return d < 0
	}
	return d <= 0
}

// refQuery is a query as encoding/json reads it.
type refQuery struct {
	From    struct{ Instance, Stream string }
	Where   []refCondition
	Select  []string
	OrderBy []struct{ Field, Direction string }
	Limit   *int
	Offset  int
	Reduce  *refReduction
}

// refAnswer is what the reference finds.
type refAnswer struct {
	events      []string // as JSON
	aggregation string   // as JSON
	total       int
}

func refRun(events []event.Event, hidden, now event.Micros, query string) refAnswer {
	var q refQuery
	if err := json.Unmarshal([]byte(query), &q); err != nil {
		panic(err)
	}
	var found []event.Event
	for _, e := range events {
		ok := e.Time >= hidden && (q.From.Stream == "" || q.From.Stream == e.Stream)
		for _, w := range q.Where {
			ok = ok && refHolds(e, w, now)
		}
		if ok {
			found = append(found, e)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Place.Compare(found[j].Place) < 0 })
	a := refAnswer{total: len(found)}
	if q.Reduce != nil {
		a.aggregation = q.Reduce.run(found)
		return a
	}
	sort.SliceStable(found, func(i, j int) bool {
		for _, o := range q.OrderBy {
			desc := o.Direction == "desc"
			if o.Field == "$place" {
				return found[i].Place.Compare(found[j].Place) < 0 != desc
			}
			x, y := refGet(found[i], o.Field), refGet(found[j], o.Field)
			if x.typ == "missing" || y.typ == "missing" {
				if x.typ != y.typ {
					return y.typ == "missing"
				}
				continue
			}
			if c := refCompare(x, y); c != 0 {
				return c < 0 != desc
			}
		}
		return false
	})
	limit := 1000
	if q.Limit != nil {
		limit = *q.Limit
	}
	found = found[min(q.Offset, len(found)):]
	for _, e := range found[:min(limit, len(found))] {
		a.events = append(a.events, refShow(e, q.Select))
	}
	return a
}

// refShow writes an event as JSON, by building objects of objects.
func refShow(e event.Event, fields []string) string {
	if len(fields) == 0 {
		fields = []string{"id", "instanceId", "stream_id", "event_type", "payload", "metadata", "timestamp", "sequence_number", "tags", "ingested_at"}
	}
	names := map[string]string{"instance_id": "instanceId", "streamId": "stream_id", "eventType": "event_type",
		"sequenceNumber": "sequence_number", "ingestedAt": "ingested_at"}
	top := map[string]any{"id": 1, "instanceId": 1, "stream_id": 1, "event_type": 1, "timestamp": 1, "sequence_number": 1,
		"tags": 1, "ingested_at": 1, "payload": 1, "metadata": 1}
	var paths [][]string
	for _, f := range fields {
		if n := names[f]; n != "" {
			f = n
		}
		path := strings.Split(f, ".")
		if top[path[0]] == nil {
			path = append([]string{"payload"}, path...)
		}
		paths = append(paths, path)
	}
	sort.Slice(paths, func(i, j int) bool { return len(paths[i]) > len(paths[j]) }) // whole values overwrite parts
	out := map[string]any{}
	for _, path := range paths {
		v := refGet(e, strings.Join(path, "."))
		if v.typ == "missing" {
			continue
		}
		at := out
		for _, p := range path[:len(path)-1] {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		at[path[len(path)-1]] = json.RawMessage(v.raw)
	}
	b, _ := json.Marshal(out)
	return string(b)
}
