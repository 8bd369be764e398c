package codebolt

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// object reads the members of a JSON object, each with take, which reports
// whether it knows the name; what it does not is noted. Members that are null
// are as if they were absent, and of those that come twice the last one counts.
// The values are parts of raw. at is the path of the object, for messages.
func object(at string, raw jsontext.Value, g *ignored, take func(name string, value jsontext.Value) (bool, error)) error {
	if raw.Kind() != '{' {
		return fault.New(fault.Invalid, "%s must be an object", at)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != '}' {
		var token jsontext.Token
		if token, err = dec.ReadToken(); err != nil {
			break
		}
		name := token.String()
		var value jsontext.Value
		if value, err = dec.ReadValue(); err != nil {
			break
		}
		if value.Kind() == 'n' {
			continue
		}
		known, bad := take(name, value)
		if bad != nil {
			return bad
		}
		if !known {
			g.add(at + "." + shorten(name))
		}
	}
	if err != nil {
		return badJSON(at, err)
	}
	return nil
}

// paramsOf returns the params of a request as an object; none are an empty one.
func paramsOf(raw jsontext.Value) jsontext.Value {
	if raw == nil || raw.Kind() == 'n' {
		return jsontext.Value("{}")
	}
	return raw
}

// setText puts a JSON string into out.
func setText(at string, raw jsontext.Value, out *string) error {
	if raw.Kind() != '"' {
		return fault.New(fault.Invalid, "%s must be a string", at)
	}
	*out = unquote(raw)
	return nil
}

func setFlag(at string, raw jsontext.Value, out *bool) error {
	if kind := raw.Kind(); kind != 't' && kind != 'f' {
		return fault.New(fault.Invalid, "%s must be true or false", at)
	}
	*out = raw.Kind() == 't'
	return nil
}

// list reads the elements of a JSON array, each with take.
func list(at string, raw jsontext.Value, take func(i int, value jsontext.Value) error) error {
	if raw.Kind() != '[' {
		return fault.New(fault.Invalid, "%s must be an array", at)
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	_, err := dec.ReadToken()
	for i := 0; err == nil && dec.PeekKind() != ']'; i++ {
		var value jsontext.Value
		if value, err = dec.ReadValue(); err != nil {
			break
		}
		if bad := take(i, value); bad != nil {
			return bad
		}
	}
	if err != nil {
		return badJSON(at, err)
	}
	return nil
}

// onlyInstance reads params of which an operation needs nothing but instanceId.
func onlyInstance(raw jsontext.Value, g *ignored) (string, error) {
	var ref string
	err := object("params", paramsOf(raw), g, func(name string, v jsontext.Value) (bool, error) {
		if name != "instanceId" {
			return false, nil
		}
		return true, setText("params.instanceId", v, &ref)
	})
	if err == nil && ref == "" {
		err = errNoInstance
	}
	return ref, err
}

var errNoInstance = fault.New(fault.Invalid, "params.instanceId is missing: give an instance's id or its name")
