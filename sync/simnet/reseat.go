package simnet

import (
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
)

// destroyedIn is the round in which computers of tellers are gone.
const destroyedIn = 3

// reseatPause is how long after the network has healed the members re-seat, if
// they have to, and then again and again: what can be minuted is by then.
const reseatPause = time.Minute

// fourTellers reports whether four founders are the tellers, and none are elected.
func (c Config) fourTellers() bool { return c.Captured || c.Lost }

// fourFound reports whether there are four founders, whoever lies of them.
func (c Config) fourFound() bool { return c.fourTellers() || c.Stolen }

// destroy takes two of four tellers' computers away for good. Their people have
// their root keys on paper.
func (w *World) destroy() {
	if !w.cfg.Lost || w.round != destroyedIn {
		return
	}
	for _, n := range w.nodes[1:3] {
		n.gone = true
		w.trace("the computer of %s is destroyed", n.name)
	}
	w.check.destroyed(w.nodes)
}

// standStill reports whether tellers were destroyed and not replaced, as the
// first node sees it.
func (w *World) standStill() bool {
	return w.nodes[1].gone && w.nodes[0].coop.State().Reseated == (record.ID{})
}

// reseat lets the person of the first node write a re-seating that all members
// have signed, by what they said on the telephone: none of their computers has
// other minutes.
func (w *World) reseat() {
	n := w.nodes[0]
	if !n.inside() || !w.standStill() {
		return
	}
	s := n.coop.State()
	people, terms := s.Minuted.People, member.Reseat{After: s.Last}
	for _, o := range w.nodes {
		if o.gone || o.coop == nil || o.coop.History().Len() == 0 || !n.coop.Stands(o.device()) {
			continue // it is out, though maybe not by the minutes: it hears no more
		}
		if !o.whole() || o.coop.State().Last != s.Last {
			return
		}
		if with := append(terms.Tellers, o.device()); len(with) <= 4 && people.CheckTellers(with) == nil {
			terms.Tellers = with
		}
	}
	for _, o := range w.nodes {
		root := o.own.root
		if id := member.MemberID(w.life.coop, root.Public()); people.Consents(id, root.Public()) {
			terms = terms.Signed(w.life.coop, id, root)
		}
	}
	n.write(member.KindReseat, terms.Encode())
}

// reseatInTheEnd lets the members re-seat although nobody does anything more.
func (w *World) reseatInTheEnd() {
	if w.reseat(); w.standStill() {
		w.after(reseatPause, w.reseatInTheEnd)
	}
}
