package sim

// kind is a kind of world: who lives in it. Worlds are kept small, so that
// each runs and is judged in milliseconds; a seed's kind follows from the seed.
type kind struct {
	name       string
	appenders  int
	operations int // of each appender
	shards     int // of the instance: one to so many
	compactors int
	sweepers   int
	readers    int  // who pin views, and read pages at the points of earlier ones
	followers  int  // who read the log from a position on
	tails      int  // who read the live tail, for some seconds at a time
	admins     int  // who change settings, or delete the instance and make it again
	dated      bool // events are dated days back, and retention is changed
	lives      bool // the instance is deleted and made again
	clocks     bool // clocks are wrong
	erases     bool // streams are erased, and events redacted, by the admins
}

// kinds are all kinds of worlds.
var kinds = []kind{
	{name: "appends", appenders: 3, operations: 9, shards: 1, compactors: 2},
	{name: "shards", appenders: 3, operations: 8, shards: 3, compactors: 1, sweepers: 1},
	{name: "readers", appenders: 2, operations: 7, shards: 2, compactors: 1, sweepers: 1, readers: 1, followers: 1, tails: 1},
	{name: "settings", appenders: 2, operations: 7, shards: 2, compactors: 1, sweepers: 1, readers: 1, admins: 1, dated: true},
	{name: "lives", appenders: 3, operations: 6, shards: 3, compactors: 2, followers: 1, admins: 2, lives: true},
	{name: "erasures", appenders: 2, operations: 7, shards: 1, compactors: 1, sweepers: 1, readers: 1, admins: 1, erases: true},
	{name: "clocks", appenders: 3, operations: 7, shards: 2, compactors: 2, readers: 1, admins: 1, dated: true, clocks: true},
}

// kindOf returns the kind of a seed's world.
func kindOf(seed uint64) kind { return kinds[seed%uint64(len(kinds))] }
