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
	None             Bug = iota // no mistake
	BlindRetry                  // an append without an answer is written again, at the next position
	IDNotCompared               // a slot that is taken counts as another's, without a look at its id
	PlainPut                    // objects of chains are put without a condition
	EarlyAck                    // an append is answered before its commit is stored
	StaleHeads                  // a loser goes on with the heads that it knew
	LoserCleansUp               // a compactor deletes what it wrote when its snapshot did not go through
	DeleteFirst                 // folded commits are deleted before the snapshot that replaces them is stored
	OrphansByAge                // objects that no snapshot names are swept by their age alone
	GraceOfObjects              // the grace counts from when an object was written, not from when it was dropped
	TrustSlowWriter             // a commit counts however late its put was answered
	TrustSlowReader             // what is read counts however long ago the snapshot was looked up
	KeysForgotten               // folding does not keep idempotency keys
	RefuseFromMemory            // conflicts are answered from old knowledge
	numBugs
)

// All returns every mistake but None.
func All() []Bug {
	var all []Bug
	for b := None + 1; b < numBugs; b++ {
		all = append(all, b)
	}
	return all
}

var names = [numBugs]string{"none", "blind retry", "id not compared", "plain put", "early acknowledgement", "stale heads", "loser cleans up",
	"delete first", "orphans by age", "grace of objects", "trust slow writer", "trust slow reader", "keys forgotten", "refuse from memory"}

// String returns the mistake in words.
func (b Bug) String() string { return names[b] }
