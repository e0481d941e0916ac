package member

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"coop/crdt/record"
)

// KindReseat puts other tellers in place where the minutes stand still. Package
// coop says when it counts.
const KindReseat = "seat/reseat"

// Reseat is the body of a re-seating. It is also what is passed around until
// enough members have signed it.
type Reseat struct {
	_        struct{}     `cbor:",toarray"`
	After    record.ID    // the leader behind which the minutes go on
	Replaces record.ID    // an earlier re-seating; zero: none
	Tellers  []record.Key // devices of different full members, in the order in which they lead
	Sigs     []Consent    // sorted by member, each once
}

// Consent is what one member signs of a re-seating.
type Consent struct {
	_      struct{} `cbor:",toarray"`
	Member record.ID
	Key    record.Key // the member's root or one of their devices
	Sig    record.Sig
}

type reseatTerms struct {
	_               struct{} `cbor:",toarray"`
	Coop            record.ID
	After, Replaces record.ID
	Tellers         []record.Key
}

// ParseReseat reads the body of a re-seating. Its signatures are not checked.
func ParseReseat(body []byte) (Reseat, error) { return parse[Reseat]("re-seating", body) }

// Encode returns the body.
func (r Reseat) Encode() []byte { return record.Marshal(r) }

func (r Reseat) check() error {
	if r.After == (record.ID{}) {
		return errors.New("it does not say behind which leader the minutes go on")
	}
	if len(r.Tellers) == 0 || len(r.Tellers) > MaxTellers {
		return fmt.Errorf("%d tellers, not 1 to %d", len(r.Tellers), MaxTellers)
	}
	if err := checkKeys(r.Tellers...); err != nil {
		return err
	}
	for i, c := range r.Sigs {
		if i > 0 && bytes.Compare(r.Sigs[i-1].Member[:], c.Member[:]) >= 0 {
			return errors.New("its signatures are not sorted by member, each once")
		}
	}
	return nil
}

func (r Reseat) terms(coop record.ID) []byte {
	return record.Marshal(reseatTerms{Coop: coop, After: r.After, Replaces: r.Replaces, Tellers: r.Tellers})
}

// Signed returns the re-seating with the consent of one more member.
func (r Reseat) Signed(coop, member record.ID, key *record.Private) Reseat {
	c := Consent{Member: member, Key: key.Public(), Sig: key.Sign(record.DomainReseat, r.terms(coop))}
	at, there := slices.BinarySearchFunc(r.Sigs, c, func(a, b Consent) int { return bytes.Compare(a.Member[:], b.Member[:]) })
	r.Sigs = slices.Clone(r.Sigs)
	if there {
		r.Sigs[at] = c
	} else {
		r.Sigs = slices.Insert(r.Sigs, at, c)
	}
	return r
}

// Verify reports whether a consent is a good signature of these terms.
func (r Reseat) Verify(coop record.ID, c Consent) bool {
	return c.Key.Verify(record.DomainReseat, r.terms(coop), c.Sig)
}

// ReseatNeeds returns how many of so many members, who do not rest, must sign a
// re-seating: at least two thirds, and at least one.
func ReseatNeeds(voters int) int { return max(1, (2*voters+2)/3) }

// Had reports whether a key is or was that of a person or of a device of theirs.
func (s *State) Had(id record.ID, key record.Key) bool {
	owner, ok := s.Persons.Get(MemberID(s.Coop, key))
	d, has := s.Devices.Get(key)
	return ok && owner == id || has && d.Member == id
}

// Consents reports whether a key may sign a re-seating for a member: they vote,
// and it is their current root or a device of theirs that is not put out.
func (s *State) Consents(id record.ID, key record.Key) bool {
	m, ok := s.Members.Get(id)
	if !ok || m.Status != StatusMember {
		return false
	}
	d, ok := s.Devices.Get(key)
	return m.Root == key || ok && d.Member == id && !d.out()
}

// Reseat seats the tellers of a re-seating that counts. They were judged by
// CheckTellers.
func (s *State) Reseat(devices []record.Key) { s.seat(slices.Clone(devices)) }
