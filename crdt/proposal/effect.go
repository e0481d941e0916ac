package proposal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
)

// The kinds of effects, with the fields each uses.
const (
	EffectMembers     = "members"      // Members, who are associates, become members
	EffectOffice      = "office"       // Member holds the office Name from now on, or if not On no longer
	EffectExpel       = "expel"        // Member is put out
	EffectReadmit     = "readmit"      // Member, who was expelled, may come back as who left does
	EffectRecover     = "recover"      // Member, who lost their keys, goes on with those of Card
	EffectRest        = "rest"         // Member, silent for long, is out of electorates until they act again
	EffectCreditLimit = "credit-limit" // the account of Member may go Amount of Unit below zero
	EffectBudget      = "budget"       // the treasury may pay Member Amount of Unit in Parts (0: as needed), one every Days, for Text
	EffectBudgetEnd   = "budget-end"   // nothing more is paid of the budget line Line of Proposal
	EffectBylaw       = "bylaw"        // the clause Name becomes Amount, or Text
	EffectTellers     = "tellers"      // the devices Keys are the tellers, in this order
)

// Effect is something that a proposal changes where it passes. What a kind does
// not use is zero.
type Effect struct {
	_        struct{} `cbor:",toarray"`
	Kind     string
	Member   record.ID
	Members  []record.ID // sorted
	Name     string
	Text     string
	Unit     string
	Amount   int64 // minor units; of a clause, what the clause counts in
	Parts    uint32
	Days     uint32
	On       bool
	Keys     []record.Key
	Card     []byte
	Proposal record.ID
	Line     uint32
}

// nature is what there is to know about a kind of effect.
type nature struct {
	rule  Rule                // it needs; what needs governance may also be decided as constitutional
	uses  func(Effect) Effect // an effect with nothing but what the kind uses
	check func(Effect) error  // the form of that
}

func natureOf(kind string) (nature, bool) {
	fine := func(Effect) error { return nil }
	member := func(e Effect) Effect { return Effect{Member: e.Member} }
	switch kind {
	case EffectMembers:
		return nature{Governance, func(e Effect) Effect { return Effect{Members: e.Members} }, checkMembers}, true
	case EffectOffice:
		return nature{Governance, func(e Effect) Effect { return Effect{Member: e.Member, Name: e.Name, On: e.On} }, checkOffice}, true
	case EffectExpel, EffectReadmit:
		return nature{Governance, member, fine}, true
	case EffectRecover:
		return nature{Governance, func(e Effect) Effect { return Effect{Member: e.Member, Card: e.Card} }, checkCard}, true
	case EffectRest:
		return nature{Ordinary, member, fine}, true
	case EffectCreditLimit:
		return nature{Governance, func(e Effect) Effect { return Effect{Member: e.Member, Unit: e.Unit, Amount: e.Amount} }, checkLimit}, true
	case EffectBudget:
		return nature{Governance, func(e Effect) Effect {
			return Effect{Member: e.Member, Unit: e.Unit, Amount: e.Amount, Parts: e.Parts, Days: e.Days, Text: e.Text}
		}, checkBudget}, true
	case EffectBudgetEnd:
		return nature{Governance, func(e Effect) Effect { return Effect{Proposal: e.Proposal, Line: e.Line} }, fine}, true
	case EffectBylaw:
		return nature{Constitutional, func(e Effect) Effect { return Effect{Name: e.Name, Amount: e.Amount, Text: e.Text} }, fine}, true
	case EffectTellers:
		return nature{Constitutional, func(e Effect) Effect { return Effect{Keys: e.Keys} }, checkTellers}, true
	}
	return nature{}, false
}

func checkMembers(e Effect) error {
	if !slices.Equal(e.Members, record.SortIDs(slices.Clone(e.Members))) {
		return errors.New("the people are not sorted and unique")
	}
	return checkNumber("people", int64(len(e.Members)), 1, MaxMembers)
}

func checkOffice(e Effect) error {
	if !slices.Contains(member.Offices(), e.Name) {
		return fmt.Errorf("there is no office %q: there are %s", e.Name, strings.Join(member.Offices(), ", "))
	}
	return nil
}

func checkCard(e Effect) error {
	return checkNumber("bytes of the card", int64(len(e.Card)), 1, MaxCardLen)
}

func checkLimit(e Effect) error { return checkNumber("minor units", e.Amount, 0, MaxAmount) }

func checkBudget(e Effect) error {
	if err := checkNumber("minor units", e.Amount, 1, MaxAmount); err != nil {
		return err
	}
	if err := checkNumber("instalments", int64(e.Parts), 0, min(MaxParts, e.Amount)); err != nil {
		return err
	}
	if err := checkNumber("days between instalments", int64(e.Days), 0, MaxPeriod); err != nil {
		return err
	}
	return checkText("its text", e.Text, 0, MaxReasonLen)
}

func checkTellers(e Effect) error {
	sorted := slices.SortedFunc(slices.Values(e.Keys), record.Key.Compare)
	if len(slices.Compact(sorted)) != len(e.Keys) {
		return errors.New("a device is named twice")
	}
	return checkNumber("tellers", int64(len(e.Keys)), 1, member.MaxTellers)
}

func checkNumber(what string, n, low, high int64) error {
	if n < low || n > high {
		return fmt.Errorf("%d %s, not %d to %d", n, what, low, high)
	}
	return nil
}

// checkEffects holds what needs no state: the form of all effects of a
// proposal, and that its rule is the one they need.
func checkEffects(effects []Effect, rule Rule) error {
	if len(effects) > MaxEffects {
		return fmt.Errorf("%d effects, more than %d: split the proposal", len(effects), MaxEffects)
	}
	if len(effects) > 1 && expels(effects) {
		return errors.New("an expulsion is the only effect of its proposal: propose the rest apart")
	}
	for i, e := range effects {
		if err := e.check(rule); err != nil {
			return fmt.Errorf("effect %d (%s): %w", i+1, e.Kind, err)
		}
	}
	return nil
}

func (e Effect) check(rule Rule) error {
	n, known := natureOf(e.Kind)
	if !known {
		return errors.New("this version does not know it; update coop")
	}
	if rule != n.rule && (n.rule != Governance || rule != Constitutional) {
		return fmt.Errorf("it needs a proposal that is %s, not %s", n.rule, rule)
	}
	only := n.uses(e)
	only.Kind = e.Kind
	if !bytes.Equal(record.Marshal(only), record.Marshal(e)) {
		return errors.New("it says more than such an effect uses")
	}
	return n.check(e)
}

func expels(effects []Effect) bool {
	return slices.ContainsFunc(effects, func(e Effect) bool { return e.Kind == EffectExpel })
}

// RuleFor returns the rule under which these effects may be opened: the one
// that asks for the fewest votes, ordinary if there are none.
func RuleFor(effects []Effect) Rule {
	rule := Ordinary
	for _, e := range effects {
		if n, _ := natureOf(e.Kind); n.rule == Constitutional || rule == Ordinary {
			rule = n.rule
		}
	}
	return rule
}

// checkIn holds that whom and what an effect names is there. Whether it can
// take place is judged where the proposal passes.
func (e Effect) checkIn(people *member.State) error {
	switch e.Kind {
	case EffectBudgetEnd:
		return nil // it names nobody
	case EffectBylaw:
		return people.CheckClause(e.Name, e.Amount, e.Text)
	case EffectRecover:
		card, err := member.ParseCard(e.Card)
		if err != nil {
			return err
		}
		if card.Coop != people.Coop || card.Recovers != e.Member {
			return errors.New("the card is not for this person of this co-op: ask them for one that is")
		}
	}
	if _, ok := people.Unit(e.Unit); !ok && (e.Kind == EffectCreditLimit || e.Kind == EffectBudget) {
		return fmt.Errorf("the co-op has no unit %q", e.Unit)
	}
	named := e.Members
	if e.Kind != EffectMembers && e.Kind != EffectTellers {
		named = []record.ID{e.Member}
	}
	for _, id := range named {
		m, ok := people.Members.Get(id)
		switch readmit := e.Kind == EffectReadmit; {
		case ok && readmit && !m.Gone():
			return fmt.Errorf("%s is in the co-op: there is nobody to readmit", m.Name)
		case !ok || m.Gone() && !readmit:
			return fmt.Errorf("nobody of the co-op has the id %s", id.Short())
		}
	}
	for _, k := range e.Keys {
		if !people.Devices.Has(k) {
			return fmt.Errorf("nobody of the co-op has the device %s", k.Short())
		}
	}
	return nil
}

// Introduces returns what a record that opens a proposal introduces, for
// history: the keys of people who are to be recovered.
func Introduces(r *record.Record) []history.Introduction {
	var b OpenBody
	if read(r, &b) != nil {
		return nil
	}
	var all []history.Introduction
	for _, e := range b.Effects {
		if e.Kind == EffectRecover {
			all = append(all, member.CardIntroduces(r.CoopID(), e.Card)...)
		}
	}
	return all
}
