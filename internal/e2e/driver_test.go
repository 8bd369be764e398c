package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
)

// onePut is the fault.Kind of a put that meets a fault, -1 for success.
var onePut = map[storetest.Fault]fault.Kind{
	storetest.Fine: -1, storetest.Delayed: -1,
	storetest.Dropped: fault.Unknown, storetest.Unanswered: fault.Unknown, storetest.Late: fault.Unknown,
	storetest.Conflict: fault.Conflict, storetest.SlowDown: fault.Unknown, storetest.Failed: fault.Unknown,
	storetest.DoneSlowDown: fault.Unknown, storetest.DoneFailed: fault.Unknown,
	storetest.CutShort: fault.Unknown, storetest.CutSilently: fault.Unknown,
}

// kindOf is fault.KindOf with -1 for success.
func kindOf(err error) fault.Kind {
	if err == nil {
		return -1
	}
	return fault.KindOf(err)
}

// TestDriverOverABadWire has single requests of the S3 driver meet every fault.
func TestDriverOverABadWire(t *testing.T) {
	server := storetest.StartS3(t)
	p := storetest.StartProxy(t, server.Endpoint)
	bucket := server.URL("firn")
	direct, s := open(t, bucket), open(t, p.Through(bucket))
	for f, want := range onePut {
		t.Run(fmt.Sprint("Put", f), func(t *testing.T) {
			t.Parallel()
			driverPut(t, p, direct, s, f, want)
		})
	}
	for f := range onePut {
		t.Run(fmt.Sprint("Get", f), func(t *testing.T) {
			t.Parallel()
			driverGet(t, p, direct, s, f)
		})
		t.Run(fmt.Sprint("List", f), func(t *testing.T) {
			t.Parallel()
			driverList(t, p, direct, s, f)
		})
	}
}

// driverPut puts an object if absent. What the error says must be true, and
// the same put again must find out what is there.
func driverPut(t *testing.T, p *storetest.Proxy, direct, s store.Store, f storetest.Fault, want fault.Kind) {
	key := fmt.Sprint("put/", f)
	script := p.Script(storetest.Of("put", key), f)
	_, err := s.Put(t.Context(), key, bytes.NewReader([]byte("first")), store.IfAbsent)
	if got := kindOf(err); got != want || script.Left() > 0 {
		t.Errorf("%v (%v), want %v; %d faults were not met", err, got, want, script.Left())
	}
	wantRest := fault.Exists // of the second put
	if f == storetest.Late {
		p.Settle()
	} else if !f.Applied() {
		wantRest = -1
	}
	if _, err := s.Put(t.Context(), key, bytes.NewReader([]byte("second")), store.IfAbsent); kindOf(err) != wantRest {
		t.Errorf("then: %v, want %v", err, wantRest)
	}
	content := map[fault.Kind]string{fault.Exists: "first", -1: "second"}[wantRest]
	if got, _, err := store.ReadAll(t.Context(), direct, key); string(got) != content {
		t.Errorf("%q is stored (%v), want %q", got, err, content)
	}
}

// driverGet gets an object and parts of it: the right bytes, or an error that
// says that the service could not be reached.
func driverGet(t *testing.T, p *storetest.Proxy, direct, s store.Store, f storetest.Fault) {
	key := fmt.Sprint("get/", f)
	content := make([]byte, 300_000)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	if _, err := direct.Put(t.Context(), key, bytes.NewReader(content), store.IfAbsent); err != nil {
		t.Fatal(err)
	}
	for _, r := range []store.Range{{}, {Offset: 100_000, Length: 100_000}, {Offset: -100_000}} {
		script := p.Script(storetest.Of("get", key), f)
		got, err := getRange(t, s, key, r)
		want := content[max(0, r.Offset):]
		if r != (store.Range{}) {
			want = content[int64(len(content)+int(r.Offset))%int64(len(content)):][:100_000]
		}
		switch {
		case script.Left() > 0:
			t.Error("the fault was not met")
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("%+v: %d other bytes than the object's %d", r, len(got), len(want))
		case err != nil && !fault.Is(err, fault.Unavailable):
			t.Errorf("%+v: %v (%s)", r, err, fault.KindOf(err))
		case err != nil && (f == storetest.Fine || f == storetest.Delayed || f == storetest.SlowDown):
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// getRange reads as readers of objects do: as many bytes as the answer's head
// promises.
func getRange(t *testing.T, s store.Store, key string, r store.Range) ([]byte, error) {
	if r == (store.Range{}) {
		content, _, err := store.ReadAll(t.Context(), s, key)
		return content, err
	}
	if r.Length > 0 {
		content := make([]byte, r.Length)
		_, err := store.NewReaderAt(t.Context(), s, key, 300_000).ReadAt(content, r.Offset)
		return content, err
	}
	o, err := s.Get(t.Context(), key, r)
	if err != nil {
		return nil, err
	}
	defer o.Body.Close()
	content := make([]byte, -r.Offset)
	n, err := io.ReadFull(o.Body, content)
	if errors.Is(err, io.ErrUnexpectedEOF) && fault.KindOf(err) == fault.Internal {
		err = fault.New(fault.Unavailable, "%d bytes: %w", n, err) // as every caller does
	}
	return content, err
}

// driverList lists ten objects: all of them, or an error that says that the
// service could not be reached.
func driverList(t *testing.T, p *storetest.Proxy, direct, s store.Store, f storetest.Fault) {
	prefix := fmt.Sprintf("list/%v/", f)
	for i := range 10 {
		if _, err := direct.Put(t.Context(), fmt.Sprint(prefix, i), bytes.NewReader(nil), store.IfAbsent); err != nil {
			t.Fatal(err)
		}
	}
	script := p.Script(storetest.Of("list", prefix), f)
	page, err := s.List(t.Context(), store.ListOptions{Prefix: prefix})
	switch {
	case script.Left() > 0:
		t.Error("the fault was not met")
	case err == nil && len(page.Objects) != 10:
		t.Errorf("%d objects, want 10", len(page.Objects))
	case err != nil && !fault.Is(err, fault.Unavailable):
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	case err != nil && f != storetest.Conflict: // which no service answers to a read
		t.Errorf("not repeated: %v", err)
	}
}

// TestMultipartOverABadWire completes a large object while the answer, or the
// request, is lost.
func TestMultipartOverABadWire(t *testing.T) {
	server := storetest.StartS3(t)
	p := storetest.StartProxy(t, server.Endpoint)
	bucket := server.URL("firn")
	direct, s := open(t, bucket), open(t, p.Through(bucket))
	body := zeros{64<<20 + 1}
	for f := range onePut {
		key := fmt.Sprint("large/", f)
		script := p.Script(storetest.Of("complete", key), f)
		_, err := s.Put(t.Context(), key, body, store.IfAbsent)
		p.Settle()
		want := onePut[f]
		if f == storetest.CutShort || f == storetest.CutSilently {
			want = fault.Unknown
		}
		if kindOf(err) != want || script.Left() > 0 {
			t.Errorf("%v: %v (%v), want %v", f, err, kindOf(err), want)
		}
		page, err := direct.List(t.Context(), store.ListOptions{Prefix: key})
		there := len(page.Objects) == 1 && page.Objects[0].Size == body.Size()
		if applied := f.Applied() || f == storetest.Late; err != nil || there != applied {
			t.Errorf("%v: stored %+v (%v), want that there is one: %v", f, page.Objects, err, applied)
		}
	}
}

// zeros is a body of so many zero bytes.
type zeros struct{ size int64 }

func (z zeros) Size() int64 { return z.size }

func (z zeros) ReadAt(p []byte, offset int64) (int, error) {
	n := int(min(int64(len(p)), z.size-offset))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
