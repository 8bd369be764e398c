package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/fault"
)

// streaming returns a client of a server whose nth answer is that of answers[n];
// a stream is left open where it ends with "…".
func streaming(t *testing.T, asked *[]string, answers ...string) *Client {
	t.Helper()
	return Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RequestURI()+" "+r.Header.Get("Last-Event-ID"))
		answer := answers[min(len(*asked), len(answers))-1]
		if strings.HasPrefix(answer, "{") {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, answer)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		text, open := strings.CutSuffix(answer, "…")
		_, _ = io.WriteString(w, text)
		if open {
			<-r.Context().Done()
		}
	}))
}

func TestTailGoesOnWhereItWasCut(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var asked []string
		c := streaming(t, &asked,
			"retry: 1000\nid: 0\n\ndata: {\"n\":1}\nid: 1\n\n:\n\ndata: {\"n\":2}\nid:", // cut in the middle of an event
			`{"success":false,"error":"later","code":"unavailable"}`,
			"id: 1\n\n:\n\ndata: {\"n\":\ndata: 2}\nid: 2\n\nid: 3\n\n", // and here behind one that nobody is shown
			": silence\n\n…",
			"event: end\ndata: {\"code\":\"gone\",\"error\":\"it was deleted\"}\n\n",
		)
		tail, err := c.Tail(t.Context(), TailRequest{Instance: "My log", Stream: "s", Types: []string{"a", "b"}, Tags: []string{"x"}, After: FromStart})
		if err != nil {
			t.Fatal(err)
		}
		defer tail.Close()
		var got []string
		for {
			e, err := tail.Next()
			if err == nil {
				got = append(got, string(e.Event)+e.Cursor)
				continue
			}
			got = append(got, fault.KindOf(err).String())
			if fault.Is(err, fault.Gone) {
				break
			}
		}
		want := []string{`{"n":1}1`, "unavailable", "unavailable", "{\"n\":\n2}2", "unavailable", "unavailable", "gone"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		path := "/v1/instances/My%20log/tail?after=start&stream=s&tag=x&type=a&type=b "
		if want := []string{path, path + "1", path + "1", path + "3", path + "3"}; !slices.Equal(asked, want) {
			t.Errorf("asked %q\nwant  %q", asked, want)
		}
	})
}

func TestTailThatCannotBegin(t *testing.T) {
	var asked []string
	c := streaming(t, &asked, `{"success":false,"error":"no such","code":"not_found"}`)
	if _, err := c.Tail(t.Context(), TailRequest{Instance: "x"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := c.Tail(t.Context(), TailRequest{Instance: ".."}); !fault.Is(err, fault.Invalid) || len(asked) != 1 || asked[0] != "/v1/instances/x/tail " {
		t.Errorf("%v, asked %q", err, asked)
	}
	if _, err := answering(t, 200, "ok").Tail(t.Context(), TailRequest{Instance: "x"}); !fault.Is(err, fault.Internal) {
		t.Error(err)
	}
}

// TestLocalStreams: the answer of a handler in this process is read while it is
// being written, and closing it ends the request.
func TestLocalStreams(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		ended := false
		c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for n := 0; r.Context().Err() == nil; n++ {
				fmt.Fprintf(w, "data: %d\nid: %d\n\n", n, n)
				time.Sleep(time.Second)
			}
			ended = true
		}))
		tail, err := c.Tail(t.Context(), TailRequest{Instance: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			if e, err := tail.Next(); err != nil || string(e.Event) != fmt.Sprint(n) {
				t.Fatalf("%s, %v", e.Event, err)
			}
		}
		tail.Close()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !ended {
			t.Error("the handler goes on")
		}
	})
}

func TestTailEndsWithItsContext(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var asked []string
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		tail, err := streaming(t, &asked, "data: 1\nid: 1\n\n…").Tail(ctx, TailRequest{Instance: "x"})
		if err != nil {
			t.Fatal(err)
		}
		_, first := tail.Next()
		began := time.Now()
		if _, err := tail.Next(); first != nil || err == nil || time.Since(began) != 10*time.Second {
			t.Errorf("%v, %v after %v", first, err, time.Since(began))
		}
	})
}

func FuzzServerEvents(f *testing.F) {
	f.Add("retry: 1\nid: a\n\ndata: x\ndata:y\nid:b\r\n\r\nevent: end\ndata\n\n:\n\nid: \x00\n")
	f.Add("data: x")
	f.Fuzz(func(t *testing.T, text string) {
		r := newEventReader(strings.NewReader(text))
		for n := 0; ; n++ {
			e, err := r.next()
			if err != nil {
				return
			}
			if n > len(text) || strings.ContainsAny(e.id, "\n\x00") || strings.Contains(e.name, "\n") {
				t.Fatalf("%d events, %+v", n, e)
			}
		}
	})
}
