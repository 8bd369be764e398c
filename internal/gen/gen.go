// Package gen makes events in the shape of Bluesky's firehose, the same ones for
// the same seed, for tests and measurements of size: about 570 bytes of NDJSON
// each, a stream for each account, the collection as type, and the commit as a
// nested payload.
package gen

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/firnlog/firn/layout/event"
)

// Generator makes events in the order in which they come.
type Generator struct {
	Streams int           // accounts; of these a few write most
	Start   time.Time     // time of the first event
	Step    time.Duration // from one event to the next, on average
	Late    float64       // part of the events that come late, by up to Lag
	Lag     time.Duration

	rng *rand.Rand
	n   int64
	buf []byte
}

// New returns a generator of events from 100,000 accounts, one in a hundred up to
// a month late.
func New(seed uint64, start time.Time, step time.Duration) *Generator {
	return &Generator{Streams: 100_000, Start: start, Step: step, Late: 0.01, Lag: 30 * 24 * time.Hour, rng: rand.New(rand.NewPCG(seed, 1))}
}

// collections are the types of events and how many of a hundred are of each.
var collections = []struct {
	name  string
	share int
}{
	{"app.bsky.feed.like", 52}, {"app.bsky.graph.follow", 15}, {"app.bsky.feed.post", 15}, {"app.bsky.feed.repost", 10},
	{"app.bsky.graph.block", 5}, {"app.bsky.graph.listitem", 2}, {"app.bsky.actor.profile", 1},
}

// words are what posts are made of.
var words = []string{"snow", "is", "falling", "on", "the", "glacier", "and", "every", "layer", "keeps", "a", "summer", "of", "dust", "who", "would",
	"have", "thought", "that", "ice", "remembers", "so", "much", "more", "than", "we", "do", "today", "again", "tomorrow"}

// Next returns the next event. Its memory is its own.
func (g *Generator) Next() event.Event {
	g.n++
	at := g.Start.Add(time.Duration(float64(g.Step) * (float64(g.n) + g.rng.Float64())))
	if g.rng.Float64() < g.Late {
		at = at.Add(-time.Duration(g.rng.Int64N(int64(g.Lag))))
	}
	kind, pick := 0, g.rng.IntN(100)
	for pick >= collections[kind].share {
		pick -= collections[kind].share
		kind++
	}
	name := collections[kind].name
	t := event.ToMicros(at)
	return event.Event{Stream: g.account(), Type: name, Time: t, Payload: g.payload(name, t, at), Metadata: []byte(`{"source":"jetstream"}`)}
}

// account returns one of the accounts: low numbers are much more frequent.
func (g *Generator) account() string {
	f := g.rng.Float64()
	return Account(int(f * f * f * float64(g.Streams)))
}

// Account returns the name of the account with the number n.
func Account(n int) string {
	rng := rand.New(rand.NewPCG(uint64(n), 2))
	return "did:plc:" + text(rng, 24)
}

// text returns random letters as identifiers have them.
func text(rng *rand.Rand, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

func (g *Generator) payload(name string, t event.Micros, at time.Time) []byte {
	b := fmt.Appendf(g.buf[:0], `{"kind":"commit","time_us":%d,"commit":{"rev":"3l%s","operation":"create","collection":%q,"rkey":"3l%s","cid":"bafyrei%s","record":{"$type":%q,"createdAt":%q`,
		t, text(g.rng, 11), name, text(g.rng, 11), text(g.rng, 52), name, at.UTC().Format("2006-01-02T15:04:05.000Z"))
	switch name {
	case "app.bsky.feed.post":
		b = append(b, `,"langs":["en"],"text":"`...)
		for i := range 4 + g.rng.IntN(25) {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, words[g.rng.IntN(len(words))]...)
		}
		b = append(b, '"')
	case "app.bsky.feed.like", "app.bsky.feed.repost":
		b = fmt.Appendf(b, `,"subject":{"cid":"bafyrei%s","uri":"at://%s/app.bsky.feed.post/3l%s"}`, text(g.rng, 52), g.account(), text(g.rng, 11))
	default:
		b = fmt.Appendf(b, `,"subject":%q`, g.account())
	}
	g.buf = append(b, `}}}`...)
	return append([]byte(nil), g.buf...)
}
