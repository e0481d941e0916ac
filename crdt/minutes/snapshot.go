package minutes

import (
	"errors"
	"fmt"
	"slices"

	"coop/crdt/history"
	"coop/crdt/record"
)

// Snapshot is what a start needs to go on where the fold stood, without folding
// every batch again.
type Snapshot struct {
	_       struct{}  `cbor:",toarray"`
	Base    []Epoch   // those before a re-seating; else none
	From    record.ID // what the first of Epochs goes on from
	Epochs  []Epoch
	Anchors []record.ID // of the second of Epochs and later, as far as they are stored
	Hold    record.ID   // zero: nothing is held
	HoldIn  uint64
	Last    record.ID // leader of the last batch that was handed out, or From
	Batches uint64
}

// Snapshot returns what Restore needs.
func (m *Minutes) Snapshot() Snapshot {
	s := Snapshot{Base: m.base, From: m.h.ID(m.epochs[0].from), Epochs: m.own(), Anchors: m.ownAnchors(), Last: m.h.ID(m.Last()), Batches: uint64(m.batches)}
	if m.hold != history.None {
		s.Hold, s.HoldIn = m.h.ID(m.hold), uint64(m.holdIn)
	}
	return s
}

// Restore returns the minutes as they were when the snapshot was taken, with all
// records that the history holds now added. An error says that the snapshot is
// not of this history: it must be thrown away and everything folded again.
func Restore(h *history.History, s Snapshot) (*Minutes, error) {
	last, ok := h.Find(s.Last)
	from, ok2 := h.Find(s.From)
	if len(s.Epochs) == 0 || !ok || !ok2 {
		return nil, errors.New("snapshot of the minutes: it has no epoch, or its last leader is unknown")
	}
	m := empty(h, s.Anchors)
	m.batches = int(s.Batches)
	if len(s.Base) > 0 {
		m.base = s.Base
	}
	if s.Hold != (record.ID{}) {
		if m.hold, ok = h.Find(s.Hold); !ok {
			return nil, errors.New("snapshot of the minutes: the leader it holds on to is unknown")
		}
		m.holdIn = int(s.HoldIn)
	}
	for i, e := range s.Epochs {
		anchor, ok := h.Find(e.Anchor)
		if err := checkTellers(e.Tellers); err != nil || !ok || (anchor == 0) != (i == 0 && m.base == nil) {
			return nil, fmt.Errorf("snapshot of the minutes: epoch %d has a wrong anchor or wrong tellers", i)
		}
		m.open(anchor, e.Tellers)
	}
	m.epochs[0].from = from
	m.Add(history.Ref(h.Len() - 1))
	if err := m.resume(last); err != nil {
		return nil, err
	}
	return m, nil
}

// resume marks as handed out what leads up to a leader of the last epoch, or to
// its anchor.
func (m *Minutes) resume(last history.Ref) error {
	e := m.top()
	if last == e.from && m.stored < len(m.epochs)-1 {
		e = e.before
	}
	if last == e.from {
		return nil
	}
	if e.leaderOf(last) == nil {
		return errors.New("snapshot of the minutes: its last leader is none")
	}
	for l := e.leaderOf(last); l != nil; l = e.predecessor(l) {
		e.handed = append(e.handed, l)
	}
	slices.Reverse(e.handed)
	for i, l := range e.handed {
		l.place = i + 1
	}
	e.planned = false
	return nil
}
