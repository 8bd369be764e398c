//go:build unix

package store

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// List implements [Store]. It reads only the directories that can hold keys
// with the prefix and behind StartAfter.
func (f *Folder) List(ctx context.Context, opts ListOptions) (Page, error) {
	if err := alive(ctx); err != nil {
		return Page{}, err
	}
	below := opts.Prefix[:strings.LastIndexByte(opts.Prefix, '/')+1]
	w := &walk{folder: f, ctx: ctx, opts: opts}
	if below == "" || CheckKey(strings.TrimSuffix(below, "/")) == nil {
		if err := w.open(f.root, strings.TrimSuffix("./"+below, "/"), below); err != nil {
			return Page{}, fault.Wrap(err, "list %q", opts.Prefix)
		}
	}
	page := Page{Objects: w.found, StoreTime: f.now()}
	if limit := opts.limit(); len(page.Objects) > limit {
		page.Objects, page.More = page.Objects[:limit], true
	}
	return page, nil
}

// walk collects the objects of a List in the order of their keys, one more
// than asked for.
type walk struct {
	folder *Folder
	ctx    context.Context
	opts   ListOptions
	found  []Info
}

// open walks the directory called name in parent, where keys begin with below.
func (w *walk) open(parent directory, name, below string) error {
	dir, err := parent.OpenDir(name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return unavailable("directory", err)
	}
	defer dir.Close()
	return w.directory(dir, below)
}

// directory adds the objects in dir, whose keys begin with below. Only names
// that can be part of the list are looked at, and no more than it needs.
func (w *walk) directory(dir directory, below string) error {
	if err := alive(w.ctx); err != nil {
		return err
	}
	names, err := w.names(dir, below)
	if err != nil {
		return unavailable("read directory", err)
	}
	unsynced := false
	for i := 0; i < len(names) && len(w.found) <= w.opts.limit(); i++ {
		name := names[i]
		if sub, isDir := strings.CutSuffix(name, "/"); isDir {
			if err := w.open(dir, sub, below+name); err != nil {
				return err
			}
			continue
		}
		info, err := dir.Lstat(name)
		switch {
		case missing(err):
		case err != nil:
			return unavailable("look", err)
		case info.IsDir():
			// Its keys begin with name and a slash: they come behind "a-b" and
			// before "a0", where it is walked.
			at, _ := slices.BinarySearch(names[i+1:], name+"/")
			copy(names[i:], names[i+1:i+1+at])
			names[i+at] = name + "/"
			i--
		case info.Mode().IsRegular() && w.wanted(below+name): // Firn makes no symbolic links, and follows none
			unsynced = unsynced || linked(info)
			w.found = append(w.found, Info{Key: below + name, Size: info.Size(), Modified: info.ModTime()})
		}
	}
	if unsynced { // before any of it is shown
		if err := syncEntries(dir); err != nil {
			return unavailable("sync the directory", err)
		}
	}
	return nil
}

// names returns the names in dir, in order, that are or can lead to objects of
// the list. It removes temporary files that are old.
func (w *walk) names(dir directory, below string) ([]string, error) {
	d, err := dir.Open(".", os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var names, temps []string
	for _, name := range all {
		if isTemp(name) {
			temps = append(temps, name)
		} else if badSegment(name) == "" && w.wanted(below+name+"/") {
			names = append(names, name)
		}
	}
	w.folder.removeStale(dir, temps)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// wanted reports whether name, a key or with a slash at its end the beginning
// of keys, is or can lead to an object of the list.
func (w *walk) wanted(name string) bool {
	if !strings.HasPrefix(name, w.opts.Prefix) {
		return false
	}
	if strings.HasSuffix(name, "/") && strings.HasPrefix(w.opts.StartAfter, name) {
		return true
	}
	return name > w.opts.StartAfter
}

// removeStale removes the temporary files that a crash left an hour ago or
// longer. Their writers may only have slept, and each may be the mark of an
// entry that is not durable. So first a file is renamed, and a writer that
// wakes finds it gone and reports that nothing was written; then the directory
// is synced for the entries that were made before; then the marks go. Whatever
// goes wrong here can wait for the next list.
func (f *Folder) removeStale(dir directory, temps []string) {
	if len(temps) == 0 {
		return
	}
	old := f.now().Add(-time.Hour)
	var stale []string
	for _, name := range temps {
		if info, err := dir.Lstat(name); err != nil || info.ModTime().After(old) {
			continue
		}
		if rest, ok := strings.CutPrefix(name, tempPrefix); ok {
			_ = dir.Rename(name, stalePrefix+rest)
			name = stalePrefix + rest
		}
		stale = append(stale, name)
	}
	if len(stale) == 0 || syncEntries(dir) != nil {
		return
	}
	for _, name := range stale {
		_ = dir.Remove(name)
	}
}

func isTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) || strings.HasPrefix(name, markPrefix) ||
		strings.HasPrefix(name, stalePrefix)
}
