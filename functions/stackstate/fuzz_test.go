package stackstate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

// FuzzDecode decodes any body. What is accepted of it is an event that can be
// stored, with all that the event object held.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"internalHostname":"h","events":{"a":[{"msg_title":"t","tags":["a:b","a:c"],"timestamp":1.5}]}}`,
		`{"events":{"a.b":[{"context":{"data":{"b":1,"a":"\ud800"},"source_links":[{"title":"t","url":"u"}],"element_identifiers":null}}]},"internalHostname":"h"}`,
		`{"internalHostname":"h","events":{"name":[{}],"x":[7,{"api_key":"k","tags":{"a":1},"host":false}]},"metrics":[1],"collection_timestamp":"x"}`,
		"{\"internalHostname\":\"\xff\",\"events\":{\"\xff\":[{\"msg_title\":\"\xff\"}]}}", `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	now := event.Micros(1_700_000_000_000_000)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decode(body)
		if err != nil {
			return
		}
		for _, it := range m.events {
			s, err := m.build(it, now)
			if err != nil {
				continue
			}
			var payload, metadata, sent map[string]any
			if err := json.Unmarshal(s.event.Payload, &payload); err != nil {
				t.Fatalf("payload %q: %v", s.event.Payload, err)
			}
			if err := json.Unmarshal(s.event.Metadata, &metadata); err != nil {
				t.Fatalf("metadata %q: %v", s.event.Metadata, err)
			}
			if json.Unmarshal(it.raw, &sent) == nil {
				delete(sent, "api_key")
				if len(sent) != len(metadata) {
					t.Fatalf("%d members of %q became %d in %q", len(sent), it.raw, len(metadata), s.event.Metadata)
				}
			}
			if strings.Contains(string(s.event.Metadata), `"api_key"`) && metadata["api_key"] != nil {
				t.Fatalf("the key is kept in %q", s.event.Metadata)
			}
			_, topology := metadata["context"].(map[string]any)
			if _, links := payload["source_links"]; links != topology {
				t.Fatalf("the form of %q is %q", s.event.Metadata, s.event.Payload)
			}
		}
	})
}
