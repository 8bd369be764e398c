// Command firn is Firn in one binary: the local server, and the commands to
// append, query and compact, against a server or straight on a bucket.
//
//	firn serve --bucket file://./firn-data
//	firn append my-log events.ndjson --server http://127.0.0.1:7480 --create
//	firn query my-log --where 'event_type eq login' --bucket file://./firn-data
//
// The exit status is 0 for success, 1 for a failure, 2 for wrong usage and 3
// when nobody can tell whether something was written.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/firnlog/firn/layout/fault"
)

// The exit statuses beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
	exitUnknown = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:]))
}

// run carries out a command line and returns the exit status.
func run(ctx context.Context, args []string) int {
	var c cli
	parser := kong.Must(&c, kong.Name("firn"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoAppDescFormat: true}),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err := dropEmptyVariables(); err != nil {
		return report(os.Stderr, err)
	}
	parsed, err := parser.Parse(args)
	if err == nil && formats[c.Output] != "" && !strings.HasPrefix(parsed.Command(), "query") {
		err = usage("-o %s is for query", c.Output)
	}
	if err == nil {
		err = parsed.Run(&app{
			globals: c.globals, sources: sourcesOf(parsed), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr})
	}
	return report(os.Stderr, err)
}

// usageError is a command line that cannot be carried out as it is.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// advisedError is an error with a word about how things stand after it.
type advisedError struct {
	error
	advice string
}

func (e *advisedError) Unwrap() error { return e.error }

// report says what went wrong, with its code, and returns the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	status := exitFailure
	kind := fault.KindOf(err)
	text := "firn: " + shownLines(err.Error())
	_, wrong := errors.AsType[*usageError](err)
	parse, unparsed := errors.AsType[*kong.ParseError](err)
	switch {
	case wrong:
		status = exitUsage
	case unparsed:
		status = exitUsage
		text += fmt.Sprintf("\nTry '%s --help'.", commandOf(parse.Context))
	case kind == fault.Unknown:
		status = exitUnknown
		text = fmt.Sprintf("firn: OUTCOME UNKNOWN: %s (%s)", shownLines(err.Error()), kind)
	case kind != fault.Internal:
		text += fmt.Sprintf(" (%s)", kind)
	}
	if advised, ok := errors.AsType[*advisedError](err); ok {
		text += "\n" + advised.advice
	}
	fmt.Fprintln(w, text)
	return status
}

// commandOf names the command as far as it was understood.
func commandOf(ctx *kong.Context) string {
	if ctx != nil {
		if node := ctx.Selected(); node != nil {
			return node.FullPath()
		}
	}
	return "firn"
}
