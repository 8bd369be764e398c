package querier

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// find walks one document for several paths.
func find(doc string, paths ...string) ([]string, error) {
	root := newTrie()
	slots := make([]int, len(paths))
	for i, p := range paths {
		slots[i] = root.add(p, i)
	}
	found := make([]string, len(paths))
	var w walker
	err := w.walk(root, doc, found)
	out := make([]string, len(paths))
	for i, s := range slots {
		out[i] = found[s]
	}
	return out, err
}

func TestWalk(t *testing.T) {
	const doc = ` { "a" : { "b" : [ 1 , { "c" : "x" } ] , "d":null}, "\u0065":true, "":0, "a.b":9 } `
	paths := []string{"", "a", "a.b", "a.b.0", "a.b.1.c", "a.b.2", "a.b.01", "a.d", "a.d.x", "e", "a.b", "f"}
	want := []string{strings.TrimSpace(doc), `{ "b" : [ 1 , { "c" : "x" } ] , "d":null}`, `[ 1 , { "c" : "x" } ]`, `1`, `"x"`, ``, ``, `null`, ``, `true`, `[ 1 , { "c" : "x" } ]`, ``}
	got, err := find(doc, paths...)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		if strings.TrimSpace(got[i]) != want[i] {
			t.Errorf("%q: %q, want %q", p, got[i], want[i])
		}
	}
}

// TestWalkForgets checks that one walk leaves nothing to the next.
func TestWalkForgets(t *testing.T) {
	root := newTrie()
	root.add("a.b", 0)
	found := make([]string, 1)
	var w walker
	for _, c := range []struct{ doc, want string }{
		{`{"a":{"b":1}}`, "1"}, {`{"a":5}`, ""}, {`{"a":{"b":2}}`, "2"}, {`7`, ""}, {`{"a":{"b":3},"a":{}}`, ""},
	} {
		if err := w.walk(root, c.doc, found); err != nil || found[0] != c.want {
			t.Errorf("%s: %q, %v; want %q", c.doc, found[0], err, c.want)
		}
	}
}

// FuzzWalk compares with going down through encoding/json.
func FuzzWalk(f *testing.F) {
	f.Add(`{"a":{"b":[1,{"c":"x"}]},"a":{"b":[0,{"c":2}]},"\u0061":{"b":3}}`, "a.b.1.c", "a.b")
	f.Add(`[[1,2],{"0":"\ud83d\ude00"}]`, "1.0", "")
	f.Add(` {"a":1e5 , "b": "\n" } `, "b", "a.b")
	f.Fuzz(func(t *testing.T, doc, p1, p2 string) {
		got, err := find(doc, p1, p2)
		if !jsontext.Value(doc).IsValid(jsontext.AllowDuplicateNames(true)) {
			return // nothing is stored that is not JSON
		}
		if err != nil {
			t.Fatalf("valid, but %v", err)
		}
		for i, p := range []string{p1, p2} {
			if !utf8.ValidString(p) {
				continue
			}
			want := refValue{typ: "missing"}
			if path := strings.Split(p, "."); p == "" {
				want = refParse(doc)
			} else {
				want = refWalk(doc, path)
			}
			if (got[i] == "") != (want.typ == "missing") {
				t.Fatalf("%s at %q: %q, want %+v", doc, p, got[i], want)
			}
			if got[i] == "" {
				continue
			}
			if v := parseValue(got[i]); !json.Valid([]byte(got[i])) || refParse(got[i]).raw != want.raw || v.kind == missing {
				t.Fatalf("%s at %q: %q, want %q", doc, p, got[i], want.raw)
			}
		}
	})
}
