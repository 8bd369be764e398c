package clustercockpit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

func from() source { return source{cluster: "c", arrived: event.ToMicros(arrival), limit: 1000} }

func TestLinesBecomeEvents(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		d, err := decode([]byte(text), from())
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		var got []string
		for _, e := range d.entries {
			v := e.event
			got = append(got, fmt.Sprintf("%s/%s %s %s %v %s %s %s", e.cluster, e.kind.member(), v.Stream, v.Type, v.Tags, v.Payload, v.Metadata, v.Time))
		}
		if s := strings.Join(got, "\n"); s != want {
			t.Errorf("%q:\n got %s\nwant %s", text, s, want)
		}
	}
	f(`job,cluster=fritz,hostname=f01,function=start_job event="{\"jobId\":69}" 1795200000`,
		`fritz/event f01 job [cluster:fritz hostname:f01 function:start_job] {"event":"{\"jobId\":69}"} {"cluster":"fritz","hostname":"f01","function":"start_job"} 2026-11-20T18:40:00Z`)
	f(`ccb,loglevel=info log="up"`, `c/log default ccb [loglevel:info cluster:c] {"log":"up"} {"loglevel":"info","cluster":"c"} 2026-11-22T06:00:00Z`)
	f("# comment\n\na event=\"x\ny\" 1795200000123\r\nb event=\"2\" 1795200000123456\n",
		`c/event default a [cluster:c] {"event":"x\ny"} {"cluster":"c"} 2026-11-20T18:40:00.123Z`+"\n"+
			`c/event default b [cluster:c] {"event":"2"} {"cluster":"c"} 2026-11-20T18:40:00.123456Z`)
	f(`a\ b\,c,x\=y=z\ w event="e",value=3,n=4i,ok=t,note="\"" 1795200000123456789`,
		`c/event default a b,c [x=y:z w cluster:c] {"event":"e","value":3,"n":4,"ok":true,"note":"\""} {"x=y":"z w","cluster":"c"} 2026-11-20T18:40:00.123456Z`)
	f(`a,k=1,k=2 event="first",log="both",event="last"`, `c/event default a [k:2 cluster:c] {"event":"last","log":"both"} {"k":"2","cluster":"c"} 2026-11-22T06:00:00Z`)
	f("", "")
}

func TestOtherKindsAreCounted(t *testing.T) {
	d, err := decode([]byte("m value=1.5\nc,method=GET control=\"\"\nc control=\"x\"\nq query=\"\"\ne event=42i\nl log=t\nv value=\"text\"\n"), from())
	if err != nil || len(d.entries) != 0 {
		t.Fatal(d, err)
	}
	if want := [numKinds]int64{metricKind: 1, controlKind: 1, queryKind: 1, otherKind: 4}; d.ignored != want {
		t.Errorf("ignored %v, want %v", d.ignored, want)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	good := "a event=\"1\"\n"
	f := func(text string, kind fault.Kind, want string) {
		t.Helper()
		s := from()
		s.limit = 3
		_, err := decode([]byte(text), s)
		if !fault.Is(err, kind) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v (%v), want %s", text, err, fault.KindOf(err), want)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%.80q: the message has %d bytes", text, len(err.Error()))
		}
	}
	f(`job event={"jobId": 69} 1740027951`, fault.Invalid, "at line 1:11: field value has unrecognized type")
	f(good+"#c\n\n"+`job,x event="1"`, fault.Invalid, "at line 4:")
	f(good+"b,t=1 event=\"two\nlines\"\nc event=\"\" tomorrow", fault.Invalid, "at line 4:")
	f(good+"b event=\"two\nlines\" 12-3\n", fault.Invalid, "at line 2: invalid timestamp")
	f(good+"b event=\"1\" 9999999999999\n", fault.Invalid, "at line 2: the timestamp")
	f(good+strings.Repeat("m", event.MaxName+1)+" event=\"1\"\n", fault.Invalid, "at line 2: event_type has")
	f(good+"b,hostname=\u0085 event=\"1\"\n", fault.Invalid, "at line 2: stream_id holds a control character")
	f(strings.Repeat(good, 4), fault.Limit, "at line 4: the body has more than 3 messages")
	f("a event=\""+strings.Repeat("x", event.MaxEventBytes)+"\"", fault.Limit, "at line 1: the event has")
	f("a event=\"1\" "+strings.Repeat("x", 10000), fault.Invalid, "at line 1:13: invalid timestamp")
	f("a event=\"\xff\"", fault.Invalid, "utf-8")
	s := from()
	s.cluster = ""
	if _, err := decode([]byte(good), s); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no tag cluster") {
		t.Error(err)
	}
}

func TestPrecision(t *testing.T) {
	f := func(precision, stamp, want string) {
		t.Helper()
		s := from()
		var err error
		if s.precision, err = parsePrecision(precision); err != nil {
			t.Fatal(err)
		}
		d, err := decode([]byte(`a event="1" `+stamp), s)
		got := fmt.Sprint(err)
		if err == nil {
			got = d.entries[0].event.Time.String()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s with precision %q: %s, want %s", stamp, precision, got, want)
		}
	}
	f("", "1795200000", "2026-11-20T18:40:00Z")
	f("s", "1795200000", "2026-11-20T18:40:00Z")
	f("ns", "1795200000", "1970-01-01T00:00:01.7952Z")
	f("ns", "-1", "1969-12-31T23:59:59.999999Z")
	f("us", "1795200000", "1970-01-01T00:29:55.2Z")
	f("ms", "1795200000", "1970-01-21T18:40:00Z")
	f("s", "9223372036854775807", "out of range")
	f("", "99999999999999999999", "invalid timestamp")
	if _, err := parsePrecision("m"); err == nil {
		t.Error("minutes are taken")
	}
}

func TestLongAndManyTagsStayInTheMetadata(t *testing.T) {
	var b strings.Builder
	b.WriteString("a,long=" + strings.Repeat("x", 1000))
	for i := range 100 {
		fmt.Fprintf(&b, ",t%d=%d", i, i)
	}
	d, err := decode([]byte(b.String()+` event="`+strings.Repeat("v", 100_000)+`"`), from())
	if err != nil {
		t.Fatal(err)
	}
	e := d.entries[0].event
	if len(e.Tags) != event.MaxTags || e.Tags[0] != "t0:0" || !strings.Contains(string(e.Metadata), `"t99":"99"`) || len(e.Payload) != 100_000+len(`{"event":""}`) {
		t.Errorf("%d tags from %s, metadata of %d bytes, payload of %d", len(e.Tags), e.Tags[0], len(e.Metadata), len(e.Payload))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("job,cluster=a,hostname=b event=\"{\\\"x\\\":1}\" 1795200000\n")
	f.Add("a log=\"x\ny\",value=1 -1\r\n#c\nb value=1e3\n")
	f.Add("a event=\"1\" 12-3")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := decode([]byte(text), from())
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Limit {
				t.Fatalf("%v is of kind %v", err, k)
			}
			return
		}
		for _, e := range d.entries {
			if err := e.event.Check(from().arrived); err != nil {
				t.Fatal(err)
			}
			for _, raw := range [][]byte{e.event.Payload, e.event.Metadata} {
				if _, err := event.DecodeJSON([]byte(`{"stream_id":"s","payload":`+string(raw)+`,"metadata":`+string(e.event.Metadata)+`}`), from().arrived); err != nil {
					t.Fatalf("%s: %v", raw, err)
				}
			}
		}
	})
}
