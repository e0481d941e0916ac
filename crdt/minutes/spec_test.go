package minutes_test

import (
	"fmt"
	"slices"
	"time"

	"coop/crdt/record"
)

// rules switches parts of the algorithm off or makes them wrong. The zero value
// is the algorithm as the package comment states it.
type rules struct {
	fLess             int  // f is that much smaller than what may lie
	qRound            int  // added to q where rounds are computed
	qRatify           int  // … where approvals are counted
	qFinal            int  // … where supports are counted
	shortWave         bool // a wave has one round less
	leaderFirstRound  bool // any block of the leader in the first round of the wave leads
	leaderAnyRound    bool // any block of the leader in the wave leads
	leaderOneRound    bool // blocks lead whose prev is in the first round of the wave
	approveRival      bool // approve although a rival is in the past
	ratifySeen        bool // ratify what is in the past
	supportLate       bool // support although prev is in the last round of the wave
	supportAlways     bool // support wherever prev is
	supportSeen       bool // support without ratifying
	predecessorSeen   bool // the predecessor need not be ratified
	predecessorNear   bool // the predecessor is in the wave right before, or there is none
	predecessorFinal  bool // the predecessor must be final in the past
	predecessorNone   bool // only final leaders are committed
	blocksRound       bool // count blocks instead of tellers in rounds
	blocksRatify      bool // … in approvals
	blocksFinal       bool // … in supports
	anchorAnywhere    bool // blocks need no anchor in their past
	anchorUncommitted bool // their past need not show that the anchor was committed
	anchorApproved    bool // it is enough that the anchor is ratified in their past
	reseatAnywhere    bool // a block after a re-seating needs only the leader it goes on from in its past
	reseatFromAnchor  bool // what the re-seating has in its past is not ordered anew
}

// seen is one epoch of a world, counted word by word as the specification says,
// for all records at once: what a block is depends on its past alone.
type seen struct {
	w       *world
	r       rules
	tellers []int
	anchor  int
	before  *seen
	f, q    int
	lambda  int

	n       int // how many records of the world were counted
	isBlock []bool
	round   []int
	leads   []int // wave, or -1
	leaders []int
	approve map[int]bitset // leader → blocks that approve it
	support map[int]bitset
	blocks  bitset
	of      []bitset // teller → its blocks
}

func newSeen(w *world, r rules, tellers []int, anchor int, before *seen) *seen {
	m := len(tellers)
	s := &seen{w: w, r: r, tellers: tellers, anchor: anchor, before: before, approve: map[int]bitset{}, support: map[int]bitset{}, blocks: newBitset(maxRecords)}
	s.f = faults(m) - r.fLess
	s.q = (m+s.f)/2 + 1
	s.lambda = 3
	if s.f <= 0 {
		s.f, s.lambda = 0, 2
	}
	if m == 1 {
		s.lambda = 1
	}
	if r.shortWave {
		s.lambda = max(1, s.lambda-1)
	}
	for range tellers {
		s.of = append(s.of, newBitset(maxRecords))
	}
	return s
}

// count goes on to count what the world has by now.
func (s *seen) count() *seen {
	for ; s.n < len(s.w.recs); s.n++ {
		s.isBlock = append(s.isBlock, s.judgeBlock(s.n))
		s.round = append(s.round, 0)
		s.leads = append(s.leads, -1)
		if s.isBlock[s.n] {
			s.round[s.n] = s.judgeRound(s.n)
			s.judgeLeader(s.n)
			s.blocks.set(s.n)
			s.of[slices.Index(s.tellers, s.w.recs[s.n].device)].set(s.n)
			s.judgeApproval(s.n)
			s.judgeSupport(s.n)
		}
	}
	return s
}

// judgeBlock: a record of a teller's device, other than the anchor, with the
// anchor in its past, which shows that the anchor was committed.
func (s *seen) judgeBlock(b int) bool {
	r := &s.w.recs[b]
	if !slices.Contains(s.tellers, r.device) || b == s.anchor {
		return false
	}
	if s.r.anchorAnywhere {
		return true
	}
	if !r.past.has(s.anchor) {
		return false
	}
	if s.before == nil || s.r.anchorUncommitted {
		return true
	}
	for _, l := range s.before.leaders {
		if !s.before.final(l, r.past) && !(s.r.anchorApproved && s.before.ratifies(b, l)) {
			continue
		}
		if slices.Contains(s.before.chain(l), s.anchor) {
			return true
		}
	}
	return false
}

// greatest returns ρ(w) for each teller w over the blocks in a set.
func (s *seen) greatest(past bitset) []int {
	rho := make([]int, len(s.tellers))
	for w := range s.tellers {
		for i := range past {
			for _, c := range (bitset{past[i] & s.of[w][i]}).members() {
				rho[w] = max(rho[w], s.round[i*64+c])
			}
		}
	}
	return rho
}

func (s *seen) judgeRound(b int) int {
	past := s.w.recs[b].past // b itself is not counted yet
	rho := s.greatest(past)
	author := rho[slices.Index(s.tellers, s.w.recs[b].device)]
	if s.r.blocksRound {
		rho = nil
		for _, c := range past.members() {
			if c != b && s.isBlock[c] {
				rho = append(rho, s.round[c])
			}
		}
		rho = append(rho, make([]int, len(s.tellers))...)
	}
	slices.Sort(rho)
	slices.Reverse(rho)
	at := max(0, s.q+s.r.qRound-1)
	return max(author, rho[min(at, len(rho)-1)]+1)
}

func (s *seen) prevRound(b int) int {
	if p := s.w.recs[b].prev; p >= 0 && s.isBlock[p] {
		return s.round[p]
	}
	return 0
}

func (s *seen) judgeLeader(b int) {
	wave := (s.round[b] - 1) / s.lambda
	if s.w.recs[b].device != s.tellers[wave%len(s.tellers)] {
		return
	}
	first := wave*s.lambda + 1
	leads := s.prevRound(b) < first
	switch {
	case s.r.leaderFirstRound:
		leads = s.round[b] == first
	case s.r.leaderAnyRound:
		leads = true
	case s.r.leaderOneRound:
		leads = s.prevRound(b) <= first
	}
	if leads {
		s.leads[b] = wave
		s.leaders = append(s.leaders, b)
		s.approve[b] = newBitset(maxRecords)
		s.support[b] = newBitset(maxRecords)
	}
}

func (s *seen) judgeApproval(b int) {
	past := s.w.recs[b].past
	for _, l := range s.leaders {
		if !past.has(l) {
			continue
		}
		rival := slices.ContainsFunc(s.leaders, func(o int) bool { return o != l && s.leads[o] == s.leads[l] && past.has(o) })
		if !rival || s.r.approveRival {
			s.approve[l].set(b)
		}
	}
}

// enough reports whether blocks of ≥ q tellers in the past are in a set.
func (s *seen) enough(blocks, past bitset, q int, countBlocks bool) bool {
	n := 0
	for w := range s.tellers {
		both := past.clone()
		for i := range both {
			both[i] &= blocks[i] & s.of[w][i]
		}
		if k := len(both.members()); countBlocks {
			n += k
		} else {
			n += min(k, 1)
		}
	}
	return n >= q
}

func (s *seen) ratifies(b, l int) bool {
	past := s.w.recs[b].past
	if !past.has(l) {
		return false
	}
	return s.f == 0 || s.r.ratifySeen || s.enough(s.approve[l], past, s.q+s.r.qRatify, s.r.blocksRatify)
}

func (s *seen) judgeSupport(b int) {
	for _, l := range s.leaders {
		last := (s.leads[l] + 1) * s.lambda
		if s.r.supportLate {
			last++
		}
		ratified := s.ratifies(b, l) || s.r.supportSeen && s.w.recs[b].past.has(l)
		if ratified && (s.prevRound(b) < last || s.r.supportAlways) {
			s.support[l].set(b)
		}
	}
}

// final reports whether l is final for one who holds view.
func (s *seen) final(l int, view bitset) bool {
	return view.has(l) && s.enough(s.support[l], view, s.q+s.r.qFinal, s.r.blocksFinal)
}

func (s *seen) smaller(a, b int) bool { return s.w.recs[a].id.Compare(s.w.recs[b].id) < 0 }

// predecessor returns the predecessor of leader block l, or -1.
func (s *seen) predecessor(l int) int {
	best := -1
	past := s.w.recs[l].past
	for _, c := range s.leaders {
		if s.leads[c] >= s.leads[l] || s.r.predecessorNone {
			continue
		}
		ok := s.ratifies(l, c)
		switch {
		case s.r.predecessorSeen:
			ok = past.has(c)
		case s.r.predecessorNear:
			ok = ok && s.leads[c] == s.leads[l]-1
		case s.r.predecessorFinal:
			ok = s.final(c, past)
		}
		if ok && (best < 0 || s.leads[c] > s.leads[best] || s.leads[c] == s.leads[best] && s.smaller(c, best)) {
			best = c
		}
	}
	return best
}

// chain returns what l commits, the earliest first.
func (s *seen) chain(l int) []int {
	var chain []int
	for ; l >= 0; l = s.predecessor(l) {
		chain = append(chain, l)
	}
	slices.Reverse(chain)
	return chain
}

// committed returns the leaders committed for one who holds view.
func (s *seen) committed(view bitset) []int {
	best := -1
	for _, l := range s.leaders {
		if s.final(l, view) && (best < 0 || s.leads[l] > s.leads[best] || s.leads[l] == s.leads[best] && s.smaller(l, best)) {
			best = l
		}
	}
	return s.chain(best)
}

// batch of the reference.
type batch struct {
	leader  int
	records []int
}

// judge computes the minutes of views of one world.
type judge struct {
	w       *world
	r       rules
	anchors []record.ID // stored ones
	epochs  map[string]*seen
}

func newJudge(w *world, anchors []record.ID, r rules) *judge {
	return &judge{w: w, r: r, anchors: anchors, epochs: map[string]*seen{}}
}

func (j *judge) epoch(tellers []int, anchor int, before *seen) *seen {
	name := fmt.Sprint(tellers, anchor, fmt.Sprintf("%p", before))
	if j.epochs[name] == nil {
		j.epochs[name] = newSeen(j.w, j.r, tellers, anchor, before)
	}
	return j.epochs[name].count()
}

// rises serves the maker of worlds.
func (j *judge) rises(device int, known bitset) bool {
	s := j.epoch(j.w.tellers, 0, nil)
	at := slices.Index(s.tellers, device)
	if at < 0 {
		return true
	}
	rho := s.greatest(known)
	author := rho[at]
	slices.Sort(rho)
	return rho[len(rho)-s.q]+1 > author
}

// minutes returns the batches for one who holds view, and the epochs.
func (j *judge) minutes(view bitset) (batches []batch, epochs []*seen) {
	done := newBitset(maxRecords)
	done.set(0)
	return j.goOn(view, j.epoch(j.w.tellers, 0, nil), done)
}

// reseat is a re-seating that counts: record by seats tellers behind leader
// after.
type reseat struct {
	after, by int
	tellers   []int
}

// reseated returns the batches where a re-seating counts, and its epochs.
func (j *judge) reseated(view bitset, r reseat) (batches []batch, epochs []*seen) {
	natural, _ := j.minutes(view)
	at := slices.IndexFunc(natural, func(b batch) bool { return b.leader == r.after })
	done, anchor := j.w.recs[r.after].past.clone(), r.by
	if j.r.reseatFromAnchor {
		done.join(j.w.recs[r.by].past)
	}
	if j.r.reseatAnywhere {
		anchor = r.after
	}
	more, epochs := j.goOn(view, j.epoch(r.tellers, anchor, nil), done)
	return append(natural[:at+1], more...), epochs
}

// goOn returns the batches of an epoch and those after it that one who holds
// view has beyond what is done.
func (j *judge) goOn(view bitset, e *seen, done bitset) (batches []batch, epochs []*seen) {
	list := e.tellers
	for {
		epochs = append(epochs, e)
		chain := e.committed(view)
		if n := len(epochs) - 1; n < len(j.anchors) {
			chain = e.chain(slices.IndexFunc(j.w.recs, func(r rec) bool { return r.id == j.anchors[n] }))
		}
		seated := false
		for _, l := range chain {
			b := batch{leader: l}
			for _, i := range j.w.recs[l].past.members() {
				if !done.has(i) {
					b.records = append(b.records, i)
				}
			}
			slices.SortFunc(b.records, func(x, y int) int {
				if j.w.before(x, y) {
					return -1
				}
				return 1
			})
			done.join(j.w.recs[l].past)
			batches = append(batches, b)
			was := list
			for _, i := range b.records {
				if s := j.w.recs[i].seats; s != nil {
					list = s
				}
			}
			if !slices.Equal(was, list) {
				e, seated = j.epoch(list, l, e), true
				break
			}
		}
		if !seated {
			return batches, epochs
		}
	}
}

// turn returns the wave in which a teller who holds view would write, how long
// it waits, and whether it writes at all.
func (s *seen) turn(seat int, view bitset) (wave int, wait time.Duration, ok bool) {
	rho := s.greatest(view)
	sorted := slices.Sorted(slices.Values(rho))
	next := sorted[len(sorted)-s.q] + 1
	wave = (next - 1) / s.lambda
	held := slices.ContainsFunc(s.leaders, func(l int) bool { return s.leads[l] == wave && view.has(l) })
	if wave%len(s.tellers) != seat && !held {
		since := 0
		if chain := s.committed(view); len(chain) > 0 {
			since = s.leads[chain[len(chain)-1]] + 1
		}
		wait = 40 * time.Millisecond
		for ; since < wave; since++ {
			wait = min(8*wait, 24*time.Hour)
		}
	}
	return wave, wait, next > rho[seat]
}

// seenBy returns the tellers who have a block in view with a record in its past.
func (s *seen) seenBy(record int, view bitset) []int {
	var out []int
	for w, d := range s.tellers {
		if slices.ContainsFunc(view.members(), func(b int) bool { return s.of[w].has(b) && s.w.recs[b].past.has(record) }) {
			out = append(out, d)
		}
	}
	return out
}

// continues reports whether one of two sequences continues the other.
func continues(a, b []batch) bool {
	for i := range min(len(a), len(b)) {
		if a[i].leader != b[i].leader || !slices.Equal(a[i].records, b[i].records) {
			return false
		}
	}
	return true
}
