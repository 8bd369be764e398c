//go:build unix

package cloud

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/infra"
)

// Options say what a stack is made of.
type Options struct {
	Functions string   // directory with the programs, by the functions' names
	Bucket    string   // URL; not mem://, which processes do not share
	Env       []string // of all functions, such as the credentials for the bucket
	// Concurrency is how many environments a function may have; by default 4,
	// and 1 of compact.
	Concurrency int
	// StreamInstance is where records of the stream go.
	StreamInstance string
	Schedule       time.Duration // between two compactions; 0 means none
	Patience       time.Duration // of the gateway with a function; 0 means 29 seconds
	Timeout        time.Duration // of functions; 0 means 30 seconds
	SpreadMB       int           // of data files, from which on queries are spread; 0 is their default
	Listen         string        // address of the gateway; "" takes a free port
	Log            io.Writer     // takes what functions print
}

// Stack is everything that runs.
type Stack struct {
	// URL is the address of the HTTP API, of the WebSocket API at /ws, and of
	// the function URLs of tail below /stream and of query below /answers.
	URL       string
	Functions map[string]*Function
	Queue     *Queue
	Stream    *Stream // delivers to ingest; of two shards

	runtime *runtime
	gateway *http.Server
	sockets *webSocketAPI
	rights  *rights
	ways    []*http.Server // to the bucket
	cancel  context.CancelFunc
}

// Start runs a stack until Stop. The routes are those of the template in infra.
func Start(opts Options) (*Stack, error) {
	template, err := infra.Load()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return nil, err
	}
	var ctx context.Context
	s := &Stack{URL: "http://" + l.Addr().String(), Functions: map[string]*Function{}, gateway: &http.Server{}}
	ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.prepare(opts, template); err != nil {
		_ = l.Close()
		s.Stop()
		return nil, err
	}
	s.sockets = &webSocketAPI{function: s.Functions["socket"], host: l.Addr().String(), conns: map[string]*websocket.Conn{}}
	s.gateway.Handler = s.routes(ctx, template, cmp.Or(opts.Patience, 29*time.Second))
	go func() { _ = s.gateway.Serve(l) }()
	s.deliver(ctx, opts.Schedule)
	return s, nil
}

// prepare makes the functions, and what they are called by.
func (s *Stack) prepare(opts Options, template *infra.Template) (err error) {
	if s.runtime, err = startRuntime(); err != nil {
		return err
	}
	functions, err := template.Functions()
	if err != nil {
		return err
	}
	s.rights = &rights{functions: functions}
	for name, f := range functions {
		s.Functions[name] = s.function(name, opts)
		if s.Functions[name].Env, err = s.environment(name, opts, template.Globals.Function, f); err != nil {
			return err
		}
	}
	s.Queue, s.Stream = newQueue(s.Functions["ingest"]), newStream(s.Functions["ingest"], 2)
	return nil
}

// routes are those of the gateway, of function URLs, and of what functions call.
func (s *Stack) routes(ctx context.Context, template *infra.Template, patience time.Duration) http.Handler {
	api := http.NewServeMux()
	for pattern, name := range template.Routes() {
		api.Handle(pattern, httpAPI(s.Functions[name], patience))
	}
	own := http.NewServeMux()
	own.Handle("/stream/", http.StripPrefix("/stream", functionURL(s.Functions["tail"])))
	own.Handle("/answers/", http.StripPrefix("/answers", functionURL(s.Functions["query"])))
	own.HandleFunc("/ws", s.sockets.connect)
	own.Handle("/as/{function}/", s.asFunction(s.services(ctx)))
	own.Handle("/", api)
	return own
}

// deliver invokes functions with what queue, stream and schedule bring.
func (s *Stack) deliver(ctx context.Context, schedule time.Duration) {
	for range 2 {
		go s.Queue.run(ctx)
	}
	for shard := range s.Stream.shards {
		go s.Stream.run(ctx, shard)
	}
	if schedule > 0 {
		go s.schedule(ctx, schedule)
	}
}

// services are those of AWS that functions call.
func (s *Stack) services(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/@connections/{id}", s.sockets.post)
	mux.Handle("/queue", s.Queue)
	mux.HandleFunc("/queue/dead", s.Queue.serveDead)
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", s.invocations(ctx))
	return mux
}

// function returns one with the environment that the template gives it.
func (s *Stack) function(name string, opts Options) *Function {
	f := &Function{Name: name, Program: filepath.Join(opts.Functions, name), Limit: opts.Concurrency, Timeout: opts.Timeout, Log: opts.Log,
		runtime: s.runtime, all: map[*environment]bool{}}
	if f.Limit == 0 {
		f.Limit = 4
	}
	if name == "compact" {
		f.Limit = 1
	}
	if f.Timeout == 0 {
		f.Timeout = 30 * time.Second
	}
	return f
}

// environment returns the variables that the template gives a function, those that
// name parts of the stack with their values here.
func (s *Stack) environment(name string, opts Options, from ...infra.Function) ([]string, error) {
	bucket, err := s.storeFor(name, opts.Bucket)
	if err != nil {
		return nil, err
	}
	services := s.URL + "/as/" + name
	values := map[string]string{"FIRN_BUCKET": bucket, "FIRN_QUEUE_URL": services + "/queue", "FIRN_DEAD_LETTERS_URL": services + "/queue/dead",
		"FIRN_COMPACT_URL": services + "/2015-03-31/functions/compact/invocations", "FIRN_STREAM_INSTANCE": opts.StreamInstance,
		"FIRN_WORKERS_URL": services + "/2015-03-31/functions/query/invocations", "FIRN_WORKER_SHARES": strconv.Itoa(max(1, cmp.Or(opts.Concurrency, 4)-1))}
	if opts.SpreadMB > 0 {
		values["FIRN_SPREAD_MB"] = strconv.Itoa(opts.SpreadMB)
	}
	env := append([]string{"FIRN_MANAGEMENT_URL=" + services, "AWS_REGION=us-east-1"}, opts.Env...)
	for _, f := range from {
		for name := range f.Environment.Variables {
			if value := values[name]; value != "" {
				env = append(env, name+"="+value)
			}
		}
	}
	return env, nil
}

// schedule invokes the compactor now and then, as EventBridge does.
func (s *Stack) schedule(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			payload := fmt.Sprintf(`{"version":"0","source":"aws.events","detail-type":"Scheduled Event","time":%q,"detail":{}}`, now.UTC().Format(time.RFC3339))
			s.event(ctx, s.Functions["compact"], []byte(payload))
		}
	}
}

// Call invokes a function directly and reads its answer into out, if that is not
// nil.
func (s *Stack) Call(ctx context.Context, name string, in, out any) error {
	payload, err := json.Marshal(in)
	if err != nil {
		return err
	}
	a, err := s.Functions[name].Invoke(ctx, payload)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(a.Body).Decode(out)
}

// Stop ends everything that was started, requests in flight included.
func (s *Stack) Stop() {
	s.cancel()
	_ = s.gateway.Close()
	defer func() {
		for _, way := range s.ways {
			_ = way.Close()
		}
	}()
	for _, f := range s.Functions {
		f.stop()
	}
	if s.runtime != nil {
		_ = s.runtime.server.Close()
	}
}
