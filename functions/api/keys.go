package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// Keys are the API keys that the routes below /v1/keys manage; [access.Ring] is
// one. Errors are of the kinds that its methods give.
type Keys interface {
	List(ctx context.Context) ([]access.Key, error)
	Create(ctx context.Context, name string, grants []string, expires time.Time) (full string, k access.Key, err error)
	Rotate(ctx context.Context, id string, overlap time.Duration) (full string, k access.Key, err error)
	Revoke(ctx context.Context, id string) (access.Key, error)
}

// KeyDoor returns the routes that manage API keys, for those who have the right
// admin on Firn's own instance:
//
//	GET    /v1/keys               all keys, without their secrets
//	POST   /v1/keys               {"name":…, "grants":["orders-*:append,query"], "expires":"90d"}: the key in full, once
//	POST   /v1/keys/{key}/rotate  {"overlap":"24h"}: a new secret; the former is good that much longer
//	DELETE /v1/keys/{key}         revokes it, everywhere within seconds
func KeyDoor(s *front.Service, keys Keys) front.Door {
	a := keyAPI{API{s}, keys}
	return front.Door{Name: "keys", Fail: a.fail, Routes: []front.Route{
		a.route("GET /v1/keys", "keys.list", a.only(a.list)),
		a.route("POST /v1/keys", "keys.create", a.only(a.create)),
		a.route("POST /v1/keys/{key}/rotate", "keys.rotate", a.only(a.rotate)),
		a.route("DELETE /v1/keys/{key}", "keys.revoke", a.only(a.revoke)),
	}}
}

type keyAPI struct {
	API
	keys Keys
}

// only lets in who may manage keys.
func (a keyAPI) only(serve operation) operation {
	return func(w http.ResponseWriter, r *http.Request) (answer, error) {
		if err := front.Allow(r.Context(), front.CanAdmin, front.Own); err != nil {
			return answer{}, err
		}
		if _, err := parseParams(r, nil); err != nil {
			return answer{}, err
		}
		return serve(w, r)
	}
}

// keyJSON is a key as clients see it.
type keyJSON struct {
	access.Key
	Grants []string `json:"grants"`
	Secret string   `json:"key,omitempty"` // in full, only in the answer that made it
}

func keyData(k access.Key, full string) []byte {
	return encode(map[string]keyJSON{"key": {k, access.FormatGrants(k.Grants), full}})
}

func (a keyAPI) list(_ http.ResponseWriter, r *http.Request) (answer, error) {
	all, err := a.keys.List(r.Context())
	if err != nil {
		return answer{}, err
	}
	list := make([]keyJSON, 0, len(all))
	for _, k := range all {
		list = append(list, keyJSON{k, access.FormatGrants(k.Grants), ""})
	}
	return answer{data: encode(map[string]any{"keys": list})}, nil
}

func (a keyAPI) create(w http.ResponseWriter, r *http.Request) (answer, error) {
	var name, expires string
	var grants []string
	err := a.readSmall(w, r, map[string]*field{
		"name":    textField(func(s string) { name = s }),
		"expires": textField(func(s string) { expires = s }),
		"grants":  textsField(func(list []string) { grants = list }),
	})
	if err != nil {
		return answer{}, err
	}
	at, err := expiry(expires, a.Now())
	if err != nil {
		return answer{}, err
	}
	full, k, err := a.keys.Create(r.Context(), name, grants, at)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, data: keyData(k, full)}, nil
}

func (a keyAPI) rotate(w http.ResponseWriter, r *http.Request) (answer, error) {
	overlap := "24h"
	err := a.readSmall(w, r, map[string]*field{"overlap": textField(func(s string) { overlap = s })})
	if err != nil {
		return answer{}, err
	}
	d, err := duration(overlap)
	if err != nil {
		return answer{}, err
	}
	full, k, err := a.keys.Rotate(r.Context(), r.PathValue("key"), d)
	if err != nil {
		return answer{}, err
	}
	return answer{data: keyData(k, full)}, nil
}

func (a keyAPI) revoke(_ http.ResponseWriter, r *http.Request) (answer, error) {
	k, err := a.keys.Revoke(r.Context(), r.PathValue("key"))
	if err != nil {
		return answer{}, err
	}
	return answer{data: keyData(k, "")}, nil
}

// expiry reads when a key ends: a time in RFC 3339 or a duration from now, such
// as 90d; "" for never.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := duration(text)
	if err != nil {
		return now, fault.New(fault.Invalid, "%w, or a time such as 2030-01-01T00:00:00Z", err)
	}
	return now.Add(d), nil
}

// duration reads a duration of Go, or one in days such as 90d.
func duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fault.New(fault.Invalid, "%q is no duration: write 90d or 12h30m", shorten(text))
	}
	return d, nil
}
