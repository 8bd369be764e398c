package verify

import "fmt"

// Report is what a run found.
type Report struct {
	Catalog   int64      `json:"catalog"` // number of the newest state; 0 for an empty bucket
	Instances []Instance `json:"instances"`
	Faults    []Fault    `json:"faults,omitempty"`
	Warnings  []Fault    `json:"warnings,omitempty"` // what an operator may want to know; nothing is wrong by it
}

// OK reports whether there is no fault.
func (r *Report) OK() bool { return len(r.Faults) == 0 }

// Instance counts what an instance holds, deleted ones included. Events and
// streams that a deletion has made void, or that cannot be read, do not count.
type Instance struct {
	ID         string `json:"id"`
	State      string `json:"state"`
	Generation int64  `json:"generation"`
	Snapshot   int64  `json:"snapshot"` // number of the one that was verified, 0 for none
	Events     int64  `json:"events"`   // in table and tail, those included that retention hides
	Streams    int64  `json:"streams"`  // that ever had an event
	Files      int64  `json:"files"`    // data files of the table
	Commits    int64  `json:"commits"`  // of the tail
	Objects    int64  `json:"objects"`  // all below the instance's prefix
	Bytes      int64  `json:"bytes"`    // of these
	Folded     int64  `json:"folded"`   // commits that are folded and not swept yet
	Dropped    int64  `json:"dropped"`  // objects that snapshots dropped and that are not swept yet
	Orphans    int64  `json:"orphans"`  // data files, manifests and runs that no snapshot names
}

// Fault is something that must not be so.
type Fault struct {
	Kind Kind   `json:"kind"`
	Key  string `json:"key"`            // of the object, or a prefix where no single one is to blame
	Text string `json:"text"`           // what is wrong, and what would be right
	More int64  `json:"more,omitempty"` // further ones of the kind and key
}

// Kind classifies faults and warnings.
type Kind string

// The kinds of faults.
const (
	Missing    Kind = "missing"    // an object that is named, or must be there, is not
	Unreadable Kind = "unreadable" // checksums do not match, or the content is not of its form
	Mismatch   Kind = "mismatch"   // what is said of an object is not what it holds
	Misplaced  Kind = "misplaced"  // in another day, shard or key than where it belongs
	Content    Kind = "content"    // a value that no event, commit or setting can have
	Disorder   Kind = "disorder"   // rows, commits or times not in their order
	Gap        Kind = "gap"        // events that must be there are not
	Duplicate  Kind = "duplicate"  // an event, a place, an id or a key that is there twice
	Heads      Kind = "heads"      // heads that are not where their streams end
	Keys       Kind = "keys"       // idempotency keys that are not those of the commits
	Chain      Kind = "chain"      // numbers, generations or states that do not follow each other
	Foreign    Kind = "foreign"    // an object whose key means nothing here
	Versions   Kind = "versions"   // a warning: the bucket keeps what is deleted
	Late       Kind = "late"       // a warning: written by one who slept, behind what was folded or swept; of no effect
)

// findings gathers faults and warnings.
type findings struct{ faults, warnings faultList }

func (f *findings) fault(kind Kind, key, format string, args ...any) {
	f.faults.add(Fault{Kind: kind, Key: key, Text: fmt.Sprintf(format, args...)})
}

func (f *findings) warn(kind Kind, key, format string, args ...any) {
	f.warnings.add(Fault{Kind: kind, Key: key, Text: fmt.Sprintf(format, args...)})
}

// add takes in what another run found.
func (f *findings) add(o *findings) {
	for _, one := range o.faults.list {
		f.faults.add(one)
	}
	for _, one := range o.warnings.list {
		f.warnings.add(one)
	}
}

// faultList holds the first fault of each kind and key, and counts the others.
type faultList struct {
	list []Fault
	at   map[[2]string]int
}

func (l *faultList) add(f Fault) {
	id := [2]string{string(f.Kind), f.Key}
	if i, ok := l.at[id]; ok {
		l.list[i].More += 1 + f.More
		return
	}
	if l.at == nil {
		l.at = map[[2]string]int{}
	}
	l.at[id] = len(l.list)
	l.list = append(l.list, f)
}
