package coop_test

import (
	"fmt"
	"slices"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// TestProvisional: what one of two tellers writes alone is shown and is not in
// the minutes; once both have talked it is, and nothing provisional changes that.
func TestProvisional(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	ana.pay(w.id, 100)
	minute(ana, ben)
	before := bytesOf(ana.c.State().Minuted)

	paid := ana.pay(w.id, 200)
	s := ana.c.State()
	equalSlices(t, "pending", s.Pending, []record.ID{paid})
	equal(t, "waiting", ana.c.Waiting(), 1)
	equal(t, "in the minutes", s.InMinutes(paid), false)
	equal(t, "balance with what is provisional", ana.balance(w.id), 300)
	equal(t, "balance in the minutes", s.Minuted.Ledger.Account(ledger.AccountKey{Unit: "hour", Owner: w.id}).Balance, 100)
	equal(t, "the minutes", string(bytesOf(s.Minuted)), string(before))
	ref, _ := ana.c.History().Find(paid)
	waits := ana.c.Minutes().Status(ref)
	equal(t, "it needs", fmt.Sprint(waits.Needs, " of ", waits.Of), "2 of 2")
	ana.offer("Apples")
	ana.ack()
	equalSlices(t, "a content and an ack wait for nothing", ana.c.State().Pending, []record.ID{paid})

	minute(ana, ben)
	s = ana.c.State()
	equal(t, "pending once both have talked", len(s.Pending), 0)
	equal(t, "in the minutes once both have talked", s.InMinutes(paid), true)
	equal(t, "balance in the minutes", s.Minuted.Ledger.Account(ledger.AccountKey{Unit: "hour", Owner: w.id}).Balance, 300)

	minuted := bytesOf(s.Minuted)
	ana.act(member.KindAdmit, ana.invited("Cleo").Encode())
	ana.open(proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{member.MemberID(w.id, rootOf("Cleo").Public())}})
	ana.write(ledger.KindTransfer, transfer(w.id, 1e9))
	s = ana.c.State()
	equal(t, "pending", len(s.Pending), 4)
	equal(t, "the minutes after provisional acts", string(bytesOf(s.Minuted)), string(minuted))
	equal(t, "a problem that is provisional", s.Minuted.Problems.Len(), 0)
	equal(t, "problems", s.Acts.Problems.Len(), 1)
}

// TestStateStays: a state that was handed out does not change when the co-op
// goes on.
func TestStateStays(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	ana.pay(w.id, 100)
	s := ana.c.State()
	digest, changed := s.Digest(), ana.c.Changed()
	equal(t, "looking moves nothing", ana.c.Changed(), changed)
	ana.offer("Apples")
	ana.pay(w.id, 200)
	minute(ana, ben)
	ana.join("Cleo")
	equal(t, "digest of the old state", s.Digest(), digest)
	if ana.c.Changed() == changed {
		t.Error("the co-op went on and Changed is the same")
	}
}

// TestOverspend: somebody who spends their whole limit from two devices that do
// not see each other pays once.
func TestOverspend(t *testing.T) {
	w, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	phone := ben.addDevice("Ben's phone")
	cleo, dora := ana.pull(ben).join("Cleo"), ana.join("Dora")
	minute(ana, ben)
	sync(w.desks...)

	pays := []record.ID{ben.pay(cleo.id(), 5000), phone.pay(dora.id(), 5000)}
	refuse(t, ben.problem(ben.write(ledger.KindTransfer, transfer(ana.id(), 1))), "more than the 0.00 hour")
	answers := []record.ID{cleo.pull(ben).act(ledger.KindAccept, answer(pays[0])), dora.pull(phone).act(ledger.KindAccept, answer(pays[1]))}
	equal(t, "each side by itself", cleo.balance(cleo.id())+dora.balance(dora.id()), 10000)

	one := w.desk("Ana", "one side first", ana.held).pull(cleo, dora)
	other := w.desk("Ana", "the other side first", ana.held).pull(dora, cleo)
	same(one, other)
	check := func(d *desk) (first int) {
		t.Helper()
		s := d.c.State()
		s.Ledger.CheckZero()
		if d.problem(pays[0]) != "" {
			first = 1
		}
		equal(t, "the payment that stands", d.problem(pays[first]), "")
		refuse(t, d.problem(pays[1-first]), "50.00 hour is more than the 0.00 hour that Ben has")
		equal(t, "its acceptance", d.problem(answers[first]), "")
		refuse(t, d.problem(answers[1-first]), "there is no payment")
		equal(t, "Ben's balance", d.balance(ben.id()), -5000)
		equal(t, "what the others have", d.balance(cleo.id())+d.balance(dora.id()), 5000)
		equal(t, "payments", s.Ledger.Payments.Len(), 1)
		return first
	}
	provisional := check(one)
	sync(w.desks...)
	minute(ana, ben)
	equal(t, "the payment that the minutes hold", check(ana), provisional)

	// A side that the tellers are on wins, however many records the other wrote before.
	w, ds = found(t, "Ana")
	ana = ds[0]
	ben = ana.join("Ben")
	ana.decide(nil, proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{ben.id()}})
	phone = ben.pull(ana).addDevice("Ben's phone")
	ana.pull(ben)
	early := ben.pay(w.id, 5000)
	for range 5 {
		phone.ack()
	}
	late := phone.pay(w.id, 5000)
	ana.pull(phone).ack()
	ana.pull(ben)
	equal(t, "the one the teller saw first", ana.problem(late), "")
	refuse(t, ana.problem(early), "more than the 0.00 hour")
	ana.ack()
	refuse(t, ana.problem(early), "more than the 0.00 hour")
	equal(t, "in the minutes", len(ana.c.State().Pending), 0)
}

// TestTry judges an act as the fold will, and changes nothing.
func TestTry(t *testing.T) {
	w, ana, ben, cleo, _, eve := village(t)
	poll := ana.open()
	gift := ana.pay(ben.id(), 100)
	sync(w.desks...)
	forked := w.desk("Ben", "Ben", ben.held)
	ben.ack()
	forked.offer("Pears")
	ben.pull(forked)
	sync(w.desks...)
	e := proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{eve.id()}}
	open, err := proposal.Open(cleo.c.People(), cleo.id(), proposal.OpenBody{Title: "Let us", Rule: proposal.Governance, ClosesAt: 1, Effects: []proposal.Effect{e}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		by   *desk
		kind string
		body []byte
		want string // "": it has an effect
	}{
		{"pay", cleo, ledger.KindTransfer, transfer(ana.id(), 5000), ""},
		{"pay too much", cleo, ledger.KindTransfer, transfer(ana.id(), 5001), "more than the 50.00 hour"},
		{"accept", ana, ledger.KindAccept, answer(gift), "only Ben can accept"},
		{"cancel", ana, ledger.KindCancel, answer(gift), ""},
		{"open", cleo, proposal.KindOpen, open, ""},
		{"open with another electorate", eve, proposal.KindOpen, open, "no member yet"},
		{"vote", cleo, proposal.KindCast, vote(poll, proposal.Yes), ""},
		{"vote of an associate", eve, proposal.KindCast, vote(poll, proposal.Yes), "not among those"},
		{"leave", cleo, member.KindLeave, nil, ""},
		{"leave as a teller", ana, member.KindLeave, nil, "is a teller"},
		{"a forked device", ben, ledger.KindTransfer, transfer(ana.id(), 1), "two records in one slot"},
		{"the own card of a new device", &desk{w: w, key: key("new")}, member.KindDeviceAdd, w.deviceCard("Ben", "new"), ""},
		{"a stranger", &desk{w: w, key: key("stranger")}, ledger.KindTransfer, transfer(ana.id(), 1), "must be admitted first"},
		{"an unknown kind", cleo, "new/thing", nil, "update coop"},
		{"nonsense", cleo, ledger.KindTransfer, []byte{1, 2, 3}, "body of ledger/transfer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			digest, changed := ana.c.State().Digest(), ana.c.Changed()
			err := ana.c.Try(test.by.device(), test.kind, test.body)
			if test.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if test.want != "" {
				refuse(t, fmt.Sprint(err), test.want)
			}
			if ana.c.State().Digest() != digest || ana.c.Changed() != changed {
				t.Error("it changed the state")
			}
		})
	}
}

// TestTakenBack: when more tellers lie than the order can bear, and their lies
// meet, all who hold them agree again. What an earlier epoch decided stays.
func TestTakenBack(t *testing.T) {
	first := func(t *testing.T) (w *world, ana, ben, cleo *desk) {
		w, ds := found(t, "Ana", "Ben")
		cleo = ds[0].join("Cleo")
		minute(ds[0], ds[1])
		return w, ds[0], ds[1], cleo
	}
	second := func(t *testing.T) (w *world, ana, ben, cleo *desk) {
		w, ana, ben, cleo, _, _ = village(t)
		ana.pay(w.id, 1)
		ana.decide([]*desk{ben, cleo}, proposal.Effect{Kind: proposal.EffectTellers, Keys: []record.Key{ana.device(), ben.device()}})
		ana.ack()
		ana.pay(ben.id(), 1)
		minute(ana, ben)
		equal(t, "epochs", len(ana.c.State().Epochs), 2)
		return w, ana, ben, cleo
	}
	for name, begin := range map[string]func(*testing.T) (w *world, ana, ben, cleo *desk){"in the first epoch": first, "in the second": second} {
		t.Run(name, func(t *testing.T) {
			w, ana, ben, cleo := begin(t)
			sync(w.desks...)
			ana2, ben2 := w.desk("Ana", "Ana", ana.held), w.desk("Ben", "Ben", ben.held)
			paid, paid2 := ana.pay(cleo.id(), 3000), ana2.pay(w.id, 3000)
			minute(ana, ben)
			minute(ana2, ben2)
			equal(t, "one payment is final here", ana.c.State().InMinutes(paid) && ana.problem(paid) == "", true)
			equal(t, "the other is final there", ana2.c.State().InMinutes(paid2) && ana2.problem(paid2) == "", true)

			here, there := ana.held, ana2.held
			restarted, restarted2 := ana.restart(), ana2.restart()
			for _, d := range []*desk{ana, ana2, cleo, restarted, restarted2} {
				d.c.State()
				d.pull(&desk{held: here}, &desk{held: there})
				d.c.State()
			}
			same(ana, ana2, cleo, restarted, restarted2)
			ana.c.State().Ledger.CheckZero()
			if (ana.problem(paid) == "") == (ana.problem(paid2) == "") {
				t.Errorf("of two payments in one slot one counts: got %q and %q", ana.problem(paid), ana.problem(paid2))
			}
			for i := range uint64(3) {
				same(ana, &desk{w: w, name: "a refold", c: fold(t, shuffled(ana.held, i))})
			}
			for _, d := range []*desk{ana, ben} {
				if _, _, ok := ana.c.History().Fork(d.device()); !ok {
					t.Errorf("no evidence against %s", d.name)
				}
				equal(t, d.name+" stands", ana.c.Stands(d.device()), false)
			}
			cleo.pull(ana).offer("Pears")
			same(cleo, &desk{w: w, name: "a refold", c: fold(t, cleo.held)})
		})
	}
}

// restart returns the desk as it goes on from a snapshot and what it stored.
func (d *desk) restart() *desk {
	d.w.t.Helper()
	again := &desk{w: d.w, who: d.who, name: d.name + " restarted", key: d.key, held: slices.Clone(d.held)}
	c, n, err := coop.Restore(again.load, d.c.Snapshot(), d.c.Minutes().Anchors(), func(admit func(*record.Record) error) error {
		for _, r := range again.held {
			if err := admit(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || n != len(d.held) {
		d.w.t.Fatalf("%s restarts with %d of %d records: %v", d.name, n, len(d.held), err)
	}
	again.c = c
	return again
}

// TestContents: contents appear as they come, by whoever was admitted, and need
// no minutes.
func TestContents(t *testing.T) {
	_, ds := found(t, "Ana", "Ben")
	ana, ben := ds[0], ds[1]
	apples := ana.offer("Apples")
	s := ana.c.State()
	got, _ := s.Listings.Get(apples)
	equal(t, "title", got.Title, "Apples")
	equal(t, "owner", got.Owner, ana.id())
	equal(t, "a content is final", s.InMinutes(apples), true)

	ops, err := listing.NewComment(apples, "how many?")
	if err != nil {
		t.Fatal(err)
	}
	comment := ben.pull(ana).act(document.KindCreate, document.Create{Schema: listing.CommentSchemaName, Ops: ops}.Encode())
	c, _ := ben.c.State().Comments.Get(comment)
	equal(t, "comment", c, listing.Comment{ID: comment, Owner: ben.id(), About: apples, Text: "how many?"})

	edit := document.Edit{Doc: apples, Ops: []document.Op{document.Put("title", "Worms")}}.Encode()
	refuse(t, ben.problem(ben.write(document.KindEdit, edit)), "only the member who made it")
	got, _ = ben.c.State().Listings.Get(apples)
	equal(t, "title after an edit by another", got.Title, "Apples")
	ana.act(document.KindEdit, edit)
	got, _ = ana.c.State().Listings.Get(apples)
	equal(t, "title after an edit", got.Title, "Worms")

	text := ana.act(document.KindCreate, document.Create{Schema: proposal.TextSchemaName, Ops: proposal.NewText("Rules", "ab")}.Encode())
	sync(ana, ben)
	ana.act(document.KindEdit, document.Edit{Doc: text, Ops: []document.Op{document.Splice("text", 1, 0, "1")}}.Encode())
	ben.act(document.KindEdit, document.Edit{Doc: text, Ops: []document.Op{document.Splice("text", 2, 0, "2")}}.Encode())
	sync(ana, ben)
	same(ana, ben)
	both, _ := ana.c.State().Texts.Get(text)
	equal(t, "text written together", both.Text, "a1b2")

	hollow := ana.held[len(ana.held)-1].Erase()
	bare := coop.New(ana.load)
	for _, r := range ana.held {
		if r.ID == hollow.ID {
			r = hollow
		}
		if _, _, err := bare.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := bare.State().Problems().Get(hollow.ID)
	refuse(t, p.Reason, "its body is not here")
}

// TestDigest: nothing in a state can differ without its digest.
func TestDigest(t *testing.T) {
	_, ana, _, _, _, _ := village(t)
	ana.offer("Apples")
	want := ana.c.State().Digest()
	equal(t, "the same state", ana.c.State().Digest(), want)
	for name, change := range map[string]func(*coop.State){
		"people":               func(s *coop.State) { s.People.Rest(ana.id(), s.People.Acts) },
		"a proposal":           func(s *coop.State) { s.Proposals.Proposals.Put(record.ID{}, proposal.Proposal{}) },
		"money":                func(s *coop.State) { s.Ledger.Payments.Put(record.ID{}, ledger.Payment{}) },
		"a problem":            func(s *coop.State) { s.Acts.Problems.Put(record.ID{}, coop.Problem{}) },
		"minuted people":       func(s *coop.State) { s.Minuted.People.Rest(ana.id(), s.Minuted.People.Acts) },
		"a minuted proposal":   func(s *coop.State) { s.Minuted.Proposals.Proposals.Put(record.ID{}, proposal.Proposal{}) },
		"minuted money":        func(s *coop.State) { s.Minuted.Ledger.Payments.Put(record.ID{}, ledger.Payment{}) },
		"a minuted problem":    func(s *coop.State) { s.Minuted.Problems.Put(record.ID{}, coop.Problem{}) },
		"a listing":            func(s *coop.State) { s.Listings.Put(record.ID{}, listing.Listing{}) },
		"a comment":            func(s *coop.State) { s.Comments.Put(record.ID{}, listing.Comment{}) },
		"a text":               func(s *coop.State) { s.Texts.Put(record.ID{}, proposal.Text{}) },
		"a problem of content": func(s *coop.State) { s.Contents.Problems.Put(record.ID{}, coop.Problem{}) },
		"what waits":           func(s *coop.State) { s.Pending = append(s.Pending, record.ID{}) },
		"an epoch":             func(s *coop.State) { s.Epochs = append(s.Epochs, record.ID{}) },
		"the last leader":      func(s *coop.State) { s.Last[0] ^= 1 },
		"the frontier":         func(s *coop.State) { s.Frontier[0] ^= 1 },
	} {
		s := ana.c.State()
		change(s)
		if s.Digest() == want {
			t.Errorf("with another %s the digest is the same", name)
		}
	}
	equal(t, "after all that", ana.c.State().Digest(), want)
}
