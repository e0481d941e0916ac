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
	_       struct{} `cbor:",toarray"`
	Epochs  []Epoch
	Anchors []record.ID // see Minutes.Anchors
	Last    record.ID   // leader of the last batch that was handed out, or the founding record
	Batches uint64
}

// Snapshot returns what Restore needs.
func (m *Minutes) Snapshot() Snapshot {
	return Snapshot{Epochs: m.Epochs(), Anchors: m.Anchors(), Last: m.h.ID(m.Last()), Batches: uint64(m.batches)}
}

// Restore returns the minutes as they were when the snapshot was taken, with all
// records that the history holds now added. An error says that the snapshot is
// not of this history: it must be thrown away and everything folded again.
func Restore(h *history.History, s Snapshot) (*Minutes, error) {
	last, ok := h.Find(s.Last)
	if len(s.Epochs) == 0 || !ok {
		return nil, errors.New("snapshot of the minutes: it has no epoch, or its last leader is unknown")
	}
	m := &Minutes{h: h, wrote: map[record.Key][]history.Ref{}, sat: map[record.Key]bool{}, anchors: slices.Clone(s.Anchors), batches: int(s.Batches)}
	for i, e := range s.Epochs {
		anchor, ok := h.Find(e.Anchor)
		if err := checkTellers(e.Tellers); err != nil || !ok || (i == 0) != (anchor == 0) {
			return nil, fmt.Errorf("snapshot of the minutes: epoch %d has a wrong anchor or wrong tellers", i)
		}
		m.open(anchor, e.Tellers)
	}
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
	if last == e.anchor && m.stored < len(m.epochs)-1 {
		e = e.before
	}
	if last == e.anchor {
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
