// Package minutes orders the acts of a co-op. It is a pure function from the
// graph of records to a sequence of batches, which only ever grows. Nobody
// writes the minutes and no clock is read: the records of a few elected
// devices, the tellers, carry them by what they have in their past. (A record
// is in its own past.) After Cordial Miners (Keidar, Naor, Poupko, Shapiro,
// DISC 2023) and Mysticeti (Babel et al. 2023), for 1 to 10 tellers who may be
// away for weeks.
//
// # Epochs
//
// An epoch is a list C of m different tellers and an anchor, a record. Epoch 0
// has the founding record as its anchor. Of m tellers
//
//	f = ⌊(m−1)/3⌋        may lie, that is, write two records after one
//	q = ⌊(m+f)/2⌋ + 1    are enough; any two sets of q share an honest teller
//	λ = 1 if m = 1, else 2 if f = 0, else 3    rounds make a wave
//
// Wave k (0, 1, …) is the rounds kλ+1 to kλ+λ. Rounds and waves are counted in
// each epoch anew, and all that follows speaks of one epoch.
//
// # Blocks and rounds
//
// A block is a record of a teller's device, other than the anchor, with the
// anchor in its past. After epoch 0 its past alone must also show that the
// anchor was committed: by the rules of the epoch before, a leader block that
// is the anchor, or goes back to it from predecessor to predecessor, is final
// in it, the supports of q tellers being in it.
//
// For a block b let ρ(w) be the greatest round of the blocks of teller w in the
// past of b, without b itself, or 0, and ρ* the q-th greatest of all ρ(w). Then
//
//	round(b) = ρ* + 1
//
// It is never less than the round of a block in the past of b, and a teller may
// skip rounds. The round of a prev that is no block of the epoch is 0.
//
// # Leaders
//
//   - The leader of wave k is the teller C[k mod m]. Its leader blocks are its
//     blocks whose round is in the wave and whose prev's round is before it:
//     one, unless it forks.
//   - A block approves a leader block L if L is in its past and no other leader
//     block of that wave is.
//   - A block ratifies L if L is in its past and, where f > 0, blocks of at
//     least q tellers in its past approve L.
//   - A block supports L if it ratifies L and its prev's round is below the last
//     of L's wave.
//   - L is final when blocks of at least q tellers support it.
//
// # The sequence
//
// The predecessor of a leader block L is the leader block that L ratifies in the
// latest earlier wave that has one. From the final leader block of the latest
// wave go back from predecessor to predecessor: these are committed, the
// earliest first. Each closes a batch: the records in its past that are neither
// in an earlier batch nor the founding record, by (depth, id).
//
// The fold takes batch after batch. Where the list of tellers differs after a
// batch, that leader block is the anchor of the next epoch, whose list is the
// new one. What the old epoch might have committed later is ordered there.
//
// # Lies
//
// Up to f forking tellers change nothing. More can break the order, and their
// forks prove it. Then the smaller id counts wherever two leader blocks of one
// wave remain: of two that are final, of two that one leader block ratifies.
// What was handed out may so be taken back, but no further than the last epoch
// of which a batch was handed out: with its first batch an epoch's anchor is
// stored. The batches up to a stored anchor are those to which the anchor goes
// back, whatever else is final, for ever.
//
// # Re-seating
//
// What a re-seating is, and which counts, package coop says. Reseat goes on from
// a committed leader L of other minutes, or from their beginning, with an epoch
// whose anchor is the re-seating R. A block of it needs only R in its past: that
// alone shows that the epoch began. Its batches go on from L, so what those other
// minutes have behind L is ordered anew.
//
// # When tellers write
//
// A teller writes an empty record, an ack, only while it holds an act that is
// not minuted, and only if that record's round is higher than that of its last
// block. While it holds no leader block of the wave the ack would be in, and is
// not its leader, it waits 40 ms × 8^w from when it could first write in that
// wave, at most a day, where w counts the waves between that one and the wave
// of the latest final leader block (from the start of the epoch if there is
// none). Without that growing pause some periodic meetings never agree.
package minutes

import (
	"fmt"
	"slices"

	"coop/crdt/history"
	"coop/crdt/record"
)

// MaxTellers is how many tellers an epoch has at most: what the order was
// tested for, and a burst of acts costs about three records of each.
const MaxTellers = 10

// Batch is a piece of the minutes.
type Batch struct {
	Leader  history.Ref
	Records []history.Ref // sorted by history.Before; the leader is the last
	Opens   bool          // it is the first of its epoch: what came before will never be taken back
}

// Epoch is a term of one list of tellers.
type Epoch struct {
	_       struct{} `cbor:",toarray"`
	Anchor  record.ID
	Tellers []record.Key
}

// Minutes computes the order of the acts of one co-op. It is not safe for
// concurrent use.
//
// A record costs what it is the first of its device to see, a batch its size:
// neither walks over history. Of devices that are no tellers it is one look-up.
type Minutes struct {
	h       *history.History
	added   history.Ref // how many records were added
	wrote   map[record.Key][]history.Ref
	sat     map[record.Key]bool // devices that are or were tellers
	base    []Epoch             // where a re-seating goes on: the epochs before it; else nil
	epochs  []*epoch
	stored  int         // the last epoch whose anchor is stored; it may still be decided anew
	anchors []record.ID // of the second of epochs and later, as far as they were stored before
	hold    history.Ref // see Hold
	holdIn  int
	batches int
	counted int // records of devices that are or were tellers
}

// New returns the minutes of a co-op with these tellers in its first epoch. The
// history holds the founding record already, or will when it is added. Anchors
// are those that this node stored earlier, see Anchors, or that its invite
// names: while a history does not hold such an anchor, nothing is final. New
// panics unless there are 1 to MaxTellers different tellers.
func New(h *history.History, tellers []record.Key, anchors ...record.ID) *Minutes {
	m := empty(h, anchors)
	m.open(0, tellers)
	return m
}

func empty(h *history.History, anchors []record.ID) *Minutes {
	return &Minutes{
		h:       h,
		wrote:   map[record.Key][]history.Ref{},
		sat:     map[record.Key]bool{},
		anchors: slices.Clone(anchors),
		hold:    history.None,
	}
}

// open begins an epoch without counting its blocks.
func (m *Minutes) open(anchor history.Ref, tellers []record.Key) *epoch {
	if err := checkTellers(tellers); err != nil {
		panic("minutes: " + err.Error())
	}
	e := newEpoch(m.h, anchor, tellers)
	if n := len(m.epochs); n > 0 {
		e.before = m.epochs[n-1]
	}
	if n := len(m.epochs); n < len(m.anchors) {
		e.until = m.anchors[n]
	}
	if n := len(m.epochs); n <= len(m.anchors) {
		m.stored = n
	}
	if len(m.epochs) == m.holdIn {
		e.hold = m.hold
	}
	for _, t := range tellers {
		m.sat[t] = true
	}
	m.epochs = append(m.epochs, e)
	return e
}

func checkTellers(tellers []record.Key) error {
	if len(tellers) < 1 || len(tellers) > MaxTellers {
		return fmt.Errorf("%d tellers, not 1 to %d", len(tellers), MaxTellers)
	}
	for i, t := range tellers {
		if slices.Contains(tellers[:i], t) {
			return fmt.Errorf("teller %s has two seats", t.Short())
		}
	}
	return nil
}

func (m *Minutes) top() *epoch { return m.epochs[len(m.epochs)-1] }

// Add counts the records of the history up to this one. It is called for every
// admitted record in order of admission; what was added before is left out.
func (m *Minutes) Add(ref history.Ref) {
	for ; m.added <= ref; m.added++ {
		n := m.h.At(m.added)
		m.wrote[n.Device] = append(m.wrote[n.Device], m.added)
		if m.sat[n.Device] {
			m.counted++
			m.count(m.added, n)
		}
	}
}

// count adds a record to the epochs in which it is a block. One that reached
// the stored epoch is nothing to those before: it could only show there what is
// shown already.
func (m *Minutes) count(ref history.Ref, n history.Node) {
	from := m.stored
	for from > 0 && m.epochs[from].blocks[n.Prev] == nil {
		from--
	}
	for _, e := range m.epochs[from:] {
		e.add(ref, n)
	}
}

// Seat begins a new epoch with these tellers. The fold calls it when the list
// differs after the batch last returned by Next, whose leader is the anchor. It
// panics unless there are 1 to MaxTellers different tellers.
func (m *Minutes) Seat(tellers []record.Key) {
	anchor := m.Last()
	if n := len(m.epochs) - 1; n < len(m.anchors) && m.anchors[n] != m.h.ID(anchor) {
		m.anchors = m.anchors[:n] // we were told wrong: the fold of these very batches says so
	}
	e := m.open(anchor, tellers)
	var refs []history.Ref
	for _, t := range tellers {
		wrote := m.wrote[t]
		after, _ := slices.BinarySearch(wrote, anchor+1)
		refs = append(refs, wrote[after:]...)
	}
	slices.Sort(refs)
	for _, ref := range refs {
		e.add(ref, m.h.At(ref))
	}
}

// Next returns the next batch to fold, or false if nothing new is final or
// something was taken back.
func (m *Minutes) Next() (Batch, bool) {
	e := m.top()
	e.plan()
	if len(e.ahead) == 0 || m.decided().brokenOff() {
		return Batch{}, false
	}
	l := e.ahead[0]
	b := Batch{Leader: l.ref, Records: m.between(m.Last(), l.ref), Opens: len(e.handed) == 0}
	e.hand(l)
	m.stored = len(m.epochs) - 1
	m.batches++
	return b, true
}

// between returns the records in the past of to and not of from.
func (m *Minutes) between(from, to history.Ref) []history.Ref {
	records, found := []history.Ref{to}, map[history.Ref]bool{to: true}
	visit := func(ref history.Ref) {
		if ref != history.None && !found[ref] && !m.h.InPast(ref, from) {
			found[ref] = true
			records = append(records, ref)
		}
	}
	for i := 0; i < len(records); i++ {
		n := m.h.At(records[i])
		visit(n.Prev)
		for _, p := range n.Parents {
			visit(p)
		}
	}
	slices.SortFunc(records, func(a, b history.Ref) int {
		if m.h.Before(a, b) {
			return -1
		}
		return 1
	})
	return records
}

// decided returns the epoch that may still be decided anew.
func (m *Minutes) decided() *epoch { return m.epochs[m.stored] }

// TakenBack reports whether what was handed out does not stand any more, which
// takes more than f forking tellers: then it returns how many of the batches
// since the last one that Opens (with it) stay. Those after come anew from Next,
// and seats taken after them are void. To fold again from before the batch that
// Opens, call Rewind next.
func (m *Minutes) TakenBack() (to int, ok bool) {
	e := m.decided()
	if !e.brokenOff() {
		return 0, false
	}
	m.forget(e.stay)
	return e.stay, true
}

// Rewind makes Next hand out anew all batches since the last one that Opens,
// with it.
func (m *Minutes) Rewind() {
	m.forget(0)
	m.decided().planned = false
}

// forget un-hands the batches of the decided epoch but the first n.
func (m *Minutes) forget(n int) {
	e := m.decided()
	m.epochs = m.epochs[:m.stored+1]
	m.batches -= len(e.handed) - n
	for _, l := range e.handed[n:] {
		l.place = 0
	}
	e.handed = e.handed[:n]
}

// Last returns the leader of the last batch that was handed out, or the
// founding record if there was none.
func (m *Minutes) Last() history.Ref {
	e := m.top()
	if n := len(e.handed); n > 0 {
		return e.handed[n-1].ref
	}
	return e.from
}

// Minuted reports whether a record is in a batch that was handed out. The
// founding record always is.
func (m *Minutes) Minuted(ref history.Ref) bool { return m.h.InPast(ref, m.Last()) }

// Batches returns how many batches were handed out. A re-seating counts as one.
func (m *Minutes) Batches() int { return m.batches }

// Counted returns how many records of tellers were added since they were that: what is
// final for whom may have changed only with another.
func (m *Minutes) Counted() int { return m.counted }

// Epochs returns all epochs so far. That of the last may still be taken back
// while it has no batch.
func (m *Minutes) Epochs() []Epoch {
	return append(slices.Clone(m.base), m.own()...)
}

func (m *Minutes) own() []Epoch {
	var epochs []Epoch
	for _, e := range m.epochs {
		epochs = append(epochs, e.told())
	}
	return epochs
}

func (e *epoch) told() Epoch {
	return Epoch{Anchor: e.h.ID(e.anchor), Tellers: slices.Clone(e.tellers)}
}

// Anchors returns the stored anchors of epoch 1 and later, a re-seating among
// them as soon as its epoch has a batch. A node keeps them for ever, apart from
// its caches, and computes everything anew with them; an invite names them by
// their hash.
func (m *Minutes) Anchors() []record.ID {
	var anchors []record.ID
	for _, e := range m.base[min(1, len(m.base)):] {
		anchors = append(anchors, e.Anchor)
	}
	if m.base != nil && m.Begun() {
		anchors = append(anchors, m.h.ID(m.epochs[0].anchor))
	}
	return append(anchors, m.ownAnchors()...)
}

func (m *Minutes) ownAnchors() []record.ID {
	var anchors []record.ID
	for _, e := range m.epochs[1 : m.stored+1] {
		anchors = append(anchors, m.h.ID(e.anchor))
	}
	return append(anchors, m.anchors[min(m.stored, len(m.anchors)):]...)
}
