package event

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

// arrival is the time that the tests' requests arrive: 2026-11-22T02:48:05Z.
const arrival Micros = 1795315685_000000

func TestDecodeEvent(t *testing.T) {
	ok := func(body string, want Event) {
		t.Helper()
		req, err := DecodeJSON([]byte(body), arrival)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		if len(req.Events) != 1 || fmt.Sprintf("%+v", req.Events[0]) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s:\n got %+v\nwant %+v", body, req.Events, want)
		}
	}
	plain := Event{Stream: "default", Type: "event", Time: arrival, Payload: []byte("{}"), Metadata: []byte("{}")}
	with := func(change func(*Event)) Event {
		e := plain
		change(&e)
		return e
	}
	ok(`{}`, plain)
	ok(" {\r\n} \n", plain)
	ok(`{"timestamp":null,"metadata":null,"tags":null}`, plain)
	ok(`{"stream_id":"a","event_type":"b","id":"c"}`, with(func(e *Event) { e.Stream, e.Type, e.ID = "a", "b", "c" }))
	ok(`{"streamId":"a","eventType":"b"}`, with(func(e *Event) { e.Stream, e.Type = "a", "b" }))
	ok(`{"stream\u005fid":"\u00e4\u263a"}`, with(func(e *Event) { e.Stream = "ä☺" }))
	ok(`{"stream_id":"�"}`, with(func(e *Event) { e.Stream = "\uFFFD" }))
	ok(`{"payload":null}`, with(func(e *Event) { e.Payload = []byte("null") }))
	ok(`{"payload": [1.0, 1e2 ,"\u00e4"] }`, with(func(e *Event) { e.Payload = []byte(`[1.0, 1e2 ,"\u00e4"]`) }))
	ok(`{"payload":{"a":1,"a":2},"metadata":{ "b":1,"b":2 }}`, with(func(e *Event) {
		e.Payload, e.Metadata = []byte(`{"a":1,"a":2}`), []byte(`{ "b":1,"b":2 }`)
	}))
	ok(`{"tags":["b","a","b","a"]}`, with(func(e *Event) { e.Tags = []string{"b", "a"} }))
	ok(`{"tags":[]}`, plain)
	ok(`{"timestamp":0}`, with(func(e *Event) { e.Time = 0 }))
	ok(`{"timestamp":"1970-01-01T00:00:00Z"}`, with(func(e *Event) { e.Time = 0 }))
	ok(`{"timestamp":1795315685123}`, with(func(e *Event) { e.Time = 1795315685_123000 }))
	ok(`{"timestamp":"1795315685123"}`, with(func(e *Event) { e.Time = 1795315685_123000 }))
	ok(`{"timestamp":1795315685.5}`, with(func(e *Event) { e.Time = 1795315685_500000 }))
	ok(`{"timestamp":"2026-11-22T03:48:05.000001+01:00"}`, with(func(e *Event) { e.Time = arrival + 1 }))
	ok(`{"timestamp":"2026-11-23T02:48:05Z"}`, with(func(e *Event) { e.Time = arrival + MaxAhead }))
	ok(`{"payload":`+nested(MaxDepth)+`}`, with(func(e *Event) { e.Payload = []byte(nested(MaxDepth)) }))
	brackets := `"` + strings.Repeat(`[\"{\\`, 200) + `"`
	ok(`{"payload":`+brackets+`}`, with(func(e *Event) { e.Payload = []byte(brackets) }))
	long := strings.Repeat("n", MaxName)
	ok(`{"stream_id":"`+long+`","event_type":"`+long+`","id":"`+long[:MaxID]+`","tags":["`+long[:MaxTag]+`"]}`,
		with(func(e *Event) { e.Stream, e.Type, e.ID, e.Tags = long, long, long[:MaxID], []string{long[:MaxTag]} }))
}

// nested is an array in an array …, n levels deep.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestDecodeBadEvent puts each bad event alone, into an array, a batch and a
// line of NDJSON: all say the same, and the latter say where.
func TestDecodeBadEvent(t *testing.T) {
	bad := func(body, want string) {
		t.Helper()
		short := body[:min(len(body), 80)]
		check := func(err error, wants ...string) {
			t.Helper()
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: kind %v: %v", short, fault.KindOf(err), err)
				return
			}
			for _, w := range wants {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q: %q does not say %q", short, err, w)
				}
			}
			if len(err.Error()) > 400 {
				t.Errorf("%q: the error is %d bytes long", short, len(err.Error()))
			}
		}
		_, err := DecodeJSON([]byte(body), arrival)
		check(err, want)
		_, err = DecodeJSON([]byte(`[{},{},`+body+`]`), arrival)
		check(err, want, "events[2]: ")
		_, err = DecodeJSON([]byte(`{"events":[{},`+body+`]}`), arrival)
		check(err, want, "events[1]: ")
		_, err = DecodeNDJSON([]byte("{}\n\r\n"+body+"\n{}\n"), arrival)
		check(err, want, "line 3: ")
	}
	bad(`{"strem_id":"a"}`, `"strem_id" is no member of an event: known are stream_id, event_type, timestamp, payload, metadata, tags and id`)
	bad(`{"":1}`, `"" is no member`)
	bad(`{"`+strings.Repeat("x", 1000)+`":1}`, `… is no member`[3:])
	bad(`{"stream_id":"a","events":[]}`, `"events" is no member of an event`)
	for _, name := range []string{"sequence_number", "sequenceNumber", "ingested_at", "instanceId"} {
		bad(`{"`+name+`":1}`, `"`+name+`" is assigned by Firn and cannot be given`)
	}

	bad(`{"stream_id":"a","stream_id":"a"}`, `"stream_id" is given twice`)
	bad(`{"stream_id":"a","streamId":"a"}`, `"streamId" is given twice: stream_id and streamId are one member`)
	bad(`{"eventType":"a","event_type":"a"}`, `"event_type" is given twice: event_type and eventType are one member`)
	bad(`{"payload":1,"payload":1}`, `"payload" is given twice`)
	bad(`{"payload":1,"p\u0061yload":1}`, `"payload" is given twice`)
	bad(`{"timestamp":null,"timestamp":1}`, `"timestamp" is given twice`)

	bad(`{"stream_id":1}`, "stream_id must be a string, not a number")
	bad(`{"streamId":null}`, "stream_id must be a string, not null")
	bad(`{"event_type":{}}`, "event_type must be a string, not an object")
	bad(`{"id":null}`, "id must be a string, not null")
	bad(`{"timestamp":true}`, "timestamp must be an RFC 3339 string or a number, not a boolean")
	bad(`{"metadata":[]}`, "metadata must be an object, not an array")
	bad(`{"metadata":"{}"}`, "metadata must be an object, not a string")
	bad(`{"tags":"a"}`, "tags must be an array of strings, not a string")
	bad(`{"tags":["a",1]}`, "a tag must be a string, not a number")

	bad(`{"stream_id":""}`, "stream_id must not be empty")
	bad(`{"event_type":""}`, "event_type must not be empty")
	bad(`{"id":""}`, "id must not be empty")
	bad(`{"tags":[""]}`, "a tag must not be empty")
	long := strings.Repeat("n", MaxName+1)
	bad(`{"stream_id":"`+long+`"}`, "stream_id has 513 bytes, the limit is 512")
	bad(`{"event_type":"`+strings.Repeat("é", 257)+`"}`, "event_type has 514 bytes, the limit is 512")
	bad(`{"id":"`+long[:MaxID+1]+`"}`, "id has 257 bytes, the limit is 256")
	bad(`{"tags":["`+long[:MaxTag+1]+`"]}`, "a tag has 257 bytes, the limit is 256")
	bad(`{"tags":["a"`+strings.Repeat(`,"a"`, MaxTags)+`]}`, "more than 64 tags")
	for _, control := range []string{`\u0000`, `\n`, `\u001f`, `\u007f`, `\u0080`, `\u009f`, "\x7f", "\u0085"} {
		bad(`{"stream_id":"a`+control+`"}`, "stream_id holds a control character at byte 1")
		bad(`{"tags":["a`+control+`"]}`, "a tag holds a control character at byte 1")
	}

	bad(`{"timestamp":"yesterday"}`, `"yesterday" is no timestamp: give RFC 3339`)
	bad(`{"timestamp":""}`, "is no timestamp")
	bad(`{"timestamp":"2026-11-23T02:48:05.000001Z"}`, "lies more than a day ahead: the time here is 2026-11-22T02:48:05Z")
	bad(`{"timestamp":99999999999}`, "more than a day ahead")
	bad(`{"timestamp":-99999999999}`, "out of range")
	bad(`{"timestamp":-99999999999999}`, "out of range")
	bad(`{"timestamp":-99999999999999999}`, "out of range")
	bad(`{"timestamp":1e300}`, "out of range")
	bad(`{"timestamp":1e999}`, "is no timestamp")
	bad(`{"timestamp":"9999-12-31T23:59:59-01:00"}`, "out of range")
	bad(`{"timestamp":"0000-06-01T00:00:00Z"}`, "out of range")
	bad(`{"timestamp":"NaN"}`, "is no timestamp")

	bad(`{"payload":`+nested(MaxDepth+1)+`}`, "payload is nested deeper than 128 levels")
	bad(`{"payload":`+nested(100_000)+`}`, "nested deeper than 128 levels")
	bad(`{"payload":`+strings.Repeat(`{"a":`, 100_000)+`1`+strings.Repeat(`}`, 100_000)+`}`, "nested deeper than 128 levels")
	bad(`{"metadata":{"a":`+nested(MaxDepth)+`}}`, "metadata is nested deeper than 128 levels")

	bad(`{"payload":NaN}`, "invalid character 'N' at start of value")
	bad(`{"payload":-Infinity}`, "not valid JSON")
	bad(`{"payload":01}`, "not valid JSON")
	bad(`{"payload":.5}`, "not valid JSON")
	bad(`{"payload":1,}`, "not valid JSON")
	bad(`{"payload" 1}`, "not valid JSON")
	bad(`{"payload":}`, "not valid JSON")
	bad(`{"stream_id":NaN}`, "not valid JSON")
	bad(`{"tags":[,]}`, "not valid JSON")
	bad(`{payload:1}`, "not valid JSON")
	bad(`{1:1}`, "not valid JSON")
	bad(`{'payload':1}`, "not valid JSON")
	bad(`{"payload":1 /* one */}`, "not valid JSON")
	bad("{\"payload\":\"\xff\"}", "invalid UTF-8")
	bad("{\"stream_id\":\"\xc3\"}", "invalid UTF-8")
	bad("{\"stream\xff\":1}", "invalid UTF-8")
	bad("{\"payload\":\"\xed\xa0\x80\"}", "invalid UTF-8") // a surrogate as UTF-8
	bad(`{"payload":"\ud800"}`, "not valid JSON")
	bad(`{"payload":"\x"}`, "not valid JSON")
	bad("{\"payload\":\"a\tb\"}", "not valid JSON")
	bad("\ufeff{}", "not valid JSON")
}

func TestDecodeBadBody(t *testing.T) {
	bad := func(body, want string) {
		t.Helper()
		req, err := DecodeJSON([]byte(body), arrival)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v: want %q", body, fault.KindOf(err), err, want)
		}
		if req.Events != nil {
			t.Errorf("%s: events beside an error", body)
		}
	}
	bad("", "empty")
	bad(" \n", "empty")
	bad(`{"payload":1`, "ends too early, at byte 12")
	bad("{\n\"payload\":\n[1,2}\n}", "not valid JSON at byte 17 (line 3)")
	bad(`[{},{}`, "ends too early")
	bad(`[{} {}]`, "not valid JSON")
	bad(`{"payload":{"a":"b`, "ends too early")
	bad(`5`, "the body must be an event, an array of events or a batch, not a number")
	bad(`"a"`, "not a string")
	bad(`null`, "not null")
	bad(`NaN`, "not valid JSON")
	bad(`[{},5]`, "events[1]: an event must be an object, not a number")
	bad(`[[{}]]`, "events[0]: an event must be an object, not an array")
	bad(`{} {}`, "follows the value")
	bad("{}\n{}", "as an array or as NDJSON")
	bad(`[{}],`, "not valid JSON")
	bad(`{}}`, "not valid JSON")
	bad(`{} x`, "not valid JSON")

	bad(`{"events":{}}`, "events must be an array of events, not an object")
	bad(`{"events":null}`, "events must be an array of events, not null")
	bad(`{"events":[],"events":[]}`, `"events" is given twice`)
	bad(`{"events":[],"stream_id":"a"}`, `"stream_id" is no member of a batch`)
	bad(`{"events":[],"autoCreate":true}`, "known are events, expectedSequence and expectedSequences")
	bad(`{"expectedSequence":1}`, "the batch has no events")
	bad(`{"expectedSequence":1,"expected_sequence":1,"events":[]}`, `"expected_sequence" is given twice`)
	bad(`{"expectedSequence":null,"events":[]}`, "expectedSequence must be the number")
	bad(`{"expectedSequence":"","events":[]}`, "expectedSequence must be the number")
	bad(`{"expectedSequence":[1],"events":[]}`, "expectedSequence must be the number")
	bad(`{"expectedSequences":1,"events":[]}`, "expectedSequences must be an object")
	bad(`{"expectedSequences":{"a":{}},"events":[]}`, "an expected sequence must be the number")
	bad(`{"expectedSequences":{"a":1,"a":1},"events":[]}`, `expectedSequences gives "a" twice`)
	bad(`{"expectedSequences":{"":1},"events":[]}`, "must not be empty")
	bad(`{"stream_id":"a","expectedSequence":1}`, "is no member of an event")
}

func TestDecodeBatch(t *testing.T) {
	req, err := DecodeJSON([]byte(`{"expected_sequence":7,"events":[{"stream_id":"a"},{"id":"x"}],"expectedSequences":{"a":0,"b":"exists"}}`), arrival)
	if err != nil {
		t.Fatal(err)
	}
	if len(req.Events) != 2 || req.Events[0].Stream != "a" || req.Events[1].ID != "x" {
		t.Errorf("events: %+v", req.Events)
	}
	if got := fmt.Sprint(req.Expect, req.ExpectStreams); got != "7map[a:0 b:exists]" && got != "7 map[a:0 b:exists]" {
		t.Errorf("expectations: %s", got)
	}
	for _, body := range []string{`[]`, `{"events":[]}`} {
		if req, err := DecodeJSON([]byte(body), arrival); err != nil || len(req.Events) != 0 {
			t.Errorf("%s: %v %v", body, req, err)
		}
	}
}

func TestDecodeNDJSON(t *testing.T) {
	good := func(body string, want ...string) {
		t.Helper()
		events, err := DecodeNDJSON([]byte(body), arrival)
		if err != nil {
			t.Errorf("%q: %v", body, err)
			return
		}
		var ids []string
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%q: %q", body, ids)
		}
	}
	good("")
	good("\n \n\t\r\n")
	good(`{"id":"a"}`, "a")
	good("{\"id\":\"a\"}\r\n\r\n {\"id\":\"b\"}\n", "a", "b")

	bad := func(body, want string) {
		t.Helper()
		events, err := DecodeNDJSON([]byte(body), arrival)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || events != nil {
			t.Errorf("%q: %v: want %q", body, err, want)
		}
	}
	bad("{}\n{", "line 2: not valid JSON: it ends too early, at byte 1")
	bad("{}\n{}{}\n", "line 2: an object follows the value")
	bad("{}\n\n[{}]", "line 3: an event must be an object, not an array")
	bad("{\n}", "line 1: not valid JSON")
	bad(`{"events":[]}`, "line 1: \"events\" is no member of an event")
}

func TestDecodeLimits(t *testing.T) {
	limit := func(_ any, err error) {
		t.Helper()
		if !fault.Is(err, fault.Limit) {
			t.Errorf("kind %v: %v", fault.KindOf(err), err)
		}
	}
	pass := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	frame := (&Event{Stream: DefaultStream, Type: DefaultType, Metadata: emptyObject}).Size()
	payload := func(n int) []byte { return []byte(`{"payload":"` + strings.Repeat("x", n-2) + `"}`) }
	pass(DecodeJSON(payload(MaxEventBytes-frame), arrival))
	limit(DecodeJSON(payload(MaxEventBytes-frame+1), arrival))
	limit(DecodeNDJSON(payload(MaxEventBytes), arrival))

	many := bytes.Repeat([]byte(",{}"), MaxBatch)
	many[0] = '['
	pass(DecodeJSON(append(bytes.Clone(many), ']'), arrival))
	limit(DecodeJSON(append(bytes.Clone(many), ",{}]"...), arrival))
	lines := bytes.Repeat([]byte("{}\n"), MaxBatch)
	pass(DecodeNDJSON(lines, arrival))
	limit(DecodeNDJSON(append(lines, '{', '}'), arrival))
}

// TestCheckBuilt checks what a decoder cannot let through but a dialect could.
func TestCheckBuilt(t *testing.T) {
	good := Event{Stream: "s", Type: "t", Time: arrival, Payload: emptyObject, Metadata: emptyObject}
	if err := good.Check(arrival); err != nil {
		t.Fatal(err)
	}
	bad := func(want string, change func(*Event)) {
		t.Helper()
		e := good
		change(&e)
		if err := e.Check(arrival); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
	bad("event_type is not valid UTF-8", func(e *Event) { e.Type = "\xff" })
	bad("64", func(e *Event) { e.Tags = make([]string, MaxTags+1) })
	bad("out of range", func(e *Event) { e.Time = MinTime - 1 })
	bad("metadata is nested", func(e *Event) { e.Metadata = []byte(`{"a":` + nested(MaxDepth) + `}`) })
}

// bench is a batch of events of about the size that social feeds have.
func bench(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"stream_id":"did:plc:%08d","event_type":"app.bsky.feed.like","timestamp":"2026-11-21T19:19:43.%06dZ","payload":{"did":"did:plc:%08d","time_us":17953156850%05d,"kind":"commit","commit":{"rev":"3lfjzzcp6yw2a","operation":"create","collection":"app.bsky.feed.like","rkey":"3lfjzzcwx5h2z","record":{"$type":"app.bsky.feed.like","createdAt":"2026-11-21T19:19:42.000Z","subject":{"cid":"bafyreiaczzglyzjkqgqwtuxyxyxhtjsn3rfyvcjpycawv2q2ejnhkyd6ha","uri":"at://did:plc:other/app.bsky.feed.post/3lfjx2tbgyk2p"}},"cid":"bafyreihpmmwn3k5dl7djxhmrbdldkl5y5zhwqqxyzyxhsbhkxjkxdfzzzz"}},"metadata":{"source":"firehose"}}`+"\n", i%200_000, i%1_000_000, i%200_000, i%100_000)
	}
	return b.Bytes()
}

func BenchmarkDecodeNDJSON(b *testing.B) {
	body := bench(1000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeNDJSON(body, arrival); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkDecodeJSON(b *testing.B) {
	body := bytes.ReplaceAll(bytes.TrimSpace(bench(1000)), []byte("\n"), []byte(","))
	body = append(append([]byte{'['}, body...), ']')
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeJSON(body, arrival); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
}
