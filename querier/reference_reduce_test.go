package querier

import (
	"encoding/json"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/event"
)

// refValueOf is an aggregation as encoding/json reads it.
type refValueOf struct {
	Type, Field string
	K           int
}

// refReduction is a reduction as encoding/json reads it.
type refReduction struct {
	refValueOf
	Values  map[string]refValueOf
	GroupBy []json.RawMessage
	OrderBy []struct{ Field, Direction string }
	Limit   int
}

type refGroup struct {
	keys   map[string]refValue
	events []event.Event
	values map[string]string // as JSON
}

func (r *refReduction) run(found []event.Event) string {
	if len(r.GroupBy) == 0 {
		g := refGroup{events: found}
		g.reduce(r)
		if r.Values == nil {
			return g.values[r.Type]
		}
		return g.row()
	}
	rows := []string{}
	for _, g := range r.groups(found) {
		rows = append(rows, g.row())
	}
	return "[" + strings.Join(rows, ",") + "]"
}

func (g *refGroup) reduce(r *refReduction) {
	g.values = map[string]string{}
	for name, v := range r.Values {
		g.values[name] = refReduce(g.events, v)
	}
	if r.Values == nil {
		g.values[r.Type] = refReduce(g.events, r.refValueOf)
	}
}

func (g *refGroup) row() string {
	var members []string
	for name, v := range g.keys {
		if v.typ != "missing" {
			members = append(members, refQuote(name)+":"+v.raw)
		}
	}
	for name, v := range g.values {
		members = append(members, refQuote(name)+":"+v)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// groups makes the groups that are shown, in their order.
func (r *refReduction) groups(found []event.Event) []*refGroup {
	var names []string
	byKey := map[string]*refGroup{}
	var list []*refGroup
	for _, e := range found {
		keys := map[string]refValue{}
		id := ""
		names = nil
		for _, raw := range r.GroupBy {
			name, v := refKey(e, raw)
			names = append(names, name)
			keys[name] = v
			id += v.typ + "\x00" + v.str + "\x00"
			if v.num != nil {
				id += v.num.String()
			}
		}
		if byKey[id] == nil {
			byKey[id] = &refGroup{keys: keys}
			list = append(list, byKey[id])
		}
		byKey[id].events = append(byKey[id].events, e)
	}
	for _, g := range list {
		g.reduce(r)
	}
	sort.SliceStable(list, func(i, j int) bool { return r.before(list[i], list[j], names) })
	if r.Limit > 0 {
		list = list[:min(r.Limit, len(list))]
	}
	return list
}

// before orders two groups.
func (r *refReduction) before(a, b *refGroup, names []string) bool {
	get := func(g *refGroup, name string) refValue {
		if v, ok := g.keys[name]; ok {
			return v
		}
		of := r.Values[name]
		if r.Values == nil {
			of = r.refValueOf
		}
		v := refParse(g.values[name])
		if t, err := event.ParseTime(strings.Trim(v.raw, `"`)); err == nil && (of.Field == "timestamp" || of.Field == "ingested_at" || of.Field == "ingestedAt") && v.typ == "string" {
			return refTime(t) // text of times does not sort as they do
		}
		return v
	}
	by := append([]struct{ Field, Direction string }{}, r.OrderBy...)
	for _, n := range names {
		by = append(by, struct{ Field, Direction string }{n, "asc"})
	}
	for _, o := range by {
		x, y := get(a, o.Field), get(b, o.Field)
		if x.typ == "missing" || y.typ == "missing" {
			if x.typ != y.typ {
				return y.typ == "missing"
			}
			continue
		}
		if c := refCompare(x, y); c != 0 {
			return c < 0 != (o.Direction == "desc")
		}
	}
	return false
}

// refKey returns the name and the value of what groups are made by.
func refKey(e event.Event, raw json.RawMessage) (string, refValue) {
	var k struct{ Field, Bucket, Zone string }
	if json.Unmarshal(raw, &k.Field) == nil {
		return k.Field, refGet(e, k.Field)
	}
	json.Unmarshal(raw, &k)
	at := e.Time
	if k.Field != "timestamp" {
		at = e.Ingested
	}
	zone, err := time.LoadLocation(k.Zone)
	if err != nil {
		panic(err)
	}
	start := refBucket(at.Time().In(zone), k.Bucket)
	v := refTime(event.ToMicros(start))
	v.raw = refQuote(start.Format(time.RFC3339))
	return k.Field, v
}

// refBucketLabel returns what the clock shows all through a bucket.
func refBucketLabel(t time.Time, bucket string) string {
	switch bucket {
	case "15m":
		return t.Format("2006-01-02 15 -0700 ") + strconv.Itoa(t.Minute()/15)
	case "1h":
		return t.Format("2006-01-02 15 -0700")
	case "6h":
		return t.Format("2006-01-02 ") + strconv.Itoa(t.Hour()/6)
	case "1d":
		return t.Format("2006-01-02")
	case "1w":
		year, week := t.ISOWeek()
		return strconv.Itoa(year) + " " + strconv.Itoa(week)
	case "1M":
		return t.Format("2006-01")
	}
	return t.Format("2006 ") + strconv.Itoa((int(t.Month())-1)/3) // 3M
}

var refStarts = map[string]time.Time{}

// refBucket goes back in time for as long as the clock shows the same.
func refBucket(t time.Time, bucket string) time.Time {
	label := refBucketLabel(t, bucket)
	key := label + bucket + t.Location().String()
	if start, ok := refStarts[key]; ok {
		return start
	}
	const step = 15 * time.Minute
	start := t.Truncate(step)
	for refBucketLabel(start.Add(-step), bucket) == label {
		start = start.Add(-step)
	}
	refStarts[key] = start
	return start
}

func refReduce(found []event.Event, r refValueOf) string {
	if r.Field == "" {
		return strconv.Itoa(len(found))
	}
	var values []refValue
	var first, last *event.Event
	for i, e := range found { // in append order
		v := refGet(e, r.Field)
		if v.typ == "missing" || r.Type != "count" && v.typ == "null" {
			continue
		}
		values = append(values, v)
		if first == nil || e.Time < first.Time {
			first = &found[i]
		}
		if last == nil || e.Time >= last.Time {
			last = &found[i]
		}
	}
	switch r.Type {
	case "count":
		return strconv.Itoa(len(values))
	case "collect":
		raws := []string{}
		for _, v := range values {
			raws = append(raws, v.raw)
		}
		return "[" + strings.Join(raws, ",") + "]"
	case "countDistinct":
		return strconv.Itoa(len(refTally(values)))
	case "topK":
		return refTop(values, r.K)
	case "min", "max":
		return refExtreme(values, r.Type)
	case "first", "last":
		if first == nil {
			return "null"
		}
		return refGet(*map[string]*event.Event{"first": first, "last": last}[r.Type], r.Field).raw
	}
	return refNumeric(values, r.Type)
}

type refCount struct {
	refValue
	n int
}

func refTally(values []refValue) []refCount {
	var out []refCount
	at := map[string]int{}
	for _, v := range values {
		key := v.typ + v.str
		if v.num != nil {
			key += v.num.String()
		}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, refCount{v, 0})
		}
		out[i].n++
	}
	return out
}

func refTop(values []refValue, k int) string {
	if k == 0 {
		k = 10
	}
	all := refTally(values)
	sort.Slice(all, func(i, j int) bool {
		if all[i].n != all[j].n {
			return all[i].n > all[j].n
		}
		return refCompare(all[i].refValue, all[j].refValue) < 0
	})
	rows := []string{}
	for _, c := range all[:min(k, len(all))] {
		rows = append(rows, `{"value":`+c.raw+`,"count":`+strconv.Itoa(c.n)+"}")
	}
	return "[" + strings.Join(rows, ",") + "]"
}

// refNumeric is of numbers only. A percentile is written as the two numbers
// around it.
func refNumeric(values []refValue, typ string) string {
	var numbers []*big.Rat
	total := new(big.Rat)
	for _, v := range values {
		if v.typ == "number" {
			numbers = append(numbers, v.num)
			total.Add(total, v.num)
		}
	}
	switch n := len(numbers); {
	case typ == "sum":
		return refFloat(total)
	case n == 0:
		return "null"
	case typ == "avg":
		return refFloat(total.Quo(total, big.NewRat(int64(n), 1)))
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i].Cmp(numbers[j]) < 0 })
	p, _ := strconv.ParseFloat(typ[1:], 64)
	rank := p / 100 * float64(len(numbers)-1)
	lo, _ := numbers[int(math.Floor(rank))].Float64()
	hi, _ := numbers[int(math.Ceil(rank))].Float64()
	b, _ := json.Marshal(map[string]any{"about": []float64{lo, hi}})
	return string(b)
}

func refExtreme(values []refValue, typ string) string {
	for _, types := range []string{"number time", "string", "boolean"} {
		var best *refValue
		for i, v := range values {
			if !strings.Contains(types, v.typ) {
				continue
			}
			if best == nil || typ == "min" && refCompare(v, *best) < 0 || typ == "max" && refCompare(v, *best) > 0 {
				best = &values[i]
			}
		}
		if best != nil {
			return best.raw
		}
	}
	return "null"
}

func refFloat(r *big.Rat) string {
	if r.IsInt() && r.Num().IsInt64() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	b, _ := json.Marshal(max(-math.MaxFloat64, min(f, math.MaxFloat64)))
	return string(b)
}
