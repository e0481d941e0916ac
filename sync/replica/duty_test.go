package replica_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
)

// coverMax is the longest a node waits before it covers.
const coverMax = 2 * time.Second

// uncovered makes a co-op in which Chi and Dan hold what Bo wrote before he
// left, and Ana's minutes, which put him out, know nothing of it.
func uncovered(t *testing.T) (w *world, ana, chi, dan *node, last *record.Record) {
	t.Helper()
	w = newWorld(t, "Ana")
	ana = w.nodes[0]
	bo := w.join(ana, "Bo")
	chi, dan = w.join(ana, "Chi"), w.join(ana, "Dan")
	w.pass(3 * time.Second)
	for _, l := range w.lines {
		l.close()
	}
	// Bo leaves at Ana's; another of his records, signed beside it, would be a
	// fork: so he is put out by Ana, and writes meanwhile.
	toChi, toDan := w.dial(bo, chi), w.dial(bo, dan)
	last = bo.writeAny("note", nil)
	w.pass(3 * time.Second)
	toChi.close()
	toDan.close()
	if !chi.holds(last) || !dan.holds(last) || ana.holds(last) {
		t.Fatal("the records are not where they should be")
	}
	w.decide(ana, proposal.Effect{Kind: proposal.EffectExpel, Member: bo.member()}, ana)
	if ana.coop.Stands(bo.device()) {
		t.Fatal("Bo still stands")
	}
	return w, ana, chi, dan, last
}

// TestCover has two nodes hold what nobody may take any more for itself: one of
// them covers it after a while, which spares the other.
func TestCover(t *testing.T) {
	w, ana, chi, dan, last := uncovered(t)
	w.gossip = true
	began := w.now
	w.dial(ana, chi)
	w.dial(ana, dan)
	w.dial(chi, dan)
	if chi.coop.Stands(last.Device) {
		t.Fatal("Chi has not heard that Bo was expelled")
	}
	if chi.count(coop.KindAck)+dan.count(coop.KindAck) > 0 {
		t.Error("covered without a pause")
	}
	if got := len(chi.coop.Uncovered(chi.device())); got != 1 {
		t.Fatalf("%d tips to cover, want 1", got)
	}
	w.pass(coverMax)
	if got := chi.count(coop.KindAck) + dan.count(coop.KindAck); got != 1 {
		t.Errorf("%d covers within %v, want 1", got, w.now.Sub(began))
	}
	w.pass(2 * time.Minute)
	if got := chi.count(coop.KindAck) + dan.count(coop.KindAck); got != 1 {
		t.Errorf("%d covers in the end, want 1", got)
	}
	if !ana.holds(last) {
		t.Error("Ana does not hold what was covered")
	}
	wantSame(t, ana, chi, dan)
}

// TestCoverAlone has one node cover by itself, at some time within the pause.
func TestCoverAlone(t *testing.T) {
	w, ana, chi, _, last := uncovered(t)
	l := w.dial(ana, chi)
	if !l.up {
		t.Fatal("closed")
	}
	w.pass(coverMax)
	if got := chi.count(coop.KindAck); got != 1 {
		t.Errorf("%d covers, want 1", got)
	}
	w.pass(coverMax)
	if !ana.holds(last) {
		t.Error("Ana does not hold what was covered")
	}
}

// TestCoverWhenUnlocked has a locked node hold it: it covers once it is unlocked.
func TestCoverWhenUnlocked(t *testing.T) {
	w, ana, chi, _, last := uncovered(t)
	chi.startWith(func(cfg *replica.Config) { cfg.Key = nil })
	w.dial(ana, chi)
	w.pass(time.Minute)
	if got := chi.count(coop.KindAck); got != 0 {
		t.Fatalf("a locked node wrote %d acks", got)
	}
	chi.r.Unlock(chi.key)
	chi.commit()
	w.pass(2 * coverMax)
	if got := chi.count(coop.KindAck); got != 1 {
		t.Errorf("%d covers, want 1", got)
	}
	if !ana.holds(last) {
		t.Error("Ana does not hold what was covered")
	}
}

func offer() []byte {
	ops := must(listing.Draft{Kind: listing.Offer, Title: "Eggs"}.Create())
	return document.Create{Schema: listing.SchemaName, Ops: ops}.Encode()
}

// TestAckOnlyForActs has others write contents and acks, which are no reason for
// a teller to write, and then an act.
func TestAckOnlyForActs(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	w.pass(time.Minute)
	acks := func() int { return ana.count(coop.KindAck) }
	before := acks()
	bo.write(document.KindCreate, offer())
	bo.write(coop.KindAck, nil)
	w.pass(time.Hour)
	wantSame(t, ana, bo)
	if got := acks() - before; got != 0 {
		t.Errorf("%d acks for a listing and an ack", got)
	}
	act := bo.writeAny("note", nil)
	w.pass(time.Hour)
	wantSame(t, ana, bo)
	if got := acks() - before; got != 1 {
		t.Errorf("%d acks for an act, want 1", got)
	}
	if !bo.coop.State().InMinutes(act.ID) {
		t.Error("Bo does not see that it is minuted")
	}
	if got := bo.count(coop.KindAck); got != 1 {
		t.Errorf("Bo, who is no teller, wrote %d acks beside the one asked for", got-1)
	}
}

// mesh connects all of them.
func (w *world) mesh(nodes ...*node) {
	for i, a := range nodes {
		for _, b := range nodes[:i] {
			w.dial(b, a)
		}
	}
}

// TestPauses has seven tellers of whom the first are away: the others wait for
// each of them before they go on without, 8 times as long for each wave.
func TestPauses(t *testing.T) {
	const first = 40 * time.Millisecond
	// With two away all others are needed. The author's act was a block of the
	// first wave; it can write another, and begins to wait, when the others have.
	for _, c := range []struct {
		away int
		want time.Duration // until an act is minuted
	}{{0, 0}, {1, first}, {2, first + first + 8*first}} {
		t.Run(fmt.Sprint(c.away), func(t *testing.T) {
			w := newWorld(t, "A", "B", "C", "D", "E", "F", "G")
			w.gossip = true
			here := w.nodes[c.away:]
			w.mesh(here...)
			w.pass(time.Hour) // nobody has a reason to write
			for _, n := range w.nodes {
				if got := len(n.disk); got != 1 {
					t.Fatalf("%s holds %d records before anybody acts", n.name, got)
				}
			}
			author := here[2]
			began := w.now
			act := author.writeAny("note", nil)
			minuted := func() bool { return author.coop.State().InMinutes(act.ID) }
			if c.want > 0 {
				w.pass(c.want - time.Millisecond)
				if minuted() {
					t.Errorf("minuted %v after it was written, want %v", w.now.Sub(began), c.want)
				}
			}
			w.pass(began.Add(c.want).Sub(w.now))
			if !minuted() {
				t.Errorf("not minuted %v after it was written", w.now.Sub(began))
			}
			w.pass(10 * time.Second)
			held := len(author.disk)
			if most := 1 + 3*7*(c.away+1); held > most {
				t.Errorf("%d records for one act, more than %d", held, most)
			}
			wantSame(t, here...)
			w.pass(time.Hour)
			if got := len(author.disk); got != held {
				t.Errorf("an idle co-op wrote %d records", got-held)
			}
		})
	}
}

// TestStandstill has too few tellers there: who is writes once and is silent.
func TestStandstill(t *testing.T) {
	w := newWorld(t, "Ana", "Bo", "Chi")
	w.gossip = true
	ana, bo := w.nodes[0], w.nodes[1]
	act := bo.write(member.KindInvite, member.NewInvite(keyOf("code").Public(), 1, 0))
	w.pass(48 * time.Hour)
	if got := len(bo.disk); got > 3 {
		t.Errorf("alone, a teller wrote %d records for one act", got-2)
	}
	w.dial(ana, bo)
	w.pass(25 * time.Hour)
	if !ana.coop.State().InMinutes(act.ID) || !bo.coop.State().InMinutes(act.ID) {
		t.Error("two of three tellers met and did not minute it")
	}
}

// TestClosePolls has tellers close a poll when its time is over by their own
// clocks.
func TestClosePolls(t *testing.T) {
	w := newWorld(t, "Ana", "Bo", "Chi")
	w.gossip = true
	ana, bo, chi := w.nodes[0], w.nodes[1], w.nodes[2]
	w.mesh(ana, bo, chi)
	dan := w.join(ana, "Dan")
	w.mesh(bo, dan)
	w.decide(ana, proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{dan.member()}}, ana, bo)
	w.pass(time.Minute)

	bo.skew = -30 * time.Minute // his clock is slow
	chi.skew = -2 * time.Hour
	closesAt := w.now.Add(48 * time.Hour)
	b := proposal.OpenBody{Version: []record.ID{}, Title: "Let us", Rule: proposal.Ordinary, Effects: []proposal.Effect{}, ClosesAt: closesAt.UnixMilli()}
	id := dan.write(proposal.KindOpen, must(proposal.Open(dan.coop.People(), dan.member(), b))).ID
	dan.write(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes}))
	status := func() proposal.Status {
		p, _ := dan.coop.State().Proposals.Proposals.Get(id)
		return p.Status
	}
	at := func(when time.Duration, wantAna, wantBo int, open bool) {
		t.Helper()
		w.pass(closesAt.Add(when).Sub(w.now))
		if a, b, c := ana.count(proposal.KindClose), bo.count(proposal.KindClose), chi.count(proposal.KindClose); a != wantAna || b != wantBo || c != 0 {
			t.Errorf("at %v: closes of Ana, Bo, Chi are %d, %d, %d; want %d, %d, 0", when, a, b, c, wantAna, wantBo)
		}
		if got := status() == proposal.StatusOpen; got != open {
			t.Errorf("at %v the poll is %s", when, status())
		}
	}
	at(-time.Second, 0, 0, true)
	at(time.Second, 1, 0, true)
	at(29*time.Minute, 1, 0, true)
	at(30*time.Minute+time.Second, 1, 1, false) // more than half of the tellers
	at(4*time.Hour, 1, 1, false)                // Chi's would change nothing
	if got := dan.count(proposal.KindClose); got != 0 {
		t.Errorf("Dan, who is no teller, wrote %d closes", got)
	}
	wantSame(t, ana, bo, chi, dan)
}

// TestShortestTime: tellers leave a poll open for a day after they held it, whatever
// its author says, and close all that are over then in one record each, by their own
// clocks.
func TestShortestTime(t *testing.T) {
	w := newWorld(t, "Ana", "Bo", "Chi")
	w.gossip = true
	ana, bo, chi := w.nodes[0], w.nodes[1], w.nodes[2]
	w.mesh(ana, bo, chi)
	w.pass(time.Minute)
	chi.skew = -72 * time.Hour // who opens them says that they are three days old
	acks := func() int { return ana.count(coop.KindAck) + bo.count(coop.KindAck) + chi.count(coop.KindAck) }
	var ids []record.ID
	for range 100 {
		b := proposal.OpenBody{Version: []record.ID{}, Title: "Snap", Rule: proposal.Ordinary, Effects: []proposal.Effect{}, ClosesAt: 1}
		id := chi.write(proposal.KindOpen, must(proposal.Open(chi.coop.People(), chi.member(), b))).ID
		chi.write(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes}))
		ids = append(ids, id)
	}
	at := func(when time.Duration, status proposal.Status, each int) {
		t.Helper()
		w.pass(when)
		for _, id := range ids {
			if p, _ := ana.coop.State().Proposals.Proposals.Get(id); p.Status != status {
				t.Fatalf("a poll of which the time was over when it was opened is %s, want %s", p.Status, status)
			}
		}
		for _, n := range w.nodes {
			if got := n.count(proposal.KindClose); got > each {
				t.Errorf("%s wrote %d records to close 100 polls, want at most %d", n.name, got, each)
			}
		}
	}
	at(23*time.Hour, proposal.StatusOpen, 0)
	before := acks()
	at(2*time.Hour, proposal.StatusPassed, 1)
	if more := acks() - before; more > 12 {
		t.Errorf("to close 100 polls took %d acks", more)
	}
	wantSame(t, ana, bo, chi)
}

// TestClosePause: who lets polls end one by one costs each teller a record in ten
// minutes.
func TestClosePause(t *testing.T) {
	w := newWorld(t, "Ana", "Bo", "Chi")
	w.gossip = true
	ana, bo, chi := w.nodes[0], w.nodes[1], w.nodes[2]
	w.mesh(ana, bo, chi)
	for i := range 60 {
		b := proposal.OpenBody{Version: []record.ID{}, Title: "Drip", Rule: proposal.Ordinary, Effects: []proposal.Effect{}}
		b.ClosesAt = w.now.Add(48*time.Hour + time.Duration(i)*time.Minute).UnixMilli()
		chi.write(proposal.KindOpen, must(proposal.Open(chi.coop.People(), chi.member(), b)))
	}
	w.pass(50 * time.Hour)
	if open := len(ana.coop.OpenProposals()); open != 0 {
		t.Errorf("%d polls are open, and two hours over", open)
	}
	for _, n := range w.nodes {
		if got := n.count(proposal.KindClose); got > 7 {
			t.Errorf("%s wrote %d records to close polls that ended within an hour", n.name, got)
		}
	}
	wantSame(t, ana, bo, chi)
}

// TestClosePauseBySetClock: a clock that ran ahead when polls were closed, and was set
// right since, does not keep a teller from closing the next for as long as it was wrong.
func TestClosePauseBySetClock(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	b := proposal.OpenBody{Version: []record.ID{}, Title: "Let us", Rule: proposal.Ordinary, Effects: []proposal.Effect{}}
	for range 2 {
		b.ClosesAt = ana.now().Add(30 * time.Hour).UnixMilli()
		ana.write(proposal.KindOpen, must(proposal.Open(ana.coop.People(), ana.member(), b)))
		w.pass(31 * time.Hour)
		ana.skew = -100 * time.Hour
	}
	if open := len(ana.coop.OpenProposals()); open != 0 {
		t.Errorf("%d polls are open", open)
	}
}

// TestDutyIsNews: what a node writes by itself, when its time has come, is told
// to its peers like anything else, also where gossip does not bring it.
func TestDutyIsNews(t *testing.T) {
	for seed := range 12 {
		w, ana, chi, _, last := uncovered(t)
		chi.startWith(func(cfg *replica.Config) { cfg.Random = rand.New(rand.NewPCG(uint64(seed), 0)) })
		w.dial(ana, chi)
		began := w.now
		w.pass(30 * time.Second)
		if chi.count(coop.KindAck) == 0 {
			t.Fatal("no cover")
		}
		if !ana.holds(last) {
			t.Errorf("seed %d: Ana does not hold what Chi covered, after %v", seed, w.now.Sub(began))
		}
	}
}
