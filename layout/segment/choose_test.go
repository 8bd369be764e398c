package segment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

// payloads returns events with the payloads that doc makes.
func payloads(n int, doc func(i int) string) []event.Event {
	out := make([]event.Event, n)
	for i := range out {
		out[i] = event.Event{Stream: "s", Type: "t", Sequence: int64(i) + 1, Payload: []byte(doc(i)), Metadata: []byte("{}")}
	}
	return out
}

// chosen returns the fields of a plan as "path type".
func chosen(p Plan) []string {
	var out []string
	for _, f := range p.Fields {
		out = append(out, fmt.Sprint(f.Path, " ", f.Type))
	}
	return out
}

func TestChoice(t *testing.T) {
	long := strings.Repeat("many words ", 40)
	f := func(name string, doc func(i int) string, want ...string) {
		t.Helper()
		events := payloads(2000, doc)
		p := plan(events)
		if got := chosen(p); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		checkFields(t, openData(t, writeData(t, events, p)), events)
	}
	f("types", func(i int) string {
		return fmt.Sprintf(`{"i":%d,"d":%d.5,"b":%t,"s":"v%d","n":null,"l":[1],"o":{"x":{"y":1}}}`, i, i, i%2 == 0, i%9)
	}, "payload.b boolean", "payload.d double", "payload.i int64", "payload.o.x.y int64", "payload.s string")
	f("a few fractions make a double", func(i int) string {
		if i%50 == 0 {
			return `{"v":0.5}`
		}
		return `{"v":1.0}`
	}, "payload.v double")
	f("whole numbers", func(int) string { return `{"v":1.0,"w":1e3}` }, "payload.v int64", "payload.w int64")
	f("numbers too long for a float", func(i int) string { return fmt.Sprintf(`{"v":%d}`, 1<<60+i) }, "payload.v int64")
	f("mostly an object", func(i int) string {
		if i%3 == 0 {
			return `{"v":7}`
		}
		return `{"v":{"x":7}}`
	}, "payload.v.x int64")
	f("mostly a scalar", func(i int) string {
		if i%3 == 0 {
			return `{"v":{"x":7}}`
		}
		return `{"v":7}`
	}, "payload.v int64")
	f("of no one type", func(i int) string {
		return fmt.Sprintf(`{"v":%s}`, []string{`1`, `"x"`, `true`, `[1]`, `[2]`}[i%5])
	})
	f("names that make no path", func(int) string { return `{"":1,"a.b":1,"0":1,"12":{"x":1},"a\u0000":1,"ok":{"":{"x":1}}}` })
	f("names that differ in case only", func(i int) string {
		if i%2 == 0 {
			return `{"id":1}`
		}
		return `{"ID":1,"id":2}`
	}, "payload.id int64")
	f("rare", func(i int) string {
		if i < 30 {
			return `{"rare":1}`
		}
		return `{}`
	})
	f("text", func(i int) string { return fmt.Sprintf(`{"text":"%s"}`, long) })
	f("scalars", func(i int) string { return `5` })
}

func TestTextIsCopiedWithinBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	hash := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123456789abcdef"[rng.IntN(16)]
		}
		return string(b)
	}
	filler := strings.Repeat("a", 220)
	p := plan(payloads(2000, func(i int) string {
		return fmt.Sprintf(`{"id":"%s","a":"%s","b":"%s","fill":["%s"],"few":"%d"}`, hash(12), hash(40), hash(39), filler, i%7)
	}))
	want := []Field{{"payload.few", String, 0}, {"payload.id", String, filterBits}}
	if !slices.Equal(p.Fields, want) {
		t.Errorf("%+v, want %+v", p.Fields, want)
	}
}

// Documents with ever new names must neither grow without bound nor hide the
// common ones.
func TestExplosionOfNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	n := 0
	doc := func(int) string {
		var b strings.Builder
		b.WriteString(`{"common":1`)
		for range 100 {
			n++
			fmt.Fprintf(&b, `,"k%d":{"x":%d}`, n, n)
		}
		if rng.IntN(4) == 0 {
			b.WriteString(`,"seldom":true`)
		}
		return b.String() + "}"
	}
	var c Chooser
	c.Add(payloads(600, doc))
	if c.nodes > 2*maxNodes {
		t.Errorf("%d places are remembered", c.nodes)
	}
	if got, want := chosen(c.Plan()), []string{"payload.common int64", "payload.seldom boolean"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	n = 0
	var one Chooser
	one.Add(payloads(1, func(int) string {
		var b strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		return "{" + b.String()[1:] + "}"
	}))
	if one.nodes > 2*maxNodes {
		t.Errorf("%d places of one document are remembered", one.nodes)
	}
}

// Wide data: many types of events, each with fields of its own.
func TestWideData(t *testing.T) {
	events := payloads(8_000, func(i int) string {
		var b strings.Builder
		kind := i % 40
		for j := range 10 {
			fmt.Fprintf(&b, `,"f%d_%d":%d`, kind, j, i)
		}
		return fmt.Sprintf(`{"kind":"k%d"%s}`, kind, b.String())
	})
	p := plan(events)
	if len(p.Fields) != MaxFields {
		t.Fatalf("%d fields", len(p.Fields))
	}
	f := openData(t, writeData(t, events, p))
	for _, info := range f.Fields() {
		if want := int64(8_000 / 40); info.Path != "payload.kind" && info.Values != want {
			t.Fatalf("%s has %d values, want %d", info.Path, info.Values, want)
		}
	}
}

// A merge chooses by its inputs' footers, or by their events if they are small.
func TestChoiceFromFiles(t *testing.T) {
	doc := func(i int) string {
		return fmt.Sprintf(`{"n":%d,"s":"v%d","o":{"d":%d.25,"id":"x%d"}}`, i, i%10, i, i)
	}
	for _, rows := range []int{20, sampleRows} {
		var c Chooser
		for file := range 4 {
			events := payloads(rows, func(i int) string { return doc(file*rows + i) })
			p := plan(events)
			if rows == 20 && len(p.Fields) > 0 {
				t.Fatalf("%d rows have fields: %q", rows, chosen(p))
			}
			if err := c.AddFile(openData(t, writeData(t, events, p))); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"payload.n int64", "payload.o.d double", "payload.s string"}
		if got := chosen(c.Plan()); !slices.Equal(got, want) {
			t.Errorf("4 files of %d rows: %q, want %q", rows, got, want)
		}
	}
}
