package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/commitlog"
)

// op is an operation on one stream, as a client sees it.
type op struct {
	stream string
	read   bool                  // else an append
	id     string                // of the append: its events bear it
	n      int                   // events appended
	expect commitlog.Expectation // Any for none
	key    string                // idempotency key, or ""
	stale  bool                  // the key may have been forgotten meanwhile
}

// result is what the client was told.
type result struct {
	kind   resultKind
	first  int64 // sequence number of the append's first event
	actual int64 // where the stream stands: after a conflict, or as read
}

type resultKind int

const (
	done     resultKind = iota
	conflict            // nothing written
	unknown             // nobody can tell
	failed              // surely not written
)

// streamState is the state of a stream in the model: how many events it has
// and what was stored under keys. Its text form makes it comparable.
type streamState struct {
	head int64
	keys string // "key=first;" for each, in order
}

// model says what a stream may do: it is checked against what clients saw.
var model = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byStream := map[string][]porcupine.Operation{}
		for _, o := range history {
			s := o.Input.(op).stream
			byStream[s] = append(byStream[s], o)
		}
		var out [][]porcupine.Operation
		for _, ops := range byStream {
			out = append(out, ops)
		}
		return out
	},
	Init: func() []any { return []any{streamState{}} },
	Step: func(state, input, output any) []any {
		return step(state.(streamState), input.(op), output.(result))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}).ToModel()

// step returns the states that a stream may be in after the operation; none
// when the operation cannot have had that result.
func step(s streamState, o op, r result) []any {
	if o.read {
		if r.actual != s.head {
			return nil
		}
		return []any{s}
	}
	first, used := s.stored(o.key)
	appended := streamState{head: s.head + int64(o.n), keys: s.keys}
	if o.key != "" {
		appended.keys += fmt.Sprintf("%s=%d;", o.key, s.head+1)
	}
	holds := o.expect == commitlog.Any || o.expect == commitlog.Exists && s.head > 0 || int64(o.expect) == s.head
	switch r.kind {
	case done:
		if used && r.first == first {
			return []any{s}
		}
		if (!used || o.stale) && holds && r.first == s.head+1 {
			return []any{appended}
		}
	case conflict:
		if (!used || o.stale) && !holds && r.actual == s.head {
			return []any{s}
		}
	case unknown:
		if (!used || o.stale) && holds {
			return []any{s, appended}
		}
		return []any{s}
	case failed:
		return []any{s}
	}
	return nil
}

// stored returns the sequence number of the first event that was last stored
// under a key.
func (s streamState) stored(key string) (first int64, used bool) {
	if key == "" {
		return 0, false
	}
	for entry := range strings.SplitSeq(s.keys, ";") {
		if k, n, ok := strings.Cut(entry, "="); ok && k == key {
			if i, err := strconv.ParseInt(n, 10, 64); err == nil {
				first, used = i, true
			}
		}
	}
	return first, used
}

// never is the end of an operation whose outcome is unknown.
const never = int64(math.MaxInt64)
