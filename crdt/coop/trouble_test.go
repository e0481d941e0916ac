package coop_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// trouble is what a test wants to see of a Trouble.
type trouble struct {
	kind     coop.TroubleKind
	device   record.Key
	evidence []record.ID // what counts first
	id       record.ID
	more     int
}

// wantTrouble holds that all of the desks show this, and nothing else.
func wantTrouble(t *testing.T, want []trouble, desks ...*desk) {
	t.Helper()
	for _, d := range desks {
		got, of := d.c.Troubles()
		if len(got) != len(want) || of != len(want) {
			t.Errorf("%s: %d troubles of %d, want %d: %+v", d.name, len(got), of, len(want), got)
			continue
		}
		for i, w := range want {
			g := got[i]
			if g.Kind != w.kind || g.Device != w.device || g.ID != w.id || !slices.Equal(g.Evidence, w.evidence) || g.More != w.more {
				t.Errorf("%s: trouble %d is %+v, want %+v", d.name, i, g, w)
			}
			if p := d.problem(g.ID); p != g.Reason && g.Kind != coop.TroubleTellers {
				t.Errorf("%s: the reason is %q, the problem %q", d.name, g.Reason, p)
			}
		}
	}
}

func TestTroubleFree(t *testing.T) {
	w, ana, ben, _, _, _ := village(t)
	ana.pay(ben.id(), 100)
	ben.pull(ana).offer("Eggs")
	p := ben.open()
	ben.vote(p, proposal.Yes)
	ben.vote(p, proposal.No) // a change of mind is no trouble
	ana.pull(ben)
	wantTrouble(t, nil, ana, w.desks[1])
	if got, of := coop.New(nil).Troubles(); got != nil || of != 0 {
		t.Error("there is trouble where there is no co-op")
	}
}

// TestTroubleOfForks: everybody sees the same two records, and which counts.
func TestTroubleOfForks(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	twin, third := w.desk("Ben", "Ben", ben.held), w.desk("Ben", "Ben", ben.held)
	slot := []record.ID{ben.ack(), twin.pay(w.id, 200), third.pay(w.id, 300)}
	next := ben.pay(w.id, 100)
	ana.pull(ben, twin, third)
	cleo.pull(third, twin, ben)
	d, _ := ana.c.State().People.Devices.Get(ben.device())
	first := slot[slices.IndexFunc(slot, func(id record.ID) bool { return ana.problem(id) == "" })]
	if !slices.Contains(slot, d.Second) {
		t.Fatalf("the device forked by %s", d.Second.Short())
	}
	more := 1
	if ana.problem(next) != "" {
		more++
	}
	wantTrouble(t, []trouble{{kind: coop.TroubleFork, device: ben.device(), id: d.Second, evidence: []record.ID{first, d.Second}, more: more}}, ana, cleo)
}

// TestTroubleOfTellers: more forked tellers than the minutes bear are shown before
// all else.
func TestTroubleOfTellers(t *testing.T) {
	for _, c := range []struct {
		tellers []string
		forked  int
		told    bool
	}{
		{[]string{"Ana", "Ben", "Cleo"}, 1, true},
		{[]string{"Ana", "Ben", "Cleo", "Dan"}, 1, false},
		{[]string{"Ana", "Ben", "Cleo", "Dan"}, 2, true},
	} {
		w, ds := found(t, c.tellers...)
		for _, d := range ds[:c.forked] {
			twin := w.desk(d.who, d.name, d.held)
			d.offer("Figs")
			twin.offer("Nuts")
			ds[len(ds)-1].pull(d, twin)
		}
		got, _ := ds[len(ds)-1].c.Troubles()
		if told := got[0].Kind == coop.TroubleTellers; told != c.told || len(got) != c.forked+map[bool]int{true: 1}[c.told] {
			t.Errorf("%d of %d forked: %+v", c.forked, len(c.tellers), got)
		} else if told && (len(got[0].Tellers) != c.forked || len(got[0].Evidence) != 2*c.forked) {
			t.Errorf("%d of %d forked: %+v", c.forked, len(c.tellers), got[0])
		}
	}
}

// TestTroubleOfMoney: a payment for which another one left too little is shown
// with that; one that was too large anyway is not.
func TestTroubleOfMoney(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	phone := ben.addDevice("Ben's phone")
	ana.pull(ben)
	small := ben.pay(ana.id(), 10) // both know of it
	phone.pull(ben)
	one, other := ben.pay(ana.id(), 3000), phone.pay(w.id, 3000)
	ana.pull(ben, phone)
	counts, void, device := one, other, phone.device()
	if ana.problem(one) != "" {
		counts, void, device = other, one, ben.device()
	}
	want := []trouble{{kind: coop.TroubleSpent, device: device, id: void, evidence: []record.ID{counts, void}}}
	wantTrouble(t, want, ana, cleo.pull(phone, ben))
	cleo.pull(ana)
	much := cleo.write("ledger/transfer", transfer(ana.id(), 100_000))
	ana.pull(cleo)
	wantTrouble(t, append([]trouble{{kind: coop.TroubleVoid, device: cleo.device(), id: much, evidence: []record.ID{much}}}, want...), ana, cleo)
	equal(t, "the small one", ana.problem(small), "")
}

// TestTroubleOfInvites: an admission by a used-up invite is shown with the one
// that used it.
func TestTroubleOfInvites(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	ana.decide([]*desk{ben, cleo}, proposal.Effect{Kind: proposal.EffectOffice, Member: ben.id(), Name: member.Sponsor, On: true})
	finn := ana.invited("Finn")
	i := member.Invite{Coop: w.id, Seed: [32]byte{9}}
	ana.act(member.KindInvite, member.NewInvite(i.Key().Public(), 1, 0))
	card := func(who string) []byte {
		c, err := member.NewCard(member.CardTerms{Coop: w.id, Name: who, DeviceName: "laptop"}, i.Key(), rootOf(who), key(who))
		if err != nil {
			t.Fatal(err)
		}
		return c.Encode()
	}
	ben.pull(ana)
	one, other := ana.act(member.KindAdmit, card("Gil")), ben.act(member.KindAdmit, card("Hal"))
	ana.act(member.KindAdmit, finn.Encode()) // by another invite
	ana.pull(ben)
	ben.pull(ana)
	counts, void, device := one, other, ben.device()
	if ana.problem(one) != "" {
		counts, void, device = other, one, ana.device()
	}
	wantTrouble(t, []trouble{{kind: coop.TroubleInvite, device: device, id: void, evidence: []record.ID{counts, void}}}, ana, ben)
}

// TestTroubleOfVotes: one person's two votes that cannot both be meant.
func TestTroubleOfVotes(t *testing.T) {
	_, ana, ben, cleo, dora, _ := village(t)
	phone := ben.addDevice("Ben's phone")
	ana.pull(ben)
	p := ana.open(proposal.Effect{Kind: proposal.EffectOffice, Member: cleo.id(), Name: member.Sponsor, On: true})
	for _, d := range []*desk{ben, phone, cleo, dora} {
		d.pull(ben, ana)
	}
	yes, no := ben.vote(p, proposal.Yes), phone.vote(p, proposal.No)
	ana.pull(ben, phone)
	cleo.pull(phone, ben)
	b, _ := ana.c.State().Proposals.Voted(p, ben.id())
	counts, replaced, device := yes, no, phone.device()
	if b.ID == no {
		counts, replaced, device = no, yes, ben.device()
	}
	want := []trouble{{kind: coop.TroubleVotes, device: device, id: replaced, evidence: []record.ID{counts, replaced}}}
	wantTrouble(t, want, ana, cleo)
}

// TestTroubleOfLateVotes: a vote after the decision is shown unless its author held
// all that decided.
func TestTroubleOfLateVotes(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last bool // of the votes that decide, what the late voter holds
		told        bool
	}{
		{"nothing", false, false, true}, {"the first", true, false, true}, {"the last", false, true, true}, {"both", true, true, false},
	} {
		_, ana, ben, cleo, dora, _ := village(t)
		p := ana.open(proposal.Effect{Kind: proposal.EffectOffice, Member: ben.id(), Name: member.Sponsor, On: true})
		for _, d := range []*desk{ben, cleo, dora} {
			d.pull(ana)
		}
		ana.vote(p, proposal.Yes)
		dora.pull(ana)
		votes := map[record.ID]*desk{ben.vote(p, proposal.Yes): ben, cleo.vote(p, proposal.Yes): cleo}
		ana.pull(ben, cleo).ack()
		equal(t, "status", ana.proposal(p).Status, proposal.StatusPassed)
		for id, d := range votes {
			if last := id == ana.proposal(p).Decided; last && c.last || !last && c.first {
				dora.pull(d)
			}
		}
		late := dora.vote(p, proposal.No)
		got, _ := ana.pull(dora).c.Troubles()
		if told := len(got) == 1 && got[0].Kind == coop.TroubleLate && got[0].ID == late; told != c.told || len(got) > 1 {
			t.Errorf("who held %s of what decided: %+v", c.name, got)
		}
	}
}

// TestTroubleOfTimeOver: who votes when the time is over by their own clock is no
// trouble to anybody, though the tellers have closed it meanwhile.
func TestTroubleOfTimeOver(t *testing.T) {
	w, ana, _, _, dora, _ := village(t)
	poll := ana.open()
	dora.pull(ana)
	w.clock += 31 * 24 * 60 * 60 * 1000
	for _, d := range w.desks {
		if slices.Contains(ana.c.People().Tellers, d.device()) {
			d.pull(ana).act(proposal.KindClose, closing(poll))
			ana.pull(d)
		}
	}
	equal(t, "status", ana.proposal(poll).Status, proposal.StatusRejected)
	dora.vote(poll, proposal.Yes)
	if got, of := ana.pull(dora).c.Troubles(); of != 0 {
		t.Errorf("a vote after the time: %+v", got)
	}
	equal(t, "shown as late", ana.proposal(poll).Count.Yes, 0)
}

// TestTroubleOfTheGone: what somebody writes after they were put out is one
// trouble, however much it is.
func TestTroubleOfTheGone(t *testing.T) {
	w, ana, ben, _, _, _ := village(t)
	twin := w.desk("Ben", "Ben's phone", ben.pull(ben).held)
	ben.act(member.KindDeviceAdd, w.deviceCard("Ben", "Ben's phone"))
	twin.pull(ben)
	ben.act(member.KindRevoke, member.NewRevoke(twin.device()))
	ana.pull(ben).ack()
	var ids []record.ID
	for range 3 {
		ids = append(ids, twin.pay(w.id, 1))
	}
	ana.pull(twin)
	last := ids[len(ids)-1]
	wantTrouble(t, []trouble{{kind: coop.TroubleGone, device: twin.device(), id: last, evidence: []record.ID{last}, more: 2}}, ana)
}

// TestTroubleOfContents: an edit of what belongs to somebody else.
func TestTroubleOfContents(t *testing.T) {
	_, ana, ben, _, _, _ := village(t)
	eggs := ana.offer("Eggs")
	ops, err := listing.Draft{Kind: listing.Offer, Title: "Rotten eggs"}.Create()
	if err != nil {
		t.Fatal(err)
	}
	id := ben.pull(ana).write(document.KindEdit, document.Edit{Doc: eggs, Ops: ops}.Encode())
	got, _ := ben.c.Troubles()
	if len(got) != 1 || got[0].Kind != coop.TroubleVoid || got[0].ID != id || got[0].Reason == "" {
		t.Errorf("got %+v", got)
	}
}

// TestTroublesAreBounded: a flood of nonsense is one trouble of its author, with the
// latest record, how many more there are, and some of them.
func TestTroublesAreBounded(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	phone := ben.addDevice("Ben's phone")
	for range 20 {
		ben.write("new/thing", nil)
		phone.pull(ben).write("new/thing", nil)
	}
	void := ana.pull(phone).write("new/thing", nil)
	got, of := cleo.pull(ana).c.Troubles()
	if len(got) != 2 || of != 2 || got[0].ID != void || got[0].More != 0 || got[0].Others != nil {
		t.Fatalf("%d of %d: %+v", len(got), of, got)
	}
	if g := got[1]; g.Person != ben.id() || g.ID != phone.held[len(phone.held)-1].ID || g.More != 39 || len(g.Others) != coop.MaxEvidence {
		t.Errorf("of Ben: %+v", g)
	}
	// Devices that come by cards of one root without effect are of its person, whose devices they never were.
	for i := range member.MaxDevices + 5 {
		name := fmt.Sprint("card ", i)
		d := w.desk("Ben", name, cleo.held)
		d.write(member.KindDeviceAdd, w.deviceCard("Ben", name))
		cleo.pull(d)
	}
	all, _ := cleo.c.Troubles()
	if len(all) != 2 || !slices.ContainsFunc(all, func(g coop.Trouble) bool { return g.Person == ben.id() && g.More > 39 }) {
		t.Errorf("%d troubles: %+v", len(all), all)
	}
}

// TestTroubleOfNobody: what forked devices of nobody did is one trouble, the same at
// all who hold the same.
func TestTroubleOfNobody(t *testing.T) {
	w, ana, ben, cleo, _, _ := village(t)
	i := member.Invite{Coop: w.id, Seed: [32]byte{9}} // made by nobody
	for n := range 12 {
		who := fmt.Sprint("Ghost ", n)
		card, err := member.NewCard(member.CardTerms{Coop: w.id, Name: who, DeviceName: "laptop"}, i.Key(), rootOf(who), key(who))
		if err != nil {
			t.Fatal(err)
		}
		ben.write(member.KindAdmit, card.Encode())
		ghost, twin := w.desk(who, who, ben.held), w.desk(who, who, ben.held)
		ghost.write("new/thing", nil)
		twin.write("other/thing", nil)
		ben.pull(ghost, twin)
	}
	ana.pull(ben)
	for _, d := range w.desks[6:] {
		cleo.pull(d)
	}
	got, _ := ana.c.Troubles()
	want, _ := cleo.pull(ben).c.Troubles()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Ana sees %+v\nCleo sees %+v", got, want)
	}
	forks := slices.DeleteFunc(got, func(g coop.Trouble) bool { return g.Kind != coop.TroubleFork })
	if len(forks) != 1 || forks[0].Person != (record.ID{}) || forks[0].More != 11+12 {
		t.Errorf("of the forks: %+v", forks)
	}
}
