package vamp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Pages go beyond what the engine skips, and are the same as if it had no bound.
func TestDeepPages(t *testing.T) {
	s := serve(t)
	for i := range 90 {
		tag := "t"
		if i%5 == 4 {
			tag = "other"
		}
		s.publish(fmt.Sprintf(`{"tags":["%s"],"timestamp":"2015-06-08T10:28:%02d.5Z","value":%d}`, tag, i/3, i)) // three of one time
	}
	ctx := front.WithCaller(t.Context(), front.Anyone)
	find := func(offset int64, limit, reach int) (string, int64, error) {
		q := &querier.Query{Instance: "vamp", Limit: limit, Select: shown,
			Where:   []querier.Predicate{predicate(querier.Tags, querier.Contains, "t")},
			OrderBy: []querier.Order{{Field: querier.Timestamp, Desc: true}, {Field: querier.Place, Desc: true}}}
		res, err := s.door.find(ctx, q, offset, reach)
		if err != nil {
			return "", 0, err
		}
		var ids []string
		for _, raw := range res.Events {
			v, err := parseStored(raw, "vamp")
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, v.id)
		}
		return strings.Join(ids, " "), res.Total, nil
	}
	const total = 72
	for _, reach := range []int{8, 22, 71, 72, 100} {
		for offset := int64(0); offset < total+10; offset += 7 {
			want, _, err := find(offset, 4, querier.MaxOffset)
			if err != nil {
				t.Fatal(err)
			}
			got, n, err := find(offset, 4, reach)
			if err != nil || got != want || n != total {
				t.Fatalf("offset %d with reach %d: %s of %d, %v, want %s of %d", offset, reach, got, n, err, want, total)
			}
		}
	}
	// The bound itself lies within events of one time.
	for range 10 {
		s.publish(`{"tags":["t"],"timestamp":"2015-07-08T10:28:00Z"}`)
	}
	if _, _, err := find(8, 4, 10); !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), "9 events or more of one time, 2015-07-08T10:28:00Z") {
		t.Error(err)
	}
}
