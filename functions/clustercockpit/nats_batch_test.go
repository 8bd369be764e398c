package clustercockpit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

func TestABadMessageOfAStreamHoldsUpNothing(t *testing.T) {
	server := startNATS(t)
	b := streamBench(t, server)
	b.receive()
	eventually(t, "that the stream is missing", func() bool {
		err := b.store.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "stream EVENTS")
	})
	js := server.stream("EVENTS", "fritz.events.>")
	for _, body := range []string{`a event="1" 1795200000`, "no line", "a event=\"2\" 1795200000\nbad", "", `a event="3" 1795200000`} {
		if _, err := js.Publish(t.Context(), "fritz.events.job", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "everything to be settled", func() bool {
		s := b.stats().Receivers["js"] // a consumer that is new has nothing pending before the server has looked
		return s.Messages == 5 && s.Error == "" && pending(t, js, "EVENTS", "firn-js") == 0
	})
	if got := texts(b.ask(`{"cluster":"fritz","queries":[{}]}`).Results[0][0]); got != "1 3" {
		t.Error(got)
	}
	if s := b.stats().Receivers["js"]; s.Refused != 2 || s.Messages != 5 || s.Error != "" {
		t.Errorf("%+v", s)
	}
	if err := b.store.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// numbered returns events with ids.
func numbered(from, to int) []event.Event {
	var out []event.Event
	for i := from; i < to; i++ {
		out = append(out, event.Event{Stream: "h", Type: "a", Time: event.ToMicros(arrival), ID: fmt.Sprintf("id-%d", i),
			Payload: []byte(`{"event":"x"}`), Metadata: []byte(`{}`)})
	}
	return out
}

// TestTheKeySettlesWhatNobodySaw has a batch that is stored without anyone
// knowing, and comes again, with more behind it, as if for the first time.
func TestTheKeySettlesWhatNobodySaw(t *testing.T) {
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "js", Subject: "x", Stream: "S"}}})
	r := b.store.nats[0]
	ctx := asReceiver(t.Context(), "js")
	for _, part := range []struct{ from, to, found int }{{0, 10, 0}, {0, 20, 10}, {0, 20, 0}, {15, 25, 5}} {
		spec, err := b.store.newInstance("fritz", eventKind)
		if err != nil {
			t.Fatal(err)
		}
		g := &group{cluster: "fritz", kind: eventKind, create: spec, events: numbered(part.from, part.to)}
		// A batch that begins elsewhere is found only by looking, as one is that was
		// acknowledged in part.
		found, ok := r.storeGroup(ctx, g, part.from > 0)
		if !ok || part.from > 0 && found != part.found {
			t.Errorf("%+v: found %d, %v", part, found, ok)
		}
	}
	if n := b.count("fritz_events"); n != 25 {
		t.Errorf("%d events of 25", n)
	}
}

func TestAMessageOfManyLinesIsStoredInSeveralAppends(t *testing.T) {
	b := newBench(t, Config{NATS: []NATSReceiver{{Name: "bus", Subject: "x"}}})
	const n = event.MaxBatch + 10
	ok := b.store.nats[0].take(asReceiver(t.Context(), "bus"), []message{
		{subject: "fritz.x", body: []byte(strings.Repeat("a event=\"1\"\n", n)), arrived: event.ToMicros(arrival)}})
	if !ok || b.count("fritz_events") != n {
		t.Error(ok, b.count("fritz_events"))
	}
}
