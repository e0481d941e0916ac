package member

import (
	"errors"
	"fmt"

	"coop/crdt/record"
	"coop/crdt/text"
)

// MaxOpening is how far from zero an account may begin, in minor units. So the
// sum over all people whom a record holds stays far from the edge of an int64.
const MaxOpening = 1_000_000_000_000

// Succession names the co-op that a new one goes on from. It is for people and
// auditors: no rule reads the old records.
type Succession struct {
	_        struct{} `cbor:",toarray"`
	Coop     record.ID
	Frontier [32]byte // digest of the frontier of the records from which the opening was taken
}

// Opening is somebody of the old co-op, and what they begin with in the new one.
// The treasury begins with what makes each unit add up to zero.
type Opening struct {
	_        struct{} `cbor:",toarray"`
	Name     string
	Root     record.Key // their id comes from it: nobody else can have the account
	Member   bool       // they vote as soon as they are admitted; no: an associate
	Balances []int64    // minor units, up to MaxOpening from zero, one for each unit of the co-op, in its order
}

// Awaited is somebody of the opening who has not come yet.
type Awaited struct {
	_      struct{}  `cbor:",toarray"`
	ID     record.ID // which they will have
	Name   string
	Member bool
}

func (f Founding) checkOpening() error {
	if f.Succeeds.Coop == (record.ID{}) && (f.Succeeds != Succession{} || len(f.Opening) > 0) {
		return errors.New("it takes people or records along, but names no co-op they come from")
	}
	for i, o := range f.Opening {
		if err := checkPerson("the name", o.Name); err != nil {
			return err
		}
		if err := o.check(len(f.Units)); err != nil {
			return fmt.Errorf("%s: %w", o.Name, err)
		}
		if i > 0 && f.Opening[i-1].Root.Compare(o.Root) >= 0 {
			return errors.New("the people taken along are not sorted by root key, each once")
		}
	}
	return nil
}

func (o Opening) check(units int) error {
	if err := o.Root.Check(); err != nil {
		return err
	}
	if len(o.Balances) != units {
		return fmt.Errorf("%d balances for %d units", len(o.Balances), units)
	}
	for _, n := range o.Balances {
		if n > MaxOpening || n < -MaxOpening {
			return fmt.Errorf("an account cannot begin with %d minor units, more than %d from zero", n, int64(MaxOpening))
		}
	}
	return nil
}

// expect remembers who of the opening is to come: all but the founders.
func (s *State) expect(opening []Opening) {
	for _, o := range opening {
		if id := MemberID(s.Coop, o.Root); !s.Members.Has(id) {
			s.Awaited.Put(id, Awaited{ID: id, Name: o.Name, Member: o.Member})
		}
	}
}

// Namesake returns the person who is awaited by the name of a newcomer who comes
// with other keys than theirs.
func (s *State) Namesake(c Card) (a Awaited, ok bool) {
	if s.Awaited.Has(c.Member()) {
		return a, false
	}
	for _, a := range s.Awaited.All() {
		if text.Same(a.Name, c.Name) {
			return a, true
		}
	}
	return a, false
}

// arrive returns with which status somebody is admitted, who is then not awaited
// any more.
func (s *State) arrive(id record.ID) Status {
	a, _ := s.Awaited.Get(id)
	s.Awaited.Delete(id)
	if a.Member {
		return StatusMember
	}
	return StatusAssociate
}
