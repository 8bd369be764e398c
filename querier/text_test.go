package querier

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

func TestTextMeans(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`type=login payload.ms>250 since 7d | count, p99 payload.ms by stream_id | sort count desc | limit 10`,
			`"where":[{"field":"event_type","operator":"eq","value":"login"},{"field":"payload.ms","operator":"gt","value":250},{"field":"timestamp","operator":"gte","value":"now-7d"}],` +
				`"reduce":{"values":{"count":{"type":"count"},"p99":{"type":"p99","field":"payload.ms"}},"groupBy":["stream_id"],"orderBy":{"field":"count","direction":"desc"},"limit":10}`},
		{`a=1 or b=2 c=3 and not (d=4 or e=5)`,
			`"where":[{"or":[{"field":"a","operator":"eq","value":1},{"and":[{"field":"b","operator":"eq","value":2},{"field":"c","operator":"eq","value":3},{"not":{"or":[{"field":"d","operator":"eq","value":4},{"field":"e","operator":"eq","value":5}]}}]}]}]`},
		{`a!="x y" b>=1 c<=-2.5 d<now e ~ ^a.c f !~ x g contains true h StartsWith "1"`,
			`"where":[{"field":"a","operator":"neq","value":"x y"},{"field":"b","operator":"gte","value":1},{"field":"c","operator":"lte","value":-2.5},{"field":"d","operator":"lt","value":"now"},` +
				`{"field":"e","operator":"matches","value":"^a.c"},{"not":{"field":"f","operator":"matches","value":"x"}},{"field":"g","operator":"contains","value":true},{"field":"h","operator":"startsWith","value":"1"}]`},
		{`a in (1, x, "y z") b in () c between 1 and 2 d exists e exists false tag:red tag:"dark red" ignorecase`,
			`"where":[{"field":"a","operator":"in","value":[1,"x","y z"]},{"field":"b","operator":"in","value":[]},{"field":"c","operator":"between","value":[1,2]},` +
				`{"field":"d","operator":"exists","value":true},{"field":"e","operator":"exists","value":false},{"operator":"hasTag","value":"red"},{"operator":"hasTag","value":"dark red","ignoreCase":true}]`},
		{`"type"=x "or"=y until 2026-11-21`,
			`"where":[{"field":"type","operator":"eq","value":"x"},{"field":"or","operator":"eq","value":"y"},{"field":"timestamp","operator":"lt","value":"2026-11-21"}]`},
		{`| select id, payload.a | sort time desc, $place | offset 5 | limit 3 | nototal`,
			`"select":["id","payload.a"],"orderBy":[{"field":"timestamp","direction":"desc"},{"field":"$place"}],"offset":5,"limit":3,"total":false`},
		{`| avg payload.ms`, `"reduce":{"type":"avg","field":"payload.ms"}`},
		{`| top 5 payload.page`, `"reduce":{"type":"topK","k":5,"field":"payload.page"}`},
		{`| count as n by bucket(timestamp,1h,"Europe/Berlin"), type | sort type`,
			`"reduce":{"values":{"n":{"type":"count"}},"groupBy":[{"field":"timestamp","bucket":"1h","zone":"Europe/Berlin"},"event_type"],"orderBy":[{"field":"event_type"}]}`},
		{`| min a, min b, count by 1d`,
			`"reduce":{"values":{"min_a":{"type":"min","field":"a"},"min_b":{"type":"min","field":"b"},"count":{"type":"count"}},"groupBy":[{"field":"timestamp","bucket":"1d"}]}`},
	} {
		q, err := ParseText("from log " + c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		want, err := Parse([]byte(`{"from":{"instance":"log"},` + c.want + "}"))
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		if q.String() != want.String() {
			t.Errorf("%s\nmeans %s\nwant  %s", c.text, q, want)
		}
	}
}

func TestTextFrom(t *testing.T) {
	for _, c := range []struct{ text, instance, stream string }{
		{``, "", ""}, {`a=1`, "", ""}, {`from log`, "log", ""}, {`FROM "my log" stream user-1 a=1`, "my log", "user-1"},
		{`from log stream = user-1`, "log", ""}, {`from log stream contains x`, "log", ""}, {`from log stream "contains"`, "log", "contains"},
	} {
		q, err := ParseText(c.text)
		if err != nil || q.Instance != c.instance || q.Stream != c.stream {
			t.Errorf("%s gives %v, %v", c.text, q, err)
		}
	}
}

// TestTextRefuses wants each message to name the column and what would be right.
func TestTextRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`a`, `column 2: the query ends where =, !=, >,`},
		{`a == 1`, `column 4: "=" stands where a value is expected`},
		{`é="x" b ? 2`, `column 9: "?" stands where =, !=`},
		{`a=1 |`, `column 6: the query ends where select, sort, limit, offset, count`},
		{`a=1 | counts`, `column 7: "counts" stands where select, sort`},
		{`a="x`, `column 3: a double quote that begins here does not end`},
		{`a="\x"`, `column 3: text in double quotes is written as in JSON`},
		{`(a=1 or b=2`, `column 12: the query ends where a closing parenthesis is expected`},
		{`a=1)`, `column 4: ")" stands where a condition, or |`},
		{`a in 5`, `column 6: "5" stands where a list such as (1, 2, "three") is expected`},
		{`a in (5 6)`, `column 9: "6" stands where a comma`},
		{`a between 1 or 2`, `column 13: "or" stands where and, with the highest value`},
		{`b=1 a between 1 and x`, `column 5: the condition.value: the two values of between`},
		{`a ~ "("`, `column 1: the condition.value: "(" is no regular expression`},
		{`from`, `column 5: the query ends where the name of an instance`},
		{`from "" stream s`, `column 6: an instance's name is not empty`},
		{`by=5`, `column 1: by is a word of the language: for a field of that name write it in double quotes`},
		{`payload..a=5`, `column 1: "payload..a" has an empty part`},
		{`timestamp > yesterday`, `"yesterday" is no timestamp`},
		{`since 5q`, `column 1: the condition.value: "5q" is no timestamp`},
		{`since now-5q`, `unknown unit`},
		{`tag: red`, `column 6: "red" stands where a tag, directly behind tag:, is expected`},
		{`| limit x`, `column 9: "x" stands where a whole number, 0 or more, is expected`},
		{`| count | count`, `column 11: "count" stands where sort or limit`},
		{`| sum`, `reduce.field: sum needs a field`},
		{`| count by 7h`, `column 12: bucket: "7h" is not possible: the number of h must divide 24`},
		{`| count by bucket(timestamp)`, `column 18: a bucket is written as bucket(timestamp, 1h)`},
		{`| count by bucket(timestamp, 1h, Berlin)`, `column 30: zone: "Berlin" is no zone`},
		{`| count by type | sort n`, `"n" is no key and no value of the groups; they have event_type, count`},
		{`| count | sort count`, `orderBy and limit are of groups`},
		{"a=\xff", "a query is UTF-8"},
		{strings.Repeat("(", 100_000), "at most 16 deep"},
		{strings.Repeat("not ", 20) + "a=1", "at most 16 deep"},
		{strings.Repeat("a=1 ", 101), "at most 100 conditions"},
	} {
		_, err := ParseText(c.text)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100s\ngives %v\nwant  %s", c.text, err, c.want)
		}
	}
}

// TestTextOfQueries wants every query that JSON can say to have a text that says
// the same.
func TestTextOfQueries(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	events := randomLog(rng, 100, 2)
	for range 1500 {
		query := randomQuery(rng, events)
		q, err := Parse([]byte(query))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		again, err := ParseText(q.Text())
		if err != nil || again.String() != q.String() {
			t.Fatalf("%s\nis %s\nreads %v, %v", q, q.Text(), again, err)
		}
	}
}

// FuzzParseText wants no panic, and that what is accepted can be run, written
// and read again as text and as JSON.
func FuzzParseText(f *testing.F) {
	f.Add(`from "my log" stream s type=login and (payload.ms>250 or not tag:"a b" ignorecase) since 7d | count, p99 payload.ms as slow by stream_id, 1h | sort slow desc | limit 10`)
	f.Add(`a in (1,"x") b between 1 and 2 c exists false d !~ "^x" | select id, "or" | sort time desc | offset 1 | limit 0 | cursor "x" | nototal`)
	f.Add(`| top 5 a by bucket(ingested_at, 3M, "Europe/Berlin"), "5d"`)
	f.Add("from\"\"streAm 0")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := ParseText(text)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Limit {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		written := q.Text()
		again, err := ParseText(written)
		if err != nil || again.Text() != written || again.String() != q.String() {
			t.Fatalf("%q\nis %q\nthen %v (%v)", text, written, again, err)
		}
		if q.Instance = "log"; q.Cursor != "" && q.Reduce != nil {
			return
		}
		if _, err := newPlan(q); err != nil {
			t.Fatalf("accepted, but not to be run: %v", err)
		}
		if fromJSON, err := Parse([]byte(q.String())); err != nil || fromJSON.String() != q.String() {
			t.Fatalf("%s\nis not its JSON: %v", q, err)
		}
	})
}

// TestForgottenBars: where a word that begins a stage stands without its bar, the
// error says so, and where it does not, it does not.
func TestForgottenBars(t *testing.T) {
	for text, word := range map[string]string{
		"type=edit sort time": "sort", "type=edit limit 10": "limit", "count by page": "count", "a=1 p99 ms": "p99", "a=1 explain": "explain",
		"| count by type sort count desc": "sort", "| sort n limit 3": "limit", "type=edit top 3 page": "top",
		"a=1 page /x": "", "a=1 | count by type page": "", `a=1 "sort" time`: "", "a=1 where b=2": "",
	} {
		_, err := ParseText(text)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if hint := `did you mean "| ` + word + `"?`; strings.Contains(err.Error(), "did you mean") != (word != "") || word != "" && !strings.HasSuffix(err.Error(), hint) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
