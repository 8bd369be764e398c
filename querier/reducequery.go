package querier

import (
	"slices"
	"strconv"
	"strings"
)

// Reduction is a kind of aggregation.
type Reduction string

// The reductions. Beside them p1 … p99.9 are percentiles of numbers, see
// [Percentile].
const (
	Count         Reduction = "count"
	Sum           Reduction = "sum"
	Avg           Reduction = "avg"
	Min           Reduction = "min"
	Max           Reduction = "max"
	Collect       Reduction = "collect"       // all values, in append order
	CountDistinct Reduction = "countDistinct" // how many different values
	First         Reduction = "first"         // the value of the event with the lowest timestamp; of several, of the one appended first
	Last          Reduction = "last"          // the value of the event with the highest timestamp; of several, of the one appended last
	TopK          Reduction = "topK"          // the most frequent values with their counts, which are exact
)

var reductions = []Reduction{Count, Sum, Avg, Min, Max, Collect, CountDistinct, First, Last, TopK}

// Percentile returns the reduction for a percentile from 1 to 99.9 with at most
// one decimal: p99.9 is the number that 99.9 % of the numbers are not above. It
// comes from a sketch, and is within 1 % of the exact one.
func Percentile(p float64) Reduction {
	return Reduction("p" + strconv.FormatFloat(p, 'f', -1, 64))
}

// quantile returns the share that a percentile stands for.
func (r Reduction) quantile() (float64, bool) {
	digits, ok := strings.CutPrefix(string(r), "p")
	if !ok || len(digits) > 4 || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	p, err := strconv.ParseFloat(digits, 64)
	if err != nil || p < 1 || p > 99.9 || Percentile(p) != r {
		return 0, false
	}
	if _, decimals, _ := strings.Cut(digits, "."); len(decimals) > 1 {
		return 0, false
	}
	return p / 100, true
}

// known reports whether there is such a reduction.
func (r Reduction) known() bool {
	_, ok := r.quantile()
	return ok || slices.Contains(reductions, r)
}

// Reduce asks for an aggregation: a single one of Type, or those of Values.
type Reduce struct {
	Type  Reduction
	Field Field // the zero Field for none, which only Count allows
	K     int   // how many values TopK shows; 0 for 10

	Values []Named // several by name, in the order in which they are shown

	GroupBy []Key
	OrderBy []GroupOrder // of the groups; none for the order of their keys
	Limit   int          // how many groups are shown; 0 for all
}

// Named is one of several aggregations.
type Named struct {
	Name  string
	Type  Reduction
	Field Field
	K     int
}

// Key is what groups are made by: the value of a field, or for timestamp and
// ingested_at the bucket that it lies in.
type Key struct {
	Field
	Bucket Bucket // the zero Bucket for none
}

// GroupOrder orders groups by one of their keys, by its name, or by one of
// their values, of which the single one has its type for a name.
type GroupOrder struct {
	Name string
	Desc bool
}

// named returns all values that r asks for.
func (r *Reduce) named() []Named {
	if len(r.Values) > 0 {
		return r.Values
	}
	return []Named{{string(r.Type), r.Type, r.Field, r.K}}
}

func appendReduce(b []byte, r *Reduce) []byte {
	b = append(b, '{')
	if len(r.Values) > 0 {
		b = append(b, `"values":{`...)
		for i, v := range r.Values {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, v.Name), `:{`...)
			b = append(appendNamed(b, v), '}')
		}
		b = append(b, '}')
	} else {
		b = appendNamed(b, r.named()[0])
	}
	if len(r.GroupBy) > 0 {
		b = appendList(append(b, `,"groupBy":`...), r.GroupBy, appendKeyJSON)
	}
	if len(r.OrderBy) > 0 {
		b = appendList(append(b, `,"orderBy":`...), r.OrderBy, appendGroupOrder)
	}
	if r.Limit > 0 {
		b = strconv.AppendInt(append(b, `,"limit":`...), int64(r.Limit), 10)
	}
	return append(b, '}')
}

func appendNamed(b []byte, v Named) []byte {
	b = appendQuoted(append(b, `"type":`...), string(v.Type))
	if v.Field.base != baseNone {
		b = appendField(append(b, `,"field":`...), v.Field)
	}
	if v.K > 0 {
		b = strconv.AppendInt(append(b, `,"k":`...), int64(v.K), 10)
	}
	return b
}

func appendKeyJSON(b []byte, k Key) []byte {
	if k.Bucket == (Bucket{}) {
		return appendField(b, k.Field)
	}
	b = appendField(append(b, `{"field":`...), k.Field)
	b = appendQuoted(append(b, `,"bucket":`...), k.Bucket.String())
	if k.Bucket.Zone != "" {
		b = appendQuoted(append(b, `,"zone":`...), k.Bucket.Zone)
	}
	return append(b, '}')
}

func appendGroupOrder(b []byte, o GroupOrder) []byte {
	b = appendQuoted(append(b, `{"field":`...), o.Name)
	return append(b, directionMember(o.Desc)...)
}

// directionMember is the end of an order in JSON.
func directionMember(desc bool) string {
	if desc {
		return `,"direction":"desc"}`
	}
	return `,"direction":"asc"}`
}
