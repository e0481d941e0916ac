// Package member says who belongs to a co-op: how it is founded, who invites
// and admits whom, which devices speak for whom, who votes, who holds which
// office, who the tellers are, and what the bylaws say.
//
// A person has a root key, which adds devices and passes a teller's seat, and
// devices, each with its own key and chain of records. The id of a member is
//
//	SHA-256("coop/1 member\0" ‖ id of the co-op ‖ first root key)
//
// so nobody is admitted twice. What a person signs before they have a record of
// their own is a card: a join card (Card), or a device card (DeviceCard).
//
// State is the state of all this at one place in the order of acts. Apply takes
// one act to the next state, or says in words for members why it has no effect;
// nothing here looks at the graph, reads a content, or reads a clock.
//
// A person who was recovered has a new root. What history knows of their new
// devices is the id of a person with that first root (history knows no
// decisions, and one member's proposal must not let a device write in another's
// name): State.Person finds the member behind either id.
package member

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"coop/crdt/record"
	"coop/crdt/table"
	"coop/crdt/text"
)

// Limits of what a person can make grow. They are constants of the protocol.
const (
	MaxNameLen = 64 // bytes; a name fits a line
	MaxDevices = 64 // of one person, revoked ones too: a new one a year for a lifetime
	MaxTellers = 10 // the order of acts is made for so few
	MinRemain  = 3  // members besides one who is expelled: two never expel the third
)

// Status is where a person stands in the co-op.
type Status uint8

// The statuses.
const (
	StatusAssociate Status = iota + 1 // admitted: trades and comments, has no vote
	StatusMember                      // votes
	StatusResting                     // a member out of electorates until they act again
	StatusLeft
	StatusExpelled
)

// String returns the word for a status.
func (s Status) String() string {
	return [...]string{"nobody", "associate", "member", "resting", "left", "expelled"}[s]
}

// The offices a member may hold.
const (
	Sponsor   = "sponsor"   // invites and admits
	Treasurer = "treasurer" // pays from budget lines
	Moderator = "moderator"
)

// Offices lists every office, sorted.
func Offices() []string { return []string{Moderator, Sponsor, Treasurer} }

// Member is a person of the co-op, whether they vote or not, also after they
// are gone.
type Member struct {
	_           struct{} `cbor:",toarray"`
	ID          record.ID
	Name        string
	Status      Status
	Offices     []string     // sorted; must not be changed
	Root        record.Key   // the current one
	Devices     []record.Key // all they ever had, since they were recovered, in the order in which they came; must not be changed
	SponsoredBy record.ID    // zero for founders
	Admitted    record.ID    // the record that admitted them, last if they came back
	Since       int64        // unix milliseconds, by the clock of who signed that: for people, no rule reads it
	Stirred     uint64       // how many Acts there were with their last one; 0: they wrote none
}

// Holds reports whether the member holds an office.
func (m Member) Holds(office string) bool { return slices.Contains(m.Offices, office) }

// Gone reports whether the person left or was expelled.
func (m Member) Gone() bool { return m.Status == StatusLeft || m.Status == StatusExpelled }

// full reports whether the person is a member and no mere associate.
func (m Member) full() bool { return m.Status == StatusMember || m.Status == StatusResting }

// Device is a signing key, and how far its chain has been folded.
type Device struct {
	_       struct{} `cbor:",toarray"`
	Key     record.Key
	Member  record.ID
	Name    string
	Revoked bool      // by its owner, or when its owner was recovered
	Forked  bool      // it wrote two records into one slot
	Second  record.ID // the record by which it forked: the later in the order
	LastSeq uint64
	Seated  uint64 // how often it got a teller's seat
}

func (d Device) out() bool { return d.Revoked || d.Forked }

// Invitation is an invite as the co-op knows it.
type Invitation struct {
	_       struct{} `cbor:",toarray"`
	Key     record.Key
	By      record.ID // the issuer
	Uses    uint32
	Used    uint32
	Expires int64 // unix milliseconds, 0: never; nodes hold to it, the fold reads no clock
	Revoked bool
}

// Waiting is somebody whose join card was carried to the co-op.
type Waiting struct {
	_      struct{} `cbor:",toarray"`
	Card   Card
	By     record.ID // who carried it
	Record record.ID
}

// State is everything about people at one place in the order. Use Clone to
// keep one while another goes on. What callers read they must not change.
type State struct {
	Coop      record.ID
	Name      string
	Agreement [32]byte // SHA-256 of the text newcomers accept; zeros: none
	Units     []Unit
	Bylaws    Bylaws
	Succeeds  Succession // zero: no co-op
	Members   table.Table[record.ID, Member]
	Devices   table.Table[record.Key, Device] // of somebody, standing or not
	Strangers table.Table[record.Key, Device] // nobody's so far, but there are records of them in the order
	Invites   table.Table[record.Key, Invitation]
	Waiting   table.Table[record.ID, Waiting]   // by the id the person would have
	Awaited   table.Table[record.ID, Awaited]   // by the id the person will have
	Persons   table.Table[record.ID, record.ID] // MemberID of every root there ever was → the member
	Tellers   []record.Key                      // in the order in which they lead
	Seating   uint64                            // how often Tellers changed
	Removals  uint64                            // how often devices were put out
	Turnover  uint64                            // how often who votes changed
	Acts      uint64                            // how many acts people of the co-op wrote, with effect or without

	// Lenient puts nobody and no device out: acts that would have no such
	// effect. It is for judging what to take from peers, and is not written.
	Lenient bool
}

// MemberID returns the id of the person whose first root key is root.
func MemberID(coop record.ID, root record.Key) record.ID {
	return record.DomainMember.Hash(coop[:], root[:])
}

// Clone returns a copy; a change to one is not seen in the other.
func (s *State) Clone() *State {
	c := *s // slices are replaced, never changed in place
	c.Members, c.Devices, c.Strangers = s.Members.Clone(), s.Devices.Clone(), s.Strangers.Clone()
	c.Invites, c.Waiting, c.Awaited, c.Persons = s.Invites.Clone(), s.Waiting.Clone(), s.Awaited.Clone(), s.Persons.Clone()
	return &c
}

// KeyBeginning returns the key that begins so, of those that a newcomer's card can
// be about: an invite's, or somebody's id or root key.
func (s *State) KeyBeginning(begins [8]byte) (key [32]byte, ok bool) {
	copy(key[:], begins[:])
	for k := range s.Invites.From(key) {
		if [8]byte(k[:8]) == begins {
			return k, true
		}
		break
	}
	for id, m := range s.Members.All() {
		if [8]byte(id[:8]) == begins {
			return id, true
		}
		if [8]byte(m.Root[:8]) == begins {
			return m.Root, true
		}
	}
	return key, false
}

// Person returns the member who has this id, or whose devices history knows
// under it (history.Node.Owner). Neither: false.
func (s *State) Person(owner record.ID) (Member, bool) {
	id, ok := s.Persons.Get(owner)
	if !ok {
		return Member{}, false
	}
	return s.Members.Get(id)
}

// OwnerOf returns the id under which history will know the person of a device
// that has written nothing yet: MemberID of the root that introduced it.
func (s *State) OwnerOf(device record.Key) record.ID {
	d, _ := s.Devices.Get(device)
	m, _ := s.Members.Get(d.Member)
	return MemberID(s.Coop, m.Root)
}

// Unit returns the unit with this code, or false.
func (s *State) Unit(code string) (Unit, bool) {
	i := slices.IndexFunc(s.Units, func(u Unit) bool { return u.Code == code })
	if i < 0 {
		return Unit{}, false
	}
	return s.Units[i], true
}

// CreditLimit returns the credit limit of new members, in minor units; 0 for
// a unit there is not.
func (s *State) CreditLimit(unit string) int64 { return s.perUnit(CreditLimit, unit) }

// OfflineLimit returns how much a member may pay before the minutes confirm
// it, in minor units; 0 for a unit there is not.
func (s *State) OfflineLimit(unit string) int64 { return s.perUnit(OfflineLimit, unit) }

func (s *State) perUnit(clause, unit string) int64 {
	u, ok := s.Unit(unit)
	if !ok {
		return 0
	}
	return s.Bylaws.Number(clause+"/"+unit) * u.Minor()
}

// Author returns the person for whom a device may act now, or why it may not.
func (s *State) Author(device record.Key) (Member, error) {
	d, ok := s.Devices.Get(device)
	if !ok {
		return Member{}, fmt.Errorf("nobody of the co-op has a device %s: it must be admitted first", device.Short())
	}
	m, err := s.present(d.Member)
	switch {
	case err != nil:
		return Member{}, err
	case d.Revoked:
		return Member{}, fmt.Errorf("%s's device %s was revoked: go on with another device", m.Name, d.label())
	case d.Forked:
		return Member{}, s.Forked(d)
	}
	return m, nil
}

// AuthorOf is Author for the device of r, except that the own device card of a
// device the co-op does not know speaks for the person whose root signed it.
func (s *State) AuthorOf(r *record.Record) (Member, error) {
	if r.Kind != KindDeviceAdd || s.Devices.Has(r.Device) {
		return s.Author(r.Device)
	}
	card, err := ParseDeviceCard(r.Body)
	if err != nil {
		return Member{}, err
	}
	if card.Device != r.Device {
		return s.Author(r.Device) // says that it is unknown
	}
	return s.rootOwner(card.Root)
}

// rootOwner returns the person whose root this is now.
func (s *State) rootOwner(root record.Key) (Member, error) {
	m, ok := s.Person(MemberID(s.Coop, root))
	switch {
	case !ok:
		return Member{}, fmt.Errorf("nobody of the co-op has the root key %s that signed the device card", root.Short())
	case m.Root != root && !s.Lenient:
		return Member{}, fmt.Errorf("%s has a new root key since the recovery: sign the device card with that one", m.Name)
	}
	return s.present(m.ID)
}

// present returns a person who is in the co-op, or says what became of them.
func (s *State) present(id record.ID) (Member, error) {
	m, ok := s.Members.Get(id)
	switch {
	case !ok:
		return Member{}, fmt.Errorf("nobody of the co-op has the id %s", id.Short())
	case m.Status == StatusLeft:
		return Member{}, fmt.Errorf("%s has left the co-op: to come back, ask for a new invite", m.Name)
	case m.Status == StatusExpelled:
		return Member{}, fmt.Errorf("%s was expelled from the co-op", m.Name)
	}
	return m, nil
}

func (d Device) label() string {
	if d.Name == "" {
		return d.Key.Short()
	}
	return fmt.Sprintf("%q", d.Name)
}

// Forked says that a device signed two records in one slot, in words for people.
func (s *State) Forked(d Device) error {
	owner, ok := s.Members.Get(d.Member)
	if !ok {
		owner.Name = "a stranger"
	}
	return fmt.Errorf("%s's device %s signed two records in one slot, so nobody can tell which to believe: go on with another device", owner.Name, d.label())
}

// Stands reports whether a device may act now.
func (s *State) Stands(device record.Key) bool {
	_, err := s.Author(device)
	return err == nil
}

// Advance counts the slot of one record, of whatever kind: every record but
// the founding one must pass here, in order, before it is applied. It returns
// an error if the device has forked; the second record in a slot puts it out.
func (s *State) Advance(id record.ID, device record.Key, seq uint64) error {
	t := s.Devices
	d, ok := t.Get(device)
	if !ok {
		t = s.Strangers
		d, _ = t.Get(device)
		d.Key = device
	}
	if !d.Forked && seq == d.LastSeq+1 {
		d.LastSeq = seq
		t.Put(device, d)
		return nil
	}
	if !d.Forked && !s.Lenient {
		d.Forked, d.Second = true, id
		t.Put(device, d)
		s.Removals++
	}
	return s.Forked(d)
}

// IsTeller reports whether one of the person's devices has a teller's seat.
func (s *State) IsTeller(id record.ID) bool {
	return slices.ContainsFunc(s.Tellers, func(k record.Key) bool {
		d, _ := s.Devices.Get(k)
		return d.Member == id
	})
}

// Voters returns the electorate as it is now: members who do not rest, sorted.
func (s *State) Voters() []record.ID {
	var ids []record.ID
	for id, m := range s.Members.All() {
		if m.Status == StatusMember {
			ids = append(ids, id)
		}
	}
	return ids
}

// Roll returns the hash by which an electorate is named; ids must be sorted.
func Roll(ids []record.ID) [32]byte {
	var all []byte
	for _, id := range ids {
		all = append(all, id[:]...)
	}
	return record.DomainRoll.Hash(all)
}

// head is what of a state is not in tables, as it is written.
type head struct {
	_                 struct{} `cbor:",toarray"`
	Coop              record.ID
	Name              string
	Agreement         [32]byte
	Units             []Unit
	Bylaws            Bylaws
	Tellers           []record.Key
	Seating, Removals uint64
	Succeeds          Succession
	Turnover, Acts    uint64
}

// WriteTo writes the state in the deterministic encoding of package record:
// equal states write equal bytes.
func (s *State) WriteTo(w io.Writer) (int64, error) {
	h := head{Coop: s.Coop, Name: s.Name, Agreement: s.Agreement, Units: s.Units, Bylaws: s.Bylaws,
		Tellers: s.Tellers, Seating: s.Seating, Removals: s.Removals, Succeeds: s.Succeeds, Turnover: s.Turnover, Acts: s.Acts}
	k, err := w.Write(record.Marshal(h))
	n := int64(k)
	for _, t := range []io.WriterTo{s.Members, s.Devices, s.Strangers, s.Invites, s.Waiting, s.Awaited, s.Persons} {
		if err != nil {
			return n, err
		}
		var m int64
		m, err = t.WriteTo(w)
		n += m
	}
	return n, err
}

// Read fills an empty state (New) from what WriteTo wrote and returns the bytes
// behind it. It is for caches this node wrote itself: after an error the cache
// must be thrown away.
func (s *State) Read(b []byte) (rest []byte, err error) {
	var h head
	if b, err = record.UnmarshalFirst(b, &h); err != nil {
		return nil, fmt.Errorf("people: %w", err)
	}
	s.Coop, s.Name, s.Agreement, s.Units, s.Bylaws = h.Coop, h.Name, h.Agreement, h.Units, h.Bylaws
	s.Tellers, s.Seating, s.Removals, s.Succeeds, s.Turnover, s.Acts = h.Tellers, h.Seating, h.Removals, h.Succeeds, h.Turnover, h.Acts
	reads := []func([]byte) ([]byte, error){s.Members.Read, s.Devices.Read, s.Strangers.Read,
		s.Invites.Read, s.Waiting.Read, s.Awaited.Read, s.Persons.Read}
	for _, read := range reads {
		if b, err = read(b); err != nil {
			return nil, fmt.Errorf("people: %w", err)
		}
	}
	return b, nil
}

// New returns a state without people, to Read into. A co-op begins with Found.
func New() *State {
	return &State{
		Members: table.New[record.ID, Member](), Devices: table.New[record.Key, Device](),
		Strangers: table.New[record.Key, Device](), Invites: table.New[record.Key, Invitation](),
		Waiting: table.New[record.ID, Waiting](), Awaited: table.New[record.ID, Awaited](), Persons: table.New[record.ID, record.ID](),
	}
}

// checkName holds what a name of a co-op, a person or a device may be.
func checkName(what, name string) error {
	if len(name) > MaxNameLen {
		return fmt.Errorf("%s is %d bytes, more than %d", what, len(name), MaxNameLen)
	}
	if err := text.CheckName(name); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// checkPerson holds what a name of a person may be besides: commands put names
// into lists, behind a device or an effect, know one account that is nobody's, and
// take the beginning of an id as well.
func checkPerson(what, name string) error {
	if strings.ContainsAny(name, ",/:") {
		return fmt.Errorf("%s %q has a comma, a slash or a colon, which commands need between names", what, name)
	}
	words := strings.FieldsFunc(text.Fold(name), func(r rune) bool { return r < 'a' || r > 'z' })
	if slices.Contains(words, Treasury) {
		return fmt.Errorf("%s cannot be %q: as %s the account of the co-op itself is known", what, name, Treasury)
	}
	if text.LooksLikeID(name) {
		return fmt.Errorf("%s %q looks like an id: put a space or a hyphen into it", what, name)
	}
	return checkName(what, name)
}

// Treasury is how the account of the co-op itself is called.
const Treasury = "treasury"

// checkKeys refuses keys that must not enter, and one in two roles.
func checkKeys(keys ...record.Key) error {
	for i, k := range keys {
		if err := k.Check(); err != nil {
			return err
		}
		if slices.Contains(keys[:i], k) {
			return fmt.Errorf("key %s is there twice", k.Short())
		}
	}
	return nil
}

// parse reads foreign bytes and checks everything in them.
func parse[T interface{ check() error }](what string, b []byte) (T, error) {
	var v, none T
	err := record.Unmarshal(b, &v)
	if err == nil {
		err = v.check()
	}
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// checkText refuses what is too long, and characters that could make a text show
// as something other than what was signed.
func checkText(what, t string, maxLen int) error {
	if len(t) > maxLen {
		return fmt.Errorf("%s is %d bytes, more than %d", what, len(t), maxLen)
	}
	if err := text.CheckLines(t); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
