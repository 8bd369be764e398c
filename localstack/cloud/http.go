//go:build unix

package cloud

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// maxRequest is how large a request to the gateway may be, as with API Gateway.
const maxRequest = 10 << 20

// prelude is what comes before the body of a streamed answer.
type prelude struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
}

// httpAPI is a route of an HTTP API: it invokes a function and waits at most
// patience for the answer.
func httpAPI(f *Function, patience time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		payload, ok := httpEvent(w, r, "gateway.local")
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		a, err := f.Invoke(ctx, payload)
		if err != nil {
			failHTTP(w, err)
			return
		}
		defer a.Body.Close()
		var out events.APIGatewayV2HTTPResponse
		if err := json.NewDecoder(a.Body).Decode(&out); err != nil {
			failHTTP(w, err)
			return
		}
		body := []byte(out.Body)
		if out.IsBase64Encoded {
			body, _ = base64.StdEncoding.DecodeString(out.Body)
		}
		for name, value := range out.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(out.StatusCode)
		_, _ = w.Write(body)
	}
}

// functionURL is a function's own address, whose answers are streamed.
func functionURL(f *Function) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		payload, ok := httpEvent(w, r, f.Name+".lambda-url.us-east-1.on.aws")
		if !ok {
			return
		}
		a, err := f.Invoke(r.Context(), payload)
		if err != nil {
			failHTTP(w, err)
			return
		}
		defer a.Body.Close()
		stop := context.AfterFunc(r.Context(), func() { a.Body.Close() })
		defer stop()
		body := bufio.NewReader(a.Body)
		head, err := readPrelude(body)
		if err != nil {
			failHTTP(w, err)
			return
		}
		for name, value := range head.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(head.StatusCode)
		_, err = io.Copy(flushing{w, http.NewResponseController(w)}, body)
		if err != nil {
			panic(http.ErrAbortHandler) // what was sent is no whole answer
		}
	}
}

// readPrelude reads what comes before the body.
func readPrelude(r *bufio.Reader) (p prelude, err error) {
	text, err := r.ReadBytes(0)
	if err != nil {
		return p, err
	}
	if _, err := r.Discard(7); err != nil {
		return p, err
	}
	return p, json.Unmarshal(bytes.TrimRight(text, "\x00"), &p)
}

// flushing sends on what it gets at once.
type flushing struct {
	io.Writer
	control *http.ResponseController
}

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}

// httpEvent returns the event of a request to a domain in format 2.0.
func httpEvent(w http.ResponseWriter, r *http.Request, domain string) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		say(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return nil, false
	}
	in := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: rawPath(r, domain), RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host}, Body: string(body)}
	if !utf8.Valid(body) {
		in.Body, in.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	for name, values := range r.Header {
		in.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	in.RequestContext.Stage, in.RequestContext.RequestID, in.RequestContext.DomainName = "$default", uuid.NewString(), domain
	in.RequestContext.HTTP.Method, in.RequestContext.HTTP.Path = r.Method, r.URL.Path
	in.RequestContext.HTTP.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	payload, err := json.Marshal(in)
	return payload, err == nil
}

// rawPath is the path of an event: function URLs hand it on as it was sent, HTTP
// APIs decode it, and cut it at a question mark that was encoded.
func rawPath(r *http.Request, domain string) string {
	if strings.Contains(domain, ".lambda-url.") {
		return r.URL.EscapedPath()
	}
	path, _, _ := strings.Cut(r.URL.Path, "?")
	return path
}

// failHTTP answers as API Gateway does where a function has no answer.
func failHTTP(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrThrottled):
		say(w, http.StatusTooManyRequests, "Too Many Requests")
	case errors.Is(err, ErrTooLarge):
		say(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, context.DeadlineExceeded):
		say(w, http.StatusGatewayTimeout, "Endpoint request timed out")
	default:
		say(w, http.StatusInternalServerError, "Internal Server Error")
	}
}

func say(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}
