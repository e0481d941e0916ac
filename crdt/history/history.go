// Package history is the graph of a co-op's records: which are admitted, what
// each has in its past, where devices forked, and what lies beyond a frontier.
//
// Admission is structure only. It is a pure function of a record and its past,
// so its verdict is the same on every node and for ever; whether what a record
// says has any effect is judged elsewhere. The rules are A1 to A8:
//
//	A1  sizes; the body is present and matches, only contents may be hollow
//	A2  strict encoding, seal 0; another version is too new, not refused
//	A3  the record is of our co-op, or is its founding record
//	A4  the device's key and signature are valid
//	A5  seq, prev and parents are well-formed
//	A6  prev and parents are admitted
//	A7  prev is by the same device with seq − 1, and depth is right
//	A8  the device's first record has the device's introduction in its past, or
//	    is itself a device card signed by a root that its past introduces
//
// A1 (sizes), A2 and A5 need nothing but the record: package record holds them.
//
// "Is e in the past of f" takes constant time. Each branch of a device's chain
// has a number; a record keeps, against its prev, which branches it has seen
// further, and every fullEvery records the whole clock. A fork starts a branch.
package history

import (
	"fmt"
	"slices"

	"coop/crdt/record"
)

// Ref is the place of a record in the order in which this node admitted it,
// counted from 0. It means nothing to any other node.
type Ref int32

// None is no record.
const None Ref = -1

// fullEvery bounds how many records a clock look-up walks over.
const fullEvery = 32

// Introduction is what one record says about who a device belongs to.
type Introduction struct {
	Member   record.ID
	Device   record.Key // the device introduced; zero: none
	Root     record.Key // the root key introduced; zero: none
	SignedBy record.Key // if not zero, it counts only where the record's past introduces this root for Member
}

// Rules is what a history needs to be told about kinds.
type Rules struct {
	// Introduces returns what a record introduces, having checked the
	// signatures of its cards. It must depend on the record alone.
	Introduces func(*record.Record) []Introduction
	// Content reports whether records of a kind may be hollow.
	Content func(kind string) bool
}

// Node is what a history tells of one record.
type Node struct {
	ID      record.ID
	Device  record.Key
	Owner   record.ID // the member the device belongs to, as the device's first record had it in its past
	Seq     uint64
	Depth   uint64
	Kind    string
	Prev    Ref
	Parents []Ref // must not be changed
	Time    int64 // unix milliseconds, as the author's clock said
	Hollow  bool
}

// entry says how far a branch has been seen: up to the record with this seq.
type entry struct {
	branch int32
	seq    uint32
}

type node struct {
	id      record.ID
	branch  int32
	seq     uint32
	depth   uint32
	kind    uint32
	hollow  bool
	full    bool // seen is the whole clock, not the difference to prev
	prev    Ref
	parents []Ref
	seen    []entry // sorted by branch; without the record's own branch
	time    int64
}

// branch is an unforked run of one device's records.
type branch struct {
	device record.Key
	owner  record.ID
	from   uint32 // seq of the first record
	refs   []Ref
	clock  []uint32 // of the last record, by branch; may be shorter than the number of branches
}

func (b *branch) tip() Ref { return b.refs[len(b.refs)-1] }

type claim struct {
	ref    Ref
	member record.ID
}

// History is a set of admitted records. It is not safe for concurrent use.
type History struct {
	rules    Rules
	coop     record.ID
	nodes    []node
	byID     map[record.ID]Ref
	branches []*branch
	byDevice map[record.Key][]int32
	heads    map[Ref]struct{}
	devices  map[record.Key][]claim
	roots    map[record.Key][]claim
	kinds    []string
	kindNo   map[string]uint32
}

// Refused says that a record can never be admitted, by which rule and why.
type Refused struct {
	Rule   string // "A1" to "A8"
	Reason string
}

func (e *Refused) Error() string { return e.Reason + " (rule " + e.Rule + " of the protocol)" }

func refuse(rule, format string, args ...any) error {
	return &Refused{rule, fmt.Sprintf(format, args...)}
}

// Missing says that a record cannot be judged before others are there.
type Missing struct{ IDs []record.ID }

func (e *Missing) Error() string {
	return fmt.Sprintf("%d records before it are missing, first %s", len(e.IDs), e.IDs[0].Short())
}

// New returns an empty history. The first record it admits must be a founding
// record; it decides which co-op this is.
func New(rules Rules) *History {
	return &History{
		rules:    rules,
		byID:     map[record.ID]Ref{},
		byDevice: map[record.Key][]int32{},
		heads:    map[Ref]struct{}{},
		devices:  map[record.Key][]claim{},
		roots:    map[record.Key][]claim{},
		kindNo:   map[string]uint32{},
	}
}

// Coop returns the id of the founding record, zeros while there is none.
func (h *History) Coop() record.ID { return h.coop }

// Len returns the number of admitted records.
func (h *History) Len() int { return len(h.nodes) }

// Find returns the place of a record, or None and false.
func (h *History) Find(id record.ID) (Ref, bool) {
	ref, ok := h.byID[id]
	if !ok {
		return None, false
	}
	return ref, true
}

// ID returns the id of an admitted record.
func (h *History) ID(ref Ref) record.ID { return h.nodes[ref].id }

// At returns what is known of an admitted record.
func (h *History) At(ref Ref) Node {
	n := &h.nodes[ref]
	b := h.branches[n.branch]
	return Node{
		ID: n.id, Device: b.device, Owner: b.owner, Seq: uint64(n.seq), Depth: uint64(n.depth),
		Kind: h.kinds[n.kind], Prev: n.prev, Parents: n.parents, Time: n.time, Hollow: n.hollow,
	}
}

// Admit judges a record and, if no rule speaks against it, adds it. It returns
// the record's place and whether it is new. Errors are *Refused, *Missing, or
// wrap record.ErrTooNew; after an error the history is as it was.
func (h *History) Admit(r *record.Record) (ref Ref, fresh bool, err error) {
	if ref, ok := h.byID[r.ID]; ok {
		return ref, false, nil
	}
	if err := h.checkAlone(r); err != nil {
		return None, false, err
	}
	prev, parents, err := h.resolve(r)
	if err != nil {
		return None, false, err
	}
	if err := h.checkPlace(r, prev, parents); err != nil {
		return None, false, err
	}
	owner, err := h.owner(r, prev, parents)
	if err != nil {
		return None, false, err
	}
	return h.add(r, prev, parents, owner), true, nil
}

// checkAlone holds A1, A3 and A4. What is only missing its past comes last: a
// record that waits has a good signature.
func (h *History) checkAlone(r *record.Record) error {
	if r.Hollow && !h.rules.Content(r.Kind) {
		return refuse("A1", "a %s cannot be without its body", r.Kind)
	}
	if len(h.nodes) > 0 && r.CoopID() != h.coop {
		return refuse("A3", "it belongs to the co-op %s, not to %s", r.CoopID().Short(), h.coop.Short())
	}
	if r.Seq == 1 {
		if err := r.Device.Check(); err != nil {
			return refuse("A4", "%v", err)
		}
	}
	if err := r.Verify(); err != nil {
		return refuse("A4", "%v", err)
	}
	if len(h.nodes) == 0 && !r.Founding() {
		return &Missing{[]record.ID{r.Coop}}
	}
	return nil
}

// resolve holds A6.
func (h *History) resolve(r *record.Record) (prev Ref, parents []Ref, err error) {
	var missing []record.ID
	find := func(id record.ID) Ref {
		ref, ok := h.byID[id]
		if !ok {
			missing = append(missing, id)
		}
		return ref
	}
	prev = None
	if r.Seq > 1 {
		prev = find(r.Prev)
	}
	for _, id := range r.Parents {
		parents = append(parents, find(id))
	}
	if missing != nil {
		return None, nil, &Missing{missing}
	}
	return prev, parents, nil
}

// checkPlace holds A7.
func (h *History) checkPlace(r *record.Record, prev Ref, parents []Ref) error {
	depth := uint32(0)
	for _, p := range parents {
		depth = max(depth, h.nodes[p].depth)
	}
	if prev != None {
		p := &h.nodes[prev]
		if h.branches[p.branch].device != r.Device {
			return refuse("A7", "prev is by another device")
		}
		if uint64(p.seq)+1 != r.Seq {
			return refuse("A7", "seq is %d after %d", r.Seq, p.seq)
		}
		depth = max(depth, p.depth)
	}
	if r.Depth != uint64(depth)+1 {
		return refuse("A7", "depth is %d, not %d", r.Depth, depth+1)
	}
	return nil
}

// owner holds A8 and returns the member the device belongs to.
func (h *History) owner(r *record.Record, prev Ref, parents []Ref) (record.ID, error) {
	if prev != None {
		return h.branches[h.nodes[prev].branch].owner, nil
	}
	if c, ok := h.firstClaim(h.devices[r.Device], parents); ok {
		return c.member, nil
	}
	for _, in := range h.rules.Introduces(r) {
		card := in.SignedBy != record.Key{}
		if in.Device == r.Device && (r.Founding() || card && h.counts(in, parents)) {
			return in.Member, nil
		}
	}
	return record.ID{}, refuse("A8", "nothing before it introduces its device %s", r.Device.Short())
}

// firstClaim returns, of the claims in the past of any of the records, the
// first by (depth, id).
func (h *History) firstClaim(claims []claim, past []Ref) (best claim, ok bool) {
	for _, c := range claims {
		seen := slices.ContainsFunc(past, func(p Ref) bool { return h.InPast(c.ref, p) })
		if seen && (!ok || h.Before(c.ref, best.ref)) {
			best, ok = c, true
		}
	}
	return best, ok
}

// counts reports whether an introduction counts in a record with this past.
func (h *History) counts(in Introduction, past []Ref) bool {
	if in.SignedBy == (record.Key{}) {
		return true
	}
	return slices.ContainsFunc(h.roots[in.SignedBy], func(c claim) bool {
		return c.member == in.Member && slices.ContainsFunc(past, func(p Ref) bool { return h.InPast(c.ref, p) })
	})
}

func (h *History) add(r *record.Record, prev Ref, parents []Ref, owner record.ID) Ref {
	ref := Ref(len(h.nodes))
	clock, seen := h.join(prev, parents)
	no := h.branchFor(r, prev, owner)
	b := h.branches[no]
	n := node{
		id: r.ID, branch: no, seq: uint32(r.Seq), depth: uint32(r.Depth), kind: h.kind(r.Kind),
		hollow: r.Hollow, prev: prev, parents: parents, seen: seen, time: r.Time,
	}
	if r.Seq%fullEvery == 0 {
		n.full, n.seen = true, fullClock(clock, no)
	}
	h.nodes = append(h.nodes, n)
	h.byID[r.ID] = ref
	b.refs = append(b.refs, ref)
	b.clock = grow(clock, int(no)+1)
	b.clock[no] = n.seq
	if ref == 0 {
		h.coop = r.ID
	}
	delete(h.heads, prev)
	for _, p := range parents {
		delete(h.heads, p)
	}
	h.heads[ref] = struct{}{}
	h.introduce(r, ref)
	return ref
}

// introduce remembers what a record that was just added introduces.
func (h *History) introduce(r *record.Record, ref Ref) {
	for _, in := range h.rules.Introduces(r) {
		if !h.counts(in, []Ref{ref}) {
			continue
		}
		if in.Device != (record.Key{}) {
			h.devices[in.Device] = append(h.devices[in.Device], claim{ref, in.Member})
		}
		if in.Root != (record.Key{}) {
			h.roots[in.Root] = append(h.roots[in.Root], claim{ref, in.Member})
		}
	}
}

// branchFor returns the branch a record goes on, a new one if it forks or is
// its device's first.
func (h *History) branchFor(r *record.Record, prev Ref, owner record.ID) int32 {
	if prev != None {
		no := h.nodes[prev].branch
		if h.branches[no].tip() == prev {
			return no
		}
	}
	no := int32(len(h.branches))
	h.branches = append(h.branches, &branch{device: r.Device, owner: owner, from: uint32(r.Seq)})
	h.byDevice[r.Device] = append(h.byDevice[r.Device], no)
	return no
}

func (h *History) kind(name string) uint32 {
	no, ok := h.kindNo[name]
	if !ok {
		no = uint32(len(h.kinds))
		h.kinds = append(h.kinds, name)
		h.kindNo[name] = no
	}
	return no
}

// join returns the clock of a record with this prev and these parents, and
// where it moved against the clock of prev. It may use up prev's own clock.
func (h *History) join(prev Ref, parents []Ref) (clock []uint32, moved []entry) {
	if prev != None {
		clock = h.clockOf(prev)
	}
	if len(parents) == 0 {
		return clock, nil
	}
	before := make([]uint32, len(h.branches))
	copy(before, clock)
	clock = grow(clock, len(before))
	for _, p := range parents {
		for no, seq := range h.clockOf(p) {
			clock[no] = max(clock[no], seq)
		}
	}
	for no, seq := range clock {
		if seq > before[no] {
			moved = append(moved, entry{int32(no), seq})
		}
	}
	return clock, moved
}

// clockOf returns the whole clock of a record. That of a tip is the branch's
// own, which only add may change: it replaces it in the same breath.
func (h *History) clockOf(ref Ref) []uint32 {
	n := &h.nodes[ref]
	if b := h.branches[n.branch]; b.tip() == ref {
		return b.clock
	}
	clock := make([]uint32, len(h.branches))
	for at := ref; ; at = h.nodes[at].prev {
		n := &h.nodes[at]
		clock[n.branch] = max(clock[n.branch], n.seq)
		for _, e := range n.seen {
			clock[e.branch] = max(clock[e.branch], e.seq)
		}
		if n.full || n.prev == None {
			return clock
		}
	}
}

func fullClock(clock []uint32, own int32) []entry {
	var full []entry
	for no, seq := range clock {
		if seq > 0 && int32(no) != own {
			full = append(full, entry{int32(no), seq})
		}
	}
	return full
}

func grow(clock []uint32, n int) []uint32 {
	if len(clock) < n {
		clock = append(clock, make([]uint32, n-len(clock))...)
	}
	return clock
}

// InPast reports whether e is in the past of f. A record is in its own past.
func (h *History) InPast(e, f Ref) bool {
	n := &h.nodes[e]
	return h.seen(f, n.branch) >= n.seq
}

// seen returns how far the record f has seen a branch.
func (h *History) seen(f Ref, no int32) uint32 {
	for at := f; at != None; at = h.nodes[at].prev {
		n := &h.nodes[at]
		if n.branch == no {
			return n.seq
		}
		if i, ok := slices.BinarySearchFunc(n.seen, no, func(e entry, no int32) int { return int(e.branch - no) }); ok {
			return n.seen[i].seq
		}
		if n.full {
			return 0
		}
	}
	return 0
}

// Before orders records by (depth, id), which puts a record behind its past.
func (h *History) Before(a, b Ref) bool {
	x, y := &h.nodes[a], &h.nodes[b]
	if x.depth != y.depth {
		return x.depth < y.depth
	}
	return x.id.Compare(y.id) < 0
}
