package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// edit is an event of the sample as its NDJSON says it.
type edit struct {
	Stream    string `json:"stream_id"`
	Type      string `json:"event_type"`
	Timestamp string `json:"timestamp"`
	Payload   struct {
		Added, Delta   float64
		IsRobot, IsNew bool
		Namespace      string
		Comment, User  string
		CityName       *string
		Country        *string `json:"countryIsoCode"`
	}
}

// The main job, from the HTTP request to the answer, on real events: ten
// queries answer what their NDJSON says, with all events in the tail, half of
// them in data files, and all of them there.
func TestQueriesOverTheSampleAnswerWhatItsNDJSONSays(t *testing.T) {
	lines, edits := sampleEdits(t)
	s, err := store.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := commitlog.Open(s)
	srv := httptest.NewServer(api.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s}))
	defer srv.Close()
	post(t, srv.URL+"/v1/instances", "application/json", `{"name":"wiki","shards":3}`)
	batches := slices.Collect(slices.Chunk(lines, 200))
	for i, batch := range batches {
		post(t, srv.URL+"/v1/instances/wiki/events", "application/x-ndjson", strings.Join(batch, "\n"))
		if i == len(batches)/2 {
			if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), "wiki"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, phase := range []string{"half in the tail", "all in data files"} {
		for name, q := range truths(edits) {
			body := post(t, srv.URL+"/v1/query", "application/json", q.query)
			var got struct {
				Data struct{ Result map[string]any }
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if have := normal(q.get(got.Data.Result)); !reflect.DeepEqual(have, normal(q.want)) {
				t.Errorf("%s, %s: the answer is %v, the NDJSON says %v", phase, name, have, normal(q.want))
			}
		}
		if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), "wiki"); err != nil {
			t.Fatal(err)
		}
	}
}

func sampleEdits(t *testing.T) (lines []string, edits []edit) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(sampleData))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	lines = strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines {
		var e edit
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		edits = append(edits, e)
	}
	if len(edits) < 1000 {
		t.Fatalf("the sample has only %d events", len(edits))
	}
	return lines, edits
}

func post(t *testing.T, url, media, body string) []byte {
	t.Helper()
	resp, err := http.Post(url, media, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s: %s %s %v", url, resp.Status, answer, err)
	}
	return answer
}

// truth is a query and what the events say to it.
type truth struct {
	query string
	get   func(result map[string]any) any
	want  any
}

func truths(edits []edit) map[string]truth {
	aggregation := func(r map[string]any) any { return r["aggregation"] }
	total := func(r map[string]any) any { return r["total"] }
	from := func(rest string) string { return `{"from":{"instance":"wiki"},` + rest + `}` }
	count := func(f func(e *edit) bool) (n float64) {
		for i := range edits {
			if f(&edits[i]) {
				n++
			}
		}
		return n
	}
	var added, delta, most float64
	byType, byNamespace := map[string]float64{}, map[string]float64{}
	var germans []string
	for _, e := range edits {
		added, delta, most = added+e.Payload.Added, delta+e.Payload.Delta, max(most, e.Payload.Added)
		byType[e.Type]++
		if !e.Payload.IsRobot && e.Payload.Added > 50 {
			byNamespace[e.Stream+" "+e.Payload.Namespace] += e.Payload.Added
		}
		if e.Payload.Country != nil && *e.Payload.Country == "DE" {
			germans = append(germans, e.Payload.User)
		}
	}
	slices.Sort(germans)
	rows := func(keys ...string) func(map[string]any) any {
		return func(r map[string]any) any {
			out := map[string]float64{}
			for _, row := range r["aggregation"].([]any) {
				row := row.(map[string]any)
				var key []string
				for _, k := range keys[1:] {
					key = append(key, row[k].(string))
				}
				out[strings.Join(key, " ")] = row[keys[0]].(float64)
			}
			return out
		}
	}
	english := slices.DeleteFunc(slices.Clone(edits), func(e edit) bool { return e.Stream != "en.wikipedia" })
	return map[string]truth{
		"count":     {from(`"reduce":{"type":"count"}`), aggregation, float64(len(edits))},
		"by type":   {from(`"reduce":{"type":"count","groupBy":["event_type"]}`), rows("count", "event_type"), byType},
		"sum":       {from(`"reduce":{"type":"sum","field":"payload.added"}`), aggregation, added},
		"average":   {from(`"reduce":{"type":"avg","field":"payload.delta"}`), aggregation, delta / float64(len(edits))},
		"maximum":   {from(`"reduce":{"type":"max","field":"payload.added"}`), aggregation, most},
		"grouped":   {from(`"where":[{"field":"payload.isRobot","operator":"eq","value":false},{"field":"payload.added","operator":"gt","value":50}],"reduce":{"type":"sum","field":"payload.added","groupBy":["stream_id","payload.namespace"]}`), rows("sum", "stream_id", "payload.namespace"), byNamespace},
		"substring": {from(`"where":[{"field":"payload.comment","operator":"contains","value":"fix"}],"limit":0`), total, count(func(e *edit) bool { return strings.Contains(e.Payload.Comment, "fix") })},
		"null":      {from(`"where":[{"field":"payload.cityName","operator":"eq","value":null}],"limit":0`), total, count(func(e *edit) bool { return e.Payload.CityName == nil })},
		"window": {from(`"where":[{"field":"timestamp","operator":"between","value":["2015-09-12T06:00:00Z","2015-09-12T11:59:59.999Z"]}],"limit":0`), total,
			count(func(e *edit) bool { return e.Timestamp >= "2015-09-12T06" && e.Timestamp < "2015-09-12T12" })},
		"collect": {from(`"where":[{"field":"payload.countryIsoCode","operator":"eq","value":"DE"}],"reduce":{"type":"collect","field":"payload.user"}`), func(r map[string]any) any {
			var users []string
			for _, u := range r["aggregation"].([]any) {
				users = append(users, u.(string))
			}
			slices.Sort(users)
			return users
		}, germans},
		"last of a stream": {`{"from":{"instance":"wiki","stream":"en.wikipedia"},"orderBy":{"field":"sequence_number","direction":"desc"},"limit":1}`, func(r map[string]any) any {
			e := r["events"].([]any)[0].(map[string]any)
			return []any{e["sequence_number"], e["payload"].(map[string]any)["comment"]}
		}, []any{float64(len(english)), english[len(english)-1].Payload.Comment}},
	}
}

// normal rounds numbers to 9 digits, since sums may be added up in any order.
func normal(v any) any {
	switch v := v.(type) {
	case float64:
		return math.Round(v*1e9) / 1e9
	default:
		return fmt.Sprint(v)
	}
}
