package minutes

import (
	"slices"

	"coop/crdt/history"
	"coop/crdt/record"
)

// elect lets l decide the sequence if it is its turn: it is the stored anchor
// of the next epoch or, where there is none, final and in the latest wave.
func (e *epoch) elect(l *leader) {
	if e.until != (record.ID{}) {
		if e.last == nil && e.h.ID(l.ref) == e.until {
			e.last, e.planned = l, false
		}
		return
	}
	if l.final && l != e.last && e.holds(l) && (e.last == nil || l.wave > e.last.wave || l.wave == e.last.wave && e.smaller(l, e.last)) {
		e.last, e.planned = l, false
	}
}

// holds reports whether a leader may decide: it goes back to the one that a
// re-seating goes on from, if there is such.
func (e *epoch) holds(l *leader) bool {
	if e.hold == history.None {
		return true
	}
	if held := e.leaderOf(e.hold); held != nil {
		return e.goesBack(l, held)
	}
	return e.h.InPast(e.hold, l.ref) // it leads no wave here: the epoch goes on from it
}

// electAnew lets all leaders decide that may now.
func (e *epoch) electAnew() {
	if e.until != (record.ID{}) {
		return
	}
	e.last, e.planned = nil, false
	for _, wave := range e.waves {
		for _, l := range wave {
			e.elect(l)
		}
	}
}

func (e *epoch) smaller(a, b *leader) bool { return e.h.ID(a.ref).Compare(e.h.ID(b.ref)) < 0 }

// plan goes back from the leader that decides to what was handed out. It is done
// when somebody asks: many records may come in between.
func (e *epoch) plan() {
	if e.planned {
		return
	}
	e.ahead, e.stay, e.planned = nil, 0, true
	l := e.last
	for ; l != nil && l.place == 0; l = e.predecessor(l) {
		e.ahead = append(e.ahead, l)
	}
	slices.Reverse(e.ahead)
	if l != nil {
		e.stay = l.place
	}
}

// hand notes that the batch of l, the first ahead, is handed out.
func (e *epoch) hand(l *leader) {
	e.handed = append(e.handed, l)
	l.place = len(e.handed)
	e.ahead, e.stay = e.ahead[1:], l.place
}

// brokenOff reports whether something that was handed out is not committed.
func (e *epoch) brokenOff() bool {
	e.plan()
	return e.stay < len(e.handed)
}

// predecessor returns the leader that l ratifies in the latest earlier wave
// that has one, or nil. It depends on the past of l alone and is judged once.
func (e *epoch) predecessor(l *leader) *leader {
	for wave := l.wave - 1; wave >= 0 && !l.judged && l.pred == nil; wave-- {
		for _, c := range e.waves[wave] {
			if e.ratifies(l.ref, c) && (l.pred == nil || e.smaller(c, l.pred)) {
				l.pred = c
			}
		}
	}
	l.judged = true
	return l.pred
}

// goesBack reports whether l is, or goes back to, an earlier leader.
func (e *epoch) goesBack(l, earlier *leader) bool {
	for l != nil && l.wave > earlier.wave {
		l = e.predecessor(l)
	}
	return l == earlier
}
