package querier

import (
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

func TestParseTakes(t *testing.T) {
	for _, query := range []string{
		`{"from":{"instance":"log"}}`,
		`{"from":{"instance":"log","stream":"s"},"where":[{"field":"event_type","operator":"eq","value":"login"}],"orderBy":{"field":"timestamp","direction":"desc"},"limit":10}`,
		`{"from":{"instance":"log"},"where":[{"field":"a","operator":"between","value":[1,2.5]},{"field":"a","operator":"in","value":[]},{"field":"a","operator":"neq","value":null}]}`,
		`{"from":{"instance":"log"},"orderBy":[{"field":"a"},{"field":"b","direction":"desc"},{"field":"$place"}],"offset":5,"total":false}`,
		`{"from":{"instance":"log","stream":null},"where":null,"select":null,"orderBy":null,"limit":null,"reduce":null,"cursor":null,"total":null}`,
		`{"from":{"instance":"log"},"reduce":{"type":"count","groupBy":["event_type","payload.a"]},"select":["id","payload.x.y"]}`,
		`{"from":{"instance":"log"},"where":[{"value":"2026-11-21T00:00:00Z","operator":"gte","field":"timestamp"},{"field":"timestamp","operator":"lt","value":1.7e9}]}`,
		` { "from" : { "instance" : "log" } } `,
	} {
		q, err := Parse([]byte(query))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		normal := q.String()
		again, err := Parse([]byte(normal))
		if err != nil || again.String() != normal {
			t.Errorf("%s\nbecomes %s\nthen %v (%v)", query, normal, again, err)
		}
	}
}

// TestParseRefuses wants each message to name the place and what is wrong.
func TestParseRefuses(t *testing.T) {
	where := func(c string) string { return `{"from":{"instance":"log"},"where":[` + c + `]}` }
	for _, c := range []struct{ query, want string }{
		{``, "the query is empty"},
		{`[]`, "the query: an object is expected here"},
		{`{"from":{"instance":"log"}`, "not valid JSON"},
		{`{"from":{"instance":"log"}} x`, "behind the query's closing brace"},
		{`{"from":{"instance":"log"},"from":{"instance":"log"}}`, `duplicate object member name "from"`},
		{"{\"from\":{\"instance\":\"\xff\"}}", "not valid JSON"},
		{`{"where":[]}`, "from.instance"},
		{`{"from":{"instance":5}}`, "from.instance: it is a string"},
		{`{"from":{"instance":"log","stream":""}}`, "from.stream: it must not be empty"},
		{`{"from":{"instance":"log"},"were":[]}`, "were: a query has no such member; it has from, where, select"},
		{`{"from":{"instance":"log"},"from%d":[]}`, "from%d: a query has no such member"},
		{where(`{"field":"a","operator":"like","value":1}`), `where[0].operator: "like" is none of eq, neq, gt, gte, lt, lte, contains, in, between`},
		{where(`{"field":"a","op":"eq","value":1}`), "where[0].op: a condition has no such member; it has field, operator, value"},
		{where(`{"field":"a","operator":"eq","value":1},{"field":"a","operator":"eq"}`), "where[1]: a condition has field, operator and value; value is missing"},
		{where(`{"operator":"eq","value":1}`), "where[0].field"},
		{where(`{"field":"","operator":"eq","value":1}`), "where[0].field: a field needs a name"},
		{where(`{"field":"payload..a","operator":"eq","value":1}`), `where[0].field: "payload..a" has an empty part`},
		{where(`{"field":"event_type.a","operator":"eq","value":1}`), "write payload.event_type.a"},
		{where(`{"field":"a","operator":"eq","value":{"a":1}}`), "where[0].value: a string, a number, true, false or null is expected"},
		{where(`{"field":"a","operator":"eq","value":[1]}`), "where[0].value: a list goes with in or between only"},
		{where(`{"field":"a","operator":"in","value":1}`), "where[0].value: in takes a list"},
		{where(`{"field":"a","operator":"in","value":[[1]]}`), "where[0].value[0]: a string"},
		{where(`{"field":"a","operator":"between","value":[1]}`), "where[0].value: between takes two values"},
		{where(`{"field":"a","operator":"between","value":[1,"2"]}`), "both strings or both numbers"},
		{where(`{"field":"a","operator":"gt","value":true}`), "where[0].value: gt compares with a string or a number"},
		{where(`{"field":"timestamp","operator":"gt","value":"yesterday"}`), `where[0].value: "yesterday" is no timestamp`},
		{where(`{"field":"timestamp","operator":"eq","value":true}`), "where[0].value: a time is RFC 3339"},
		{where(`{"field":"timestamp","operator":"contains","value":"2026"}`), "where[0].value: contains is for strings"},
		{where(`{"field":"$place","operator":"eq","value":1}`), "where[0].field: $place can only be ordered by"},
		{`{"from":{"instance":"log"},"where":{}}`, "where: a list is expected here"},
		{`{"from":{"instance":"log"},"select":"id"}`, "select: a list is expected here"},
		{`{"from":{"instance":"log"},"select":["$place"]}`, "select[0]: $place can only be ordered by"},
		{`{"from":{"instance":"log"},"orderBy":{"direction":"asc"}}`, "orderBy[0].field"},
		{`{"from":{"instance":"log"},"orderBy":{"field":"a","direction":"down"}}`, `orderBy.direction: "down" is neither asc nor desc`},
		{`{"from":{"instance":"log"},"orderBy":[{"field":"a"},{"field":"a"},{"field":"a"},{"field":"a"},{"field":"a"}]}`, "orderBy: the list has at most 4"},
		{`{"from":{"instance":"log"},"limit":-1}`, "limit: it is a whole number, 0 or more"},
		{`{"from":{"instance":"log"},"limit":1.5}`, "limit: it is a whole number"},
		{`{"from":{"instance":"log"},"limit":"10"}`, "limit: it is a whole number"},
		{`{"from":{"instance":"log"},"offset":-1}`, "offset: it is a whole number"},
		{`{"from":{"instance":"log"},"total":1}`, "total: it is true or false"},
		{`{"from":{"instance":"log"},"reduce":{}}`, `reduce.type: "" is none of count, sum, avg, min, max, collect`},
		{`{"from":{"instance":"log"},"reduce":{"type":"median","field":"a"}}`, `reduce.type: "median" is none of`},
		{`{"from":{"instance":"log"},"reduce":{"type":"sum"}}`, "reduce.field: sum needs a field"},
		{`{"from":{"instance":"log"},"reduce":{"type":"count","groupBy":["a","a"]}}`, "reduce.groupBy[1]: a is here twice"},
		{`{"from":{"instance":"log"},"reduce":{"type":"count","groupBy":["count"]}}`, "write payload.count"},
		{`{"from":{"instance":"log"},"reduce":{"type":"count"},"cursor":"x"}`, "cursor: a query with reduce has no pages"},
		{`{"from":{"instance":"` + strings.Repeat("x", MaxQueryBytes) + `"}}`, "at most 1048576 bytes"},
		{where(strings.Repeat(`{"field":"a","operator":"eq","value":1},`, MaxConditions) + `{"field":"a","operator":"eq","value":1}`), "where: the list has at most 100"},
		{where(`{"field":"a","operator":"eq","value":` + strings.Repeat("[", 100_000) + `}`), "where[0].value[0]: a string"},
	} {
		_, err := Parse([]byte(c.query))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\ngives %v\nwant  %s", c.query, err, c.want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`{"from":{"instance":"log"},"limit":10001}`, "a page has at most 10000 events"},
		{`{"from":{"instance":"log"},"limit":1000,"offset":99001}`, "offset and limit together go to 100000 at most"},
		{`{"from":{"instance":"log"},"offset":9223372036854775807}`, "offset and limit together"},
	} {
		if _, err := Parse([]byte(c.query)); !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.query, err)
		}
	}
	if _, err := Parse([]byte(`{"from":{"instance":"log"},"limit":10000,"offset":90000}`)); err != nil {
		t.Error(err)
	}
}

// FuzzParse wants no panic, and that what is accepted has one normal form.
func FuzzParse(f *testing.F) {
	f.Add(`{"from":{"instance":"log","stream":"s"},"where":[{"field":"a.b","operator":"between","value":[1,2e3]},{"field":"ingestedAt","operator":"lt","value":"2026-11-21T00:00:00Z"}],"select":["id"],"orderBy":{"field":"a","direction":"desc"},"limit":5,"offset":1,"cursor":"x"}`)
	f.Add(`{"from":{"instance":"log"},"reduce":{"type":"avg","field":"x","groupBy":["y","event_type"]},"total":false}`)
	f.Add(`{"from":{"instance":"log"},"where":[{"field":"a","operator":"in","value":[null,true,"\u0041",-0.0,1e999]}],"orderBy":[{"field":"$place"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse([]byte(text))
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Limit {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		if _, err := newPlan(q); err != nil {
			t.Fatalf("accepted, but not to be run: %v", err)
		}
		normal := q.String()
		again, err := Parse([]byte(normal))
		if err != nil {
			t.Fatalf("%s: %v", normal, err)
		}
		if again.String() != normal || again.identity() != q.identity() {
			t.Fatalf("%s\nbecomes %s", normal, again)
		}
	})
}
