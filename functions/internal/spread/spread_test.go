package spread

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// TestInvocations spreads a query over invocations of the handler, some of which
// are throttled or fail, and one payload of which is none of its own.
func TestInvocations(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "y")
	t.Setenv("AWS_REGION", "us-east-1")
	s := store.NewMemory()
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "i"}); err != nil {
		t.Fatal(err)
	}
	for c := range 12 {
		b := commitlog.Batch{Events: []event.Event{{Stream: "s", Type: "t", Time: event.ToMicros(time.Now()), Metadata: []byte(`{}`), Payload: fmt.Appendf(nil, `{"n":%d}`, c)}}}
		if _, err := log.Append(t.Context(), "i", b); err != nil {
			t.Fatal(err)
		}
	}
	service := front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.DiscardHandler)})
	elsewhere := 0
	handler := Handler(service, func(context.Context, json.RawMessage) (any, error) { elsewhere++; return nil, nil })
	var n atomic.Int64
	lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, _ := io.ReadAll(r.Body)
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
			w.WriteHeader(http.StatusForbidden)
			return
		case n.Add(1)%4 == 0:
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		out, err := handler(r.Context(), payload)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			out = map[string]string{"errorMessage": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	defer lambda.Close()
	engine := querier.NewEngine(log).WithFanOut(querier.FanOut{Transport: shares.Transport(log, NewLambda(lambda.URL)), Workers: 3, MinBytes: 1, ShareBytes: 1})
	q, _ := querier.Parse([]byte(`{"from":{"instance":"i"},"reduce":{"type":"sum","field":"n"}}`))
	res, err := engine.Run(t.Context(), q)
	if err != nil || string(res.Aggregation) != "66" || res.Stats.Shares != 12 || res.Stats.SharesHere == 12 {
		t.Errorf("%v %+v", err, res)
	}
	if _, err := handler(t.Context(), []byte(`{"firn_share":{"instance":"i","digest":"","seal":""}}`)); err == nil {
		t.Error("a share without a seal was done")
	}
	for _, other := range []string{`{"instances":["i"]}`, `[]`, `{"version":"2.0","requestContext":{"http":{"method":"GET"}},"firn_share":{}}`} {
		if _, err := handler(t.Context(), []byte(other)); err != nil {
			t.Error(err)
		}
	}
	if elsewhere != 3 {
		t.Errorf("%d payloads went on", elsewhere)
	}
}
