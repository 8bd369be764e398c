//go:build unix

package store

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// tagFile is the content of .tags/<key>. It counts only for the object that
// was stored at Modified, so that neither a crash in the middle of a deletion
// nor a replacement leaves an object with another one's tags.
type tagFile struct {
	Modified time.Time         `json:"modified"`
	Tags     map[string]string `json:"tags"`
}

// SetTags implements [Store].
func (f *Folder) SetTags(ctx context.Context, key string, tags map[string]string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	modified, err := f.modified(key)
	if err != nil {
		return fault.Wrap(err, "tag %s", key)
	}
	content, err := json.Marshal(tagFile{modified, tags})
	if err != nil {
		return fault.Wrap(err, "tag %s", key)
	}
	err = f.write(ctx, path.Join(tagsDir, key), bytes.NewReader(content), Always)
	return fault.Wrap(err, "tag %s", key)
}

// Tags implements [Store].
func (f *Folder) Tags(ctx context.Context, key string) (map[string]string, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	modified, err := f.modified(key)
	if err != nil {
		return nil, fault.Wrap(err, "tags of %s", key)
	}
	stored, err := f.readTags(path.Join(tagsDir, key))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, fault.Wrap(err, "tags of %s", key)
	}
	if stored.Tags == nil || !stored.Modified.Equal(modified) {
		return map[string]string{}, nil
	}
	return stored.Tags, nil
}

func (f *Folder) modified(key string) (time.Time, error) {
	file, info, err := f.open(key)
	if err != nil {
		return time.Time{}, err
	}
	file.Close()
	return info.ModTime(), nil
}

func (f *Folder) readTags(name string) (tagFile, error) {
	file, info, err := f.open(name)
	if err != nil {
		return tagFile{}, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return tagFile{}, unavailable("read", err)
	}
	var stored tagFile
	if err := json.Unmarshal(content, &stored); err != nil {
		return tagFile{}, fault.New(fault.Corrupt, "tags file %s: %w", name, err)
	}
	return stored, nil
}
