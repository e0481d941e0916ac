package coop

import (
	"crypto/sha256"
	"io"

	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/table"
)

// Problem says why a record, or part of it, has no effect.
type Problem struct {
	_      struct{} `cbor:",toarray"`
	Record record.ID
	Kind   string
	Device record.Key
	Reason string
}

// State is what people see: a copy that stays as it is while the co-op goes on.
type State struct {
	Acts                 // with what is not in the minutes yet
	Contents             // as of all records held
	Minuted  *Acts       // by the minutes alone
	Pending  []record.ID // acts that are not in the minutes, in the provisional order
	Epochs   []record.ID // the anchors, from the founding record on
	Last     record.ID   // the last leader of the minutes
	Records  int         // how many records are held
	Order    int         // how many of them are in the minutes
	Frontier [32]byte    // digest of the frontier: equal where the same records are held
	Heads    []record.ID // records without a child

	Reseated   record.ID   // the re-seating that the minutes go on from; zero: none
	Reseatings []Reseating // all there are, sorted by id

	pending map[record.ID]bool
}

// State returns the state as of all records added so far.
func (c *Coop) State() *State {
	c.settle()
	s := &State{
		Acts: *c.layer.clone(), Contents: c.contents.clone(), Minuted: c.minuted.clone(),
		Records: c.h.Len(), Order: c.h.Len() - len(c.pending), Frontier: c.h.Digest(),
		Last: c.h.ID(c.minutes.Last()), Reseated: c.line.id(), Reseatings: c.reseatings(), pending: map[record.ID]bool{},
	}
	for _, ref := range c.pending {
		if n := c.h.At(ref); isAct(n.Kind) {
			s.Pending = append(s.Pending, n.ID)
			s.pending[n.ID] = true
		}
	}
	for _, e := range c.minutes.Epochs() {
		s.Epochs = append(s.Epochs, e.Anchor)
	}
	for _, ref := range c.h.Heads() {
		s.Heads = append(s.Heads, c.h.ID(ref))
	}
	return s
}

// InMinutes reports whether a payment, vote or other act is final.
func (s *State) InMinutes(id record.ID) bool {
	return !s.pending[id]
}

// Digest is a hash over everything in the state. It is equal on two nodes that
// hold the same records.
func (s *State) Digest() [32]byte {
	h := sha256.New()
	h.Write([]byte(record.DomainState))
	s.Minuted.writeTo(h)
	s.Acts.writeTo(h)
	s.Contents.writeTo(h)
	h.Write(record.Marshal(s.Pending))
	h.Write(record.Marshal(s.Epochs))
	h.Write(s.Last[:])
	h.Write(record.Marshal(s.Reseatings))
	h.Write(s.Frontier[:])
	return [32]byte(h.Sum(nil))
}

// write is WriteTo into a hash or a buffer, which cannot fail.
func write(w io.Writer, t io.WriterTo) {
	if _, err := t.WriteTo(w); err != nil {
		panic("coop: " + err.Error())
	}
}

// Changed counts the times the fold moved: it says whether a state is stale.
func (c *Coop) Changed() uint64 {
	c.settle()
	return c.changed
}

// Waiting returns how many acts are not in the minutes yet.
func (c *Coop) Waiting() int {
	c.settle()
	n := 0
	for _, ref := range c.pending {
		if isAct(c.h.At(ref).Kind) {
			n++
		}
	}
	return n
}

// People returns who is in the co-op, with what is not minuted yet. It must
// only be read, and not kept.
func (c *Coop) People() *member.State {
	c.settle()
	return c.layer.People
}

// OpenProposals returns the proposals that are open, by id.
func (c *Coop) OpenProposals() []proposal.Proposal {
	c.settle()
	var open []proposal.Proposal
	for id := range c.layer.Proposals.Undecided.All() {
		p, _ := c.layer.Proposals.Proposals.Get(id)
		open = append(open, p)
	}
	return open
}

// Introduced reports whether a device belongs to somebody of the co-op: the
// minutes introduced it, or the acts not minuted yet do, leaving out removals.
// Of the latter those that were added last may be left out where the rest
// suffices, as if they came later.
func (c *Coop) Introduced(device record.Key) bool {
	if c.h.Len() == 0 {
		return false
	}
	c.settleMinutes()
	if c.introduced(device) {
		return true
	}
	c.settle()
	return c.introduced(device)
}

// catchUp lets the provisional layer catch up where that costs no more than what
// came since. A stream of records is judged one by one, and each could move the
// whole layer: so it is folded anew once for all that came together, when somebody
// asks Changed. Until then what is judged is judged as if the last ones came later.
func (c *Coop) catchUp() {
	c.settleMinutes()
	if c.layered >= 0 || c.changed == 0 {
		c.settle()
	}
}

func (c *Coop) introduced(device record.Key) bool {
	return c.minuted.People.Devices.Has(device) || c.layer.People.Devices.Has(device) || c.lenient != nil && c.lenient.People.Devices.Has(device)
}

// Stands reports whether this node takes what a device writes: it is
// introduced, the minutes did not remove it, and no fork of it is held.
func (c *Coop) Stands(device record.Key) bool {
	return c.Introduced(device) && !c.minuted.removed(device) && !c.forked(device)
}

// StandsByMinutes reports whether a device stands and the minutes introduced it.
func (c *Coop) StandsByMinutes(device record.Key) bool {
	return c.Stands(device) && c.minuted.People.Devices.Has(device)
}

func (c *Coop) forked(device record.Key) bool {
	_, _, ok := c.h.Fork(device)
	return ok
}

// WhyNot says in words for people why a device does not stand.
func (c *Coop) WhyNot(device record.Key) string {
	switch {
	case c.forked(device):
		return "it signed two records in one slot, so nobody can tell which to believe; go on with another device"
	case !c.Introduced(device):
		return "nobody has admitted it"
	}
	if _, err := c.minuted.People.Author(device); err != nil {
		return err.Error()
	}
	return "it stands"
}

// Claim is what decides whether a record may be taken for itself. It depends on
// the record alone, so that a record need not be read again to be judged again.
type Claim struct {
	Device   record.Key
	founding bool
	card     *history.Introduction // what a device's own card, its first record, says of it
}

// ClaimOf returns a record's claim. It checks the signatures of its card, if it
// has one.
func ClaimOf(r *record.Record) Claim {
	claim := Claim{Device: r.Device, founding: r.Founding()}
	if r.Kind != member.KindDeviceAdd || r.Seq != 1 {
		return claim
	}
	for _, in := range member.Introduces(r) {
		if in.Device == r.Device {
			claim.card = &in
			break
		}
	}
	return claim
}

// OfDevice is the claim of a record that is no card.
func OfDevice(device record.Key) Claim { return Claim{Device: device} }

// Card reports whether the record is the own card of a new device.
func (cl Claim) Card() bool { return cl.card != nil }

// Takeable reports whether a record may be taken from a peer for itself: its
// device stands, or it is the founding record, or it is a device's own card
// and the person is in the co-op.
func (c *Coop) Takeable(r *record.Record) bool { return c.Takes(ClaimOf(r)) }

// Takes is Takeable for a record of which only the claim is at hand. It may judge
// by a fold that lacks what was added since Changed was asked: what it refuses then
// is to be asked again after that.
func (c *Coop) Takes(cl Claim) bool {
	if cl.founding {
		return true
	}
	if c.h.Len() == 0 {
		return false
	}
	c.catchUp()
	if c.introduced(cl.Device) && !c.minuted.removed(cl.Device) && !c.forked(cl.Device) {
		return true
	}
	return cl.card != nil && c.mayAdd(cl.Device, cl.card.Member, cl.card.SignedBy)
}

// MayAdd reports whether a device may come to the co-op by a card of its own, as
// it shows it at the door before the record that adds it: see mayAdd.
func (c *Coop) MayAdd(card member.DeviceCard) bool {
	c.settle()
	return card.Coop == c.h.Coop() && c.mayAdd(card.Device, member.MemberID(card.Coop, card.Root), card.Root)
}

// mayAdd reports whether a device card signed by this root may be taken: no fork
// of the device is held, the minutes removed neither it nor its person, who is
// introduced, has this root there, and room for a device, and no more cards of the
// root are held than a person may have devices. So many is a flood: what is beyond
// is taken where a device that stands has it in its past, see Uncovered.
func (c *Coop) mayAdd(device record.Key, person record.ID, root record.Key) bool {
	if c.forked(device) || c.minuted.removed(device) {
		return false
	}
	if c.cards[root] >= member.MaxDevices {
		return false
	}
	states := []*Acts{c.minuted, c.layer, c.lenient}
	for _, a := range states {
		if a == nil {
			continue
		}
		if m, ok := a.People.Person(person); ok {
			return m.Root == root && len(m.Devices) < member.MaxDevices && (a != c.minuted || !m.Gone())
		}
	}
	return false
}

// Introductions returns the records that lead from a device back to the
// founding record: what introduced it, what introduced the author of that, …
func (c *Coop) Introductions(device record.Key) []history.Ref {
	var refs []history.Ref
	for {
		ref, ok := c.h.IntroducedBy(device)
		if !ok || len(refs) > 0 && ref >= refs[len(refs)-1] {
			return refs
		}
		refs = append(refs, ref)
		device = c.h.At(ref).Device
	}
}

// Uncovered returns the tips of devices that do not stand, or came by one of so
// many cards that others may not take it by itself, which no record of the device
// own, or of a standing device the minutes introduced, has in its past.
func (c *Coop) Uncovered(own record.Key) []history.Ref {
	c.settle()
	var covering, open []history.Ref
	for _, tip := range c.h.Tips() {
		device := c.h.At(tip).Device
		if device == own || c.StandsByMinutes(device) {
			covering = append(covering, tip)
		}
		if !c.Stands(device) || c.crowded(device) {
			open = append(open, tip)
		}
	}
	var bare []history.Ref
	for _, tip := range open {
		covered := false
		for _, by := range covering {
			covered = covered || c.h.InPast(tip, by)
		}
		if !covered {
			bare = append(bare, tip)
		}
	}
	return bare
}

// crowded reports whether a device came by a card of its own that is not in the
// minutes yet, of a root of which this node holds as many as it takes.
func (c *Coop) crowded(device record.Key) bool {
	root, own := c.cardOf[device]
	return own && c.cards[root] >= member.MaxDevices && !c.minuted.People.Devices.Has(device)
}

// noteCard counts the devices that came by a card of their own, by the root that
// signed it.
func (c *Coop) noteCard(r *record.Record) {
	claim := ClaimOf(r)
	if _, known := c.cardOf[r.Device]; known || claim.card == nil {
		return
	}
	c.cardOf[r.Device] = claim.card.SignedBy
	c.cards[claim.card.SignedBy]++
}

// Problems returns the problems of acts and contents, and why re-seatings do not
// count, by record.
func (s *State) Problems() table.Table[record.ID, Problem] {
	all := s.Acts.Problems.Clone()
	for id, p := range s.Contents.Problems.All() {
		all.Put(id, p)
	}
	for _, r := range s.Reseatings {
		if r.Reason != "" {
			all.Put(r.Record, Problem{Record: r.Record, Kind: member.KindReseat, Device: r.Device, Reason: r.Reason})
		}
	}
	return all
}
