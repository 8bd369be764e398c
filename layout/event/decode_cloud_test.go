package event

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

func TestDecodeCloudEvents(t *testing.T) {
	ok := func(body string, want Event) {
		t.Helper()
		events, err := DecodeCloudEvents([]byte(body), false, arrival)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		if len(events) != 1 || fmt.Sprintf("%+v", events[0]) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s:\n got %s\nwant %s", body, show(events[0]), show(want))
		}
		if batch, err := DecodeCloudEvents([]byte("["+body+","+body+"]"), true, arrival); err != nil || len(batch) != 2 ||
			show(batch[0]) != show(want) || show(batch[1]) != show(want) {
			t.Errorf("%s: as a batch: %v %v", body, batch, err)
		}
	}
	base := Event{Stream: "/shop", Type: "order.made", ID: "1", Time: arrival, Payload: []byte("{}"),
		Metadata: []byte(`{"specversion":"1.0","source":"/shop"}`)}
	with := func(change func(*Event)) Event {
		e := base
		change(&e)
		return e
	}
	ok(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.made"}`, base)
	ok(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.made","subject":null,"myext":null}`, base)
	ok(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.made","data": {"a" : 1} }`,
		with(func(e *Event) { e.Payload = []byte(`{"a" : 1}`) }))
	ok(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.made","data":null}`,
		with(func(e *Event) { e.Payload = []byte(`null`) }))
	ok(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.made","data_base64":"aGk="}`, with(func(e *Event) {
		e.Payload = []byte(`"aGk="`)
		e.Metadata = []byte(`{"specversion":"1.0","source":"/shop","datacontentencoding":"base64"}`)
	}))
	ok(`{"type":"order.made","time":"2026-11-21T19:19:43Z","subject":"o\u002d7","source":"/shop","id":"1","specversion":"1.1","datacontenttype":"text/plain","dataschema":"x:y","trace0":"t\n","seq":7,"last":false,"data":"hi"}`,
		with(func(e *Event) {
			e.Stream, e.Time, e.Payload = "o-7", 1795288783_000000, []byte(`"hi"`)
			e.Metadata = []byte(`{"subject":"o\u002d7","source":"/shop","specversion":"1.1","datacontenttype":"text/plain","dataschema":"x:y","trace0":"t\n","seq":7,"last":false}`)
		}))

	bad := func(body, want string) {
		t.Helper()
		events, err := DecodeCloudEvents([]byte(body), false, arrival)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || events != nil {
			t.Errorf("%s: %v: want %q", body, err, want)
		}
		_, err = DecodeCloudEvents([]byte(`[`+body+`]`), true, arrival)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s as a batch: %v: want %q", body, err, want)
		}
	}
	rest := `"id":"1","source":"/shop","type":"order.made"`
	bad(`{`+rest+`}`, `specversion is "": Firn takes CloudEvents of version 1.0`)
	bad(`{"specversion":"0.3",`+rest+`}`, `specversion is "0.3"`)
	bad(`{"specversion":1.0,`+rest+`}`, "specversion must be a string, not a number")
	bad(`{"specversion":"1.0","source":"/shop","type":"order.made"}`, "needs id, source and type")
	bad(`{"specversion":"1.0","id":"","source":"/shop","type":"order.made"}`, "needs id, source and type")
	bad(`{"specversion":"1.0","id":"1","type":"order.made"}`, "needs id, source and type")
	rest = `"specversion":"1.0",` + rest
	bad(`{`+rest+`,"id":"1"}`, `"id" is given twice`)
	bad(`{`+rest+`,"ext":1,"ext":1}`, `"ext" is given twice`)
	bad(`{`+rest+`,"dataContentType":"a"}`, `"dataContentType" is no attribute of a CloudEvent`)
	bad(`{`+rest+`,"ext":{}}`, "the extension ext must be a string, a number or a boolean, not an object")
	bad(`{`+rest+`,"time":5}`, "time must be a string, not a number")
	bad(`{`+rest+`,"time":"soon"}`, `"soon" is no timestamp`)
	bad(`{`+rest+`,"time":"2027-01-01T00:00:00Z"}`, "more than a day ahead")
	bad(`{`+rest+`,"subject":"a\u0000"}`, "stream_id holds a control character")
	bad(`{`+rest+`,"subject":5}`, "subject must be a string, not a number")
	bad(`{`+rest+`,"data":1,"data_base64":"aGk="}`, "data and data_base64 exclude each other")
	bad(`{`+rest+`,"data_base64":"a*b"}`, "data_base64 is not base64")
	bad(`{`+rest+`,"data_base64":{}}`, "data_base64 must be a string, not an object")
	bad(`{`+rest+`,"data_base64":"aGk=","datacontentencoding":"x"}`, "exclude each other")
	bad(`{`+rest+`,"data":`+nested(MaxDepth+1)+`}`, "payload is nested deeper")
	bad(`{`+rest+`,"data":`+nested(100_000)+`}`, "nested deeper")
	bad(`{`+rest+`,"data":NaN}`, "not valid JSON")
	bad(`5`, "a CloudEvent must be an object, not a number")
	bad(`{`+rest+`,"ext":NaN}`, "not valid JSON")

	if _, err := DecodeCloudEvents([]byte(`{`+rest+`} {`+rest+`}`), false, arrival); err == nil || !strings.Contains(err.Error(), "follows the value") {
		t.Errorf("two events: %v", err)
	}
	if _, err := DecodeCloudEvents([]byte(`{`+rest+`}`), true, arrival); err == nil || !strings.Contains(err.Error(), "must be an array") {
		t.Errorf("no batch: %v", err)
	}
}

func show(e Event) string {
	return fmt.Sprintf("%q %q %q %v %s %s", e.Stream, e.Type, e.ID, e.Time, e.Payload, e.Metadata)
}
