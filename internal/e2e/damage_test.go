package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
	"github.com/firnlog/firn/querier"
)

// damage is one way to harm an object. It returns the keys of all objects that
// are not what they were.
type damage struct {
	name string
	do   func(t *testing.T, s store.Store, o object) []string
}

// damages are those that every kind of object can suffer.
func damages(o object, random *rand.Rand) []damage {
	change := func(name string, change func(body []byte) []byte) damage {
		return damage{name, func(t *testing.T, s store.Store, o object) []string {
			put(t, s, o.key, change(get(t, s, o.key)))
			return []string{o.key}
		}}
	}
	all := []damage{
		change("cut", func(b []byte) []byte { return b[:random.IntN(len(b))] }),
		change("lengthened", func(b []byte) []byte { return append(b, 0) }),
		change("emptied", func([]byte) []byte { return nil }),
		{"removed", func(t *testing.T, s store.Store, o object) []string {
			if err := s.Delete(t.Context(), o.key); err != nil {
				t.Fatal(err)
			}
			return []string{o.key}
		}},
	}
	for i, like := range o.like {
		all = append(all, damage{fmt.Sprint("swapped-", i), func(t *testing.T, s store.Store, o object) []string {
			a, b := get(t, s, o.key), get(t, s, like)
			put(t, s, o.key, b)
			put(t, s, like, a)
			return []string{o.key, like}
		}})
	}
	if o.kind != "data" { // which has bytes that mean nothing
		all = append(all, change("flipped", func(b []byte) []byte { b[random.IntN(len(b))] ^= 1 << random.IntN(8); return b }))
	} else {
		for part, at := range map[string]func(parts) int64{
			"footer":      func(p parts) int64 { return p.size - 20 },
			"index":       func(p parts) int64 { return p.end + 2 },
			"page-header": func(p parts) int64 { return p.page + 1 },
			"page-body":   func(p parts) int64 { return p.pageEnd - 2 },
		} {
			all = append(all, change(part, func(b []byte) []byte { b[at(partsOf(b))] ^= 4; return b }))
		}
	}
	return all
}

// parts says where things are in a data file.
type parts struct{ page, pageEnd, end, size int64 }

func partsOf(body []byte) parts {
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		panic(err)
	}
	p := parts{size: int64(len(body))}
	for _, c := range f.Metadata().RowGroups[0].Columns {
		m := c.MetaData
		if p.page == 0 {
			p.page, p.pageEnd = m.DataPageOffset, m.DataPageOffset+m.TotalCompressedSize
			if m.DictionaryPageOffset != 0 {
				p.pageEnd = m.DictionaryPageOffset + m.TotalCompressedSize
			}
		}
		p.end = max(p.end, c.ColumnIndexOffset)
	}
	return p
}

// work is something that is done with a bucket. Its answer is compared with that
// of a bucket that is whole.
type work struct {
	name   string
	writes bool
	do     func(ctx context.Context, log *commitlog.Log) (answer string, err error)
}

var works = []work{
	{"query", false, func(ctx context.Context, log *commitlog.Log) (string, error) { return ask(ctx, log, instance, "") }},
	{"query-day-two", false, func(ctx context.Context, log *commitlog.Log) (string, error) {
		return ask(ctx, log, instance, `,"where":[{"field":"timestamp","operator":"gte","value":"`+dayTwo.Format(time.RFC3339)+`"}]`)
	}},
	{"query-stream", false, func(ctx context.Context, log *commitlog.Log) (string, error) {
		return ask(ctx, log, instance, `,"where":[{"field":"stream_id","operator":"eq","value":"s05"}]`)
	}},
	{"query-other", false, func(ctx context.Context, log *commitlog.Log) (string, error) { return ask(ctx, log, other, "") }},
	{"pin", false, func(ctx context.Context, log *commitlog.Log) (string, error) {
		v, err := log.Pin(ctx, instance)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(v.Point.Ends, len(v.Tail)), nil
	}},
	{"append", true, func(ctx context.Context, log *commitlog.Log) (string, error) {
		b := batchOf(instance, "new", "a", "s05", "fresh")
		b.Key = ""
		return told(log.Append(ctx, instance, b))
	}},
	{"append-keyed", true, func(ctx context.Context, log *commitlog.Log) (string, error) {
		return told(log.Append(ctx, instance, batchOf(instance, "new", "a", "s05", "fresh")))
	}},
	{"repeat", false, func(ctx context.Context, log *commitlog.Log) (string, error) {
		return told(log.Append(ctx, instance, batchOf(instance, "second", "a", "b")))
	}},
	{"compact", true, func(ctx context.Context, log *commitlog.Log) (string, error) {
		if _, err := (&compactor.Compactor{Log: log}).Run(ctx, instance); err != nil {
			return "", err
		}
		return ask(ctx, log, instance, "")
	}},
}

// ask returns the events of an instance that a query with some more members shows.
func ask(ctx context.Context, log *commitlog.Log, id, more string) (string, error) {
	q, err := querier.Parse(fmt.Appendf(nil, `{"from":{"instance":%q},"limit":10000,"orderBy":[{"field":"stream_id"},{"field":"sequence_number"}]%s}`, id, more))
	if err != nil {
		return "", err
	}
	res, err := querier.NewEngine(log).Run(ctx, q)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range res.Events {
		b.Write(e)
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// told is what an append was told, but for its time.
func told(r commitlog.Receipt, err error) (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, r.Replayed)
	for i, e := range r.Events {
		fmt.Fprintln(&b, i, e.Stream, e.Sequence, e.Place)
	}
	for _, p := range r.Parts {
		if p.Err != nil {
			err = p.Err
		}
	}
	return b.String(), err
}

// needs says which works cannot be done without an object of a kind; the others
// must be done in spite of its damage, but for "?", which may.
var needs = map[string]string{
	//          query day-two stream other pin append keyed repeat compact
	"catalog":  "x     x       x      x     x   x      x     x      x",
	"snapshot": "x     x       x      -     x   x      x     x      x",
	"commit":   "x     x       x      -     x   x      x     x      x",
	"manifest": "x     -       x      -     -   -      -     -      x",
	"heads":    "-     -       -      -     -   x      x     x      ?",
	"keys":     "-     -       -      -     -   -      x     x      ?",
	"data":     "x     -       -      -     -   -      -     -      ?",
}

// TestDamage harms one object of a bucket in one way. What needs the object
// fails with an error that names it, and everything else goes on; nothing is
// ever answered that is not so. When the object is put back, the same process
// goes on by itself.
func TestDamage(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	whole := wholeBucket(t)
	right := map[string]string{}
	for _, w := range works {
		answer, err := w.do(t.Context(), commitlog.Open(copyTo(t, store.NewMemory(), whole)))
		if err != nil || answer == "" {
			t.Fatalf("%s: %v", w.name, err)
		}
		right[w.name] = answer
	}
	for _, o := range objects(t, whole) {
		for _, d := range damages(o, random) {
			t.Run(o.kind+"/"+d.name, func(t *testing.T) {
				var s store.Store
				for i, w := range works {
					need := strings.Fields(needs[o.kind])[i]
					if d.name == "removed" && (o.kind == "catalog" || o.kind == "snapshot") {
						need = "?" // the state before it is the newest then, as if it had never been written
					}
					if s == nil {
						s = copyTo(t, store.NewMemory(), whole)
					}
					harmed := d.do(t, s, o)
					if need == "-" && len(harmed) > 1 {
						need = "?" // the other object may be needed
					}
					h := harm{whole, s, harmed}
					h.check(t, w, need, right[w.name])
					if w.writes {
						s = nil
					}
				}
				s = copyTo(t, store.NewMemory(), whole)
				h := harm{whole, s, d.do(t, s, o)}
				h.verify(t, d.name == "removed" && (o.kind == "catalog" || o.kind == "snapshot"))
			})
		}
	}
}

// harm is a bucket with damage.
type harm struct {
	whole, s store.Store
	keys     []string // of the objects
}

// check does a work with the bucket.
func (h harm) check(t *testing.T, w work, need, right string) {
	t.Helper()
	log := commitlog.Open(h.s)
	answer, err := w.do(t.Context(), log)
	switch {
	case err == nil && need == "x":
		t.Errorf("%s: done without what it needs", w.name)
	case err == nil && answer != right:
		t.Errorf("%s: a wrong answer:\n%s\nwant:\n%s", w.name, answer, right)
	case err != nil && need == "-":
		t.Errorf("%s: %v", w.name, err)
	case err != nil && !fault.Is(err, fault.Corrupt):
		t.Errorf("%s: %v, of kind %v", w.name, err, fault.KindOf(err))
	case err != nil && !h.names(err.Error()):
		t.Errorf("%s: %v, which does not name %v", w.name, err, h.keys)
	}
	for _, key := range h.keys {
		put(t, h.s, key, get(t, h.whole, key))
	}
	if w.writes && err == nil {
		return // it is done
	}
	if answer, err := w.do(t.Context(), log); err != nil || answer != right {
		t.Errorf("%s, when the object is back: %v\n%s", w.name, err, answer)
	}
}

// names reports whether a text names one of the objects.
func (h harm) names(text string) bool {
	return slices.ContainsFunc(h.keys, func(key string) bool { return strings.Contains(text, key) })
}

// verify has firn verify name the object.
func (h harm) verify(t *testing.T, hidden bool) {
	t.Helper()
	r, err := verify.Run(t.Context(), h.s, verify.Options{})
	if err != nil {
		t.Errorf("verify: %v", err)
		return
	}
	named := slices.ContainsFunc(r.Faults, func(f verify.Fault) bool { return h.names(f.Key + f.Text) })
	if !named && !hidden {
		t.Errorf("verify finds %+v and does not name %v", r.Faults, h.keys)
	}
}

// TestBytesOfADataFile flips a bit of every third byte of a data file, one after
// the other: to a process that has read nothing yet a query shows what it showed
// before, or says which file is damaged.
func TestBytesOfADataFile(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	s := wholeBucket(t)
	log := commitlog.Open(s)
	right, err := ask(t.Context(), log, instance, "")
	if err != nil {
		t.Fatal(err)
	}
	key := dataFiles(t, log, instance, newest(t, log, instance))[1]
	body := get(t, s, key)
	noticed, flips := 0, 0
	for at := random.IntN(3); at < len(body); at += 3 {
		bit := byte(1) << random.IntN(8)
		body[at] ^= bit
		put(t, s, key, body)
		flips++
		answer, err := ask(t.Context(), commitlog.Open(s), instance, "")
		switch {
		case err == nil && answer != right:
			t.Errorf("byte %d of %d, bit %#x: a wrong answer:\n%s", at, len(body), bit, answer)
		case err != nil && (!fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), key)):
			t.Errorf("byte %d of %d, bit %#x: %v (%v)", at, len(body), bit, err, fault.KindOf(err))
		case err != nil:
			noticed++
		}
		body[at] ^= bit
	}
	t.Logf("%d of %d flips were noticed; the others are in bytes that mean nothing", noticed, flips)
	if noticed < flips*9/10 {
		t.Errorf("only %d of %d flips were noticed", noticed, flips)
	}
	put(t, s, key, body)
	if answer, err := ask(t.Context(), log, instance, ""); err != nil || answer != right {
		t.Errorf("when the file is back: %v\n%s", err, answer)
	}
}
