package coop_test

import (
	"fmt"
	"slices"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// street is a co-op of six members of whom Ana, Ben and Cleo are the tellers.
// All hold all and all is minuted.
func street(t testing.TB) (w *world, ds []*desk) {
	t.Helper()
	w, ds = found(t, "Ana", "Ben", "Cleo")
	var others []record.ID
	for _, who := range []string{"Dora", "Eve", "Finn"} {
		others = append(others, ds[0].join(who).id())
	}
	ds[0].decide(ds[1:], proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(others)})
	minute(ds...)
	sync(w.desks...)
	equal(t, "members", len(ds[0].c.People().Voters()), 6)
	return w, w.desks
}

// plan is a re-seating that goes on from the last leader a desk knows, with these
// tellers.
func (d *desk) plan(tellers ...*desk) member.Reseat {
	r := member.Reseat{After: d.c.State().Last}
	for _, t := range tellers {
		r.Tellers = append(r.Tellers, t.device())
	}
	return r
}

// signedBy adds the consent of these people, by their roots.
func (w *world) signedBy(r member.Reseat, whom ...string) member.Reseat {
	for _, who := range whom {
		r = r.Signed(w.id, member.MemberID(w.id, rootOf(who).Public()), rootOf(who))
	}
	return r
}

// reseating is what a desk says of a re-seating.
func (d *desk) reseating(id record.ID) coop.Reseating {
	d.w.t.Helper()
	for _, r := range d.c.State().Reseatings {
		if r.Record == id {
			return r
		}
	}
	d.w.t.Fatalf("%s does not hold the re-seating %s", d.name, id.Short())
	return coop.Reseating{}
}

// everywhere holds that all orders of arrival, a restart, a restart without the
// cache, and an auditor come to what a desk shows.
func (d *desk) everywhere() {
	t := d.w.t
	t.Helper()
	want := d.c.State()
	for seed := range uint64(12) {
		if got := fold(t, shuffled(d.held, seed)).State(); got.Digest() != want.Digest() {
			t.Fatalf("order %d: another state\n%s\nwant\n%s", seed, problems(got), problems(want))
		}
	}
	same(d, d.restart())
	bare, _ := restore(t, d.held, nil, d.c.Minutes().Anchors())
	equal(t, "state from the stored anchors", bare.State().Digest(), want.Digest())
	equal(t, "snapshot from the stored anchors", string(bare.Snapshot()), string(d.c.Snapshot()))
	_, audited, err := coop.Audit(d.c.Evidence("ledger"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "what an auditor finds", audited.State().Digest(), want.Digest())
}

// TestReseat: two of three tellers are gone, acts wait; four of six members put
// others in their place, and all is minuted again, on every node.
func TestReseat(t *testing.T) {
	w, ds := street(t)
	ana, dora, eve, finn := ds[0], ds[3], ds[4], ds[5]
	paid := dora.pay(ana.id(), 700)
	alive := []*desk{ana, dora, eve, finn}
	sync(alive...)
	ana.act(ledger.KindAccept, answer(paid))
	for range 10 {
		sync(alive...)
		ana.ack()
	}
	equal(t, "acts that wait", ana.c.Waiting(), 2)
	before := ana.c.Minutes().Batches()

	r := w.signedBy(eve.plan(dora, eve, finn), "Ana", "Dora", "Eve")
	refuse(t, fmt.Sprint(eve.c.Try(eve.device(), member.KindReseat, r.Encode())), "3 of the members have signed it, and it takes 4")
	r = w.signedBy(r, "Finn")
	if err := eve.c.Try(eve.device(), member.KindReseat, r.Encode()); err != nil {
		t.Fatal(err)
	}
	id := eve.act(member.KindReseat, r.Encode())
	equalSlices(t, "tellers at once", eve.c.People().Tellers, r.Tellers)
	equal(t, "it counts as a batch", eve.c.Minutes().Batches(), before+1)
	equal(t, "before a batch its anchor is not stored", slices.Contains(eve.c.Minutes().Anchors(), id), false)
	eve.everywhere()
	minute(alive...)
	same(alive...)
	s := ana.c.State()
	equal(t, "Ana has", ana.balance(ana.id()), 700)
	equal(t, "in the minutes", s.InMinutes(paid) && s.InMinutes(id), true)
	equalSlices(t, "stored anchors", ana.c.Minutes().Anchors(), []record.ID{id})
	equalSlices(t, "epochs", s.Epochs, []record.ID{w.id, id})
	got := ana.reseating(id)
	equal(t, "reason", got.Reason, "")
	equal(t, "signers", len(got.Signers), 4)
	equal(t, "what it took back", len(got.Took), 0)
	ana.everywhere()

	// Ben comes back with what he had: it changes nothing.
	ben := ds[1]
	late := ben.pay(w.id, 50)
	sync(w.desks...)
	equal(t, "the epoch goes on", ben.c.State().Epochs[1], id)
	minute(alive...)
	equal(t, "what Ben did while he was away", ana.c.State().InMinutes(late), true)
	ana.everywhere()

	// From here on the tellers change by decision.
	sync(w.desks...)
	ana.decide([]*desk{ben, dora, eve, finn}, proposal.Effect{Kind: proposal.EffectTellers, Keys: []record.Key{ana.device()}})
	sync(w.desks...)
	minute(alive...)
	ana.pay(w.id, 10)
	ana.ack()
	sync(w.desks...)
	same(w.desks...)
	equal(t, "epochs", len(ana.c.State().Epochs), 3)
	equal(t, "stored anchors", len(ana.c.Minutes().Anchors()), 2)
	ana.everywhere()
	ana.placed()
}

// placed holds that every batch of the minutes has records, but that of a
// re-seating, and that nothing comes after what descends from it.
func (d *desk) placed() {
	d.w.t.Helper()
	h, batches, reseats := d.c.History(), map[int]bool{}, 0
	for ref := history.Ref(1); int(ref) < h.Len(); ref++ {
		place := d.c.Place(ref)
		if minuted := d.c.Minutes().Minuted(ref); minuted != (place > 0) {
			d.w.t.Errorf("record %d is in batch %d, in the minutes: %v", ref, place, minuted)
		}
		if prev := h.At(ref).Prev; place > 0 && prev != history.None && d.c.Place(prev) > place {
			d.w.t.Errorf("record %d is in batch %d, the one before it in %d", ref, place, d.c.Place(prev))
		}
		if place > 0 {
			batches[place] = true
		}
	}
	for _, r := range d.c.State().Reseatings {
		if r.Reason == "" {
			reseats++
		}
	}
	equal(d.w.t, "batches with records", len(batches), d.c.Minutes().Batches()-reseats)
	equal(d.w.t, "batch of the last leader", d.c.Place(d.c.Minutes().Last()), d.c.Minutes().Batches())
}

// TestReseatTakesBack: a leader that was hidden when others were seated comes to
// light; what it had made final is ordered anew, and people see which acts.
func TestReseatTakesBack(t *testing.T) {
	w, ds := street(t)
	ana, ben, dora, eve, finn := ds[0], ds[1], ds[3], ds[4], ds[5]
	paid := ana.pay(w.id, 900)
	minute(ana, ben)
	equal(t, "final for Ben", ben.c.State().InMinutes(paid), true)

	id := eve.act(member.KindReseat, w.signedBy(eve.plan(dora, eve, finn), "Cleo", "Dora", "Eve", "Finn").Encode())
	dora.pull(eve).pay(w.id, 100)
	minute(dora, eve, finn)
	equal(t, "took back as long as nobody knows", len(dora.reseating(id).Took), 0)
	sync(w.desks...)
	same(w.desks...)
	equalSlices(t, "took back", ben.reseating(id).Took, []record.ID{paid})
	equal(t, "final", ben.c.State().InMinutes(paid), false)
	equal(t, "still there", ben.balance(w.id), 1000)
	ben.everywhere()
	minute(dora, eve, finn)
	equal(t, "final again", dora.c.State().InMinutes(paid), true)
	equalSlices(t, "took back", dora.reseating(id).Took, []record.ID{paid})

	// The old tellers go on acking: what comes behind that was final for nobody.
	ana.pay(w.id, 50)
	for range 8 {
		ana.pull(ben).ack()
		ben.pull(ana).ack()
	}
	sync(w.desks...)
	minute(dora, eve, finn)
	equalSlices(t, "took back when the old tellers go on", dora.reseating(id).Took, []record.ID{paid})
	dora.everywhere()
}

// TestReseatConcurrent: of two that replace nothing the smaller id counts, and
// one that replaces it stands above both, whatever comes first.
func TestReseatConcurrent(t *testing.T) {
	w, ds := street(t)
	ana, ben, cleo, dora, eve, finn := ds[0], ds[1], ds[2], ds[3], ds[4], ds[5]
	r := eve.plan(dora, eve, finn)
	one := eve.write(member.KindReseat, w.signedBy(r, "Cleo", "Dora", "Eve", "Finn").Encode())
	greater := ana.sign(member.KindReseat, w.signedBy(ana.plan(ana, ben, cleo), "Ana", "Ben", "Cleo", "Finn").Encode())
	for greater.ID.Compare(one) < 0 {
		greater = ana.sign(member.KindReseat, greater.Body) // at another time
	}
	ana.add(greater)
	two := greater.ID
	paid := eve.pay(w.id, 10)
	minute(dora.pull(eve), eve, finn)
	minute(ana, ben)
	sync(w.desks...)
	same(w.desks...)
	equal(t, "the smaller id", ana.reseating(one).Reason, "")
	refuse(t, ana.problem(two), one.Short()+" counts in its place")
	ana.everywhere()

	next := eve.plan(eve)
	refuse(t, fmt.Sprint(eve.c.Try(eve.device(), member.KindReseat, w.signedBy(next, "Ana", "Dora", "Eve", "Finn").Encode())), "make one that replaces it")
	next.Replaces = one
	third := eve.act(member.KindReseat, w.signedBy(next, "Ana", "Dora", "Eve", "Finn").Encode())
	eve.ack()
	sync(w.desks...)
	same(w.desks...)
	equalSlices(t, "tellers", ana.c.People().Tellers, []record.Key{eve.device()})
	equal(t, "paid", ana.c.State().InMinutes(paid), true)
	equal(t, "the last anchor", slices.Contains(ana.c.Minutes().Anchors(), third), true)
	ana.everywhere()

	// One that begins where the first does, and replaces it: with it goes all that
	// was minuted on it.
	anew := ana.plan(ana)
	anew.After, anew.Replaces = r.After, one
	above := ana.sign(member.KindReseat, w.signedBy(anew, "Ana", "Dora", "Eve", "Finn").Encode())
	for above.ID.Compare(third) > 0 {
		above = ana.sign(member.KindReseat, above.Body) // at another time
	}
	ana.add(above)
	sync(w.desks...)
	same(w.desks...)
	equal(t, "it counts", ana.problem(above.ID), "")
	refuse(t, ana.problem(third), "counts in its place")
	equal(t, "it took the payment back", slices.Contains(ana.reseating(above.ID).Took, paid), true)
	ana.everywhere()
}

// TestReseatVoid: each thing that a re-seating needs, left out once.
func TestReseatVoid(t *testing.T) {
	enough := []string{"Ana", "Dora", "Eve", "Finn"}
	for _, test := range []struct {
		name string
		make func(w *world, ds []*desk, r member.Reseat) (*desk, []byte)
		want string
	}{
		{"nonsense", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) { return ds[4], []byte{1} }, "re-seating"},
		{"no tellers", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r.Tellers = nil
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "0 tellers"},
		{"no leader", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r.After = record.ID{}
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "does not say behind which leader"},
		{"signatures unsorted", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r = w.signedBy(r, enough...)
			slices.Reverse(r.Sigs)
			return ds[4], r.Encode()
		}, "sorted by member"},
		{"one member twice", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r = w.signedBy(r, "Ana", "Dora", "Eve")
			r.Sigs = append(r.Sigs, r.Sigs[2])
			return ds[4], r.Encode()
		}, "each once"},
		{"too few", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			return ds[4], w.signedBy(r, "Ana", "Dora", "Eve").Encode()
		}, "3 of the members have signed it, and it takes 4"},
		{"a stranger among them", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			return ds[4], w.signedBy(r, "Ana", "Dora", "Eve", "Zoe").Encode()
		}, "3 of the members"},
		{"a key of somebody else", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			return ds[4], w.signedBy(r, "Ana", "Dora", "Eve").Signed(w.id, ds[5].id(), rootOf("Eve")).Encode()
		}, "3 of the members"},
		{"a device of somebody else", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			return ds[4], w.signedBy(r, "Ana", "Dora", "Eve").Signed(w.id, ds[5].id(), ds[4].key).Encode()
		}, "3 of the members"},
		{"signed other terms", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r = w.signedBy(r, enough...)
			r.Tellers = r.Tellers[:2]
			return ds[4], r.Encode()
		}, "0 of the members"},
		{"signed for another co-op", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r = w.signedBy(r, "Ana", "Dora", "Eve")
			return ds[4], r.Signed(record.ID{7}, ds[5].id(), rootOf("Finn")).Encode()
		}, "3 of the members"},
		{"a record that leads nothing", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r.After = ds[4].offer("Pears")
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "leads no batch"},
		{"a leader its author had not seen", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			ds[0].pay(w.id, 1)
			minute(ds[0], ds[1])
			r.After = ds[0].c.State().Last
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "had not seen"},
		{"an unknown leader", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r.After = record.ID{1}
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "had not seen"},
		{"it replaces what is not there", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r.Replaces = record.ID{1}
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "which it replaces, does not count"},
		{"a teller who is a stranger", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			r.Tellers[1] = key("Zoe").Public()
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "nobody of the co-op has a device"},
		{"two tellers of one member", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			phone := ds[4].addDevice("Eve's phone")
			ds[0].pull(ds[4])
			minute(ds[0], ds[1])
			sync(w.desks...)
			r.After = ds[4].c.State().Last
			r.Tellers = append(r.Tellers, phone.device())
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "two of the tellers' seats"},
		{"a teller who was admitted later", func(w *world, ds []*desk, r member.Reseat) (*desk, []byte) {
			gus := ds[0].join("Gus")
			minute(ds[0], ds[1])
			sync(w.desks...)
			r.Tellers = append(r.Tellers, gus.device())
			return ds[4], w.signedBy(r, enough...).Encode()
		}, "nobody of the co-op has a device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, ds := street(t)
			by, body := test.make(w, ds, ds[4].plan(ds[3], ds[4], ds[5]))
			if err := by.c.Try(by.device(), member.KindReseat, body); err == nil && test.want != "had not seen" {
				t.Error("a node would sign it")
			}
			id := by.write(member.KindReseat, body)
			refuse(t, by.problem(id), test.want)
			sync(w.desks...)
			equalSlices(t, "tellers", ds[0].c.People().Tellers, []record.Key{ds[0].device(), ds[1].device(), ds[2].device()})
			minute(ds[0], ds[1])
			equal(t, "the act is minuted and does nothing", len(ds[0].c.State().Pending), 0)
			refuse(t, ds[0].problem(id), test.want)
			ds[0].everywhere()
		})
	}
}

// TestReseatStays: a re-seating is not void because the co-op grows, or who signed it
// leaves, in minutes that began with it, though the old tellers are back and bring all
// that into the old ones as well.
func TestReseatStays(t *testing.T) {
	w, ds := street(t)
	ana, eve, finn := ds[0], ds[4], ds[5]
	id := eve.act(member.KindReseat, w.signedBy(eve.plan(ds[3], eve), "Ana", "Dora", "Eve", "Finn").Encode())
	sync(ds...)
	minute(ds...)
	paid := ana.pay(w.id, 100)
	finn.act(member.KindLeave, nil)
	sync(ds...)
	var ids []record.ID
	for i := range 6 {
		ids = append(ids, ana.join(fmt.Sprint("M", i)).id())
	}
	ana.decide(ds[1:5], proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(ids)})
	for range 6 {
		sync(w.desks...)
		for _, d := range ds[:5] {
			d.ack()
		}
	}
	sync(w.desks...)
	equal(t, "members", len(ana.c.People().Voters()), 11)
	equal(t, "it counts", ana.problem(id), "")
	equal(t, "paid", ana.c.State().InMinutes(paid), true)
	equal(t, "signers", len(ana.reseating(id).Signers), 4)
	ana.everywhere()
	same(ana, ana.restart())
}

// TestReseatResting: who rests is not counted and does not count.
func TestReseatResting(t *testing.T) {
	w, ds := street(t)
	poll := ds[0].open(proposal.Effect{Kind: proposal.EffectRest, Member: ds[5].id()})
	ds[0].vote(poll, proposal.Yes)
	sync(w.desks...)
	for _, d := range ds[1:3] {
		d.vote(poll, proposal.Yes)
	}
	for _, d := range ds[:3] {
		d.act(proposal.KindClose, closing(poll))
	}
	minute(ds[:3]...)
	sync(w.desks...)
	equal(t, "Finn", ds[0].member(ds[5]).Status, member.StatusResting)
	void := ds[4].write(member.KindReseat, w.signedBy(ds[4].plan(ds[3], ds[4], ds[5]), "Dora", "Eve", "Ana", "Finn").Encode())
	refuse(t, ds[4].problem(void), "3 of the members have signed it, and it takes 4")
	ds[4].act(member.KindReseat, w.signedBy(ds[4].plan(ds[3], ds[4], ds[5]), "Dora", "Eve", "Ana", "Cleo").Encode())
	equal(t, "a resting member is a teller", ds[4].c.People().IsTeller(ds[5].id()), true)
	ds[4].everywhere()
}

// TestReseatOfTheFirstDay: who was all of the co-op on its first day cannot put
// themselves in everybody's place, not with a device that was forgotten and has
// seen nothing since, not after they left.
func TestReseatOfTheFirstDay(t *testing.T) {
	w, ds := found(t, "Ana")
	ana := ds[0]
	ana.addDevice("Ana's old phone")
	var others []record.ID
	for _, who := range []string{"Ben", "Cleo", "Dora", "Eve"} {
		others = append(others, ana.join(who).id())
	}
	first := ana.c.State().Last
	ana.decide(nil, proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(others)})
	ana.ack()
	sync(w.desks[0], w.desks[2], w.desks[3], w.desks[4], w.desks[5])
	ben := w.desks[2]
	ana.pay(ben.id(), 500)
	ana.ack()
	ben.pull(ana)

	for name, after := range map[string]record.ID{"the founding": w.id, "the first leader": first} {
		w, ds := w.clone(t)
		then := 1 + slices.IndexFunc(ana.held, func(r *record.Record) bool { return r.ID == first })
		old := w.desk("Ana", "Ana's old phone", ana.held[:then])
		r := member.Reseat{After: after, Tellers: []record.Key{ana.device()}}
		id := old.write(member.KindReseat, r.Signed(w.id, ana.id(), rootOf("Ana")).Encode())
		equal(t, name+": where nothing else is known it counts", old.problem(id), "")
		for _, d := range []*desk{ds[0], ds[2]} {
			d.pull(old)
			refuse(t, d.problem(id), "1 of the members have signed it, and it takes 4")
			equal(t, name+": members", len(d.c.People().Voters()), 5)
			d.everywhere()
		}
		same(old.pull(ds[0], ds[2]), ds[0].pull(ds[2]), ds[2].pull(ds[0]))
	}
}

// TestReseatOfTheExpelled: whose membership or device ended behind where a
// re-seating goes on has no say in it.
func TestReseatOfTheExpelled(t *testing.T) {
	w, ds := street(t)
	ana, eve, finn := ds[0], ds[4], ds[5]
	phone := eve.addDevice("Eve's phone")
	ana.pull(eve)
	minute(ds[:3]...)
	sync(w.desks...)
	r := eve.plan(ds[3], eve)
	ana.decide(ds[1:5], proposal.Effect{Kind: proposal.EffectExpel, Member: finn.id()})
	eve.pull(ds...).act(member.KindRevoke, member.NewRevoke(phone.device()))
	ana.pull(ds[1:5]...)
	minute(ds[:3]...)
	sync(w.desks[:5]...)

	// Of the five who are left it takes four.
	void := eve.write(member.KindReseat, w.signedBy(r, "Cleo", "Dora", "Eve", "Finn").Encode())
	refuse(t, eve.problem(void), "3 of the members have signed it, and it takes 4")
	void = eve.write(member.KindReseat, w.signedBy(r, "Ana", "Cleo", "Dora").Signed(w.id, eve.id(), phone.key).Encode())
	refuse(t, eve.problem(void), "3 of the members have signed it, and it takes 4")
	good := w.signedBy(r, "Ana", "Cleo", "Dora").Signed(w.id, eve.id(), eve.key)
	id := eve.act(member.KindReseat, good.Encode())
	equal(t, "it took acts back", len(eve.reseating(id).Took) > 0, true)
	eve.everywhere()
}

// TestReseatOfNewcomers: members who were made behind where it goes on count at
// the end of the minutes and not there.
func TestReseatOfNewcomers(t *testing.T) {
	w, ds := found(t, "Ana", "Ben", "Cleo")
	ana := ds[0]
	ana.pay(w.id, 1)
	minute(ds...)
	r := ana.plan(ana)
	gus := ana.join("Gus")
	ana.decide(ds[1:], proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{gus.id()}})
	minute(ds...)
	gus.pull(ana)
	equal(t, "members", len(ana.c.People().Voters()), 4)
	void := gus.write(member.KindReseat, w.signedBy(r, "Ana", "Gus").Encode())
	refuse(t, gus.problem(void), "2 of the members have signed it, and it takes 3")
	gus.act(member.KindReseat, w.signedBy(r, "Ana", "Ben", "Gus").Encode()) // two of three then, three of four now
	gus.everywhere()
}

// TestReseatNeedsThoseOfThen: two thirds of the members of now, and too few of
// those where it goes on.
func TestReseatNeedsThoseOfThen(t *testing.T) {
	w, ds := found(t, "Ana", "Ben", "Cleo")
	ana := ds[0]
	ana.pay(w.id, 1)
	minute(ds...)
	r := ana.plan(ana)
	names := []string{"Dora", "Eve", "Finn", "Gus", "Hal"}
	var others []record.ID
	for _, who := range names {
		others = append(others, ana.join(who).id())
	}
	ana.decide(ds[1:], proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(others)})
	minute(ds[:3]...)
	void := ana.write(member.KindReseat, w.signedBy(r, append(names, "Ana")...).Encode())
	refuse(t, ana.problem(void), "1 of those who were members where it goes on have signed it, and it takes 2")
	ana.everywhere()
}

// TestReseatOfCaptured: the old tellers, whose keys somebody has, fork behind the
// back of a re-seating. Who stored it holds on to it, also when all is computed
// anew.
func TestReseatOfCaptured(t *testing.T) {
	w, ds := street(t)
	_, thieves := w.clone(t)
	ana, eve := ds[0], ds[4]
	paid := ana.pay(w.id, 100)
	minute(ds[:3]...)
	sync(w.desks...)
	id := eve.act(member.KindReseat, w.signedBy(eve.plan(ds[3], eve, ds[5]), "Cleo", "Dora", "Eve", "Finn").Encode())
	minute(ds[3:6]...)
	sync(w.desks...)
	equal(t, "it counts", eve.problem(id), "")
	equal(t, "stored", slices.Contains(eve.c.Minutes().Anchors(), id), true)

	// The thieves have many rounds in which nothing of this was ever seen.
	for range 12 {
		thieves[0].pay(w.id, 1)
		minute(thieves[:3]...)
	}
	for _, d := range []*desk{eve, eve.restart()} {
		for _, r := range thieves[0].held {
			d.add(r)
		}
		if _, _, ok := d.c.History().Fork(ana.device()); !ok {
			t.Fatal("nobody forked")
		}
		equal(t, d.name+": it counts", d.problem(id), "")
		equal(t, d.name+": paid", d.c.State().InMinutes(paid), true)
		bare, _ := restore(t, d.held, nil, d.c.Minutes().Anchors())
		equal(t, d.name+": from the stored anchors", bare.State().Digest(), d.c.State().Digest())
		same(d, d.restart())
	}
}

// TestReseatUnseen: who has not seen a re-seating cannot replace it.
func TestReseatUnseen(t *testing.T) {
	w, ds := street(t)
	ana, eve := ds[0], ds[4]
	first := w.signedBy(eve.plan(eve), "Cleo", "Dora", "Eve", "Finn")
	r := ana.plan(ana)
	id := eve.act(member.KindReseat, first.Encode())
	r.Replaces = id
	unseen := ana.write(member.KindReseat, w.signedBy(r, "Ana", "Ben", "Cleo", "Dora").Encode())
	refuse(t, ana.problem(unseen), "which it replaces, does not count")
	ana.pull(eve)
	refuse(t, ana.problem(unseen), "had not seen the re-seating that it replaces")
	equal(t, "the first", ana.reseating(id).Reason, "")
	ana.everywhere()
}

// TestReseatReviews: a poll that most of the new tellers have closed is decided
// where they are seated.
func TestReseatReviews(t *testing.T) {
	w, ds := street(t)
	ana, eve := ds[0], ds[4]
	poll := ana.open()
	ana.vote(poll, proposal.Yes)
	ds[1].pull(ana).vote(poll, proposal.Yes)
	ana.pull(ds[1]).act(proposal.KindClose, closing(poll))
	minute(ds[:3]...)
	sync(w.desks...)
	equal(t, "one of three tellers closed it", eve.proposal(poll).Status, proposal.StatusOpen)
	eve.act(member.KindReseat, w.signedBy(eve.plan(ana), "Cleo", "Dora", "Eve", "Finn").Encode())
	s := eve.c.State()
	minuted, _ := s.Minuted.Proposals.Proposals.Get(poll)
	equal(t, "the one teller there is now did", minuted.Status, proposal.StatusPassed)
	eve.everywhere()
}
