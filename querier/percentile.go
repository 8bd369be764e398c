package querier

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	bins "github.com/DataDog/sketches-go/ddsketch/store"
)

// percentileError is how far a percentile may be off, relative to itself.
const percentileError = 0.01

// percentile keeps a sketch of numbers: how many there are in each of a series
// of ranges that grow by a factor. Whatever the order in which sketches are
// merged, the result is the same. See "DDSketch: A Fast and Fully-Mergeable
// Quantile Sketch with Relative-Error Guarantees", VLDB 2019.
type percentile struct {
	q      float64
	sketch *ddsketch.DDSketch // nil for no numbers
	n      int                // numbers since the sketch was measured, see grown
	due    int                // when it is measured next
	size   int                // as it was accounted
}

var sketchMapping = func() *mapping.LogarithmicMapping {
	m, err := mapping.NewLogarithmicMapping(percentileError)
	if err != nil {
		panic(err) // the error is a constant that is possible
	}
	return m
}()

func (p *percentile) add(v *Value, _ origin) int {
	var f float64
	switch v.kind {
	case whole:
		f = float64(v.n)
	case broken:
		f = v.broken()
	default:
		return 0
	}
	limit := sketchMapping.MaxIndexableValue()
	if err := p.open().Add(max(-limit, min(f, limit))); err != nil {
		panic(err) // a number within the limit can always be added
	}
	p.n++
	return p.grown(false)
}

func (p *percentile) open() *ddsketch.DDSketch {
	if p.sketch == nil {
		p.sketch = ddsketch.NewDDSketchFromStoreProvider(sketchMapping, bins.BufferedPaginatedStoreConstructor)
	}
	return p.sketch
}

// grown measures the sketch each time that its numbers have doubled, as it has
// at most so many ranges, and returns by how much it grew.
func (p *percentile) grown(now bool) int {
	if p.n < p.due && !now {
		return 0
	}
	p.due = 2*p.n + 16
	ranges := 0
	p.sketch.ForEach(func(_, _ float64) bool { ranges++; return false })
	before := p.size
	p.size = 512 + 64*ranges
	return p.size - before
}

func (p *percentile) merge(s state) int {
	o := s.(*percentile)
	if o.sketch == nil {
		return 0
	}
	if err := p.open().MergeWith(o.sketch); err != nil {
		panic(err) // all sketches have one mapping
	}
	p.n += o.n
	return p.grown(true) - o.size
}

// result returns the number at the rank that is the share of all but one.
func (p *percentile) result() Value {
	if p.sketch == nil {
		return Null()
	}
	f, err := p.sketch.GetValueAtQuantile(p.q)
	if err != nil || math.IsNaN(f) {
		return Null()
	}
	return floatValue(f)
}
