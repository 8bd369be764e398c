package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// parser walks one JSON text and speaks about it in errors of kind Invalid. It
// is strict as RFC 8259 and I-JSON are: valid UTF-8, no lone surrogates. Names
// that come twice are left to the caller, since payloads may have them.
type parser struct {
	dec    jsontext.Decoder
	reader bytes.Buffer
	text   []byte
	now    Micros
}

func newParser(text []byte, now Micros) *parser {
	p := &parser{now: now}
	p.reset(text)
	return p
}

// reset goes on with another text. The decoder parses a bytes.Buffer in place,
// so values are parts of text and nothing is copied.
func (p *parser) reset(text []byte) {
	p.text = text
	p.reader = *bytes.NewBuffer(text)
	p.dec.Reset(&p.reader, jsontext.AllowDuplicateNames(true))
}

// value reads the next value as it stands in the text.
func (p *parser) value() ([]byte, error) {
	raw, err := p.dec.ReadValue()
	if err != nil {
		return nil, p.syntax(err)
	}
	return raw, nil
}

// name reads the name of the next member, nil when the object ends instead.
func (p *parser) name() ([]byte, error) {
	if p.dec.PeekKind() == '}' {
		_, err := p.dec.ReadToken()
		return nil, err
	}
	raw, err := p.value()
	if err != nil {
		return nil, err
	}
	return unquote(raw), nil
}

// next is name for the post statement of a loop over members, which the error
// of a member's value ends.
func (p *parser) next(err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return p.name()
}

// open reads the bracket that an object or array called what begins with.
func (p *parser) open(bracket jsontext.Kind, what, want string) error {
	if kind := p.dec.PeekKind(); kind != bracket {
		return p.expected(what, want, kind)
	}
	_, err := p.dec.ReadToken()
	return err
}

// array reads an array of events, each with read.
func (p *parser) array(what string, read func() (Event, error)) ([]Event, error) {
	if err := p.open('[', what, "an array of events"); err != nil {
		return nil, err
	}
	var events []Event
	for p.dec.PeekKind() != ']' {
		if len(events) == MaxBatch {
			return nil, batchError()
		}
		e, err := read()
		if err != nil {
			return nil, fault.Wrap(err, "%s[%d]", what, len(events))
		}
		events = append(events, e)
	}
	_, err := p.dec.ReadToken()
	return events, err
}

// end returns an error when anything but blanks follows the value.
func (p *parser) end() error {
	kind := p.dec.PeekKind()
	if _, err := p.dec.ReadToken(); err == io.EOF {
		return nil
	} else if err != nil {
		return p.syntax(err)
	}
	return fault.New(fault.Invalid, "%s follows the value, before byte %d: several events are sent as an array or as NDJSON", kindName(kind), p.dec.InputOffset())
}

// textOf reads a string. The result may be a part of the text.
func (p *parser) textOf(what string) ([]byte, error) {
	kind := p.dec.PeekKind()
	if kind != '"' {
		return nil, p.expected(what, "a string", kind)
	}
	raw, err := p.value()
	if err != nil {
		return nil, err
	}
	return unquote(raw), nil
}

// shared returns s as a string in the same memory, which is that of the text
// unless s had escapes: neither may change any more.
func shared(s []byte) string { return unsafe.String(unsafe.SliceData(s), len(s)) }

// expected says that a value of another kind should stand here, or what is
// wrong with the JSON when it is no value at all.
func (p *parser) expected(what, want string, got jsontext.Kind) error {
	name := kindName(got)
	if name == "" {
		_, err := p.value()
		return err
	}
	return fault.New(fault.Invalid, "%s must be %s, not %s", what, want, name)
}

// syntax gives an error of the decoder the words and the kind of this package.
func (p *parser) syntax(err error) error {
	var bad *jsontext.SyntacticError
	switch {
	case err == io.EOF:
		return fault.New(fault.Invalid, "the JSON is empty")
	case !errors.As(err, &bad):
		return fault.New(fault.Invalid, "not valid JSON: %w", err)
	}
	at := min(int(bad.ByteOffset), len(p.text))
	if Nests(p.text[:at], 10*MaxDepth) {
		return deepError("the JSON") // the decoder itself gives up at some depth, in words of its own
	}
	where := fmt.Sprintf("at byte %d", at)
	if bytes.Contains(p.text, []byte("\n")) { // of NDJSON, p has one line only, whose number the caller knows
		where += fmt.Sprintf(" (line %d)", 1+bytes.Count(p.text[:at], []byte("\n")))
	}
	if bad.Err == io.ErrUnexpectedEOF {
		return fault.New(fault.Invalid, "not valid JSON: it ends too early, %s", where)
	}
	return fault.New(fault.Invalid, "not valid JSON %s: %s", where, strings.TrimPrefix(bad.Err.Error(), "jsontext: "))
}

// unquote returns the content of a JSON string that the decoder has found
// valid: a part of it, unless there are escapes.
func unquote(raw []byte) []byte {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, _ := jsontext.AppendUnquote([]byte{}, raw)
	return text
}

// kindName names the kind of a value, "" where no value begins.
func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return ""
}
