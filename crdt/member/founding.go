package member

import (
	"errors"
	"fmt"
	"slices"

	"coop/crdt/history"
	"coop/crdt/record"
)

// MaxFounders is how many people may found a co-op together: all of them are
// its first tellers.
const MaxFounders = 7

// Founder is one of those who found a co-op.
type Founder struct {
	_          struct{} `cbor:",toarray"`
	Name       string
	Root       record.Key
	Device     record.Key
	DeviceName string
}

// Founding is what the founders agree on. Each of them signs all of it.
type Founding struct {
	_         struct{} `cbor:",toarray"`
	Name      string
	Purpose   string    // at most MaxTextLen bytes, may be empty
	Units     []Unit    // 1 to MaxUnits, different codes
	Bylaws    Bylaws    // what differs from the defaults: sorted by name, without the purpose
	Agreement [32]byte  // SHA-256 of the text newcomers accept; zeros: none
	Founders  []Founder // 1 to MaxFounders; they lead in this order
	Nonce     [32]byte  // random, so that two co-ops with equal terms are two
	Succeeds  Succession
	Opening   []Opening // sorted by root, each once; empty unless it succeeds a co-op
}

// FounderSig is one founder's consent: the signatures of root and device.
type FounderSig struct {
	_            struct{} `cbor:",toarray"`
	Root, Device record.Sig
}

// foundBody is the body of a founding record; Sigs[i] is by Founders[i].
type foundBody struct {
	_     struct{} `cbor:",toarray"`
	Terms Founding
	Sigs  []FounderSig
}

// Sign returns the consent of the founder who has these keys.
func (f Founding) Sign(root, device *record.Private) FounderSig {
	terms := record.Marshal(f)
	return FounderSig{Root: root.Sign(record.DomainFounder, terms), Device: device.Sign(record.DomainFounder, terms)}
}

// NewFounding returns the body of a founding record, which one of the founders'
// devices then signs. The signatures are in the order of the founders.
func NewFounding(f Founding, sigs []FounderSig) ([]byte, error) {
	body := foundBody{Terms: f, Sigs: sigs}
	if err := body.check(); err != nil {
		return nil, err
	}
	b := record.Marshal(body)
	if n := len(f.Opening); len(b) > record.MaxBodyLen && n > 0 {
		return nil, fmt.Errorf("%d people do not fit into a founding record, which holds %d bytes and would have %d: about %d fit",
			n, record.MaxBodyLen, len(b), n*record.MaxBodyLen/len(b))
	}
	return b, nil
}

// ParseFounding reads the body of a founding record and checks everything in
// it, the signatures too.
func ParseFounding(body []byte) (Founding, error) {
	b, err := parse[foundBody]("founding record", body)
	return b.Terms, err
}

func (b foundBody) check() error {
	if err := b.Terms.check(); err != nil {
		return err
	}
	if len(b.Sigs) != len(b.Terms.Founders) {
		return fmt.Errorf("%d founders, but %d signed", len(b.Terms.Founders), len(b.Sigs))
	}
	terms := record.Marshal(b.Terms)
	for i, f := range b.Terms.Founders {
		if !f.Root.Verify(record.DomainFounder, terms, b.Sigs[i].Root) || !f.Device.Verify(record.DomainFounder, terms, b.Sigs[i].Device) {
			return fmt.Errorf("the signature of %s is not over these terms: all founders must sign the same", f.Name)
		}
	}
	return nil
}

func (f Founding) check() error {
	if err := checkName("the co-op's name", f.Name); err != nil {
		return err
	}
	if err := checkText("the purpose", f.Purpose, MaxTextLen); err != nil {
		return err
	}
	if err := checkUnits(f.Units); err != nil {
		return err
	}
	for i, s := range f.Bylaws {
		if i > 0 && f.Bylaws[i-1].Name >= s.Name {
			return errors.New("the bylaws are not sorted by name, each once")
		}
		if s.Name == Purpose {
			return errors.New("the purpose stands beside the bylaws, not in them")
		}
		if err := s.check(f.Units); err != nil {
			return err
		}
	}
	if err := f.checkOpening(); err != nil {
		return err
	}
	return f.checkFounders()
}

func checkUnits(units []Unit) error {
	if len(units) == 0 || len(units) > MaxUnits {
		return fmt.Errorf("%d units, not 1 to %d", len(units), MaxUnits)
	}
	for i, u := range units {
		if err := u.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(units[:i], func(o Unit) bool { return o.Code == u.Code }) {
			return fmt.Errorf("the unit %s is there twice", u.Code)
		}
	}
	return nil
}

func (f Founding) checkFounders() error {
	if len(f.Founders) == 0 || len(f.Founders) > MaxFounders {
		return fmt.Errorf("%d founders, not 1 to %d", len(f.Founders), MaxFounders)
	}
	var keys []record.Key
	for _, p := range f.Founders {
		if err := checkPerson("a founder's name", p.Name); err != nil {
			return err
		}
		if err := checkName("the device's name", p.DeviceName); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		keys = append(keys, p.Root, p.Device)
		if err := checkKeys(keys...); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// Found returns the state that a founding record makes: its founders are
// members with all offices, and their devices the tellers.
func Found(r *record.Record) (*State, error) {
	if !r.Founding() || r.Kind != KindFound {
		return nil, fmt.Errorf("a %s founds no co-op", r.Kind)
	}
	f, err := ParseFounding(r.Body)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(f.Founders, func(p Founder) bool { return p.Device == r.Device }) {
		return nil, errors.New("founding record: it is not signed by a founder's device")
	}
	s := New()
	s.Coop, s.Name, s.Agreement, s.Units, s.Bylaws, s.Succeeds = r.ID, f.Name, f.Agreement, f.Units, f.Bylaws, f.Succeeds
	if f.Purpose != "" {
		s.Bylaws = s.Bylaws.with(Setting{Name: Purpose, Text: f.Purpose})
	}
	s.Strangers.Put(r.Device, Device{Key: r.Device, LastSeq: r.Seq})
	for _, p := range f.Founders {
		id := MemberID(r.ID, p.Root)
		s.Persons.Put(id, id)
		s.addDevice(Member{ID: id, Name: p.Name, Status: StatusMember, Offices: Offices(), Root: p.Root, Admitted: r.ID, Since: r.Time}, p.Device, p.DeviceName)
		s.Tellers = append(s.Tellers, p.Device)
	}
	s.expect(f.Opening)
	return s, nil
}

// Introduces returns the persons and devices that a founding record, an
// admission or a device card introduces, for history.Rules; nothing if any of
// its signatures is bad. It depends on the record alone. The cards in proposals
// are for CardIntroduces.
func Introduces(r *record.Record) []history.Introduction {
	switch r.Kind {
	case KindFound:
		f, err := ParseFounding(r.Body)
		if err != nil || !r.Founding() {
			return nil
		}
		var all []history.Introduction
		for _, p := range f.Founders {
			all = append(all, history.Introduction{Member: MemberID(r.ID, p.Root), Device: p.Device, Root: p.Root})
		}
		return all
	case KindAdmit:
		c, err := ParseCard(r.Body)
		if err != nil || c.Recovers != (record.ID{}) {
			return nil
		}
		return c.introduces(r.Coop)
	case KindDeviceAdd:
		c, err := ParseDeviceCard(r.Body)
		if err != nil || c.Coop != r.Coop {
			return nil
		}
		return []history.Introduction{{Member: MemberID(r.Coop, c.Root), Device: c.Device, SignedBy: c.Root}}
	}
	return nil
}

// CardIntroduces returns what the card in a proposal to recover somebody
// introduces; nothing if it is not a good recovery card of this co-op. The new
// root and device are introduced as those of a person with that first root, not
// of the one to be recovered: a mere proposal must give no device the right to
// write in another's name.
func CardIntroduces(coop record.ID, card []byte) []history.Introduction {
	c, err := ParseCard(card)
	if err != nil || c.Recovers == (record.ID{}) {
		return nil
	}
	return c.introduces(coop)
}

func (c Card) introduces(coop record.ID) []history.Introduction {
	if c.Coop != coop {
		return nil
	}
	return []history.Introduction{{Member: MemberID(coop, c.Root), Device: c.Device, Root: c.Root}}
}
