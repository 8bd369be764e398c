//go:build unix

package store

import (
	"io"
	"io/fs"
	"os"
	"syscall"
)

// directory is all that the folder asks of a file system: an open directory,
// which works like an [os.Root] with a flag for every file that it opens.
// Names are paths below it, "." is itself. What was done outlasts a crash only
// when a Sync that began later has returned: of a file for its content, of a
// directory (opened as a file) for its entries.
//
// Tests put a file system in its place that can lose power.
type directory interface {
	Open(name string, flag int) (file, error)
	OpenDir(name string) (directory, error) // ENOTDIR where there is a file
	Lstat(name string) (fs.FileInfo, error) // whose Sys is a *syscall.Stat_t
	Mkdir(name string, perm fs.FileMode) error
	Link(oldName, newName string) error
	Rename(oldName, newName string) error
	Remove(name string) error
	Close() error
}

// file is an open file, or a directory opened for its names and its Sync, as
// [os.File] has it.
type file interface {
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Readdirnames(n int) ([]string, error)
	Sync() error
}

// realDir is a directory of the operating system. Symbolic links that lead out
// of it are refused. What is not here are os.Root's own methods.
type realDir struct{ *os.Root }

// Open implements directory.
func (d realDir) Open(name string, flag int) (file, error) {
	f, err := d.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err // and no file, rather than one that is a nil *os.File
	}
	return f, nil
}

// OpenDir implements directory. Where os.Root meets a file, its error does not
// tell.
func (d realDir) OpenDir(name string) (directory, error) {
	root, err := d.OpenRoot(name)
	if err == nil {
		return realDir{root}, nil
	}
	if info, statErr := d.Stat(name); statErr == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	return nil, err
}

// syncEntries makes the entries of a directory durable.
func syncEntries(dir directory) error {
	d, err := dir.Open(".", os.O_RDONLY)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
