package segment

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// randomEvents returns n events with every kind of hole: absent ids, empty and
// full tag lists, payloads of any JSON.
func randomEvents(rng *rand.Rand, n, streams int) []event.Event {
	payloads := []string{`{}`, `null`, `1.0`, ` { "a" : [1, 2] } `, `"Lỗi \u00e9"`, `[]`, `{"a":1,"a":2}`, `12345678901234567890`}
	out := make([]event.Event, n)
	for i := range out {
		e := &out[i]
		*e = event.Event{
			Stream: fmt.Sprintf("stream-%d-%s", rng.IntN(streams), strings.Repeat("x", 20)), Type: fmt.Sprintf("t%d", rng.IntN(5)),
			Time: event.Micros(rng.Int64N(1e15)), Payload: []byte(payloads[rng.IntN(len(payloads))]), Metadata: []byte(`{"m":true}`),
			Sequence: int64(i) + 1, Ingested: 7, Place: event.Place{Shard: 3, Position: 9, Ordinal: int32(i)},
		}
		if rng.IntN(3) == 0 {
			e.ID = fmt.Sprintf("id-%d", i)
		}
		for t := range rng.IntN(4) {
			e.Tags = append(e.Tags, fmt.Sprintf("tag:%d", t*rng.IntN(100)))
		}
	}
	return out
}

func readAll(t *testing.T, f *File, shard int) []event.Event {
	t.Helper()
	var got []event.Event
	for _, g := range f.Groups() {
		b, err := g.Read(AllColumns)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Rows() {
			got = append(got, b.Event(i, shard))
		}
	}
	return got
}

func TestEventsComeBackExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 1000, GroupRows + 17} {
		for _, streams := range []int{0, 1, 10, 1 << 30} { // of the last there is no dictionary, and of the first it outgrows its bounds
			want := randomEvents(rng, n, cmp.Or(streams, 1<<30))
			body, err := Encode(want, streams, map[string]string{"firn.id": "abc"})
			if err != nil {
				t.Fatal(err)
			}
			f, err := Decode(body)
			if err != nil {
				t.Fatal(err)
			}
			if f.Rows() != int64(n) || f.Meta("firn.id") != "abc" {
				t.Fatalf("rows %d, id %q", f.Rows(), f.Meta("firn.id"))
			}
			got := readAll(t, f, 3)
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("n=%d streams=%d row %d:\n got %+v\nwant %+v", n, streams, i, got[i], want[i])
				}
			}
		}
	}
}

func TestAnyFlippedByteOfACommitIsFound(t *testing.T) {
	body, err := Encode(randomEvents(rand.New(rand.NewPCG(3, 4)), 20, 3), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		broken := bytes.Clone(body)
		broken[i] ^= 1 << (i % 8)
		if _, err := Decode(broken); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d of %d flipped: %v", i, len(body), err)
		}
	}
	for i := range body {
		if _, err := Decode(body[:i]); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestDamagedPagesAreCorrupt(t *testing.T) {
	var buf bytes.Buffer
	w := NewWriter(&buf, true, nil)
	events := randomEvents(rand.New(rand.NewPCG(5, 6)), 500, 3)
	if err := w.Write(events); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := Open(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	step := int64(1)
	if testing.Short() {
		step = 7
	}
	for at := int64(4); at < whole.End(); at += step {
		broken := bytes.Clone(buf.Bytes())
		broken[at] ^= 1 << (at % 8)
		f, err := Open(bytes.NewReader(broken), int64(len(broken)))
		if err != nil {
			t.Fatalf("the footer did not change, yet: %v", err)
		}
		b, err := f.Groups()[0].Read(AllColumns)
		if err == nil { // only a page header that says the same in other words may pass
			for i := range events {
				if got := b.Event(i, 3); !reflect.DeepEqual(got, events[i]) {
					t.Fatalf("byte %d flipped: row %d silently became %+v", at, i, got)
				}
			}
		} else if !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d flipped: %v", at, err)
		}
	}
}

func TestBoundsHoldEveryValue(t *testing.T) {
	events := randomEvents(rand.New(rand.NewPCG(7, 8)), 3000, 500)
	events[7].Stream = strings.Repeat("z", 200)
	body, err := Encode(events, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	g := f.Groups()[0]
	lo, hi, ok := g.Ints(Time)
	slo, shi, sok := g.Strings(Stream)
	if !ok || !sok {
		t.Fatal("the file has no statistics")
	}
	for _, e := range events {
		if int64(e.Time) < lo || int64(e.Time) > hi || e.Stream < slo || e.Stream > shi {
			t.Fatalf("%v %q is outside [%d %d] [%q %q]", e.Time, e.Stream, lo, hi, slo, shi)
		}
	}
}
