package member

import (
	"errors"
	"fmt"

	"coop/crdt/record"
)

// CardTerms is what a newcomer, or somebody whose keys are lost, signs with
// every key it names.
type CardTerms struct {
	_          struct{} `cbor:",toarray"`
	Coop       record.ID
	Recovers   record.ID  // the member whose keys are lost; zero: a newcomer
	Invite     record.Key // the invite's public key; zero when recovering
	Root       record.Key
	Device     record.Key
	Name       string
	DeviceName string
	Agreement  [32]byte // SHA-256 of the text accepted; zeros: none
}

// Card is a join card or, when it recovers somebody, a recovery card. The
// signatures are over the same bytes.
type Card struct {
	_ struct{} `cbor:",toarray"`
	CardTerms
	InviteSig record.Sig // zeros when recovering
	RootSig   record.Sig
	DeviceSig record.Sig
}

// Member returns the id a newcomer with this card will have.
func (c CardTerms) Member() record.ID { return MemberID(c.Coop, c.Root) }

// NewCard signs a join card for the holder of an invite's key. It fills in the
// keys of the terms.
func NewCard(t CardTerms, invite, root, device *record.Private) (Card, error) {
	t.Invite, t.Root, t.Device = invite.Public(), root.Public(), device.Public()
	c := t.sign(root, device)
	c.InviteSig = invite.Sign(record.DomainCard, record.Marshal(t))
	return c, c.check()
}

// NewRecoveryCard signs the card with which t.Recovers asks the co-op for a
// decision to go on with a new root and device. It fills in the keys.
func NewRecoveryCard(t CardTerms, root, device *record.Private) (Card, error) {
	t.Invite, t.Root, t.Device = record.Key{}, root.Public(), device.Public()
	c := t.sign(root, device)
	return c, c.check()
}

func (t CardTerms) sign(root, device *record.Private) Card {
	b := record.Marshal(t)
	return Card{CardTerms: t, RootSig: root.Sign(record.DomainCard, b), DeviceSig: device.Sign(record.DomainCard, b)}
}

// Encode returns the card's one encoding, which is also the body of the acts
// that introduce or admit its owner.
func (c Card) Encode() []byte { return record.Marshal(c) }

// ParseCard reads a card and checks everything in it, the signatures too.
func ParseCard(b []byte) (Card, error) {
	return parse[Card]("join card", b)
}

func (c Card) check() error {
	if err := c.CardTerms.check(); err != nil {
		return err
	}
	terms := record.Marshal(c.CardTerms)
	signed := func(k record.Key, sig record.Sig) bool { return k.Verify(record.DomainCard, terms, sig) }
	if c.Recovers != (record.ID{}) && c.InviteSig != (record.Sig{}) {
		return errors.New("a recovery needs no invite, yet one signed it")
	}
	if c.Recovers == (record.ID{}) && !signed(c.Invite, c.InviteSig) {
		return fmt.Errorf("%s did not sign it with the key of the invite", c.Name)
	}
	if !signed(c.Root, c.RootSig) || !signed(c.Device, c.DeviceSig) {
		return fmt.Errorf("%s did not sign it with their own keys", c.Name)
	}
	return nil
}

func (t CardTerms) check() error {
	if err := checkPerson("the name", t.Name); err != nil {
		return err
	}
	if err := checkName("the device's name", t.DeviceName); err != nil {
		return err
	}
	if t.Recovers == (record.ID{}) {
		return checkKeys(t.Root, t.Device, t.Invite)
	}
	if t.Invite != (record.Key{}) {
		return errors.New("it recovers somebody and uses an invite, but can only do one")
	}
	return checkKeys(t.Root, t.Device)
}

// DeviceTerms is what a person's root and their new device both sign.
type DeviceTerms struct {
	_      struct{} `cbor:",toarray"`
	Coop   record.ID
	Root   record.Key
	Device record.Key
	Name   string
}

// DeviceCard makes a device one of its owner's.
type DeviceCard struct {
	_ struct{} `cbor:",toarray"`
	DeviceTerms
	RootSig   record.Sig
	DeviceSig record.Sig
}

// SignDeviceCard signs a device card where both keys are at hand. It fills in
// the keys of the terms.
func SignDeviceCard(t DeviceTerms, root, device *record.Private) (DeviceCard, error) {
	t.Root, t.Device = root.Public(), device.Public()
	terms := record.Marshal(t)
	c := DeviceCard{DeviceTerms: t, RootSig: root.Sign(record.DomainDevice, terms), DeviceSig: device.Sign(record.DomainDevice, terms)}
	return c, c.check()
}

// Encode returns the card's one encoding, the body of a device/add.
func (c DeviceCard) Encode() []byte { return record.Marshal(c) }

// ParseDeviceCard reads a device card and checks everything in it, the
// signatures too.
func ParseDeviceCard(b []byte) (DeviceCard, error) {
	return parse[DeviceCard]("device card", b)
}

func (c DeviceCard) check() error {
	if err := c.DeviceTerms.check(); err != nil {
		return err
	}
	terms := record.Marshal(c.DeviceTerms)
	if !c.Root.Verify(record.DomainDevice, terms, c.RootSig) {
		return errors.New("the owner's root key did not sign it")
	}
	if !c.Device.Verify(record.DomainDevice, terms, c.DeviceSig) {
		return errors.New("the device did not sign it")
	}
	return nil
}

func (t DeviceTerms) check() error {
	if err := checkName("the device's name", t.Name); err != nil {
		return err
	}
	return checkKeys(t.Root, t.Device)
}

// DeviceRequest is how a new device that was given a code asks the device that
// made the code for its card: signed by the code's key and by the device.
type DeviceRequest struct {
	_ struct{} `cbor:",toarray"`
	DeviceTerms
	InviteSig record.Sig
	DeviceSig record.Sig
}

// NewDeviceRequest signs a request with the key of a device invite.
func NewDeviceRequest(i Invite, name string, device *record.Private) (DeviceRequest, error) {
	t := DeviceTerms{Coop: i.Coop, Root: i.Root, Device: device.Public(), Name: name}
	if !i.ForDevice() {
		return DeviceRequest{}, errors.New("this code invites a newcomer, not another device of a member")
	}
	terms := record.Marshal(t)
	r := DeviceRequest{DeviceTerms: t, InviteSig: i.Key().Sign(record.DomainDevice, terms), DeviceSig: device.Sign(record.DomainDevice, terms)}
	return r, t.check()
}

// Encode returns the request's one encoding.
func (r DeviceRequest) Encode() []byte { return record.Marshal(r) }

// ParseDeviceRequest reads a request. Grant checks who signed it.
func ParseDeviceRequest(b []byte) (DeviceRequest, error) {
	return parse[DeviceRequest]("device request", b)
}

func (r DeviceRequest) check() error { return r.DeviceTerms.check() }

// Grant answers a request made with the code whose public key is invite: it
// signs the device card with the root.
func (r DeviceRequest) Grant(coop record.ID, invite record.Key, root *record.Private) (DeviceCard, error) {
	terms := record.Marshal(r.DeviceTerms)
	switch {
	case r.Coop != coop || r.Root != root.Public():
		return DeviceCard{}, errors.New("device request: it is for another co-op or another member")
	case !invite.Verify(record.DomainDevice, terms, r.InviteSig):
		return DeviceCard{}, errors.New("device request: it was not made with this code")
	}
	c := DeviceCard{DeviceTerms: r.DeviceTerms, RootSig: root.Sign(record.DomainDevice, terms), DeviceSig: r.DeviceSig}
	return c, c.check()
}
