package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// eventMemory is about what a decoded event takes beside the body.
const eventMemory = 256

// appendRequest is what the URL and the headers of an append say.
type appendRequest struct {
	instance   string // id or unique name
	media      string
	expect     string // the parameter expectedSequence, "" for none
	autoCreate bool
	minimal    bool   // the answer leaves out the events
	key        string // idempotency key, "" for none
}

// appendEvents answers 201 when all events are stored, 207 when those of some
// shards are and others are not. The request's memory is given back when the
// append is over, since the events are parts of the body.
func (a API) appendEvents(w http.ResponseWriter, r *http.Request) (answer, error) {
	req, err := parseAppend(r)
	if err != nil {
		return answer{}, err
	}
	l := a.Borrow()
	defer l.End()
	body, err := a.ReadAppend(w, r, l)
	if err != nil {
		return answer{}, err
	}
	batch, err := req.batch(body, event.ToMicros(a.Now()))
	if err != nil {
		return answer{}, err
	}
	if err := l.Grow(r.Context(), eventMemory*int64(len(batch.Events))); err != nil {
		return answer{}, err
	}
	receipt, err := a.Append(r.Context(), req.instance, batch, req.create())
	if err != nil {
		return a.refused(r.Context(), req, err)
	}
	return a.stored(req, receipt)
}

func parseAppend(r *http.Request) (req appendRequest, err error) {
	p, err := parseParams(r, []string{"expectedSequence", "autoCreate", "return"})
	if err != nil {
		return req, err
	}
	if req.instance, err = instanceRef(r); err != nil {
		return req, err
	}
	if req.media, err = front.MediaType(r, front.TypeJSON, front.TypeNDJSON, front.TypeJSONLines, front.TypeCloudEvent, front.TypeCloudBatch); err != nil {
		return req, err
	}
	if req.media != front.TypeCloudEvent && req.media != front.TypeCloudBatch && r.Header.Get("Ce-Specversion") != "" {
		// Its attributes are in headers: taken for an event of Firn's, the body would lose them.
		return req, fault.New(fault.Invalid, "a CloudEvent in binary mode, with headers such as Ce-Specversion, is not taken: "+
			"send it in structured mode, as %s or %s", front.TypeCloudEvent, front.TypeCloudBatch)
	}
	if req.autoCreate, err = p.flag("autoCreate"); err != nil {
		return req, err
	}
	if req.expect = p.Get("expectedSequence"); req.expect == "" && p.Has("expectedSequence") {
		return req, fault.New(fault.Invalid, "the parameter expectedSequence is empty")
	}
	switch p.Get("return") {
	case "minimal":
		req.minimal = true
	case "", "representation":
		req.minimal = !p.Has("return") && prefersMinimal(r)
	default:
		return req, fault.New(fault.Invalid, "the parameter return is minimal or representation")
	}
	req.key, err = idempotencyKey(r)
	return req, err
}

// prefersMinimal reads the header Prefer (RFC 7240).
func prefersMinimal(r *http.Request) bool {
	for preference := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		if strings.TrimSpace(preference) == "return=minimal" {
			return true
		}
	}
	return false
}

func idempotencyKey(r *http.Request) (string, error) {
	given := r.Header.Values("Idempotency-Key")
	switch {
	case len(given) == 0:
		return "", nil
	case len(given) > 1 || !front.Visible(given[0], 256):
		return "", fault.New(fault.Invalid, "an Idempotency-Key is 1 to 256 visible ASCII characters, given once")
	}
	return given[0], nil
}

// batch decodes the body.
func (req *appendRequest) batch(body []byte, now event.Micros) (commitlog.Batch, error) {
	var in event.Request
	var err error
	switch req.media {
	case front.TypeNDJSON, front.TypeJSONLines:
		in.Events, err = event.DecodeNDJSON(body, now)
	case front.TypeCloudEvent, front.TypeCloudBatch:
		in.Events, err = event.DecodeCloudEvents(body, req.media == front.TypeCloudBatch, now)
	default:
		in, err = event.DecodeJSON(body, now)
	}
	if err != nil {
		return commitlog.Batch{}, err
	}
	if len(in.Events) == 0 {
		return commitlog.Batch{}, fault.New(fault.Invalid, "the request has no events")
	}
	b := commitlog.Batch{Events: in.Events, Key: req.key}
	if b.Expect, err = expectations(req.expect, &in); err != nil {
		return b, err
	}
	if b.Key != "" {
		b.Hash = req.hash(body)
	}
	return b, nil
}

// hash stands for what is asked for, so that the log can tell a repetition
// from another request under the same key. Keys are the instance's own.
func (req *appendRequest) hash(body []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", req.media, req.expect)
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// expectations puts together what the parameter and the body expect.
func expectations(param string, in *event.Request) (map[string]commitlog.Expectation, error) {
	one := param
	if in.Expect != "" {
		one = in.Expect
	}
	if param != "" && in.Expect != "" || one != "" && in.ExpectStreams != nil {
		return nil, fault.New(fault.Invalid, "what is expected is given twice: use one of the parameter expectedSequence, the batch's expectedSequence and its expectedSequences")
	}
	expect := make(map[string]commitlog.Expectation, len(in.ExpectStreams))
	var err error
	for stream, text := range in.ExpectStreams {
		if expect[stream], err = commitlog.ParseExpectation(text); err != nil {
			return nil, fault.Wrap(err, "stream %q", shorten(stream))
		}
	}
	if one != "" {
		stream := in.Events[0].Stream
		for i := range in.Events {
			if in.Events[i].Stream != stream {
				return nil, fault.New(fault.Invalid, "expectedSequence needs events of one stream; use expectedSequences, with one number for each stream")
			}
		}
		expect[stream], err = commitlog.ParseExpectation(one)
	}
	return expect, err
}

// create returns what to make the instance from when it is not there, nil where
// that was not asked for.
func (req *appendRequest) create() *catalog.Instance {
	if !req.autoCreate {
		return nil
	}
	return &catalog.Instance{ID: req.instance, Name: req.instance}
}

// refused says more about some errors of appends.
func (a API) refused(ctx context.Context, req appendRequest, err error) (answer, error) {
	var conflict *commitlog.ConflictError
	switch {
	case errors.As(err, &conflict):
		return answer{details: a.conflictDetails(ctx, req.instance, conflict)}, err
	case fault.Is(err, fault.Unknown) && req.key != "":
		err = fault.New(fault.Unknown, "%w: the events may or may not be stored, or may be yet; repeat the request with the same Idempotency-Key to settle it", err)
	case fault.Is(err, fault.Unknown):
		err = fault.New(fault.Unknown, "%w: the events may or may not be stored, or may be yet; without an Idempotency-Key a repetition may store them twice, so look first", err)
	}
	return answer{}, err
}
