package websocket

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firn/functions/codebolt"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// world is the function over a bucket in memory, and what it sent.
type world struct {
	*Function
	t       *testing.T
	sent    []string
	revoked bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	log := commitlog.Open(store.NewMemory())
	s := front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: log.Store(), Logger: slog.New(slog.DiscardHandler), Origins: []string{"https://good.example"},
		Authenticate: func(r *http.Request) (front.Caller, error) {
			if w.revoked || r.Header.Get("Authorization") != "Bearer good" {
				return front.Caller{}, fault.New(fault.Unauthenticated, "the key is not good")
			}
			return front.Anyone, nil
		}})
	w.Function = &Function{Service: s, Codebolt: codebolt.New(s), Logger: s.Logger,
		Post: func(_ context.Context, endpoint, connection string, reply []byte) error {
			w.sent = append(w.sent, endpoint+" "+connection+" "+string(reply))
			return nil
		}}
	return w
}

func (w *world) handle(event string) any {
	w.t.Helper()
	out, err := w.Handle(w.t.Context(), json.RawMessage(event))
	if err != nil {
		w.t.Fatalf("%s: %v", event, err)
	}
	return out
}

// message sends one and returns the reply.
func (w *world) message(body string) string {
	w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sent = nil
	w.handle(`{"requestContext":{"eventType":"MESSAGE","connectionId":"c1=","domainName":"x.example","stage":"prod","authorizer":{"principalId":"p","credential":"Bearer good"}},"body":` + string(text) + `}`)
	if len(w.sent) != 1 {
		w.t.Fatalf("sent: %q", w.sent)
	}
	return w.sent[0]
}

func TestAuthorizer(t *testing.T) {
	w := newWorld(t)
	f := func(effect string, headers, query string) {
		t.Helper()
		out := w.handle(`{"type":"REQUEST","methodArn":"arn:x","headers":` + headers + `,"queryStringParameters":` + query + `}`).(events.APIGatewayCustomAuthorizerResponse)
		statement := out.PolicyDocument.Statement[0]
		if statement.Effect != effect || statement.Resource[0] != "arn:x" || (effect == "Allow") != (out.Context[credential] == "Bearer good") {
			t.Errorf("%s %s: %+v", headers, query, out)
		}
	}
	f("Allow", `{"authorization":"Bearer good"}`, `null`)
	f("Allow", `{"X-API-Key":"good"}`, `{}`)
	f("Allow", `{}`, `{"api_key":"good"}`)
	f("Allow", `{"Authorization":"Bearer good","Origin":"https://good.example"}`, `{}`)
	f("Deny", `{"Authorization":"Bearer good","Origin":"https://bad.example"}`, `{}`)
	f("Deny", `{"Authorization":"Bearer bad"}`, `{"api_key":"good"}`)
	f("Deny", `{}`, `{}`)
}

func TestMessages(t *testing.T) {
	w := newWorld(t)
	f := func(message string, want ...string) {
		t.Helper()
		got := w.message(message)
		for _, text := range append(want, "https://x.example/prod c1= ") {
			if !strings.Contains(got, text) {
				t.Errorf("%s: %s, want %s", message, got, text)
			}
		}
	}
	f(`{"type":"eventLog.createInstance","requestId":"1","params":{"name":"log"}}`, `"success":true`, `"requestId":"1"`)
	f(`{"type":"eventLog.nothing","requestId":2}`, `"success":false`, `"requestId":2`)
	// A reply that no gateway carries says so.
	payload := `{"x":"` + strings.Repeat("x", 100<<10) + `"}`
	for range 2 {
		f(`{"type":"eventLog.appendEvent","requestId":"3","params":{"instanceId":"log","payload":`+payload+`}}`, `"success":true`)
	}
	f(`{"type":"eventLog.queryEvents","requestId":"4","params":{"query":{"from":{"instance":"log"}}}}`, `"success":false`, `"requestId":"4"`, `"code":"limit"`, `"type":"eventLog.queryEvents"`)
	// Credentials are asked for with each message.
	w.revoked = true
	f(`{"type":"eventLog.listInstances","requestId":"5"}`, `"success":false`, `"requestId":"5"`, `"code":"unauthenticated"`)
	f(`nonsense`, `"type":"error"`, `"code":"unauthenticated"`)
}

func TestOtherEvents(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []string{"CONNECT", "DISCONNECT"} {
		if out := w.handle(`{"requestContext":{"eventType":"` + kind + `"}}`).(events.APIGatewayProxyResponse); out.StatusCode != 200 {
			t.Errorf("%s: %+v", kind, out)
		}
	}
	for _, event := range []string{`{}`, `[]`} {
		if _, err := w.Handle(t.Context(), json.RawMessage(event)); err == nil {
			t.Errorf("%s is taken", event)
		}
	}
}

func TestManagementAPI(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	t.Setenv("AWS_REGION", "us-east-1")
	for status, fails := range map[int]bool{200: false, 410: false, 413: true, 500: true} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.EscapedPath() != "/@connections/c1%3D" || !strings.Contains(r.Header.Get("Authorization"), "/execute-api/") {
				t.Errorf("%s %v", r.URL.EscapedPath(), r.Header)
			}
			w.WriteHeader(status)
		}))
		if err := Manage("")(t.Context(), srv.URL, "c1=", []byte("reply")); (err != nil) != fails {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
}
