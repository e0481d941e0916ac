package history

import (
	"maps"
	"slices"

	"coop/crdt/record"
)

// Heads returns the records that have no child, sorted by id.
func (h *History) Heads() []Ref {
	return slices.SortedFunc(maps.Keys(h.heads), func(a, b Ref) int { return h.ID(a).Compare(h.ID(b)) })
}

// Tips returns the last record of every device's chain, of every branch of it
// where a device forked, sorted by id: together they are the frontier.
func (h *History) Tips() []Ref {
	tips := make([]Ref, len(h.branches))
	for i, b := range h.branches {
		tips[i] = b.tip()
	}
	slices.SortFunc(tips, func(a, b Ref) int { return h.ID(a).Compare(h.ID(b)) })
	return tips
}

// TipsOf returns the last records of a device: none if it wrote nothing,
// several if it forked.
func (h *History) TipsOf(device record.Key) []Ref {
	var tips []Ref
	for _, no := range h.byDevice[device] {
		tips = append(tips, h.branches[no].tip())
	}
	return tips
}

// Digest is SHA-256 over the sorted ids of all tips: two histories with equal
// digests hold the same records.
func (h *History) Digest() [32]byte {
	var ids []byte
	for _, t := range h.Tips() {
		id := h.ID(t)
		ids = append(ids, id[:]...)
	}
	return record.DomainFrontier.Hash(ids)
}

// Beyond returns the records that are in the past of none of the known ones,
// in the order in which they were admitted, parents first. It costs what it
// returns, not what there is.
func (h *History) Beyond(known []Ref) []Ref {
	clock := make([]uint32, len(h.branches))
	for _, k := range known {
		for no, seq := range h.clockOf(k) {
			clock[no] = max(clock[no], seq)
		}
	}
	var out []Ref
	for no, b := range h.branches {
		if clock[no] < b.from {
			out = append(out, b.refs...)
		} else {
			out = append(out, b.refs[min(int(clock[no]-b.from)+1, len(b.refs)):]...)
		}
	}
	slices.Sort(out)
	return out
}

// Back returns the record n places before ref on its device's chain, or None.
func (h *History) Back(ref Ref, n uint64) Ref {
	for ref != None {
		node := &h.nodes[ref]
		b := h.branches[node.branch]
		if n <= uint64(node.seq-b.from) {
			return b.refs[uint64(node.seq-b.from)-n]
		}
		n -= uint64(node.seq-b.from) + 1
		ref = h.nodes[b.refs[0]].prev
	}
	return None
}

// Fork returns two records that a device wrote into one slot, if it ever did:
// the proof that it, or a thief of its key, lied.
func (h *History) Fork(device record.Key) (a, b Ref, ok bool) {
	branches := h.byDevice[device]
	if len(branches) < 2 {
		return None, None, false
	}
	// The first branch begins at seq 1; the second leaves it, or begins there too.
	first, second := h.branches[branches[0]], h.branches[branches[1]]
	return first.refs[second.from-first.from], second.refs[0], true
}

// IntroducedBy returns the first record, by (depth, id), that introduces the
// device, or None and false.
func (h *History) IntroducedBy(device record.Key) (Ref, bool) { return h.first(h.devices[device]) }

// RootIntroducedBy is IntroducedBy for a root key.
func (h *History) RootIntroducedBy(root record.Key) (Ref, bool) { return h.first(h.roots[root]) }

func (h *History) first(claims []claim) (Ref, bool) {
	best := None
	for _, c := range claims {
		if best == None || h.Before(c.ref, best) {
			best = c.ref
		}
	}
	return best, best != None
}
