package querier

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/firnlog/firn/layout/segment"
)

// Stats says what a query cost.
type Stats struct {
	FilesConsidered  int64         // data files of the days in question
	FilesRead        int64         // of them, those opened for a scan
	GroupsConsidered int64         // row groups of these files and of commits
	GroupsRead       int64         // of them, those scanned
	PagesConsidered  int64         // pages of conditions' columns whose statistics were looked at
	PagesRead        int64         // of them, those that may hold a match
	RowsScanned      int64         // events in what was scanned
	RowsMatched      int64         // events found to match, also by statistics alone
	BytesRead        int64         // of data files: of columns, compressed, and of footers and filters that were not in memory
	Requests         int64         // reads of data files: of these
	TailCommits      int64         // commits that no data file holds yet
	Shares           int64         // parts of the work that were spread over workers, this process among them
	SharesHere       int64         // of them, those done in this process
	SharesResent     int64         // how often one was sent again, since its answer was lost
	Duration         time.Duration // from the call to the answer

	Detail *Detail // nil unless the query asks to explain
}

// Detail says how a query was answered.
type Detail struct {
	RowsCounted     int64 // matches that statistics answered: of manifests, files or row groups
	FilteredGroups  int64 // row groups that bloom filters ruled out
	ByColumn        int64 // conditions on paths that a column answered, one for each row group
	ByJSON          int64 // and those that took the JSON
	ByFilter        int64 // of the latter, those on texts of which filters left some rows, or none
	BytesConsidered int64 // what the files that were considered take
	RowsConsidered  int64 // events of these files and of commits
	Requests        int64 // reads that were needed of data files, those that memory made needless among them

	Pin   time.Duration // finding the point to read at
	Open  time.Duration // ruling out files by statistics and opening others, where shares are not spread
	Scan  time.Duration // reading row groups, beside which parts are merged
	Merge time.Duration // of Scan, merging parts
	Page  time.Duration // reading the page's events, or putting groups in order

	Workers map[string]int64 // shares by the process that did them; "" is this one
}

// counters are the stats of a query under way.
type counters struct {
	filesConsidered, filesRead, groupsConsidered, groupsRead atomic.Int64
	pagesConsidered, pagesRead, rowsScanned, rowsMatched     atomic.Int64
	tailCommits                                              atomic.Int64
	reads                                                    segment.Reads
	rowsCounted, filteredGroups, byColumn, byJSON, byFilter  atomic.Int64
	bytesConsidered, rowsConsidered                          atomic.Int64
	open, merge                                              atomic.Int64 // in nanoseconds
	shares, sharesHere, sharesResent                         atomic.Int64
}

func (c *counters) stats(since time.Time) Stats {
	return Stats{
		FilesConsidered: c.filesConsidered.Load(), FilesRead: c.filesRead.Load(),
		GroupsConsidered: c.groupsConsidered.Load(), GroupsRead: c.groupsRead.Load(),
		PagesConsidered: c.pagesConsidered.Load(), PagesRead: c.pagesRead.Load(),
		RowsScanned: c.rowsScanned.Load(), RowsMatched: c.rowsMatched.Load(), BytesRead: c.reads.Bytes.Load(),
		Requests: c.reads.Requests.Load(), TailCommits: c.tailCommits.Load(),
		Shares: c.shares.Load(), SharesHere: c.sharesHere.Load(), SharesResent: c.sharesResent.Load(), Duration: time.Since(since),
	}
}

func (c *counters) detail() *Detail {
	return &Detail{RowsCounted: c.rowsCounted.Load(), FilteredGroups: c.filteredGroups.Load(),
		ByColumn: c.byColumn.Load(), ByJSON: c.byJSON.Load(), ByFilter: c.byFilter.Load(), BytesConsidered: c.bytesConsidered.Load(), RowsConsidered: c.rowsConsidered.Load(),
		Requests: c.reads.Requests.Load() + c.reads.Spared.Load(),
		Open:     time.Duration(c.open.Load()), Merge: time.Duration(c.merge.Load())}
}

// figure is a number with its name.
type figure struct {
	name string
	n    int64
}

// AppendJSON appends the stats as a JSON object.
func (s *Stats) AppendJSON(b []byte) []byte {
	b = appendFigures(append(b, '{'), []figure{
		{"files_considered", s.FilesConsidered}, {"files_read", s.FilesRead},
		{"groups_considered", s.GroupsConsidered}, {"groups_read", s.GroupsRead},
		{"pages_considered", s.PagesConsidered}, {"pages_read", s.PagesRead},
		{"rows_scanned", s.RowsScanned}, {"rows_matched", s.RowsMatched},
		{"bytes_read", s.BytesRead}, {"requests", s.Requests}, {"tail_commits", s.TailCommits},
	})
	if s.Shares > 0 {
		b = appendFigures(b, []figure{{"shares", s.Shares}, {"shares_here", s.SharesHere}, {"shares_resent", s.SharesResent}})
	}
	if d := s.Detail; d != nil {
		b = appendFigures(append(b, `"explain":{`...), []figure{
			{"rows_counted", d.RowsCounted}, {"filtered_groups", d.FilteredGroups},
			{"conditions_by_column", d.ByColumn}, {"conditions_by_json", d.ByJSON}, {"conditions_by_filter", d.ByFilter}, {"bytes_considered", d.BytesConsidered},
			{"rows_considered", d.RowsConsidered}, {"requests_considered", d.Requests},
		})
		if len(d.Workers) > 0 {
			b = append(d.appendWorkers(append(b, `"workers":{`...)), `},`...)
		}
		b = appendMilliseconds(b, "pin_milliseconds", d.Pin)
		b = appendMilliseconds(append(b, ','), "open_milliseconds", d.Open)
		b = appendMilliseconds(append(b, ','), "scan_milliseconds", d.Scan)
		b = appendMilliseconds(append(b, ','), "merge_milliseconds", d.Merge)
		b = append(appendMilliseconds(append(b, ','), "page_milliseconds", d.Page), `},`...)
	}
	return append(appendMilliseconds(b, "milliseconds", s.Duration), '}')
}

// appendWorkers appends the members of the object that says who did how many shares.
func (d *Detail) appendWorkers(b []byte) []byte {
	for i, name := range slices.Sorted(maps.Keys(d.Workers)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(appendQuoted(b, cmp.Or(name, "here")), ':'), d.Workers[name], 10)
	}
	return b
}

// appendFigures appends members, each with a comma behind it.
func appendFigures(b []byte, all []figure) []byte {
	for _, f := range all {
		b = append(strconv.AppendInt(append(appendQuoted(b, f.name), ':'), f.n, 10), ',')
	}
	return b
}

func appendMilliseconds(b []byte, name string, d time.Duration) []byte {
	return strconv.AppendFloat(append(appendQuoted(b, name), ':'), float64(d.Microseconds())/1000, 'f', -1, 64)
}
