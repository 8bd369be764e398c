package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// ring returns the keys of a bucket as another process sees them.
func ring(s store.Store) *Ring {
	log := commitlog.Open(s)
	return NewRing(log, querier.NewEngine(log), nil)
}

// enter returns who a credential in a header belongs to.
func enter(a *Access, header, value string) (front.Caller, error) {
	r := httptest.NewRequest("GET", "/v1/instances", nil)
	r.Header.Set(header, value)
	return a.Authenticate(r)
}

func TestKeys(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		admin, a := ring(s), New(Config{Ring: ring(s)})
		ctx := front.WithCaller(t.Context(), front.Caller{Name: "tester"})
		full, k, err := admin.Create(ctx, "shop", []string{"orders-*:append", "orders-eu:query"}, time.Now().Add(240*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		c, err := enter(a, "Authorization", "Bearer "+full)
		if err != nil || c.Name != "key:"+k.ID || !c.May(front.CanAppend, "orders-us") || c.May(front.CanQuery, "orders-us") ||
			!c.May(front.CanQuery, "orders-eu") || c.May(front.CanAdmin, "orders-eu") || c.May(front.CanAppend, "other") {
			t.Fatalf("%+v %v", c, err)
		}
		for _, bad := range []string{"", full + "x", full[:len(full)-1], "firn_" + k.ID + "_", "firn_" + k.ID, "firn__x", "other", "a.b.c", strings.Replace(full, k.ID, newID(), 1)} {
			if _, err := enter(a, "Authorization", "Bearer "+bad); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%q: %v", bad, err)
			}
		}

		// A rotation leaves the former secret good for a while.
		next, _, err := admin.Rotate(ctx, k.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge)
		good := func(when string, full string, want bool) {
			t.Helper()
			if _, err := enter(a, "X-Api-Key", full); (err == nil) != want {
				t.Errorf("%s: %v", when, err)
			}
		}
		good("rotated, the new one", next, true)
		good("rotated, the former one", full, true)
		time.Sleep(time.Hour)
		good("after the overlap, the new one", next, true)
		good("after the overlap, the former one", full, false)

		// Revocation is known everywhere within MaxAge.
		if _, err := admin.Revoke(ctx, k.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge)
		good("revoked", next, false)

		short, _, err := admin.Create(ctx, "short", []string{"*:query"}, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge)
		good("before it expires", short, true)
		time.Sleep(time.Minute)
		good("expired", short, false)

		synctest.Wait() // until uses are noted
		list, err := ring(s).List(ctx)
		if err != nil || len(list) != 2 || list[0].Name != "shop" || list[0].Used.IsZero() || list[0].Revoked.IsZero() {
			t.Errorf("%+v %v", list, err)
		}
		// What is kept opens nothing.
		page, err := s.List(ctx, store.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			body, _, err := store.ReadAll(ctx, s, o.Key)
			if err != nil {
				t.Fatal(err)
			}
			for _, full := range []string{full, next, short} {
				if _, text, _ := split(full); strings.Contains(string(body), text) {
					t.Errorf("%s holds a secret", o.Key)
				}
			}
		}
	})
}

// TestKeysAreRefusedWhileTheBucketIsAway: a revocation could not be seen.
func TestKeysAreRefusedWhileTheBucketIsAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &away{Store: store.NewMemory()}
		full, _, err := ring(s.Store).Create(t.Context(), "k", []string{"*:query"}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		a := New(Config{Ring: ring(s)})
		for _, step := range []struct {
			away bool
			wait time.Duration
			kind fault.Kind
			good bool
		}{{wait: 0, good: true}, {away: true, good: true}, {away: true, wait: MaxAge, kind: fault.Unavailable}, {good: true}} {
			s.set(step.away)
			time.Sleep(step.wait)
			_, err := enter(a, "Dd-Api-Key", full)
			if (err == nil) != step.good || err != nil && (!fault.Is(err, step.kind) || strings.Contains(err.Error(), "no route")) {
				t.Errorf("%+v: %v", step, err)
			}
		}
		synctest.Wait()
	})
}

type away struct {
	store.Store
	mu  sync.Mutex
	off bool
}

func (a *away) set(off bool) {
	a.mu.Lock()
	a.off = off
	a.mu.Unlock()
}

func (a *away) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	a.mu.Lock()
	off := a.off
	a.mu.Unlock()
	if off {
		return store.Page{}, fault.New(fault.Unavailable, "no route")
	}
	return a.Store.List(ctx, o)
}

func TestConcurrentChangesOfKeys(t *testing.T) {
	s := store.NewMemory()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := ring(s)
			for range 3 {
				_, k, err := r.Create(t.Context(), "k", []string{"*:query"}, time.Time{})
				if err == nil {
					_, err = r.Revoke(t.Context(), k.ID)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list, err := ring(s).List(t.Context())
	if err != nil || len(list) != 12 {
		t.Fatalf("%d keys, %v", len(list), err)
	}
	for _, k := range list {
		if k.Revoked.IsZero() {
			t.Errorf("%+v", k)
		}
	}
}

func TestBadKeys(t *testing.T) {
	r := ring(store.NewMemory())
	for _, grants := range [][]string{nil, {""}, {"x"}, {"x:"}, {":query"}, {"x:write"}, {"[:query"}, {"a:query", "b"}} {
		if _, _, err := r.Create(t.Context(), "n", grants, time.Time{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", grants, err)
		}
	}
	if _, _, err := r.Create(t.Context(), "", []string{"*:query"}, time.Time{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, _, err := r.Create(t.Context(), "n", []string{"*:query"}, time.Now().Add(-time.Second)); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := r.Revoke(t.Context(), "x"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, _, err := r.Rotate(t.Context(), "x", 0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestOwnInstanceNeedsItsOwnGrant(t *testing.T) {
	all := front.Caller{Grants: []front.Grant{{Instances: "*", Rights: front.CanAdmin | front.CanQuery}}}
	own := front.Caller{Grants: []front.Grant{{Instances: "_firn", Rights: front.CanAdmin}}}
	if all.May(front.CanQuery, front.Own) || !own.May(front.CanAdmin, front.Own) || own.May(front.CanQuery, "x") {
		t.Error("a wildcard reaches Firn's own instance, or its grant does not")
	}
}

func TestCredentialsOfAllClients(t *testing.T) {
	for _, c := range []struct{ header, value string }{
		{"Authorization", "Bearer secret"}, {"Authorization", "bearer  secret"}, {"Authorization", "token secret"}, {"Authorization", "ApiKey secret"},
		{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("name:secret"))},
		{"X-Api-Key", "secret"}, {"sts-api-key", "secret"}, {"DD-Api-Key", "secret"},
	} {
		r := httptest.NewRequest("GET", "/?api_key=other", nil)
		r.Header.Set(c.header, c.value)
		if got := credential(r); got != "secret" {
			t.Errorf("%s %s: %q", c.header, c.value, got)
		}
	}
	if got := credential(httptest.NewRequest("GET", "/?api_key=secret", nil)); got != "secret" {
		t.Errorf("parameter: %q", got)
	}
	if got := credential(httptest.NewRequest("GET", "/", nil)); got != "" {
		t.Errorf("none: %q", got)
	}
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRates(10, 20)
		count := func(name string) (n int) {
			for r.take(name) == nil {
				n++
			}
			return n
		}
		if n := count("a"); n != 20 {
			t.Errorf("%d at once", n)
		}
		if err := r.take("a"); !fault.Is(err, fault.Overload) {
			t.Error(err)
		}
		if n := count("b"); n != 20 {
			t.Errorf("another had %d", n)
		}
		time.Sleep(time.Second)
		if n := count("a"); n != 10 {
			t.Errorf("%d a second later", n)
		}
	})
}

// signed returns a token.
func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokens(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: pub, KeyID: "ed"}, {Key: rsaKey.Public(), KeyID: "rsa"}, {Key: ecKey.Public(), KeyID: "ec"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := JWKSFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{Ring: ring(store.NewMemory()), Tokens: &Tokens{Keys: keys, Issuer: "https://id.example.org", Audience: "firn"}})
	claims := func(change ...any) map[string]any {
		c := map[string]any{"iss": "https://id.example.org", "aud": "firn", "sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "firn_grants": []string{"orders:query"}}
		for i := 0; i < len(change); i += 2 {
			if c[change[i].(string)] = change[i+1]; change[i+1] == nil {
				delete(c, change[i].(string))
			}
		}
		return c
	}
	for alg, key := range map[jose.SignatureAlgorithm]any{jose.EdDSA: priv, jose.RS256: rsaKey, jose.ES256: ecKey} {
		c, err := enter(a, "Authorization", "Bearer "+signed(t, alg, key, claims()))
		if err != nil || c.Name != "token:ada" || !c.May(front.CanQuery, "orders") || c.May(front.CanAppend, "orders") {
			t.Errorf("%s: %+v %v", alg, c, err)
		}
	}
	secret := []byte(pub) // the classic: a public key as a shared secret
	for name, text := range map[string]string{
		"another's":       signed(t, jose.EdDSA, stranger, claims()),
		"expired":         signed(t, jose.EdDSA, priv, claims("exp", time.Now().Add(-2*time.Minute).Unix())),
		"not yet":         signed(t, jose.EdDSA, priv, claims("nbf", time.Now().Add(2*time.Minute).Unix())),
		"eternal":         signed(t, jose.EdDSA, priv, claims("exp", nil)),
		"other issuer":    signed(t, jose.EdDSA, priv, claims("iss", "x")),
		"no issuer":       signed(t, jose.EdDSA, priv, claims("iss", nil)),
		"other audience":  signed(t, jose.EdDSA, priv, claims("aud", []string{"x"})),
		"bad grants":      signed(t, jose.EdDSA, priv, claims("firn_grants", []string{"x"})),
		"shared secret":   signed(t, jose.HS256, append(secret, secret...), claims()),
		"PS256":           signed(t, jose.PS256, rsaKey, claims()),
		"none":            base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x","firn_grants":["*:admin"]}`)) + ".",
		"no token at all": "a.b.c",
		"long":            strings.Repeat("a", maxToken) + ".b.c",
	} {
		if c, err := enter(a, "Authorization", "Bearer "+text); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %+v %v", name, c, err)
		}
	}
	if _, err := enter(a, "Authorization", "Bearer "+signed(t, jose.EdDSA, priv, claims("firn_grants", nil))); !fault.Is(err, fault.Denied) {
		t.Errorf("without grants: %v", err)
	}

	// ClusterCockpit's: one raw key, and no claims at all.
	raw, err := Ed25519Key(base64.StdEncoding.EncodeToString(pub))
	if err != nil {
		t.Fatal(err)
	}
	cluster := New(Config{Ring: ring(store.NewMemory()), Tokens: &Tokens{Keys: raw, Eternal: true, Grants: []front.Grant{{Instances: "*", Rights: front.CanQuery}}}})
	if c, err := enter(cluster, "Authorization", "Bearer "+signed(t, jose.EdDSA, priv, map[string]any{})); err != nil || !c.May(front.CanQuery, "x") {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := Ed25519Key("short"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestOpenTakesAnyCredentials: clients that always send some must not be turned
// away where none are asked for, and are once a key was made.
func TestOpenTakesAnyCredentials(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		a := New(Config{Ring: ring(s), Open: true})
		for _, value := range []string{"token token", "ApiKey any", "Bearer firn_a_b", "Bearer a.b.c"} {
			if c, err := enter(a, "Authorization", value); err != nil || c.Name != front.Anyone.Name {
				t.Errorf("%s: %+v %v", value, c, err)
			}
		}
		if _, _, err := ring(s).Create(t.Context(), "k", []string{"*:query"}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge)
		if _, err := enter(a, "Authorization", "token token"); !fault.Is(err, fault.Unauthenticated) {
			t.Error(err)
		}
	})
}

func FuzzCredential(f *testing.F) {
	a := New(Config{Ring: ring(store.NewMemory())})
	f.Add("Bearer firn_a_b", "")
	f.Add("Basic Zm9vOmJhcg==", "x")
	f.Fuzz(func(t *testing.T, header, param string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = "api_key=" + param
		if header != "" {
			r.Header["Authorization"] = []string{header}
		}
		if c, err := a.Authenticate(r); err == nil || len(c.Grants) > 0 {
			t.Fatalf("let in as %+v", c)
		}
	})
}

func FuzzJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseJWKS(body)
		for _, k := range keys {
			if err != nil || !k.IsPublic() {
				t.Errorf("%+v, %v", k, err)
			}
		}
	})
}
