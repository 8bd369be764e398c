package event

import (
	"encoding/base64"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// DecodeCloudEvents reads a CloudEvent of version 1.x in structured mode (the
// CloudEvents JSON format, https://github.com/cloudevents/spec, version 1.0.2),
// or an array of them with batch. The subject, or else the source, is the
// stream; type, id, time and data are what they are here. All other attributes,
// with source and subject, become the metadata. data_base64 becomes a JSON
// string, and the metadata say so by "datacontentencoding":"base64".
func DecodeCloudEvents(body []byte, batch bool, now Micros) ([]Event, error) {
	p := newParser(body, now)
	var events []Event
	var err error
	if batch {
		events, err = p.array("events", p.cloudEvent)
	} else {
		events = make([]Event, 1)
		events[0], err = p.cloudEvent()
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	return events, nil
}

// cloud is a CloudEvent while it is read.
type cloud struct {
	Event
	given                         map[string]bool
	version, source, subject, enc string
}

func (p *parser) cloudEvent() (Event, error) {
	if err := p.open('{', "a CloudEvent", "an object"); err != nil {
		return Event{}, err
	}
	c := cloud{given: map[string]bool{}}
	c.Time, c.Payload, c.Metadata = p.now, emptyObject, []byte{'{'}
	name, err := p.name()
	for ; name != nil && err == nil; name, err = p.next(err) {
		attribute := shared(name)
		if c.given[attribute] {
			err = fault.New(fault.Invalid, "%q is given twice", shorten(attribute))
			break
		}
		c.given[attribute] = true
		err = p.attribute(&c, attribute)
	}
	if err != nil {
		return Event{}, err
	}
	return c.finish(p.now)
}

// attribute reads the value of one attribute. Null is an attribute unset.
func (p *parser) attribute(c *cloud, name string) error {
	kind := p.dec.PeekKind()
	if kind == 'n' && name != "data" {
		_, err := p.value()
		return err
	}
	var text []byte
	var err error
	switch name {
	case "data":
		c.Payload, err = p.value()
		return err
	case "data_base64":
		return p.base64(c)
	case "id", "type", "time":
		text, err = p.textOf(name)
	case "specversion", "source", "subject", "datacontenttype", "dataschema":
		if kind != '"' {
			return p.expected(name, "a string", kind)
		}
		text, err = p.extension(c, name)
	default:
		if kind != '"' && kind != '0' && kind != 't' && kind != 'f' {
			return p.expected("the extension "+shorten(name), "a string, a number or a boolean", kind)
		}
		_, err = p.extension(c, name)
	}
	if err != nil {
		return err
	}
	return c.set(name, string(text))
}

// set takes the value of an attribute that Firn looks at.
func (c *cloud) set(name, text string) (err error) {
	switch name {
	case "id":
		c.ID = text
	case "type":
		c.Type = text
	case "time":
		c.Time, err = ParseTime(text)
	case "specversion":
		c.version = text
	case "source":
		c.source = text
	case "subject":
		c.subject = text
	}
	return err
}

// extension copies an attribute to the metadata, and returns its content when
// it is a string.
func (p *parser) extension(c *cloud, name string) ([]byte, error) {
	if !isAttribute(name) {
		return nil, fault.New(fault.Invalid, "%q is no attribute of a CloudEvent: their names are of a-z and 0-9", shorten(name))
	}
	raw, err := p.value()
	if err != nil {
		return nil, err
	}
	c.addMetadata(name, raw)
	if raw[0] != '"' {
		return nil, nil
	}
	return unquote(raw), nil
}

// addMetadata adds a member; name needs no escaping.
func (c *cloud) addMetadata(name string, raw []byte) {
	if len(c.Metadata) > 1 {
		c.Metadata = append(c.Metadata, ',')
	}
	c.Metadata = append(append(append(c.Metadata, '"'), name...), `":`...)
	c.Metadata = append(c.Metadata, raw...)
}

func isAttribute(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func (p *parser) base64(c *cloud) error {
	if kind := p.dec.PeekKind(); kind != '"' {
		return p.expected("data_base64", "a string", kind)
	}
	raw, err := p.value()
	if err != nil {
		return err
	}
	text := unquote(raw)
	if _, err := base64.StdEncoding.Decode(make([]byte, base64.StdEncoding.DecodedLen(len(text))), text); err != nil {
		return fault.New(fault.Invalid, "data_base64 is not base64: %w", err)
	}
	c.Payload = raw
	c.enc = "base64"
	return nil
}

// finish checks the event as a whole.
func (c *cloud) finish(now Micros) (Event, error) {
	switch {
	case !strings.HasPrefix(c.version, "1.") || len(c.version) > 16:
		return Event{}, fault.New(fault.Invalid, "specversion is %q: Firn takes CloudEvents of version 1.0", shorten(c.version))
	case c.ID == "" || c.source == "" || c.Type == "":
		return Event{}, fault.New(fault.Invalid, "a CloudEvent needs id, source and type")
	case c.enc != "" && c.given["data"]:
		return Event{}, fault.New(fault.Invalid, "data and data_base64 exclude each other")
	case c.enc != "" && c.given["datacontentencoding"]:
		return Event{}, fault.New(fault.Invalid, "data_base64 and the extension datacontentencoding exclude each other")
	case c.enc != "":
		c.addMetadata("datacontentencoding", []byte(`"base64"`))
	}
	c.Metadata = append(c.Metadata, '}')
	c.Stream = c.subject
	if c.Stream == "" {
		c.Stream = c.source
	}
	return c.Event, c.Event.Check(now)
}
