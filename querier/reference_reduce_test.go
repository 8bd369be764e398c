package querier

import (
	"encoding/json"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/event"
)

// refGroups reduces, and writes groups in the order of their keys.
func refGroups(found []event.Event, typ, field string, by []string) string {
	if len(by) == 0 {
		return refReduce(found, typ, field)
	}
	type grp struct {
		keys   []refValue
		events []event.Event
	}
	groups := map[string]*grp{}
	for _, e := range found {
		var keys []refValue
		name := ""
		for _, f := range by {
			v := refGet(e, f)
			keys = append(keys, v)
			name += v.typ + "\x00" + v.str + "\x00"
			if v.num != nil {
				name += v.num.String()
			}
		}
		if groups[name] == nil {
			groups[name] = &grp{keys: keys}
		}
		groups[name].events = append(groups[name].events, e)
	}
	var list []*grp
	for _, g := range groups {
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool {
		for k := range by {
			x, y := list[i].keys[k], list[j].keys[k]
			if x.typ == "missing" || y.typ == "missing" {
				if x.typ != y.typ {
					return y.typ == "missing"
				}
				continue
			}
			if c := refCompare(x, y); c != 0 {
				return c < 0
			}
		}
		return false
	})
	rows := []string{}
	for _, g := range list {
		row := ""
		for k, f := range by {
			if v := g.keys[k]; v.typ != "missing" {
				row += refQuote(f) + ":" + v.raw + ","
			}
		}
		rows = append(rows, "{"+row+refQuote(typ)+":"+refReduce(g.events, typ, field)+"}")
	}
	return "[" + strings.Join(rows, ",") + "]"
}

func refReduce(found []event.Event, typ, field string) string {
	if field == "" {
		return strconv.Itoa(len(found))
	}
	var values []refValue
	for _, e := range found {
		if v := refGet(e, field); v.typ != "missing" && (typ == "count" || v.typ != "null") {
			values = append(values, v)
		}
	}
	total, n := new(big.Rat), 0
	for _, v := range values {
		if v.typ == "number" {
			total.Add(total, v.num)
			n++
		}
	}
	switch typ {
	case "count":
		return strconv.Itoa(len(values))
	case "collect":
		raws := []string{}
		for _, v := range values {
			raws = append(raws, v.raw)
		}
		return "[" + strings.Join(raws, ",") + "]"
	case "sum":
		return refFloat(total)
	case "avg":
		if n == 0 {
			return "null"
		}
		return refFloat(total.Quo(total, big.NewRat(int64(n), 1)))
	}
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
