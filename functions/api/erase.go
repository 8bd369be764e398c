package api

import (
	"encoding/json"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// The routes below streams, redactions and erasures have events forgotten, for
// those who have the right admin on the instance. Orders are answered 202: what
// they erase is in no answer any more, and in the bucket until it is gone.

// erasureJSON is an erasure as clients see it.
type erasureJSON struct {
	ID           string `json:"id"`
	Kind         string `json:"kind"`                   // stream or redaction
	State        string `json:"state"`                  // pending, rewritten or gone
	StreamSHA256 string `json:"streamSha256,omitempty"` // of the stream's name
	Events       int    `json:"events,omitempty"`       // of a redaction, when it is ordered
	Shards       int    `json:"shards"`
	OrderedAt    string `json:"orderedAt"`
	RewrittenAt  string `json:"rewrittenAt,omitempty"` // no data file of the table holds it any more
	GoneAt       string `json:"goneAt,omitempty"`      // its last byte was deleted
	Warning      string `json:"warning,omitempty"`
}

// versionsKept is said of erasures in a bucket that keeps what is deleted.
const versionsKept = "the bucket keeps former versions of objects: what is erased is gone only when these are deleted, too"

func showErasure(e front.Erasure) erasureJSON {
	out := erasureJSON{ID: e.ID, Kind: "redaction", State: e.State(), StreamSHA256: e.Hash, Events: e.Events, Shards: e.Shards,
		OrderedAt: e.Ordered.String(), RewrittenAt: timeOrNone(e.Rewritten), GoneAt: timeOrNone(e.Gone)}
	if e.Hash != "" {
		out.Kind = "stream"
	}
	if e.Versioned {
		out.Warning = versionsKept
	}
	return out
}

func timeOrNone(t event.Micros) string {
	if t == 0 {
		return ""
	}
	return t.String()
}

func erasureData(e front.Erasure) []byte {
	return encode(map[string]erasureJSON{"erasure": showErasure(e)})
}

func (a API) eraseStream(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	e, err := a.EraseStream(r.Context(), ref, r.PathValue("stream"))
	return ordered(e, err)
}

// eraseStreamByName takes the stream from the query string, which no gateway
// changes: that of AWS's HTTP APIs decodes paths, and cuts them at what was %3F.
func (a API) eraseStreamByName(_ http.ResponseWriter, r *http.Request) (answer, error) {
	p, err := parseParams(r, []string{"stream"})
	if err != nil {
		return answer{}, err
	}
	ref, err := instanceRef(r)
	if err != nil {
		return answer{}, err
	}
	if p.Get("stream") == "" {
		return answer{}, fault.New(fault.Invalid, "the parameter stream is missing: it names the stream that is to be erased")
	}
	e, err := a.EraseStream(r.Context(), ref, p.Get("stream"))
	return ordered(e, err)
}

func (a API) redact(w http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	body, end, err := a.smallBody(w, r)
	if err != nil {
		return answer{}, err
	}
	defer end()
	q, payload, err := parseRedaction(body, ref)
	if err != nil {
		return answer{}, err
	}
	e, err := a.Redact(r.Context(), q, payload)
	return ordered(e, err)
}

// parseRedaction reads which events of an instance are to be redacted, and what is
// to stand in the place of their payloads, nil for what is usual. That all events
// of an instance are meant nobody says by leaving something out.
func parseRedaction(body []byte, instance string) (*querier.Query, json.RawMessage, error) {
	var where, payload json.RawMessage
	var stream string
	err := readObject(body, map[string]*field{
		"stream": textField(func(s string) { stream = s }),
		"where": {want: "a list of conditions", read: func(raw jsontext.Value) bool {
			where = json.RawMessage(raw.Clone())
			return raw.Kind() == '['
		}},
		"payload": {want: "a JSON value", read: func(raw jsontext.Value) bool {
			payload = json.RawMessage(raw.Clone())
			return true
		}},
	})
	if err != nil {
		return nil, nil, err
	}
	from := map[string]string{"instance": instance}
	if stream != "" {
		from["stream"] = stream
	}
	q, err := querier.Parse(encode(map[string]any{"from": from, "where": where}))
	if err != nil {
		return nil, nil, err
	}
	if len(q.Where) == 0 {
		return nil, nil, fault.New(fault.Invalid, `a redaction needs conditions, such as "where":[{"field":"id","operator":"eq","value":"…"}]; to erase a whole stream, delete it`)
	}
	return q, payload, nil
}

// ordered answers an order. An error beside an id says that a part of it may have
// been carried out.
func ordered(e front.Erasure, err error) (answer, error) {
	if e.ID == "" {
		return answer{}, err
	}
	ans := answer{data: erasureData(e)}
	if err == nil {
		ans.status = http.StatusAccepted
	}
	return ans, err
}

func (a API) listErasures(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	all, err := a.Erasures(r.Context(), ref)
	if err != nil {
		return answer{}, err
	}
	list := make([]erasureJSON, 0, len(all))
	for _, e := range all {
		list = append(list, showErasure(e))
	}
	return answer{data: encode(map[string]any{"erasures": list})}, nil
}

func (a API) getErasure(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	e, err := a.Erasure(r.Context(), ref, r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{data: erasureData(e)}, nil
}
