package coop

import (
	"fmt"
	"io"
	"strings"

	"coop/crdt/document"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/crdt/table"
)

// Acts is what the acts have made of the co-op at one place in their order.
type Acts struct {
	People    *member.State
	Proposals *proposal.State
	Ledger    *ledger.State
	Problems  table.Table[record.ID, Problem]
}

func newProblems() table.Table[record.ID, Problem] { return table.New[record.ID, Problem]() }

func (a *Acts) clone() *Acts {
	return &Acts{People: a.People.Clone(), Proposals: a.Proposals.Clone(), Ledger: a.Ledger.Clone(), Problems: a.Problems.Clone()}
}

func (a *Acts) writeTo(w io.Writer) {
	write(w, a.People)
	write(w, a.Proposals)
	write(w, a.Ledger)
	write(w, a.Problems)
}

// act is one record in its place in the order. What is no act is needed only
// to count the device's slots, so its body is not loaded.
type act struct {
	node   history.Node
	record func() *record.Record
}

func (c *Coop) act(ref history.Ref) act {
	return act{c.h.At(ref), func() *record.Record { return c.load(ref) }}
}

func isAct(kind string) bool { return !document.IsContent(kind) && kind != KindAck }

// removed reports whether a device is somebody's and was put out.
func (a *Acts) removed(device record.Key) bool {
	return a.People.Devices.Has(device) && !a.People.Stands(device)
}

// step is one act being applied.
type step struct {
	*Acts
	at       record.ID
	asked    mandate     // as of the last time all open proposals were judged
	departed []record.ID // who left or was expelled by the act
}

// mandate tells when open proposals are to be judged again: who votes has changed, or
// who keeps the minutes.
type mandate struct{ turnover, seating uint64 }

func (a *Acts) mandate() mandate { return mandate{a.People.Turnover, a.People.Seating} }

func (a *Acts) step(at record.ID) *step { return &step{Acts: a, at: at, asked: a.mandate()} }

// apply gives one record to the state machine. It reports whether somebody's
// devices were put out.
func (a *Acts) apply(act act) (removed bool) {
	n := act.node
	if n.Prev == history.None && n.Depth == 1 {
		return false // the founding record made the state
	}
	s := a.step(n.ID)
	before := a.People.Removals
	if err := a.People.Advance(n.ID, n.Device, n.Seq); err != nil {
		a.problem(n, err)
		return a.People.Removals != before
	}
	if !isAct(n.Kind) || n.Kind == member.KindReseat { // which stands outside the order
		return false
	}
	if err := s.run(act.record()); err != nil {
		a.problem(n, err)
	}
	s.review()
	return a.People.Removals != before
}

func (a *Acts) problem(n history.Node, err error) {
	a.Problems.Put(n.ID, Problem{Record: n.ID, Kind: n.Kind, Device: n.Device, Reason: err.Error()})
}

// run gives an act to its subject and lets what it decides take effect.
func (s *step) run(r *record.Record) error {
	by, err := s.People.AuthorOf(r)
	if err != nil {
		return err
	}
	by = s.People.Wake(by.ID)
	subject, _, _ := strings.Cut(r.Kind, "/")
	switch subject {
	case "member", "device", "seat":
		return s.people(by, r)
	case "ledger":
		return s.Ledger.Apply(s.People, by, r)
	case "proposal", "vote":
		ids, err := s.Proposals.Apply(s.People, by, r)
		for _, id := range ids {
			s.judge(id)
		}
		return err
	}
	return fmt.Errorf("this version does not know what %q means; update coop", r.Kind)
}

func (s *step) people(by member.Member, r *record.Record) error {
	if err := s.People.Apply(by, r); err != nil {
		return err
	}
	if r.Kind == member.KindLeave {
		s.depart(by.ID, by.Name+" left")
	}
	return nil
}

// judge judges one open proposal, and lets it take effect if it passes.
func (s *step) judge(id record.ID) {
	if p, passed := s.Proposals.Judge(s.People, id, s.at, s.departed); passed {
		s.execute(p)
	}
}

// review judges all open proposals again, by id, if the mandate has changed, until it
// changes no more: once for an act and once for each decision, whatever it has of
// effects. What is not open any more costs nothing.
func (s *step) review() {
	for s.asked != s.mandate() {
		s.asked = s.mandate()
		for id := range s.Proposals.Undecided.Clone().All() {
			s.judge(id)
		}
	}
}

// depart settles what somebody who is no longer there leaves behind.
func (s *step) depart(who record.ID, why string) {
	s.Ledger.Depart(s.People, who, why)
	s.departed = append(s.departed, who)
}

// execute lets the effects of a decision take place, in their order. One that
// cannot does not stop the others: why is kept with the proposal.
func (s *step) execute(p proposal.Proposal) {
	for i, e := range p.Effects {
		if err := s.effect(p, e); err != nil {
			s.Proposals.EffectFailed(p.ID, i, err.Error())
		}
	}
}

func (s *step) effect(p proposal.Proposal, e proposal.Effect) error {
	switch e.Kind {
	case proposal.EffectMembers:
		return s.People.MakeMember(e.Members)
	case proposal.EffectOffice:
		return s.People.SetOffice(e.Member, e.Name, e.On)
	case proposal.EffectExpel:
		return s.expel(e.Member, len(p.Voters))
	case proposal.EffectReadmit:
		return s.People.Readmit(e.Member)
	case proposal.EffectRecover:
		return s.People.Recover(e.Member, e.Card)
	case proposal.EffectRest:
		return s.People.Rest(e.Member, p.Since)
	case proposal.EffectBylaw:
		return s.People.SetClause(e.Name, e.Amount, e.Text)
	case proposal.EffectTellers:
		return s.People.SetTellers(e.Keys)
	case proposal.EffectCreditLimit:
		return s.Ledger.SetLimit(s.People, e.Member, e.Unit, e.Amount)
	case proposal.EffectBudget:
		line := ledger.Line{Payee: e.Member, Unit: e.Unit, Total: e.Amount, Instalments: e.Parts, PeriodDays: e.Days}
		return s.Ledger.AddBudget(s.People, p.ID, line)
	case proposal.EffectBudgetEnd:
		return s.Ledger.EndBudget(ledger.BudgetKey{Proposal: e.Proposal, Line: e.Line})
	}
	panic("coop: effect " + e.Kind + " passed its check and is unknown")
}

func (s *step) expel(who record.ID, deciders int) error {
	if err := s.People.Expel(who, deciders); err != nil {
		return err
	}
	m, _ := s.People.Members.Get(who)
	s.depart(who, m.Name+" was expelled")
	return nil
}

// Try says why an act of this device would be a Problem now, or nil. Nothing
// is changed: a node asks before it signs.
func (c *Coop) Try(device record.Key, kind string, body []byte) error {
	c.settle()
	if kind == member.KindReseat {
		return c.tryReseat(body)
	}
	trial := c.layer.clone().step(record.ID{})
	return trial.run(&record.Record{Header: record.Header{Coop: c.h.Coop(), Device: device, Kind: kind}, Body: body})
}

// TryEffects says of each of these effects why it could not take place if they
// were all decided now, nil where it could. Nothing is changed.
func (c *Coop) TryEffects(effects []proposal.Effect) []error {
	c.settle()
	trial := c.layer.clone().step(record.ID{})
	errs := make([]error, len(effects))
	for i, e := range effects {
		errs[i] = trial.effect(proposal.Proposal{Effects: effects, Voters: proposal.Electorate(trial.People, effects), Since: trial.People.Acts}, e)
	}
	return errs
}
