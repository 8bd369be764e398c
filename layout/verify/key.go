package verify

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout"
)

// form is what a key below an instance's prefix stands for.
type form int

const (
	foreign form = iota
	aCommit
	aSnapshot
	aManifest
	aHeads
	aKeys
	aData
)

// place is what a key says about its object.
type place struct {
	form   form
	shard  int    // of commits, runs and data files
	day    string // of data files
	number int64  // position of commits, number of snapshots
}

const unique = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// keyForm matches what stands behind instances/<id>/, see FORMAT.md.
var keyForm = regexp.MustCompile(`^(?:(log)/shard=(\d{3})/\d{20}\.parquet` +
	`|(snapshots)/\d{19}\.json|(manifests)/` + unique + `\.json` +
	`|(heads|keys)/shard=(\d{3})/` + unique + `(?:-\d{4})?\.parquet` +
	`|(data)/day=(-?\d{4,}-\d\d-\d\d)/shard=(\d{3})/` + unique + `\.parquet)$`)

// parseKey reads a key of the instance with the id.
func parseKey(id, key string) place {
	rest, ok := strings.CutPrefix(key, layout.Root(id))
	m := keyForm.FindStringSubmatch(rest)
	if !ok || m == nil {
		return place{}
	}
	p := place{shard: digits(m[2] + m[6] + m[9]), day: m[8]}
	switch m[1] + m[3] + m[4] + m[5] + m[7] {
	case "log":
		p.form = aCommit
		p.number, ok = layout.ParseCommit(key)
	case "snapshots":
		p.form = aSnapshot
		p.number, ok = layout.ParseDescending(key)
		ok = ok && p.number > 0
	case "manifests":
		p.form = aManifest
	case "heads":
		p.form = aHeads
	case "keys":
		p.form = aKeys
	case "data":
		p.form = aData
	}
	if !ok || p.shard > 255 {
		return place{}
	}
	return p
}

// inChain reports whether a foreign key lies where Firn lists a chain, which
// it cannot go on with.
func inChain(id, key string) bool {
	rest := strings.TrimPrefix(key, layout.Root(id))
	return strings.HasPrefix(rest, "log/shard=") || strings.HasPrefix(rest, "snapshots/")
}

func digits(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// cutSegment returns what stands before the first slash, and whether there is one.
func cutSegment(s string) (string, bool) {
	before, _, ok := strings.Cut(s, "/")
	return before, ok
}
