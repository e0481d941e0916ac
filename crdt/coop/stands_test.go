package coop_test

import (
	"fmt"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// standing is what a node says of a device.
type standing struct{ introduced, stands, byMinutes bool }

func (d *desk) standing(device record.Key) standing {
	return standing{d.c.Introduced(device), d.c.Stands(device), d.c.StandsByMinutes(device)}
}

// TestStands: a device stands from its admission on, also while that is
// provisional, until the minutes remove it.
func TestStands(t *testing.T) {
	_, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	card := ana.invited("Cleo")
	equal(t, "before the admission", ana.standing(card.Device), standing{})
	refuse(t, ana.c.WhyNot(card.Device), "nobody has admitted it")
	equal(t, "a founder", ana.standing(ben.device()), standing{true, true, true})

	ana.act(member.KindAdmit, card.Encode())
	cleo := ana.w.desk("Cleo", "Cleo", ana.held)
	equal(t, "admitted, not minuted", ana.standing(cleo.device()), standing{true, true, false})
	minute(ana, ben)
	equal(t, "admitted, minuted", ana.standing(cleo.device()), standing{true, true, true})
	equal(t, "why not", ana.c.WhyNot(cleo.device()), "it stands")

	phone := cleo.pull(ana).addDevice("Cleo's phone")
	ana.pull(cleo)
	equal(t, "a further device, not minuted", ana.standing(phone.device()), standing{true, true, false})
	minute(ana, ben)
	cleo.pull(ana).act(member.KindRevoke, member.NewRevoke(phone.device()))
	ana.pull(cleo)
	equal(t, "acts of a device that was revoked, not minuted", ana.c.People().Stands(phone.device()), false)
	equal(t, "revoked, not minuted", ana.standing(phone.device()), standing{true, true, true})
	minute(ana, ben)
	equal(t, "revoked, minuted", ana.standing(phone.device()), standing{true, false, false})
	refuse(t, ana.c.WhyNot(phone.device()), "revoked")

	cleo.pull(ana).act(member.KindLeave, nil)
	ana.pull(cleo)
	equal(t, "left, not minuted", ana.standing(cleo.device()), standing{true, true, true})
	minute(ana, ben)
	equal(t, "left, minuted", ana.standing(cleo.device()), standing{true, false, false})
	refuse(t, ana.c.WhyNot(cleo.device()), "left the co-op")
}

// TestLenient: a removal that is not minuted takes nothing away from those whom
// the removed had introduced.
func TestLenient(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	phone := ben.addDevice("Ben's phone")
	sync(ana, ben, phone)
	minute(ana, ben)
	sync(w.desks...)

	// Ben revokes his phone, which admits Cleo where nobody has heard of that.
	ben.act(member.KindRevoke, member.NewRevoke(phone.device()))
	for range 5 {
		phone.ack() // so that the revocation comes first in the order
	}
	cleo := phone.join("Cleo")
	ana.pull(ben, cleo)
	refuse(t, ana.problem(admissionOf(t, ana, cleo)), "revoked")
	equal(t, "Cleo, whom only a removed device admitted", ana.standing(cleo.device()), standing{true, true, false})
	minute(ana, ben)
	equal(t, "Cleo once the removal is minuted", ana.standing(cleo.device()), standing{})
	equal(t, "Ben's phone", ana.standing(phone.device()), standing{true, false, false})
	same(ana, &desk{w: w, name: "a refold", c: fold(t, shuffled(ana.held, 3))})
}

func admissionOf(t *testing.T, d, of *desk) record.ID {
	t.Helper()
	ref, ok := d.c.History().IntroducedBy(of.device())
	if !ok {
		t.Fatalf("nothing introduces %s", of.name)
	}
	return d.c.History().ID(ref)
}

// TestTakeable: what a node takes from a peer for itself.
func TestTakeable(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	gone, cleo := ana.join("Gone"), ana.join("Cleo")
	minute(ana, ben)
	sync(w.desks...)
	gone.act(member.KindLeave, nil)
	twin := w.desk("Cleo", "Cleo", cleo.held)
	cleo.ack()
	twin.offer("Pears")
	ben.addDevice("Ben's old device")
	ben.act(member.KindRevoke, member.NewRevoke(key("Ben's old device").Public()))
	ana.pull(gone, cleo, twin, ben)
	minute(ana, ben)

	// card is the own card of a new device, written by itself.
	card := func(who, name string) *record.Record {
		return w.desk(who, name, ana.held).sign(member.KindDeviceAdd, w.deviceCard(who, name))
	}
	forkedCard := card("Ben", "Ben's forked device")
	newDevice := w.desk("Ben", "Ben's forked device", ana.held)
	other := newDevice.sign(member.KindDeviceAdd, w.deviceCard("Ben", "Ben's forked device"))
	newcomer := ana.sign(member.KindAdmit, ana.invited("Dora").Encode())
	first := card("Ben", "Ben's next device")
	h := first.Header
	h.Seq, h.Prev, h.Parents, h.Depth = 2, first.ID, nil, h.Depth+1
	again, err := record.New(h, first.Body, key("Ben's next device"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		r    *record.Record
		want bool
	}{
		{"the founding record", ana.held[0], true},
		{"a record of a device that stands", ben.sign(coop.KindAck, nil), true},
		{"an act of a device that stands and has no effect", ben.sign("new/thing", nil), true},
		{"the admission of a newcomer", newcomer, true},
		{"the own card of a new device", card("Ben", "Ben's new device"), true},
		{"a record of somebody who left", gone.sign(coop.KindAck, nil), false},
		{"the own card of a new device of somebody who left", card("Gone", "Gone's new device"), false},
		{"the own card of a new device, as its second record", again, false},
		{"the own card of a device that was revoked", card("Ben", "Ben's old device"), false},
		{"a record of a forked device", cleo.sign(coop.KindAck, nil), false},
		{"the own card of a new device of somebody whose other device forked", card("Cleo", "Cleo's new device"), true},
		{"a record of a stranger", (&desk{w: w, key: key("stranger"), c: ana.c}).sign(coop.KindAck, nil), false},
		{"a device's first record with the card of another", (&desk{w: w, key: key("thief"), c: ana.c}).sign(member.KindDeviceAdd, w.deviceCard("Ben", "Ben's new device")), false},
		{"a device's first record with half a card", (&desk{w: w, key: key("thief"), c: ana.c}).sign(member.KindDeviceAdd, w.deviceCard("Ben", "thief")[:99]), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			equal(t, "takeable", ana.c.Takeable(test.r), test.want)
		})
	}
	equal(t, "the founding record, for who holds nothing", coop.New(nil).Takeable(ana.held[0]), true)
	equal(t, "anything else, for who holds nothing", coop.New(nil).Takeable(ben.sign(coop.KindAck, nil)), false)

	ana.add(forkedCard)
	ana.c.Changed() // within a stream it may be judged as if the card came later
	equal(t, "more of a device that has come by its card", ana.c.Takeable(newDevice.sign(coop.KindAck, nil)), true)
	ana.add(other)
	equal(t, "the own card of a device that forked", ana.c.Takeable(other), false)

	// Who joined and left, neither of it minuted, may still add a device.
	brief := ana.join("Finn")
	brief.act(member.KindLeave, nil)
	ana.pull(brief)
	equal(t, "Finn", ana.member(brief).Status, member.StatusLeft)
	equal(t, "a card of somebody who left, not minuted", ana.c.Takeable(card("Finn", "Finn's new device")), true)
	minute(ana, ben)
	equal(t, "a card of somebody who left, minuted", ana.c.Takeable(card("Finn", "Finn's new device")), false)

	for i := range member.MaxDevices {
		ben.pull(ana).write(member.KindDeviceAdd, w.deviceCard("Ben", fmt.Sprint("many ", i)))
		ana.pull(ben)
	}
	equal(t, "devices of Ben", len(ana.member(ben).Devices), member.MaxDevices)
	minute(ana, ben)
	equal(t, "one device too many", ana.c.Takeable(card("Ben", "Ben's last device")), false)
}

// TestRecoveredCards: cards signed by the old root count no more once the
// recovery is minuted, those of the new root as soon as it is known.
func TestRecoveredCards(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	card, err := member.NewRecoveryCard(member.CardTerms{Coop: w.id, Recovers: cleo.id(), Name: "Cleo", DeviceName: "new"}, rootOf("Cleo again"), key("Cleo again"))
	if err != nil {
		t.Fatal(err)
	}
	ben.decide([]*desk{cleo, w.desks[3]}, proposal.Effect{Kind: proposal.EffectRecover, Member: cleo.id(), Card: card.Encode()})
	ana.pull(ben)
	old := (&desk{w: w, key: key("old"), c: ana.c}).sign(member.KindDeviceAdd, w.deviceCard("Cleo", "old"))
	fresh := (&desk{w: w, key: key("fresh"), c: ana.c}).sign(member.KindDeviceAdd, w.deviceCard("Cleo again", "fresh"))
	equal(t, "old device, not minuted", ana.standing(cleo.device()), standing{true, true, true})
	equal(t, "new device, not minuted", ana.standing(key("Cleo again").Public()), standing{true, true, false})
	equal(t, "card of the old root, not minuted", ana.c.Takeable(old), true)
	equal(t, "card of the new root, not minuted", ana.c.Takeable(fresh), true)
	ana.ack()
	equal(t, "old device, minuted", ana.standing(cleo.device()), standing{true, false, false})
	equal(t, "new device, minuted", ana.standing(key("Cleo again").Public()), standing{true, true, true})
	equal(t, "card of the old root, minuted", ana.c.Takeable(old), false)
	equal(t, "card of the new root, minuted", ana.c.Takeable(fresh), true)
	ana.add(fresh)
	equal(t, "problem of the card", ana.problem(fresh.ID), "")
	equal(t, "Cleo's devices", len(ana.member(cleo).Devices), 2)
}

// TestUncovered: records of a device that does not stand are bare until a
// standing device that the minutes introduced has them in its past.
func TestUncovered(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	cleo := ana.join("Cleo")
	minute(ana, ben)
	sync(w.desks...)
	bare := func(d *desk) (ids []record.ID) {
		for _, ref := range d.c.Uncovered(d.device()) {
			ids = append(ids, d.c.History().ID(ref))
		}
		return ids
	}
	phone := cleo.addDevice("Cleo's phone")
	sync(ana, cleo, phone)
	minute(ana, ben)
	phone.pull(ana)
	cleo.pull(ana).act(member.KindRevoke, member.NewRevoke(phone.device()))
	ana.pull(cleo)
	late := phone.offer("Pears") // written before Cleo's phone heard of it
	minute(ana, ben)
	equal(t, "bare at Ana's", len(bare(ana)), 0)
	fresh := ana.sign(member.KindAdmit, ana.invited("Dora").Encode())
	ana.add(fresh)
	dora := w.desk("Dora", "Dora", ana.held)

	ana.pull(phone)
	ben.pull(ana)
	equalSlices(t, "bare at Ana's once she holds it", bare(ana), []record.ID{late})
	dora.pull(ana)
	dora.ack()
	ana.pull(dora)
	ben.pull(dora)
	equalSlices(t, "bare although somebody has it in their past whom the minutes do not know", bare(ana), []record.ID{late})
	equal(t, "bare for Dora, who wrote so herself", len(bare(dora)), 0)
	ben.ack()
	ana.pull(ben)
	equal(t, "bare once Ben covers it", len(bare(ana)), 0)
	more := phone.offer("Plums")
	ana.pull(phone)
	equalSlices(t, "bare when more comes", bare(ana), []record.ID{more})

	twin := w.desk("Cleo", "Cleo", cleo.held)
	a, b := cleo.ack(), twin.offer("Figs")
	ana.pull(cleo, twin)
	equal(t, "bare with both branches of a fork", len(bare(ana)), 3)
	ana.ack()
	equal(t, "bare once Ana covers all", len(bare(ana)), 0)
	for _, id := range []record.ID{a, b} {
		ref, _ := ana.c.History().Find(id)
		tip := ana.c.History().TipsOf(ana.device())[0]
		equal(t, "in the past of the cover", ana.c.History().InPast(ref, tip), true)
	}
}

// TestIntroductions leads from a device back to the founding record.
func TestIntroductions(t *testing.T) {
	w, ana, _, _, _, _ := village(t)
	s := ana.decide([]*desk{w.desks[1].pull(ana), w.desks[2].pull(ana)}, proposal.Effect{Kind: proposal.EffectOffice, Member: w.desks[1].id(), Name: member.Sponsor, On: true})
	equal(t, "Ben is a sponsor", ana.proposal(s).Status, proposal.StatusPassed)
	finn := w.desks[1].pull(ana).join("Finn")
	phone := finn.addDevice("Finn's phone")
	var kinds []string
	var last history.Ref
	for _, ref := range phone.c.Introductions(phone.device()) {
		kinds = append(kinds, phone.c.History().At(ref).Kind)
		last = ref
	}
	equalSlices(t, "kinds", kinds, []string{member.KindDeviceAdd, member.KindAdmit, member.KindAdmit, member.KindFound})
	equal(t, "it ends at the founding record", last, 0)
	equal(t, "of a stranger", len(phone.c.Introductions(key("stranger").Public())), 0)
}

// TestFork: of two records in one slot the first in the order stands, both are
// there to be shown, the device is out, and its person goes on with another.
func TestFork(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	phone := ben.addDevice("Ben's phone")
	minute(ana.pull(ben))
	sync(w.desks...)
	twin := w.desk("Ben", "Ben", ben.held)
	one, other := ben.pay(w.id, 100), twin.pay(w.id, 200)
	later := ben.pay(w.id, 10)
	laterThere := twin.pay(w.id, 20)
	figs, seen := twin.offer("Figs"), twin.ack()

	here := w.desk("Cleo", "here", cleo.held).pull(ben, twin)
	there := w.desk("Cleo", "there", cleo.held).pull(twin, ben)
	same(here, there)
	s := here.c.State()
	first, second, won := one, other, int64(100)
	if here.problem(one) != "" {
		first, second, won = other, one, 200
	}
	equal(t, "the first in the order", here.problem(first), "")
	for _, id := range []record.ID{second, later, laterThere, figs, seen} {
		refuse(t, here.problem(id), "Ben's device \"laptop\" signed two records in one slot")
	}
	equal(t, "what the treasury has", here.balance(w.id), won)
	equal(t, "a content is not lost for all that", s.Listings.Has(figs), true)
	d, _ := s.People.Devices.Get(ben.device())
	equal(t, "forked", d.Forked, true)
	equal(t, "the second record", d.Second, second)
	a, b, ok := here.c.History().Fork(ben.device())
	shown := map[record.ID]bool{here.c.History().ID(a): true, here.c.History().ID(b): true}
	if !ok || !shown[one] || !shown[other] {
		t.Errorf("evidence: got %v, %v, want %s and %s", shown, ok, one.Short(), other.Short())
	}
	equal(t, "the device", here.standing(ben.device()), standing{true, false, false})
	refuse(t, here.c.WhyNot(ben.device()), "two records in one slot")
	equal(t, "Ben", here.member(ben).Status, member.StatusMember)

	phone.pull(here)
	phone.pay(w.id, 1)
	equal(t, "nothing is bare once the phone has the old tips in its past", len(phone.c.Uncovered(phone.device())), 0)
	ana.pull(phone).ack()
	equal(t, "with the teller too", ana.problem(first), "")
	equal(t, "what the treasury has in the minutes", ana.c.State().Minuted.Ledger.Account(ledger.AccountKey{Unit: "hour", Owner: w.id}).Balance, won+1)
}

// TestForkAcrossMinutes: the branch that the minutes hold stands, even if the
// other would be first by its depth.
func TestForkAcrossMinutes(t *testing.T) {
	w, ana, ben, _, _, _ := village(t)
	twin := w.desk("Ben", "Ben", ben.held)
	for range 5 {
		ana.ack()
	}
	ben.pull(ana)
	deep, flat := ben.pay(w.id, 100), twin.pay(w.id, 200)
	ana.pull(ben).ack()
	equal(t, "before the fork is known", ana.problem(deep), "")
	ana.pull(twin)
	equal(t, "the minuted one", ana.problem(deep), "")
	refuse(t, ana.problem(flat), "two records in one slot")
	ana.ack()
	equal(t, "the minuted one", ana.problem(deep), "")
	equal(t, "what the treasury has", ana.balance(w.id), 100)
}

// TestTellerForks: a forked device keeps its seat until its root passes it.
func TestTellerForks(t *testing.T) {
	w, ds := found(t, "Ana", "Ben", "Cleo")
	ana, ben, cleo := ds[0], ds[1], ds[2]
	phone := ben.addDevice("Ben's phone")
	sync(w.desks...)
	minute(ana, cleo)
	sync(w.desks...)
	twin := w.desk("Ben", "Ben", ben.held)
	ben.ack()
	twin.offer("Figs")
	sync(ana, cleo, phone, ben, twin)
	minute(ana, cleo)
	equal(t, "Ben's seat", ana.c.People().Tellers[1], ben.device())
	phone.pull(ana)
	refuse(t, phone.problem(phone.write(member.KindSeatPass, phone.c.People().NewSeatPass(ben.device(), phone.device(), true, nil))), "with the root key")
	phone.act(member.KindSeatPass, phone.c.People().NewSeatPass(ben.device(), phone.device(), true, rootOf("Ben")))
	equalSlices(t, "tellers", phone.c.People().Tellers, []record.Key{ana.device(), phone.device(), cleo.device()})
	ana.pull(phone)
	minute(ana, cleo)
	for range 3 {
		for _, d := range []*desk{ana, phone, cleo} {
			d.pull(ana, phone, cleo).ack()
		}
	}
	s := phone.pull(ana, cleo).c.State()
	equal(t, "epochs", len(s.Epochs), 2)
	equalSlices(t, "tellers in the minutes", s.Minuted.People.Tellers, []record.Key{ana.device(), phone.device(), cleo.device()})
	paid := phone.pay(w.id, 1)
	minute(phone, cleo)
	equal(t, "the new seat counts", phone.c.State().InMinutes(paid), true)
}
