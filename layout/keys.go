// Package layout says what lies where in a bucket: the names of all objects.
//
// Its packages, from the ground up: store holds objects, chain numbers them,
// seal guards them, segment is the Parquet form of events; catalog, snapshot
// and commitlog are the three chains that make up an event log. FORMAT.md
// describes all of it for readers of other programs.
package layout

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Catalog is the prefix of the catalog's chain.
const Catalog = "catalog/"

// Root is the prefix of everything that belongs to an instance.
func Root(instance string) string { return "instances/" + instance + "/" }

// Log is the prefix of a shard's chain of commits.
func Log(instance string, shard int) string { return Root(instance) + "log/" + Shard(shard) + "/" }

// Commit is the key of a commit. Its number is written so that keys sort from
// the oldest to the newest.
func Commit(instance string, shard int, position int64) string {
	return fmt.Sprintf("%s%020d.parquet", Log(instance, shard), position)
}

// ParseCommit returns the position in a commit's key.
func ParseCommit(key string) (int64, bool) {
	digits, ok := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], ".parquet")
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && n > 0
}

// Snapshots is the prefix of an instance's chain of snapshots.
func Snapshots(instance string) string { return Root(instance) + "snapshots/" }

// topDescending is 10^19, from which the numbers of newest-first chains count down.
const topDescending uint64 = 1e19

// Descending is the key of object n of a chain at prefix whose keys sort from
// the newest to the oldest, so that listing one key finds the newest.
func Descending(prefix string, n int64) string {
	return fmt.Sprintf("%s%019d.json", prefix, topDescending-uint64(n))
}

// ParseDescending returns the number in a key made by [Descending].
func ParseDescending(key string) (int64, bool) {
	digits, ok := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], ".json")
	if !ok || len(digits) != 19 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n < topDescending-math.MaxInt64 {
		return 0, false
	}
	return int64(topDescending - n), true
}

// Manifests is the prefix of an instance's manifests.
func Manifests(instance string) string { return Root(instance) + "manifests/" }

// NewManifest is a fresh key for a manifest.
func NewManifest(instance string) string { return Manifests(instance) + unique() + ".json" }

// Heads and Keys are the prefixes of an instance's runs, over all shards.
func Heads(instance string) string { return Root(instance) + "heads/" }

// Keys is the prefix of the runs of idempotency keys, over all shards.
func Keys(instance string) string { return Root(instance) + "keys/" }

// NewHeads is a fresh key for a run of heads.
func NewHeads(instance string, shard int) string {
	return Heads(instance) + Shard(shard) + "/" + unique() + ".parquet"
}

// NewKeys is a fresh key for a run of idempotency keys.
func NewKeys(instance string, shard int) string {
	return Keys(instance) + Shard(shard) + "/" + unique() + ".parquet"
}

// RunPart is the key of part i of a run that is cut into several.
func RunPart(run string, i int) string {
	return fmt.Sprintf("%s-%04d.parquet", strings.TrimSuffix(run, ".parquet"), i)
}

// Data is the prefix of an instance's data files.
func Data(instance string) string { return Root(instance) + "data/" }

// NewData is a fresh key for a data file of a day (2026-11-22) and shard.
func NewData(instance, day string, shard int) string {
	return Data(instance) + "day=" + day + "/" + Shard(shard) + "/" + unique() + ".parquet"
}

// Shard is a shard as keys write it, such as shard=007.
func Shard(shard int) string { return fmt.Sprintf("shard=%03d", shard) }

// unique returns a name that no other writer uses.
func unique() string { return uuid.NewString() }
