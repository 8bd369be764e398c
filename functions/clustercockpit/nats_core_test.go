package clustercockpit

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// receive runs the first receiver until the end of the test, or until the
// function that it returns is called.
func (b *bench) receive(change ...func(*limits)) (stop func()) {
	b.t.Helper()
	r := b.store.nats[0]
	r.limits.patience = 50 * time.Millisecond
	for _, f := range change {
		f(&r.limits)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
	b.t.Cleanup(stop)
	return stop
}

// subscribed waits until the server knows the subscription.
func (b *bench) subscribed() {
	b.t.Helper()
	r := b.store.nats[0]
	eventually(b.t, "the subscription", func() bool { return r.waiting.Load() != nil && r.connection.Load().IsConnected() })
	if err := r.connection.Load().Flush(); err != nil {
		b.t.Fatal(err)
	}
}

func TestCoreSubscription(t *testing.T) {
	server := startNATS(t)
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "bus", URL: server.url(), Subject: "*.events.>"}}})
	stop := b.receive()
	b.subscribed()
	conn := server.connect()
	for subject, body := range map[string][]byte{
		"fritz.events.job":    lines(`job,hostname=f01 event="of the subject" 1795200000`, `load value=1`),
		"meggie.events.slurm": lines(`slurm,cluster=alex event="of the tag" 1795200000`),
		"fritz.events.bad":    lines(`job event="1"`, `broken`),
		"fritz.metrics":       lines(`job event="not subscribed"`),
	} {
		if err := conn.Publish(subject, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three messages", func() bool { return b.stats().Receivers["bus"].Messages == 3 })
	stop() // stores what was taken in
	if f, a, m := b.count("fritz_events"), b.count("alex_events"), b.count("meggie_events"); f != 1 || a != 1 || m != 0 {
		t.Error(f, a, m)
	}
	if s := b.stats(); s.Receivers["bus"].Refused != 1 || s.Manager.Status["ignored_metrics"] != 1 {
		t.Errorf("%+v", s)
	}
	if logs := b.logs.String(); !strings.Contains(logs, "subject=fritz.events.bad") || !strings.Contains(logs, "at line 2") {
		t.Error(logs)
	}
}

func TestAServerThatIsDownIsTriedForEver(t *testing.T) {
	server := startNATS(t)
	server.stop()
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "bus", URL: server.url(), Subject: "fritz.>"}}})
	if err := b.store.Ready(t.Context()); err != nil {
		t.Errorf("before it runs: %v", err)
	}
	stop := b.receive()
	for range 2 {
		eventually(t, "that it is not ready", func() bool {
			err := b.store.Ready(t.Context())
			return err != nil && strings.Contains(err.Error(), "nats receiver bus: no connection")
		})
		server.start()
		eventually(t, "that it is ready", func() bool { return b.store.Ready(t.Context()) == nil })
		b.subscribed()
		before := b.count("fritz_events")
		if err := server.connect().Publish("fritz.x", lines(`a event="1"`)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the event", func() bool { return b.count("fritz_events") == before+1 })
		server.stop()
	}
	if s := b.stats().Receivers["bus"]; s.Disconnects != 2 || s.Connected || s.Error == "" {
		t.Errorf("%+v", s)
	}
	stop()
	server.start()
	if err := b.store.Ready(t.Context()); err != nil {
		t.Errorf("after it has ended: %v", err)
	}
}

func TestABurstIsHeldAndWhatIsDroppedIsCounted(t *testing.T) {
	server := startNATS(t)
	gate := make(chan struct{})
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "bus", URL: server.url(), Subject: "fritz.>"}}}, func(cfg *front.Config) {
		log := cfg.Log
		cfg.Log = scripted{log, func(ctx context.Context, instance string, batch commitlog.Batch) (commitlog.Receipt, error) {
			<-gate
			return log.Append(ctx, instance, batch)
		}}
	})
	stop := b.receive(func(l *limits) { l.messages, l.batch = 5000, 100 })
	b.subscribed()
	conn := server.connect()
	const sent = 20_000
	for i := range sent {
		if err := conn.Publish("fritz.x", fmt.Appendf(nil, "a event=\"%d\"\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a full subscription", func() bool {
		s := b.stats().Receivers["bus"]
		return s.Waiting >= 5000-100 && strings.Contains(b.logs.String(), "slow consumer")
	})
	if err := b.store.nats[0].connection.Load().Flush(); err != nil { // everything has come or was dropped
		t.Fatal(err)
	}
	close(gate)
	eventually(t, "the rest to be stored", func() bool {
		s := b.stats().Receivers["bus"]
		return s.Waiting == 0 && s.Messages+s.Dropped == sent
	})
	stop()
	s := b.stats().Receivers["bus"]
	if stored := b.count("fritz_events"); s.Dropped == 0 || stored+s.Dropped != sent {
		t.Errorf("%d stored and %d dropped of %d", stored, s.Dropped, sent)
	}
	families, err := b.store.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(families); !strings.Contains(text, "firn_clustercockpit_nats_total") || !strings.Contains(text, "dropped") {
		t.Error("the metrics do not show what was dropped")
	}
}

func TestWhatWasTakenInIsStoredAtTheEnd(t *testing.T) {
	server := startNATS(t)
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "bus", URL: server.url(), Subject: "fritz.>"}}})
	stop := b.receive(func(l *limits) { l.batch, l.ending = 100, 10*time.Minute })
	b.subscribed()
	conn := server.connect()
	const sent = 20_000
	for i := range sent {
		if err := conn.Publish("fritz.x", fmt.Appendf(nil, "a event=\"%d\"\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := b.store.nats[0].connection.Load().Flush(); err != nil {
		t.Fatal(err)
	}
	stop()
	got := b.events("fritz_events")
	if len(got) != sent {
		t.Fatalf("%d events of %d", len(got), sent)
	}
	for i, e := range got {
		if b.number(e) != i {
			t.Fatalf("event %d is %s: the order is lost", i, e.Payload)
		}
	}
}

func TestWhatCannotBeStoredAtTheEndIsCounted(t *testing.T) {
	server := startNATS(t)
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "bus", URL: server.url(), Subject: "fritz.>"}}}, func(cfg *front.Config) {
		cfg.Log = scripted{cfg.Log, func(context.Context, string, commitlog.Batch) (commitlog.Receipt, error) {
			return commitlog.Receipt{}, fault.New(fault.Unavailable, "the store is away")
		}}
	})
	stop := b.receive(func(l *limits) { l.batch, l.ending = 10, time.Millisecond })
	b.subscribed()
	conn := server.connect()
	for range 25 {
		if err := conn.Publish("fritz.x", lines(`a event="1"`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an append that fails", func() bool {
		s := b.stats().Receivers["bus"]
		return s.Messages+s.Waiting == 25 && s.Retries > 0
	})
	if err := b.store.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the store is away") && !strings.Contains(err.Error(), "store cannot") {
		t.Errorf("ready: %v", err)
	}
	stop()
	if s := b.stats().Receivers["bus"]; s.Dropped != 25 || !strings.Contains(b.logs.String(), "are lost") {
		t.Errorf("%+v", s)
	}
}
