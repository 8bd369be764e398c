package event

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/firnlog/firn/layout/fault"
)

// CheckName returns an error of kind Invalid unless s can name a stream or an
// event type: 1 to MaxName bytes of valid UTF-8 without control characters.
// The error calls it what.
func CheckName(what, s string) error { return checkText(what, s, MaxName) }

func checkText(what, s string, limit int) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "%s must not be empty", what)
	case len(s) > limit:
		return fault.New(fault.Invalid, "%s has %d bytes, the limit is %d", what, len(s), limit)
	}
	if i := control(s); i >= 0 {
		return fault.New(fault.Invalid, "%s holds a control character at byte %d: %q", what, i, shorten(s))
	}
	if !utf8.ValidString(s) {
		return fault.New(fault.Invalid, "%s is not valid UTF-8", what)
	}
	return nil
}

// control returns the index of the first control character (Unicode category
// Cc: below space, DEL and U+0080 to U+009F), or -1.
func control(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return i
		case c >= utf8.RuneSelf:
			if r, _ := utf8.DecodeRuneInString(s[i:]); unicode.IsControl(r) {
				return i
			}
		}
	}
	return -1
}

// tooDeep reports whether the JSON text raw nests deeper than MaxDepth. It
// looks at brackets outside strings only and takes any text. The two counts
// settle nearly every value without a walk.
func tooDeep(raw []byte) bool {
	if len(raw) <= MaxDepth || bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("[")) <= MaxDepth {
		return false
	}
	return Nests(raw, MaxDepth)
}

// Nests reports whether objects and arrays of raw, which is valid JSON, stand
// inside each other more than limit times.
func Nests(raw []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++ // whatever it escapes, it does not end the string
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
