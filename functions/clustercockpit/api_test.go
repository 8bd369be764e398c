package clustercockpit

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

func TestClustersOfAnyNameAreKeptApart(t *testing.T) {
	b := newBench(t, Config{RetentionDays: century})
	clusters := []string{"fritz", "Fritz", "fritz_", "fritz-", "ee-hpc", "ee_hpc", "9lives", "a.b", "a..b", "a/b", "_firn", "-", "日本", "日本 ", "é", "e\u0301",
		"prevention", "x'; drop table y;--", strings.Repeat("long", 100), strings.Repeat("long", 100) + "er", "fritz_events", "fritz_logs", "*", "?"}
	ids := map[string]string{}
	for i, c := range clusters {
		b.write("cluster="+query(c), fmt.Sprintf("a event=\"e%d\"\na log=\"l%d\"\n", i, i))
		for _, k := range []kind{eventKind, logKind} {
			inst, err := b.store.Service.Instance(anyone(t), instanceName(c, k), front.CanQuery)
			if err != nil || inst.Name != instanceName(c, k) {
				t.Errorf("%q: %+v %v", c, inst, err)
			}
			if other, ok := ids[inst.ID]; ok {
				t.Errorf("%q and %q are both in %s", c, other, inst.ID)
			}
			ids[inst.ID] = c
			if want := map[kind]int{eventKind: century}[k]; inst.RetentionDays != want {
				t.Errorf("%s is kept for %d days, want %d", inst.Name, inst.RetentionDays, want)
			}
		}
	}
	for i, c := range clusters {
		a := b.ask(fmt.Sprintf(`{"cluster":%s,"queries":[{},{"kind":"log"}]}`, appendText(nil, c)))
		if got, want := texts(a.Results[0][0])+" "+texts(a.Results[1][0]), fmt.Sprintf("e%d l%d", i, i); got != want {
			t.Errorf("%q: %s, want %s", c, got, want)
		}
	}
	for _, c := range []string{"\x07", "\xff", strings.Repeat("x", catalog.MaxText)} {
		if status, _, body := do(t, "POST", b.url+"/api/write/?cluster="+query(c), `a event="1"`); status != 400 {
			t.Errorf("%q: %d %s", c, status, body)
		}
	}
}

func query(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestAnInstanceMadeByHandIsUsed(t *testing.T) {
	b := newBench(t, Config{})
	made, err := b.store.CreateInstance(anyone(t), catalog.Instance{Name: "Fritz_events", Shards: 4})
	if err != nil || made.ID == instanceID("Fritz_events") {
		t.Fatal(made, err)
	}
	b.write("cluster=Fritz", "a,hostname=h1 event=\"1\" 1795200001\na,hostname=h2 event=\"2\" 1795200002\na,hostname=h3 event=\"3\" 1795200003")
	if n := b.count(made.ID); n != 3 {
		t.Errorf("%d events in the instance made by hand", n)
	}
	if got := texts(b.ask(`{"cluster":"Fritz","queries":[{}]}`).Results[0][0]); got != "1 2 3" {
		t.Error(got)
	}
}

func TestALinesOwnTagBeatsTheParameter(t *testing.T) {
	b := newBench(t, Config{})
	b.write("cluster=param", "a,cluster=own event=\"1\"\na event=\"2\"\n")
	if b.count("own_events") != 1 || b.count("param_events") != 1 {
		t.Error(b.count("own_events"), b.count("param_events"))
	}
}

func TestNothingOfABadBodyIsStored(t *testing.T) {
	b := newBench(t, Config{})
	status, _, _ := do(t, "POST", b.url+"/api/write/?cluster=c", "a event=\"1\"\na,cluster=d event=\"2\"\nbroken\na event=\"3\"\n")
	if status != 400 || b.count("c_events")+b.count("d_events") != 0 {
		t.Error(status, b.count("c_events"), b.count("d_events"))
	}
	if b.stats().Manager.Errors["decode_failed"] != 1 {
		t.Error(b.stats())
	}
}

func TestARepeatedBodyIsStoredOnce(t *testing.T) {
	b := newBench(t, Config{})
	body := "a event=\"1\"\na log=\"2\"\na,cluster=d event=\"3\"\n"
	for range 3 {
		b.write("cluster=c", body, "Idempotency-Key: k1")
	}
	if b.count("c_events") != 1 || b.count("c_logs") != 1 || b.count("d_events") != 1 {
		t.Error(b.count("c_events"), b.count("c_logs"), b.count("d_events"))
	}
	if status, _, _ := do(t, "POST", b.url+"/api/write/?cluster=c", body+"a event=\"4\"\n", "Idempotency-Key: k1"); status != 422 {
		t.Errorf("another body under the key: %d", status)
	}
}

func TestAllSubtypesAndTypesCount(t *testing.T) {
	b := newBench(t, Config{})
	b.write("cluster=c", `a,hostname=h,type=core,type-id=0,stype=fs,stype-id=/home event="home"
a,hostname=h,type=core,type-id=1,stype=fs,stype-id=/work event="work"
a,hostname=h,type=core,type-id=1,stype=net,stype-id=/work event="net"
a,hostname=h,type=socket,type-id=0,stype=fs,stype-id=/tmp event="tmp"
a,hostname=default event="named"
a,odd.key=x event="unnamed"
`)
	f := func(query, want string) {
		t.Helper()
		var lists []string
		for _, s := range b.ask(`{"cluster":"c","queries":[` + query + `]}`).Results[0] {
			lists = append(lists, texts(s))
		}
		if got := strings.Join(lists, "|"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	f(`{"host":"h","subtype":"fs","subtype-ids":["/home","/work"]}`, "home work")
	f(`{"host":"h","subtype":"net"}`, "net")
	f(`{"host":"h","type":"core","type-ids":["0","1","2"]}`, "home|work net|")
	f(`{"host":"h","type-ids":["0"]}`, "home tmp")
	f(`{"host":"h","type":"socket","type-ids":[]}`, "tmp")
	f(`{"host":"default"}`, "named")
	f(`{"tags":{"odd.key":"x"}}`, "unnamed")
	f(`{"tags":{"odd.key":"y"}}`, "")
	f(`{"contains":"o","type":"core"}`, "home work")
}

func TestAnAnswerIsWholeOrRefused(t *testing.T) {
	b := newBench(t, Config{})
	line := "a event=\"" + strings.Repeat("v", 10) + "\" 1795200000\n"
	for range 2 {
		b.write("cluster=c", strings.Repeat(line, 30_000))
	}
	if n := len(b.ask(`{"cluster":"c","queries":[{}]}`).Results[0][0].Data); n != 60_000 {
		t.Errorf("%d events of 60000", n)
	}
	status, _, body := do(t, "POST", b.url+"/api/query/", `{"cluster":"c","queries":[{},{}]}`)
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "limit") {
		t.Errorf("%d %.200s", status, body)
	}
	if s := b.ask(`{"cluster":"c","queries":[{"limit":15000}]}`).Results[0][0]; len(s.Data) != 15_000 || !s.More {
		t.Errorf("%d events, more %v", len(s.Data), s.More)
	}
}

func TestLargeValuesPass(t *testing.T) {
	b := newBench(t, Config{})
	value := strings.Repeat(`\"x`, 50_000)
	b.write("cluster=c", `a event="`+value+`"`)
	if got := texts(b.ask(`{"cluster":"c","queries":[{}]}`).Results[0][0]); got != strings.ReplaceAll(value, `\"`, `"`) {
		t.Errorf("%d bytes come back", len(got))
	}
}

func TestRightsAreAskedFor(t *testing.T) {
	caller := front.Caller{Name: "key", Grants: []front.Grant{{Instances: "fritz_*", Rights: front.CanAppend}}}
	var mu sync.Mutex
	b := newBench(t, Config{}, func(cfg *front.Config) {
		cfg.Authenticate = func(r *http.Request) (front.Caller, error) {
			mu.Lock()
			defer mu.Unlock()
			if r.Header.Get("Authorization") == "" {
				return front.Caller{}, fault.New(fault.Unauthenticated, "Use JWT Authentication")
			}
			return caller, nil
		}
	})
	f := func(method, path, body string, want int) {
		t.Helper()
		if status, header, answer := do(t, method, b.url+path, body, "Authorization: Bearer x"); status != want || header.Get("Content-Type") == "text/plain" {
			t.Errorf("%s %s: %d %s, want %d", method, path, status, answer, want)
		}
	}
	f("POST", "/api/write/?cluster=fritz", `a event="1"`, 200)
	f("POST", "/api/write/?cluster=fritz", "a event=\"1\"\na,cluster=meggie event=\"2\"", 403)
	f("GET", "/api/query/", `{"cluster":"fritz","queries":[{}]}`, 403)
	f("GET", "/api/query/", `{"cluster":"meggie","queries":[{}]}`, 403)
	if n := b.count("fritz_events"); n != 1 {
		t.Errorf("%d events: the body with a forbidden cluster is stored in part", n)
	}
	status, _, body := do(t, "GET", b.url+"/api/stats/", "")
	if status != 401 || body != `{"status":"Unauthorized","error":"Use JWT Authentication"}`+"\n" {
		t.Errorf("%d %s", status, body)
	}
}

func TestWhatIsNotStoredIsNeverReportedAsStored(t *testing.T) {
	var fail error
	b := newBench(t, Config{}, func(cfg *front.Config) {
		log := cfg.Log
		cfg.Log = scripted{log, func(ctx context.Context, instance string, batch commitlog.Batch) (commitlog.Receipt, error) {
			if strings.HasSuffix(instance, "_logs") && fail != nil {
				return commitlog.Receipt{}, fail
			}
			return log.Append(ctx, instance, batch)
		}}
	})
	f := func(err error, status int, text string) {
		t.Helper()
		fail = err
		got, _, body := do(t, "POST", b.url+"/api/write/?cluster=c", "a event=\"1\"\na log=\"2\"\n", "Idempotency-Key: k")
		if got != status || !strings.Contains(body, text) {
			t.Errorf("%v: %d %s", err, got, body)
		}
	}
	f(fault.New(fault.Unavailable, "the disk is full"), 503, "only 1 of the body's 2 messages are stored")
	f(fault.New(fault.Unknown, "no answer"), 504, "may or may not be stored")
	f(nil, 200, "")
	if b.count("c_events") != 1 || b.count("c_logs") != 1 {
		t.Error(b.count("c_events"), b.count("c_logs"))
	}
}
