package gen

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
)

func TestEvents(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a, b := New(1, start, time.Second), New(1, start, time.Second)
	size, late, last := 0, 0, event.Micros(0)
	const n = 5_000
	for range n {
		x, y := a.Next(), b.Next()
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("%+v is not %+v", x, y)
		}
		if !json.Valid(x.Payload) || event.CheckName("stream_id", x.Stream) != nil {
			t.Fatalf("%s %s", x.Stream, x.Payload)
		}
		if x.Time < last {
			late++
		}
		last = max(last, x.Time)
		size += x.Size()
	}
	if size/n < 350 || size/n > 700 || late < n/200 || late > n/40 {
		t.Errorf("%d bytes each, %d of %d late", size/n, late, n)
	}
}
