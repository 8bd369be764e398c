package querier

// The limits of queries. What exceeds one is answered with an error of kind
// Limit that says what to do, except where it says Invalid here.
const (
	// DefaultLimit is how many events a page has when the query does not say.
	DefaultLimit = 1_000
	// MaxLimit bounds the events of a page.
	MaxLimit = 10_000
	// MaxOffset bounds offset + limit. Cursors go further.
	MaxOffset = 100_000
	// MaxPageBytes is where a page ends early, with a cursor for the rest: the
	// page ends with the event that goes beyond it.
	MaxPageBytes = 32 << 20
	// MaxMemory bounds what a query holds, in bytes, for its groups, its
	// collected values and the order of its events. Row groups under scan, and
	// up to 64 MiB of such that the page needs again, come on top.
	MaxMemory = 256 << 20
	// MaxGroups bounds the groups of a reduction.
	MaxGroups = 100_000
	// MaxCollect bounds the values that collect returns, over all groups.
	MaxCollect = 100_000

	// MaxQueryBytes bounds a query's JSON text (Invalid).
	MaxQueryBytes = 1 << 20
	// MaxConditions bounds the conditions of where (Invalid).
	MaxConditions = 100
	// MaxList bounds the values of one in (Invalid).
	MaxList = 10_000
	// MaxSelect bounds the fields of select (Invalid).
	MaxSelect = 100
	// MaxOrders bounds the fields of orderBy (Invalid).
	MaxOrders = 4
	// MaxGroupBy bounds the fields of groupBy (Invalid).
	MaxGroupBy = 8
	// MaxField bounds the name of a field, in bytes (Invalid).
	MaxField = 1_024
	// MaxDepth bounds the segments of a path (Invalid).
	MaxDepth = 32
	// keptBytes bounds the columns that are kept from the scan for the page.
	keptBytes = 64 << 20
	// MaxCursor bounds a cursor, in bytes. It holds the last event's values of
	// the orderBy fields.
	MaxCursor = 128 << 10
)
