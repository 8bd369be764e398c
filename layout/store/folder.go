//go:build unix

package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/fault"
)

// Folder is a bucket in a directory: the object at key k is the file k, read
// and written by any number of processes at once, on any local file system
// with hard links.
//
// Its promise is the store's, through power loss: what a Get or List shows is
// synced, and so is what a put-if-absent answers Exists for. A file appears
// under its key as a second link to a synced temporary file, which loses its
// first name only when the directory is synced too. So a link count of one
// says that the entry is durable, and whoever meets a higher one syncs the
// directory before showing the file. (A copy of the folder made of hard links
// is therefore right, but slow.)
//
// That is weaker where one key is put twice at the same moment without a
// condition: a Get that meets an object while it is replaced, before it was ever
// durable, may show it although a crash leaves what was there before both. Firn
// replaces nothing but tags.
//
// Names that begin with a dot are never keys: temporary files, the tags (under
// .tags) and the file that tells store time (.clock).
type Folder struct {
	root   directory
	clock  file     // nil where nothing can be written
	synced sync.Map // directories whose entries are durable, up to the root
}

const (
	clockName = ".clock"
	tagsDir   = ".tags"
)

// OpenFolder opens the bucket in dir and makes the directory, with its
// parents, where it is absent. A folder that cannot be written to opens too,
// for reading.
func OpenFolder(dir string) (*Folder, error) {
	if err := makeRoot(dir); err != nil {
		return nil, unavailable("open folder", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unavailable("open folder", err)
	}
	return newFolder(realDir{root})
}

// newFolder returns the bucket in an open directory.
func newFolder(root directory) (*Folder, error) {
	clock, err := root.Open(clockName, os.O_RDWR|os.O_CREATE)
	if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		root.Close()
		return nil, unavailable("open folder", err)
	}
	return &Folder{root: root, clock: clock}, nil
}

// makeRoot makes dir and its parents and syncs the entries that it adds. One
// that is there may have been added a moment ago by another process, so its
// parent is synced too, where that may be read.
func makeRoot(dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeRoot(parent); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
	}
	info, statErr := os.Stat(dir)
	switch {
	case statErr != nil:
		return err
	case !info.IsDir():
		return errors.New(dir + " is a file, and a bucket is a folder")
	}
	syncErr := syncPath(parent)
	if err == nil {
		return syncErr
	}
	return nil
}

func syncPath(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// now returns the file system's time, which is the server's where the file
// system is on a network: the modification time of a file just written. Only
// where nothing can be written is it this machine's.
func (f *Folder) now() time.Time {
	if f.clock != nil {
		if _, err := f.clock.WriteAt([]byte{'\n'}, 0); err == nil {
			if info, err := f.clock.Stat(); err == nil {
				return info.ModTime()
			}
		}
	}
	return time.Now()
}

// Get implements [Store].
func (f *Folder) Get(ctx context.Context, key string, r Range) (*Object, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	file, info, err := f.open(key)
	if err != nil {
		return nil, err
	}
	offset, length, err := r.within(info.Size())
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Object{
		Info:      Info{Key: key, Size: info.Size(), Modified: info.ModTime()},
		Body:      &fileBody{io.NewSectionReader(file, offset, length), file},
		StoreTime: f.now(),
	}, nil
}

// fileBody reads a part of a file and closes it. Files are replaced, never
// changed, so an open one keeps its content.
type fileBody struct {
	*io.SectionReader
	io.Closer
}

// open opens the file called name once its entry is durable.
func (f *Folder) open(name string) (file, fs.FileInfo, error) {
	file, err := f.root.Open(name, os.O_RDONLY)
	if err != nil {
		return nil, nil, f.openError(name, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a directory, which is only the beginning of keys
	} else if err == nil && linked(info) {
		err = f.syncDir(path.Dir(name))
	}
	if err != nil {
		file.Close()
		return nil, nil, f.openError(name, err)
	}
	return file, info, nil
}

func (f *Folder) openError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return notFound(name, f.now())
	}
	return unavailable("folder", err)
}

// linked reports whether a file has more than one name, which is to say that
// its entry may not be durable.
func linked(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink > 1 && !bug.In(bug.UnsyncedShown)
}

func (f *Folder) syncDir(name string) error {
	dir, err := f.root.OpenDir(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return syncEntries(dir)
}

// Delete implements [Store].
func (f *Folder) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	dir, err := f.root.OpenDir(path.Dir(key))
	if missing(err) {
		return nil
	} else if err != nil {
		return unavailable("delete", err)
	}
	defer dir.Close()
	err = remove(dir, path.Base(key))
	if err == nil {
		// The tags do not count without the object that they were set on: a
		// crash in between leaves garbage only.
		_ = f.root.Remove(path.Join(tagsDir, key))
	}
	return fault.Wrap(err, "delete %s", key)
}

// remove unlinks a file durably, also one that another process unlinked a moment
// ago. Directories stay: they are nothing by themselves, and a put may be about
// to use them.
func remove(dir directory, name string) error {
	info, err := dir.Lstat(name)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = dir.Remove(name)
	}
	if err != nil && !missing(err) {
		return writeError("unlink", err)
	}
	return syncAfter(dir)
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func unavailable(what string, err error) error {
	return fault.New(fault.Unavailable, "%s: %w", what, err)
}
