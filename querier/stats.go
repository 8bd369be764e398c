package querier

import (
	"strconv"
	"sync/atomic"
	"time"
)

// Stats says what a query cost.
type Stats struct {
	FilesConsidered  int64         // data files of the days in question
	FilesRead        int64         // of them, those opened for a scan
	GroupsConsidered int64         // row groups of these files and of commits
	GroupsRead       int64         // of them, those scanned
	RowsScanned      int64         // events in the row groups scanned
	RowsMatched      int64         // events found to match, also by statistics alone
	BytesRead        int64         // of columns of data files, compressed
	TailCommits      int64         // commits that no data file holds yet
	Duration         time.Duration // from the call to the answer
}

// counters are the stats of a query under way.
type counters struct {
	filesConsidered, filesRead, groupsConsidered, groupsRead atomic.Int64
	rowsScanned, rowsMatched, bytesRead, tailCommits         atomic.Int64
}

func (c *counters) stats(since time.Time) Stats {
	return Stats{
		FilesConsidered: c.filesConsidered.Load(), FilesRead: c.filesRead.Load(),
		GroupsConsidered: c.groupsConsidered.Load(), GroupsRead: c.groupsRead.Load(),
		RowsScanned: c.rowsScanned.Load(), RowsMatched: c.rowsMatched.Load(),
		BytesRead: c.bytesRead.Load(), TailCommits: c.tailCommits.Load(), Duration: time.Since(since),
	}
}

// AppendJSON appends the stats as a JSON object.
func (s *Stats) AppendJSON(b []byte) []byte {
	for i, m := range []struct {
		name string
		n    int64
	}{
		{"files_considered", s.FilesConsidered}, {"files_read", s.FilesRead},
		{"groups_considered", s.GroupsConsidered}, {"groups_read", s.GroupsRead},
		{"rows_scanned", s.RowsScanned}, {"rows_matched", s.RowsMatched},
		{"bytes_read", s.BytesRead}, {"tail_commits", s.TailCommits},
	} {
		b = append(b, "{,"[min(i, 1)])
		b = appendQuoted(b, m.name)
		b = strconv.AppendInt(append(b, ':'), m.n, 10)
	}
	b = strconv.AppendFloat(append(b, `,"milliseconds":`...), float64(s.Duration.Microseconds())/1000, 'f', -1, 64)
	return append(b, '}')
}
