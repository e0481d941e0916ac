package member

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of units and texts. They are constants of the protocol.
const (
	MaxUnits       = 8    // a co-op counts in a few things: hours, a currency, bread
	MaxUnitCodeLen = 12   // bytes; it stands beside every amount
	MaxScale       = 6    // decimals; 10^6 whole units at this scale are the greatest transfer, 10^12
	MaxTextLen     = 2000 // bytes of a text clause, about a page
)

// Unit is something a co-op's ledger counts in.
type Unit struct {
	_     struct{} `cbor:",toarray"`
	Code  string   // "hour", "euro": a-z, 0-9 and '-', a letter first
	Scale uint8    // decimals: 2 means that one minor unit is a hundredth
}

// Minor is how many minor units make one whole unit.
func (u Unit) Minor() int64 {
	n := int64(1)
	for range u.Scale {
		n *= 10
	}
	return n
}

func (u Unit) check() error {
	if !isCode(u.Code, MaxUnitCodeLen) {
		return fmt.Errorf("unit %q is not 1 to %d of a-z, 0-9 and -, a letter first", u.Code, MaxUnitCodeLen)
	}
	if u.Scale > MaxScale {
		return fmt.Errorf("unit %s has %d decimals, more than %d", u.Code, u.Scale, MaxScale)
	}
	return nil
}

func isCode(s string, maxLen int) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= maxLen
}

// ClauseKind says what the value of a clause is.
type ClauseKind uint8

// The kinds of clauses.
const (
	ClausePercent ClauseKind = iota // a whole number of hundredths
	ClauseDays                      // a whole number of days
	ClausePerUnit                   // a whole number of units, for each unit: its name is followed by "/" and the unit's code
	ClauseText                      // a text; min and max are its length in bytes
)

// Clause is one rule of the bylaws that a decision can change.
type Clause struct {
	Name              string
	Kind              ClauseKind
	Default, Min, Max int64
	Meaning           string
}

// The names of the clauses.
const (
	CreditLimit  = "credit-limit"
	OfflineLimit = "offline-limit"
	Quorum       = "quorum"
	PollDays     = "poll-days"
	ProposalDays = "proposal-days"
	ShortestDays = "shortest-days"
	InviteDays   = "invite-days"
	Purpose      = "purpose"
)

// Clauses lists every clause there is.
func Clauses() []Clause {
	return []Clause{
		{CreditLimit, ClausePerUnit, 50, 0, 1_000_000, "how far below zero the account of somebody who becomes a member may go"},
		{OfflineLimit, ClausePerUnit, 10, 0, 1_000_000, "how much a member may pay before the minutes confirm it; members' own nodes hold to it"},
		{Quorum, ClausePercent, 30, 0, 100, "how many of those who may vote must have voted in an ordinary poll"},
		{PollDays, ClauseDays, 7, 1, 365, "how long an ordinary poll stays open unless its author says otherwise"},
		{ProposalDays, ClauseDays, 30, 1, 365, "how long any other proposal stays open unless its author says otherwise"},
		{ShortestDays, ClauseDays, 1, 1, 30, "how long tellers leave every proposal open at the least, whatever its author says"},
		{InviteDays, ClauseDays, 14, 1, 365, "how long an invite can be used unless its issuer says otherwise"},
		{Purpose, ClauseText, 0, 0, MaxTextLen, "what the co-op is for"},
	}
}

// Setting is the value a co-op gave to a clause.
type Setting struct {
	_      struct{} `cbor:",toarray"`
	Name   string   // of the clause, with "/" and the unit's code where it is per unit
	Number int64    // 0 for a text
	Text   string   // "" for a number
}

// Bylaws are the clauses that differ from their defaults, sorted by name.
// They are never changed in place.
type Bylaws []Setting

// Number returns the value of a clause that is a number, or its default. It
// returns 0 if there is no such clause.
func (b Bylaws) Number(name string) int64 {
	if i, ok := b.find(name); ok {
		return b[i].Number
	}
	c, _, _ := clauseOf(name)
	return c.Default
}

// Text returns the value of a clause that is a text, "" if it has none.
func (b Bylaws) Text(name string) string {
	if i, ok := b.find(name); ok {
		return b[i].Text
	}
	return ""
}

func (b Bylaws) find(name string) (int, bool) {
	return slices.BinarySearchFunc(b, name, func(s Setting, name string) int { return strings.Compare(s.Name, name) })
}

// with returns the bylaws with one clause set.
func (b Bylaws) with(s Setting) Bylaws {
	i, ok := b.find(s.Name)
	if ok {
		b = slices.Clone(b)
		b[i] = s
		return b
	}
	return slices.Insert(slices.Clone(b), i, s)
}

// clauseOf finds the clause that a setting's name means, and its unit.
func clauseOf(name string) (c Clause, unit string, err error) {
	clause, unit, perUnit := strings.Cut(name, "/")
	for _, c := range Clauses() {
		if c.Name == clause && perUnit == (c.Kind == ClausePerUnit) {
			return c, unit, nil
		}
		if c.Name == clause && perUnit {
			return Clause{}, "", fmt.Errorf("the clause %s is one for all units: leave out /%s", clause, unit)
		}
		if c.Name == clause {
			return Clause{}, "", fmt.Errorf("the clause %s is set for one unit: write %s/ and the unit", clause, clause)
		}
	}
	return Clause{}, "", fmt.Errorf("the bylaws have no clause %q", name)
}

// check holds what may be written into the bylaws of a co-op with these units.
func (s Setting) check(units []Unit) error {
	c, unit, err := clauseOf(s.Name)
	if err != nil {
		return err
	}
	if c.Kind == ClausePerUnit && !slices.ContainsFunc(units, func(u Unit) bool { return u.Code == unit }) {
		return fmt.Errorf("%s: the co-op has no unit %q", s.Name, unit)
	}
	if c.Kind == ClauseText {
		if s.Number != 0 {
			return fmt.Errorf("%s is a text, not a number", s.Name)
		}
		return checkText(s.Name, s.Text, int(c.Max))
	}
	if s.Text != "" {
		return fmt.Errorf("%s is a number, not a text", s.Name)
	}
	if s.Number < c.Min || s.Number > c.Max {
		return fmt.Errorf("%s is %d, not %d to %d", s.Name, s.Number, c.Min, c.Max)
	}
	return nil
}
