package ledger

import (
	"cmp"
	"errors"
	"fmt"

	"coop/crdt/member"
	"coop/crdt/record"
)

// Line is a budget line as a decision makes it: leave for the treasury to pay
// somebody so much. With it the treasury may go so much further below zero: the
// co-op owes what it decided to spend and does not have.
type Line struct {
	_           struct{} `cbor:",toarray"`
	Payee       record.ID
	Unit        string
	Total       int64  // minor units, 1 to MaxAmount
	Instalments uint32 // the total comes in so many parts, each paid by itself; 0: as it is needed
	PeriodDays  uint32 // how far apart they are meant to be; shown, and held by no rule: the fold reads no clock
}

// BudgetKey names a line of a decision.
type BudgetKey struct {
	_        struct{} `cbor:",toarray"`
	Proposal record.ID
	Line     uint32 // 0, 1, 2 … in the order in which they were added
}

// Compare orders lines by proposal, then by line.
func (k BudgetKey) Compare(o BudgetKey) int {
	return cmp.Or(k.Proposal.Compare(o.Proposal), cmp.Compare(k.Line, o.Line))
}

// Budget is a line and what was paid of it. What the payee gives back belongs
// to the treasury and does not fill the line again.
type Budget struct {
	_     struct{} `cbor:",toarray"`
	Line  Line
	Paid  int64  // minor units
	Made  uint32 // payments of it
	Ended bool   // by a decision: nothing more is paid
}

// Left is what may still be paid of the line, in minor units.
func (b Budget) Left() int64 {
	if b.Ended {
		return 0
	}
	return b.Line.Total - b.Paid
}

// Next is how much the next payment may be at most, in minor units: what is left,
// or where the line comes in parts, what is left of the part that is begun. So no
// payment takes two parts at once, and what is left can always be paid.
func (b Budget) Next() int64 {
	n := int64(b.Line.Instalments)
	if left := b.Left(); n == 0 || left == 0 {
		return left
	}
	return (b.Line.Total*b.Part()+n-1)/n - b.Paid
}

// Part is which part of the line comes next, counted from 1; the last where all is
// paid, 0 where it does not come in parts.
func (b Budget) Part() int64 {
	n := int64(b.Line.Instalments)
	if n == 0 {
		return 0
	}
	return min(b.Paid*n/b.Line.Total+1, n)
}

// AddBudget adds the next line of a proposal that was decided.
func (s *State) AddBudget(people *member.State, proposal record.ID, l Line) error {
	if err := checkAmount(l.Total); err != nil {
		return err
	}
	if l.Instalments > MaxInstalments || int64(l.Instalments) > l.Total {
		return fmt.Errorf("a budget line of %d minor units in %d instalments: at most %d, each of at least one minor unit", l.Total, l.Instalments, MaxInstalments)
	}
	if _, err := unitOf(people, l.Unit); err != nil {
		return err
	}
	if err := checkPerson(people, l.Payee); err != nil {
		return err
	}
	next := BudgetKey{Proposal: proposal}
	for s.Budgets.Has(next) {
		next.Line++
	}
	s.Budgets.Put(next, Budget{Line: l})
	return nil
}

// EndBudget ends a line that a decision made, for good: what was paid of it stays
// paid, and a new line takes a new decision.
func (s *State) EndBudget(k BudgetKey) error {
	b, ok := s.Budgets.Get(k)
	switch {
	case !ok:
		return fmt.Errorf("no decision %s made a budget line %d", k.Proposal.Short(), k.Line)
	case b.Ended:
		return fmt.Errorf("line %d of decision %s was ended before", k.Line, k.Proposal.Short())
	case b.Left() == 0:
		return fmt.Errorf("line %d of decision %s is paid out", k.Line, k.Proposal.Short())
	}
	b.Ended = true
	s.Budgets.Put(k, b)
	return nil
}

// instalment pays a part of a budget line. The payee need not accept it: the
// co-op decided, and whoever does not want it can reverse it.
func (a act) instalment() error {
	var b InstalmentBody
	if err := read(a.r, &b); err != nil {
		return err
	}
	if !a.by.Holds(member.Treasurer) {
		return fmt.Errorf("%s is no treasurer: only treasurers pay from the treasury", a.by.Name)
	}
	k := BudgetKey{Proposal: b.Proposal, Line: b.Line}
	budget, ok := a.Budgets.Get(k)
	if !ok {
		return fmt.Errorf("no decision %s made a budget line %d", b.Proposal.Short(), b.Line)
	}
	if err := a.checkDue(budget, b); err != nil {
		return err
	}
	line := budget.Line
	if err := checkPerson(a.people, line.Payee); err != nil {
		return err
	}
	if err := a.checkRoom(a.people, Treasury(a.people, line.Unit), -b.Amount); err != nil {
		return err
	}
	p := a.payment(line.Unit, b.Amount, b.Note)
	p.From, p.To, p.For = a.people.Coop, line.Payee, b.Proposal
	if err := a.pay(p); err != nil {
		return err
	}
	budget.Paid, budget.Made = budget.Paid+b.Amount, budget.Made+1
	a.Budgets.Put(k, budget)
	return nil
}

// checkDue holds that an instalment is the next of its line and within it.
func (a act) checkDue(budget Budget, b InstalmentBody) error {
	u := a.unit(budget.Line.Unit)
	switch {
	case budget.Ended:
		return fmt.Errorf("line %d of decision %s was ended by another: nothing more is paid of it", b.Line, b.Proposal.Short())
	case b.Number == 0:
		return errors.New("instalments are counted from 1")
	case b.Number <= budget.Made:
		return fmt.Errorf("instalment %d of line %d was paid already; the next is %d", b.Number, b.Line, budget.Made+1)
	case b.Number > budget.Made+1:
		return fmt.Errorf("instalment %d of line %d cannot come before %d", b.Number, b.Line, budget.Made+1)
	case b.Amount > budget.Next():
		return fmt.Errorf("%s is more than instalment %d of line %d may be: %s, of %s left in the line", show(b.Amount, u), b.Number, b.Line, show(budget.Next(), u), show(budget.Left(), u))
	}
	return nil
}
