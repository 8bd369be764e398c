//go:build unix

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/fault"
)

// The names in a key's directory that are not yet or no longer keys. Each has a
// random rest.
const (
	tempPrefix  = ".tmp-"  // being written; until it is removed, the mark of a created entry
	markPrefix  = ".mark-" // the mark of a replaced entry
	stalePrefix = ".old-"  // a temporary file that its writer can no longer use
)

// Put implements [Store].
func (f *Folder) Put(ctx context.Context, key string, body Body, cond Condition) (Receipt, error) {
	if err := begin(ctx, key); err != nil {
		return Receipt{}, err
	}
	if err := f.write(ctx, key, body, cond); err != nil {
		return Receipt{}, fault.Wrap(err, "put %s", key)
	}
	return Receipt{StoreTime: f.now()}, nil
}

// write stores body in the file called name, durably. A crash leaves at most
// temporary files, and a file under its name only with all of its content.
func (f *Folder) write(ctx context.Context, name string, body Body, cond Condition) error {
	dir, err := f.makeDir(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	base := path.Base(name)
	if cond == IfAbsent { // spares the loser of a race that is long over the writing
		if err := taken(dir, base); !missing(err) {
			return err
		}
	}
	began := time.Now()
	temp, err := writeTemp(dir, body)
	if err != nil {
		return unavailable("temporary file", err)
	}
	err = alive(ctx)
	if err == nil && cond == IfAbsent {
		err = prompt(began)
	}
	if err == nil && cond == IfAbsent {
		err = create(dir, tempPrefix+temp, base)
	} else if err == nil {
		err = replace(dir, temp, base)
	}
	if err == nil && !bug.In(bug.DirectoryNotSynced) {
		err = syncAfter(dir)
	}
	if !fault.Is(err, fault.Unknown) { // else the second link keeps saying that the entry may not be durable
		_ = dir.Remove(tempPrefix + temp)
		if cond == Always {
			_ = dir.Remove(markPrefix + temp)
		}
	}
	return err
}

// putTime bounds the time from the beginning of a put to the link.
const putTime = 10 * time.Minute

// prompt refuses to link a file that was begun long ago, by either of the process's
// clocks: when an object was stored is read off the file, which is as old as its
// content, and who slept in between would store one that counts as old from the
// first moment on.
func prompt(began time.Time) error {
	now := time.Now()
	if took := max(now.Sub(began), now.Round(0).Sub(began.Round(0))); took > putTime {
		return fault.New(fault.Unavailable, "the put was interrupted for %v", took.Round(time.Second))
	}
	return nil
}

// create gives the synced file temp the name base, where nothing has it. The
// name temp stays as the mark of an entry that may not be durable.
func create(dir directory, temp, base string) error {
	err := dir.Link(temp, base)
	if !errors.Is(err, fs.ErrExist) {
		return writeError("link", err)
	}
	if err := taken(dir, base); !missing(err) {
		return err
	}
	return fault.New(fault.Conflict, "the object there was deleted just now")
}

// replace gives a synced temporary file the name base, whatever had it. A
// second link that was made before is the mark.
func replace(dir directory, temp, base string) error {
	err := dir.Link(tempPrefix+temp, markPrefix+temp)
	if err == nil {
		err = dir.Rename(tempPrefix+temp, base)
	}
	return writeError("rename", err)
}

// syncAfter syncs a directory that was changed: whether the change outlasts a
// crash is unknown when that fails.
func syncAfter(dir directory) error {
	if err := syncEntries(dir); err != nil {
		return fault.New(fault.Unknown, "sync the directory: %w", err)
	}
	return nil
}

// taken returns an error that says what is at a name: of kind Exists, once
// that is durable, for a file; or an error for which missing holds.
func taken(dir directory, base string) error {
	info, err := dir.Lstat(base)
	switch {
	case missing(err):
		return err
	case err != nil:
		return unavailable("look", err)
	case info.IsDir():
		return nested(base)
	}
	if linked(info) {
		if err := syncEntries(dir); err != nil {
			return unavailable("sync the directory", err)
		}
	}
	return fault.New(fault.Exists, "there is an object already")
}

// writeTemp writes body to a new temporary file in dir, synced, and returns
// its name behind the prefix.
func writeTemp(dir directory, body Body) (temp string, err error) {
	temp = rand.Text()
	name := tempPrefix + temp
	file, err := dir.Open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			_ = dir.Remove(name)
		}
	}()
	n, err := io.Copy(file, io.NewSectionReader(body, 0, body.Size()))
	if err == nil && n < body.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	if bug.In(bug.FileNotSynced) {
		return temp, nil
	}
	return temp, file.Sync()
}

// makeDir opens the directory called name and makes it, with its parents,
// where it is absent. The entries that lead to it are durable when it returns:
// also those that another process made a moment ago.
func (f *Folder) makeDir(name string) (directory, error) {
	if _, ok := f.synced.Load(name); !ok {
		if err := f.makeEntries(name); err != nil {
			return nil, err
		}
	}
	dir, err := f.root.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) { // someone removed it since
		f.synced.Clear()
		if err = f.makeEntries(name); err != nil {
			return nil, err
		}
		dir, err = f.root.OpenDir(name)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nested(name)
	}
	if err != nil {
		return nil, unavailable("directory", err)
	}
	return dir, nil
}

// makeEntries makes the directory called name below its parents, each synced.
func (f *Folder) makeEntries(name string) error {
	if name == "." {
		return nil
	}
	if _, ok := f.synced.Load(name); ok {
		return nil
	}
	parent := path.Dir(name)
	if err := f.makeEntries(parent); err != nil {
		return err
	}
	if err := f.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		if errors.Is(err, syscall.ENOTDIR) {
			return nested(name)
		}
		return unavailable("make directory", err)
	}
	if bug.In(bug.ParentNotSynced) {
		return nil
	}
	if err := f.syncDir(parent); err != nil {
		return unavailable("sync the parent directory", err)
	}
	f.synced.Store(name, true)
	return nil
}

// refusals are the errors with which a file system says that it did nothing.
var refusals = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM,
	syscall.EMLINK, syscall.ENOENT, syscall.ENOTSUP, syscall.ENAMETOOLONG}

// writeError gives the failure of a link, rename or unlink its kind.
func writeError(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Invalid, "%s: a directory has this name: %w", what, err)
	}
	if slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
		return unavailable(what, err)
	}
	return fault.New(fault.Unknown, "%s: %w", what, err)
}
