package stackstate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
)

func micros(ago time.Duration) event.Micros { return event.ToMicros(now.Add(ago)) }

// TestDuplicates: what an agent sends again is recognised by the identity that
// its source gave it.
func TestDuplicates(t *testing.T) {
	s := serve(t, Config{Deduplicate: true})
	event := func(source, id, title string) string {
		return fmt.Sprintf(`{"msg_title":%q,"timestamp":1607432944,"context":{"source":%q,"source_identifier":%q}}`, title, source, id)
	}
	first := one("a", event("jira", "1", "x")+","+event("jira", "2", "x")+","+event("jira", "", "x")+",{}")
	s.want(200, "POST", intake, first, `"accepted":4,"duplicate":0`)
	s.want(200, "POST", intake, first, `"accepted":2,"duplicate":2,"rejected":0`)
	s.want(200, "POST", intake, one("b", event("jira", "2", "x")), `"duplicate":1`, `"status":"duplicate","id":"0-`)
	s.want(200, "POST", intake, one("a", event("other", "1", "x")), `"accepted":1`)
	s.want(200, "POST", intake, one("a", event("jira", "1", "other")), `"rejected":1`, "another event with this source and source_identifier")
	s.want(200, "POST", intake+"&deduplicate=false", one("a", event("jira", "1", "x")), `"accepted":1`)
	s.want(200, "POST", intake, one("a", event("jira", "5", "x")+","+event("jira", "5", "x")), `"accepted":1,"duplicate":1`)
	if got := len(s.events(`{"field":"payload.source_identifier","operator":"eq","value":"1"}`)); got != 3 {
		t.Errorf("%d events are stored, want 3: two sources, and one that was not to be recognised", got)
	}
}

// TestDuplicatesCost pins what recognition costs in requests to the store.
func TestDuplicatesCost(t *testing.T) {
	s := serve(t, Config{})
	s.want(200, "POST", intake, one("warm", `{"context":{"source_identifier":"w"}}`))
	var events []string
	for i := range 500 {
		events = append(events, fmt.Sprintf(`{"context":{"source":"s","source_identifier":"%d"}}`, i))
	}
	message := one("a", strings.Join(events, ","))
	puts := func(path, want string) int64 {
		before := s.store.Counts().Put
		s.want(200, "POST", path, message, want)
		return s.store.Counts().Put - before
	}
	if n := puts(intake, `"accepted":500`); n != 1 {
		t.Errorf("%d puts for a message", n)
	}
	puts(intake+"&deduplicate=true", `"accepted":500`) // as many as the appends happen to meet in
	if n := puts(intake+"&deduplicate=true", `"duplicate":500`); n != 0 {
		t.Errorf("%d puts for duplicates", n)
	}
}

// BenchmarkDuplicates measures a message of 1,000 events: as one append, as one
// append each, and when all are duplicates.
func BenchmarkDuplicates(b *testing.B) {
	for _, path := range []string{intake, intake + "&deduplicate=true"} {
		for _, repeat := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s repeat=%v", path[len(intake):], repeat), func(b *testing.B) {
				t := &testing.T{}
				s := serve(t, Config{})
				n := 0
				for b.Loop() {
					var events []string
					for i := range 1000 {
						if n++; repeat {
							n = i
						}
						events = append(events, fmt.Sprintf(`{"context":{"source":"s","source_identifier":"%d"}}`, n))
					}
					s.do("POST", path, one("a", strings.Join(events, ",")))
				}
				b.ReportMetric(float64(s.store.Counts().Put)/float64(b.N), "puts/op")
			})
		}
	}
}
