package vamp

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Bounds of pages.
const (
	defaultPage = 30
	maxPage     = 1_000
)

// page is a part of a list.
type page struct {
	number int64 // 1, 2, 3, …
	size   int64 // events
}

// query answers a list of events, or what an aggregator makes of them.
func (d *door) query(w http.ResponseWriter, r *http.Request, instance string) error {
	q, p, err := d.readQuery(w, r)
	if err != nil {
		return err
	}
	if q.aggregator != "" {
		value, err := d.aggregate(r.Context(), instance, &q)
		if err != nil {
			return err
		}
		d.respond(w, r, http.StatusOK, append(append([]byte(`{"value":`), value...), '}'))
		return nil
	}
	number, err := numberParam(p, "page", 1)
	if err != nil {
		return err
	}
	size, err := numberParam(p, "per_page", defaultPage)
	if err != nil {
		return err
	}
	return d.list(w, r, instance, &q, page{max(number, 1), min(max(size, 1), maxPage)})
}

// readQuery reads a query from a request's body, or from its parameters where
// it has none, as with Vamp.
func (d *door) readQuery(w http.ResponseWriter, r *http.Request) (q query, p url.Values, err error) {
	if p, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return q, p, invalid("The URL's parameters cannot be read: %w", err)
	}
	l := d.Borrow()
	defer l.End()
	body, err := readBody(w, r, l, front.MaxSmallBody)
	switch {
	case err != nil:
		return q, p, err
	case body == nil:
		q, err = parseParams(p)
	default:
		q, err = parseQuery(body)
	}
	return q, p, err
}

func numberParam(p url.Values, name string, def int64) (int64, error) {
	given := p.Get(name)
	if given == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(given, 10, 32)
	if err != nil {
		return 0, invalid("The query parameter '%s' was malformed: '%s' is not a valid 32-bit signed integer value", name, shorten(given))
	}
	return n, nil
}

// list answers a page of events, newest first, and of those of one time the
// last published first.
func (d *door) list(w http.ResponseWriter, r *http.Request, instance string, q *query, p page) error {
	where, err := q.where(d.Now())
	if err != nil {
		return err
	}
	find := &querier.Query{Instance: instance, Where: where, Limit: int(p.size), Select: shown,
		OrderBy: []querier.Order{{Field: querier.Timestamp, Desc: true}, {Field: querier.Place, Desc: true}}}
	found, err := d.find(r.Context(), find, (p.number-1)*p.size, querier.MaxOffset)
	if fault.Is(err, fault.NotFound) {
		found, err = &querier.Result{}, nil // nothing was published yet
	}
	if err != nil {
		return err
	}
	yaml, _ := wantsYAML(r)
	out := &array{w: w, yaml: yaml}
	w.Header().Set("Link", links(r, q, p, found.Total))
	w.Header().Set("X-Total-Count", strconv.FormatInt(found.Total, 10))
	d.header(w, r, out.mediaType())
	for {
		for _, raw := range found.Events {
			v, err := parseStored(raw, instance)
			if err != nil {
				return out.abort(err)
			}
			out.add(v.appendJSON(nil))
		}
		if out.count >= int(p.size) || found.Cursor == "" || len(found.Events) == 0 {
			out.end()
			return nil
		}
		// The events are so large that a result does not hold them all.
		find.Cursor, find.Limit = found.Cursor, int(p.size)-out.count
		if found, err = d.Query(r.Context(), find); err != nil {
			return out.abort(err)
		}
	}
}

// shown are the fields that a view is made of.
var shown = []querier.Field{querier.ID, querier.Type, querier.Payload, querier.Metadata, querier.Timestamp, querier.Tags}

// array writes a list piece by piece, since a page of large events is more than
// should be held at once.
type array struct {
	w     http.ResponseWriter
	yaml  bool
	count int // elements so far
}

func (a *array) mediaType() string {
	if a.yaml {
		return typeYAML
	}
	return typeJSON
}

// add writes an element. That the client may be gone is no concern here: the
// next query ends with its context.
func (a *array) add(element []byte) {
	switch {
	case a.yaml:
		element = toYAML(append(append([]byte{'['}, element...), ']'))
		if element[0] == '[' { // in flow style
			element = append([]byte("- "), element[1:len(element)-2]...)
			element = append(element, '\n')
		}
	case a.count == 0:
		element = append([]byte{'['}, element...)
	default:
		element = append([]byte{','}, element...)
	}
	a.count++
	_, _ = a.w.Write(element)
}

func (a *array) end() {
	switch {
	case !a.yaml && a.count > 0:
		_, _ = a.w.Write([]byte("]"))
	case !a.yaml || a.count == 0:
		_, _ = a.w.Write([]byte("[]"))
	}
}

// abort ends a list that cannot be finished. When a part of it is on its way,
// all that can be done is to break the answer off, so that nobody takes it for
// whole.
func (a *array) abort(err error) error {
	if a.count == 0 {
		a.w.Header().Del("Link")
		a.w.Header().Del("X-Total-Count")
		return err
	}
	panic(http.ErrAbortHandler)
}

// links returns the header Link: the first, previous, next and last page. The
// addresses are those of the request, with the query as parameters where it was
// a body.
func links(r *http.Request, q *query, p page, total int64) string {
	last := max((total+p.size-1)/p.size, 1)
	base := linkBase(r, q)
	var out []string
	for _, l := range []struct {
		rel    string
		number int64
	}{{"first", 1}, {"prev", min(max(p.number-1, 1), last)}, {"next", min(p.number+1, last)}, {"last", last}} {
		out = append(out, "<"+base+"per_page="+strconv.FormatInt(p.size, 10)+"&page="+strconv.FormatInt(l.number, 10)+">; rel="+l.rel)
	}
	return strings.Join(out, ", ")
}

func linkBase(r *http.Request, q *query) string {
	var b strings.Builder
	b.WriteString("http")
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		b.WriteByte('s')
	}
	b.WriteString("://" + r.Host + strings.TrimSuffix(strings.TrimSuffix(r.URL.EscapedPath(), "/"), "/get") + "?")
	for _, p := range q.params() {
		b.WriteString(url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1]) + "&")
	}
	return b.String()
}
