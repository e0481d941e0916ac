package replica_test

import (
	"testing"
	"time"

	"coop/crdt/history"
	"coop/crdt/record"
	"coop/sync/wire"
)

// TestNewcomerHearsPull: what its invite names comes to a newcomer's peer while
// that answers the newcomer's first pull. The peer tells of it in a pull of its
// own, which the newcomer may not answer, but hears.
func TestNewcomerHearsPull(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	toAna := w.lines[0]
	w.pass(3 * time.Second)
	phone := w.returning(chi, "phone")
	phone.leader = record.ID{} // one that is not there yet
	phone.r.Tick(phone.now())  // as a node does when it starts
	phone.commit()
	l := w.open(bo, phone)
	l.cut = func(from int, m wire.Message) bool {
		if _, ok := m.(wire.End); ok && from == 0 && phone.leader == (record.ID{}) {
			before, was := ana.coop.State().Last, len(ana.published)
			ana.writeAny("note", nil)
			for _, rs := range ana.published[was:] { // gossip has not taken up the phone yet
				must(bo.r.Gossip(bo.now(), toAna.id, rs))
				bo.commit()
			}
			if phone.leader = ana.coop.State().Last; phone.leader == before || !bo.coop.Minutes().Minuted(ref(bo, phone.leader)) {
				t.Fatal("nothing was minuted")
			}
		}
		return false
	}
	w.pass(5 * time.Second)
	if !phone.r.Joined() {
		t.Errorf("the phone has not joined: %v, it says %s, Bo %s", phone.events, kinds(l.said[1]), kinds(l.said[0]))
	}
	wantSame(t, ana, bo, phone)
}

func ref(n *node, id record.ID) history.Ref {
	at, ok := n.coop.History().Find(id)
	if !ok {
		n.w.t.Fatal("it is not held")
	}
	return at
}

// TestNewcomersPullInVain: two newcomers who both wait for what their invites name
// do not ask each other without end.
func TestNewcomersPullInVain(t *testing.T) {
	w := newWorld(t, "Ana", "Chi")
	ana, chi := w.nodes[0], w.nodes[1]
	w.mesh(ana, chi)
	w.pass(3 * time.Second)
	one, two := w.returning(chi, "one"), w.returning(ana, "two")
	one.leader, two.leader = record.ID{}, record.ID{}
	w.dial(ana, one).close()
	ana.writeAny("note", nil)
	w.dial(ana, two).close()
	w.dial(one, two) // fails if they talk without end
	w.pass(30 * time.Second)
	if one.r.Joined() || two.r.Joined() {
		t.Error("they joined")
	}
}
