package replica_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/wire"
)

// village is a co-op of one teller, two more members and many others. Nobody is
// connected.
type village struct {
	*world
	ana, bo, cy *node
	others      []*node
	last        *record.Record // that all hold
}

func newVillage(t *testing.T, others int) village {
	t.Helper()
	w := newWorld(t, "Ana")
	v := village{world: w, ana: w.nodes[0]}
	v.bo, v.cy = w.join(v.ana, "Bo"), w.join(v.ana, "Cy")
	w.decide(v.ana, proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs([]record.ID{v.bo.member(), v.cy.member()})}, v.ana)
	i := v.ana.invite("for the others", uint32(others), 0)
	for n := range others {
		o := &node{w: w, name: fmt.Sprint("Other ", n), root: keyOf(fmt.Sprint("root ", n)), key: keyOf(fmt.Sprint("device ", n))}
		v.ana.write(member.KindAdmit, cardOf(o, i).Encode())
		v.others = append(v.others, o)
	}
	w.pass(5 * time.Minute)
	wantSame(t, v.ana, v.bo, v.cy)
	for _, l := range w.lines {
		l.close()
	}
	v.last = v.ana.disk[len(v.ana.disk)-1]
	return v
}

// speak has each of the others write apart, the first so many records, the next one
// more, and so on.
func (v village) speak(first int) (rs []*record.Record) {
	for i, o := range v.others {
		c := &chain{w: v.world, key: o.key}
		rs = append(rs, c.next("note", nil, v.last))
		for range first + i - 1 {
			rs = append(rs, c.next("note", nil))
		}
	}
	return rs
}

// hears gives a node records of others.
func (n *node) hears(rs ...*record.Record) {
	n.w.t.Helper()
	if pass, err := n.r.Gossip(n.now(), 0, rs); !pass || err != nil {
		n.w.t.Fatalf("%s does not take what it hears: %v", n.name, err)
	}
	n.commit()
}

// TestAnswersInPast has somebody vote whose node holds more heads than a record can
// name, all deeper than the proposal: all it holds is in the past of the vote, so the
// proposal comes before it for everybody.
func TestAnswersInPast(t *testing.T) {
	v := newVillage(t, 3*record.MaxParents)
	b := proposal.OpenBody{Version: []record.ID{}, Title: "Let us", Effects: []proposal.Effect{}, ClosesAt: v.now.UnixMilli()}
	b.Rule = proposal.RuleFor(b.Effects)
	open := v.cy.write(proposal.KindOpen, must(proposal.Open(v.cy.coop.People(), v.cy.member(), b)))
	v.bo.hears(open)
	v.bo.hears(v.speak(2)...)
	held, published := len(v.bo.disk), len(v.bo.published)
	vote := v.bo.write(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: open.ID, Option: proposal.Yes}))
	h := v.bo.coop.History()
	at, _ := h.Find(vote.ID)
	for ref := range history.Ref(held) {
		if !h.InPast(ref, at) {
			t.Fatalf("record %d of %d is not in the past of the vote", ref, held)
		}
	}
	wrote := v.bo.disk[held:]
	if got := len(wrote); got != 4 || v.bo.count(coop.KindAck) != 3 {
		t.Errorf("%d records for one vote, %d of them acks, want 4 and 3", got, v.bo.count(coop.KindAck))
	}
	if got := len(v.bo.published) - published; got != len(wrote) {
		t.Errorf("%d of %d records were published", got, len(wrote))
	}
	v.dial(v.bo, v.ana)
	v.pass(time.Minute)
	if ps := v.ana.coop.State().Acts.Problems; ps.Has(vote.ID) {
		p, _ := ps.Get(vote.ID)
		t.Errorf("the vote is a problem for Ana: %s", p.Reason)
	}
}

// TestDeepestHeads: of more heads than a record can name the first names the deepest.
func TestDeepestHeads(t *testing.T) {
	v := newVillage(t, record.MaxParents+3)
	rs := v.speak(2)
	v.bo.hears(rs...)
	tips := map[record.Key]*record.Record{}
	for _, r := range rs {
		tips[r.Device] = r
	}
	var heads []*record.Record
	for _, o := range v.others {
		heads = append(heads, tips[o.device()])
	}
	slices.SortFunc(heads, func(a, b *record.Record) int { return cmp.Compare(b.Depth, a.Depth) })
	held := len(v.bo.disk)
	v.bo.writeAny("note", nil)
	first := v.bo.disk[held]
	var want []record.ID
	for _, r := range heads[:record.MaxParents] {
		want = append(want, r.ID)
	}
	if !slices.Equal(first.Parents, record.SortIDs(want)) {
		t.Errorf("the first record does not name the %d deepest heads", record.MaxParents)
	}
}

// TestDeepestTips: a pull, which can name so many tips, names the deepest first: of a
// person who made thousands of devices, the last that others wrote on top is enough.
func TestDeepestTips(t *testing.T) {
	v := newVillage(t, 20)
	v.bo.hears(v.speak(1)...)
	v.bo.writeAny("note", nil)
	l := v.dial(v.bo, v.ana)
	for _, m := range l.said[0] {
		pull, ok := m.(wire.Pull)
		if !ok {
			continue
		}
		last := record.MaxSeq
		for _, id := range pull.Tips {
			ref, _ := v.bo.coop.History().Find(id)
			depth := int(v.bo.coop.History().At(ref).Depth)
			if depth > last {
				t.Fatalf("a tip %d deep stands behind one %d deep", depth, last)
			}
			last = depth
		}
		return
	}
	t.Fatal("Bo did not pull")
}

// TestFirstRecordAmongHeads: a device that was just admitted, apart from many who wrote
// more, can write.
func TestFirstRecordAmongHeads(t *testing.T) {
	v := newVillage(t, record.MaxParents+3)
	dan := v.join(v.ana, "Dan")
	dan.hears(v.speak(9)...)
	r := dan.writeAny("note", nil)
	if got := dan.count("note"); got != 1 || !dan.holds(r) {
		t.Errorf("Dan holds %d notes of his own", got)
	}
}

// TestAddsItselfAmongHeads: a device with a card of its own adds itself by its first
// record, whatever it holds: it can write no ack before.
func TestAddsItselfAmongHeads(t *testing.T) {
	v := newVillage(t, record.MaxParents+3)
	v.bo.hears(v.speak(2)...)
	phone := v.returning(v.cy, "phone")
	v.dial(v.bo, phone)
	v.pass(time.Minute)
	if got := phone.count(member.KindDeviceAdd); got != 1 || phone.count(coop.KindAck) != 0 {
		t.Fatalf("the phone adds itself %d times: %v", got, phone.events)
	}
	if !v.bo.coop.Stands(phone.device()) {
		t.Error("the phone does not stand")
	}
}

// TestAddsItselfAmongStrangers: that also where none of the deepest heads has the
// person's admission in its past: who writes apart with many computers keeps nobody out.
func TestAddsItselfAmongStrangers(t *testing.T) {
	v := newVillage(t, record.MaxParents+3)
	dan := v.join(v.ana, "Dan")
	v.dial(v.ana, v.bo)
	v.pass(5 * time.Minute)
	for _, l := range v.lines {
		l.close()
	}
	v.bo.hears(v.speak(9)...)
	phone := v.returning(dan, "phone")
	v.dial(v.bo, phone)
	v.pass(time.Minute)
	if got := phone.count(member.KindDeviceAdd); got != 1 || !v.bo.coop.Stands(phone.device()) {
		t.Errorf("the phone adds itself %d times: %v", got, phone.events)
	}
}

// TestHeldSince: what a node has held since when, its own chain tells, not who wrote it.
func TestHeldSince(t *testing.T) {
	v := newVillage(t, 1)
	said := v.bo.writeAny("note", nil)
	v.now = v.now.Add(time.Hour)
	v.cy.writeAny("note", nil)
	v.now = v.now.Add(time.Hour)
	v.cy.hears(said)
	v.now = v.now.Add(time.Hour)
	if got := v.cy.r.HeldSince(said.ID, v.now); !got.Equal(v.now) {
		t.Errorf("held since %v before any own record, want now, %v", got, v.now)
	}
	since := v.now
	v.cy.writeAny("note", nil)
	v.now = v.now.Add(time.Hour)
	v.cy.writeAny("note", nil)
	if got := v.cy.r.HeldSince(said.ID, v.now); !got.Equal(since) {
		t.Errorf("held since %v, want the first own record over it, %v", got, since)
	}
}
