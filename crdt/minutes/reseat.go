package minutes

import (
	"slices"
	"sort"

	"coop/crdt/history"
	"coop/crdt/record"
)

// Reseat returns the minutes that go on from others behind one of their leaders,
// which Place finds, with the epoch that a re-seating begins. All that was added
// to the others is added. Anchors are those that were stored earlier of the
// epochs after it. It panics unless there are 1 to MaxTellers different tellers.
func Reseat(below *Minutes, after, by history.Ref, tellers []record.Key, anchors ...record.ID) *Minutes {
	m := empty(below.h, anchors)
	m.base, m.batches = below.upTo(after)
	m.open(by, tellers).from = after
	m.Add(below.added - 1)
	return m
}

// Again returns these minutes with no batch handed out yet, and the same anchors
// stored.
func (m *Minutes) Again() *Minutes {
	again := empty(m.h, m.ownAnchors())
	again.base, again.hold, again.holdIn, again.batches = m.base, m.hold, m.holdIn, m.batches
	for k := range m.epochs {
		again.batches -= len(m.committed(k))
	}
	first := m.epochs[0]
	again.open(first.anchor, first.tellers).from = first.from
	again.Add(m.added - 1)
	return again
}

// Begun reports whether minutes that a re-seating began have, or had, a batch of
// their own.
func (m *Minutes) Begun() bool {
	return m.stored > 0 || len(m.anchors) > 0 || len(m.epochs[0].handed) > 0
}

// Since returns the records behind one of the leaders that were final also for
// those who had not heard of a record, sorted by history.Before: old tellers who
// heard of a re-seating go on acking, and what that brings in was final for nobody.
func (m *Minutes) Since(leader, unheard history.Ref) []history.Ref {
	if last := m.LastWithout(leader, unheard); last != leader {
		return m.between(leader, last)
	}
	return nil
}

// LastWithout returns the last leader, from this one on, that was final also for those
// who had not heard of a record. Once a leader has that in its past, so have all after
// it: it costs little where those are many.
func (m *Minutes) LastWithout(leader, unheard history.Ref) history.Ref {
	for k := len(m.epochs) - 1; k >= 0; k-- {
		if m.h.InPast(unheard, m.epochs[k].anchor) {
			continue
		}
		all := m.committed(k)
		heard := sort.Search(len(all), func(i int) bool { return m.h.InPast(unheard, all[i].ref) })
		for _, l := range slices.Backward(all[:heard]) {
			switch {
			case m.h.InPast(l.ref, leader):
				return leader
			case m.epochs[k].finalWithout(l, unheard):
				return l.ref
			}
		}
	}
	return leader
}

// finalWithout reports whether a leader is final by those blocks alone that do not
// have a record in their past.
func (e *epoch) finalWithout(l *leader, unheard history.Ref) bool {
	heard := func(b *block) bool { return e.h.InPast(unheard, b.ref) }
	return e.tellersOf(slices.DeleteFunc(slices.Clone(l.supports), heard), history.None) >= e.q
}

// Place finds a leader among those of the batches that were handed out: in which
// epoch, counted from the one in which these minutes begin. Their beginning is
// before them all, -1.
func (m *Minutes) Place(ref history.Ref) (epoch int, ok bool) {
	if ref == m.epochs[0].from {
		return -1, true
	}
	for k := range m.epochs {
		if slices.ContainsFunc(m.committed(k), func(l *leader) bool { return l.ref == ref }) {
			return k, true
		}
	}
	return 0, false
}

// committed returns the leaders of an epoch whose batches were handed out, the
// earliest first.
func (m *Minutes) committed(k int) []*leader {
	e := m.epochs[k]
	if k == len(m.epochs)-1 {
		return e.handed
	}
	var back []*leader
	for l := e.leaderOf(m.epochs[k+1].anchor); l != nil; l = e.predecessor(l) {
		back = append(back, l)
	}
	slices.Reverse(back)
	return back
}

// upTo returns the epochs up to the one in which a leader is, and how many
// batches there are for one who goes on from it with a re-seating.
func (m *Minutes) upTo(after history.Ref) (epochs []Epoch, batches int) {
	in, ok := m.Place(after)
	if !ok {
		panic("minutes: a re-seating goes on from what is not committed")
	}
	epochs, batches = slices.Clone(m.base), m.batches+1
	if in < 0 && m.base == nil {
		epochs = []Epoch{m.epochs[0].told()}
	}
	for k, e := range m.epochs {
		for _, l := range m.committed(k) {
			if k > in || k == in && m.h.InPast(after, l.ref) && l.ref != after {
				batches--
			}
		}
		if k <= in {
			epochs = append(epochs, e.told())
		}
	}
	return epochs, batches
}

// Hold lets only those leaders of an epoch decide that go back to this one, from
// which a re-seating goes on; see Place. So old tellers can fork no more behind
// its back. None holds nothing. It reports whether this is new: then something
// may be taken back.
func (m *Minutes) Hold(leader history.Ref, epoch int) (changed bool) {
	if epoch < 0 {
		leader, epoch = history.None, 0
	}
	if m.hold == leader && m.holdIn == epoch {
		return false
	}
	before := m.holdIn
	m.hold, m.holdIn = leader, epoch
	for k, e := range m.epochs {
		if k == before || k == epoch {
			e.hold = history.None
			if k == epoch {
				e.hold = leader
			}
			e.electAnew()
		}
	}
	return true
}

// Held returns what Hold holds, or None.
func (m *Minutes) Held() history.Ref { return m.hold }
