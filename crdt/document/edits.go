package document

import (
	"slices"
	"sort"
	"unicode/utf8"

	"coop/crdt/history"
	"coop/crdt/record"
)

// size is what limits count of records.
type size struct{ lenBytes, chars int }

func (s size) plus(other size) size { return size{s.lenBytes + other.lenBytes, s.chars + other.chars} }

func (s size) minus(other size) size { return size{s.lenBytes - other.lenBytes, s.chars - other.chars} }

// sizeOf returns the size of one record.
func sizeOf(body []byte, ops []Op) size {
	s := size{lenBytes: len(body)}
	for i := range ops {
		if ops[i].Verb == VerbSplice {
			s.chars += int(ops[i].Del) + utf8.RuneCountInString(ops[i].Text)
		}
	}
	return s
}

// edit is a record that stands in a document: the one that made it or a later
// one. Edits are named by their place in the order in which they were added.
type edit struct {
	ref   history.Ref
	chain int32
	upTo  size // of its chain up to and including it
}

// chain is a run of edits by one device, each with those before it in its past.
// So what a record has in its past of a chain is a beginning of it.
type chain struct {
	device record.Key
	edits  []int32
}

// clock says how many edits of each chain a version of a document has. A chain
// beyond its end has none.
type clock []int32

func (c clock) of(chain int) int32 {
	if chain < len(c) {
		return c[chain]
	}
	return 0
}

// within reports whether all edits of c are in other.
func (c clock) within(other clock) bool {
	for no, n := range c {
		if n > other.of(no) {
			return false
		}
	}
	return true
}

// join adds the edits of other to c, which has all chains.
func (c clock) join(other clock) {
	for no, n := range other {
		c[no] = max(c[no], n)
	}
}

// count returns the number of edits in c.
func (c clock) count() int {
	n := 0
	for _, of := range c {
		n += int(of)
	}
	return n
}

// edits is the graph of a document's edits.
type edits struct {
	h      *history.History
	all    []edit
	chains []chain
	heads  []int32 // those that no other edit has in its past
	line   bool    // each has all before it in its past: there is nothing to merge
}

func newEdits(h *history.History, created history.Ref, s size) *edits {
	g := &edits{h: h, line: true}
	g.add(created, s)
	return g
}

// add appends an edit whose past is there.
func (g *edits) add(ref history.Ref, added size) {
	at := int32(len(g.all))
	g.heads = slices.DeleteFunc(g.heads, func(e int32) bool { return g.h.InPast(g.all[e].ref, ref) })
	g.line = g.line && len(g.heads) == 0
	g.heads = append(g.heads, at)
	no := g.chainFor(ref)
	c := &g.chains[no]
	if len(c.edits) > 0 {
		added = added.plus(g.all[c.edits[len(c.edits)-1]].upTo)
	}
	c.edits = append(c.edits, at)
	g.all = append(g.all, edit{ref, int32(no), added})
}

// chainFor returns the chain that a record goes on, a new one if there is none.
// A device has one, and one more for each fork of it.
func (g *edits) chainFor(ref history.Ref) int {
	device := g.h.At(ref).Device
	for no, c := range g.chains {
		if c.device == device && g.h.InPast(g.all[c.edits[len(c.edits)-1]].ref, ref) {
			return no
		}
	}
	g.chains = append(g.chains, chain{device: device})
	return len(g.chains) - 1
}

// now is the version with all edits.
func (g *edits) now() clock {
	c := make(clock, len(g.chains))
	for no := range g.chains {
		c[no] = int32(len(g.chains[no].edits))
	}
	return c
}

// seenBy returns the version that a record has in its past; an edit is in its
// own. It costs the number of chains, not that of edits.
func (g *edits) seenBy(ref history.Ref) clock {
	if !slices.ContainsFunc(g.heads, func(e int32) bool { return !g.h.InPast(g.all[e].ref, ref) }) {
		return g.now()
	}
	c := make(clock, len(g.chains))
	for no := range g.chains {
		of := g.chains[no].edits
		c[no] = int32(sort.Search(len(of), func(i int) bool { return !g.h.InPast(g.all[of[i]].ref, ref) }))
	}
	return c
}

// before returns the version that an edit was made on.
func (g *edits) before(e int32) clock {
	c := g.seenBy(g.all[e].ref)
	c[g.all[e].chain]--
	return c
}

// ends returns the last edit of each chain in a version.
func (g *edits) ends(c clock) []int32 {
	var ends []int32
	for no, n := range c {
		if n > 0 {
			ends = append(ends, g.chains[no].edits[n-1])
		}
	}
	return ends
}

// sizeOf returns the size of a version.
func (g *edits) sizeOf(c clock) (s size) {
	for _, e := range g.ends(c) {
		s = s.plus(g.all[e].upTo)
	}
	return s
}

// between returns the edits that are in one version and not in another, in the
// order in which they were added, which has parents first.
func (g *edits) between(from, to clock) []int32 {
	var list []int32
	for no, n := range to {
		if have := from.of(no); have < n {
			list = append(list, g.chains[no].edits[have:n]...)
		}
	}
	slices.Sort(list)
	return list
}

// inLine reports whether each of a list of edits has the one before it in its
// past.
func (g *edits) inLine(list []int32) bool {
	for i := 1; i < len(list); i++ {
		if !g.h.InPast(g.all[list[i-1]].ref, g.all[list[i]].ref) {
			return false
		}
	}
	return true
}

// refs returns the records of edits in the order of history.Before.
func (g *edits) refs(list []int32) []history.Ref {
	refs := make([]history.Ref, len(list))
	for i, e := range list {
		refs[i] = g.all[e].ref
	}
	slices.SortFunc(refs, func(a, b history.Ref) int {
		switch {
		case a == b:
			return 0
		case g.h.Before(a, b):
			return -1
		}
		return 1
	})
	return refs
}
