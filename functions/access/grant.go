package access

import (
	"path"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// ParseGrant reads the text form of a grant: a pattern of instances, a colon and
// rights, such as "orders-*:append,query". The rights are append, query and admin.
func ParseGrant(text string) (front.Grant, error) {
	bad := func() (front.Grant, error) {
		return front.Grant{}, fault.New(fault.Invalid, "%q is no grant: write PATTERN:RIGHTS, such as orders-*:append,query", shorten(text))
	}
	at := strings.LastIndexByte(text, ':')
	if at < 1 {
		return bad()
	}
	g := front.Grant{Instances: text[:at]}
	if _, err := path.Match(g.Instances, "x"); err != nil {
		return bad()
	}
	for name := range strings.SplitSeq(text[at+1:], ",") {
		switch strings.TrimSpace(name) {
		case "append":
			g.Rights |= front.CanAppend
		case "query":
			g.Rights |= front.CanQuery
		case "admin":
			g.Rights |= front.CanAdmin
		default:
			return bad()
		}
	}
	return g, nil
}

// ParseGrants reads a list of grants, which must not be empty.
func ParseGrants(texts []string) ([]front.Grant, error) {
	if len(texts) == 0 {
		return nil, fault.New(fault.Invalid, "at least one grant is needed, such as orders-*:append,query")
	}
	grants := make([]front.Grant, len(texts))
	for i, text := range texts {
		var err error
		if grants[i], err = ParseGrant(text); err != nil {
			return nil, err
		}
	}
	return grants, nil
}

// FormatGrant returns the text form of a grant.
func FormatGrant(g front.Grant) string {
	var rights []string
	for _, r := range []front.Right{front.CanAppend, front.CanQuery, front.CanAdmin} {
		if g.Rights&r != 0 {
			rights = append(rights, r.String())
		}
	}
	return g.Instances + ":" + strings.Join(rights, ",")
}

// FormatGrants returns the text forms of grants.
func FormatGrants(grants []front.Grant) []string {
	texts := make([]string, len(grants))
	for i, g := range grants {
		texts[i] = FormatGrant(g)
	}
	return texts
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
