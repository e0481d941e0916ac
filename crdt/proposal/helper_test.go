package proposal_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// world is a co-op of n members and one associate, with the proposals it made.
// Member i has one device; the first members' devices are tellers.
type world struct {
	t      testing.TB
	people *member.State
	s      *proposal.State
	acts   uint64
	passed []proposal.Proposal // as Judge returned them
	left   []record.ID         // since the last review
}

func who(i int) record.ID     { return record.ID{byte(i >> 8), byte(i), 1} }
func device(i int) record.Key { return record.Key{byte(i >> 8), byte(i), 2} }

// coop is the id of the co-op.
var coop = record.ID{9}

// stranger is an id that nobody has.
var stranger = record.ID{0xff, 0xff}

func newWorld(t testing.TB, members, tellers int) *world {
	t.Helper()
	w := &world{t: t, s: proposal.New(), people: member.New()}
	w.people.Coop, w.people.Name, w.people.Units = coop, "Willow Street", []member.Unit{{Code: "hour", Scale: 2}}
	for i := range members + 1 {
		w.people.Members.Put(who(i), member.Member{ID: who(i), Name: "M" + string(rune('A'+i%26)), Status: member.StatusMember, Devices: []record.Key{device(i)}})
		w.people.Devices.Put(device(i), member.Device{Key: device(i), Member: who(i)})
		if i < tellers {
			w.people.Tellers = append(w.people.Tellers, device(i))
		}
	}
	w.setStatus(members, member.StatusAssociate)
	return w
}

func (w *world) setStatus(i int, status member.Status) {
	m, _ := w.people.Members.Get(who(i))
	m.Status = status
	if m.Gone() {
		w.left = append(w.left, who(i))
	}
	w.people.Members.Put(who(i), m)
}

// clone returns a world that goes on by itself.
func (w *world) clone(t testing.TB) *world {
	c := *w
	c.t, c.people, c.s = t, w.people.Clone(), w.s.Clone()
	return &c
}

func (w *world) nextID() record.ID {
	w.acts++
	return idOf(w.acts)
}

func idOf(n uint64) record.ID {
	id := record.ID{7}
	binary.BigEndian.PutUint64(id[24:], n)
	return id
}

func (w *world) act(by int, kind string, body []byte) (record.ID, error) {
	r := &record.Record{Header: record.Header{Coop: w.people.Coop, Kind: kind, Device: device(by), Time: int64(w.acts)}, ID: w.nextID(), Body: body}
	m, _ := w.people.Members.Get(who(by))
	before := w.bytes()
	ids, err := w.s.Apply(w.people, m, r)
	for _, id := range ids {
		w.judge(id, r.ID)
	}
	if err != nil && !bytes.Equal(before, w.bytes()) {
		w.t.Errorf("%s: a Problem (%v) changed the state", kind, err)
	}
	return r.ID, err
}

func (w *world) bytes() []byte {
	var b bytes.Buffer
	if _, err := w.s.WriteTo(&b); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

// open opens a proposal that must be fine.
func (w *world) open(by int, rule proposal.Rule, effects ...proposal.Effect) record.ID {
	w.t.Helper()
	id, err := w.tryOpen(by, body(rule, effects...))
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	return id
}

func (w *world) tryOpen(by int, b proposal.OpenBody) (record.ID, error) {
	b.Electorate = member.Roll(proposal.Electorate(w.people, b.Effects))
	return w.act(by, proposal.KindOpen, record.Marshal(b))
}

const closesAt = 1_700_000_000_000

func body(rule proposal.Rule, effects ...proposal.Effect) proposal.OpenBody {
	return proposal.OpenBody{Title: "A shed", Rule: rule, Effects: effects, ClosesAt: closesAt}
}

func (w *world) vote(by int, id record.ID, o proposal.Option) error {
	w.people.Wake(who(by)) // as any act of theirs does
	_, err := w.act(by, proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: o}))
	return err
}

func (w *world) votes(id record.ID, all string) {
	w.t.Helper()
	for i, c := range all {
		if err := w.vote(i, id, option(c)); err != nil {
			w.t.Fatalf("vote of %d: %v", i, err)
		}
	}
}

func option(c rune) proposal.Option {
	return map[rune]proposal.Option{'y': proposal.Yes, 'n': proposal.No, 'a': proposal.Abstain}[c]
}

func (w *world) close(by int, ids ...record.ID) error {
	_, err := w.act(by, proposal.KindClose, record.Marshal(proposal.CloseBody{Proposals: record.SortIDs(ids)}))
	return err
}

func (w *world) withdraw(by int, id record.ID) error {
	_, err := w.act(by, proposal.KindWithdraw, record.Marshal(proposal.NameBody{Proposal: id}))
	return err
}

// review judges all open proposals again.
func (w *world) review() {
	at := w.nextID()
	for id := range w.s.Undecided.Clone().All() {
		w.judge(id, at)
	}
	w.left = nil
}

func (w *world) judge(id, at record.ID) {
	if p, passed := w.s.Judge(w.people, id, at, w.left); passed {
		w.passed = append(w.passed, p)
	}
}

func (w *world) get(id record.ID) proposal.Proposal {
	p, _ := w.s.Proposals.Get(id)
	return p
}

func (w *world) tally(id record.ID) proposal.Tally {
	w.t.Helper()
	t, ok := w.s.Tally(w.people, id)
	if !ok {
		w.t.Fatalf("no proposal %s", id.Short())
	}
	return t
}

func (w *world) is(id record.ID, want proposal.Status) {
	w.t.Helper()
	if got := w.get(id).Status; got != want {
		w.t.Errorf("status: got %s, want %s (%+v)", got, want, w.get(id).Count)
	}
}

// wants checks an error against a part of its text, "" for none.
func wants(t testing.TB, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("error: got %v, want %q", err, want)
	}
}
