package member

import (
	"errors"
	"fmt"
	"slices"

	"coop/crdt/record"
)

// The kinds of acts about people. Their bodies are: a founding (NewFounding);
// NewInvite; NewUninvite; a Card, for introduce and admit; nothing, for leave;
// a DeviceCard; NewRevoke; NewSeatPass.
const (
	KindFound     = "coop/found"
	KindInvite    = "member/invite"
	KindUninvite  = "member/uninvite"
	KindIntroduce = "member/introduce"
	KindAdmit     = "member/admit"
	KindLeave     = "member/leave"
	KindDeviceAdd = "device/add"
	KindRevoke    = "device/revoke"
	KindSeatPass  = "seat/pass"
)

// MaxUses is how many people one invite can admit: a co-op's whole street, but
// not whoever finds the poster.
const MaxUses = 1000

type inviteBody struct {
	_       struct{} `cbor:",toarray"`
	Key     record.Key
	Uses    uint32
	Expires int64
}

// keyBody names an invite or a device to be revoked.
type keyBody struct {
	_   struct{} `cbor:",toarray"`
	Key record.Key
}

type passTerms struct {
	_        struct{} `cbor:",toarray"`
	Coop     record.ID
	From, To record.Key
	Revoke   bool
	Seated   uint64 // how often From got a seat: the signature is for this time alone
}

type passBody struct {
	_        struct{} `cbor:",toarray"`
	From, To record.Key
	Revoke   bool       // From is revoked as well
	RootSig  record.Sig // over passTerms; zeros: From writes the record itself
}

// NewInvite returns the body of an invite: the public key of its seed, how many
// people it admits, 1 to MaxUses, and until when, in unix milliseconds, 0: for
// ever.
func NewInvite(key record.Key, uses uint32, expires int64) []byte {
	return record.Marshal(inviteBody{Key: key, Uses: uses, Expires: expires})
}

// NewUninvite returns the body that revokes an invite.
func NewUninvite(key record.Key) []byte { return record.Marshal(keyBody{Key: key}) }

// NewRevoke returns the body that revokes a device.
func NewRevoke(device record.Key) []byte { return record.Marshal(keyBody{Key: device}) }

// NewSeatPass returns the body that passes a teller's seat to another device of
// the same person and, if revoke is set, revokes the old one. The old device
// writes it, with a nil root; or any other device, with the root's signature,
// which counts only as long as from keeps the seat it has now.
func (s *State) NewSeatPass(from, to record.Key, revoke bool, root *record.Private) []byte {
	b := passBody{From: from, To: to, Revoke: revoke}
	if root != nil {
		b.RootSig = root.Sign(record.DomainSeat, s.passTerms(b))
	}
	return record.Marshal(b)
}

func (s *State) passTerms(b passBody) []byte {
	from, _ := s.Devices.Get(b.From)
	return record.Marshal(passTerms{Coop: s.Coop, From: b.From, To: b.To, Revoke: b.Revoke, Seated: from.Seated})
}

// Apply lets one act of this package's kinds take effect; by is what AuthorOf
// returned for it. An error is the reason, in words for members, why the act
// has no effect; then nothing was changed.
func (s *State) Apply(by Member, r *record.Record) error {
	by, err := s.present(by.ID)
	if err != nil {
		return err
	}
	switch r.Kind {
	case KindInvite:
		return s.invite(by, r)
	case KindUninvite:
		return s.uninvite(by, r)
	case KindIntroduce:
		return s.introduce(by, r)
	case KindAdmit:
		return s.admit(by, r)
	case KindLeave:
		return s.leave(by, r)
	case KindDeviceAdd:
		return s.deviceAdd(by, r)
	case KindRevoke:
		return s.revokeOwn(by, r)
	case KindSeatPass:
		return s.seatPass(by, r)
	}
	return fmt.Errorf("this version does not know what %q means: update coop", r.Kind)
}

func unmarshal(r *record.Record, body any) error {
	if err := record.Unmarshal(r.Body, body); err != nil {
		return fmt.Errorf("%s: %w", r.Kind, err)
	}
	return nil
}

func (s *State) invite(by Member, r *record.Record) error {
	var b inviteBody
	if err := unmarshal(r, &b); err != nil {
		return err
	}
	if !s.sponsors(by) {
		return fmt.Errorf("%s is not a sponsor: ask a sponsor for an invite", by.Name)
	}
	if err := b.Key.Check(); err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	if b.Uses == 0 || b.Uses > MaxUses {
		return fmt.Errorf("invite: %d uses, not 1 to %d", b.Uses, MaxUses)
	}
	if b.Expires < 0 || b.Expires > record.MaxTime {
		return errors.New("invite: it expires before 1970 or after 9999")
	}
	if s.Invites.Has(b.Key) {
		return errors.New("this invite was issued before: make a new one")
	}
	s.Invites.Put(b.Key, Invitation{Key: b.Key, By: by.ID, Uses: b.Uses, Expires: b.Expires})
	return nil
}

// sponsors reports whether a person may invite and admit.
func (s *State) sponsors(m Member) bool { return m.full() && m.Holds(Sponsor) }

func (s *State) uninvite(by Member, r *record.Record) error {
	var b keyBody
	if err := unmarshal(r, &b); err != nil {
		return err
	}
	i, ok := s.Invites.Get(b.Key)
	switch {
	case !ok:
		return fmt.Errorf("the co-op knows no invite %s", b.Key.Short())
	case i.By != by.ID && !s.sponsors(by):
		return fmt.Errorf("%s neither issued this invite nor is a sponsor: ask a sponsor to revoke it", by.Name)
	case i.Revoked:
		return errors.New("this invite was revoked before")
	}
	i.Revoked = true
	s.Invites.Put(b.Key, i)
	return nil
}

// introduce remembers a card, so that sponsors see who waits. The invite may
// still be unknown: the one who carries a card may not have heard of it. A
// later card of the same person replaces the earlier.
func (s *State) introduce(by Member, r *record.Record) error {
	c, err := ParseCard(r.Body)
	if err != nil {
		return err
	}
	if err := s.newcomer(c); err != nil {
		return err
	}
	if s.Invites.Has(c.Invite) {
		if err := s.usable(c); err != nil {
			return err
		}
	}
	s.Waiting.Put(c.Member(), Waiting{Card: c, By: by.ID, Record: r.ID})
	return nil
}

// newcomer says why a card is not that of a newcomer to this co-op.
func (s *State) newcomer(c Card) error {
	switch {
	case c.Coop != s.Coop:
		return fmt.Errorf("the join card of %s is for another co-op", c.Name)
	case c.Recovers != record.ID{}:
		return fmt.Errorf("the card of %s recovers a member: it needs a proposal, not an admission", c.Name)
	case c.Agreement != s.Agreement:
		return fmt.Errorf("%s accepted another agreement than this co-op's: ask them to join again with a new code", c.Name)
	}
	if m, ok := s.Person(c.Member()); ok {
		if err := s.mayReturn(m, c); err != nil {
			return err
		}
	}
	return s.free(c.Device)
}

// mayReturn says why somebody whom the co-op knows cannot be admitted with a card.
// Who was expelled comes back no easier than they went.
func (s *State) mayReturn(m Member, c Card) error {
	switch {
	case s.Lenient:
		return nil // there they never left
	case m.Status == StatusExpelled:
		return fmt.Errorf("%s was expelled: they can come back if the co-op decides to readmit them, and not before", m.Name)
	case m.Status != StatusLeft:
		return fmt.Errorf("%s was admitted before, as %s", c.Name, m.Name)
	case m.Root != c.Root:
		return fmt.Errorf("%s has had a new root key since: to come back, join with the 24 words of that one", m.Name)
	}
	return nil
}

// free says why a device cannot become somebody's.
func (s *State) free(device record.Key) error {
	if d, ok := s.Devices.Get(device); ok {
		m, _ := s.Members.Get(d.Member)
		return fmt.Errorf("the device %s was added before, as %s's: make a new device key", device.Short(), m.Name)
	}
	if d, _ := s.Strangers.Get(device); d.Forked {
		return s.Forked(d)
	}
	return nil
}

// usable says why the invite of a card cannot admit its owner. Whether it
// expired is not asked.
func (s *State) usable(c Card) error {
	i, ok := s.Invites.Get(c.Invite)
	if !ok {
		return fmt.Errorf("%s has an invite that the co-op does not know: ask a sponsor for a new one", c.Name)
	}
	issuer, _ := s.Members.Get(i.By)
	switch {
	case i.Revoked:
		return fmt.Errorf("the invite of %s was revoked: ask a sponsor for a new one", c.Name)
	case i.Used >= i.Uses:
		return fmt.Errorf("the invite of %s was used up (%d of %d uses): ask a sponsor for a new one", c.Name, i.Used, i.Uses)
	case !s.sponsors(issuer):
		return fmt.Errorf("the invite of %s counts no more, because %s, who issued it, is no sponsor now: ask a sponsor for a new one", c.Name, issuer.Name)
	}
	return nil
}

// CheckInvite says why a card cannot be admitted now, or nil. Whether its
// invite expired, the caller asks: the fold reads no clock.
func (s *State) CheckInvite(c Card) error {
	if err := s.newcomer(c); err != nil {
		return err
	}
	return s.usable(c)
}

func (s *State) admit(by Member, r *record.Record) error {
	c, err := ParseCard(r.Body)
	if err != nil {
		return err
	}
	if !s.sponsors(by) {
		return fmt.Errorf("%s is not a sponsor: ask a sponsor to admit %s", by.Name, c.Name)
	}
	if err := s.CheckInvite(c); err != nil {
		return err
	}
	i, _ := s.Invites.Get(c.Invite)
	i.Used++
	s.Invites.Put(c.Invite, i)
	id := c.Member()
	s.Waiting.Delete(id)
	m, back := s.Person(id)
	if back {
		m = s.back(m)
	} else {
		s.Persons.Put(id, id)
		m = Member{ID: id, Status: s.arrive(id), Root: c.Root}
		if m.full() {
			s.Turnover++
		}
	}
	m.Name, m.SponsoredBy, m.Admitted, m.Since = c.Name, by.ID, r.ID, r.Time
	s.addDevice(m, c.Device, c.DeviceName)
	return nil
}

// back returns who left as who comes back: as an associate, like anybody who comes,
// and without the devices of before, which may be in any hands by now.
func (s *State) back(m Member) Member {
	for _, k := range m.Devices {
		d, _ := s.Devices.Get(k)
		s.revoke(d)
	}
	if !s.Lenient {
		m.Status = StatusAssociate
	}
	m.Devices = nil
	return m
}

// addDevice stores a person with one more device, which must be free.
func (s *State) addDevice(m Member, device record.Key, name string) {
	d, _ := s.Strangers.Get(device)
	s.Strangers.Delete(device)
	s.Devices.Put(device, Device{Key: device, Member: m.ID, Name: name, LastSeq: d.LastSeq})
	m.Devices = append(slices.Clone(m.Devices), device)
	s.Members.Put(m.ID, m)
}

// leave: where a teller goes must be settled before, by a decision, for the
// seat can pass to nobody but another device of the same person.
func (s *State) leave(by Member, r *record.Record) error {
	if len(r.Body) > 0 {
		return fmt.Errorf("%s has a body", r.Kind)
	}
	if s.IsTeller(by.ID) {
		return fmt.Errorf("%s is a teller and cannot leave before the co-op has decided on other tellers", by.Name)
	}
	s.remove(by, StatusLeft)
	return nil
}

func (s *State) remove(m Member, status Status) {
	if !s.Lenient {
		if m.full() {
			s.Turnover++
		}
		m.Status, m.Offices = status, nil
		s.Members.Put(m.ID, m)
		s.Removals++
	}
}

func (s *State) deviceAdd(by Member, r *record.Record) error {
	c, err := ParseDeviceCard(r.Body)
	if err != nil {
		return err
	}
	owner, err := s.CheckDeviceCard(c)
	if err != nil {
		return err
	}
	if owner.ID != by.ID {
		return fmt.Errorf("%s cannot add a device of %s: only their own devices can, and the new one itself", by.Name, owner.Name)
	}
	s.addDevice(owner, c.Device, c.Name)
	return nil
}

// CheckDeviceCard returns the person whose further device a card makes now, or
// says why it makes none.
func (s *State) CheckDeviceCard(c DeviceCard) (Member, error) {
	if c.Coop != s.Coop {
		return Member{}, fmt.Errorf("the card of device %q is for another co-op", c.Name)
	}
	owner, err := s.rootOwner(c.Root)
	if err != nil {
		return Member{}, err
	}
	if len(owner.Devices) >= MaxDevices {
		return Member{}, fmt.Errorf("%s has had %d devices and can have no more", owner.Name, MaxDevices)
	}
	return owner, s.free(c.Device)
}

func (s *State) revokeOwn(by Member, r *record.Record) error {
	var b keyBody
	if err := unmarshal(r, &b); err != nil {
		return err
	}
	d, err := s.ownDevice(by, b.Key)
	if err != nil {
		return err
	}
	return s.revokeSeatless(by, d)
}

func (s *State) revokeSeatless(by Member, d Device) error {
	switch {
	case d.Revoked:
		return fmt.Errorf("%s's device %s was revoked before", by.Name, d.label())
	case slices.Contains(s.Tellers, d.Key):
		return fmt.Errorf("%s's device %s has a teller's seat: pass the seat to another device, or to it and revoke this one in one act", by.Name, d.label())
	}
	s.revoke(d)
	return nil
}

// ownDevice returns a device of this person.
func (s *State) ownDevice(m Member, device record.Key) (Device, error) {
	d, ok := s.Devices.Get(device)
	if !ok || d.Member != m.ID {
		return Device{}, fmt.Errorf("%s has no device %s: a person can only dispose of their own", m.Name, device.Short())
	}
	return d, nil
}

func (s *State) revoke(d Device) {
	if !d.Revoked && !s.Lenient {
		d.Revoked = true
		s.Devices.Put(d.Key, d)
		s.Removals++
	}
}

func (s *State) seatPass(by Member, r *record.Record) error {
	var b passBody
	if err := unmarshal(r, &b); err != nil {
		return err
	}
	from, err := s.ownDevice(by, b.From)
	if err != nil {
		return err
	}
	to, err := s.ownDevice(by, b.To)
	if err != nil {
		return err
	}
	seat := slices.Index(s.Tellers, b.From)
	switch {
	case seat < 0 && b.Revoke:
		// The seat was given to somebody else meanwhile. That the device was lost is as true.
		return s.revokeSeatless(by, from)
	case seat < 0:
		return fmt.Errorf("%s's device %s has no teller's seat", by.Name, from.label())
	case slices.Contains(s.Tellers, b.To):
		return fmt.Errorf("%s's device %s has a teller's seat already", by.Name, to.label())
	case to.out():
		return fmt.Errorf("%s's device %s is revoked or forked: pass the seat to one that stands", by.Name, to.label())
	case b.RootSig == (record.Sig{}) && r.Device != b.From:
		return fmt.Errorf("the seat of %s can be passed by the device %s itself or with the root key", by.Name, from.label())
	case b.RootSig != (record.Sig{}) && !by.Root.Verify(record.DomainSeat, s.passTerms(b), b.RootSig):
		return fmt.Errorf("the root key of %s did not sign this passing of the seat, or the seat was passed or given anew since: sign it again", by.Name)
	}
	tellers := slices.Clone(s.Tellers)
	tellers[seat] = b.To
	s.seat(tellers)
	if b.Revoke {
		s.revoke(from)
	}
	return nil
}

// seat makes devices the tellers, and counts the seat of each that had none: what a
// root signed about an earlier one is over.
func (s *State) seat(tellers []record.Key) {
	for _, k := range tellers {
		if d, ok := s.Devices.Get(k); ok && !slices.Contains(s.Tellers, k) {
			d.Seated++
			s.Devices.Put(k, d)
		}
	}
	s.Tellers = tellers
	s.Seating++
}
