package clustercockpit

import (
	"context"
	"net"
	"strings"
	"testing"
)

// listenOn serves receivers on a free port until the end of the test.
func (b *bench) listenOn(receivers ...HTTPReceiver) string {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.store.listen(ctx, l, receivers) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func TestHTTPReceivers(t *testing.T) {
	b := newBench(t, Config{})
	secure := HTTPReceiver{Name: "secure", Path: "/write", Username: "u", Password: "p", KeepAlives: true}
	open := HTTPReceiver{Name: "open", Path: "/open/", KeepAlives: true, Cluster: "named", tags: []tag{{"site", "x"}}}
	first := b.listenOn(secure, open)
	other := b.listenOn(HTTPReceiver{Name: "any", Path: "/", KeepAlives: true})
	const good = "Authorization: Basic dTpw" // u:p
	f := func(method, url, lines string, want int, headers ...string) {
		t.Helper()
		status, header, body := do(t, method, url, lines, headers...)
		if status != want || status == 200 && body != "" {
			t.Errorf("%s %s: %d %s, want %d", method, url, status, body, want)
		}
		if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("no challenge: %v", header)
		}
	}
	f("POST", first+"/write", `a,cluster=c event="1"`, 200, good)
	f("POST", first+"/write", `a,cluster=c event="2"`, 401)
	f("POST", first+"/write", `a,cluster=c event="2"`, 401, "Authorization: Basic dTpxcQ==")
	f("POST", first+"/write", `a event="2"`, 400, good)
	f("POST", first+"/write?cluster=param", `a event="2"`, 200, good)
	f("POST", first+"/write", "a,cluster=c event=\"2\"\nbroken", 400, good)
	f("GET", first+"/write", "", 405, good)
	f("POST", first+"/write/", `a,cluster=c event="2"`, 404, good)
	f("POST", first+"/other", `a,cluster=c event="2"`, 404, good)
	f("POST", first+"/open/", `a event="2"`, 200)
	f("POST", other+"/write", `a,cluster=any event="1"`, 200) // its own mux: this is the path of everything here
	f("POST", other+"/x/y", `a,cluster=any event="2"`, 200)
	f("POST", first+"/api/write/?cluster=c", `a event="2"`, 404, good)
	for name, want := range map[string]int64{"c_events": 1, "param_events": 1, "named_events": 1, "any_events": 2} {
		if n := b.count(name); n != want {
			t.Errorf("%s has %d events, want %d", name, n, want)
		}
	}
	if e := b.events("named_events")[0]; !strings.Contains(string(e.Metadata), `"site":"x"`) {
		t.Errorf("%s", e.Metadata)
	}
	if logs := b.logs.String(); !strings.Contains(logs, "takes lines from everyone") || strings.Contains(logs, "password=p") {
		t.Error(logs)
	}
}

func TestRunOpensAndClosesEveryListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := newBench(t, Config{HTTP: []HTTPReceiver{{Name: "taken", Address: l.Addr().String(), Path: "/"}}})
	if err := b.store.Run(t.Context(), func() { t.Error("it says that it listens") }); err == nil || !strings.Contains(err.Error(), `receiver "taken"`) {
		t.Error(err)
	}
	b = newBench(t, Config{HTTP: []HTTPReceiver{{Name: "free", Address: "127.0.0.1:0", Path: "/"}}})
	ctx, cancel := context.WithCancel(t.Context())
	done, listening := make(chan error), make(chan struct{})
	go func() { done <- b.store.Run(ctx, func() { close(listening) }) }()
	<-listening
	eventually(t, "the listener", func() bool { return strings.Contains(b.logs.String(), "receivers listen") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
