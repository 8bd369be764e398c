// Package cost reckons what Firn costs a month on Amazon Web Services: the
// requests that tests pin, times published prices, plus the time of functions by
// stated assumptions. It is arithmetic and no measured bill. `firn cost` prints
// it, and docs/cost.md shows tables that a test keeps as this package has them.
package cost

// Requests are requests to the object store, by how they are paid.
type Requests struct{ Put, List, Get int64 }

// What operations cost. The tests that pin each of them use these very values.
var (
	// WarmAppend is an append, or many at once in one process, to one shard by a
	// process that knows the shard (layout/commitlog/cost_test.go).
	WarmAppend = Requests{Put: 1}
	// HourlyLook is what the first append of an hour costs beside that, in each
	// process and shard: the newest of the catalog and of the snapshots, and a look
	// behind the log's end (the same).
	HourlyLook = Requests{List: 2, Get: 1}
	// WarmView is what a query costs for each shard before it reads any file, and
	// without a GET for each commit that is new (the same).
	WarmView = Requests{List: 1}
	// IdleRun is a run of the compactor over an instance with nothing to do, in an
	// environment that is warm (functions/compact/cost_test.go).
	IdleRun = Requests{List: 22, Get: 1}
	// FoldStep is what folding adds to a run, beside a GET for each commit: a data
	// file, a run of heads and one of keys, and the snapshot (the same).
	FoldStep = Requests{List: 3, Get: 2, Put: 4}
	// MergeStep is what a merge of MergeFiles files adds (the same).
	MergeStep = Requests{List: 3, Get: 3 * MergeFiles, Put: 2}
	// Question is what a function asks before it has the log compacted, at most once
	// in AskEvery commits (functions/internal/compaction).
	Question = Requests{List: 1, Get: 1}
)

// Sizes of the compactor's steps.
const (
	MergeFiles = 32       // files of one merge
	FoldBytes  = 32 << 20 // of commits in one fold
	AskEvery   = 256      // commits of a shard between two questions
)
