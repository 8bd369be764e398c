package verify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

func TestFalseNumbersAreFound(t *testing.T) {
	b := bucket{t, store.NewMemory()}
	b.create("n", 1, 0)
	var batch commitlog.Batch
	now := event.ToMicros(time.Now().Add(-24 * time.Hour).Truncate(24 * time.Hour))
	for i := range 3_000 {
		batch.Events = append(batch.Events, event.Event{Stream: fmt.Sprint(i % 7), Type: "t", Time: now + event.Micros(i), Metadata: []byte(`{}`),
			Payload: fmt.Appendf(nil, `{"whole":%d,"half":%d.5,"some":%s}`, i-9, i, []string{"1", "null", `"x"`, "4"}[i%4])})
	}
	b.append(b.log(), "n", batch)
	b.compact("n")
	b.mustBeClean()
	s, _ := b.newest("n")
	file := s.Days[0].Files[0]
	if len(file.Numbers) != 3 || *file.Numbers[2].Ints != (snapshot.Totals[int64]{Min: -9, Max: 2990, Sum: 4471500}) ||
		file.Numbers[0].Floats.Sum != 4500000 || file.Numbers[1].Nulls != 750 || file.Numbers[1].Residual != 750 {
		t.Fatalf("%+v", file.Numbers)
	}
	for name, claim := range map[string]func(n []snapshot.Number){
		"sum":      func(n []snapshot.Number) { n[2].Ints.Sum++ },
		"minimum":  func(n []snapshot.Number) { n[0].Floats.Min-- },
		"values":   func(n []snapshot.Number) { n[1].Values-- },
		"residual": func(n []snapshot.Number) { n[1].Residual = 0 },
		"path":     func(n []snapshot.Number) { n[1].Path = "payload.other" },
	} {
		t.Run(name, func(t *testing.T) {
			b := bucket{t, b.s}.clone()
			b.editSnapshot("n", func(s *snapshot.Snapshot) { claim(s.Days[0].Files[0].Numbers) })
			b.mustFind(verify.Mismatch, file.Key)
		})
	}
}
