package proposal

import "coop/crdt/record"

// dayLen is a day in milliseconds.
const dayLen = 24 * 60 * 60 * 1000

// Needed returns how many of an electorate of n must say yes: more than half
// for governance, at least two thirds for constitutional. A poll has no such
// number: 0.
func Needed(rule Rule, n int) int {
	switch rule {
	case Governance:
		return n/2 + 1
	case Constitutional:
		return (2*n + 2) / 3
	}
	return 0
}

// Turnout returns how many of an electorate of n must take part in a poll with
// a quorum in hundredths.
func Turnout(quorum int64, n int) int { return (int(quorum)*n + 99) / 100 }

// Silent is how many of the electorate have not voted and still may.
func (p Proposal) Silent() int { return len(p.Voters) - len(p.Gone) - p.Count.Cast() }

// carried reports whether a proposal passes if no more votes come.
func (p Proposal) carried(c Count) bool {
	if p.Rule == Ordinary {
		return c.Yes > c.No && c.Cast() >= Turnout(p.Quorum, len(p.Voters))
	}
	return c.Yes >= Needed(p.Rule, len(p.Voters))
}

// verdict says what the votes make of an open proposal. It is decided if no
// more votes are awaited, or if it comes to the same whatever the silent vote
// and whether they do: carried with none of them and with all against it, or
// not carried with all for it.
func (p Proposal) verdict(closed bool) Status {
	all, none := p.Count, p.Count
	all.Yes += p.Silent()
	none.No += p.Silent()
	switch {
	case p.carried(p.Count) && (closed || p.carried(none) && !p.patient()):
		return StatusPassed
	case closed || !p.carried(all):
		return StatusRejected
	}
	return StatusOpen
}

// patient reports whether a proposal must give people time and so passes only
// when it is closed.
func (p Proposal) patient() bool {
	for _, e := range p.Effects {
		if e.Kind == EffectRest {
			return true
		}
	}
	return false
}

// add counts a vote n more times.
func (c *Count) add(o Option, n int) {
	switch o {
	case Yes:
		c.Yes += n
	case No:
		c.No += n
	case Abstain:
		c.Abstain += n
	}
}

// Line is what one person of the electorate voted.
type Line struct {
	Voter  record.ID
	Vote   Vote   // that counts; Option is "" if they have not voted in time
	Former []Vote // that they replaced, in order
	Late   []Vote // in order
	Gone   bool   // they left or were expelled without having voted
}

// Tally is a proposal with all its votes by name.
type Tally struct {
	Proposal    Proposal
	Needed      int    // yes for governance and constitutional, else 0
	Turnout     int    // votes for a poll's quorum, else 0
	Lines       []Line // one for each of the electorate, in its order
	CouldChange bool   // with the late votes, each person's last, it would have come out otherwise
}

// Tally returns a proposal with all its votes, and whether there is one.
func (s *State) Tally(id record.ID) (Tally, bool) {
	p, ok := s.Proposals.Get(id)
	if !ok {
		return Tally{}, false
	}
	t := Tally{Proposal: p, Needed: Needed(p.Rule, len(p.Voters)), Turnout: Turnout(p.Quorum, len(p.Voters))}
	again := p
	for _, voter := range p.Voters {
		b, _ := s.Ballots.Get(BallotKey{Proposal: id, Voter: voter})
		t.Lines = append(t.Lines, p.line(voter, b))
		if late, ok := b.last(true); ok {
			again.replace(b, late)
		}
	}
	t.CouldChange = again.Count != p.Count && again.verdict(true) != p.Status
	return t, true
}

func (p Proposal) line(voter record.ID, b Ballot) Line {
	l := Line{Voter: voter, Gone: contains(p.Gone, voter)}
	l.Vote, _ = b.last(false)
	for _, v := range b.Votes {
		switch {
		case v.Late:
			l.Late = append(l.Late, v)
		case v.ID != l.Vote.ID:
			l.Former = append(l.Former, v)
		}
	}
	return l
}

// replace counts v instead of the vote of a ballot that counts so far, if any.
func (p *Proposal) replace(b Ballot, v Vote) {
	if old, ok := b.last(false); ok {
		p.Count.add(old.Option, -1)
	}
	p.Count.add(v.Option, 1)
}

// Voted returns the vote of a person that counts, and whether there is one.
func (s *State) Voted(id, voter record.ID) (Vote, bool) {
	b, _ := s.Ballots.Get(BallotKey{Proposal: id, Voter: voter})
	return b.last(false)
}
