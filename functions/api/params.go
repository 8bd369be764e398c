package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/fault"
)

// params are the parameters of a request's URL.
type params struct{ url.Values }

// parseParams reads the parameters. Those that are not known are refused by
// name, and those that come more than once unless they are among many.
func parseParams(r *http.Request, known []string, many ...string) (params, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return params{}, fault.New(fault.Invalid, "the URL's parameters cannot be read: %w", err)
	}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return params{}, fault.New(fault.Invalid, "%q is no parameter here: %s", shorten(name), knownParams(known))
		}
		if len(given) > 1 && !slices.Contains(many, name) {
			return params{}, fault.New(fault.Invalid, "the parameter %s is given twice", name)
		}
	}
	return params{values}, nil
}

func knownParams(known []string) string {
	if len(known) == 0 {
		return "there are none"
	}
	return "known are " + strings.Join(known, ", ")
}

// flag returns a parameter that is true or false, false when it is absent.
func (p params) flag(name string) (bool, error) {
	switch p.Get(name) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		if !p.Has(name) {
			return false, nil
		}
	}
	return false, fault.New(fault.Invalid, "the parameter %s is true or false", name)
}

// number returns a parameter that is a whole number, def when it is absent.
func (p params) number(name string, def int64) (int64, error) {
	if !p.Has(name) {
		return def, nil
	}
	n, err := strconv.ParseInt(p.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "the parameter %s is a whole number, 0 or more", name)
	}
	return n, nil
}

// instanceRef returns the instance that the path names.
func instanceRef(r *http.Request) (string, error) {
	ref := r.PathValue("instance")
	return ref, checkRef(ref)
}

// checkRef returns an error unless ref can be an instance's id or its name.
// What could be taken for a path cannot.
func checkRef(ref string) error {
	err := catalog.CheckID(ref)
	if err == nil || len(ref) > 0 && len(ref) <= catalog.MaxText && utf8.ValidString(ref) &&
		strings.Trim(ref, ".") != "" && !strings.ContainsAny(ref, `/\`) && strings.IndexFunc(ref, unicode.IsControl) < 0 {
		return nil
	}
	return err
}
