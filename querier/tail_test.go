package querier

import (
	"bytes"
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	bucket "github.com/firnlog/firn/layout/store"
)

// The behaviour of tails is tested where they are used, in functions/front.

func FuzzTailCursor(f *testing.F) {
	v := &commitlog.View{Instance: catalog.Instance{ID: "i", Shards: 2, Generation: 3}, Point: commitlog.Point{Ends: []int64{9, 0}}}
	f.Add(encodeMarks(&v.Instance, []mark{{5, 0}, {1, 0}}))
	f.Add(encodeMarks(&v.Instance, []mark{{10, math.MaxInt32}, {1, 7}}))
	f.Add(encodeMarks(&v.Instance, []mark{{11, 0}, {1, 0}}))
	f.Add(FromStart)
	f.Fuzz(func(t *testing.T, after string) {
		marks, err := marksOf(v, after)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Gone {
				t.Fatalf("%q: %v", after, err)
			}
			return
		}
		for shard, m := range marks {
			if m.position < 1 || m.position > v.Point.Ends[shard]+1 || m.ordinal < 0 {
				t.Fatalf("%q: %v", after, marks)
			}
		}
		again, err := marksOf(v, encodeMarks(&v.Instance, marks))
		if err != nil || !slices.Equal(again, marks) {
			t.Fatalf("%q: %v became %v, %v", after, marks, again, err)
		}
	})
}

// TestTailsHoldLittle: what tails have read ahead is let go when it is not
// fetched, and what they share is bounded.
func TestTailsHoldLittle(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		log := commitlog.Open(bucket.NewMemory())
		if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "i"}); err != nil {
			t.Fatal(err)
		}
		e := NewEngine(log)
		e.tails.decoded = newDecoded(3 << 20)
		tails := make([]*Tail, 20)
		for n := range tails {
			var err error
			if tails[n], err = e.Tail(t.Context(), TailQuery{Instance: "i"}); err != nil {
				t.Fatal(err)
			}
		}
		big := event.Event{Stream: "s", Type: "t", Time: 1, Payload: append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, 1<<20)...), '"'), Metadata: []byte(`{}`)}
		for range 5 {
			if _, err := log.Append(t.Context(), "i", commitlog.Batch{Events: []event.Event{big, big}}); err != nil {
				t.Fatal(err)
			}
			for _, tail := range tails {
				if _, err := tail.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		free := func() int64 {
			synctest.Wait()
			var n int64
			for e.tails.memory.TryAcquire(1 << 10) {
				n += 1 << 10
			}
			e.tails.memory.Release(n)
			return n
		}
		if held := tailsBytes - free(); held < int64(len(tails))<<20 {
			t.Errorf("%d bytes are held for events that were read ahead: the test is void", held)
		}
		time.Sleep(tailPatience + time.Second)
		if n := free(); n != tailsBytes {
			t.Errorf("%d of %d bytes are free after a while", n, tailsBytes)
		}
		if d := e.tails.decoded; d.bytes > d.max || d.last.Len() != len(d.index) || d.bytes == 0 {
			t.Errorf("%d bytes of %d commits are shared", d.bytes, len(d.index))
		}
		for _, tail := range tails {
			for n := range 5 { // and nothing is lost with it
				if e, err := tail.Next(t.Context()); err != nil || e.Sequence != int64(n+6) {
					t.Fatalf("%d, %v, want %d", e.Sequence, err, n+6)
				}
			}
			tail.Close()
			tail.Close()
			if _, err := tail.Next(context.Background()); !fault.Is(err, fault.Unavailable) {
				t.Error(err)
			}
		}
		if n := free(); n != tailsBytes {
			t.Errorf("%d of %d bytes are free at the end", n, tailsBytes)
		}
	})
}
