//go:build unix

package store

import (
	"bytes"
	"cmp"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"time"
)

// node is a file or a directory, beside what a crash would leave of it.
type node struct {
	id    int // in the order of their making, which is that of everything drawn
	links int // its names

	now, kept version // of a file: as it is, and as it was synced

	entries  map[string]*node // of a directory; nil for a file
	durable  map[string]*node // as they were synced
	unsynced []change         // what was done to them since
}

// version is the content of a file.
type version struct {
	data     []byte
	modified time.Time
}

// change is an entry made, replaced or, with no node, removed.
type change struct {
	name string
	node *node
}

func newFile(id int) *node { return &node{id: id, now: version{modified: time.Now()}} }

func newDir(id int) *node {
	return &node{id: id, entries: map[string]*node{}, durable: map[string]*node{}}
}

// set changes an entry of a directory; nil removes it.
func (n *node) set(name string, child *node) {
	if old := n.entries[name]; old != nil {
		old.links--
	}
	if child != nil {
		child.links++
		n.entries[name] = child
	} else {
		delete(n.entries, name)
	}
	n.unsynced = append(n.unsynced, change{name, child})
}

// names returns the names in a directory.
func (n *node) names() []string {
	return slices.SortedFunc(maps.Keys(n.entries), func(a, b string) int {
		return cmp.Or(cmp.Compare(n.entries[a].id, n.entries[b].id), cmp.Compare(a, b))
	})
}

// sync makes a file's content, or a directory's entries, durable.
func (n *node) sync() {
	n.kept = version{slices.Clone(n.now.data), n.now.modified}
	for _, c := range n.unsynced {
		if c.node != nil {
			n.durable[c.name] = c.node
		} else {
			delete(n.durable, c.name)
		}
	}
	n.unsynced = nil
}

// Crash cuts the power and returns the disk as it is found after that: what was
// synced, and of the rest whatever chance leaves.
//
// Each entry is as it was synced or as any change since left it, whatever
// becomes of the others, so that a rename may be done by half. Content that was
// not synced is there, absent, cut off, zeros or garbage, block by block. A
// directory without an entry takes all that is in it along.
func (d *Disk) Crash(rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	after := &Disk{rng: rng, nodes: d.nodes}
	after.root = survivor(rng, d.root, map[*node]*node{})
	return after
}

// survivor returns what a crash leaves of a node. Those done already are in
// made: a file may have several names.
func survivor(rng *rand.Rand, n *node, made map[*node]*node) *node {
	if m := made[n]; m != nil {
		return m
	}
	if n.entries == nil {
		m := newFile(n.id)
		m.now = spoilt(rng, n.kept, n.now)
		m.sync()
		made[n] = m
		return m
	}
	m := newDir(n.id)
	made[n] = m
	chosen := &node{entries: chosenEntries(rng, n)}
	for _, name := range chosen.names() {
		m.set(name, survivor(rng, chosen.entries[name], made))
	}
	m.sync()
	return m
}

// chosenEntries draws which of its states since the sync each entry has.
func chosenEntries(rng *rand.Rand, n *node) map[string]*node {
	chosen := maps.Clone(n.durable)
	states := map[string][]*node{}
	var order []string
	for _, c := range n.unsynced {
		if states[c.name] == nil {
			states[c.name] = []*node{n.durable[c.name]}
			order = append(order, c.name)
		}
		states[c.name] = append(states[c.name], c.node)
	}
	for _, name := range order {
		if child := states[name][rng.IntN(len(states[name]))]; child != nil {
			chosen[name] = child
		} else {
			delete(chosen, name)
		}
	}
	return chosen
}

// block is the size, in bytes, of what is written to the disk as a whole: small,
// so that small objects can be torn.
const block = 8

// spoilt draws the content of a file that was synced as kept and is now another.
func spoilt(rng *rand.Rand, kept, now version) version {
	if bytes.Equal(kept.data, now.data) && kept.modified.Equal(now.modified) {
		return kept
	}
	drawn := []version{kept, now}[rng.IntN(2)]
	if bytes.Equal(kept.data, now.data) || rng.IntN(3) == 0 {
		return drawn
	}
	shorter, longer := len(kept.data), len(now.data)
	if shorter > longer {
		shorter, longer = longer, shorter
	}
	data := make([]byte, shorter+rng.IntN(longer-shorter+1)) // zeros
	for at := 0; at < len(data); at += block {
		part := data[at:min(at+block, len(data))]
		switch rng.IntN(4) {
		case 0:
			for i := range part {
				part[i] = byte(rng.Uint32())
			}
		case 1:
			copy(part, kept.data[min(at, len(kept.data)):])
		case 2:
			copy(part, now.data[min(at, len(now.data)):])
		}
	}
	return version{data, drawn.modified}
}

// Names returns the paths of all files.
func (d *Disk) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	var walk func(n *node, below string)
	walk = func(n *node, below string) {
		for _, name := range n.names() {
			if child := n.entries[name]; child.entries != nil {
				walk(child, path.Join(below, name))
			} else {
				all = append(all, path.Join(below, name))
			}
		}
	}
	walk(d.root, "")
	return all
}
