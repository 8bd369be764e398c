package vamp

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
)

// message is a request within a WebSocket.
type message struct {
	api         string // "v1"
	path        string // such as /events, with the namespace before it or without
	action      string // PEEK, PUT or REMOVE
	accept      string // JSON or YAML
	content     string // JSON or YAML
	transaction string // returned with each answer
	data        string // the body
	params      url.Values
}

// The actions of messages and the methods that they are.
var actions = map[string]string{"PEEK": http.MethodGet, "PUT": http.MethodPost, "REMOVE": http.MethodDelete}

// The contents of messages and the media types that they are.
var contents = map[string]string{"JSON": typeJSON, "YAML": typeYAML}

// parseMessage reads a message in JSON or YAML. What Vamp's clients always send
// the same may be left out.
func parseMessage(ctx context.Context, l *front.Loan, body []byte) (m message, err error) {
	raw, err := parseText(ctx, l, body)
	if err != nil {
		return m, err
	}
	list, err := members(raw)
	if err != nil {
		return m, err
	}
	given, _, err := known(list, "api", "path", "action", "accept", "content", "transaction", "data", "parameters")
	if err != nil {
		return m, err
	}
	for name, field := range map[string]*string{"api": &m.api, "path": &m.path, "action": &m.action,
		"accept": &m.accept, "content": &m.content, "transaction": &m.transaction} {
		if absent(given[name]) {
			continue
		}
		if *field, err = scalarText(name, given[name]); err != nil {
			return m, err
		}
	}
	if m.data = text(given["data"]); m.data == "" && !absent(given["data"]) && given["data"].Kind() != '"' {
		m.data = string(given["data"]) // not as a text, but as it is
	}
	m.params, err = messageParams(given["parameters"])
	if err != nil {
		return m, err
	}
	return m, m.check()
}

// messageParams reads parameters, each of one text or a list of them.
func messageParams(raw jsontext.Value) (url.Values, error) {
	p := url.Values{}
	if absent(raw) {
		return p, nil
	}
	list, err := members(raw)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if absent(m.raw) {
			continue
		}
		values := []jsontext.Value{m.raw}
		if m.raw.Kind() == '[' {
			if values, err = elements(m.raw); err != nil {
				return nil, err
			}
		}
		for _, v := range values {
			value := string(v) // an object is one in the parameter, too
			if v.Kind() == '"' {
				value = text(v)
			}
			p.Add(m.name, value)
		}
	}
	return p, nil
}

// check returns an error unless the message can be answered, and brings its
// words to one form.
func (m *message) check() error {
	m.api = cmp.Or(m.api, "v1")
	m.action = strings.ToUpper(m.action)
	m.accept = cmp.Or(strings.ToUpper(m.accept), "JSON")
	m.content = cmp.Or(strings.ToUpper(m.content), "JSON")
	switch {
	case m.api != "v1":
		return invalid("Unsupported API: %s", shorten(m.api))
	case m.path == "":
		return invalid("Can't find any value for path: /path")
	case actions[m.action] == "":
		return invalid("Unsupported action: %s", shorten(m.action))
	case contents[m.accept] == "":
		return invalid("Unsupported accept: %s", shorten(m.accept))
	case contents[m.content] == "":
		return invalid("Unsupported content: %s", shorten(m.content))
	}
	return nil
}

// target returns the path and query of the call that a message stands for.
func (m *message) target() (*url.URL, error) {
	u, err := url.ParseRequestURI("/" + strings.TrimPrefix(m.path, "/"))
	if err != nil {
		return nil, invalid("Unsupported path: %s", shorten(m.path))
	}
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	head, rest, _ := strings.Cut(path, "/")
	switch head {
	case "events", "metrics", "health", "stats", "statistics":
		path = "/api/v1/" + path
	default:
		path = "/" + head + "/api/v1/" + rest
	}
	query := u.RawQuery
	if len(m.params) > 0 {
		query = strings.Trim(query+"&"+m.params.Encode(), "&")
	}
	return &url.URL{Path: path, RawPath: path, RawQuery: query}, nil
}

// streamed returns the namespace of a stream that a message asks for, "" for
// the default one, and whether it asks for one.
func (m *message) streamed() (namespace string, ok bool) {
	path, _, _ := strings.Cut(m.path, "?")
	head, ok := strings.CutSuffix(strings.Trim(path, "/"), "events/stream")
	return strings.TrimSuffix(head, "/"), ok && m.action == "PEEK"
}

// query returns the query of a stream, from the data or the parameters.
func (m *message) query(ctx context.Context, l *front.Loan) (query, error) {
	if strings.TrimSpace(m.data) == "" {
		return parseParams(m.params)
	}
	raw, err := parseText(ctx, l, []byte(m.data))
	if err != nil {
		return query{}, err
	}
	list, err := members(raw)
	if err != nil {
		return query{}, err
	}
	return parseQuery(list)
}

// answer returns an answer to the message.
func (m *message) answer(status, data string, params []member) []byte {
	b := []byte{'{'}
	for _, f := range []struct{ name, text string }{{"api", m.api}, {"path", m.path}, {"action", m.action},
		{"status", status}, {"content", m.accept}, {"transaction", m.transaction}} {
		b = append(appendText(append(appendText(b, f.name), ':'), f.text), ',')
	}
	if data != "" {
		b = append(appendText(append(b, `"data":`...), data), ',')
	}
	b = append(b, `"parameters":{`...)
	for i, p := range params {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendText(b, p.name), ':'), p.raw...)
	}
	return append(b, "}}"...)
}
