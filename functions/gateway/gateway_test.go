package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// show answers with what it sees of a request.
func show(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s|%s|%s|%s|%s|%s|%d", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.RemoteAddr, r.Header.Get("X-Two"), r.Header.Get("X-Request-Id"), body, r.ContentLength)
}

func TestEventsBecomeRequests(t *testing.T) {
	f := func(event, want string) {
		t.Helper()
		got, err := Buffered(http.HandlerFunc(show))(t.Context(), json.RawMessage(event))
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		var status int
		var body string
		switch a := got.(type) {
		case events.APIGatewayV2HTTPResponse:
			status, body = a.StatusCode, a.Body
		case events.APIGatewayProxyResponse:
			status, body = a.StatusCode, a.Body
		}
		if status != http.StatusTeapot || body != want {
			t.Errorf("%s:\n got %d %s\nwant %s", event, status, body, want)
		}
	}
	// An HTTP API, at its default stage and at one with a name.
	f(`{"version":"2.0","rawPath":"/v1/query","rawQueryString":"a=1&a=2","headers":{"x-two":"a,b","content-length":"9"},"body":"hi","requestContext":{"stage":"$default","requestId":"id1","http":{"method":"POST","sourceIp":"192.0.2.1"}}}`,
		"POST /v1/query|a=1&a=2|192.0.2.1:0|a,b|id1|hi|2")
	f(`{"version":"2.0","rawPath":"/prod/v1/x","requestContext":{"stage":"prod","http":{"method":"GET","sourceIp":"2001:db8::1"}}}`,
		"GET /v1/x||[2001:db8::1]:0||||0")
	f(`{"version":"2.0","rawPath":"/production","requestContext":{"stage":"prod","http":{"method":"GET","sourceIp":"192.0.2.1"}}}`,
		"GET /production||192.0.2.1:0||||0")
	// Paths as they were sent, and decoded.
	f(`{"version":"2.0","rawPath":"/a%20b%2Fc","requestContext":{"domainName":"x.lambda-url.eu-central-1.on.aws","http":{"method":"GET"}}}`, "GET /a%20b%2Fc||:0||||0")
	f(`{"version":"2.0","rawPath":"/a%41","requestContext":{"domainName":"x.execute-api.eu-central-1.amazonaws.com","http":{"method":"DELETE"}}}`, "DELETE /a%2541||:0||||0")
	f(`{"version":"2.0","rawPath":"/a b?c","requestContext":{"http":{"method":"GET"}}}`, "GET /a%20b%3Fc||:0||||0")
	f(`{"version":"2.0","rawPath":"/100%","requestContext":{"http":{"method":"GET"}}}`, "GET /100%25||:0||||0")
	// A body in base64, and the request id of the client.
	f(`{"version":"2.0","rawPath":"/","headers":{"x-request-id":"mine"},"body":"AAE=","isBase64Encoded":true,"requestContext":{"requestId":"id1","http":{"method":"PUT"}}}`,
		"PUT /||:0||mine|\x00\x01|2")
	// A REST API.
	f(`{"httpMethod":"POST","path":"/v1/x","multiValueQueryStringParameters":{"q":["a b","c"]},"headers":{"X-Two":"b"},"multiValueHeaders":{"X-Two":["a","b"]},"body":null,"requestContext":{"stage":"prod","identity":{"sourceIp":"192.0.2.9"}}}`,
		"POST /v1/x|q=a+b&q=c|192.0.2.9:0|a|||0")
}

func TestBadEvents(t *testing.T) {
	for _, event := range []string{`[]`, `{"version":"2.0","body":"%","isBase64Encoded":true,"requestContext":{"http":{"method":"GET"}}}`,
		`{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"G T"}}}`} {
		if got, err := Buffered(http.HandlerFunc(show))(t.Context(), json.RawMessage(event)); err == nil {
			t.Errorf("%s: %v", event, got)
		}
	}
	for event, want := range map[string]bool{`{"requestContext":{"http":{"method":"GET"}}}`: true, `{"httpMethod":"GET"}`: true,
		`{"Records":[{"eventSource":"aws:sqs"}]}`: false, `{"source":"aws.events"}`: false, `7`: false} {
		if IsHTTP(json.RawMessage(event)) != want {
			t.Errorf("IsHTTP(%s) is not %v", event, want)
		}
	}
}

const plainGet = `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}}}`

func TestAnswers(t *testing.T) {
	f := func(h http.HandlerFunc, status int, encoded bool, body string) {
		t.Helper()
		got, err := Buffered(h)(t.Context(), json.RawMessage(plainGet))
		if err != nil {
			t.Fatal(err)
		}
		a := got.(events.APIGatewayV2HTTPResponse)
		if a.StatusCode != status || a.IsBase64Encoded != encoded || !strings.Contains(a.Body, body) {
			t.Errorf("%d %v %.100s", a.StatusCode, a.IsBase64Encoded, a.Body)
		}
	}
	f(func(http.ResponseWriter, *http.Request) {}, 200, false, "")
	f(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0, 1}) }, 200, true, "AAE=")
	f(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(409)
		w.WriteHeader(500)
		w.Write([]byte(`{}`))
	}, 409, false, "{}")
	// An answer that Lambda would not deliver says so.
	f(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, MaxAnswer+1)) }, 413, false, `"code":"limit"`)
	f(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(make([]byte, MaxAnswer))
	}, 200, false, "")
}

// A request's context ends before the function's time does, so that it can
// still be answered.
func TestTimeIsLeftToAnswer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), Margin+50*time.Millisecond)
	defer cancel()
	_, err := Buffered(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))(ctx, json.RawMessage(plainGet))
	if err != nil || ctx.Err() != nil {
		t.Errorf("%v, and the time is over: %v", err, ctx.Err())
	}
}

func TestStreamsGoOutAsTheyAreWritten(t *testing.T) {
	next := make(chan string)
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(201)
		for text := range next {
			io.WriteString(w, text)
		}
	}
	a, err := Streamed(http.HandlerFunc(h))(t.Context(), json.RawMessage(plainGet))
	if err != nil || a.StatusCode != 201 || a.Headers["Content-Type"] != "text/event-stream" {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, text := range []string{"one", "two"} {
		next <- text
		got := make([]byte, 3)
		if _, err := io.ReadFull(a.Body, got); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	close(next)
	if rest, err := io.ReadAll(a.Body); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

// When the reader goes away the request ends, and nothing of it is left running.
func TestClosedStreamEnds(t *testing.T) {
	ended := false
	h := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		<-r.Context().Done()
		ended = true
	}
	a, err := Streamed(http.HandlerFunc(h))(t.Context(), json.RawMessage(plainGet))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil || !ended {
		t.Errorf("%v, ended: %v", err, ended)
	}
}

// A stream that breaks off must not look whole.
func TestPanicCutsTheStream(t *testing.T) {
	a, err := Streamed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		panic("broken")
	}))(t.Context(), json.RawMessage(plainGet))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(a.Body)
	if string(got) != "half" || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(plainGet))
	f.Add([]byte(`{"httpMethod":"POST","path":"/x","multiValueQueryStringParameters":{"q":["a"]},"body":"eA==","isBase64Encoded":true}`))
	handler := Buffered(http.HandlerFunc(show))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if got, err := handler(context.Background(), payload); err == nil {
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("%s: %v", payload, err)
			}
		}
	})
}
