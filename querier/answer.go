package querier

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/firnlog/firn/layout/fault"
)

// The answer to a share is a line of JSON, the head, and behind it what was found
// as an Arrow stream; at its end eight bytes of the XXH64 of all before.

// head is the first line of an answer.
type head struct {
	Format  int     `json:"format"`
	Share   uint64  `json:"share"`             // XXH64 of the share that it answers
	Worker  string  `json:"worker"`            // the process that did it
	Refused refusal `json:"refused,omitempty"` // the share was not done, for a reason that the asker can do something about
	Kind    string  `json:"kind,omitempty"`    // of the error, "" for none
	Error   string  `json:"error,omitempty"`
	Matched int64   `json:"matched"`
	Stats   []int64 `json:"stats,omitempty"` // see counters.all
}

// refusal is why a worker does not do a share, or cannot hand over what it found.
type refusal string

const (
	refusedFormat refusal = "format" // it is of a later version
	refusedSize   refusal = "size"   // the answer is larger than the way back takes
)

// outcome is what a share found: entries, a table or rows, by its task.
type outcome struct {
	matched int64
	entries []entry
	table   *table
	rows    []unitRows
	stats   *counters
	worker  string // "" for this process
}

// unitRows are rows of a row group, numbered within all of it, in ascending order.
type unitRows struct {
	unit *unit
	rows []int32
}

// processName is what this process is called in answers.
var processName = sync.OnceValue(func() string { return uuid.NewString()[:8] })

// Work does a share that another engine over the same instances sent, and returns
// the answer, of at most room bytes. Errors are in the answer. It sends no shares
// of its own.
func (e *Engine) Work(ctx context.Context, body []byte, room int) []byte {
	s, refused, err := readShare(body)
	var r *run
	var out *outcome
	var sources []*source
	if err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(s.Millis)*time.Millisecond)
		defer cancel()
		if r, sources, err = e.accept(ctx, s); err == nil {
			out, err = r.do(ctx, s.Task, sources)
		}
	}
	h := head{Format: shareFormat, Share: xxhash.Sum64(body), Worker: processName(), Refused: refused}
	var found []byte
	if err == nil {
		h.Matched, h.Stats = out.matched, out.stats.list()
		found, err = r.encodeFound(s.Task, out, sources)
	}
	if err == nil && len(found)+headRoom > room {
		h.Refused = refusedSize
		err = fault.New(fault.Limit, "the answer to the share has %d bytes, and %d can be handed over", len(found), room)
	}
	if err != nil {
		h.Kind, h.Error, found = fault.KindOf(err).String(), err.Error(), nil
	}
	return sealAnswer(&h, found)
}

// headRoom is more than a head and the checksum take.
const headRoom = 4 << 10

func sealAnswer(h *head, found []byte) []byte {
	if len(h.Error) > headRoom/4 {
		h.Error = h.Error[:headRoom/4]
	}
	line, err := json.Marshal(h)
	if err != nil {
		panic(err) // numbers and texts always encode
	}
	out := append(append(line, '\n'), found...)
	return binary.LittleEndian.AppendUint64(out, xxhash.Sum64(out))
}

// do finds what a share is to find.
func (r *run) do(ctx context.Context, t task, sources []*source) (*outcome, error) {
	out := &outcome{stats: &r.stats}
	var err error
	if t == taskRows {
		out.rows, err = r.findRows(ctx, sources)
	} else {
		err = r.scanHere(ctx, sources)
	}
	if err != nil {
		return nil, err
	}
	if r.top != nil {
		entries, err := r.top.sorted(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			out.entries = append(out.entries, *e)
		}
	}
	out.matched, out.table = r.matched, r.table
	return out, nil
}

// encodeFound returns what was found as an Arrow stream, nothing for a count.
func (r *run) encodeFound(t task, out *outcome, sources []*source) ([]byte, error) {
	switch t {
	case taskReduce:
		return encodePartial(out.table)
	case taskTop:
		return encodeEntries(out.entries, sources)
	case taskRows:
		return encodeUnits(out.rows, sources)
	}
	return nil, nil
}

// errLost says that there is no answer that can be used, and the share may be sent
// again.
var errLost = errors.New("the answer to a share is lost")

// readHead takes an answer apart. Errors are errLost for what is damaged, or the
// answer to something else.
func readHead(asked uint64, body []byte) (h *head, found []byte, err error) {
	end := len(body) - sumBytes
	if end < 0 || xxhash.Sum64(body[:end]) != binary.LittleEndian.Uint64(body[end:]) {
		return nil, nil, errLost
	}
	line, found, ok := bytes.Cut(body[:end], []byte{'\n'})
	h = &head{}
	if !ok || json.Unmarshal(line, h) != nil || h.Share != asked {
		return nil, nil, errLost
	}
	return h, found, nil
}

// err returns the error that an answer bears.
func (h *head) err() error {
	if h.Kind == "" && h.Refused == "" {
		return nil
	}
	for k := fault.Internal; k <= fault.Denied; k++ {
		if k.String() == h.Kind {
			return fault.New(k, "%s", strings.ToValidUTF8(h.Error, "?"))
		}
	}
	return fault.New(fault.Internal, "%s", strings.ToValidUTF8(h.Error, "?"))
}

// outcome reads what an answer found, for the share of r that went through sources.
func (r *run) outcome(t task, h *head, found []byte, sources []*source) (*outcome, error) {
	out := &outcome{matched: h.Matched, stats: &counters{}, worker: h.Worker}
	out.stats.set(h.Stats)
	var err error
	switch t {
	case taskReduce:
		out.table, err = decodePartial(r.reduce, r.memory, found)
	case taskTop:
		out.entries, err = r.decodeEntries(found, sources)
	case taskRows:
		out.rows, err = r.decodeUnits(found, sources)
	}
	return out, err
}

// all returns the counters in the order in which answers bear them.
func (c *counters) all() []*atomic.Int64 {
	return []*atomic.Int64{&c.filesConsidered, &c.filesRead, &c.groupsConsidered, &c.groupsRead, &c.pagesConsidered, &c.pagesRead,
		&c.rowsScanned, &c.reads.Bytes, &c.reads.Requests, &c.rowsCounted, &c.filteredGroups, &c.byColumn, &c.byJSON, &c.byFilter, &c.reads.Spared}
}

func (c *counters) list() (list []int64) {
	for _, n := range c.all() {
		list = append(list, n.Load())
	}
	return list
}

func (c *counters) set(list []int64) {
	for i, n := range c.all() {
		if i < len(list) {
			n.Store(list[i])
		}
	}
}

// add takes in what another part of the query counted.
func (c *counters) add(o *counters) {
	from := o.all()
	for i, n := range c.all() {
		n.Add(from[i].Load())
	}
}
