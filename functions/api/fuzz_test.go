package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
)

// FuzzAppend sends any body in any form. Whatever comes, the answer is an
// envelope that stores what it says or puts the blame on the client.
func FuzzAppend(f *testing.F) {
	f.Add("application/json", "", "?expectedSequence=1", `{"stream_id":"a"}`)
	f.Add("application/x-ndjson", "gzip", "?return=minimal", "\x1f\x8b\x08")
	f.Add("application/cloudevents+json", "zstd", "", "\x28\xb5\x2f\xfd\x00")
	f.Add("", "identity", "?x", `{"events":[{}],"expectedSequences":{"a":"none"}}`)
	stored := -1
	blank := scripted{append: func(b commitlog.Batch) (commitlog.Receipt, error) {
		stored = len(b.Events)
		for i := range b.Events {
			b.Events[i].Sequence, b.Events[i].Place = 1, event.Place{Position: 1, Ordinal: int32(i)}
		}
		return commitlog.Receipt{Events: b.Events, Parts: []commitlog.Part{{Count: stored, Position: 1}}}, nil
	}}
	h := New(front.Config{Log: blank, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	f.Fuzz(func(t *testing.T, contentType, encoding, params, body string) {
		r := httptest.NewRequest("POST", log, strings.NewReader(body))
		r.URL.RawQuery = strings.TrimPrefix(params, "?")
		r.Header["Content-Type"], r.Header["Content-Encoding"] = []string{contentType}, []string{encoding}
		w := httptest.NewRecorder()
		stored = -1
		h.ServeHTTP(w, r)
		var answer struct {
			Success bool
			Data    struct{ Count int }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v in %q", err, w.Body)
		}
		switch w.Code {
		case 201:
			if !answer.Success || stored < 1 || answer.Data.Count != stored {
				t.Fatalf("%d stored: %s", stored, w.Body)
			}
		case 400, 413, 415:
			if answer.Success || stored >= 0 {
				t.Fatalf("%d stored: %s", stored, w.Body)
			}
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

func FuzzReadObject(f *testing.F) {
	f.Add(`{"name":"a","days":1}`)
	f.Add(`{"name":"\ud83d\ude00","d":01}`)
	f.Fuzz(func(t *testing.T, body string) {
		var spec catalog.Instance
		days := wholeField(0, func(n int) { spec.RetentionDays = n })
		err := readObject([]byte(body), map[string]*field{"name": textField(func(s string) { spec.Name = s }), "days": days, "d": days})
		if err != nil {
			return
		}
		var want struct {
			Name string
			Days int
			D    int
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil || want.Name != spec.Name || want.Days+want.D != spec.RetentionDays {
			t.Fatalf("%q: %+v, want %+v %v", body, spec, want, err)
		}
	})
}
