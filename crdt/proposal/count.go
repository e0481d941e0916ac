package proposal

import (
	"coop/crdt/member"
	"coop/crdt/record"
)

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

// end is what counts at one end of a proposal: where it was opened, or where it
// would pass.
type end struct {
	rule   Rule
	n      int // of how many
	quorum int64
	count  Count
	silent int // who has not voted and still may
}

func (p Proposal) opened() end { return end{p.Rule, len(p.Voters), p.Quorum, p.Count, p.Silent()} }

func (p Proposal) passing(t There) end {
	return end{p.Rule, t.Members, t.Quorum, t.Count, len(p.Voters) - len(t.Away) - t.Count.Cast()}
}

// carried reports whether there is enough if no more votes come.
func (e end) carried() bool {
	if e.rule == Ordinary {
		return e.count.Yes > e.count.No && e.count.Cast() >= Turnout(e.quorum, e.n)
	}
	return e.count.Yes >= Needed(e.rule, e.n)
}

// all is the end with all who are silent voting alike.
func (e end) all(o Option) end {
	e.count.add(o, e.silent)
	e.silent = 0
	return e
}

// passes reports whether there is enough, and the silent cannot change that: it is
// closed, or there would be enough with all of them against it.
func (e end) passes(closed bool) bool { return e.carried() && (closed || e.all(No).carried()) }

// ready reports whether a proposal passes by its electorate.
func (p Proposal) ready(closed bool) bool {
	return p.opened().passes(closed) && (closed || !p.patient())
}

// hopeless reports whether an open proposal is rejected unless it passes: it is
// closed, or its electorate has not enough even with all who are silent for it.
func (p Proposal) hopeless(closed bool) bool { return closed || !p.opened().all(Yes).carried() }

// awaits reports whether a proposal stays open, whoever the members are by now.
func (p Proposal) awaits(closed bool) bool { return !p.ready(closed) && !p.hopeless(closed) }

// verdict says what the votes make of a proposal.
func (p Proposal) verdict(t There, closed bool) Status {
	switch {
	case p.ready(closed) && p.passing(t).passes(closed):
		return StatusPassed
	case p.hopeless(closed):
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
	There       There  // what counts where it was decided, or if it is open where people are as asked
	Lines       []Line // one for each of the electorate, in its order
	CouldChange bool   // with the late votes, each person's last, it would have come out otherwise
}

// Tally returns a proposal with all its votes, as people are now, and whether there
// is one.
func (s *State) Tally(people *member.State, id record.ID) (Tally, bool) {
	p, ok := s.Proposals.Get(id)
	if !ok {
		return Tally{}, false
	}
	t := Tally{Proposal: p, Needed: Needed(p.Rule, len(p.Voters)), Turnout: Turnout(p.Quorum, len(p.Voters))}
	if t.There = p.There; p.Status == StatusOpen {
		t.There = s.there(people, p)
	}
	again, there := p.Count, p.There.Count
	for _, voter := range p.Voters {
		b, _ := s.Ballots.Get(BallotKey{Proposal: id, Voter: voter})
		t.Lines = append(t.Lines, p.line(voter, b))
		if late, ok := b.last(true); ok {
			again.replace(b, late)
			if !contains(p.There.Away, voter) {
				there.replace(b, late)
			}
		}
	}
	if again != p.Count {
		p.Count, p.There.Count = again, there
		t.CouldChange = p.verdict(p.There, true) != t.Proposal.Status
	}
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
func (c *Count) replace(b Ballot, v Vote) {
	if old, ok := b.last(false); ok {
		c.add(old.Option, -1)
	}
	c.add(v.Option, 1)
}

// Voted returns the vote of a person that counts, and whether there is one.
func (s *State) Voted(id, voter record.ID) (Vote, bool) {
	b, _ := s.Ballots.Get(BallotKey{Proposal: id, Voter: voter})
	return b.last(false)
}
