package front

import (
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

func TestParseLimits(t *testing.T) {
	l, err := ParseLimits([]string{"batch=1000", " event=64KB", "memory=2GB", "query-seconds=30", "query-memory=512MB"})
	if err != nil {
		t.Fatal(err)
	}
	l = l.orDefaults()
	want := Limits{Body: MaxBody, Decompressed: MaxDecompressed, Event: 64 << 10, Batch: 1000, Depth: event.MaxDepth, Page: querier.MaxPageBytes,
		Queries: MaxQueries, QueryMemory: 512 << 20, QuerySeconds: 30, QueryGroups: querier.MaxGroups, QueryRows: DefaultQueryRows, QueryBytes: DefaultQueryBytes, Memory: 2 << 30, Answers: DefaultAnswers, Tails: MaxTails, CallerTails: DefaultCallerTails}
	if l != want {
		t.Errorf("%+v", l)
	}
	for _, bad := range []string{"", "batch", "batch=", "batch=0", "batch=-1", "batch=50001", "batch=1 KB", "batch=KB", "batch=1e3", "batches=1", "=1", "body=33MB", "depth=129", "memory=9999999999GB", "memory=2147483647GB"} {
		if _, err := ParseLimits([]string{bad}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, row := range l.table() {
		if row.def > row.most || row.most <= 0 {
			t.Errorf("%+v", row)
		}
	}
}
