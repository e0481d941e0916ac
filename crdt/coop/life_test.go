package coop_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// lived is a random life of a co-op: devices that write apart and meet now and
// then, and ask no rule before they write.
type lived struct {
	*world
	*rand.Rand
	invites []*record.Private
	ids     []record.ID // of all acts
	docs    []record.ID

	reseats bool        // others are seated now and then
	leaders []record.ID // that somebody saw lead the minutes

	minutes map[int]string // what the minutes made of the co-op, up to each batch
	wrong   int            // acts that Try refused and that were written all the same
}

// live plays so many records on a few desks and returns all of them, parents
// first.
func live(t testing.TB, seed uint64, records int) (l *lived, all []*record.Record) {
	t.Helper()
	var hours map[string]int64
	if seed%3 > 0 {
		hours = map[string]int64{"Ana": 700, "Dora": -2000, "Eve": 300, "Zoe": 5000}
	}
	w, _ := foundFrom(t, hours, []string{"Ana", "Ben", "Cleo"}[:1+seed%3]...)
	l = &lived{world: w, Rand: rand.New(rand.NewPCG(seed, 1)), minutes: map[int]string{}, reseats: seed%4 == 3}
	for _, who := range []string{"Dora", "Eve"} {
		w.desks[0].join(who)
	}
	ana := w.desks[0]
	ana.addDevice("Ana's phone")
	sync(w.desks...)
	ana.decide(w.desks[1:1+seed%3], proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{w.desks[1+seed%3].id()}})
	for len(union(w.desks)) < records {
		d := w.desks[l.IntN(len(w.desks))]
		if l.IntN(5) < 2 {
			d.pull(w.desks[l.IntN(len(w.desks))])
			l.look(d)
		}
		if l.IntN(10) == 0 {
			l.fork(d)
		}
		l.act(d)
	}
	return l, union(w.desks)
}

// union is all that desks hold, parents first.
func union(desks []*desk) []*record.Record {
	all := slices.Clone(desks[0].held)
	known := map[record.ID]bool{}
	for _, r := range all {
		known[r.ID] = true
	}
	for _, d := range desks[1:] {
		for _, r := range d.held {
			if !known[r.ID] {
				known[r.ID] = true
				all = append(all, r)
			}
		}
	}
	return all
}

// look holds what must be true of every desk at every time: the minutes up to a
// batch mean the same to all, and no money was made.
func (l *lived) look(d *desk) {
	l.t.Helper()
	s := d.c.State()
	s.Ledger.CheckZero()
	s.Minuted.Ledger.CheckZero()
	l.leaders = append(l.leaders, s.Last)
	if len(s.Reseatings) > 0 {
		return // the minutes may go on elsewhere, from an earlier batch
	}
	batches, means := d.c.Minutes().Batches(), string(bytesOf(s.Minuted))
	if other, ok := l.minutes[batches]; ok && other != means {
		l.t.Errorf("%s: the minutes up to batch %d mean something else than elsewhere", d.name, batches)
	}
	l.minutes[batches] = means
}

func pick[T any](l *lived, from []T) (v T) {
	if len(from) > 0 {
		v = from[l.IntN(len(from))]
	}
	return v
}

// act writes something that makes sense or does not, and holds that Try had
// said so.
func (l *lived) act(d *desk) {
	l.t.Helper()
	if !d.c.People().Devices.Has(d.device()) {
		return
	}
	var kind string
	var body []byte
	var why error
	for range 4 {
		kind, body = l.think(d)
		if why = l.try(d, kind, body); why == nil || l.IntN(5) == 0 {
			break
		}
	}
	content := document.IsContent(kind)
	id := d.write(kind, body)
	outside := kind == member.KindReseat // Try asks for one that replaces what counts; the fold may take the smaller id
	if l.IntN(3) == 0 && !content && !outside && kind != coop.KindAck {
		if got := d.problem(id); (got == "") != (why == nil) {
			l.t.Errorf("%s's %s: Try said %v, and it came to %q", d.name, kind, why, got)
		}
	}
	if why != nil {
		l.wrong++
	}
	if content {
		l.docs = append(l.docs, id)
	} else {
		l.ids = append(l.ids, id)
	}
	if kind == proposal.KindOpen && l.IntN(4) > 0 {
		d.write(proposal.KindCast, vote(id, proposal.Yes))
	}
}

// try asks the rules, which a content or an ack has no need to.
func (l *lived) try(d *desk, kind string, body []byte) error {
	if document.IsContent(kind) || kind == coop.KindAck {
		return nil
	}
	return d.c.Try(d.device(), kind, body)
}

func (l *lived) think(d *desk) (kind string, body []byte) {
	s := d.c.State()
	me, _ := s.People.Author(d.device())
	other := pick(l, l.desks)
	switch k := l.IntN(100); {
	case k < 12:
		return coop.KindAck, nil
	case k < 20:
		return l.content(d)
	case k < 40:
		return ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: other.id(), Unit: pick(l, []string{"hour", "hour", "euro", "gold"}), Amount: l.Int64N(3000)})
	case k < 45:
		return ledger.KindRequest, record.Marshal(ledger.RequestBody{From: other.id(), Unit: "hour", Amount: 1 + l.Int64N(1000)})
	case k < 58:
		return pick(l, []string{ledger.KindAccept, ledger.KindAccept, ledger.KindDecline, ledger.KindCancel}), answer(l.waiting(s, me))
	case k < 60:
		return ledger.KindRule, record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{{From: []record.ID{}, Unit: "hour", Max: 500}}})
	case k < 70:
		return l.propose(d, s, me)
	case k < 88:
		return proposal.KindCast, vote(l.poll(s, me), pick(l, []proposal.Option{proposal.Yes, proposal.Yes, proposal.Yes, proposal.No, proposal.Abstain}))
	case k < 90:
		if id := l.poll(s, me); l.IntN(2) == 0 {
			return proposal.KindWithdraw, withdrawal(id)
		} else {
			return proposal.KindClose, closing(id)
		}
	case k < 97 && l.reseats && l.IntN(2) == 0:
		return l.reseat(d, s)
	case k < 97:
		return l.people(d, s, me)
	case k < 99:
		return pick(l, []string{"vote/guess", "new/thing", "member/rename"}), l.noise()
	}
	return pick(l, []string{ledger.KindTransfer, proposal.KindOpen, member.KindAdmit, proposal.KindCast, member.KindSeatPass}), l.noise()
}

func (l *lived) noise() []byte {
	b := make([]byte, l.IntN(40))
	for i := range b {
		b[i] = byte(l.Uint32())
	}
	return b
}

func (l *lived) waiting(s *coop.State, me member.Member) record.ID {
	if p := pick(l, s.Ledger.Pending(me.ID)); p.ID != (record.ID{}) && l.IntN(5) > 0 {
		return p.ID
	}
	return pick(l, l.ids)
}

func (l *lived) poll(s *coop.State, me member.Member) record.ID {
	var open []record.ID
	for id, p := range s.Proposals.Proposals.All() {
		if _, voted := s.Proposals.Voted(id, me.ID); p.Status == proposal.StatusOpen && !voted {
			open = append(open, id)
		}
	}
	if open != nil && l.IntN(6) > 0 {
		return pick(l, open)
	}
	return pick(l, l.ids)
}

// budget returns a decision that made a budget line, if there is one.
func budget(s *coop.State) (id record.ID) {
	for k := range s.Ledger.Budgets.All() {
		id = k.Proposal
	}
	return id
}

func (l *lived) content(d *desk) (string, []byte) {
	switch l.IntN(3) {
	case 0:
		return document.KindCreate, document.Create{Schema: proposal.TextSchemaName, Ops: proposal.NewText("Rules", "Be kind.")}.Encode()
	case 1:
		ops, _ := listing.Draft{Kind: listing.Need, Title: "Eggs", Tags: []string{"a"}}.Create()
		return document.KindCreate, document.Create{Schema: listing.SchemaName, Ops: ops}.Encode()
	}
	field := pick(l, []string{"text", "text", "title", "tags"})
	ops := []document.Op{document.Splice(field, l.IntN(6), l.IntN(2), fmt.Sprint(l.IntN(10)))}
	return document.KindEdit, document.Edit{Doc: pick(l, l.docs), Ops: ops}.Encode()
}

func (l *lived) propose(d *desk, s *coop.State, me member.Member) (string, []byte) {
	var devices []record.Key
	for _, m := range s.People.Members.All() {
		if m.Status == member.StatusMember && m.Name != "Eve" && l.IntN(2) == 0 && len(devices) < 3 {
			devices = append(devices, pick(l, m.Devices))
		}
	}
	who := pick(l, l.desks).id()
	all := []proposal.Effect{
		{Kind: proposal.EffectMembers, Members: []record.ID{who}},
		{Kind: proposal.EffectMembers, Members: []record.ID{who}},
		{Kind: proposal.EffectOffice, Member: who, Name: member.Sponsor, On: l.IntN(3) > 0},
		{Kind: proposal.EffectOffice, Member: who, Name: member.Treasurer, On: true},
		{Kind: proposal.EffectExpel, Member: who},
		{Kind: proposal.EffectRest, Member: who},
		{Kind: proposal.EffectCreditLimit, Member: who, Unit: "hour", Amount: l.Int64N(9000)},
		{Kind: proposal.EffectBudget, Member: who, Unit: "hour", Amount: 1 + l.Int64N(900)},
		{Kind: proposal.EffectBudgetEnd, Proposal: budget(s)},
		{Kind: proposal.EffectBylaw, Name: member.Quorum, Amount: l.Int64N(101)},
		{Kind: proposal.EffectTellers, Keys: devices},
		{Kind: proposal.EffectTellers, Keys: devices},
	}
	var effects []proposal.Effect
	if l.IntN(5) > 0 {
		effects = []proposal.Effect{pick(l, all)}
	}
	if devices != nil && l.IntN(4) == 0 {
		effects = all[len(all)-1:]
	}
	b := proposal.OpenBody{Title: "Let us", Rule: proposal.RuleFor(effects), Effects: effects, ClosesAt: l.clock}
	body, err := proposal.Open(s.People, me.ID, b)
	if err != nil {
		return proposal.KindOpen, record.Marshal(b)
	}
	return proposal.KindOpen, body
}

// people is what happens seldom to persons and devices.
func (l *lived) people(d *desk, s *coop.State, me member.Member) (string, []byte) {
	l.names++
	name := fmt.Sprint("N", l.names)
	switch k := l.IntN(20); {
	case k < 5:
		invite := key(name)
		l.invites = append(l.invites, invite)
		return member.KindInvite, member.NewInvite(invite.Public(), 1, 0)
	case k < 11:
		invite := pick(l, append(l.invites, key("no invite")))
		c, err := member.NewCard(member.CardTerms{Coop: l.id, Name: name, DeviceName: "laptop"}, invite, rootOf(name), key(name))
		if err != nil {
			l.t.Fatal(err)
		}
		if len(l.desks) < 9 {
			defer func() { l.comes(d, name, name) }()
		}
		return pick(l, []string{member.KindAdmit, member.KindAdmit, member.KindIntroduce}), c.Encode()
	case k < 15:
		if len(l.desks) < 9 {
			defer func() { l.comes(d, d.who, name) }()
		}
		return member.KindDeviceAdd, l.deviceCard(d.who, name)
	case k < 17:
		return member.KindRevoke, member.NewRevoke(pick(l, l.desks).device())
	case k < 18:
		return member.KindSeatPass, s.People.NewSeatPass(d.device(), pick(l, l.desks).device(), l.IntN(2) == 0, nil)
	case k < 19 && l.IntN(3) == 0:
		return member.KindLeave, nil
	}
	return coop.KindAck, nil
}

// reseat puts others in the place of the tellers, with the consent of all
// members but perhaps one.
func (l *lived) reseat(d *desk, s *coop.State) (string, []byte) {
	r := member.Reseat{After: pick(l, append(l.leaders[max(0, len(l.leaders)-5):], l.id, s.Last)), Tellers: []record.Key{d.device()}}
	for _, other := range s.Reseatings {
		if l.IntN(2) == 0 && other.Reason == "" {
			r.Replaces = other.Record
		}
	}
	for _, m := range s.People.Members.All() {
		if m.Status == member.StatusMember && l.IntN(8) > 0 {
			r = r.Signed(l.id, m.ID, rootOf(m.Name))
		}
	}
	return member.KindReseat, r.Encode()
}

// fork lets Eve, who is never made a teller, go on from a backup.
func (l *lived) fork(d *desk) {
	if len(l.desks) > 9 || len(d.held) < 12 || d.who != "Eve" {
		return
	}
	held := d.held[:len(d.held)-l.IntN(3)]
	if _, ok := fold(l.t, held).History().IntroducedBy(d.device()); ok {
		l.desk(d.who, d.name, held)
	}
}

// comes lets a newcomer begin with what a desk holds now.
func (l *lived) comes(by *desk, who, name string) {
	l.desk(who, name, by.held)
}

// shuffled returns records in another order in which they may be admitted.
func shuffled(rs []*record.Record, seed uint64) []*record.Record {
	random := rand.New(rand.NewPCG(seed, 2))
	children, open := map[record.ID][]*record.Record{}, map[record.ID]int{}
	var ready, out []*record.Record
	for _, r := range rs {
		for _, p := range append([]record.ID{r.Prev}, r.Parents...) {
			if p != (record.ID{}) {
				children[p] = append(children[p], r)
				open[r.ID]++
			}
		}
		if open[r.ID] == 0 {
			ready = append(ready, r)
		}
	}
	for len(ready) > 0 {
		i := random.IntN(len(ready))
		r := ready[i]
		ready = slices.Delete(ready, i, i+1)
		out = append(out, r)
		for _, c := range children[r.ID] {
			if open[c.ID]--; open[c.ID] == 0 {
				ready = append(ready, c)
			}
		}
	}
	return out
}

// lives is how many random lives a property is tried on.
const lives = 16

// TestConverge: the same records make the same state, whatever the order in
// which they come, how often, and when somebody looks.
func TestConverge(t *testing.T) {
	var passed, failed, wrong, forks, epochs, minuted, reseated, took int
	for seed := range uint64(lives) {
		l, all := live(t, seed, 160)
		want := fold(t, all).State()
		wrong += l.wrong
		epochs += len(want.Epochs) - 1
		minuted += want.Order
		for _, r := range want.Reseatings {
			if r.Reason == "" {
				reseated++
				took += len(r.Took)
			}
		}
		for _, p := range want.Proposals.Proposals.All() {
			if p.Status == proposal.StatusPassed {
				passed++
			}
			for _, f := range p.Failed {
				if f != "" {
					failed++
				}
			}
		}
		for _, d := range want.People.Devices.All() {
			if d.Forked {
				forks++
			}
		}
		for order := range uint64(4) {
			rs := shuffled(all, order)
			c := coop.New(func(ref history.Ref) *record.Record { return rs[ref] })
			random := rand.New(rand.NewPCG(seed, order))
			for i, r := range rs {
				if _, fresh, err := c.Add(r); err != nil || !fresh {
					t.Fatalf("seed %d, order %d: record %d, a %s: %v", seed, order, i, r.Kind, err)
				}
				again := rs[random.IntN(i+1)]
				if ref, fresh, err := c.Add(again); err != nil || fresh || rs[ref] != again {
					t.Fatalf("seed %d, order %d: a record that is held is admitted again: %v, %v", seed, order, fresh, err)
				}
				if random.IntN(8) == 0 {
					c.State()
				}
			}
			got := c.State()
			if got.Digest() != want.Digest() {
				t.Errorf("seed %d, order %d: another state", seed, order)
			}
			if problems(got) != problems(want) {
				t.Errorf("seed %d, order %d: got the problems\n%swant\n%s", seed, order, problems(got), problems(want))
			}
			if !slices.Equal(got.Pending, want.Pending) || got.Order != want.Order || !slices.Equal(got.Heads, want.Heads) {
				t.Errorf("seed %d, order %d: %d pending, %d minuted; want %d, %d", seed, order, len(got.Pending), got.Order, len(want.Pending), want.Order)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d lives: %d proposals passed, %d effects failed, %d acts against the rules, %d forks, %d changes of tellers, %d records minuted, %d re-seatings took back %d acts", lives, passed, failed, wrong, forks, epochs, minuted, reseated, took)
	if passed < lives || failed == 0 || wrong < lives || forks == 0 || epochs == 0 || minuted < 10*lives || reseated < lives/8 || took == 0 {
		t.Error("too little happened in these lives for them to prove anything")
	}
}

// TestRestore: going on from a snapshot taken at any time, from a damaged one
// and from none comes to the same as never having stopped.
func TestRestore(t *testing.T) {
	for seed := range uint64(lives / 4) {
		_, all := live(t, 100+seed, 120)
		random := rand.New(rand.NewPCG(seed, 3))
		rs := shuffled(all, seed)
		running := coop.New(func(ref history.Ref) *record.Record { return rs[ref] })
		for i, r := range rs {
			if _, _, err := running.Add(r); err != nil {
				t.Fatal(err)
			}
			if random.IntN(12) > 0 && i < len(rs)-1 {
				continue
			}
			held := rs[:i+1]
			snapshot, want := running.Snapshot(), running.State().Digest()
			if got := fold(t, held).Snapshot(); !bytes.Equal(got, snapshot) {
				t.Errorf("seed %d: after %d records the snapshot of a fresh fold has other bytes", seed, i+1)
			}
			more := rs[:i+1+random.IntN(len(rs)-i)]
			for _, test := range []struct {
				name     string
				snapshot []byte
				restored int
			}{
				{"whole", snapshot, i + 1},
				{"none", nil, 0},
				{"cut off", snapshot[:random.IntN(len(snapshot))], 0},
				{"longer", append(slices.Clone(snapshot), 0), 0},
			} {
				c, n := restore(t, held, test.snapshot, running.Minutes().Anchors())
				if n != test.restored || c.State().Digest() != want {
					t.Errorf("seed %d: restored %d of %d records from a snapshot (%s): another state", seed, n, i+1, test.name)
				}
				if got := c.Snapshot(); !bytes.Equal(got, snapshot) {
					t.Errorf("seed %d: a snapshot (%s) of what was restored has other bytes", seed, test.name)
				}
				ahead, _ := restore(t, more, test.snapshot, running.Minutes().Anchors())
				if whole := fold(t, more); ahead.State().Digest() != whole.State().Digest() || !bytes.Equal(ahead.Snapshot(), whole.Snapshot()) {
					t.Errorf("seed %d: restored from a snapshot (%s) of %d of %d records: another state", seed, test.name, i+1, len(more))
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestRestoreOthers: a snapshot of another co-op, or of other records of this
// one, is not gone on from.
func TestRestoreOthers(t *testing.T) {
	_, all := live(t, 7, 80)
	want := fold(t, all).State().Digest()
	_, others := live(t, 8, 60)
	later := fold(t, all).Snapshot()
	later[1]++ // the number of its version, behind the head of an array
	for name, snapshot := range map[string][]byte{
		"another version":            later,
		"another co-op":              fold(t, others).Snapshot(),
		"the same in another order":  fold(t, shuffled(all, 5)).Snapshot(),
		"more records than are held": fold(t, all).Snapshot(),
	} {
		held, want := all, want
		if name == "more records than are held" {
			held = all[:len(all)-1]
			want = fold(t, held).State().Digest()
		}
		c, n := restore(t, held, snapshot, nil)
		if n != 0 || c.State().Digest() != want {
			t.Errorf("a snapshot of %s: restored %d records, the state is right: %v", name, n, c.State().Digest() == want)
		}
	}
}

// TestRestoreBeforeAnchor: a snapshot from before an anchor was stored is folded
// anew with the anchor. Gone on from, it would let old tellers' keys decide
// again what the anchor decided.
func TestRestoreBeforeAnchor(t *testing.T) {
	_, ds := street(t)
	ana := ds[0]
	early, covers := ana.c.Snapshot(), len(ana.held)
	ana.decide(ds[1:], proposal.Effect{Kind: proposal.EffectTellers, Keys: []record.Key{ana.device()}})
	minute(ds...)
	ana.pay(ana.w.id, 10)
	ana.ack()
	anchors := ana.c.Minutes().Anchors()
	equal(t, "stored anchors", len(anchors), 1)
	for stored, want := range map[int]int{0: covers, 1: 0} {
		c, n := restore(t, ana.held, early, anchors[:stored])
		equal(t, fmt.Sprintf("with %d anchors restored", stored), n, want)
		equal(t, "digest", c.State().Digest(), ana.c.State().Digest())
	}
}
