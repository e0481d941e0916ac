package proposal

import (
	"errors"
	"fmt"
	"slices"

	"coop/crdt/member"
	"coop/crdt/record"
)

var (
	errDecided = errors.New("the proposal is decided already")
	errEarly   = errors.New("the proposal is not over yet")
)

// Apply gives one act to the state. It returns the proposals that are to be judged
// for it, right there, one after the other. An error is the reason of a
// Problem; then nothing has changed. The author must be somebody for whom the
// record's device may act, and awake.
func (s *State) Apply(people *member.State, by member.Member, r *record.Record) (judge []record.ID, err error) {
	switch r.Kind {
	case KindOpen:
		return nil, s.open(people, by, r)
	case KindWithdraw:
		return nil, s.withdraw(by, r)
	case KindCast:
		return s.cast(by, r)
	case KindClose:
		return s.close(people, r)
	}
	return nil, fmt.Errorf("this version does not know what %q means; update coop", r.Kind)
}

func (s *State) open(people *member.State, by member.Member, r *record.Record) error {
	var b OpenBody
	if err := read(r, &b); err != nil {
		return err
	}
	for i, e := range b.Effects {
		if err := e.checkIn(people); err != nil {
			return fmt.Errorf("effect %d (%s): %w", i+1, e.Kind, err)
		}
	}
	voters := Electorate(people, b.Effects)
	open, _ := s.Open.Get(by.ID)
	switch {
	case !contains(people.Voters(), by.ID):
		return fmt.Errorf("%s is no member yet: only members open proposals, so ask one to", by.Name)
	case !contains(voters, by.ID):
		return errors.New("nobody proposes to expel themselves: leave the co-op instead")
	case len(voters) < member.MinRemain && expelsMember(people, b.Effects):
		return fmt.Errorf("%d would decide on the expulsion, and it takes at least %d to expel a member", len(voters), member.MinRemain)
	case member.Roll(voters) != b.Electorate:
		return errors.New("membership changed since you looked: propose again")
	case open >= MaxOpen:
		return fmt.Errorf("%s has %d open proposals, the most there may be: withdraw one first", by.Name, open)
	}
	p := Proposal{
		ID: r.ID, Author: by.ID, Doc: b.Doc, Version: b.Version, Title: b.Title, Rule: b.Rule, Effects: b.Effects,
		Electorate: b.Electorate, Voters: voters, Opened: r.Time, ClosesAt: b.ClosesAt, Since: people.Acts, Status: StatusOpen,
	}
	if p.Rule == Ordinary {
		p.Quorum = people.Bylaws.Number(member.Quorum)
	}
	s.Proposals.Put(p.ID, p)
	s.Open.Put(by.ID, open+1)
	s.Undecided.Put(p.ID, true)
	return nil
}

func expelsMember(people *member.State, effects []Effect) bool {
	if !expels(effects) {
		return false
	}
	target, _ := people.Members.Get(effects[0].Member)
	return target.Status != member.StatusAssociate
}

func (s *State) withdraw(by member.Member, r *record.Record) error {
	p, err := s.named(r)
	if err != nil {
		return err
	}
	own := 0
	if _, ok := s.Voted(p.ID, by.ID); ok {
		own = 1
	}
	switch {
	case p.Author != by.ID:
		return errors.New("only its author withdraws a proposal: vote no instead")
	case p.Status != StatusOpen:
		return errDecided
	case p.Count.Cast() > own:
		return errors.New("others have voted on it already, so it is no longer yours to withdraw: vote no instead")
	}
	p.Status, p.Decided = StatusWithdrawn, r.ID
	s.put(p)
	return nil
}

func (s *State) cast(by member.Member, r *record.Record) ([]record.ID, error) {
	var b CastBody
	if err := read(r, &b); err != nil {
		return nil, err
	}
	p, err := s.find(b.Proposal)
	if err != nil {
		return nil, err
	}
	key := BallotKey{Proposal: p.ID, Voter: by.ID}
	ballot, _ := s.Ballots.Get(key)
	switch {
	case !contains(p.Voters, by.ID):
		return nil, fmt.Errorf("%s was not among those who may vote when the proposal was opened", by.Name)
	case by.Status == member.StatusAssociate:
		return nil, fmt.Errorf("%s left since the proposal was opened, and came back as an associate", by.Name)
	case by.Status != member.StatusMember:
		return nil, fmt.Errorf("%s is no member any more", by.Name)
	case contains(p.Gone, by.ID):
		return nil, fmt.Errorf("%s has left since the proposal was opened", by.Name)
	case p.Status == StatusWithdrawn:
		return nil, errors.New("its author has withdrawn the proposal")
	case len(ballot.Votes) >= MaxVotes:
		return nil, fmt.Errorf("%s has voted on it %d times, the most there may be: the last vote stands", by.Name, MaxVotes)
	}
	v := Vote{ID: r.ID, Option: b.Option, Reason: b.Reason, Time: r.Time, Late: p.Status != StatusOpen}
	s.Ballots.Put(key, Ballot{Votes: append(slices.Clone(ballot.Votes), v)})
	if v.Late {
		return nil, nil
	}
	p.Count.replace(ballot, v)
	s.Proposals.Put(p.ID, p)
	return []record.ID{p.ID}, nil
}

// close is not judged by when it stands: the tellers' clocks are all the time
// there is. One who comes after the rest is no Problem. Nor is what it names besides
// proposals that it can close: its author saw another order.
func (s *State) close(people *member.State, r *record.Record) (judge []record.ID, err error) {
	var b CloseBody
	if err := read(r, &b); err != nil {
		return nil, err
	}
	var errs []error
	for _, id := range b.Proposals {
		p, err := s.find(id)
		if err == nil {
			err = p.Closable(people, r.Device)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.Closers = append(slices.Clone(p.Closers), r.Device)
		s.Proposals.Put(id, p)
		judge = append(judge, id)
	}
	if judge == nil {
		return nil, errs[0]
	}
	return judge, nil
}

// Closable says why a device cannot write that the time of a proposal is over.
func (p Proposal) Closable(people *member.State, device record.Key) error {
	switch {
	case !slices.Contains(people.Tellers, device):
		return errors.New("only tellers close a proposal, by the device that has the seat")
	case slices.Contains(p.Closers, device):
		return errors.New("this teller has closed the proposal already")
	}
	return nil
}

// closed reports whether more than half of those who are tellers now have
// written that the time of a proposal is over.
func (p Proposal) closed(people *member.State) bool {
	n := 0
	for _, device := range people.Tellers {
		if slices.Contains(p.Closers, device) {
			n++
		}
	}
	return 2*n > len(people.Tellers)
}

// Judge decides an open proposal if what stands at this place in the order decides
// it, and reports whether it passed by that: then its effects are to take place
// right there, before another is judged. It is to be asked after a vote and a
// vote/close, and for all Undecided ones after who votes or who keeps the minutes
// has changed; departed are those who left or were expelled by the act at this place.
//
// It costs a look-up for each of the departed, and only where enough of the
// electorate have voted, or the time is over, a walk over the people and the voters.
func (s *State) Judge(people *member.State, id, at record.ID, departed []record.ID) (p Proposal, passed bool) {
	p, _ = s.Proposals.Get(id)
	if p.Status != StatusOpen {
		return p, false
	}
	s.part(people, &p, departed)
	closed := p.closed(people)
	if p.awaits(closed) {
		s.Proposals.Put(id, p)
		return p, false
	}
	there := s.there(people, p)
	switch p.Status = p.verdict(there, closed); p.Status {
	case StatusPassed:
		p.Failed = make([]string, len(p.Effects))
		fallthrough
	case StatusRejected:
		p.There, p.Decided = there, at
	}
	s.put(p)
	return p, p.Status == StatusPassed
}

// part notes who of an electorate left or was expelled without having voted.
func (s *State) part(people *member.State, p *Proposal, departed []record.ID) {
	for _, id := range departed {
		m, _ := people.Members.Get(id)
		if _, voted := s.Voted(p.ID, id); m.Gone() && !voted && contains(p.Voters, id) {
			p.Gone = record.SortIDs(append(slices.Clone(p.Gone), id))
		}
	}
}

// there returns what counts of a proposal at this place in the order.
func (s *State) there(people *member.State, p Proposal) There {
	members := Electorate(people, p.Effects)
	t := There{Members: len(members)}
	if p.Rule == Ordinary {
		t.Quorum = people.Bylaws.Number(member.Quorum)
	}
	for _, voter := range p.Voters {
		v, voted := s.Voted(p.ID, voter)
		switch {
		case !contains(members, voter):
			t.Away = append(t.Away, voter)
		case voted:
			t.Count.add(v.Option, 1)
		}
	}
	return t
}

// put stores a proposal that was open.
func (s *State) put(p Proposal) {
	s.Proposals.Put(p.ID, p)
	if p.Status != StatusOpen {
		n, _ := s.Open.Get(p.Author)
		s.Open.Put(p.Author, n-1)
		s.Undecided.Delete(p.ID)
	}
}

// EffectFailed keeps why an effect, counted from 0, of a proposal that passed
// did not take place.
func (s *State) EffectFailed(id record.ID, effect int, reason string) {
	p, ok := s.Proposals.Get(id)
	if !ok || effect >= len(p.Failed) {
		panic(fmt.Sprintf("proposal: effect %d of %s, which did not pass", effect, id.Short()))
	}
	p.Failed = slices.Clone(p.Failed)
	p.Failed[effect] = reason
	s.Proposals.Put(id, p)
}

// named returns the proposal that a NameBody names.
func (s *State) named(r *record.Record) (Proposal, error) {
	var b NameBody
	if err := read(r, &b); err != nil {
		return Proposal{}, err
	}
	return s.find(b.Proposal)
}

func (s *State) find(id record.ID) (Proposal, error) {
	p, ok := s.Proposals.Get(id)
	if !ok {
		return Proposal{}, fmt.Errorf("there is no proposal %s, or it was not opened before this", id.Short())
	}
	return p, nil
}

func contains(ids []record.ID, id record.ID) bool {
	_, ok := slices.BinarySearchFunc(ids, id, record.ID.Compare)
	return ok
}
