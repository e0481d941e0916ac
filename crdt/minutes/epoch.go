package minutes

import (
	"slices"
	"sort"

	"coop/crdt/history"
	"coop/crdt/record"
)

// block is a block of one epoch.
type block struct {
	ref    history.Ref
	seat   int
	round  int
	before int // the round of prev
	branch int
	at     int   // place in its branch
	seen   []int // of each branch begun before, how many blocks are in the past without b
	leads  *leader
}

// leader is a leader block. Of the blocks that approve or support it, the first
// ones on each branch are kept: what has a later one in its past has those.
type leader struct {
	*block
	wave      int
	approvals []*block
	supports  []*block
	final     bool
	place     int // counted from 1 in what was handed out; 0: was not
	judged    bool
	pred      *leader // once judged
}

// branch is an unforked run of one teller's blocks: of each record's past it
// holds a first part, and its rounds never fall.
type branch struct {
	seat   int
	blocks []*block
}

// epoch counts the blocks of one list of tellers.
type epoch struct {
	h        *history.History
	before   *epoch // nil for epoch 0 and for that of a re-seating
	anchor   history.Ref
	from     history.Ref // the leader of the last batch before: the anchor, but for a re-seating
	tellers  []record.Key
	f, q     int
	lenWave  int
	blocks   map[history.Ref]*block
	branches []*branch
	waves    [][]*leader

	until  record.ID   // the stored anchor of the next epoch, which alone decides; zero: none
	hold   history.Ref // a leader to which what decides must go back; None: it need not
	last   *leader     // the final leader that decides
	handed []*leader

	planned bool      // the two below are up to date
	stay    int       // how many of handed are committed
	ahead   []*leader // committed after these, earliest first
}

func newEpoch(h *history.History, anchor history.Ref, tellers []record.Key) *epoch {
	m := len(tellers)
	e := &epoch{h: h, anchor: anchor, from: anchor, hold: history.None, tellers: slices.Clone(tellers), blocks: map[history.Ref]*block{}}
	e.f = (m - 1) / 3
	e.q = (m+e.f)/2 + 1
	switch {
	case m == 1:
		e.lenWave = 1
	case e.f == 0:
		e.lenWave = 2
	default:
		e.lenWave = 3
	}
	return e
}

func (e *epoch) wave(round int) int { return (round - 1) / e.lenWave }

func (e *epoch) leaderSeat(wave int) int { return wave % len(e.tellers) }

// add counts a record if it is a block. All blocks in its past were added.
func (e *epoch) add(ref history.Ref, n history.Node) {
	seat := slices.Index(e.tellers, n.Device)
	prev := e.blocks[n.Prev]
	if seat < 0 || prev == nil && !e.begun(ref) {
		return
	}
	b := &block{ref: ref, seat: seat}
	if prev != nil {
		b.before = prev.round
	}
	fresh := e.look(b, prev)
	b.round = e.nextRound(func(i int) int { return b.seen[i] })
	if l := e.lead(b); l != nil {
		fresh = append(fresh, l)
	}
	e.place(b, prev)
	e.approve(b, fresh)
	e.support(b)
}

// begun reports whether the past of a record shows that the epoch had begun
// before it.
func (e *epoch) begun(ref history.Ref) bool {
	if ref <= e.anchor || !e.h.InPast(e.anchor, ref) {
		return false
	}
	if e.before == nil {
		return true
	}
	anchor := e.before.leaderOf(e.anchor)
	if anchor == nil {
		return false
	}
	for _, wave := range e.before.waves[anchor.wave:] {
		for _, l := range wave {
			if l.final && e.before.tellersOf(l.supports, ref) >= e.before.q && e.before.goesBack(l, anchor) {
				return true
			}
		}
	}
	return false
}

// leaderOf returns the leader block that a record is, or nil.
func (e *epoch) leaderOf(ref history.Ref) *leader {
	if b := e.blocks[ref]; b != nil {
		return b.leads
	}
	return nil
}

// look finds out which blocks b has in its past, and returns the leaders among
// them that prev does not have.
func (e *epoch) look(b, prev *block) []*leader {
	var fresh []*leader
	b.seen = make([]int, len(e.branches))
	for i, br := range e.branches {
		from := 0
		if prev != nil && i < len(prev.seen) {
			from = prev.seen[i]
		}
		b.seen[i] = from + e.prefix(br.blocks[from:], b.ref)
		for _, c := range br.blocks[from:b.seen[i]] {
			if c.leads != nil {
				fresh = append(fresh, c.leads)
			}
		}
	}
	return fresh
}

// prefix returns how many of the blocks of a branch are in the past of ref. It
// looks at few where there are few.
func (e *epoch) prefix(blocks []*block, ref history.Ref) int {
	reach := 1
	for reach <= len(blocks) && e.h.InPast(blocks[reach-1].ref, ref) {
		reach *= 2
	}
	low := reach / 2
	rest := blocks[low:min(reach, len(blocks))]
	return low + sort.Search(len(rest), func(i int) bool { return !e.h.InPast(rest[i].ref, ref) })
}

// rounds returns the greatest round of each teller's blocks, given how many
// blocks of each branch count.
func (e *epoch) rounds(count func(branch int) int) []int {
	greatest := make([]int, len(e.tellers))
	for i, br := range e.branches {
		if n := count(i); n > 0 {
			greatest[br.seat] = max(greatest[br.seat], br.blocks[n-1].round)
		}
	}
	return greatest
}

// nextRound returns the round of a block with these blocks in its past.
func (e *epoch) nextRound(count func(branch int) int) int {
	rounds := e.rounds(count)
	slices.Sort(rounds)
	return rounds[len(rounds)-e.q] + 1
}

// lead makes b a leader block if it is one.
func (e *epoch) lead(b *block) *leader {
	wave := e.wave(b.round)
	for len(e.waves) <= wave {
		e.waves = append(e.waves, nil)
	}
	if b.seat != e.leaderSeat(wave) || b.before > wave*e.lenWave {
		return nil
	}
	l := &leader{block: b, wave: wave}
	b.leads = l
	e.waves[wave] = append(e.waves[wave], l)
	return l
}

// place puts b where it belongs: behind prev, or on a branch of its own.
func (e *epoch) place(b, prev *block) {
	b.branch = len(e.branches)
	if prev != nil && prev.at == len(e.branches[prev.branch].blocks)-1 {
		b.branch, b.at = prev.branch, prev.at+1
	} else {
		e.branches = append(e.branches, &branch{seat: b.seat})
	}
	e.branches[b.branch].blocks = append(e.branches[b.branch].blocks, b)
	e.blocks[b.ref] = b
}

// approve notes which of the leaders that b is the first of its branch to see
// it approves.
func (e *epoch) approve(b *block, fresh []*leader) {
	for _, l := range fresh {
		rival := func(r *leader) bool { return r != l && e.h.InPast(r.ref, b.ref) }
		if !slices.ContainsFunc(e.waves[l.wave], rival) {
			l.approvals = append(l.approvals, b)
		}
	}
}

// ratifies reports whether a block ratifies l.
func (e *epoch) ratifies(ref history.Ref, l *leader) bool {
	return e.h.InPast(l.ref, ref) && (e.f == 0 || e.tellersOf(l.approvals, ref) >= e.q)
}

// support notes what b supports: its prev had not passed the wave.
func (e *epoch) support(b *block) {
	for wave := b.before / e.lenWave; wave <= e.wave(b.round); wave++ {
		for _, l := range e.waves[wave] {
			earlier := func(s *block) bool { return s.seat == b.seat && e.h.InPast(s.ref, b.ref) }
			if e.ratifies(b.ref, l) && !slices.ContainsFunc(l.supports, earlier) {
				l.supports = append(l.supports, b)
				l.final = l.final || e.tellersOf(l.supports, history.None) >= e.q
			}
			e.elect(l)
		}
	}
}

// tellersOf counts the tellers of those blocks that are in the past of ref, or
// of all if it is None.
func (e *epoch) tellersOf(blocks []*block, ref history.Ref) int {
	var seats [MaxTellers]bool
	n := 0
	for _, b := range blocks {
		if !seats[b.seat] && (ref == history.None || e.h.InPast(b.ref, ref)) {
			seats[b.seat] = true
			n++
		}
	}
	return n
}
