package coop_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
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

// key derives a key from a name, the same in every run.
func key(name string) *record.Private { return record.NewPrivate(sha256.Sum256([]byte(name))) }

// world is a co-op, and what nobody but the test knows of it.
type world struct {
	t     testing.TB
	id    record.ID
	clock int64
	names int // of invites
	desks []*desk
}

// desk is a device of somebody, with the records it holds.
type desk struct {
	w    *world
	who  string
	name string
	key  *record.Private
	c    *coop.Coop
	held []*record.Record
}

func rootOf(who string) *record.Private { return key(who + "'s root") }

// found returns the world of a new co-op with the desks of its founders, who
// are its tellers.
func found(t testing.TB, founders ...string) (*world, []*desk) {
	t.Helper()
	return foundFrom(t, nil, founders...)
}

// foundFrom is found for a co-op that succeeds another and takes along these
// hours. All are members but Eve.
func foundFrom(t testing.TB, hours map[string]int64, founders ...string) (*world, []*desk) {
	t.Helper()
	f := member.Founding{
		Name: "Willow Street", Purpose: "to share", Nonce: [32]byte{7},
		Units: []member.Unit{{Code: "hour", Scale: 2}, {Code: "euro", Scale: 2}},
	}
	for who, n := range hours {
		f.Succeeds = member.Succession{Coop: record.ID{1}, Frontier: [32]byte{2}}
		f.Opening = append(f.Opening, member.Opening{Name: who, Root: rootOf(who).Public(), Member: who != "Eve", Balances: []int64{n, 0}})
	}
	slices.SortFunc(f.Opening, func(a, b member.Opening) int { return a.Root.Compare(b.Root) })
	for _, who := range founders {
		f.Founders = append(f.Founders, member.Founder{Name: who, Root: rootOf(who).Public(), Device: key(who).Public(), DeviceName: "laptop"})
	}
	var sigs []member.FounderSig
	for _, who := range founders {
		sigs = append(sigs, f.Sign(rootOf(who), key(who)))
	}
	body, err := member.NewFounding(f, sigs)
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound, Time: 1}, body, key(founders[0]))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, id: r.ID, clock: 1}
	for _, who := range founders {
		w.desk(who, who, []*record.Record{r})
	}
	return w, w.desks
}

// desk returns a new desk that holds these records.
func (w *world) desk(who, name string, held []*record.Record) *desk {
	w.t.Helper()
	d := &desk{w: w, who: who, name: name, key: key(name)}
	d.c = coop.New(d.load)
	for _, r := range held {
		d.add(r)
	}
	w.desks = append(w.desks, d)
	return d
}

// clone returns a world that goes on by itself, with its desks in the same order.
func (w *world) clone(t testing.TB) (*world, []*desk) {
	c := &world{t: t, id: w.id, clock: w.clock, names: w.names}
	for _, d := range w.desks {
		c.desk(d.who, d.name, d.held)
	}
	return c, c.desks
}

func (d *desk) load(ref history.Ref) *record.Record { return d.held[ref] }

func (d *desk) device() record.Key { return d.key.Public() }

// id is that of the desk's person.
func (d *desk) id() record.ID { return member.MemberID(d.w.id, rootOf(d.who).Public()) }

// add admits a record.
func (d *desk) add(r *record.Record) {
	d.w.t.Helper()
	_, fresh, err := d.c.Add(r)
	if err != nil {
		d.w.t.Fatalf("%s admits a %s: %v", d.name, r.Kind, err)
	}
	if fresh {
		d.held = append(d.held, r)
	}
}

// pull gives a desk all that others hold.
func (d *desk) pull(from ...*desk) *desk {
	d.w.t.Helper()
	for _, f := range from {
		for _, r := range f.held {
			d.add(r)
		}
	}
	return d
}

// sync lets desks tell each other all.
func sync(desks ...*desk) {
	for range 2 {
		for _, d := range desks {
			d.pull(desks...)
		}
	}
}

// sign signs a record on top of all that the desk holds.
func (d *desk) sign(kind string, body []byte) *record.Record {
	d.w.t.Helper()
	d.w.clock += 1000
	g := d.c.History()
	h := record.Header{Coop: d.w.id, Seq: 1, Kind: kind, Time: d.w.clock}
	prev := history.None
	if tips := g.TipsOf(d.device()); len(tips) > 0 {
		prev = tips[0]
		at := g.At(prev)
		h.Seq, h.Prev, h.Depth = at.Seq+1, at.ID, at.Depth
	}
	for _, p := range g.Heads() {
		if p != prev {
			h.Parents = append(h.Parents, g.ID(p))
			h.Depth = max(h.Depth, g.At(p).Depth)
		}
	}
	h.Parents = record.SortIDs(h.Parents)
	h.Depth++
	r, err := record.New(h, body, d.key)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return r
}

// write signs and admits a record, whether it has an effect or not.
func (d *desk) write(kind string, body []byte) record.ID {
	d.w.t.Helper()
	r := d.sign(kind, body)
	d.add(r)
	return r.ID
}

// act writes an act that must have an effect.
func (d *desk) act(kind string, body []byte) record.ID {
	d.w.t.Helper()
	id := d.write(kind, body)
	if why := d.problem(id); why != "" {
		d.w.t.Fatalf("%s's %s: %s", d.name, kind, why)
	}
	return id
}

// problem is why a record has no effect, "" if it has.
func (d *desk) problem(id record.ID) string {
	p, _ := d.c.State().Problems().Get(id)
	return p.Reason
}

func (d *desk) ack() record.ID { return d.write(coop.KindAck, nil) }

// card is the join card of somebody with an invite that was just issued.
func (d *desk) invited(who string) member.Card {
	d.w.t.Helper()
	d.w.names++
	invite := key(fmt.Sprint("invite ", d.w.names))
	d.act(member.KindInvite, member.NewInvite(invite.Public(), 1, 0))
	c, err := member.NewCard(member.CardTerms{Coop: d.w.id, Name: who, DeviceName: "laptop"}, invite, rootOf(who), key(who))
	if err != nil {
		d.w.t.Fatal(err)
	}
	return c
}

// join lets a desk invite and admit somebody, and returns their desk.
func (d *desk) join(who string) *desk {
	d.w.t.Helper()
	d.act(member.KindAdmit, d.invited(who).Encode())
	return d.w.desk(who, who, d.held)
}

// deviceCard is the card of a further device of somebody.
func (w *world) deviceCard(who, name string) []byte {
	w.t.Helper()
	c, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.id, Name: name}, rootOf(who), key(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Encode()
}

// addDevice returns the desk of a further device of somebody.
func (d *desk) addDevice(name string) *desk {
	d.w.t.Helper()
	d.act(member.KindDeviceAdd, d.w.deviceCard(d.who, name))
	return d.w.desk(d.who, name, d.held)
}

// open opens a proposal with the rule its effects need.
func (d *desk) open(effects ...proposal.Effect) record.ID {
	d.w.t.Helper()
	b := proposal.OpenBody{Title: "Let us", Rule: proposal.RuleFor(effects), Effects: effects, ClosesAt: d.w.clock + 30*24*60*60*1000}
	body, err := proposal.Open(d.c.People(), d.id(), b)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return d.act(proposal.KindOpen, body)
}

func vote(id record.ID, o proposal.Option) []byte {
	return record.Marshal(proposal.CastBody{Proposal: id, Option: o})
}

func (d *desk) vote(id record.ID, o proposal.Option) record.ID {
	d.w.t.Helper()
	return d.act(proposal.KindCast, vote(id, o))
}

// decide lets a desk propose and all others vote yes, so that the first knows.
func (d *desk) decide(others []*desk, effects ...proposal.Effect) record.ID {
	d.w.t.Helper()
	id := d.open(effects...)
	d.vote(id, proposal.Yes)
	for _, o := range others {
		if o.pull(d); o.proposal(id).Status == proposal.StatusOpen {
			o.vote(id, proposal.Yes)
			d.pull(o)
		}
	}
	return id
}

func (d *desk) proposal(id record.ID) proposal.Proposal {
	p, _ := d.c.State().Proposals.Proposals.Get(id)
	return p
}

func transfer(to record.ID, amount int64) []byte {
	return record.Marshal(ledger.TransferBody{To: to, Unit: "hour", Amount: amount})
}

func answer(id record.ID) []byte { return record.Marshal(ledger.AnswerBody{ID: id}) }

func (d *desk) pay(to record.ID, amount int64) record.ID {
	d.w.t.Helper()
	return d.act(ledger.KindTransfer, transfer(to, amount))
}

// offer makes a listing.
func (d *desk) offer(title string) record.ID {
	d.w.t.Helper()
	ops, err := listing.Draft{Kind: listing.Offer, Title: title}.Create()
	if err != nil {
		d.w.t.Fatal(err)
	}
	return d.act(document.KindCreate, document.Create{Schema: listing.SchemaName, Ops: ops}.Encode())
}

func (d *desk) balance(owner record.ID) int64 {
	return d.c.State().Ledger.Account(ledger.AccountKey{Unit: "hour", Owner: owner}).Balance
}

func (d *desk) member(of *desk) member.Member {
	m, _ := d.c.State().People.Members.Get(of.id())
	return m
}

// minute lets tellers talk and ack until no act waits.
func minute(tellers ...*desk) {
	w := tellers[0].w
	w.t.Helper()
	for range 30 {
		sync(tellers...)
		if tellers[0].c.Waiting() == 0 {
			return
		}
		for _, d := range tellers {
			d.pull(tellers...).ack()
		}
	}
	w.t.Fatalf("%d acts are not minuted although %d tellers talk", tellers[0].c.Waiting(), len(tellers))
}

// same holds that desks hold the same and show the same.
func same(desks ...*desk) {
	t := desks[0].w.t
	t.Helper()
	want := desks[0].c.State()
	for _, d := range desks[1:] {
		got := d.c.State()
		if got.Frontier != want.Frontier {
			t.Fatalf("%s and %s hold %d and %d records", d.name, desks[0].name, got.Records, want.Records)
		}
		if got.Digest() != want.Digest() {
			t.Errorf("%s and %s hold the same records and show another state:\n%s\n%s", d.name, desks[0].name, problems(got), problems(want))
		}
	}
}

// problems writes all problems of a state.
func problems(s *coop.State) string {
	var b strings.Builder
	for id, p := range s.Problems().All() {
		fmt.Fprintf(&b, "%s %s by %s: %s\n", id.Short(), p.Kind, p.Device.Short(), p.Reason)
	}
	return b.String()
}

// bytesOf is what acts made of the co-op, as bytes.
func bytesOf(a *coop.Acts) []byte {
	var b bytes.Buffer
	a.People.WriteTo(&b)
	a.Proposals.WriteTo(&b)
	a.Ledger.WriteTo(&b)
	a.Problems.WriteTo(&b)
	return b.Bytes()
}

// fold folds records that are held in this order from nothing.
func fold(t testing.TB, rs []*record.Record) *coop.Coop {
	t.Helper()
	c := coop.New(func(ref history.Ref) *record.Record { return rs[ref] })
	for i, r := range rs {
		if _, fresh, err := c.Add(r); err != nil || !fresh {
			t.Fatalf("record %d of %d, a %s, is refused: %v", i, len(rs), r.Kind, err)
		}
	}
	return c
}

// restore starts a co-op from a snapshot and the records of a store, which
// gives bodies only where they are asked for.
func restore(t testing.TB, rs []*record.Record, snapshot []byte, anchors []record.ID) (*coop.Coop, int) {
	t.Helper()
	c, n, err := coop.Restore(func(ref history.Ref) *record.Record { return rs[ref] }, snapshot, anchors, func(admit func(*record.Record) error) error {
		for _, r := range rs {
			if !coop.NeedsBody(r.Kind) {
				bare, err := record.Trusted(r.Raw, r.Sig, nil, r.Hollow)
				if err != nil {
					return err
				}
				r = bare
			}
			if err := admit(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, n
}

// refuse fails the test unless a reason says all of the words.
func refuse(t testing.TB, reason string, words ...string) {
	t.Helper()
	for _, word := range words {
		if reason == "" || !strings.Contains(reason, word) {
			t.Errorf("got the reason %q, want one that says %q", reason, words)
			return
		}
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalSlices[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
