package front

import (
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Limits are the bounds that whoever runs Firn may set: by --limit of firn serve,
// or FIRN_LIMITS, each under the name of [Limits.table]. A zero is the default.
// docs/limits.md has all limits, those that cannot be set, too.
type Limits struct {
	Body         int64 // bytes of an append as sent
	Decompressed int64 // bytes of an append after decompression
	Event        int64 // bytes of one event
	Batch        int64 // events of one request
	Depth        int64 // levels of nesting of a payload, and of metadata

	Page         int64 // bytes of events of a page, which then ends early
	Queries      int64 // that run at once
	QueryMemory  int64 // bytes that a query holds for groups, values and order
	QuerySeconds int64 // from the call to the answer
	QueryGroups  int64 // that a query makes
	QueryRows    int64 // events that a query scans
	QueryBytes   int64 // of data files that a query reads

	Memory      int64 // bytes of requests that are being taken in at once
	Answers     int64 // bytes of answers to queries that are not written yet
	Tails       int64 // live tails that are open
	CallerTails int64 // those of one caller
}

// What a query may do where nothing is said: as long as a request lasts, and as
// much as no one asks for by mistake.
const (
	DefaultQuerySeconds = 900
	DefaultQueryRows    = 10_000_000_000
	DefaultQueryBytes   = 1 << 40
)

// limit is a row of the table: what a limit is where nothing is said, and the
// most that it may be.
type limit struct {
	name      string
	value     *int64
	def, most int64
}

// limits are the rows of the table.
type limits []limit

// find returns the row of a name, nil for none.
func (t limits) find(name string) *limit {
	for i := range t {
		if t[i].name == name {
			return &t[i]
		}
	}
	return nil
}

func (t limits) names() string {
	all := make([]string, len(t))
	for i, row := range t {
		all[i] = row.name
	}
	return strings.Join(all, ", ")
}

// huge stands for no bound but the machine's.
const huge = 1 << 50

// table has all limits by their names. Those of what comes from outside can be
// lowered only: formats and parsers are made for what is the default here.
func (l *Limits) table() limits {
	return limits{
		{"body", &l.Body, MaxBody, MaxBody},
		{"decompressed", &l.Decompressed, MaxDecompressed, MaxDecompressed},
		{"event", &l.Event, event.MaxEventBytes, event.MaxEventBytes},
		{"batch", &l.Batch, event.MaxBatch, event.MaxBatch},
		{"depth", &l.Depth, event.MaxDepth, event.MaxDepth},
		{"page", &l.Page, querier.MaxPageBytes, querier.MaxPageBytes},
		{"queries", &l.Queries, MaxQueries, huge},
		{"query-memory", &l.QueryMemory, querier.MaxMemory, huge},
		{"query-seconds", &l.QuerySeconds, DefaultQuerySeconds, 86400},
		{"query-groups", &l.QueryGroups, querier.MaxGroups, 100_000_000},
		{"query-rows", &l.QueryRows, DefaultQueryRows, huge},
		{"query-bytes", &l.QueryBytes, DefaultQueryBytes, huge},
		{"memory", &l.Memory, DefaultMemory, huge},
		{"answers", &l.Answers, DefaultAnswers, huge},
		{"tails", &l.Tails, MaxTails, huge},
		{"caller-tails", &l.CallerTails, DefaultCallerTails, huge},
	}
}

// ParseLimits reads limits as they are set, each NAME=VALUE. A value is a number,
// with KB, MB or GB behind it where that is meant.
func ParseLimits(texts []string) (Limits, error) {
	var l Limits
	table := l.table()
	for _, text := range texts {
		name, value, _ := strings.Cut(strings.TrimSpace(text), "=")
		at := table.find(name)
		if at == nil {
			return l, fault.New(fault.Invalid, "%q is no limit: write NAME=VALUE, such as batch=1000; names are %s", shorten(text), table.names())
		}
		n, err := parseAmount(value)
		if err != nil || n < 1 || n > at.most {
			return l, fault.New(fault.Invalid, "the limit %s is a number from 1 to %d, not %q", name, at.most, shorten(value))
		}
		*at.value = n
	}
	return l, nil
}

// parseAmount reads 1000, 64KB, 8MB or 1GB, in powers of 1,024.
func parseAmount(text string) (int64, error) {
	for i, unit := range []string{"KB", "MB", "GB"} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseInt(number, 10, 32)
			return n << (10 * (i + 1)), err
		}
	}
	return strconv.ParseInt(text, 10, 64)
}

// orDefaults returns the limits with nothing left open.
func (l Limits) orDefaults() Limits {
	for _, row := range l.table() {
		if *row.value == 0 {
			*row.value = row.def
		}
	}
	return l
}

// Query returns what bounds queries, for [querier.Engine.WithLimits].
func (l Limits) Query() querier.Limits {
	return querier.Limits{Time: time.Duration(l.QuerySeconds) * time.Second, Memory: l.QueryMemory, Groups: int(l.QueryGroups), Rows: l.QueryRows, Bytes: l.QueryBytes, Page: int(l.Page)}
}

// checkBatch returns an error unless the events of a request are within the
// limits. Decoders hold the highest ones; this is for those that are set lower.
func (l *Limits) checkBatch(events []event.Event) error {
	if int64(len(events)) > l.Batch {
		return fault.New(fault.Limit, "the request has %d events, the limit is %d", len(events), l.Batch)
	}
	for i := range events {
		if err := l.CheckEvent(&events[i]); err != nil {
			return fault.Wrap(err, "events[%d]", i)
		}
	}
	return nil
}

// CheckEvent returns an error of kind Limit or Invalid unless an event that was
// decoded is within the limits.
func (l *Limits) CheckEvent(e *event.Event) error {
	if l.Event < event.MaxEventBytes {
		if n := int64(e.Size()); n > l.Event {
			return fault.New(fault.Limit, "the event has %d bytes, the limit is %d", n, l.Event)
		}
	}
	if l.Depth < event.MaxDepth && (event.Nests(e.Payload, int(l.Depth)) || event.Nests(e.Metadata, int(l.Depth))) {
		return fault.New(fault.Invalid, "the event's payload or metadata is nested deeper than %d levels", l.Depth)
	}
	return nil
}
