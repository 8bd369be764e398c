package store_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// altered is a store with other puts or gets.
type altered struct {
	store.Store
	put func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error)
	get func(*store.Object) *store.Object
}

func (a *altered) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	if a.put == nil {
		return a.Store.Put(ctx, key, body, cond)
	}
	return a.put(a.Store, key, body, cond)
}

func (a *altered) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	o, err := a.Store.Get(ctx, key, r)
	if err == nil && a.get != nil {
		o = a.get(o)
	}
	return o, err
}

func TestProbe(t *testing.T) {
	bg := context.Background()
	unknown := fault.New(fault.Unknown, "no answer")
	type putFunc = func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error)
	f := func(name string, put putFunc, want error) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := store.NewMemory()
				err := store.Probe(t.Context(), &altered{Store: inner, put: put})
				if want == nil && err != nil {
					t.Errorf("refused: %v", err)
				} else if want != nil && !fault.Is(err, fault.KindOf(want)) {
					t.Errorf("error %v, want kind %s", err, fault.KindOf(want))
				}
				if fault.Is(err, fault.Invalid) && !strings.Contains(err.Error(), "If-None-Match") {
					t.Errorf("the error does not say why: %v", err)
				}
				wantKeys(t, inner)
			})
		})
	}
	first := func(do putFunc) putFunc { // of all puts only the first one is different
		var once sync.Once
		return func(s store.Store, key string, body store.Body, cond store.Condition) (r store.Receipt, err error) {
			different := false
			once.Do(func() { different = true })
			if different {
				return do(s, key, body, cond)
			}
			return s.Put(bg, key, body, cond)
		}
	}
	f("IgnoresCondition", func(s store.Store, key string, body store.Body, _ store.Condition) (store.Receipt, error) {
		return s.Put(bg, key, body, store.Always)
	}, fault.New(fault.Invalid, ""))
	f("ChecksAndThenPuts", func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
		if _, _, err := store.ReadAll(bg, s, key); err == nil {
			return store.Receipt{}, fault.New(fault.Exists, "")
		}
		time.Sleep(time.Millisecond) // of virtual time: both have looked
		return s.Put(bg, key, body, store.Always)
	}, fault.New(fault.Invalid, ""))
	f("RefusesAndReplaces", func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
		r, err := s.Put(bg, key, body, cond)
		if err != nil {
			_, _ = s.Put(bg, key, body, store.Always)
		}
		return r, err
	}, fault.New(fault.Invalid, ""))
	f("RefusesAndDamages", func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
		r, err := s.Put(bg, key, body, cond)
		if err != nil {
			_, _ = s.Put(bg, key, strings.NewReader("neither"), store.Always)
		}
		return r, err
	}, fault.New(fault.Invalid, ""))
	f("AnswerLost", first(func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
		_, _ = s.Put(bg, key, body, cond)
		return store.Receipt{}, unknown
	}), nil)
	f("RequestLost", first(func(store.Store, string, store.Body, store.Condition) (store.Receipt, error) {
		return store.Receipt{}, unknown
	}), nil)
	f("AllAnswersLost", func(s store.Store, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
		_, _ = s.Put(bg, key, body, cond)
		return store.Receipt{}, unknown
	}, nil)
	f("Conflict", first(func(store.Store, string, store.Body, store.Condition) (store.Receipt, error) {
		return store.Receipt{}, fault.New(fault.Conflict, "")
	}), nil)
	f("NothingEverAnswers", func(store.Store, string, store.Body, store.Condition) (store.Receipt, error) {
		return store.Receipt{}, unknown
	}, unknown)
	f("Unreachable", func(store.Store, string, store.Body, store.Condition) (store.Receipt, error) {
		return store.Receipt{}, fault.New(fault.Unavailable, "")
	}, fault.New(fault.Unavailable, ""))
}

func TestProbeWantsStoreTime(t *testing.T) {
	s := &altered{Store: store.NewMemory(), get: func(o *store.Object) *store.Object {
		o.StoreTime = time.Time{}
		return o
	}}
	wantKind(t, "probe", store.Probe(t.Context(), s), fault.Invalid)
	wantKind(t, "probe", store.Probe(t.Context(), dateless{store.NewMemory()}), fault.Invalid)
}

// dateless is a store whose answers about what is not there bear no time.
type dateless struct{ store.Store }

func (s dateless) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	o, err := s.Store.Get(ctx, key, r)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.NotFound, "no object at %s", key)
	}
	return o, err
}

func TestMemoryTellsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		mustPut(t, s, "k", "x")
		stored := time.Now()
		time.Sleep(time.Hour)
		page, err := s.List(t.Context(), store.ListOptions{})
		if err != nil || !page.Objects[0].Modified.Equal(stored) || page.StoreTime.Sub(stored) != time.Hour {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func TestCounted(t *testing.T) {
	s := store.NewCounted(store.NewMemory())
	mustPut(t, s, "k", "content")
	before := s.Counts()
	if before != (store.Counts{Put: 1, BytesIn: 7}) {
		t.Errorf("counted %+v", before)
	}
	wantContent(t, s, "k", "content")
	wantKeys(t, s, "k")
	_, _ = s.Get(t.Context(), "absent", store.Range{})
	_ = s.SetTags(t.Context(), "k", nil)
	_, _ = s.Tags(t.Context(), "k")
	_ = s.Delete(t.Context(), "k")
	got := s.Counts().Sub(before)
	want := store.Counts{Get: 2, List: 1, Delete: 1, SetTags: 1, Tags: 1, BytesOut: 7}
	if got != want || got.Requests() != 6 {
		t.Errorf("counted %+v, %d requests", got, got.Requests())
	}
}

func TestReaderAt(t *testing.T) {
	s := store.NewCounted(store.NewMemory())
	mustPut(t, s, "k", "0123456789")
	r := store.NewReaderAt(t.Context(), s, "k", 10)
	f := func(offset int64, length int, want string, wantErr error) {
		t.Helper()
		p := make([]byte, length)
		if n, err := r.ReadAt(p, offset); string(p[:n]) != want || err != wantErr {
			t.Errorf("ReadAt %d+%d: %q, %v, want %q, %v", offset, length, p[:n], err, want, wantErr)
		}
	}
	f(0, 10, "0123456789", nil)
	f(3, 4, "3456", nil)
	f(8, 4, "89", io.EOF)
	f(10, 1, "", io.EOF)
	f(100, 1, "", io.EOF)
	if n := s.Counts().Get; n != 3 {
		t.Errorf("%d gets for 3 reads of something", n)
	}
	_, err := r.ReadAt(make([]byte, 1), -1)
	wantKind(t, "negative offset", err, fault.Invalid)
	_, err = store.NewReaderAt(t.Context(), s, "k", 9).ReadAt(make([]byte, 3), 0)
	wantKind(t, "another size", err, fault.Corrupt)
	_, err = store.NewReaderAt(t.Context(), s, "absent", 9).ReadAt(make([]byte, 3), 0)
	wantKind(t, "absent", err, fault.NotFound)
}

// TestWrongLength reads from a store whose answers are too short or too long.
func TestWrongLength(t *testing.T) {
	for _, body := range []string{"012345678", "0123456789X", ""} {
		s := &altered{Store: store.NewMemory(), get: func(o *store.Object) *store.Object {
			o.Body = io.NopCloser(bytes.NewReader([]byte(body)))
			return o
		}}
		mustPut(t, s, "k", "0123456789")
		_, _, err := store.ReadAll(t.Context(), s, "k")
		wantKind(t, "ReadAll", err, fault.Unavailable)
		_, err = store.NewReaderAt(t.Context(), s, "k", 10).ReadAt(make([]byte, 10), 0)
		wantKind(t, "ReadAt", err, fault.Unavailable)
	}
}
