package vamp

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

var seeds = []string{
	`{"tags":["a","b:c"],"value":{"x":[1,2.5e3,"é",null]},"timestamp":"2015-06-08T10:28:35.001Z","type":"t","version":"1"}`,
	`{"tags":"a","type":"t","timestamp":{"gte":"now-5m","lt":"2015-06-08||/d"},"aggregator":{"type":"average","field":"x.y"}}`,
	"tags:\n  - a\n  - b:c\nvalue: |\n  text\n  more\ntimestamp: 2015-06-08T10:28:35+02:00\n",
	"a: &a [1]\nb: *a\n", "[]", `[{"tags":[1,true]}]`, "? a\n: b", "--- x\n--- y", "v: .inf", "v: 0o17", "\ufeffa: b", `{"a":"\u0000\ud83d\ude00"}`,
	`{"api":"v1","path":"/events","action":"PUT","accept":"YAML","content":"JSON","transaction":1,"data":{"tags":[]},"parameters":{"tag":["a"],"page":2}}`,
}

func invalidOrNil(err error) bool {
	return err == nil || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Limit)
}

// FuzzPublish holds that what is taken is a valid event, which is shown as valid
// JSON and can be published again to the same effect.
func FuzzPublish(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	now := event.ToMicros(time.Date(2016, 9, 13, 9, 0, 0, 0, time.UTC))
	loans := front.New(front.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := published(t, loans, body, now)
		if !invalidOrNil(err) {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		if !json.Valid(e.Payload) || !json.Valid(e.Metadata) || e.Check(now) != nil {
			t.Fatalf("%q: %+v", body, e)
		}
		v := newView(&e, "vamp")
		shown := v.appendJSON(nil)
		if !json.Valid(shown) {
			t.Fatalf("%q: %s", body, shown)
		}
		again, err := published(t, loans, shown, now)
		if err != nil {
			t.Fatalf("%q: %s: %v", body, shown, err)
		}
		w := newView(&again, "vamp")
		if w.id = v.id; string(w.appendJSON(nil)) != string(shown) {
			t.Fatalf("%q:\n%s\n%s", body, shown, w.appendJSON(nil))
		}
	})
}

func published(t *testing.T, loans *front.Service, body []byte, now event.Micros) (event.Event, error) {
	l := loans.Borrow()
	defer l.End()
	raw, err := parseText(t.Context(), l, body)
	if err != nil {
		return event.Event{}, err
	}
	list, err := members(raw)
	if err != nil {
		return event.Event{}, err
	}
	return parseEvent(list, now)
}

// FuzzYAML holds that YAML becomes valid JSON, and that JSON comes back from
// its YAML as it was.
func FuzzYAML(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		raw, err := fromYAML(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		var value, back any
		if err := json.Unmarshal(raw, &value); err != nil {
			var depth *json.UnmarshalTypeError
			if errors.As(err, &depth) {
				return // a number beyond float64
			}
			t.Fatalf("%q: %q: %v", text, raw, err)
		}
		yaml := toYAML(raw)
		again, err := fromYAML(yaml)
		if err != nil || json.Unmarshal(again, &back) != nil || !reflect.DeepEqual(value, back) {
			t.Fatalf("%q: %q: %q: %q %v", text, raw, yaml, again, err)
		}
	})
}

// FuzzQuery holds that what is taken makes a query, and that a list's parameter
// form means the same as its body.
func FuzzQuery(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), "tag=a&gte=now-1d&aggregator=count&field=x")
	}
	now := time.Date(2016, 9, 13, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte, params string) {
		if p, err := url.ParseQuery(params); err == nil {
			if _, err := parseParams(p); !invalidOrNil(err) {
				t.Fatalf("%q: %v", params, err)
			}
		}
		raw, err := parseJSON(body)
		if err != nil {
			return
		}
		list, err := members(raw)
		if err != nil {
			return
		}
		q, err := parseQuery(list)
		if !invalidOrNil(err) {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		want, wantErr := q.where(now)
		p := url.Values{}
		for _, pair := range q.params() {
			p.Add(pair[0], pair[1])
		}
		again, err := parseParams(p)
		if err != nil {
			t.Fatalf("%q: %v: %v", body, p, err)
		}
		got, gotErr := again.where(now)
		if (wantErr == nil) != (gotErr == nil) || wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v\n%v %v\n%v %v", body, p, want, wantErr, got, gotErr)
		}
	})
}

// FuzzMessage holds that a message is answered with valid JSON, or refused.
func FuzzMessage(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	loans := front.New(front.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		l := loans.Borrow()
		defer l.End()
		m, err := parseMessage(t.Context(), l, body)
		if !invalidOrNil(err) {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		if answer := m.answer("OK", "x", nil); !json.Valid(answer) {
			t.Fatalf("%q: %s", body, answer)
		}
		if _, err := m.target(); !invalidOrNil(err) {
			t.Fatalf("%q: %v", body, err)
		}
	})
}
