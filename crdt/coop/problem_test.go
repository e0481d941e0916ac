package coop_test

import (
	"math/rand/v2"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// TestNonsense: whatever the body of an admitted record says, the fold goes on,
// and what has no effect says why.
func TestNonsense(t *testing.T) {
	_, ana, ben, cleo, dora, eve := village(t)
	gift, poll := ana.pay(ben.id(), 100), ana.open()
	for _, d := range []*desk{ben, cleo, dora, eve} {
		d.pull(ana)
	}
	ops, err := listing.Draft{Kind: listing.Offer, Title: "Eggs"}.Create()
	if err != nil {
		t.Fatal(err)
	}
	open, err := proposal.Open(ana.c.People(), ana.id(), proposal.OpenBody{Title: "Let us", Rule: proposal.Governance, ClosesAt: 1, Effects: []proposal.Effect{
		{Kind: proposal.EffectBudget, Member: ben.id(), Unit: "hour", Amount: 10}}})
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]byte{
		ledger.KindTransfer: transfer(ben.id(), 1), ledger.KindAccept: answer(gift), ledger.KindDecline: answer(gift), ledger.KindCancel: answer(gift),
		ledger.KindRequest:    record.Marshal(ledger.RequestBody{From: ben.id(), Unit: "hour", Amount: 1}),
		ledger.KindRule:       record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{{From: []record.ID{}, Unit: "hour", Max: 5}}}),
		ledger.KindInstalment: record.Marshal(ledger.InstalmentBody{Proposal: poll, Number: 1, Amount: 1}),
		proposal.KindOpen:     open, proposal.KindWithdraw: withdrawal(poll), proposal.KindClose: closing(poll), proposal.KindCast: vote(poll, proposal.Yes),
		member.KindInvite: member.NewInvite(key("a").Public(), 1, 0), member.KindUninvite: member.NewUninvite(key("a").Public()),
		member.KindAdmit: ana.invited("Finn").Encode(), member.KindIntroduce: ana.invited("Finn").Encode(), member.KindLeave: {},
		member.KindDeviceAdd: ana.w.deviceCard("Ana", "more"), member.KindRevoke: member.NewRevoke(ana.device()),
		member.KindSeatPass: ana.c.People().NewSeatPass(ana.device(), ben.device(), true, nil),
		member.KindFound:    ana.held[0].Body,
		document.KindCreate: document.Create{Schema: listing.SchemaName, Ops: ops}.Encode(),
		document.KindEdit:   document.Edit{Doc: gift, Ops: ops}.Encode(),
		coop.KindAck:        {},
		"ledger/new":        {}, "member/new": {}, "vote/new": {}, "proposal/new": {}, "device/new": {}, "seat/new": {}, "new/thing": {}, "new": {}, "coop/new": {}, "doc/new": {},
	}
	random := rand.New(rand.NewPCG(1, 1))
	for kind, body := range good {
		t.Run(kind, func(t *testing.T) {
			_, ds := ana.w.clone(t)
			by := ds[0]
			broken := [][]byte{nil, {0}, {0x80}, {0xf6}, append(append([]byte{}, body...), 0)}
			for range 30 {
				b := append([]byte{}, body...)
				for range 1 + random.IntN(2) {
					if len(b) > 0 {
						b[random.IntN(len(b))] ^= 1 << random.IntN(8)
					}
				}
				broken = append(broken, b, b[:random.IntN(len(b)+1)])
			}
			for _, b := range broken {
				// What is no act of this version is judged by Try as by the fold.
				var why error
				if !document.IsContent(kind) && kind != coop.KindAck {
					why = by.c.Try(by.device(), kind, b)
				}
				id := by.write(kind, b)
				if got := by.problem(id); !document.IsContent(kind) && (got == "") != (why == nil) {
					t.Fatalf("body %x: Try says %v, the fold %q", b, why, got)
				}
				if !by.c.People().Stands(by.device()) {
					break // it revoked itself
				}
			}
			s := by.c.State()
			s.Ledger.CheckZero()
			same(by, &desk{w: by.w, name: "a refold", c: fold(t, shuffled(by.held, 9))})
			restored, n := restore(t, by.held, by.c.Snapshot(), nil)
			if n != len(by.held) || restored.State().Digest() != s.Digest() {
				t.Error("restored, it is another state")
			}
		})
	}
}

// TestUnknownKinds: what a later version writes is a Problem here that tells
// people to update, and harms nobody.
func TestUnknownKinds(t *testing.T) {
	_, ana, _, _, _, _ := village(t)
	people := peopleOf(ana.c.State())
	for _, kind := range []string{"ledger/new", "member/new", "vote/new", "proposal/new", "device/new", "seat/new", "new/thing", "new", "ack/new", "coop/found"} {
		id := ana.write(kind, []byte{0x80})
		p, ok := ana.c.State().Acts.Problems.Get(id)
		if !ok || p.Kind != kind || p.Device != ana.device() || p.Record != id || p.Reason == "" {
			t.Errorf("%s: got the problem %+v", kind, p)
		}
	}
	equal(t, "people", string(peopleOf(ana.c.State())), string(people))
	ana.ack()
	equal(t, "problems in the minutes", ana.c.State().Minuted.Problems.Len(), 10)
	equal(t, "an ack has none", ana.problem(ana.ack()), "")
}

// TestRefused: what is not admitted leaves no trace.
func TestRefused(t *testing.T) {
	w, ana, _, _, _, _ := village(t)
	digest := ana.c.State().Digest()
	stranger := &desk{w: w, key: key("stranger"), c: ana.c}
	_, others := found(t, "Zoe")
	forged := *ana.sign(coop.KindAck, nil)
	forged.Sig[3] ^= 1
	decoded, err := record.Decode(forged.Encode())
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*record.Record{
		"a stranger's":          stranger.sign(coop.KindAck, nil),
		"another co-op's":       others[0].sign(coop.KindAck, nil),
		"another founding":      others[0].held[0],
		"with a bad signature":  decoded,
		"with a body left out":  ana.sign(ledger.KindTransfer, transfer(w.id, 1)).Erase(),
		"with an unknown past":  w.desk("Ana", "Ana", ana.held).after(coop.KindAck).sign(coop.KindAck, nil),
		"with a stranger's own": stranger.sign(member.KindDeviceAdd, w.deviceCard("Zoe", "stranger")),
	} {
		if _, fresh, err := ana.c.Add(r); err == nil || fresh {
			t.Errorf("a record %s is admitted", name)
		}
	}
	if ana.c.State().Digest() != digest {
		t.Error("the state is another one")
	}
	bad, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, []byte("nothing"), key("Ana"))
	if err != nil {
		t.Fatal(err)
	}
	c := coop.New(nil)
	if _, fresh, err := c.Add(bad); err == nil || fresh || c.History().Len() != 0 {
		t.Errorf("a founding record without terms: %v", err)
	}
}

// after writes a record and returns the desk.
func (d *desk) after(kind string) *desk {
	d.write(kind, nil)
	return d
}
