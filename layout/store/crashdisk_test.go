//go:build unix

package store

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Disk is a file system in memory that can lose power. All that was synced
// stays then; of everything else chance decides (Crash).
//
// Each operation takes a random while first. In a bubble of virtual time that
// interleaves those of many processes, and alike for the same seed.
type Disk struct {
	Stall int // one operation in so many takes more than an hour; 0: none

	mu    sync.Mutex // guards what is below, and all nodes
	rng   *rand.Rand
	root  *node
	nodes int // made so far
	done  int // operations begun
	until int // the one at which power is lost; 0: none
	off   bool
}

// Process is a process that uses a disk, until it dies or power is lost. It
// fails in every operation from then on.
type Process struct {
	disk *Disk
	left int // operations until it dies; less than 0: it does not; guarded by disk.mu
}

// How long operations take at most: those that wait for the disk, and others.
const (
	slow  = 8 * time.Millisecond
	quick = time.Millisecond
)

var errPower = errors.New("the power is off")

// NewDisk returns an empty disk.
func NewDisk(rng *rand.Rand) *Disk {
	return &Disk{rng: rng, root: newDir(0)}
}

// CutAfter has the power lost in the n-th operation from now.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = d.done + n
}

// Operations returns how many were begun.
func (d *Disk) Operations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// Start starts a process that dies after so many operations, or not, where
// that is less than 0.
func (d *Disk) Start(operations int) *Process {
	return &Process{disk: d, left: operations}
}

// Folder opens the disk as a bucket.
func (p *Process) Folder() (*Folder, error) {
	return newFolder(&crashDir{p, p.disk.root})
}

// do carries out one operation after a pause of up to so long.
func (p *Process) do(pause time.Duration, operation func() error) error {
	d := p.disk
	time.Sleep(d.draw(pause))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done++
	d.off = d.off || d.done == d.until
	if d.off || p.left == 0 {
		return errPower
	}
	p.left--
	return operation()
}

func (d *Disk) draw(pause time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Stall > 0 && d.rng.IntN(d.Stall) == 0 {
		return time.Hour + time.Duration(d.rng.Int64N(int64(time.Hour)))
	}
	return time.Duration(d.rng.Int64N(int64(pause)))
}

// crashDir is an open directory of a process.
type crashDir struct {
	p    *Process
	node *node
}

// find returns what is at a path below dir.
func (dir *crashDir) find(name string) (*node, error) {
	at := dir.node
	for segment := range strings.SplitSeq(path.Clean(name), "/") {
		if at.entries == nil {
			return nil, pathError(name, syscall.ENOTDIR)
		}
		if segment == "." {
			continue
		}
		if at = at.entries[segment]; at == nil {
			return nil, pathError(name, syscall.ENOENT)
		}
	}
	return at, nil
}

// place returns the directory of a path and the last name in it.
func (dir *crashDir) place(name string) (*node, string, error) {
	at, err := dir.find(path.Dir(name))
	if err == nil && at.entries == nil {
		err = pathError(name, syscall.ENOTDIR)
	}
	return at, path.Base(name), err
}

func pathError(name string, err error) error {
	return &fs.PathError{Op: "find", Path: name, Err: err}
}

// Open implements directory.
func (dir *crashDir) Open(name string, flag int) (file, error) {
	var found *node
	err := dir.p.do(quick, func() error {
		at, err := dir.find(name)
		if err == nil && flag&os.O_EXCL != 0 {
			return pathError(name, syscall.EEXIST)
		}
		if flag&os.O_CREATE != 0 && errors.Is(err, fs.ErrNotExist) {
			at, err = dir.add(name, dir.p.disk.newNode(newFile))
		}
		found = at
		return err
	})
	if err != nil {
		return nil, err
	}
	return &crashFile{dir.p, found, 0}, nil
}

// newNode makes a node by make with the next number.
func (d *Disk) newNode(make func(id int) *node) *node {
	d.nodes++
	return make(d.nodes)
}

// add gives a node a name that nothing has.
func (dir *crashDir) add(name string, n *node) (*node, error) {
	parent, base, err := dir.place(name)
	if err != nil {
		return nil, err
	}
	if parent.entries[base] != nil {
		return nil, pathError(name, syscall.EEXIST)
	}
	parent.set(base, n)
	return n, nil
}

// OpenDir implements directory.
func (dir *crashDir) OpenDir(name string) (directory, error) {
	var found *node
	err := dir.p.do(quick, func() (err error) {
		found, err = dir.find(name)
		if err == nil && found.entries == nil {
			err = pathError(name, syscall.ENOTDIR)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &crashDir{dir.p, found}, nil
}

// Lstat implements directory.
func (dir *crashDir) Lstat(name string) (info fs.FileInfo, err error) {
	err = dir.p.do(quick, func() error {
		at, err := dir.find(name)
		if err == nil {
			info = at.info(path.Base(name))
		}
		return err
	})
	return info, err
}

// Mkdir implements directory.
func (dir *crashDir) Mkdir(name string, _ fs.FileMode) error {
	return dir.p.do(quick, func() error {
		_, err := dir.add(name, dir.p.disk.newNode(newDir))
		return err
	})
}

// Link implements directory.
func (dir *crashDir) Link(oldName, newName string) error {
	return dir.p.do(quick, func() error {
		at, err := dir.find(oldName)
		if err == nil {
			_, err = dir.add(newName, at)
		}
		return err
	})
}

// Rename implements directory.
func (dir *crashDir) Rename(oldName, newName string) error {
	return dir.p.do(quick, func() error {
		from, oldBase, err := dir.place(oldName)
		if err != nil {
			return err
		}
		to, newBase, err := dir.place(newName)
		if err != nil {
			return err
		}
		at := from.entries[oldBase]
		if at == nil {
			return pathError(oldName, syscall.ENOENT)
		}
		if there := to.entries[newBase]; there != nil && there.entries != nil {
			return pathError(newName, syscall.EISDIR)
		}
		to.set(newBase, at)
		from.set(oldBase, nil)
		return nil
	})
}

// Remove implements directory.
func (dir *crashDir) Remove(name string) error {
	return dir.p.do(quick, func() error {
		parent, base, err := dir.place(name)
		if err != nil {
			return err
		}
		switch at := parent.entries[base]; {
		case at == nil:
			return pathError(name, syscall.ENOENT)
		case at.entries != nil:
			return pathError(name, syscall.ENOTEMPTY)
		}
		parent.set(base, nil)
		return nil
	})
}

// Close implements directory.
func (dir *crashDir) Close() error { return nil }
