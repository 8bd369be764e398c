package vamp

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// maxEvent bounds the body of an event; what the event itself may have is
// bounded by package event.
const maxEvent = event.MaxEventBytes + 64<<10

// member is a member of the object that a body is.
type member struct {
	name string
	raw  jsontext.Value
}

// readBody reads a body of at most limit bytes and the members of the object
// that it holds; none for a body of nothing but white space. They live as long
// as the loan.
func readBody(w http.ResponseWriter, r *http.Request, l *front.Loan, limit int64) ([]member, error) {
	body, err := front.ReadBody(w, r, l, limit, limit)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return nil, err
	}
	contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && contentType != typeJSON && contentType != typeYAML {
		return nil, invalid("%s", onlyTypes) // a GET's body has no need to say
	}
	raw, err := parseText(r.Context(), l, body)
	if err != nil {
		return nil, err
	}
	return members(raw)
}

// parseText reads a text that is one value, in JSON or YAML, which holds most
// of JSON. Where it was meant to be JSON, the error says why it is not.
func parseText(ctx context.Context, l *front.Loan, text []byte) (jsontext.Value, error) {
	raw, notJSON := parseJSON(text)
	if notJSON == nil {
		return raw, nil
	}
	begins := bytes.TrimSpace(text)
	meant := bytes.HasPrefix(begins, []byte("{")) || bytes.HasPrefix(begins, []byte("["))
	switch {
	case len(text) <= maxYAML:
	case meant:
		return nil, notJSON
	default:
		return nil, fault.New(fault.Limit, "the text has %d bytes: YAML may have %d, and JSON more", len(text), maxYAML)
	}
	if err := l.Grow(ctx, yamlMemory(text)); err != nil {
		return nil, err
	}
	raw, err := fromYAML(text)
	if err != nil && meant {
		return nil, notJSON
	}
	return raw, err
}

// parseJSON reads a text that is one JSON value.
func parseJSON(text []byte) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	raw, err := dec.ReadValue()
	if err == nil {
		raw = slices.Clip(raw)
		if _, err = dec.ReadToken(); err == nil {
			return nil, invalid("Error: more follows the JSON value, before byte %d", dec.InputOffset()+1)
		}
	}
	if err == io.EOF && raw != nil {
		return raw, nil
	}
	return nil, invalid("Error: %w", err)
}

// members returns those of an object, or of the only element of a list, as Vamp
// does.
func members(raw jsontext.Value) ([]member, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	if dec.PeekKind() == '[' {
		one, n, err := first(raw)
		if err != nil || n != 1 {
			return nil, invalid("Error: a list of %d is given: one object is taken at a time", n)
		}
		return members(one)
	}
	if dec.PeekKind() != '{' {
		return nil, invalid(`Error: an object such as {"tags":["a"]} is needed, not %s`, shorten(string(raw)))
	}
	_, err := dec.ReadToken()
	var out []member
	for err == nil && dec.PeekKind() != '}' {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err != nil {
			break
		}
		m := member{name: name.String()}
		if m.raw, err = dec.ReadValue(); err == nil {
			m.raw = slices.Clip(m.raw)
			out = append(out, m)
		}
		if len(out) > maxMembers {
			return nil, fault.New(fault.Limit, "Error: the object has more than %d members", maxMembers)
		}
	}
	return out, err
}

// maxMembers bounds the members of the object that a body is, and the elements of
// the lists in it that are taken apart. Those of Vamp's own
// clients are a dozen.
const maxMembers = 1000

// first returns the first element of a JSON list, and how many there are, of
// which it keeps nothing: a list may have millions.
func first(raw jsontext.Value) (one jsontext.Value, n int, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	for _, err = dec.ReadToken(); err == nil && dec.PeekKind() != ']'; n++ {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil && n == 0 {
			one = slices.Clip(v)
		}
	}
	return one, n, err
}

// elements returns those of a JSON list, of which there may be maxMembers.
func elements(raw jsontext.Value) (list []jsontext.Value, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	for _, err = dec.ReadToken(); err == nil && dec.PeekKind() != ']'; {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			list = append(list, slices.Clip(v))
		}
		if len(list) > maxMembers {
			return nil, fault.New(fault.Limit, "Error: a list has more than %d elements", maxMembers)
		}
	}
	return list, err
}

// known returns the members named, and whatever else there is.
func known(all []member, names ...string) (map[string]jsontext.Value, []member, error) {
	found := map[string]jsontext.Value{}
	var rest []member
	for _, m := range all {
		switch _, twice := found[m.name]; {
		case !slices.Contains(names, m.name):
			rest = append(rest, m)
		case twice:
			return nil, nil, invalid("Error: %q is given twice", m.name)
		default:
			found[m.name] = m.raw
		}
	}
	return found, rest, nil
}

// unexpected is the error for members that a query does not have.
func unexpected(rest []member) error {
	if len(rest) == 0 {
		return nil
	}
	b := []byte{'{'}
	for i, m := range rest {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendText(b, m.name), ':'), m.raw...)
	}
	return invalid("Unexpected in DSL: %s", shorten(string(append(b, '}'))))
}

// absent reports whether a member is not there, or null.
func absent(raw jsontext.Value) bool { return raw == nil || raw.Kind() == 'n' }

// scalarText returns the text of a string, or of a number or boolean as it is
// written: YAML's tags and versions may look like one.
func scalarText(what string, raw jsontext.Value) (string, error) {
	switch raw.Kind() {
	case '"':
		b, _ := jsontext.AppendUnquote(nil, raw)
		return string(b), nil
	case '0', 't', 'f':
		return string(raw), nil
	}
	return "", invalid("Error: %s must be a text, not %s", what, shorten(string(raw)))
}

// tagTexts reads a list of tags, or one tag alone.
func tagTexts(raw jsontext.Value) ([]string, error) {
	list := []jsontext.Value{raw}
	if raw.Kind() == '[' {
		var err error
		if list, err = elements(raw); err != nil {
			return nil, err
		}
	}
	var tags []string
	for _, v := range list {
		tag, err := scalarText("a tag", v)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
		if len(tags) > event.MaxTags {
			return nil, invalid("Error: more than %d tags are given", event.MaxTags)
		}
	}
	return tags, nil
}

// prefix returns the part of a tag before its first colon, "" if it has none.
func prefix(tag string) string {
	head, _, ok := strings.Cut(tag, ":")
	if !ok {
		return ""
	}
	return head
}
