package querier

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// cursor says where the next page of a query begins. Its text form is base64url
// of JSON and means nothing to clients.
type cursor struct {
	Query string          `json:"q"` // hash of all but limit and cursor
	Point commitlog.Point `json:"p"`
	Keys  []string        `json:"k,omitempty"` // of the last event shown, see encodeKey
	Place string          `json:"l"`           // of that event
	Total int64           `json:"t"`           // as the first page found it, -1 if it did not
}

// identity returns the hash that tells whether two queries are pages of one.
func (q *Query) identity() string {
	sum := sha256.Sum256(q.appendIdentity(nil))
	return hex.EncodeToString(sum[:12])
}

// encode returns the text form.
func (c *cursor) encode() (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	s := sealCursor(body)
	if len(s) > MaxCursor {
		return "", fault.New(fault.Limit, "the page's last event has too long a value for a cursor: order by a shorter field")
	}
	return s, nil
}

// parseCursor reads the cursor of q. Errors are Invalid.
func (q *Query) parseCursor() (*cursor, error) {
	body, ok := openCursor(q.Cursor)
	if !ok {
		return nil, invalid("cursor", "it is none: give the cursor of the page before as it was")
	}
	var c cursor
	if err := json.Unmarshal(body, &c, json.RejectUnknownMembers(true)); err != nil {
		return nil, invalid("cursor", "it is none: give the cursor of the page before as it was")
	}
	if c.Query != q.identity() {
		return nil, invalid("cursor", "it belongs to another query: only limit may change from page to page")
	}
	return &c, nil
}

// entry returns the event that the cursor stands behind.
func (c *cursor) entry(o order) (*entry, error) {
	place, err := event.ParsePlace(c.Place)
	if err != nil || len(c.Keys) != len(o.by) {
		return nil, invalid("cursor", "it is damaged")
	}
	e := &entry{place: place}
	for _, k := range c.Keys {
		v, err := decodeKey(k)
		if err != nil {
			return nil, invalid("cursor", "it is damaged")
		}
		e.keys = append(e.keys, v)
	}
	return e, nil
}

// keyLetters are the kinds of values as the first letter of their text form.
const keyLetters = "-nbidsmao"

// encodeKey returns the text form of a value of an order: a letter for its
// kind, then the value.
func encodeKey(v *Value) string {
	k := keyLetters[v.kind : v.kind+1]
	switch v.kind {
	case boolean, whole, moment:
		return k + strconv.FormatInt(v.n, 10)
	case broken:
		return k + strconv.FormatFloat(v.broken(), 'g', -1, 64)
	}
	return k + v.s
}

func decodeKey(s string) (v Value, err error) {
	for k := range keyLetters {
		if s == "" || s[0] != keyLetters[k] {
			continue
		}
		v = Value{kind: kind(k)}
		switch v.kind {
		case boolean, whole, moment:
			v.n, err = strconv.ParseInt(s[1:], 10, 64)
		case broken:
			var f float64
			f, err = strconv.ParseFloat(s[1:], 64)
			v.n = int64(math.Float64bits(f))
		default:
			v.s = s[1:]
		}
		return v, err
	}
	return v, fmt.Errorf("%q is no key", s)
}
