package access

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/firnlog/firn/layout/fault"
)

func TestPublicAddresses(t *testing.T) {
	for address, public := range map[string]bool{
		"127.0.0.1:443": false, "[::1]:443": false, "0.0.0.0:443": false, "0.1.2.3:443": false, "[::]:443": false,
		"10.1.2.3:443": false, "192.168.0.1:443": false, "172.16.0.1:443": false, "172.32.0.1:443": true,
		"169.254.169.254:80": false, "[fd00:ec2::254]:80": false, "168.63.129.16:80": false, "100.100.100.200:80": false, "192.0.0.192:80": false,
		"[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "[fd00::1]:443": false, "[fec0::1]:443": false, "224.0.0.1:443": false, "[ff02::1]:443": false,
		"240.0.0.1:443": false, "255.255.255.255:443": false, "198.18.0.1:443": false,
		"[::ffff:10.0.0.1]:443": false, "[::ffff:169.254.169.254]:80": false, "[::10.0.0.1]:443": false, "[::ffff:0:10.0.0.1]:443": false,
		"[64:ff9b::169.254.169.254]:80": false, "[64:ff9b:1::1]:80": false, "[2002:a9fe:a9fe::1]:80": false, "[2001:0:1::1]:443": false, "[2001:db8::1]:443": false,
		"93.184.215.14:443": true, "[2606:2800:21f::1]:443": true, "[::ffff:93.184.215.14]:443": true,
	} {
		if err := publicOnly("tcp", address, nil); (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := publicOnly("tcp", "name.example:443", nil); err == nil {
		t.Error("a name is an address")
	}
}

// TestNamesThatLeadInside: what is checked is the address of the connection, so
// that it does not matter what a name resolved to before.
func TestNamesThatLeadInside(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "::ffff:10.0.0.1", "fd00:ec2::254", "64:ff9b::a00:1"} {
		d := publicDialer()
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go answerWith(server, net.ParseIP(address))
			return client, nil
		}}
		conn, err := d.DialContext(t.Context(), "tcp", "metadata.example:443")
		if err == nil {
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is no public address") {
			t.Errorf("%s: %v", address, err)
		}
	}
	keys, err := JWKSURL("https://localhost:1/jwks")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Keys(t.Context(), "x"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "is no public address") {
		t.Error(err)
	}
}

// answerWith answers one question of DNS, as over TCP, by an address where its
// kind was asked for.
func answerWith(conn net.Conn, ip net.IP) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	question := make([]byte, int(size[0])<<8|int(size[1]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	var m dnsmessage.Message
	if m.Unpack(question) != nil {
		return
	}
	m.Response = true
	head := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 0}
	v4 := ip.To4()
	switch m.Questions[0].Type {
	case dnsmessage.TypeA:
		if v4 != nil {
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte(v4)}}}
		}
	case dnsmessage.TypeAAAA:
		if v4 == nil {
			m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip.To16())}}}
		}
	}
	m.Additionals = nil
	answer, err := m.Pack()
	if err != nil {
		return
	}
	_, _ = conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
}

func TestJWKSURLs(t *testing.T) {
	for _, bad := range []string{"http://x.example/jwks", "file:///etc/passwd", "", "https://", "https:///jwks", "//x.example"} {
		if _, err := JWKSURL(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// Credentials in the URL are in no error.
	keys, err := JWKSURL("https://name:hushword@127.0.0.1:1/jwks?token=hushword")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Keys(t.Context(), ""); err == nil || strings.Contains(err.Error(), "hushword") {
		t.Error(err)
	}
	if _, err := JWKSURL("http://name:hushword@x.example"); err == nil || strings.Contains(err.Error(), "hushword") {
		t.Error(err)
	}
}

// site is a set behind a URL, as the transport of a client.
type site struct {
	takes  time.Duration
	status int
	body   func() []byte
	asked  atomic.Int64
}

func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	select {
	case <-time.After(s.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
	w.WriteHeader(s.status)
	_, _ = w.Write(s.body())
	return w.Result(), nil
}

// through returns the set at a site, read with all that the client of a URL is
// but its connections.
func through(t *testing.T, s *site) *remote {
	t.Helper()
	keys, err := JWKSURL("https://id.example.org/jwks")
	if err != nil {
		t.Fatal(err)
	}
	client := *keys.(*remote).client
	client.Transport = s
	return newRemote("https://id.example.org/jwks", &client)
}

func setOf(t *testing.T, ids ...string) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, id := range ids {
		pub, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: pub, KeyID: id})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestJWKSIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := setOf(t, "a")
		s := &site{status: http.StatusOK, body: func() []byte { return now }}
		r := through(t, s)
		wants := func(what, id string, n int, asked int64) {
			t.Helper()
			keys, err := r.Keys(t.Context(), id)
			synctest.Wait()
			if err != nil || len(keys) != n || s.asked.Load() != asked {
				t.Fatalf("%s: %d keys, %d readings, %v", what, len(keys), s.asked.Load(), err)
			}
		}
		wants("the first time", "a", 1, 1)
		wants("an id that is not known", "b", 0, 1)
		now = setOf(t, "a", "b")
		time.Sleep(jwksUnknown)
		wants("the same later", "b", 1, 2)
		for range 100 { // tokens of ids that are made up
			wants("a made-up id", "c", 0, 2)
		}
		now = setOf(t, "b")
		time.Sleep(jwksAge)
		wants("an old one is used and read again", "a", 1, 3)
		wants("a key that was taken out", "a", 0, 3)

		// One that cannot be read is good for a while, and nobody waits for it.
		s.status, s.takes = http.StatusServiceUnavailable, 4*time.Second
		time.Sleep(jwksMost - time.Second)
		began := time.Now()
		if keys, err := r.Keys(t.Context(), "b"); err != nil || len(keys) != 1 || time.Since(began) != 0 {
			t.Errorf("%d keys after %v, %v", len(keys), time.Since(began), err)
		}
		time.Sleep(time.Second)
		if _, err := r.Keys(t.Context(), "b"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("an hour later: %v", err)
		}
		asked := s.asked.Load()
		if _, err := r.Keys(t.Context(), "b"); !fault.Is(err, fault.Unavailable) || s.asked.Load() != asked {
			t.Errorf("and at once again: %d readings more, %v", s.asked.Load()-asked, err)
		}
		time.Sleep(patience)
	})
}

func TestBadJWKS(t *testing.T) {
	many := make([]string, jwksKeys+1)
	for what, s := range map[string]*site{
		"a redirect":    {status: http.StatusFound, body: func() []byte { return nil }},
		"an error":      {status: http.StatusInternalServerError, body: func() []byte { return setOf(t, "a") }},
		"not JSON":      {status: http.StatusOK, body: func() []byte { return []byte("<html>") }},
		"no keys":       {status: http.StatusOK, body: func() []byte { return []byte(`{"keys":[]}`) }},
		"too many keys": {status: http.StatusOK, body: func() []byte { return setOf(t, many...) }},
		"too long":      {status: http.StatusOK, body: func() []byte { return append(setOf(t, "a"), strings.Repeat(" ", jwksBytes)...) }},
		"shared secret": {status: http.StatusOK, body: func() []byte { return []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`) }},
	} {
		if _, err := through(t, s).Keys(t.Context(), "a"); !fault.Is(err, fault.Unavailable) || s.asked.Load() != 1 {
			t.Errorf("%s: %d requests, %v", what, s.asked.Load(), err)
		}
	}
	s := &site{status: http.StatusOK, body: func() []byte { return setOf(t, many[1:]...) }}
	if keys, err := through(t, s).Keys(t.Context(), ""); err != nil || len(keys) != jwksKeys {
		t.Errorf("as many as there may be: %d, %v", len(keys), err)
	}
}
