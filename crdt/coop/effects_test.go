package coop_test

import (
	"bytes"
	"fmt"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// village returns a co-op of which Ana is the only teller, with Ben, Cleo and
// Dora as members and Eve as an associate. All acts are in the minutes, and all
// desks hold all.
func village(t *testing.T) (w *world, ana, ben, cleo, dora, eve *desk) {
	t.Helper()
	w, desks := found(t, "Ana")
	ana = desks[0]
	ben, cleo, dora, eve = ana.join("Ben"), ana.join("Cleo"), ana.join("Dora"), ana.join("Eve")
	ana.decide(nil, proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs([]record.ID{ben.id(), cleo.id(), dora.id()})})
	sync(w.desks...)
	return w, ana, ben, cleo, dora, eve
}

// TestEffects: what a decision says happens where it passes, and only there.
func TestEffects(t *testing.T) {
	base, _, _, _, _, _ := village(t)
	type desks struct{ ana, ben, cleo, dora, eve *desk }
	tests := []struct {
		name    string
		effects func(d desks) []proposal.Effect
		prepare func(d desks) // before the proposal is opened, at Ana's desk
		check   func(t *testing.T, d desks, before, after *coop.State, id record.ID)
	}{
		{
			name: "an associate becomes a member",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectMembers, Members: []record.ID{d.eve.id()}}}
			},
			check: func(t *testing.T, d desks, before, after *coop.State, _ record.ID) {
				k := ledger.AccountKey{Unit: "hour", Owner: d.eve.id()}
				equal(t, "Eve's limit before", before.Ledger.Limit(before.People, k), 0)
				equal(t, "Eve's limit", after.Ledger.Limit(after.People, k), 5000)
				equal(t, "Eve", d.ana.member(d.eve).Status, member.StatusMember)
				equalSlices(t, "voters", after.People.Voters(), record.SortIDs(append(before.People.Voters(), d.eve.id())))
			},
		},
		{
			name: "an office is given",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectOffice, Member: d.ben.id(), Name: member.Sponsor, On: true}}
			},
			check: func(t *testing.T, d desks, _, _ *coop.State, _ record.ID) {
				equalSlices(t, "Ben's offices", d.ana.member(d.ben).Offices, []string{member.Sponsor})
				d.ben.pull(d.ana).join("Finn")
			},
		},
		{
			name: "an office is taken",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectOffice, Member: d.ana.id(), Name: member.Sponsor}}
			},
			check: func(t *testing.T, d desks, _, _ *coop.State, _ record.ID) {
				equalSlices(t, "Ana's offices", d.ana.member(d.ana).Offices, []string{member.Moderator, member.Treasurer})
				refuse(t, d.ana.problem(d.ana.write(member.KindInvite, member.NewInvite(key("x").Public(), 1, 0))), "not a sponsor")
			},
		},
		{
			name: "somebody is expelled",
			prepare: func(d desks) {
				d.ana.pay(d.dora.id(), 300)
				d.dora.pull(d.ana)
				d.dora.pay(d.ben.id(), 500)
				d.ana.pull(d.dora)
			},
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectExpel, Member: d.dora.id()}}
			},
			check: func(t *testing.T, d desks, before, after *coop.State, id record.ID) {
				equal(t, "Dora", d.ana.member(d.dora).Status, member.StatusExpelled)
				equalSlices(t, "voters", after.People.Voters(), record.SortIDs([]record.ID{d.ana.id(), d.ben.id(), d.cleo.id()}))
				equal(t, "electorate", len(d.ana.proposal(id).Voters), 3)
				equal(t, "Dora's device stands", d.ana.c.Stands(d.dora.device()), false)
				equal(t, "removals", after.People.Removals, before.People.Removals+1)
				equal(t, "reserved by Ana", after.Ledger.Account(ledger.AccountKey{Unit: "hour", Owner: d.ana.id()}).Reserved, 0)
				equal(t, "reserved by Dora", after.Ledger.Account(ledger.AccountKey{Unit: "hour", Owner: d.dora.id()}).Reserved, 500)
				refuse(t, d.dora.problem(d.dora.pull(d.ana).write(ledger.KindTransfer, transfer(d.ana.id(), 1))), "Dora was expelled")
				for _, p := range after.Ledger.Pending(d.ben.id()) {
					d.ben.pull(d.ana).act(ledger.KindAccept, answer(p.ID))
				}
				equal(t, "Ben's balance", d.ben.balance(d.ben.id()), 500)
				equal(t, "Dora's balance", d.ben.balance(d.dora.id()), -500)
			},
		},
		{
			name: "somebody with lost keys goes on with new ones",
			effects: func(d desks) []proposal.Effect {
				c, err := member.NewRecoveryCard(member.CardTerms{Coop: d.ana.w.id, Recovers: d.cleo.id(), Name: "Cleo", DeviceName: "new laptop"}, key("Cleo's new root"), key("Cleo's new laptop"))
				if err != nil {
					t.Fatal(err)
				}
				return []proposal.Effect{{Kind: proposal.EffectRecover, Member: d.cleo.id(), Card: c.Encode()}}
			},
			check: func(t *testing.T, d desks, _, after *coop.State, _ record.ID) {
				m := d.ana.member(d.cleo)
				equal(t, "root", m.Root, key("Cleo's new root").Public())
				equalSlices(t, "devices", m.Devices, []record.Key{key("Cleo's new laptop").Public()})
				equal(t, "the old device stands", after.People.Stands(d.cleo.device()), false)
				d.cleo.pull(d.ana)
				refuse(t, d.cleo.problem(d.cleo.write(ledger.KindTransfer, transfer(d.ana.id(), 1))), "Cleo", "revoked")
				again := d.ana.w.desk("Cleo", "Cleo's new laptop", d.ana.held)
				id := again.pay(d.ana.id(), 100)
				p, _ := again.c.State().Ledger.Payments.Get(id)
				equal(t, "payer", p.From, d.cleo.id())
				apples := again.offer("Apples")
				s := again.c.State()
				l, _ := s.Listings.Get(apples)
				owner, _ := s.People.Person(l.Owner)
				equal(t, "owner of a new listing", owner.ID, d.cleo.id())
			},
		},
		{
			name: "a credit limit",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectCreditLimit, Member: d.eve.id(), Unit: "hour", Amount: 250}}
			},
			check: func(t *testing.T, d desks, before, _ *coop.State, _ record.ID) {
				equal(t, "Eve could pay", before.Ledger.Available(before.People, ledger.AccountKey{Unit: "hour", Owner: d.eve.id()}), 0)
				d.eve.pull(d.ana)
				d.eve.pay(d.ana.w.id, 250)
				refuse(t, d.eve.problem(d.eve.write(ledger.KindTransfer, transfer(d.ana.w.id, 1))), "0.01 hour is more than the 0.00 hour")
			},
		},
		{
			name: "a budget line",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectBudget, Member: d.ben.id(), Unit: "hour", Amount: 1000, Parts: 2, Days: 30, Text: "the roof"}}
			},
			check: func(t *testing.T, d desks, _, after *coop.State, id record.ID) {
				got, _ := after.Ledger.Budgets.Get(ledger.BudgetKey{Proposal: id})
				equal(t, "line", got, ledger.Budget{Line: ledger.Line{Payee: d.ben.id(), Unit: "hour", Total: 1000, Instalments: 2, PeriodDays: 30}})
				pay := func(by *desk, n uint32, amount int64) string {
					return by.problem(by.write(ledger.KindInstalment, record.Marshal(ledger.InstalmentBody{Proposal: id, Number: n, Amount: amount})))
				}
				refuse(t, pay(d.ben.pull(d.ana), 1, 500), "no treasurer")
				refuse(t, pay(d.ana, 1, 501), "more than instalment 1")
				equal(t, "first instalment", pay(d.ana, 1, 500), "")
				refuse(t, pay(d.ana, 1, 500), "paid already")
				equal(t, "second instalment", pay(d.ana, 2, 500), "")
				refuse(t, pay(d.ana, 3, 1), "more than")
				equal(t, "the treasury", d.ana.balance(d.ana.w.id), -1000)
				equal(t, "Ben's balance", d.ana.balance(d.ben.id()), 1000)
			},
		},
		{
			name: "a budget line, and its end",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{{Kind: proposal.EffectBudget, Member: d.ben.id(), Unit: "hour", Amount: 1000}}
			},
			check: func(t *testing.T, d desks, _, _ *coop.State, id record.ID) {
				others := []*desk{d.ben, d.cleo, d.dora}
				end := d.ana.decide(others, proposal.Effect{Kind: proposal.EffectBudgetEnd, Proposal: id})
				pay := ledger.InstalmentBody{Proposal: id, Number: 1, Amount: 1}
				refuse(t, d.ana.problem(d.ana.write(ledger.KindInstalment, record.Marshal(pay))), "ended by another")
				again := d.ana.decide(others, proposal.Effect{Kind: proposal.EffectBudgetEnd, Proposal: id})
				equalSlices(t, "what failed", d.ana.proposal(end).Failed, []string{""})
				refuse(t, d.ana.proposal(again).Failed[0], "was ended before")
			},
		},
		{
			name: "bylaws: a number, one for a unit, a text",
			effects: func(desks) []proposal.Effect {
				return []proposal.Effect{
					{Kind: proposal.EffectBylaw, Name: member.Quorum, Amount: 75},
					{Kind: proposal.EffectBylaw, Name: member.CreditLimit + "/hour", Amount: 80},
					{Kind: proposal.EffectBylaw, Name: member.Purpose, Text: "to share more"},
				}
			},
			check: func(t *testing.T, d desks, before, after *coop.State, _ record.ID) {
				equalSlices(t, "bylaws before", before.People.Bylaws, member.Bylaws{{Name: member.Purpose, Text: "to share"}})
				equalSlices(t, "bylaws", after.People.Bylaws, member.Bylaws{
					{Name: member.CreditLimit + "/hour", Number: 80}, {Name: member.Purpose, Text: "to share more"}, {Name: member.Quorum, Number: 75}})
				d.ben.pull(d.ana).pay(d.ana.w.id, 8000)
				equal(t, "quorum of the next poll", d.ben.proposal(d.ben.open()).Quorum, 75)
			},
		},
		{
			name: "two effects in their order",
			effects: func(d desks) []proposal.Effect {
				return []proposal.Effect{
					{Kind: proposal.EffectMembers, Members: []record.ID{d.eve.id()}},
					{Kind: proposal.EffectOffice, Member: d.eve.id(), Name: member.Treasurer, On: true},
				}
			},
			check: func(t *testing.T, d desks, _, _ *coop.State, _ record.ID) {
				equal(t, "Eve", d.ana.member(d.eve).Status, member.StatusMember)
				equalSlices(t, "Eve's offices", d.ana.member(d.eve).Offices, []string{member.Treasurer})
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, ds := base.clone(t)
			d := desks{ds[0], ds[1], ds[2], ds[3], ds[4]}
			if test.prepare != nil {
				test.prepare(d)
			}
			effects := test.effects(d)
			id := d.ana.open(effects...)
			before := d.ana.c.State()
			needs := proposal.Needed(d.ana.proposal(id).Rule, len(d.ana.proposal(id).Voters))
			for _, v := range []*desk{d.ben, d.cleo, d.ana}[3-needs:] {
				equal(t, "status before enough said yes", d.ana.proposal(id).Status, proposal.StatusOpen)
				equal(t, "people before enough said yes", string(peopleOf(d.ana.c.State())), string(peopleOf(before)))
				v.pull(d.ana)
				v.vote(id, proposal.Yes)
				d.ana.pull(v)
			}
			p := d.ana.proposal(id)
			equal(t, "status", p.Status, proposal.StatusPassed)
			equalSlices(t, "failed effects", p.Failed, make([]string, len(effects)))
			test.check(t, d, before, d.ana.c.State(), id)
			sync(w.desks...)
			minute(d.ana)
			s := d.ana.c.State()
			minuted, _ := s.Minuted.Proposals.Proposals.Get(id)
			equal(t, "status in the minutes", minuted.Status, proposal.StatusPassed)
			s.Ledger.CheckZero()
			equal(t, "the minutes hold all", string(bytesOf(s.Minuted)), string(bytesOf(&s.Acts)))
		})
	}
}

// closing is the body by which a teller says that a poll's time is over.
func closing(ids ...record.ID) []byte {
	return record.Marshal(proposal.CloseBody{Proposals: record.SortIDs(ids)})
}

func withdrawal(id record.ID) []byte { return record.Marshal(proposal.NameBody{Proposal: id}) }

// TestRestEffect: a silent member rests only once the tellers close the poll,
// and votes again from their next act on.
func TestRestEffect(t *testing.T) {
	_, ana, ben, cleo, dora, _ := village(t)
	id := ana.decide([]*desk{ben, cleo}, proposal.Effect{Kind: proposal.EffectRest, Member: dora.id()})
	equal(t, "status before the close", ana.proposal(id).Status, proposal.StatusOpen)
	equal(t, "Dora before the close", ana.member(dora).Status, member.StatusMember)
	refuse(t, ben.pull(ana).problem(ben.write(proposal.KindClose, closing(id))), "only tellers")
	ana.act(proposal.KindClose, closing(id))
	equal(t, "status", ana.proposal(id).Status, proposal.StatusPassed)
	equal(t, "Dora", ana.member(dora).Status, member.StatusResting)
	next := ana.open()
	equal(t, "electorate without Dora", len(ana.proposal(next).Voters), 3)
	dora.pull(ana).ack()
	equal(t, "Dora after an ack", dora.member(dora).Status, member.StatusResting)
	dora.offer("Pears")
	equal(t, "Dora after a content", dora.member(dora).Status, member.StatusResting)
	dora.act(ledger.KindRule, record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{}}))
	equal(t, "Dora after an act", dora.member(dora).Status, member.StatusMember)
	equal(t, "electorate with Dora", len(dora.proposal(dora.open()).Voters), 4)
}

// TestRestOnlyTheSilent: a few of many set nobody resting who has acted since, by a
// vote against it or any other act, and so are not left to decide alone.
func TestRestOnlyTheSilent(t *testing.T) {
	_, ds := found(t, "Ana", "Ben", "Cleo", "Dora", "Eve", "Finn", "Gus")
	ds[5].act(ledger.KindRule, record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{}})) // before: that is no reason
	sync(ds...)
	var rest []proposal.Effect
	for _, d := range ds[3:] {
		rest = append(rest, proposal.Effect{Kind: proposal.EffectRest, Member: d.id()})
	}
	id := ds[0].decide(ds[1:3], rest...)
	sync(ds...)
	ds[3].vote(id, proposal.No)
	ds[4].pay(ds[0].id(), 100)
	sync(ds...)
	for _, d := range ds[:4] {
		d.act(proposal.KindClose, closing(id))
		sync(ds...)
	}
	p := ds[0].proposal(id)
	equal(t, "the poll", p.Status, proposal.StatusPassed)
	refuse(t, p.Failed[0], "Dora has acted since")
	refuse(t, p.Failed[1], "Eve has acted since")
	equal(t, "Finn", ds[0].member(ds[5]).Status, member.StatusResting)
	equal(t, "Gus", ds[0].member(ds[6]).Status, member.StatusResting)
	credit := ds[0].decide(ds[1:3], proposal.Effect{Kind: proposal.EffectBylaw, Name: member.CreditLimit + "/hour", Amount: 1_000_000})
	equal(t, "three of five on the bylaws", ds[0].proposal(credit).Status, proposal.StatusOpen)
	ds[0].everywhere()
}

// TestTellersEffect: other tellers keep the minutes from where the decision
// passed in the minutes, and what they close passes there too.
func TestTellersEffect(t *testing.T) {
	w, ana, ben, cleo, dora, _ := village(t)
	tellers := func(ds ...*desk) proposal.Effect {
		e := proposal.Effect{Kind: proposal.EffectTellers}
		for _, d := range ds {
			e.Keys = append(e.Keys, d.device())
		}
		return e
	}
	ana.decide([]*desk{ben, cleo}, tellers(ana, ben, cleo))
	s := ana.c.State()
	equalSlices(t, "tellers", s.People.Tellers, []record.Key{ana.device(), ben.device(), cleo.device()})
	equal(t, "seating", s.People.Seating, 1)
	equal(t, "epochs before the old teller wrote", len(s.Epochs), 1)
	ana.ack()
	s = ana.c.State()
	equal(t, "epochs", len(s.Epochs), 2)
	equal(t, "the anchor is the last leader", s.Epochs[1], s.Last)
	equalSlices(t, "tellers in the minutes", s.Minuted.People.Tellers, s.People.Tellers)

	last := s.Last
	paid := ana.pay(w.id, 100)
	equal(t, "a payment only Ana saw is in the minutes", ana.c.State().InMinutes(paid), false)
	equal(t, "Ana alone makes no leader", ana.c.State().Last, last)
	minute(ana, ben)
	equal(t, "two of three tellers minute it", ana.c.State().InMinutes(paid), true)

	// Ana and then, as one of fewer tellers, Ana alone: the poll closes with the
	// decision by which her close is enough.
	sync(ana, ben, cleo, dora)
	poll := ana.decide([]*desk{ben, cleo}, proposal.Effect{Kind: proposal.EffectRest, Member: dora.id()})
	ana.act(proposal.KindClose, closing(poll))
	equal(t, "poll closed by one of three", ana.proposal(poll).Status, proposal.StatusOpen)
	by := ana.decide([]*desk{ben, cleo}, tellers(ana))
	equal(t, "decision on tellers", ana.proposal(by).Status, proposal.StatusPassed)
	equal(t, "poll closed by one of one", ana.proposal(poll).Status, proposal.StatusPassed)
	equal(t, "decided where the other passed", ana.proposal(poll).Decided, ana.proposal(by).Decided)
	equal(t, "Dora", ana.member(dora).Status, member.StatusResting)
	minute(ana, ben, cleo)
	ana.ack()
	s = ana.c.State()
	equal(t, "epochs", len(s.Epochs), 3)
	m, _ := s.Minuted.People.Members.Get(dora.id())
	equal(t, "Dora in the minutes", m.Status, member.StatusResting)
	sync(w.desks...)
	same(w.desks...)
	same(ana, &desk{w: w, name: "a refold", c: fold(t, shuffled(ana.held, 1))})
}

// TestEffectFails: an effect that cannot take place says why and stops no
// other.
func TestEffectFails(t *testing.T) {
	_, ana, ben, cleo, _, eve := village(t)
	first := ana.open(proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{eve.id()}})
	second := ana.open(
		proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{eve.id()}},
		proposal.Effect{Kind: proposal.EffectCreditLimit, Member: eve.id(), Unit: "hour", Amount: 7},
	)
	for _, id := range []record.ID{first, second} {
		for _, d := range []*desk{ana, ben, cleo} {
			d.pull(ana).vote(id, proposal.Yes)
			ana.pull(d)
		}
	}
	equalSlices(t, "the first", ana.proposal(first).Failed, []string{""})
	failed := ana.proposal(second).Failed
	equal(t, "effects", len(failed), 2)
	refuse(t, failed[0], "Eve is a member already")
	equal(t, "the effect behind it", failed[1], "")
	s := ana.c.State()
	equal(t, "Eve's limit", s.Ledger.Limit(s.People, ledger.AccountKey{Unit: "hour", Owner: eve.id()}), 7)
	equal(t, "an effect that fails is a Problem of no record", s.Acts.Problems.Len(), 0)

	// Teller and expelled at once: the seat stands in the way, and with it the vote.
	expel := ben.pull(ana).decide([]*desk{cleo, eve.pull(ana)}, proposal.Effect{Kind: proposal.EffectExpel, Member: ana.id()})
	refuse(t, ben.proposal(expel).Failed[0], "Ana is a teller")
	equal(t, "Ana", ben.member(ana).Status, member.StatusMember)
}

// TestLeave: who leaves settles what others wait for, votes and payments.
func TestLeave(t *testing.T) {
	_, ana, ben, cleo, dora, _ := village(t)
	gift := ana.pay(dora.id(), 300)
	poll := ana.decide([]*desk{ben}, []proposal.Effect{}...)
	equal(t, "two of four said yes", ana.proposal(poll).Status, proposal.StatusOpen)
	dora.pull(ana).act(member.KindLeave, nil)
	ana.pull(dora)
	equal(t, "Dora", ana.member(dora).Status, member.StatusLeft)
	equal(t, "two of the three who may still vote", ana.proposal(poll).Status, proposal.StatusPassed)
	equalSlices(t, "gone", ana.proposal(poll).Gone, []record.ID{dora.id()})
	p, _ := ana.c.State().Ledger.Payments.Get(gift)
	equal(t, "the payment on its way to her", p.Status, ledger.StatusDeclined)
	equal(t, "what is said of it", p.Answer, "Dora left")
	refuse(t, dora.problem(dora.write(ledger.KindTransfer, transfer(ana.id(), 1))), "Dora has left")
	refuse(t, ana.problem(ana.write(member.KindLeave, nil)), "Ana is a teller")
	cleo.pull(ana, dora)
	same(cleo, ana.pull(cleo, dora))
}

// again returns the desk with which somebody comes back by an invite of d's.
func (d *desk) again(who, computer string) *desk {
	d.w.t.Helper()
	d.w.names++
	invite := key(fmt.Sprint("invite ", d.w.names))
	d.act(member.KindInvite, member.NewInvite(invite.Public(), 1, 0))
	c, err := member.NewCard(member.CardTerms{Coop: d.w.id, Name: who, DeviceName: computer}, invite, rootOf(who), key(computer))
	if err != nil {
		d.w.t.Fatal(err)
	}
	d.act(member.KindAdmit, c.Encode())
	return d.w.desk(who, computer, d.held)
}

// TestComeBack: who left with a debt comes back to it, with a new device alone, and
// without what they could do before. All who hold the same agree on that.
func TestComeBack(t *testing.T) {
	w, ana, ben, cleo, dora, _ := village(t)
	ana.decide([]*desk{ben, cleo}, proposal.Effect{Kind: proposal.EffectCreditLimit, Member: dora.id(), Unit: "hour", Amount: 20000})
	offer := dora.pull(ana, ben, cleo).offer("bread")
	debt := dora.pay(ana.id(), 700)
	ana.pull(dora).act(ledger.KindAccept, answer(debt))
	poll := ana.open()
	dora.pull(ana).act(member.KindLeave, nil)
	minute(ana.pull(dora))
	later := ana.open(proposal.Effect{Kind: proposal.EffectBylaw, Name: member.Quorum, Amount: 40})

	desk := ana.again("Dora", "Dora's new desk")
	equal(t, "the new device", ana.standing(desk.device()), standing{true, true, true})
	equal(t, "the old one", ana.standing(dora.device()), standing{true, false, false})
	refuse(t, ana.c.WhyNot(dora.device()), "revoked")
	back, _ := desk.c.People().Author(desk.device())
	equal(t, "who she is", back.ID, dora.id())
	equal(t, "what she is", back.Status, member.StatusAssociate)
	equal(t, "what she owes", ana.balance(dora.id()), -700)
	refuse(t, desk.pull(ana).problem(desk.write(ledger.KindTransfer, transfer(ben.id(), 1))), "available")
	for _, id := range []record.ID{poll, later} {
		if why := desk.problem(desk.write(proposal.KindCast, vote(id, proposal.Yes))); why == "" {
			t.Error("an associate votes on what was opened before she left")
		}
	}
	equalSlices(t, "who votes no more on the poll", desk.proposal(poll).Gone, []record.ID{dora.id()})
	ops := []document.Op{document.Put("title", "cake")}
	edit := desk.write(document.KindEdit, document.Edit{Doc: offer, Ops: ops}.Encode())
	equal(t, "an edit of her own listing", desk.problem(edit), "")
	minute(ana.pull(desk))
	ben.pull(ana)
	same(ana, ben, w.desk("Ana", "one who folds it all anew", ana.held))
}

// TestReadmit: who was expelled comes back if it is decided, and then somebody
// admits them.
func TestReadmit(t *testing.T) {
	_, ana, ben, cleo, dora, _ := village(t)
	readmit := proposal.Effect{Kind: proposal.EffectReadmit, Member: dora.id()}
	body, err := proposal.Open(ana.c.People(), ana.id(), proposal.OpenBody{Title: "Back", Rule: proposal.Governance, ClosesAt: 1, Effects: []proposal.Effect{readmit}})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, ana.problem(ana.write(proposal.KindOpen, body)), "there is nobody to readmit")
	others := []*desk{ben, cleo}
	ana.decide(others, proposal.Effect{Kind: proposal.EffectExpel, Member: dora.id()})
	equal(t, "Dora", ana.member(dora).Status, member.StatusExpelled)
	ana.decide(others, readmit)
	equal(t, "Dora, readmitted", ana.member(dora).Status, member.StatusLeft)
	equal(t, "her old device", ana.c.People().Stands(dora.device()), false)
	ana.again("Dora", "Dora's new desk")
	equal(t, "Dora, admitted", ana.member(dora).Status, member.StatusAssociate)
	equal(t, "her old device", ana.c.People().Stands(dora.device()), false)
}

// peopleOf is who is in the co-op, as bytes.
func peopleOf(s *coop.State) []byte {
	var b bytes.Buffer
	people := s.People.Clone()
	people.Devices, people.Strangers = member.New().Devices, member.New().Devices // which count records
	people.Acts = 0                                                               // and so do these
	for id, m := range s.People.Members.All() {
		m.Stirred = 0
		people.Members.Put(id, m)
	}
	people.WriteTo(&b)
	return b.Bytes()
}

// TestSeatPass: a poll that the new seats have closed is closed by the act that
// seats them.
func TestSeatPass(t *testing.T) {
	_, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	phone := ben.addDevice("Ben's phone")
	ana.pull(ben)
	poll := ana.open()
	ana.vote(poll, proposal.Yes)
	ben.pull(ana).act(proposal.KindClose, closing(poll))
	ben.act(member.KindSeatPass, ben.c.People().NewSeatPass(ben.device(), phone.device(), false, nil))
	ana.pull(ben).act(proposal.KindClose, closing(poll))
	equal(t, "closed by one of two, and by one who was a teller", ana.proposal(poll).Status, proposal.StatusOpen)
	phone.pull(ana).act(member.KindSeatPass, phone.c.People().NewSeatPass(phone.device(), ben.device(), false, nil))
	equal(t, "closed by two of two", phone.proposal(poll).Status, proposal.StatusPassed)
}
