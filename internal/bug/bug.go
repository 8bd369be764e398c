// Package bug names the classic mistakes of logs on object storage, so that the
// simulation can show that it would find them.
//
// The code asks [In] at the places where a mistake could be made. In a program
// built as usual the answer is a constant false and costs nothing; tests built
// with the tag planted choose one to make (Plant).
package bug

// Bug is a mistake.
type Bug int

// The mistakes, by what is done wrong.
const (
	None Bug = iota // no mistake

	// Rule 1 of chains, one's own id first.
	IDNotCompared // a slot that is taken counts as another's, without a look at its id
	IDOnlyOn412   // likewise where the slot is found taken after an attempt without an answer
	BlindRetry    // an append without an answer is written again, at the next position

	// Rule 2, unknown is its own outcome.
	UnknownIsSuccess  // no answer, and what may stand for none, counts as success
	UnknownIsFailure  // what may have been written is called unwritten
	ConflictIsSuccess // a 409 counts as success
	ConflictIsTaken   // a 409 counts as a slot that another has

	// Rule 3, the past stays occupied.
	TrustSlowWriter // a commit counts however late its put was answered
	TrustSlowReader // what is read counts however long ago the snapshot was looked up
	HoleInTail      // likewise, and a list of the tail that has a hole is taken as it is
	SleptRequest    // what was asked for weeks ago is carried out when the process wakes

	// Rule 4, only the sweeper deletes.
	LoserCleansUp    // a compactor deletes what it wrote when its snapshot did not go through
	DeleteFirst      // folded commits are deleted before the snapshot that replaces them is stored
	OrphansByAge     // objects that no snapshot names are swept by their age alone
	GraceOfObjects   // the grace counts from when an object was written, not from when it was dropped
	PredecessorFirst // a snapshot is deleted once it is replaced, before what its successor dropped
	CatalogSwept     // the catalog's newest state is swept when it is old
	EditUnchecked    // an edit is applied to a snapshot that does not name its inputs any more

	// Rule 5, clocks decide nothing but ages.
	OwnTime      // a commit bears its writer's time, also when the commit before it is later
	WrongClock   // a writer whose clock is wrong goes on
	ExpireByOwn  // a compactor drops what is expired by its own clock
	EarlyExpired // a file is dropped when its oldest event is expired

	// Promises 1 to 3: visible, numbered, once.
	EarlyAck         // an append is answered before its commit is stored
	ViewFromMemory   // a view ends where its process knows the log to end
	StaleHeads       // a loser goes on with the heads that it knew
	HeadsForgotten   // folding does not keep the streams' last numbers
	RefuseFromMemory // conflicts are answered from old knowledge
	KeysForgotten    // folding does not keep idempotency keys
	OtherBody        // a key is answered for another body, too

	// Promises 4 and 5: atomic, one point.
	SplitBatch   // each event of a batch is appended by itself
	CountedTwice // the last commit that was folded is read as tail, too
	CursorMoves  // a cursor reads the log as it is now

	// Promises 7 to 9: retention, open files, one primitive.
	HiddenComesBack // a longer retention shows again what the shorter one hid
	WrongDay        // events of other days are folded into a day's file
	PlainPut        // objects of chains are put without a condition

	// Erasures.
	FoldUnmasked   // what is erased is folded with the rest
	TailUnmasked   // what is erased is read from the log's tail
	CursorUnmasked // a cursor shows what was erased since its point
	TotalsOfErased // a file that holds what is erased is answered from totals
	OrderForgotten // folding does not keep the order
	OrderSwept     // the order's commit is swept with the folded ones
	RewrittenEarly // the order counts as carried out when the first file is rewritten
	GoneEarly      // the order counts as done to the last byte before the sweep
	HeadsErased    // folding does not keep the last number of a stream that is erased
	ErasedLater    // what is appended after the order is erased, too

	// The lives of an instance.
	EarlierSettings // settings of an earlier life are trusted
	DropMisses      // only the first shard gets a drop commit
	EarlierLife     // an append to an earlier life is accepted

	// Those of the folder store, which its own tests find.
	DirectoryNotSynced // a put is answered before its directory is synced
	FileNotSynced      // a file gets its name before its content is synced
	UnsyncedShown      // an entry is shown though its directory may not be synced
	ParentNotSynced    // the entry of a new directory is not synced in its parent
	numBugs
)

// All returns every mistake but None and those of the folder.
func All() []Bug { return between(None+1, DirectoryNotSynced) }

// OfFolder returns the mistakes of the folder store.
func OfFolder() []Bug { return between(DirectoryNotSynced, numBugs) }

// between returns the mistakes from first up to before end.
func between(first, end Bug) []Bug {
	var all []Bug
	for b := first; b < end; b++ {
		all = append(all, b)
	}
	return all
}

var names = [numBugs]string{"none", "id not compared", "id only on 412", "blind retry", "unknown is success", "unknown is failure", "conflict is success", "conflict is taken",
	"trust slow writer", "trust slow reader", "hole in tail", "slept request", "loser cleans up", "delete first", "orphans by age", "grace of objects",
	"predecessor first", "catalog swept", "edit unchecked", "own time", "wrong clock", "expire by own clock", "early expired", "early acknowledgement",
	"view from memory", "stale heads", "heads forgotten", "refuse from memory", "keys forgotten", "other body", "split batch", "counted twice",
	"cursor moves", "hidden comes back", "wrong day", "plain put", "fold unmasked", "tail unmasked", "cursor unmasked",
	"totals of erased", "order forgotten", "order swept", "rewritten early", "gone early", "heads erased", "erased later", "earlier settings", "drop misses shards", "earlier life",
	"directory not synced", "file not synced", "unsynced entry shown", "parent not synced"}

// String returns the mistake in words.
func (b Bug) String() string { return names[b] }
