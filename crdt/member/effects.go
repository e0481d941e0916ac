package member

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"coop/crdt/record"
)

// What follows are the effects of decisions. Package coop calls them where a
// decision passes. Their errors are reasons in words for members; after an
// error nothing was changed, unless it says otherwise.

// MakeMember makes associates members. Those of them who cannot become members
// are named in the error; the others do.
func (s *State) MakeMember(ids []record.ID) error {
	var errs []error
	for _, id := range ids {
		m, err := s.present(id)
		if err == nil && m.Status != StatusAssociate {
			err = fmt.Errorf("%s is a member already", m.Name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m.Status = StatusMember
		s.Members.Put(id, m)
		s.Turnover++
	}
	return errors.Join(errs...)
}

// Expel puts a person out, as deciders people could decide. A teller must lose the
// seat first, by a decision; a member, also one who was none yet when it was
// proposed, can be expelled only where MinRemain could decide and as many others
// are left to vote.
func (s *State) Expel(id record.ID, deciders int) error {
	m, err := s.present(id)
	if err != nil {
		return err
	}
	if s.IsTeller(id) {
		return fmt.Errorf("%s is a teller: decide on other tellers first, in this proposal or another", m.Name)
	}
	if m.full() {
		if deciders < MinRemain {
			return fmt.Errorf("%s is a member now, %d could decide on the expulsion, and it takes at least %d to expel a member: propose it again", m.Name, deciders, MinRemain)
		}
		others := len(s.Voters())
		if m.Status == StatusMember {
			others--
		}
		if others < MinRemain {
			return fmt.Errorf("%d members besides %s are left to vote, and only %d or more can expel one", others, m.Name, MinRemain)
		}
	}
	s.remove(m, StatusExpelled)
	return nil
}

// Readmit lets somebody who was expelled come back as who left does: with an
// invite, in their own time.
func (s *State) Readmit(id record.ID) error {
	m, ok := s.Members.Get(id)
	if !ok || m.Status != StatusExpelled {
		return fmt.Errorf("%s was not expelled, so there is nothing to take back", cmp.Or(m.Name, id.Short()))
	}
	m.Status = StatusLeft
	s.Members.Put(id, m)
	return nil
}

// SetOffice gives an office to a member or takes it.
func (s *State) SetOffice(id record.ID, office string, on bool) error {
	m, err := s.present(id)
	switch {
	case err != nil:
		return err
	case !slices.Contains(Offices(), office):
		return fmt.Errorf("there is no office %q: there are %v", office, Offices())
	case on && !m.full():
		return fmt.Errorf("%s is an associate and can hold no office: make them a member first", m.Name)
	case on == m.Holds(office):
		return fmt.Errorf("%s has the office %s: %v already", m.Name, office, on)
	}
	if on {
		m.Offices = append(slices.Clone(m.Offices), office)
		slices.Sort(m.Offices)
	} else {
		m.Offices = slices.DeleteFunc(slices.Clone(m.Offices), func(o string) bool { return o == office })
	}
	s.Members.Put(id, m)
	return nil
}

// CheckClause says why a clause of the bylaws cannot have this value, or nil.
// A clause per unit is named with "/" and the unit's code. Number is 0 where
// the clause is a text, text is empty where it is a number.
func (s *State) CheckClause(name string, number int64, text string) error {
	return Setting{Name: name, Number: number, Text: text}.check(s.Units)
}

// SetClause changes the bylaws.
func (s *State) SetClause(name string, number int64, text string) error {
	if err := s.CheckClause(name, number, text); err != nil {
		return err
	}
	s.Bylaws = s.Bylaws.with(Setting{Name: name, Number: number, Text: text})
	return nil
}

// SetTellers seats other tellers, who lead in this order: see CheckTellers.
func (s *State) SetTellers(devices []record.Key) error {
	if err := s.CheckTellers(devices); err != nil {
		return err
	}
	if !slices.Equal(devices, s.Tellers) {
		s.seat(slices.Clone(devices))
	}
	return nil
}

// CheckTellers says why devices cannot be the tellers: they must be 1 to
// MaxTellers devices that stand, of different members.
func (s *State) CheckTellers(devices []record.Key) error {
	if len(devices) == 0 || len(devices) > MaxTellers {
		return fmt.Errorf("%d tellers, not 1 to %d", len(devices), MaxTellers)
	}
	var owners []record.ID
	for _, k := range devices {
		m, err := s.Author(k)
		if err != nil {
			return fmt.Errorf("teller: %w", err)
		}
		if !m.full() {
			return fmt.Errorf("%s is an associate and cannot be a teller: make them a member first", m.Name)
		}
		if slices.Contains(owners, m.ID) {
			return fmt.Errorf("%s would have two of the tellers' seats", m.Name)
		}
		owners = append(owners, m.ID)
	}
	return nil
}

// Recover gives a person whose keys are lost the root and device of a recovery
// card; all their old devices are out. A teller must lose the seat first, by a
// decision: else a simple majority could take it.
func (s *State) Recover(id record.ID, card []byte) error {
	m, err := s.present(id)
	if err != nil {
		return err
	}
	c, err := ParseCard(card)
	switch {
	case err != nil:
		return err
	case c.Coop != s.Coop:
		return fmt.Errorf("the recovery card of %s is for another co-op", m.Name)
	case c.Recovers != id:
		return fmt.Errorf("the card is not for the recovery of %s: ask them for a new one", m.Name)
	case s.Persons.Has(c.Member()):
		return fmt.Errorf("the new root key of %s was somebody's before: make a new one", m.Name)
	case s.Awaited.Has(c.Member()):
		return fmt.Errorf("the new root key of %s is that of somebody who is awaited, whose account would be lost: make a new one", m.Name)
	case s.IsTeller(id):
		return fmt.Errorf("%s is a teller: decide on other tellers first, in this proposal or another", m.Name)
	}
	if err := s.free(c.Device); err != nil {
		return err
	}
	for _, k := range m.Devices {
		d, _ := s.Devices.Get(k)
		s.revoke(d)
	}
	m.Root, m.Devices = c.Root, nil
	s.Persons.Put(c.Member(), id)
	s.addDevice(m, c.Device, c.DeviceName)
	return nil
}

// Rest takes a member out of electorates until they act again, if they were silent
// since there were so many Acts.
func (s *State) Rest(id record.ID, since uint64) error {
	m, err := s.present(id)
	switch {
	case err != nil:
		return err
	case m.Status != StatusMember:
		return fmt.Errorf("%s is %s, and only those who vote can be set resting", m.Name, m.Status)
	case m.Stirred > since:
		return fmt.Errorf("%s has acted since it was proposed, and only who is silent can be set resting", m.Name)
	}
	m.Status = StatusResting
	s.Members.Put(id, m)
	s.Turnover++
	return nil
}

// Wake notes an act of somebody, makes them vote again if they rest, and returns
// them as they are then. Package coop calls it for the author of every act but an
// ack, before the act is applied.
func (s *State) Wake(id record.ID) Member {
	m, ok := s.Members.Get(id)
	if !ok {
		return m
	}
	if m.Status == StatusResting {
		m.Status = StatusMember
		s.Turnover++
	}
	s.Acts++
	m.Stirred = s.Acts
	s.Members.Put(id, m)
	return m
}
