package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Memory is a bucket in the memory of one process, for tests and for trying
// things out. Its store time is time.Now, which is virtual time in a
// testing/synctest bubble.
type Memory struct {
	mu      sync.RWMutex
	keys    []string // of objects, sorted
	objects map[string]*memoryObject
}

// memoryObject is replaced as a whole, never changed: readers hold on to it.
type memoryObject struct {
	data     []byte
	modified time.Time
	tags     map[string]string
}

// NewMemory returns an empty bucket.
func NewMemory() *Memory {
	return &Memory{objects: map[string]*memoryObject{}}
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, key string, r Range) (*Object, error) {
	o, err := m.object(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	offset, length, err := r.within(int64(len(o.data)))
	if err != nil {
		return nil, err
	}
	return &Object{
		Info:      o.info(key),
		Body:      io.NopCloser(bytes.NewReader(o.data[offset : offset+length])),
		StoreTime: time.Now(),
	}, nil
}

func (o *memoryObject) info(key string) Info {
	return Info{Key: key, Size: int64(len(o.data)), Modified: o.modified}
}

// object finds the object at key for the calls that need one.
func (m *Memory) object(ctx context.Context, key string) (*memoryObject, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.objects[key]
	if !ok {
		return nil, notFound(key, time.Now())
	}
	return o, nil
}

// Put implements [Store].
func (m *Memory) Put(ctx context.Context, key string, body Body, cond Condition) (Receipt, error) {
	if err := begin(ctx, key); err != nil {
		return Receipt{}, err
	}
	data := make([]byte, body.Size())
	if n, err := body.ReadAt(data, 0); n < len(data) {
		return Receipt{}, shortBody(key, int64(n), body.Size(), err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[key]; taken && cond == IfAbsent {
		return Receipt{}, exists(key)
	}
	if err := m.insert(key); err != nil {
		return Receipt{}, err
	}
	now := time.Now()
	m.objects[key] = &memoryObject{data: data, modified: now}
	return Receipt{StoreTime: now}, nil
}

// insert adds key to the sorted keys and sees to it that no key is a prefix of
// another at a slash, which the folder cannot store.
func (m *Memory) insert(key string) error {
	i, found := slices.BinarySearch(m.keys, key)
	if found {
		return nil
	}
	for dir := key; strings.Contains(dir, "/"); {
		dir = dir[:strings.LastIndexByte(dir, '/')]
		if _, taken := m.objects[dir]; taken {
			return nested(key)
		}
	}
	below, _ := slices.BinarySearch(m.keys, key+"/")
	if below < len(m.keys) && strings.HasPrefix(m.keys[below], key+"/") {
		return nested(key)
	}
	m.keys = slices.Insert(m.keys, i, key)
	return nil
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, opts ListOptions) (Page, error) {
	if err := alive(ctx); err != nil {
		return Page{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	page := Page{StoreTime: time.Now()}
	i, _ := slices.BinarySearch(m.keys, max(opts.Prefix, opts.StartAfter))
	for _, key := range m.keys[i:] {
		if !strings.HasPrefix(key, opts.Prefix) {
			break
		}
		if key == opts.StartAfter {
			continue
		}
		if len(page.Objects) == opts.limit() {
			page.More = true
			break
		}
		page.Objects = append(page.Objects, m.objects[key].info(key))
	}
	return page, nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, found := slices.BinarySearch(m.keys, key); found {
		m.keys = slices.Delete(m.keys, i, i+1)
		delete(m.objects, key)
	}
	return nil
}

// SetTags implements [Store].
func (m *Memory) SetTags(ctx context.Context, key string, tags map[string]string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return notFound(key, time.Now())
	}
	m.objects[key] = &memoryObject{data: o.data, modified: o.modified, tags: maps.Clone(tags)}
	return nil
}

// Tags implements [Store].
func (m *Memory) Tags(ctx context.Context, key string) (map[string]string, error) {
	o, err := m.object(ctx, key)
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(o.tags))
	maps.Copy(tags, o.tags)
	return tags, nil
}

// limit returns how many objects a page may have.
func (o ListOptions) limit() int {
	if o.Max <= 0 || o.Max > 1000 {
		return 1000
	}
	return o.Max
}

func notFound(key string, at time.Time) error {
	return fault.New(fault.NotFound, "%w", &absence{fmt.Errorf("no object at %s", key), at})
}

func exists(key string) error {
	return fault.New(fault.Exists, "put %s: there is an object already", key)
}

func nested(key string) error {
	return fault.New(fault.Invalid, "%s: an object's key must not be the beginning of another's at a slash", key)
}

// shortBody is the failure to read what a Put was to store.
func shortBody(key string, got, want int64, err error) error {
	return fault.New(fault.Unavailable, "put %s: the body ended after %d of %d bytes: %w", key, got, want, err)
}
