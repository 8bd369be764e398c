// Command bench measures Firn beside its peers, side by side, in turns, in one
// run, and prints a table of medians and ratios. It is a module of its own, so
// that nothing of the peers enters Firn's.
//
//	bench -events 10000000 -only queries
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"
)

// bench is a run.
type bench struct {
	Events int
	Runs   int
	Dir    string
	Data   string
	Firn   string
	only   *regexp.Regexp // nil for all
	used   []string       // folders of runs that are over
	report report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	flag.IntVar(&b.Events, "events", 1_000_000, "generated events")
	flag.IntVar(&b.Runs, "runs", 5, "runs of each side, at least; their median is shown")
	flag.StringVar(&b.Dir, "keep", "", "folder where buckets are kept for the next run; without it they are made anew and removed")
	flag.StringVar(&b.Data, "data", "../../shared/data", "folder with the real data sets, as far as they are there")
	flag.StringVar(&b.Firn, "firn", "../firn", "the program that is measured")
	only := flag.String("only", "", "regular expression of the works to measure (machine, append …, queries of bluesky, …), all without")
	out := flag.String("out", "", "prefix of the files that the report is written to, as .json and .md")
	flag.Parse()
	if *only != "" {
		b.only = regexp.MustCompile(*only)
	}
	if b.Dir == "" {
		dir, err := os.MkdirTemp("", "firn-bench-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b.Dir = dir
	}
	defer b.clean()
	b.report = report{Command: "bench " + strings.Join(os.Args[1:], " "), Date: time.Now().UTC().Format("2 January 2006"), Machine: machine(), live: os.Stderr}
	if err := b.all(ctx); err != nil {
		return err
	}
	if *out != "" {
		if err := b.report.save(*out); err != nil {
			return err
		}
	}
	return b.report.text(os.Stdout)
}

// all measures everything that is wanted.
func (b *bench) all(ctx context.Context) error {
	for _, measure := range []func() error{
		b.limits,
		func() error { return b.ingest(ctx) },
		func() error { return b.single(ctx) },
		func() error { return b.appendRemotely(ctx) },
		func() error { return b.askCold(ctx) },
		func() error { return b.mixed(ctx) },
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	for _, s := range append([]set{generated(b.Events)}, realSets(b.Data)...) {
		if err := b.queries(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// scratch makes a folder for one run of one side. It is removed when all is
// measured: file systems look for a place for a new file for longer, up to
// milliseconds on ext4 without a journal, while many were deleted just before.
func (b *bench) scratch(name string) (string, error) {
	dir, err := os.MkdirTemp(b.Dir, name+"-*")
	b.used = append(b.used, dir)
	return dir, err
}

// clean removes what [bench.scratch] made.
func (b *bench) clean() {
	for _, dir := range b.used {
		_ = os.RemoveAll(dir)
	}
}

// wanted reports whether a work is to be measured.
func (b *bench) wanted(work string) bool { return b.only == nil || b.only.MatchString(work) }
