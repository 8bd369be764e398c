package e2e

import (
	"bytes"
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
	w := wire{p, open(t, bucket), open(t, p.Through(bucket))}
	test := func(name string, f func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the driver waits before it repeats a read
			f(t)
		})
	}
	for f := range onePut {
		test(fmt.Sprint("Put", f), func(t *testing.T) { w.put(t, f) })
		test(fmt.Sprint("List", f), func(t *testing.T) { w.list(t, f) })
		test(fmt.Sprint("GetWhole", f), func(t *testing.T) {
			w.get(t, f, 0, func(key string) ([]byte, error) {
				content, _, err := store.ReadAll(t.Context(), w.far, key)
				return content, err
			})
		})
		test(fmt.Sprint("GetPart", f), func(t *testing.T) {
			w.get(t, f, 100_000, func(key string) ([]byte, error) {
				content := make([]byte, objectSize-100_000)
				_, err := store.NewReaderAt(t.Context(), w.far, key, objectSize).ReadAt(content, 100_000)
				return content, err
			})
		})
	}
}

// wire leads to a bucket by two ways.
type wire struct {
	*storetest.Proxy
	near, far store.Store // directly, and by the proxy
}

const objectSize = 300_000

// put puts an object if absent. What the error says must be true, and another
// put must find out what is there.
func (w wire) put(t *testing.T, f storetest.Fault) {
	key := fmt.Sprint("put/", f)
	script := w.Script(storetest.Of("put", key), f)
	_, err := w.far.Put(t.Context(), key, bytes.NewReader([]byte("first")), store.IfAbsent)
	if got := kindOf(err); got != onePut[f] || script.Left() > 0 {
		t.Errorf("%v (%v), want %v; %d faults were not met", err, got, onePut[f], script.Left())
	}
	w.Settle()
	content, want := "second", fault.Kind(-1)
	if f.Applied() || f == storetest.Late {
		content, want = "first", fault.Exists
	}
	if _, err := w.far.Put(t.Context(), key, bytes.NewReader([]byte("second")), store.IfAbsent); kindOf(err) != want {
		t.Errorf("then: %v, want %v", err, want)
	}
	if got, _, err := store.ReadAll(t.Context(), w.near, key); string(got) != content {
		t.Errorf("%q is stored (%v), want %q", got, err, content)
	}
}

// get reads an object from an offset on: the right bytes, or an error that says
// that the service could not be reached.
func (w wire) get(t *testing.T, f storetest.Fault, offset int, read func(key string) ([]byte, error)) {
	key, content := fmt.Sprintf("get/%v/%d", f, offset), make([]byte, objectSize)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	if _, err := w.near.Put(t.Context(), key, bytes.NewReader(content), store.IfAbsent); err != nil {
		t.Fatal(err)
	}
	script := w.Script(storetest.Of("get", key), f)
	got, err := read(key)
	switch {
	case script.Left() > 0:
		t.Error("the fault was not met")
	case err == nil && !bytes.Equal(got, content[offset:]):
		t.Error("other bytes than the object's")
	default:
		w.repeated(t, f, err)
	}
}

// list lists ten objects: all of them, or an error that says that the service
// could not be reached.
func (w wire) list(t *testing.T, f storetest.Fault) {
	prefix := fmt.Sprintf("list/%v/", f)
	for i := range 10 {
		if _, err := w.near.Put(t.Context(), fmt.Sprint(prefix, i), bytes.NewReader(nil), store.IfAbsent); err != nil {
			t.Fatal(err)
		}
	}
	script := w.Script(storetest.Of("list", prefix), f)
	page, err := w.far.List(t.Context(), store.ListOptions{Prefix: prefix})
	switch {
	case script.Left() > 0:
		t.Error("the fault was not met")
	case err == nil && len(page.Objects) != 10:
		t.Errorf("%d objects, want 10", len(page.Objects))
	default:
		w.repeated(t, f, err)
	}
}

// repeated checks the error of a read that met a fault: where no answer came, or
// one that asks for patience, the driver has repeated it; an answer cut in the
// middle, and a 409, which is none to a read, may be left to the caller.
func (w wire) repeated(t *testing.T, f storetest.Fault, err error) {
	t.Helper()
	switch f {
	case storetest.CutShort, storetest.CutSilently, storetest.Conflict:
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v (%s)", err, fault.KindOf(err))
		}
	default:
		if err != nil {
			t.Errorf("not repeated: %v", err)
		}
	}
}

// TestMultipartOverABadWire completes a large object while the request, or its
// answer, which has a body here, is lost.
func TestMultipartOverABadWire(t *testing.T) {
	server := storetest.StartS3(t)
	p := storetest.StartProxy(t, server.Endpoint)
	bucket := server.URL("firn")
	near, far := open(t, bucket), open(t, p.Through(bucket))
	body := zeros{64<<20 + 1} // the least that goes up in parts
	for _, f := range []storetest.Fault{storetest.Dropped, storetest.Unanswered, storetest.CutSilently, storetest.Conflict} {
		key := fmt.Sprint("large/", f)
		script := p.Script(storetest.Of("complete", key), f)
		_, err := far.Put(t.Context(), key, body, store.Always)
		p.Settle()
		if kindOf(err) != onePut[f] || script.Left() > 0 {
			t.Errorf("%v: %v (%v), want %v", f, err, kindOf(err), onePut[f])
		}
		page, err := near.List(t.Context(), store.ListOptions{Prefix: key})
		there := len(page.Objects) == 1 && page.Objects[0].Size == body.Size()
		if applied := f.Applied() || f == storetest.Late; err != nil || there != applied {
			t.Errorf("%v: stored are %+v (%v), want that there is one: %v", f, page.Objects, err, applied)
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
