package api

import (
	"bytes"
	"encoding/json"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// field is a member of a small JSON object that a body is.
type field struct {
	read  func(raw jsontext.Value) bool // false when the value is of another kind
	want  string                        // what the value should be
	given bool
}

// textField takes a string.
func textField(set func(string)) *field {
	return &field{want: "a string", read: func(raw jsontext.Value) bool {
		if raw.Kind() != '"' {
			return false
		}
		text, _ := jsontext.AppendUnquote(nil, raw)
		set(string(text))
		return true
	}}
}

// textsField takes a list of strings.
func textsField(set func([]string)) *field {
	return &field{want: "a list of strings", read: func(raw jsontext.Value) bool {
		var list []string
		if json.Unmarshal(raw, &list) != nil || raw.Kind() != '[' {
			return false
		}
		set(list)
		return true
	}}
}

// wholeField takes a whole number of at least least.
func wholeField(least int, set func(int)) *field {
	return &field{want: "a whole number, " + strconv.Itoa(least) + " or more", read: func(raw jsontext.Value) bool {
		n, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil || n < int64(least) {
			return false
		}
		set(int(n))
		return true
	}}
}

// readObject reads a JSON object strictly. A field may stand under several
// names, of which one may be given.
func readObject(body []byte, fields map[string]*field) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	if kind := dec.PeekKind(); kind != '{' {
		if _, err := dec.ReadValue(); err != nil {
			return badJSON(err)
		}
		return fault.New(fault.Invalid, "the body must be a JSON object")
	}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != '}' {
		err = readField(dec, fields)
	}
	if err != nil {
		return err
	}
	if _, err := dec.ReadToken(); err != nil {
		return badJSON(err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return fault.New(fault.Invalid, "more follows the JSON object, before byte %d", dec.InputOffset()+1)
	}
	return nil
}

func readField(dec *jsontext.Decoder, fields map[string]*field) error {
	token, err := dec.ReadToken()
	if err != nil {
		return badJSON(err)
	}
	name := token.String()
	raw, err := dec.ReadValue()
	if err != nil {
		return badJSON(err)
	}
	f, known := fields[name]
	switch {
	case !known:
		return fault.New(fault.Invalid, "%q is no member here: known are %s", shorten(name), names(fields))
	case f.given:
		return fault.New(fault.Invalid, "%q is given twice, in two spellings", name)
	case !f.read(raw):
		return fault.New(fault.Invalid, "%s must be %s", name, f.want)
	}
	f.given = true
	return nil
}

func names(fields map[string]*field) string {
	var list []string
	for name := range fields {
		list = append(list, name)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

func badJSON(err error) error {
	if err == io.EOF {
		return fault.New(fault.Invalid, "the body is empty: a JSON object is needed")
	}
	return fault.New(fault.Invalid, "the body is not valid JSON: %w", err)
}
