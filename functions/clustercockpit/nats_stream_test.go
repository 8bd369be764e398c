package clustercockpit

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

var lineCount = flag.Int("lines", 100_000, "lines that TestNothingIsLostOfAStream sends")

const hosts = 50

// publish sends messages numbered from … to of one line each, and waits until
// the stream has them.
func publish(t testing.TB, js jetstream.JetStream, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		body := fmt.Appendf(nil, "job,cluster=fritz,hostname=f%02d event=\"%d\" 1795200000\n", i%hosts, i)
		if _, err := js.PublishAsync("fritz.events.job", body); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(2 * time.Minute):
		t.Fatal("the stream does not take the messages")
	}
}

// once fails unless the events 0 … n-1 are stored, each once, and with inOrder
// those of a host in their order.
func (b *bench) once(n int, inOrder bool) {
	b.t.Helper()
	events := b.events("fritz_events")
	last := map[string]int{}
	seen := make([]int, n)
	for _, e := range events {
		i, host := b.number(e), e.Stream
		seen[i]++
		if before, ok := last[host]; ok && before >= i && inOrder {
			b.t.Fatalf("%s: event %d comes behind %d", host, i, before)
		}
		last[host] = i
	}
	for i, times := range seen {
		if times != 1 {
			b.t.Fatalf("event %d is stored %d times; %d are stored in all, %d were sent", i, times, len(events), n)
		}
	}
}

func streamBench(t testing.TB, server *natsServer, change ...func(*front.Config)) *bench {
	return newBench(t, Config{NATS: []NATSReceiver{{Name: "js", URL: server.url(), Subject: "fritz.events.>", Stream: "EVENTS", Consumer: "firn-js"}}}, change...)
}

func TestNothingIsLostOfAStream(t *testing.T) {
	server := startNATS(t)
	js := server.stream("EVENTS", "fritz.events.>")
	n := *lineCount
	publish(t, js, 0, n)
	b := streamBench(t, server)
	began := time.Now()
	b.receive()
	eventually(t, "everything to be stored", func() bool { return b.stats().Manager.Status["flushed"] >= int64(n) })
	took := time.Since(began)
	eventually(t, "everything to be acknowledged", func() bool { return pending(t, js, "EVENTS", "firn-js") == 0 })
	b.once(n, true)
	t.Logf("%d messages of one line in %v: %.0f a second", n, took.Round(time.Millisecond), float64(n)/took.Seconds())
}

// TestDisturbedStream has appends that are lost, refused or stored without an
// answer, a NATS server that is killed again and again, and receivers that end
// in the middle.
func TestDisturbedStream(t *testing.T) {
	server := startNATS(t)
	js := server.stream("EVENTS", "fritz.events.>")
	b := streamBench(t, server, disturbed())
	start := func() (stop func()) {
		return b.receive(func(l *limits) { l.batch, l.ackWait = 200, time.Second })
	}
	const parts, size = 6, 3000
	stop := start()
	for part := range parts {
		publish(t, js, part*size, (part+1)*size)
		want := int64(part*size + size/2)
		eventually(t, "half of the part", func() bool { return b.count("fritz_events") >= want })
		if part%2 == 0 {
			server.stop()
			server.start()
			eventually(t, "the test's own connection", func() bool { _, err := js.AccountInfo(t.Context()); return err == nil })
		} else {
			stop()
			b.store.nats[0] = newNATSReceiver(b.store, b.store.nats[0].config) // as a new process would
			stop = start()
		}
	}
	eventually(t, "everything to be acknowledged", func() bool { return pending(t, js, "EVENTS", "firn-js") == 0 })
	b.once(parts*size, false) // what was on its way to a server that was killed comes later
}

// disturbed makes every third append fail in one of three ways.
func disturbed() func(*front.Config) {
	return func(cfg *front.Config) {
		log := cfg.Log
		random := rand.New(rand.NewPCG(1, 2)) // appends come one at a time
		cfg.Log = scripted{log, func(ctx context.Context, instance string, batch commitlog.Batch) (commitlog.Receipt, error) {
			switch random.IntN(9) {
			case 0:
				return commitlog.Receipt{}, fault.New(fault.Unavailable, "the store refuses")
			case 1:
				return commitlog.Receipt{}, fault.New(fault.Unknown, "lost without an answer")
			case 2:
				if _, err := log.Append(ctx, instance, batch); err != nil {
					return commitlog.Receipt{}, err
				}
				return commitlog.Receipt{}, fault.New(fault.Unknown, "stored without an answer")
			}
			return log.Append(ctx, instance, batch)
		}}
	}
}

// TestARedeliveryIsHarmless ends a receiver between the commit and the
// acknowledgement.
func TestARedeliveryIsHarmless(t *testing.T) {
	server := startNATS(t)
	js := server.stream("EVENTS", "fritz.events.>")
	crash := true
	b := streamBench(t, server, func(cfg *front.Config) {
		log := cfg.Log
		cfg.Log = scripted{log, func(ctx context.Context, instance string, batch commitlog.Batch) (commitlog.Receipt, error) {
			receipt, err := log.Append(ctx, instance, batch)
			if crash {
				return commitlog.Receipt{}, fault.New(fault.Unknown, "the process has ended")
			}
			return receipt, err
		}}
	})
	first := b.store.nats[0]
	first.limits.ackWait, first.limits.batch, first.limits.patience = time.Second, 10, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := first.open(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, js, 0, 10)
	batch, err := first.batch(ctx, stream)
	if err != nil || len(batch) != 10 {
		t.Fatal(len(batch), err)
	}
	taken := make(chan bool)
	go func() { taken <- first.take(asReceiver(ctx, "js"), batch) }()
	eventually(t, "the commit", func() bool { return b.count("fritz_events") == 10 })
	cancel()
	if <-taken {
		t.Fatal("the batch counts as taken")
	}
	crash = false
	publish(t, js, 10, 20)
	b.store.nats[0] = newNATSReceiver(b.store, first.config)
	b.receive(func(l *limits) { l.batch = 15 })
	eventually(t, "everything to be acknowledged", func() bool { return pending(t, js, "EVENTS", "firn-js") == 0 })
	b.once(20, false)
	if s := b.stats().Receivers["js"]; s.Redelivered != 10 {
		t.Errorf("%+v", s)
	}
}
