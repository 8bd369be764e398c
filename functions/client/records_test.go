package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/firnlog/firn/layout/fault"
)

func TestRecords(t *testing.T) {
	const end = "\x1e" + `{"success":true,"data":{"rows":2}}` + "\n"
	both := "\x1e{\"n\":1}\n\x1e{\"n\":\n2}\n"
	long := "\x1e{\"n\":\"" + strings.Repeat("x", 1<<20) + "\"}\n"
	const right, none = "no error", "the answer broke off"
	for name, c := range map[string]struct {
		body  string
		cut   bool // the connection is, behind the body
		seen  int
		kind  fault.Kind
		wants string
	}{
		"all":             {body: both + end, seen: 2, wants: right},
		"large":           {body: long + long + end, seen: 2, wants: right},
		"no end":          {body: both, seen: 1, kind: fault.Unavailable, wants: none},
		"nothing":         {kind: fault.Unavailable, wants: none},
		"half an end":     {body: both + end[:20], seen: 2, kind: fault.Unavailable, wants: none},
		"end but a break": {body: both + strings.TrimSuffix(end, "\n"), seen: 2, kind: fault.Unavailable, wants: none},
		"cut":             {body: both, cut: true, seen: 1, kind: fault.Unavailable, wants: "unexpected EOF"},
		"too few":         {body: "\x1e{}\n" + end, seen: 1, kind: fault.Internal, wants: "has 1 events, and says otherwise"},
		"uncounted":       {body: both + "\x1e{\"success\":true}\n", seen: 2, kind: fault.Internal, wants: "says otherwise"},
		"no sequence":     {body: both[1:] + end, kind: fault.Unavailable, wants: none},
		"failed":          {body: both + "\x1e{\"success\":false,\"error\":\"the store is away\",\"code\":\"corrupt\",\"requestId\":\"r-1\"}\n", cut: true, seen: 2, kind: fault.Corrupt, wants: "the store is away"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.Header.Get("Accept"))
			_, _ = w.Write([]byte(c.body))
			if c.cut {
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
		}))
		seen := 0
		err := dial(t, srv.URL).Records(t.Context(), []byte("{}"), func([]byte) error { seen++; return nil })
		srv.Close()
		if seen != c.seen || c.wants == right && err != nil || c.wants != right && (!fault.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.wants)) {
			t.Errorf("%s: %d events, %v", name, seen, err)
		}
	}
}

func TestRecordsEnd(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		_, _ = w.Write([]byte("\x1e{}\n\x1e{}\n\x1e"))
	}))
	defer srv.Close()
	enough := errors.New("enough")
	if err := dial(t, srv.URL).Records(t.Context(), []byte("{}"), func([]byte) error { return enough }); err != enough {
		t.Errorf("got %v", err)
	}
	// Who does not know the format answers in another.
	if err := answering(t, 200, `{"success":true}`).Records(t.Context(), []byte("{}"), nil); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
	refusal := answering(t, 413, `{"success":false,"error":"too many","code":"limit"}`)
	if err := refusal.Records(t.Context(), []byte("{}"), nil); !fault.Is(err, fault.Limit) {
		t.Errorf("got %v", err)
	}
}

// FuzzRecords checks that an answer is taken for whole only if it has an end that
// counts its records, and that these are what stands between separators.
func FuzzRecords(f *testing.F) {
	f.Add("\x1e{}\n\x1e{\"success\":true,\"data\":{\"rows\":1}}\n")
	f.Add("\x1e{\"success\":false,\"error\":\"x\",\"code\":\"limit\"}\n")
	f.Add("\x1e\x1e{}")
	f.Fuzz(func(t *testing.T, body string) {
		var got []string
		err := readRecords(iotest.OneByteReader(strings.NewReader(body)), func(record []byte) error {
			got = append(got, string(record))
			return nil
		})
		parts := strings.Split(body, "\x1e")
		if parts[0] != "" || len(parts) == 1 {
			if err == nil || got != nil {
				t.Fatalf("%q is no sequence, and gives %q", body, got)
			}
			return
		}
		if all := parts[1 : len(parts)-1]; !slices.Equal(got, all) {
			t.Fatalf("%q, want %q", got, all)
		}
		var end struct {
			Success bool
			Data    struct{ Rows *int }
		}
		if bad := json.Unmarshal([]byte(parts[len(parts)-1]), &end); err == nil && (bad != nil || !end.Success || end.Data.Rows == nil || *end.Data.Rows != len(got)) {
			t.Fatalf("%q is taken for whole", body)
		}
	})
}
