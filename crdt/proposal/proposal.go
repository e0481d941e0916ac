// Package proposal is how a co-op decides: proposals, votes, and what makes a
// proposal pass.
//
// A proposal names the exact version of its text and what it would change, its
// effects. Who may vote is settled where it is opened: its electorate is the
// members there (without who is to be expelled), and the author signs a hash of
// those they saw. Every rule counts against that frozen list:
//
//   - Governance passes when more than half of the electorate says yes,
//     constitutional when at least two thirds do: at once, wherever that is
//     reached.
//   - Ordinary is a poll: it passes if enough of the electorate took part (the
//     quorum of the bylaws; abstaining is taking part) and more said yes than
//     no, when it is closed, or before that when those who have not voted cannot
//     change what it comes to. A poll that lets silent members rest can pass only
//     when closed, however many say yes.
//
// That is one end. The other is where the proposal would pass: there it takes as
// many of those who are members by then, and only the votes of the electorate who
// still are members count. So what an old electorate left lying does not rule the
// people of today, and who came later makes it harder to pass, without a vote.
//
// Every proposal has a time, and is closed when more than half of the tellers have
// written that it is over by their clocks. What does not pass by then is rejected. It
// is rejected before that as soon as it cannot pass where it was opened, as the
// votes stand: the other end may still change.
//
// A vote replaces the voter's earlier one while the proposal is open. "As the
// votes stand" leaves out that people may change their minds: a proposal that
// everyone voted on is decided.
//
// Somebody of the electorate who left or was expelled since keeps their place in
// it: the number of yes that is needed where it was opened stays what it was. The
// vote they cast stands there; if they cast none they count as one who will stay
// silent, never as a yes. Somebody who rests may vote, and is a member by that.
//
// An expulsion is the only effect of its proposal, so that leaving its target
// out of the electorate decides nothing else, and a few cannot put out the many
// by naming them all at once. A member can be expelled only where at least
// member.MinRemain others decide; an associate, who has no vote to lose, by any.
//
// Nothing here reads a clock or the graph: acts are judged where they stand in
// the order. Votes are named and kept for ever, also those that were replaced
// or came late.
package proposal

import (
	"cmp"
	"io"
	"slices"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/table"
)

// Limits of proposals. They are constants of the protocol.
const (
	MaxTitleLen  = 120  // characters; it is one line in lists
	MaxReasonLen = 1000 // characters; more belongs into a comment
	MaxVersion   = 32   // records that name a version of a text: as many as may be written side by side
	MaxEffects   = 20   // of one proposal: more than that nobody can weigh in one vote
	MaxMembers   = 100  // people named by one effect
	MaxCardLen   = 2048 // bytes of a recovered person's card: a few keys and signatures
	MaxAmount    = 1e12 // minor units, of limits and budget lines, as in the ledger
	MaxParts     = 1200 // instalments of a budget line: a hundred years of months
	MaxPeriod    = 366  // days between two instalments
	MaxVotes     = 100  // votes of one person on one proposal, with those they changed: the rest is a flood
	MaxOpen      = 1000 // open proposals of one author, so that nobody can bury the others'
	MaxClosed    = 1000 // proposals that one record closes
	MaxDays      = 365  // how long tellers leave a proposal open at the most, after they first held it
	RestDays     = 30   // how long silent members have to stir before they may be set resting
)

// Rule says how many votes a proposal needs.
type Rule string

// The rules.
const (
	Ordinary       Rule = "ordinary"       // a poll
	Governance     Rule = "governance"     // people, offices, credit, budgets
	Constitutional Rule = "constitutional" // bylaws and tellers
)

// Status says how far a proposal has come.
type Status string

// The statuses. All but the first are final.
const (
	StatusOpen      Status = "open"
	StatusPassed    Status = "passed"
	StatusRejected  Status = "rejected"
	StatusWithdrawn Status = "withdrawn"
)

// Proposal is one proposal. Its slices must not be changed.
type Proposal struct {
	_          struct{} `cbor:",toarray"`
	ID         record.ID
	Author     record.ID
	Doc        record.ID   // the document with its text; zero: the title says it all
	Version    []record.ID // the records of the document that name the version
	Title      string
	Rule       Rule
	Effects    []Effect
	Electorate [32]byte     // member.Roll of Voters
	Voters     []record.ID  // who could vote when it was opened, sorted
	Quorum     int64        // hundredths of the electorate that must take part in a poll, 0 for the other rules
	Opened     int64        // unix milliseconds, as the author's clock said
	ClosesAt   int64        // unix milliseconds
	Since      uint64       // how many acts people had written when it was opened: who is set resting wrote none since
	Status     Status       //
	Decided    record.ID    // the act by which it was no longer open; zero while it is
	Count      Count        // of the votes that were in time
	Gone       []record.ID  // of Voters, who left or was expelled without having voted, sorted
	Closers    []record.Key // devices of tellers that wrote that its time is over, in order
	There      There        // once it passed or was rejected: what counted there; zero before
	Failed     []string     // once it passed, for each effect why it did not take place, "" where it did
}

// There is what counts of a proposal at one place in the order: who is a member
// there, and of their votes those that may be counted.
type There struct {
	_       struct{}    `cbor:",toarray"`
	Members int         // without who is to be expelled
	Quorum  int64       // of the bylaws there; 0 unless it is a poll
	Count   Count       // of the votes of the electorate who are members there
	Away    []record.ID // of Voters, who are no members there, sorted
}

// Count counts votes, each voter's last one that was in time.
type Count struct {
	_                struct{} `cbor:",toarray"`
	Yes, No, Abstain int
}

// Cast is how many of the electorate took part.
func (c Count) Cast() int { return c.Yes + c.No + c.Abstain }

// BallotKey names all that one voter voted on one proposal.
type BallotKey struct {
	_        struct{} `cbor:",toarray"`
	Proposal record.ID
	Voter    record.ID
}

// Compare orders ballots by proposal, then by voter.
func (k BallotKey) Compare(o BallotKey) int {
	return cmp.Or(k.Proposal.Compare(o.Proposal), k.Voter.Compare(o.Voter))
}

// Vote is what one record said.
type Vote struct {
	_      struct{} `cbor:",toarray"`
	ID     record.ID
	Option Option
	Reason string
	Time   int64 // unix milliseconds, as the voter's clock said
	Late   bool  // the proposal was decided already
}

// Ballot is all that one person voted on one proposal, in order. It is never
// changed in place.
type Ballot struct {
	_     struct{} `cbor:",toarray"`
	Votes []Vote
}

// last returns the last vote that is late, or that is not.
func (b Ballot) last(late bool) (Vote, bool) {
	for _, v := range slices.Backward(b.Votes) {
		if v.Late == late {
			return v, true
		}
	}
	return Vote{}, false
}

// State is what was proposed and voted at one place in the order.
type State struct {
	Proposals table.Table[record.ID, Proposal]
	Ballots   table.Table[BallotKey, Ballot]
	Open      table.Table[record.ID, uint64] // how many proposals of an author are open
	Undecided table.Table[record.ID, bool]   // the proposals that are open: a walk over them costs nothing for those that are not
}

// New returns a state without proposals.
func New() *State {
	return &State{table.New[record.ID, Proposal](), table.New[BallotKey, Ballot](), table.New[record.ID, uint64](), table.New[record.ID, bool]()}
}

// Clone returns a copy in constant time; a change to one is not seen in the other.
func (s *State) Clone() *State {
	return &State{s.Proposals.Clone(), s.Ballots.Clone(), s.Open.Clone(), s.Undecided.Clone()}
}

// WriteTo writes the state for the digest and for caches: equal states write
// equal bytes.
func (s *State) WriteTo(w io.Writer) (n int64, err error) {
	for _, t := range []io.WriterTo{s.Proposals, s.Ballots, s.Open, s.Undecided} {
		k, err := t.WriteTo(w)
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Read fills an empty state from what WriteTo wrote and returns the bytes
// behind it. An error means that the cache is damaged and must be thrown away.
func (s *State) Read(b []byte) (rest []byte, err error) {
	for _, read := range []func([]byte) ([]byte, error){s.Proposals.Read, s.Ballots.Read, s.Open.Read, s.Undecided.Read} {
		if b, err = read(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Electorate returns who may vote on a proposal with these effects if it is
// opened now, sorted: the members, without who is to be expelled.
func Electorate(people *member.State, effects []Effect) []record.ID {
	voters := people.Voters()
	return slices.DeleteFunc(voters, func(id record.ID) bool {
		return slices.ContainsFunc(effects, func(e Effect) bool { return e.Kind == EffectExpel && e.Member == id })
	})
}

// MayClose says why a teller's device should not write vote/close now, or
// nil. It is no rule of the fold, which reads no clock: tellers' nodes ask it
// before they write. Times are unix milliseconds by the node's own clock: now,
// and when it first held the proposal.
func (p Proposal) MayClose(people *member.State, device record.Key, held, now int64) error {
	if err := p.Closable(people, device); err != nil {
		return err
	}
	if p.Status != StatusOpen {
		return errDecided
	}
	if now < p.Over(people, held) {
		return errEarly
	}
	return nil
}

// TimeOver reports whether the time that its author gave an open proposal is over by
// the clock of whoever looks. Tellers have to close it: see Over for when they do.
func (p Proposal) TimeOver(now int64) bool { return p.Status == StatusOpen && now >= p.ClosesAt }

// Over returns when the time of a proposal is over for a teller who first held it
// then, in unix milliseconds: when its author says, but no sooner than the shortest
// time of the bylaws after that, RestDays where somebody may be set resting, and no
// later than MaxDays. So no author dates a proposal back, or lets it lie for years.
func (p Proposal) Over(people *member.State, held int64) int64 {
	least := people.Bylaws.Number(member.ShortestDays)
	if p.patient() {
		least = RestDays
	}
	return min(max(p.ClosesAt, held+least*dayLen), held+MaxDays*dayLen)
}
