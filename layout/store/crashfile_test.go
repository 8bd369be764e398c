//go:build unix

package store

import (
	"io"
	"io/fs"
	"syscall"
	"time"
)

// crashFile is an open file, or directory, of a process.
type crashFile struct {
	p      *Process
	node   *node
	offset int64 // of Write
}

// ReadAt implements file.
func (f *crashFile) ReadAt(p []byte, offset int64) (n int, err error) {
	err = f.p.do(quick, func() error {
		data := f.node.now.data
		if offset < int64(len(data)) {
			n = copy(p, data[offset:])
		}
		if n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// WriteAt implements file.
func (f *crashFile) WriteAt(p []byte, offset int64) (int, error) {
	err := f.p.do(quick, func() error {
		data := f.node.now.data
		if end := int(offset) + len(p); end > len(data) {
			data = append(data, make([]byte, end-len(data))...)
		}
		copy(data[offset:], p)
		f.node.now = version{data, time.Now()}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Write implements file.
func (f *crashFile) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.offset)
	f.offset += int64(n)
	return n, err
}

// Stat implements file.
func (f *crashFile) Stat() (info fs.FileInfo, err error) {
	err = f.p.do(quick, func() error {
		info = f.node.info("")
		return nil
	})
	return info, err
}

// Readdirnames implements file.
func (f *crashFile) Readdirnames(int) (names []string, err error) {
	err = f.p.do(quick, func() error {
		if f.node.entries == nil {
			return syscall.ENOTDIR
		}
		names = f.node.names()
		return nil
	})
	return names, err
}

// Sync implements file.
func (f *crashFile) Sync() error {
	return f.p.do(slow, func() error {
		f.node.sync()
		return nil
	})
}

// Close implements file.
func (f *crashFile) Close() error { return nil }

// nodeInfo is what Lstat tells of a node at that moment.
type nodeInfo struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
	stat     syscall.Stat_t
}

func (n *node) info(name string) fs.FileInfo {
	info := &nodeInfo{name: name, size: int64(len(n.now.data)), mode: 0o644, modified: n.now.modified}
	if n.entries != nil {
		info.mode = fs.ModeDir | 0o755
	}
	for range n.links {
		info.stat.Nlink++ // whose type is another one on each system
	}
	return info
}

func (i *nodeInfo) Name() string       { return i.name }
func (i *nodeInfo) Size() int64        { return i.size }
func (i *nodeInfo) Mode() fs.FileMode  { return i.mode }
func (i *nodeInfo) ModTime() time.Time { return i.modified }
func (i *nodeInfo) IsDir() bool        { return i.mode.IsDir() }
func (i *nodeInfo) Sys() any           { return &i.stat }
