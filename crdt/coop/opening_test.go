package coop_test

import (
	"testing"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// TestOpening lets a co-op succeed another: who comes with their old root finds
// their account, others do not, and nothing else touches it.
func TestOpening(t *testing.T) {
	w, ds := foundFrom(t, map[string]int64{"Ana": 700, "Bo": -2000, "Eve": 300}, "Ana")
	ana := ds[0]
	bo := member.MemberID(w.id, rootOf("Bo").Public())
	equal(t, "Ana begins with", ana.balance(ana.id()), 700)
	equal(t, "Bo will have", ana.balance(bo), -2000)
	equal(t, "the treasury begins with", ana.balance(w.id), 1000)
	equal(t, "voters", len(ana.c.State().People.Voters()), 1)

	// Nobody can do anything with the account of somebody who has not come.
	for _, body := range [][]byte{transfer(bo, 5), record.Marshal(ledger.TransferBody{To: bo, Unit: "euro", Amount: 5})} {
		refuse(t, ana.problem(ana.write(ledger.KindTransfer, body)), "Bo has not come")
	}
	refuse(t, ana.problem(ana.write(ledger.KindRequest, record.Marshal(ledger.RequestBody{From: bo, Unit: "hour", Amount: 5}))), "Bo has not come")
	refuse(t, ana.problem(ana.write(member.KindAdmit, ana.stolen())), "own keys")
	equal(t, "Bo still has", ana.balance(bo), -2000)
	equal(t, "and is awaited", ana.c.State().People.Awaited.Has(bo), true)
	expel, err := proposal.Open(ana.c.People(), ana.id(), proposal.OpenBody{Title: "X", Rule: proposal.Governance, ClosesAt: 1, Effects: []proposal.Effect{{Kind: proposal.EffectExpel, Member: bo}}})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, ana.problem(ana.write(proposal.KindOpen, expel)), bo.Short())

	b := ana.join("Bo")
	equal(t, "Bo is", ana.member(b).Status, member.StatusMember)
	equal(t, "Bo has", ana.balance(b.id()), -2000)
	eve := ana.join("Eve")
	equal(t, "Eve is", ana.member(eve).Status, member.StatusAssociate)
	mal := ana.join("Mal")
	equal(t, "Mal is", ana.member(mal).Status, member.StatusAssociate)
	equal(t, "Mal has", ana.balance(mal.id()), 0)
	equal(t, "awaited", ana.c.State().People.Awaited.Len(), 0)
	// Limits count from the balance there is: 50 hours below zero, 20 of them used.
	b.pull(ana)
	refuse(t, b.problem(b.write(ledger.KindTransfer, transfer(ana.id(), 3001))), "more than the 30.00 hour")
	b.act(ledger.KindTransfer, transfer(ana.id(), 3000))
	sync(ana, b, eve, mal)
	same(ana, b, eve, mal)
	c, n := restore(t, ana.held, ana.c.Snapshot(), ana.c.Minutes().Anchors())
	equal(t, "restored from a snapshot", n, len(ana.held))
	equal(t, "the state from a snapshot", c.State().Digest(), ana.c.State().Digest())
	c, _ = restore(t, ana.held, nil, ana.c.Minutes().Anchors())
	equal(t, "the state folded anew", c.State().Digest(), ana.c.State().Digest())
}

// stolen is a join card with Bo's root by somebody who has an invite, and not the
// root.
func (d *desk) stolen() []byte {
	d.w.t.Helper()
	terms := d.invited("Bo").CardTerms
	terms.Device = key("Mal").Public()
	b := record.Marshal(terms)
	sign := func(name string) record.Sig { return key(name).Sign(record.DomainCard, b) }
	return member.Card{CardTerms: terms, InviteSig: sign("invite 1"), RootSig: sign("Mal's root"), DeviceSig: sign("Mal")}.Encode()
}
