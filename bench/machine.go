package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

// machine says what the run ran on.
func machine() string {
	return fmt.Sprintf("%d cores (%s), %s", runtime.NumCPU(), cpuModel(), runtime.Version())
}

// cpuModel returns what Linux calls the processor, else its architecture.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}

// limits measures what the machine itself can do, which bounds all other rows.
func (b *bench) limits() error {
	if !b.wanted("machine") {
		return nil
	}
	bodies, err := ndjson(generated(min(b.Events, 50_000)), batchEvents)
	if err != nil {
		return err
	}
	text := bytes.Join(bodies, nil)
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer encoder.Close()
	packed, copied := make([]byte, 0, len(text)), make([]byte, len(text))
	for _, l := range []struct {
		name string
		run  func() error
	}{
		{"JSON read, one core", func() error { return readJSON(text) }},
		{"zstd, fastest level, one core", func() error { encoder.EncodeAll(text, packed); return nil }},
		{"memory copied, one core", func() error { copy(copied, text); return nil }},
	} {
		var rates []float64
		for range b.Runs {
			took := milliseconds(func() { err = l.run() })
			if err != nil {
				return err
			}
			rates = append(rates, float64(len(text))/1e3/took)
		}
		b.report.add(row{Work: "machine: " + l.name, Unit: "MB/s", Machine: figureRef(rates...)})
	}
	syncs, err := syncTimes(b.Dir, 300)
	if err != nil {
		return err
	}
	b.report.add(row{Work: "machine: 4 KB written and synced, median", Unit: "ms", Machine: figureRef(syncs.at(0.5))})
	b.report.add(row{Work: "machine: 4 KB written and synced, p99", Unit: "ms", Machine: figureRef(syncs.at(0.99))})
	return nil
}

// readJSON goes through values as a strict decoder does that keeps nothing.
func readJSON(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	for {
		if _, err := d.ReadValue(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// syncTimes writes small new files, and syncs each and its directory, as any
// store must that answers for them.
func syncTimes(dir string, n int) (times, error) {
	dir, err := os.MkdirTemp(dir, "sync-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var all times
	for i := range n {
		began := time.Now()
		if err := writeSynced(filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	return all.sorted(), nil
}

func writeSynced(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 4<<10)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
