package querier

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// token is a part of a query in its text form.
type token struct {
	kind tokenKind
	text string // of a quoted one without quotes
	at   int    // where it begins, in bytes
	glue bool   // nothing stands between it and the token before
}

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	quotedToken
	symbolToken
)

// symbols end a word wherever they stand. Longer ones come first.
var symbols = []string{"!=", ">=", "<=", "!~", "(", ")", "|", ",", "=", ">", "<", "~"}

// lexer splits a query into tokens.
type lexer struct {
	text string
	at   int
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	begin := l.at
	rest := strings.TrimLeftFunc(l.text[l.at:], unicode.IsSpace)
	l.at = len(l.text) - len(rest)
	t := token{at: l.at, glue: l.at == begin && begin > 0}
	switch {
	case rest == "":
		return t, nil
	case rest[0] == '"':
		return l.quoted(t, rest)
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			t.kind, t.text = symbolToken, s
			l.at += len(s)
			return t, nil
		}
	}
	t.kind, t.text = wordToken, rest
	if n := strings.IndexFunc(rest, endsWord); n >= 0 {
		t.text = rest[:n]
	}
	if t.text == "" {
		return t, l.wrong(t.at, "%q is not expected: put text that holds such characters in double quotes", rest[:1])
	}
	l.at += len(t.text)
	return t, nil
}

func endsWord(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`()|,=<>!~"`, r) }

// quoted reads a string of JSON.
func (l *lexer) quoted(t token, rest string) (token, error) {
	n := 1
	for ; n < len(rest) && rest[n] != '"'; n++ {
		if rest[n] == '\\' {
			n++
		}
	}
	if n >= len(rest) {
		return t, l.wrong(t.at, "a double quote that begins here does not end")
	}
	text, err := jsontext.AppendUnquote(nil, rest[:n+1])
	if err != nil {
		return t, l.wrong(t.at, "text in double quotes is written as in JSON: %w", err)
	}
	t.kind, t.text = quotedToken, string(text)
	l.at += n + 1
	return t, nil
}

// wrong returns an error about a place. Columns are counted in characters from 1.
func (l *lexer) wrong(at int, format string, args ...any) error {
	column := 1 + utf8.RuneCountInString(l.text[:at])
	return fault.Wrap(fault.New(fault.Invalid, format, args...), "column %d", column)
}
