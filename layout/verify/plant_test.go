package verify_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

func same(events []event.Event) []event.Event { return events }

func nothing(*snapshot.File) {}

// rowEdits are faults planted into a data file whose entry is then true of it.
var rowEdits = map[string]struct {
	kind verify.Kind
	edit func([]event.Event) []event.Event
}{
	"duplicate":   {verify.Disorder, func(e []event.Event) []event.Event { return slices.Insert(e, 4, e[3]) }},
	"gap":         {verify.Gap, func(e []event.Event) []event.Event { return slices.Delete(e, 0, 1) }},
	"unsorted":    {verify.Disorder, func(e []event.Event) []event.Event { e[2], e[5] = e[5], e[2]; return e }},
	"other day":   {verify.Misplaced, func(e []event.Event) []event.Event { e[4].Time += 86400_000000; return e }},
	"payload":     {verify.Content, func(e []event.Event) []event.Event { e[4].Payload = []byte(`{"n":}`); return e }},
	"no payload":  {verify.Content, func(e []event.Event) []event.Event { e[4].Payload = nil; return e }},
	"metadata":    {verify.Content, func(e []event.Event) []event.Event { e[4].Metadata = []byte(`[]`); return e }},
	"name":        {verify.Content, func(e []event.Event) []event.Event { e[4].Type = ""; return e }},
	"tags":        {verify.Content, func(e []event.Event) []event.Event { e[4].Tags = []string{"a", "a"}; return e }},
	"position":    {verify.Content, func(e []event.Event) []event.Event { e[4].Place.Position = 1 << 40; return e }},
	"place":       {verify.Duplicate, func(e []event.Event) []event.Event { e[4].Place = e[5].Place; return e }},
	"ingested":    {verify.Mismatch, func(e []event.Event) []event.Event { e[4].Ingested--; return e }},
	"first event": {verify.Gap, func(e []event.Event) []event.Event { return e[1:] }},
}

// forms are objects of every form, by what their keys begin with and hold.
var forms = []string{"catalog/", "/snapshots/", "/manifests/", "/heads/", "/keys/", "/log/", "/data/"}

// live returns the keys of the objects of a form that count in the instance
// plain, or in the catalog.
func (b bucket) live(form string) []string {
	s, key := b.newest("plain")
	st := s.ShardState(0)
	var keys []string
	switch form {
	case "catalog/":
		for _, o := range b.list(layout.Catalog) {
			keys = append(keys, o.Key)
		}
	case "/snapshots/":
		keys = []string{key}
	case "/log/":
		keys = b.tail("plain")
	case "/heads/", "/keys/":
		for _, r := range append(slices.Clone(st.Heads), st.Keys...) {
			if strings.Contains(r.Key, form) {
				keys = append(keys, r.Key)
			}
		}
	}
	for _, d := range s.Days {
		if form == "/manifests/" && d.Manifest != "" {
			keys = append(keys, d.Manifest)
		}
		if form == "/data/" {
			for _, f := range d.Files {
				keys = append(keys, f.Key)
			}
		}
	}
	if len(keys) == 0 {
		b.t.Fatal("no object of the form", form)
	}
	return keys
}

// mustFind runs a verification that must report a fault of the object.
func (b bucket) mustFind(kind verify.Kind, key string) {
	b.t.Helper()
	r := b.verify(verify.Options{})
	var found bool
	for _, f := range r.Faults {
		found = found || f.Key == key && (kind == "" || f.Kind == kind)
	}
	if !found {
		b.t.Errorf("no fault %s of %s among:\n%s", kind, key, text(r))
	}
	if len(r.Faults) > 32 { // a lost file of a whole day is missed by each commit that is still there
		b.t.Errorf("one planted fault is reported as %d:\n%s", len(r.Faults), text(r))
	}
}

func TestEventsThatAreWrongAreFound(t *testing.T) {
	for name, tc := range rowEdits {
		t.Run(name, func(t *testing.T) {
			b := filled(t)
			b.sweepLog("plain")
			key := b.rewrite("plain", tc.edit, nothing)
			r := b.verify(verify.Options{})
			if !slices.ContainsFunc(r.Faults, func(f verify.Fault) bool {
				return f.Kind == tc.kind && (f.Key == key || tc.kind == verify.Gap)
			}) {
				t.Errorf("no fault %s of %s among:\n%s", tc.kind, key, text(r))
			}
		})
	}
}

// sweepLog takes away the folded commits, so that only the table itself tells.
func (b bucket) sweepLog(id string) {
	tail := b.tail(id)
	for _, o := range b.list(layout.Log(id, 0)) {
		if !slices.Contains(tail, o.Key) {
			b.remove(o.Key)
		}
	}
}

func TestARewrittenFileWithTheSameEventsIsClean(t *testing.T) {
	b := filled(t)
	b.rewrite("plain", same, nothing)
	b.sweepLog("plain")
	b.mustBeClean()
}

func TestTheTableIsComparedWithCommitsThatAreStillThere(t *testing.T) {
	b := filled(t)
	s, _ := b.newest("plain")
	recent := b.list(layout.Log("plain", 0))
	key := recent[0].Key
	if n, _ := layout.ParseCommit(key); n > s.ShardState(0).Folded {
		t.Fatal("no folded commit is left")
	}
	b.recommit(key, func(e []event.Event, _ map[string]string) []event.Event {
		e[0].Payload = []byte(`"other"`)
		return e
	})
	r := b.verify(verify.Options{})
	// It was stored behind the snapshot that folded it: without effect.
	if !r.OK() || len(r.Warnings) != 1 || r.Warnings[0].Kind != verify.Late {
		t.Errorf("a commit written in the past:\n%s", text(r))
	}
	// In a copy, where it is older than that, the table is wrong.
	b = b.reordered(key)
	r = b.verify(verify.Options{})
	if r.OK() || r.Faults[0].Kind != verify.Mismatch {
		t.Errorf("a commit that the table does not have:\n%s", text(r))
	}
}

// reordered returns a copy in which the object with the key is the oldest.
func (b bucket) reordered(key string) bucket {
	to := bucket{b.t, store.NewMemory()}
	to.put(key, b.get(key))
	b.remove(key)
	b.copyTo(to)
	return to
}

// claims are false entries of data files.
var claims = map[string]func(*snapshot.File){
	"rows":         func(f *snapshot.File) { f.Rows++ },
	"bytes":        func(f *snapshot.File) { f.Bytes++ },
	"end":          func(f *snapshot.File) { f.End-- },
	"end sum":      func(f *snapshot.File) { f.EndSum = "0123456789abcdef" },
	"sum":          func(f *snapshot.File) { f.Sum = "0123456789abcdef" },
	"min time":     func(f *snapshot.File) { f.MinTime++ },
	"max time":     func(f *snapshot.File) { f.MaxTime++ },
	"min stream":   func(f *snapshot.File) { f.MinStream += "!" },
	"max stream":   func(f *snapshot.File) { f.MaxStream = "stream" },
	"min sequence": func(f *snapshot.File) { f.MinSequence++ },
	"max sequence": func(f *snapshot.File) { f.MaxSequence-- },
	"min position": func(f *snapshot.File) { f.MinPosition++ },
	"max position": func(f *snapshot.File) { f.MaxPosition++ },
	"types": func(f *snapshot.File) {
		f.Types["t0"]++
	},
	"shard": func(f *snapshot.File) { f.Shard = 1 },
	"key":   func(f *snapshot.File) { f.Key = layout.NewData("plain", "2000-01-01", 0) },
}

func TestFalseEntriesAreFound(t *testing.T) {
	for name, claim := range claims {
		t.Run(name, func(t *testing.T) {
			b := filled(t)
			key := ""
			b.rewrite("plain", same, func(f *snapshot.File) {
				claim(f)
				key = f.Key
			})
			b.mustFind("", key)
		})
	}
}

// plants are faults that other objects than data files have. Each returns the
// fault that must be found.
var plants = map[string]func(bucket) (verify.Kind, string){
	"data file missing": func(b bucket) (verify.Kind, string) { return verify.Missing, b.remove(b.live("/data/")[2]) },
	"manifest missing":  func(b bucket) (verify.Kind, string) { return verify.Missing, b.remove(b.live("/manifests/")[0]) },
	"heads missing":     func(b bucket) (verify.Kind, string) { return verify.Missing, b.remove(b.live("/heads/")[0]) },
	"keys missing":      func(b bucket) (verify.Kind, string) { return verify.Missing, b.remove(b.live("/keys/")[0]) },
	"hole in the tail":  func(b bucket) (verify.Kind, string) { return verify.Missing, b.remove(b.tail("plain")[1]) },
	"first of the tail missing": func(b bucket) (verify.Kind, string) {
		return verify.Missing, b.remove(b.tail("plain")[0])
	},
	"snapshot missing": func(b bucket) (verify.Kind, string) {
		return verify.Chain, b.remove(b.list(layout.Snapshots("plain"))[2].Key)
	},
	"catalog state missing": func(b bucket) (verify.Kind, string) {
		return verify.Chain, b.remove(b.list(layout.Catalog)[2].Key)
	},
	"files swapped": func(b bucket) (verify.Kind, string) {
		keys := b.live("/data/")
		x, y := b.get(keys[0]), b.get(keys[1])
		b.put(keys[0], y)
		b.put(keys[1], x)
		return "", keys[0]
	},
	"commits swapped": func(b bucket) (verify.Kind, string) {
		keys := b.tail("plain")
		x, y := b.get(keys[0]), b.get(keys[1])
		b.put(keys[0], y)
		b.put(keys[1], x)
		return verify.Misplaced, keys[0]
	},
	"commit twice": func(b bucket) (verify.Kind, string) {
		keys := b.tail("plain")
		n, _ := layout.ParseCommit(keys[len(keys)-1])
		b.put(layout.Commit("plain", 0, n+1), b.get(keys[len(keys)-1]))
		return verify.Duplicate, layout.Commit("plain", 0, n+1)
	},
	"gap in the tail": func(b bucket) (verify.Kind, string) {
		return verify.Gap, b.recommit(b.tail("plain")[0], func(e []event.Event, _ map[string]string) []event.Event {
			e[0].Sequence++
			return e[:1]
		})
	},
	"duplicate in the tail": func(b bucket) (verify.Kind, string) {
		return verify.Duplicate, b.recommit(b.tail("plain")[0], func(e []event.Event, _ map[string]string) []event.Event {
			e[0].Sequence--
			return e
		})
	},
	"time goes back": func(b bucket) (verify.Kind, string) {
		return verify.Disorder, b.recommit(b.tail("plain")[2], func(e []event.Event, meta map[string]string) []event.Event {
			meta["firn.time"] = "1"
			return e
		})
	},
	"generation of the tail": func(b bucket) (verify.Kind, string) {
		return verify.Chain, b.recommit(b.tail("plain")[2], func(e []event.Event, meta map[string]string) []event.Event {
			meta["firn.generation"] = "2"
			return e
		})
	},
	"key range": func(b bucket) (verify.Kind, string) {
		return verify.Keys, b.recommit(b.tail("plain")[2], func(e []event.Event, meta map[string]string) []event.Event {
			meta["firn.keys"] = `[{"key":"k","hash":"h","first":3,"count":999}]`
			return e
		})
	},
	"key used twice": func(b bucket) (verify.Kind, string) {
		for _, i := range []int{1, 2} {
			b.recommit(b.tail("plain")[i], func(e []event.Event, meta map[string]string) []event.Event {
				meta["firn.keys"] = `[{"key":"k","hash":"h","first":0,"count":2}]`
				return e
			})
		}
		return verify.Duplicate, b.tail("plain")[2]
	},
	"heads too low":           func(b bucket) (verify.Kind, string) { return verify.Heads, b.editHeads(-1) },
	"heads too high":          func(b bucket) (verify.Kind, string) { return verify.Heads, b.editHeads(1) },
	"heads in the wrong part": func(b bucket) (verify.Kind, string) { return verify.Misplaced, b.cutHeads(1) },
	"part of heads missing": func(b bucket) (verify.Kind, string) {
		key := b.cutHeads(0)
		b.must(b.s.Delete(b.t.Context(), key))
		return verify.Missing, key
	},
	"key of another place": func(b bucket) (verify.Kind, string) {
		key := ""
		b.editRun(func(st *snapshot.Shard) {
			keys, err := snapshot.ReadRun[snapshot.Key](b.t.Context(), b.s, st.Keys[0], 0)
			b.must(err)
			for i := range keys {
				keys[i].Ordinal += 3
			}
			body, err := snapshot.EncodeRun(st.Keys[0].Key, keys)
			b.must(err)
			key, st.Keys[0].Bytes = st.Keys[0].Key, int64(len(body))
			b.put(key, body)
		})
		return verify.Keys, key
	},
	"keys forgotten": func(b bucket) (verify.Kind, string) {
		s, _ := b.newest("plain")
		keys, err := snapshot.ReadRun[snapshot.Key](b.t.Context(), b.s, s.ShardState(0).Keys[0], 0)
		b.must(err)
		b.editRun(func(st *snapshot.Shard) { st.Keys = nil })
		last := int64(0)
		for _, k := range keys {
			last = max(last, k.Position)
		}
		return verify.Keys, layout.Commit("plain", 0, last)
	},
	"day's totals": func(b bucket) (verify.Kind, string) {
		return verify.Mismatch, b.editSnapshot("plain", func(s *snapshot.Snapshot) { s.Days[0].Rows++ })
	},
	"manifest's rows": func(b bucket) (verify.Kind, string) {
		key := b.live("/manifests/")[0]
		var m snapshot.Manifest
		b.must(json.Unmarshal(b.get(key), &m))
		m.Files[0].Rows, m.Seal = 1, seal.Blank
		return verify.Mismatch, b.putJSON(key, m)
	},
	"manifest of another day": func(b bucket) (verify.Kind, string) {
		key := b.live("/manifests/")[0]
		var m snapshot.Manifest
		b.must(json.Unmarshal(b.get(key), &m))
		m.Day, m.Seal = "1999-12-31", seal.Blank
		return verify.Misplaced, b.putJSON(key, m)
	},
	"file forgotten": func(b bucket) (verify.Kind, string) {
		return verify.Mismatch, b.editSnapshot("plain", func(s *snapshot.Snapshot) { s.Days[0].Files = s.Days[0].Files[1:] })
	},
	"snapshot's number": func(b bucket) (verify.Kind, string) {
		return verify.Misplaced, b.editSnapshot("plain", func(s *snapshot.Snapshot) { s.Number++ })
	},
	"fold goes back": func(b bucket) (verify.Kind, string) {
		all := b.list(layout.Snapshots("plain"))
		older := &snapshot.Snapshot{}
		b.must(json.Unmarshal(b.get(all[1].Key), older))
		older.Shards[0].Folded, older.Seal = 1000, seal.Blank
		b.putJSON(all[1].Key, older)
		return verify.Chain, all[0].Key
	},
	"dropped and named": func(b bucket) (verify.Kind, string) {
		key := b.live("/data/")[0]
		b.editSnapshot("plain", func(s *snapshot.Snapshot) { s.Dropped = append(s.Dropped, key) })
		return verify.Chain, key
	},
	"wrong shard": func(b bucket) (verify.Kind, string) { return b.wrongShard() },
	"shards of an instance changed": func(b bucket) (verify.Kind, string) {
		return verify.Chain, b.editCatalog(func(list []catalog.Instance) { list[1].Shards = 1 })
	},
	"generation of an instance goes back": func(b bucket) (verify.Kind, string) {
		return verify.Chain, b.editCatalog(func(list []catalog.Instance) { list[0].Generation = 1 })
	},
	"name of an instance": func(b bucket) (verify.Kind, string) {
		return verify.Content, b.editCatalog(func(list []catalog.Instance) { list[2].Name = "" })
	},
	"drop missing": func(b bucket) (verify.Kind, string) {
		b.editSnapshot("gone", func(s *snapshot.Snapshot) { s.Shards[0].Generation = 0 })
		return verify.Chain, layout.Log("gone", 0)
	},
	"foreign key in a log": func(b bucket) (verify.Kind, string) {
		b.put(layout.Log("plain", 0)+"README.txt", []byte("x"))
		return verify.Foreign, layout.Log("plain", 0) + "README.txt"
	},
	"catalog lost": func(b bucket) (verify.Kind, string) {
		for _, o := range b.list(layout.Catalog) {
			b.remove(o.Key)
		}
		return verify.Missing, layout.Root("plain")
	},
	"newer states of the catalog lost": func(b bucket) (verify.Kind, string) {
		all := b.list(layout.Catalog)
		for _, o := range all[:len(all)-1] {
			b.remove(o.Key)
		}
		return verify.Missing, layout.Root("short")
	},
	"foreign key in the catalog": func(b bucket) (verify.Kind, string) {
		b.put("catalog/x", []byte("x"))
		return verify.Foreign, "catalog/x"
	},
}

func TestPlantedFaultsAreFound(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			b := filled(t)
			kind, key := plant(b)
			b.mustFind(kind, key)
		})
	}
}

// editHeads moves the first stream of the newest run of heads.
func (b bucket) editHeads(by int64) (key string) {
	b.editRun(func(st *snapshot.Shard) {
		heads, err := snapshot.ReadRun[snapshot.Head](b.t.Context(), b.s, st.Heads[0], 0)
		b.must(err)
		heads[0].Sequence += by
		body, err := snapshot.EncodeRun(st.Heads[0].Key, heads)
		b.must(err)
		key, st.Heads[0].Bytes = st.Heads[0].Key, int64(len(body))
		b.put(key, body)
	})
	return key
}

// cutHeads cuts the newest run of heads into two parts, with the entries moved on
// by so many parts, and returns the key of one that has some.
func (b bucket) cutHeads(by int) (key string) {
	b.editRun(func(st *snapshot.Shard) {
		r := &st.Heads[0]
		heads, err := snapshot.ReadRun[snapshot.Head](b.t.Context(), b.s, *r, 0)
		b.must(err)
		r.Parts, r.Bytes = 2, 0
		parts := make([][]snapshot.Head, r.Parts)
		for _, h := range heads {
			i := (snapshot.PartOf(h.Stream, r.Parts) + by) % r.Parts
			parts[i], key = append(parts[i], h), r.Object(i)
		}
		for i, part := range parts {
			body, err := snapshot.EncodeRun(r.Object(i), part)
			b.must(err)
			b.put(r.Object(i), body)
			r.Bytes += int64(len(body))
		}
	})
	return key
}

func (b bucket) editRun(edit func(*snapshot.Shard)) string {
	return b.editSnapshot("plain", func(s *snapshot.Snapshot) { edit(&s.Shards[0]) })
}

// wrongShard moves a data file of one shard, as it is, to another.
func (b bucket) wrongShard() (kind verify.Kind, key string) {
	b.editSnapshot("again", func(s *snapshot.Snapshot) {
		d := &s.Days[len(s.Days)-2]
		f := &d.Files[0]
		body := b.get(f.Key)
		f.Shard = 1 - f.Shard
		f.Key = layout.NewData("again", d.Day, f.Shard)
		b.put(f.Key, body)
		key = f.Key
	})
	return verify.Misplaced, key
}

// editCatalog changes the newest state of the catalog and returns its key.
func (b bucket) editCatalog(edit func([]catalog.Instance)) string {
	key := b.list(layout.Catalog)[0].Key
	var st struct {
		Format    int                `json:"format"`
		Key       string             `json:"key"`
		Number    int64              `json:"number"`
		ID        string             `json:"id"`
		Time      event.Micros       `json:"time"`
		Instances []catalog.Instance `json:"instances"`
		Seal      string             `json:"seal"`
	}
	b.must(json.Unmarshal(b.get(key), &st))
	edit(st.Instances)
	st.Seal = seal.Blank
	return b.putJSON(key, st)
}
