// Package snapshot keeps the state of an instance's table: which data files
// make it up, and up to which position of each shard they hold the log.
//
// Snapshots form a chain, written by compactors. A snapshot names one manifest
// for each event day; a manifest lists that day's data files with statistics.
// Few and small manifests lie in the snapshot itself. In tables of many days, old
// ones share manifests by the month, and in very long ones by the year and so on.
package snapshot

import "github.com/firnlog/firn/layout/event"

// Format is the version of snapshots and manifests that this code writes. A
// reader refuses higher ones.
const Format = 1

// Snapshot is one state of an instance's table. Snapshots are never changed.
type Snapshot struct {
	Format  int          `json:"format"`
	Key     string       `json:"key"`    // its own
	Number  int64        `json:"number"` // 1, 2, 3, …; the state without a snapshot is number 0
	ID      string       `json:"id"`     // of the writer's attempt
	Time    event.Micros `json:"time"`   // by the writer's clock, for people
	Shards  []Shard      `json:"shards,omitempty"`
	Days    []Day        `json:"days,omitempty"`    // by day, oldest first
	Dropped []string     `json:"dropped,omitempty"` // keys that the previous snapshot named and this one does not
	Seal    string       `json:"seal"`
}

// Shard is how far one shard's log is folded.
type Shard struct {
	Shard      int          `json:"shard"`
	Folded     int64        `json:"folded"`               // every commit up to this position is in data files
	Time       event.Micros `json:"time"`                 // of the commit at Folded
	Generation int64        `json:"generation,omitempty"` // the highest generation whose drop commit is folded
	Heads      []Run        `json:"heads,omitempty"`      // newest first: an earlier run's entry wins
	Keys       []Run        `json:"keys,omitempty"`       // likewise
	Erasures   []Erasure    `json:"erasures,omitempty"`   // by position, until some weeks after they are Gone
	// ErasedBefore is the highest position of an erasure that is no longer in
	// Erasures: events of lower positions may be missing because of it.
	ErasedBefore int64 `json:"erased_before,omitempty"`
}

// Erasure is an order to forget events of one shard that were appended before
// it. It lies in the log as a commit, which stays there as long as a snapshot
// names the erasure as one that is not Gone.
type Erasure struct {
	ID       string       `json:"id"`
	Position int64        `json:"position"` // of its commit: it concerns events at lower ones
	Time     event.Micros `json:"time"`     // of its commit
	// Stream is the stream whose events are gone. Empty when single events are
	// redacted: the commit's rows are their streams, sequence numbers and places.
	Stream string `json:"stream,omitempty"`
	// Rewritten is when no data file of the table held its events any more; 0
	// before that. Files that were dropped before are readable by cursors, and
	// are swept, for the grace after it.
	Rewritten event.Micros `json:"rewritten,omitempty"`
	// Gone is when the sweeper had deleted the last object with its events, in
	// store time; 0 before that. The entry then only tells of what was done, for
	// some weeks, and Hash stands in the place of Stream.
	Gone event.Micros `json:"gone,omitempty"`
	Hash string       `json:"hash,omitempty"` // SHA-256 of the stream, 64 hex digits
}

// Run is a set of heads or idempotency keys, in one object or in several, by the
// hash of their names: [Run.Part].
type Run struct {
	Key    string       `json:"key"`             // of its object, and what the keys of several are made from
	Parts  int          `json:"parts,omitempty"` // objects, a power of two; absent for one
	Rows   int64        `json:"rows"`            // of all parts
	Bytes  int64        `json:"bytes"`           // of all parts
	Newest event.Micros `json:"newest"`          // commit time of its newest entry
}

// Day is the data of one UTC day of event time. In a long table old entries are
// of more than one day: their names are what the days' names begin with, and no
// day belongs in two entries.
type Day struct {
	Day      string           `json:"day"`   // 2026-11-22; or 2026-11, 2026, 202 (the years 2020 to 2029), 20, 2
	Count    int              `json:"count"` // of data files
	Rows     int64            `json:"rows"`
	Bytes    int64            `json:"bytes"`
	MinTime  event.Micros     `json:"min_time"`
	MaxTime  event.Micros     `json:"max_time"`
	Types    map[string]int64 `json:"types,omitempty"`    // events by type; absent when these are too many
	Manifest string           `json:"manifest,omitempty"` // key of the manifest; else Files are here
	Files    []File           `json:"files,omitempty"`
}

// Manifest lists the data files of one entry of a snapshot.
type Manifest struct {
	Format int    `json:"format"`
	Key    string `json:"key"` // its own
	Day    string `json:"day"`
	Files  []File `json:"files"`
	Seal   string `json:"seal"`
}

// File is a data file with the statistics that prune it.
type File struct {
	Key         string           `json:"key"`
	Shard       int              `json:"shard"`
	Rows        int64            `json:"rows"`
	Bytes       int64            `json:"bytes"`
	Level       int              `json:"level"` // 0 from a fold, one more by each merge
	MinTime     event.Micros     `json:"min_time"`
	MaxTime     event.Micros     `json:"max_time"`
	MinStream   string           `json:"min_stream"`
	MaxStream   string           `json:"max_stream"`
	MinSequence int64            `json:"min_sequence"`
	MaxSequence int64            `json:"max_sequence"`
	MinPosition int64            `json:"min_position"`
	MaxPosition int64            `json:"max_position"`
	ErasedTo    int64            `json:"erased_to,omitempty"` // every erasure of the shard up to this position was carried out
	Types       map[string]int64 `json:"types,omitempty"`     // events by type; absent when there are more than 64
	Numbers     []Number         `json:"numbers,omitempty"`   // by path: at most 16, of the most values
	End         int64            `json:"end"`                 // behind pages and bloom filters, where indexes and footer begin, in bytes
	EndSum      string           `json:"end_sum"`             // XXH64 of the bytes from End on, 16 hex digits
	Sum         string           `json:"sum"`                 // XXH64 of the whole file, for who reads all of it
}

// MaxTypes bounds the types that statistics count, MaxTypeBytes their names
// together in those of a day.
const (
	MaxTypes     = 64
	MaxTypeBytes = 2 << 10
)
