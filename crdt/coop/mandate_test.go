package coop_test

import (
	"fmt"
	"testing"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// TestOldProposalsDoNotRule: what a founder opened alone, and left lying, does not pass
// by one yes once others are members.
func TestOldProposalsDoNotRule(t *testing.T) {
	w, ds := found(t, "Ana")
	ana := ds[0]
	old := map[string]record.ID{
		"budget":  ana.open(proposal.Effect{Kind: proposal.EffectBudget, Member: ana.id(), Unit: "hour", Amount: proposal.MaxAmount}),
		"limit":   ana.open(proposal.Effect{Kind: proposal.EffectCreditLimit, Member: ana.id(), Unit: "hour", Amount: proposal.MaxAmount}),
		"tellers": ana.open(proposal.Effect{Kind: proposal.EffectTellers, Keys: []record.Key{ana.device()}}),
		"bylaw":   ana.open(proposal.Effect{Kind: proposal.EffectBylaw, Name: member.Quorum, Amount: 0}),
		"poll":    ana.open(),
	}
	minute(ana)
	var others []*desk
	var ids []record.ID
	for i := range 6 {
		others = append(others, ana.join(fmt.Sprint("M", i)))
		ids = append(ids, others[i].id())
	}
	ana.decide(nil, proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(ids)})
	sync(w.desks...)
	keys := []record.Key{others[0].device(), others[1].device(), others[2].device()}
	ana.decide(others, proposal.Effect{Kind: proposal.EffectTellers, Keys: keys})
	sync(w.desks...)
	refuse(t, others[0].problem(others[0].write(proposal.KindCast, vote(old["budget"], proposal.No))), "not among those who may vote")
	for _, id := range old {
		ana.vote(id, proposal.Yes)
	}
	sync(w.desks...)
	minute(append([]*desk{ana}, others...)...)
	sync(w.desks...)
	s := others[3].c.State()
	for what, id := range old {
		if p, _ := s.Proposals.Proposals.Get(id); p.Status != proposal.StatusOpen {
			t.Errorf("%s is %s with %d of %d members", what, p.Status, p.Count.Yes, len(s.People.Voters()))
		}
	}
	equal(t, "Ana's limit", s.Ledger.Limit(s.People, ledger.AccountKey{Unit: "hour", Owner: ana.id()}), s.People.CreditLimit("hour"))
	equalSlices(t, "tellers", s.People.Tellers, keys)

	// Tellers end them.
	var all []record.ID
	for _, id := range old {
		all = append(all, id)
	}
	for _, d := range others[:2] {
		d.act(proposal.KindClose, closing(all...))
	}
	sync(w.desks...)
	for what, id := range old {
		equal(t, what, ana.proposal(id).Status, proposal.StatusRejected)
	}
	minute(append([]*desk{ana}, others...)...)
	ana.everywhere()
}

// TestOldExpulsion: two who could decide on an associate do not put out the member that
// the person became, whether as many are left as it takes or not.
func TestOldExpulsion(t *testing.T) {
	for _, more := range []int{1, 5} {
		t.Run(fmt.Sprint(more, " more members"), func(t *testing.T) {
			w, ds := found(t, "Ana", "Ben")
			ana, ben := ds[0], ds[1]
			cleo := ana.join("Cleo")
			sync(w.desks...)
			id := ana.open(proposal.Effect{Kind: proposal.EffectExpel, Member: cleo.id()})
			ids := []record.ID{cleo.id()}
			for i := range more {
				ids = append(ids, ana.join(fmt.Sprint("M", i)).id())
			}
			sync(w.desks...)
			ana.decide([]*desk{ben}, proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(ids)})
			sync(w.desks...)
			for _, d := range ds {
				d.vote(id, proposal.Yes)
			}
			sync(w.desks...)
			equal(t, "Cleo is", cleo.member(cleo).Status, member.StatusMember)
			p := cleo.proposal(id)
			if more == 1 { // two of three are enough, and were too few to decide on a member
				equal(t, "status", p.Status, proposal.StatusPassed)
				refuse(t, p.Failed[0], "Cleo is a member now", "2 could decide")
			} else {
				equal(t, "status", p.Status, proposal.StatusOpen)
			}
			cleo.everywhere()
		})
	}
}

// TestDecisionIsJudgedOnce: a decision that makes many members takes effect as a whole.
// What else is open is judged by the members whom it made, also where it would pass by
// the same act.
func TestDecisionIsJudgedOnce(t *testing.T) {
	w, ds := found(t, "Ana", "Ben", "Cleo")
	ana, ben, cleo := ds[0], ds[1], ds[2]
	var ids []record.ID
	for i := range 4 {
		ids = append(ids, ana.join(fmt.Sprint("M", i)).id())
	}
	sync(w.desks...)
	many := []proposal.Effect{
		{Kind: proposal.EffectMembers, Members: record.SortIDs(ids)},
		{Kind: proposal.EffectOffice, Member: ben.id(), Name: member.Treasurer, On: false},
	}
	office := proposal.Effect{Kind: proposal.EffectOffice, Member: ana.id(), Name: member.Treasurer, On: false}
	both := []record.ID{ana.open(many...), ana.open(office)}
	for _, id := range both {
		ana.vote(id, proposal.Yes)
	}
	// The first passes by this vote; the other has two of three by the next, and of seven.
	ben.pull(ana)
	ben.vote(both[0], proposal.Yes)
	ben.vote(both[1], proposal.Yes)
	sync(w.desks...)
	p := cleo.proposal(both[0])
	equal(t, "the first", p.Status, proposal.StatusPassed)
	equalSlices(t, "what of it failed", p.Failed, []string{"", ""})
	equal(t, "members there", p.There.Members, 3)
	equal(t, "the other", cleo.proposal(both[1]).Status, proposal.StatusOpen)
	cleo.everywhere()
}

// TestRestingIsJudged: an open proposal is judged by who is a member at each place: who
// rests makes it pass if enough of those who stay have said yes.
func TestRestingIsJudged(t *testing.T) {
	w, ds := found(t, "Ana", "Ben", "Cleo", "Dora")
	ana, ben, cleo, dora := ds[0], ds[1], ds[2], ds[3]
	ana.decide(ds[1:], proposal.Effect{Kind: proposal.EffectTellers, Keys: []record.Key{ana.device()}})
	sync(w.desks...)
	office := ana.open(proposal.Effect{Kind: proposal.EffectOffice, Member: ana.id(), Name: member.Moderator, On: false})
	eve, finn := ana.join("Eve"), ana.join("Finn")
	sync(w.desks...)
	ana.decide(ds[1:], proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs([]record.ID{eve.id(), finn.id()})})
	sync(w.desks...)
	for _, d := range []*desk{ana, ben, cleo} {
		d.pull(w.desks...)
		d.vote(office, proposal.Yes)
	}
	sync(w.desks...)
	equal(t, "3 of 4, and 3 of 6", dora.proposal(office).Status, proposal.StatusOpen)
	rest := ana.open(proposal.Effect{Kind: proposal.EffectRest, Member: eve.id()})
	for _, d := range []*desk{ana, ben, cleo} {
		d.pull(ana)
		d.vote(rest, proposal.Yes)
		ana.pull(d)
	}
	ana.act(proposal.KindClose, closing(rest))
	equal(t, "3 of 4, and 3 of 5", ana.proposal(office).Status, proposal.StatusPassed)
	equal(t, "members there", ana.proposal(office).There.Members, 5)
	sync(w.desks...)
	ana.everywhere()
}

// TestWhoRestsVotes: a resting member's vote wakes them and counts, though it is the
// first that they do.
func TestWhoRestsVotes(t *testing.T) {
	_, ana, ben, cleo, dora, _ := village(t)
	asked := ana.open()
	rest := ana.decide([]*desk{ben, cleo}, proposal.Effect{Kind: proposal.EffectRest, Member: dora.id()})
	ana.act(proposal.KindClose, closing(rest))
	equal(t, "Dora", ana.member(dora).Status, member.StatusResting)
	dora.pull(ana)
	if err := dora.c.Try(dora.device(), proposal.KindCast, vote(asked, proposal.No)); err != nil {
		t.Errorf("her node keeps her from voting: %v", err)
	}
	dora.vote(asked, proposal.No)
	equal(t, "no", dora.proposal(asked).Count.No, 1)
	equal(t, "Dora after the vote", dora.member(dora).Status, member.StatusMember)
}

// TestSeatOfAnother: a teller who passes a seat to and fro does not void what another's
// root signed about theirs.
func TestSeatOfAnother(t *testing.T) {
	w, ds := found(t, "Ana", "Ben", "Cleo", "Dora")
	ana, ben, cleo, dora := ds[0], ds[1], ds[2], ds[3]
	tablet, phone := ana.addDevice("Ana's tablet"), dora.addDevice("Dora's phone")
	minute(ds...)
	sync(w.desks...)
	body := tablet.c.People().NewSeatPass(ana.device(), tablet.device(), true, rootOf("Ana"))
	dora.act(member.KindSeatPass, dora.c.People().NewSeatPass(dora.device(), phone.device(), false, nil))
	sync(w.desks...)
	phone.act(member.KindSeatPass, phone.c.People().NewSeatPass(phone.device(), dora.device(), false, nil))
	sync(w.desks...)
	id := tablet.act(member.KindSeatPass, body)
	for range 20 {
		sync(w.desks...)
		for _, d := range []*desk{ben, cleo, dora, tablet} {
			d.pull(w.desks...).ack()
		}
	}
	if s := ben.c.State(); !s.InMinutes(id) || s.People.Stands(ana.device()) {
		t.Errorf("Ana's seat was not passed: final %t", s.InMinutes(id))
	}
}
