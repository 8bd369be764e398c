package main

import (
	"io"

	"github.com/schollz/progressbar/v3"
)

// progress is a bar on a terminal. On anything else its methods do nothing.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress returns a bar for so many bytes, -1 when nobody knows.
func newProgress(w io.Writer, total int64) *progress {
	if terminal(w) == 0 || total == 0 {
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30),
		progressbar.OptionSetDescription("appending"), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100_000_000))}
}

// set says how many bytes are done.
func (p *progress) set(n int64) {
	if p.bar != nil {
		_ = p.bar.Set64(n)
	}
}

// clear makes room for a message.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// finish takes the bar away.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// restart begins the same again, about something else.
func (p *progress) restart(what string) {
	if p.bar != nil {
		p.bar.Reset()
		p.bar.Describe(what)
	}
}
