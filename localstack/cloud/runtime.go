//go:build unix

// Package cloud runs functions on one machine as AWS Lambda does: the same
// binaries, each environment a process of its own that serves one invocation at
// a time and is frozen (SIGSTOP) between two, behind a gateway for HTTP and
// WebSockets, a queue and a schedule.
//
// It is for tests and for trying things out, on loopback: it checks no
// permissions, and keeps queues in memory.
package cloud

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// streamType is the media type of answers that are streamed: a JSON object with
// status and header, eight zero bytes, and the body.
const streamType = "application/vnd.awslambda.http-integration-response"

// runtime is the Lambda Runtime API (version 2018-06-01) for all environments:
// AWS_LAMBDA_RUNTIME_API may hold a path, which says whose a request is.
type runtime struct {
	address string
	server  *http.Server

	mu   sync.Mutex
	envs map[string]*environment
}

func startRuntime() (*runtime, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	rt := &runtime{address: l.Addr().String(), envs: map[string]*environment{}}
	mux := http.NewServeMux()
	const base = "/{env}/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", rt.of((*environment).serveNext))
	mux.HandleFunc("POST "+base+"invocation/{id}/response", rt.of((*environment).serveResponse))
	mux.HandleFunc("POST "+base+"invocation/{id}/error", rt.of((*environment).serveError))
	rt.server = &http.Server{Handler: mux}
	go func() { _ = rt.server.Serve(l) }()
	return rt, nil
}

// add makes an environment known.
func (rt *runtime) add(e *environment) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.envs[e.id] = e
}

func (rt *runtime) remove(e *environment) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	delete(rt.envs, e.id)
}

// of finds whose request it is.
func (rt *runtime) of(serve func(*environment, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rt.mu.Lock()
		e := rt.envs[r.PathValue("env")]
		rt.mu.Unlock()
		if e == nil {
			http.Error(w, "no such environment", http.StatusForbidden)
			return
		}
		serve(e, w, r)
	}
}

// serveNext waits for the next invocation. Asking says that the last one is over.
func (e *environment) serveNext(w http.ResponseWriter, r *http.Request) {
	e.idle()
	select {
	case in := <-e.work:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:"+e.function.Name)
		_, _ = w.Write(in.payload)
	case <-e.dead:
	case <-r.Context().Done():
	}
}

// serveResponse takes an answer, whole or as a stream.
func (e *environment) serveResponse(w http.ResponseWriter, r *http.Request) {
	in := e.invocation(r.PathValue("id"))
	if in == nil {
		http.Error(w, "not the current invocation", http.StatusBadRequest)
		return
	}
	if r.Header.Get("Content-Type") == streamType {
		stream(in, r)
	} else {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
		switch {
		case err != nil:
			in.answer(Answer{}, err)
		case len(body) > maxPayload:
			in.answer(Answer{}, errors.New("Function.ResponseSizeTooLarge"))
			_, _ = io.Copy(io.Discard, r.Body)
		default:
			in.answer(Answer{Body: io.NopCloser(bytes.NewReader(body))}, nil)
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// stream hands a streamed answer on as it comes. Where nobody reads it any more
// the function goes on all the same, as on Lambda.
func stream(in *invocation, r *http.Request) {
	read, write := io.Pipe()
	in.answer(Answer{Body: read, Streamed: true}, nil)
	_, err := io.Copy(write, r.Body)
	if err == nil && r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		err = errors.New(r.Trailer.Get("Lambda-Runtime-Function-Error-Type"))
	}
	write.CloseWithError(err) // nil is the end
	_, _ = io.Copy(io.Discard, r.Body)
}

func (e *environment) serveError(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if in := e.invocation(r.PathValue("id")); in != nil {
		in.answer(Answer{}, errors.New("the function failed: "+strings.TrimSpace(string(body))))
	}
	w.WriteHeader(http.StatusAccepted)
}
