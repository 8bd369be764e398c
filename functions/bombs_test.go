package functions_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
)

// bomb is a body that is small as sent and large once it is taken apart.
type bomb struct{ name, encoding, body string }

func bombs(t *testing.T) []bomb {
	const mb = 1 << 20
	blanks := strings.Repeat(" ", 32*mb)
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	zs := func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	part := blanks[:mb]
	once := squeezed(t, blanks, gz)
	return []bomb{
		{"blanks", "gzip", once},
		{"blanks", "deflate", squeezed(t, blanks, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		{"blanks", "zstd", squeezed(t, blanks, zs)},
		{"many members", "gzip", strings.Repeat(squeezed(t, part, gz), 32)},
		{"many empty members, and a large one", "gzip", strings.Repeat(squeezed(t, "", gz), mb/23) + once},
		{"many frames", "zstd", strings.Repeat(squeezed(t, part, zs), 32)},
		{"a window of 2 GB", "zstd", "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"},
		{"a size of 1 TB said", "zstd", "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x00"},
		{"a skipped frame of 4 GB", "zstd", "\x50\x2a\x4d\x18\xff\xff\xff\xff"},
		{"gzip in gzip", "gzip", squeezed(t, once, gz)},
		{"gzip in gzip, as it says", "gzip, gzip", squeezed(t, once, gz)},
		{"a zip file", "", archived(t, blanks)},
		{"a zip file in gzip", "gzip", squeezed(t, archived(t, blanks), gz)},
		{"arrays in arrays", "", strings.Repeat("[", mb)},
		{"arrays in arrays, closed", "", strings.Repeat("[", mb/2) + strings.Repeat("]", mb/2)},
		{"objects in objects", "", strings.Repeat(`{"payload":`, mb/8)},
		{"objects in objects, closed", "", strings.Repeat(`{"payload":`, mb/8) + "1" + strings.Repeat("}", mb/8)},
		{"deep conditions", "", `{"from":{"instance":"acme-log"},"where":[` + strings.Repeat(`{"not":`, mb/8) + strings.Repeat("}", mb/8) + `]}`},
		{"millions of events", "", "[" + strings.Repeat("{},", 2*mb) + "{}]"},
		{"millions of tiny values", "", `{"payload":[` + strings.Repeat("0,", 5*mb) + `0]}`},
		{"the same name again and again", "", `{"payload":{` + strings.Repeat(`"a":1,`, mb) + `"a":1}}`},
		{"a number of a million digits", "", `{"timestamp":` + strings.Repeat("9", mb) + `}`},
		{"a large exponent", "", `{"timestamp":1e999999999}`},
		{"millions of tags", "", `{"tags":[` + strings.Repeat(`"a",`, mb) + `"a"]}`},
		{"aliases of aliases in YAML", "", "a: &a [x,x,x,x,x,x,x,x,x]\n" + laughs()},
	}
}

// laughs are nine levels of nine aliases each.
func laughs() string {
	var b strings.Builder
	for c := 'b'; c <= 'i'; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	return b.String()
}

// archived is a zip file with a file that has a zip file with a text.
func archived(t *testing.T, text string) string {
	t.Helper()
	for range 2 {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.Create("a.zip")
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		text = b.String()
	}
	return text
}

// TestBombs: without a key a bomb is not even looked at, and with one it is
// refused before it has taken much more memory than a body may, on every door.
func TestBombs(t *testing.T) {
	const most = 4 << 20
	paths := []string{native, queries, "/v1/instances", "/v1/keys", "/v1/instances/acme-log/redactions", "/api/v1/events",
		"/api/v1/events/get", "/stsAgent/intake", "/api/write?cluster=acme", "/api/query"}
	if testing.Short() {
		paths = []string{native, queries, "/api/v1/events", "/stsAgent/intake", "/api/write?cluster=acme"} // one of each reader
	}
	w := limited(t, "decompressed=4MB", "body=16MB")
	for _, b := range bombs(t) {
		for _, path := range paths {
			allocated := func(key string) (status int, text string, bytes uint64) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				resp, text := w.send(t.Context(), t, path, key, b.encoding, []byte(b.body))
				runtime.ReadMemStats(&after)
				if resp == nil {
					t.Fatalf("%s (%s) to %s: no answer", b.name, b.encoding, path)
				}
				return resp.StatusCode, text, after.TotalAlloc - before.TotalAlloc
			}
			status, text, took := allocated("")
			if status != http.StatusUnauthorized && status != http.StatusForbidden || took > 1<<20+uint64(len(b.body)) {
				t.Errorf("%s (%s) to %s without a key: status %d, %d bytes allocated: %.200s", b.name, b.encoding, path, status, took, text)
			}
			status, text, took = allocated(w.keys["owner"].full)
			if status < 400 || status >= 500 {
				t.Errorf("%s (%s) to %s: status %d: %.200s", b.name, b.encoding, path, status, text)
			}
			// Buffers grow by doubling; what is not compressed is there once more, and
			// Vamp's events may have their 8 MB all the same.
			bound := uint64(6*most + 3*len(b.body))
			if path == "/api/v1/events" {
				bound += 6 * most
			}
			if took > bound {
				t.Errorf("%s (%s) to %s: %d bytes are allocated, %d may be", b.name, b.encoding, path, took, bound)
			}
		}
	}
	if n := w.events.Lent(); n != 0 {
		t.Errorf("%d bytes are still lent", n)
	}
}

// TestSwollenEvents: events that are within all limits and of the worst form that
// these allow are stored, read and folded within bounds.
func TestSwollenEvents(t *testing.T) {
	w := newWorld(t)
	var names strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&names, `"name%d":1,`, i)
	}
	swollen := map[string]string{
		"millions of tiny values":      `[` + strings.Repeat("0,", 2<<20) + `0]`,
		"many names":                   `{` + names.String() + `"x":1}`,
		"a number of a million digits": strings.Repeat("9", 1<<20),
		"escapes":                      `"` + strings.Repeat(`\u0001`, 1<<19) + `"`,
		"deep in many places":          `[` + strings.Repeat(strings.Repeat("[", 100)+strings.Repeat("]", 100)+",", 10_000) + `0]`,
	}
	for name, payload := range swollen {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.wants(t, native, `{"payload":`+payload+`}`, 201)
		w.wants(t, queries, ask(`"where":[{"field":"payload.name7","operator":"eq","value":1}]`), 200)
		w.wants(t, queries, ask(`"reduce":{"type":"sum","field":"payload"}`), 200)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
			t.Errorf("%s: %d bytes are allocated for %d", name, took, len(payload))
		}
	}
	if _, err := (&compactor.Compactor{Log: commitlog.Open(w.store)}).Run(t.Context(), "acme-log"); err != nil {
		t.Fatal(err)
	}
	if _, text := w.post(t, queries, ask(`"reduce":{"type":"count"}`), ""); !strings.Contains(text, fmt.Sprint(`"aggregation":`, len(swollen)+1)) {
		t.Errorf("after the fold: %.300s", text)
	}
}

// TestNoCompressionOnSockets: neither session agrees to permessage-deflate, and a
// compressed message ends it before anything is expanded.
func TestNoCompressionOnSockets(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/codebolt", "/websocket"} {
		header := http.Header{"Authorization": {"Bearer " + w.keys["owner"].full}}
		var raw net.Conn
		dialer := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			raw = conn
			return conn, err
		}}
		conn, resp, err := websocket.Dial(t.Context(), w.url+path, &websocket.DialOptions{HTTPHeader: header,
			HTTPClient: &http.Client{Transport: dialer}, CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			t.Fatal(err)
		}
		if agreed := resp.Header.Get("Sec-WebSocket-Extensions"); agreed != "" {
			t.Errorf("%s agrees to %s", path, agreed)
		}
		// A frame whose first bit after FIN says that it is compressed, masked by zeros.
		if _, err := raw.Write([]byte{0xc1, 0x82, 0, 0, 0, 0, 'x', 'x'}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusProtocolError {
			t.Errorf("%s goes on behind a compressed message: %v", path, err)
		}
		_ = conn.CloseNow()
	}
}

// TestDeepMessages: sessions refuse what is nested too deep as the doors of HTTP
// do.
func TestDeepMessages(t *testing.T) {
	w := newWorld(t)
	deep := strings.Repeat("[", 1<<18)
	for path, message := range map[string]string{
		"/codebolt":  `{"type":"eventLog.appendEvent","requestId":"1","params":{"instanceId":"acme-log","payload":` + deep,
		"/websocket": `{"path":"/events","action":"PUT","transaction":"1","data":"{\"tags\":[\"a\"],\"value\":` + deep + `"}`,
	} {
		conn := w.dial(t, path)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		_, text, err := conn.Read(t.Context())
		if err != nil || !strings.Contains(string(text), `"success":false`) && !strings.Contains(string(text), `"ERROR"`) {
			t.Errorf("%s: %.200s %v", path, text, err)
		}
		_ = conn.CloseNow()
	}
}
