package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/amount"
	"coop/crdt/coop"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/text"
)

// Payment is what a person types to pay or to ask for a payment.
type Payment struct {
	Who    string // a name, the beginning of an id, or "treasury"
	Amount string // decimal, in the unit
	Unit   string // "" where the co-op has only one
	For    string // a listing or a proposal; "": none
	Note   string
}

// unit returns the unit a person means.
func unit(s *coop.State, code string) (member.Unit, error) {
	if code == "" {
		return s.People.Units[0], nil
	}
	u, ok := s.People.Unit(cmp.Or(amount.Among(code, codes(s)), code))
	if !ok {
		return u, &NotFound{fmt.Sprintf("%s does not count in %q: it has %s", s.People.Name, code, unitCodes(s))}
	}
	return u, nil
}

func unitCodes(s *coop.State) string { return strings.Join(codes(s), ", ") }

// codes are those of the units that the co-op counts in.
func codes(s *coop.State) (all []string) {
	for _, u := range s.People.Units {
		all = append(all, u.Code)
	}
	return all
}

// namedUnit is the code of the unit that an amount names, or the word where the
// co-op has none such; "" where it names none.
func namedUnit(s *coop.State, typed string) string {
	knows := func(word string) bool { return amount.Among(word, codes(s)) != "" || amount.IsMoney(word) }
	parts, ok, _ := amount.Take(typed, knows)
	if !ok {
		return ""
	}
	return cmp.Or(amount.Among(parts.Unit, codes(s)), parts.Unit)
}

// amountOf reads an amount in the unit of a code, or where that is "", in the unit
// that the amount itself names, or else in the co-op's first.
func amountOf(s *coop.State, typed, code string) (u member.Unit, n int64, err error) {
	if code == "" {
		code = namedUnit(s, typed)
	}
	if u, err = unit(s, code); err != nil {
		return u, 0, err
	}
	if n, err = ledger.ParseAmount(typed, u); err != nil {
		err = invalid("%v", err)
	}
	return u, n, err
}

// read resolves what a person typed.
func (p Payment) read(s *coop.State) (who record.ID, u member.Unit, amount int64, about record.ID, err error) {
	if who, err = FindAccount(s, p.Who); err != nil {
		return
	}
	if u, amount, err = amountOf(s, p.Amount, p.Unit); err != nil {
		return
	}
	if amount == 0 {
		err = invalid("%q is nothing: write an amount above zero", p.Amount)
		return
	}
	if p.For != "" {
		about, err = findAbout(s, p.For)
	}
	return
}

// Pay pays somebody. It keeps to the offline limit of the bylaws, by which a
// member holds back what the minutes have not confirmed.
func (n *Node) Pay(ctx context.Context, p Payment) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		who, u, amount, about, err := p.read(s)
		if err != nil {
			return statement{}, err
		}
		if err := n.offline(s, a.me.ID, u.Code, amount); err != nil {
			return statement{}, err
		}
		return act(ledger.KindTransfer, ledger.TransferBody{To: who, Unit: u.Code, Amount: amount, Note: text.Line(p.Note), For: about}), nil
	})
}

// Request asks somebody for a payment.
func (n *Node) Request(ctx context.Context, p Payment) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		who, u, amount, about, err := p.read(a.coop.State())
		if err != nil {
			return statement{}, err
		}
		return act(ledger.KindRequest, ledger.RequestBody{From: who, Unit: u.Code, Amount: amount, Note: text.Line(p.Note), For: about}), nil
	})
}

// Accept accepts a payment, or pays what a request asks for.
func (n *Node) Accept(ctx context.Context, typed, note string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		p, err := FindPayment(s, typed)
		if err != nil {
			return statement{}, err
		}
		if !p.Asked {
			return act(ledger.KindAccept, ledger.AnswerBody{ID: p.ID, Note: text.Line(note)}), nil
		}
		if err := n.offline(s, a.me.ID, p.Unit, p.Amount); err != nil {
			return statement{}, err
		}
		return act(ledger.KindTransfer, ledger.TransferBody{To: p.To, Unit: p.Unit, Amount: p.Amount, Note: cmp.Or(text.Line(note), p.Note), For: p.For, Request: p.ID}), nil
	})
}

// Decline declines a payment or a request.
func (n *Node) Decline(ctx context.Context, typed, note string) (record.ID, error) {
	return n.answer(ctx, ledger.KindDecline, typed, note)
}

// Cancel takes back a payment or a request that nobody has answered.
func (n *Node) Cancel(ctx context.Context, typed, note string) (record.ID, error) {
	return n.answer(ctx, ledger.KindCancel, typed, note)
}

func (n *Node) answer(ctx context.Context, kind, typed, note string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		p, err := FindPayment(a.coop.State(), typed)
		if err != nil {
			return statement{}, err
		}
		return act(kind, ledger.AnswerBody{ID: p.ID, Note: text.Line(note)}), nil
	})
}

// Reverse gives back a payment this member received, or part of it: "" is what
// is left of it.
func (n *Node) Reverse(ctx context.Context, typed, amount, note string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		p, err := FindPayment(s, typed)
		if err != nil {
			return statement{}, err
		}
		back := p.Amount // too much where nothing is left, which the rules say best
		if left := s.Ledger.Reversible(p); left > 0 {
			back = left
		}
		if amount != "" {
			if _, back, err = amountOf(s, amount, p.Unit); err != nil {
				return statement{}, err
			}
		}
		if err := n.offline(s, a.me.ID, p.Unit, back); err != nil {
			return statement{}, err
		}
		return act(ledger.KindTransfer, ledger.TransferBody{To: p.From, Unit: p.Unit, Amount: back, Note: text.Line(note), Reverses: p.ID}), nil
	})
}

// AcceptAlways adds to this member's standing rule: payments of up to max of the
// unit are accepted by themselves, from anyone, or from those named. What the rule
// says of other units stays.
func (n *Node) AcceptAlways(ctx context.Context, clauses []Standing) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		var fresh []ledger.Accept
		for _, c := range clauses {
			clause, err := c.read(s)
			if err != nil {
				return statement{}, err
			}
			fresh = append(fresh, clause)
		}
		kept := ruleWithout(s, a.me.ID, func(unit string) bool {
			return slices.ContainsFunc(fresh, func(c ledger.Accept) bool { return c.Unit == unit })
		})
		return act(ledger.KindRule, ledger.RuleBody{Accepts: append(kept, fresh...)}), nil
	})
}

// AcceptByHand ends what this member's standing rule says of a unit, or with "" of
// all.
func (n *Node) AcceptByHand(ctx context.Context, code string) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		if code != "" {
			u, err := unit(s, code)
			if err != nil {
				return statement{}, err
			}
			code = u.Code
		}
		kept := ruleWithout(s, a.me.ID, func(unit string) bool { return code == "" || unit == code })
		return act(ledger.KindRule, ledger.RuleBody{Accepts: kept}), nil
	})
}

// ruleWithout is somebody's standing rule without the clauses of some units.
func ruleWithout(s *coop.State, who record.ID, ends func(unit string) bool) []ledger.Accept {
	clauses, _ := s.Ledger.Rules.Get(who)
	return slices.DeleteFunc(slices.Clone(clauses), func(c ledger.Accept) bool { return ends(c.Unit) })
}

// Standing is one clause of a standing rule as a person types it.
type Standing struct {
	Max  string
	Unit string
	From []string // names; empty: anyone
}

func (c Standing) read(s *coop.State) (ledger.Accept, error) {
	u, most, err := amountOf(s, c.Max, c.Unit)
	if err != nil {
		return ledger.Accept{}, err
	}
	clause := ledger.Accept{Unit: u.Code, Max: most}
	for _, name := range c.From {
		m, err := FindMember(s, name)
		if err != nil {
			return clause, err
		}
		clause.From = append(clause.From, m.ID)
	}
	clause.From = record.SortIDs(clause.From)
	return clause, nil
}

// PayInstalment pays the next part of a budget line out of the treasury, for a
// treasurer. Overdraw says that the treasury may owe it: otherwise that is refused.
func (n *Node) PayInstalment(ctx context.Context, typed string, line uint32, amount, note string, overdraw bool) (record.ID, error) {
	return n.write(ctx, func(a author) (statement, error) {
		s := a.coop.State()
		p, err := FindProposal(s, typed)
		if err != nil {
			return statement{}, err
		}
		budget, ok := s.Ledger.Budgets.Get(ledger.BudgetKey{Proposal: p.ID, Line: line})
		if !ok {
			return statement{}, &NotFound{fmt.Sprintf("proposal %s has made no budget line %d: `coop proposal show %[1]s` shows its effects", p.ID.Short(), line)}
		}
		switch {
		case budget.Ended:
			return statement{}, &Refused{fmt.Sprintf("line %d of decision %s was ended by another: nothing more is paid of it", line, p.ID.Short())}
		case budget.Left() == 0:
			return statement{}, &Refused{fmt.Sprintf("line %d of decision %s is paid out", line, p.ID.Short())}
		}
		n := budget.Next()
		if amount != "" {
			if _, n, err = amountOf(s, amount, budget.Line.Unit); err != nil {
				return statement{}, err
			}
		}
		if err := overdrawn(s, budget.Line.Unit, n); err != nil && !overdraw && a.me.Holds(member.Treasurer) {
			return statement{}, err
		}
		return act(ledger.KindInstalment, ledger.InstalmentBody{Proposal: p.ID, Line: line, Number: budget.Made + 1, Amount: n, Note: text.Line(note)}), nil
	})
}

// overdrawn says that a payment takes the treasury below zero, or further below.
func overdrawn(s *coop.State, code string, amount int64) error {
	u, _ := s.People.Unit(code)
	has := s.Ledger.Account(ledger.Treasury(s.People, code)).Balance
	if amount <= has {
		return nil
	}
	return &Refused{fmt.Sprintf("the treasury has %s %s: %s would take it to %s, and the co-op would owe that. If it is meant to, say --overdraw",
		ledger.FormatAmount(has, u), code, ledger.FormatAmount(amount, u), ledger.FormatAmount(has-amount, u))}
}
