package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"coop/crdt/member"
	"coop/crdt/record"
)

// act is one act at its place in the order.
type act struct {
	*State
	people *member.State
	by     member.Member
	r      *record.Record
}

// Apply carries out one act of the ledger, written by a member who may act. An
// error is the reason of the Problem; the state is then as it was before.
func (s *State) Apply(people *member.State, by member.Member, r *record.Record) error {
	a := act{s, people, by, r}
	if by.Gone() {
		return fmt.Errorf("%s is not in the co-op any more and cannot act", by.Name)
	}
	switch r.Kind {
	case KindTransfer:
		return a.transfer()
	case KindAccept, KindDecline, KindCancel:
		return a.answer()
	case KindRequest:
		return a.request()
	case KindRule:
		return a.rule()
	case KindInstalment:
		return a.instalment()
	}
	return fmt.Errorf("%s is no act of the ledger", r.Kind)
}

func (a act) transfer() error {
	var b TransferBody
	if err := read(a.r, &b); err != nil {
		return err
	}
	p := a.payment(b.Unit, b.Amount, b.Note)
	p.From, p.To, p.For, p.Request, p.Reverses = a.by.ID, b.To, b.For, b.Request, b.Reverses
	if err := a.checkLinks(p); err != nil { // before: who tries to reverse their own payment is told whose it is to do
		return err
	}
	if err := a.checkOther(p.To, p.Unit); err != nil {
		return err
	}
	if err := a.checkFunds(p); err != nil {
		return err
	}
	if a.agreed(p) {
		return a.pay(p)
	}
	if err := a.begin(p); err != nil {
		return err
	}
	a.reserve(p.payer(), p.Amount)
	return nil
}

func (a act) request() error {
	var b RequestBody
	if err := read(a.r, &b); err != nil {
		return err
	}
	p := a.payment(b.Unit, b.Amount, b.Note)
	p.Asked, p.From, p.To, p.For = true, b.From, a.by.ID, b.For
	if p.From == a.people.Coop {
		return errors.New("the treasury pays only what a decision granted: propose a budget line")
	}
	if err := a.checkOther(p.From, p.Unit); err != nil {
		return err
	}
	return a.begin(p)
}

// payment is what is common to all that this act may begin.
func (a act) payment(unit string, amount int64, note string) Payment {
	return Payment{
		ID: a.r.ID, Number: uint64(a.Payments.Len()), By: a.by.ID, Unit: unit, Amount: amount, Note: note,
		Time: a.r.Time, Status: StatusPending,
	}
}

// checkOther holds with whom and in which unit somebody may deal.
func (a act) checkOther(other record.ID, unit string) error {
	if _, err := unitOf(a.people, unit); err != nil {
		return err
	}
	if other == a.by.ID {
		return errors.New("nobody pays themselves: name somebody else")
	}
	if other == a.people.Coop {
		return nil
	}
	return checkPerson(a.people, other)
}

// checkLinks holds what a transfer must be to pay a request or to reverse a
// payment.
func (a act) checkLinks(p Payment) error {
	if p.Request != (record.ID{}) {
		return a.checkPays(p)
	}
	if p.Reverses != (record.ID{}) {
		return a.checkReverses(p)
	}
	return nil
}

func (a act) checkPays(p Payment) error {
	q, ok := a.Payments.Get(p.Request)
	switch {
	case !ok || !q.Asked:
		return fmt.Errorf("there is no request %s", p.Request.Short())
	case q.Status == StatusAccepted:
		return fmt.Errorf("the request %s is paid already, by payment %s", q.ID.Short(), q.Request.Short())
	case q.Status != StatusPending:
		return fmt.Errorf("the request %s is %s: pay without naming it", q.ID.Short(), q.Status)
	case q.payer() != p.payer() || q.payee() != p.payee() || q.Amount != p.Amount:
		return fmt.Errorf("the request %s asks %s to pay %s to %s: pay exactly that, or pay without naming it",
			q.ID.Short(), nameOf(a.people, q.From), show(q.Amount, a.unit(q.Unit)), nameOf(a.people, q.To))
	}
	return nil
}

func (a act) checkReverses(p Payment) error {
	was, ok := a.Payments.Get(p.Reverses)
	switch {
	case !ok || was.Asked:
		return fmt.Errorf("there is no payment %s to reverse", p.Reverses.Short())
	case was.Status != StatusAccepted:
		return fmt.Errorf("the payment %s is %s: only what was accepted can be reversed", was.ID.Short(), was.Status)
	case was.payee() != p.payer() || was.payer() != p.payee():
		return fmt.Errorf("the payment %s was from %s to %s in %s: only %s can reverse it, with a payment back in %s",
			was.ID.Short(), nameOf(a.people, was.From), nameOf(a.people, was.To), was.Unit, nameOf(a.people, was.To), was.Unit)
	}
	if left, u := a.Reversible(was), a.unit(was.Unit); p.Amount > left {
		return fmt.Errorf("%s is more than %s, what is left of payment %s to reverse", show(p.Amount, u), show(left, u), was.ID.Short())
	}
	return nil
}

// Reversible returns how much of a payment its payee may still give back by
// reversals, in minor units: 0 unless it was accepted.
func (s *State) Reversible(p Payment) int64 {
	if p.Asked || p.Status != StatusAccepted {
		return 0
	}
	returned, _ := s.Returned.Get(p.ID)
	return p.Amount - returned
}

// checkFunds holds the credit limit: nobody goes below it by their own act.
func (a act) checkFunds(p Payment) error {
	available := a.Available(a.people, p.payer())
	if p.Amount <= available {
		return nil
	}
	u, acc, limit := a.unit(p.Unit), a.Account(p.payer()), a.Limit(a.people, p.payer())
	return fmt.Errorf("%s is more than the %s that %s has available (balance %s, reserved for pending payments %s, credit limit of %s %s): pay less, or cancel a pending payment",
		show(p.Amount, u), show(max(available, 0), u), a.by.Name, FormatAmount(acc.Balance, u), FormatAmount(acc.Reserved, u), a.by.Name, FormatAmount(limit, u))
}

// agreed reports whether the payee has accepted a transfer beforehand.
func (a act) agreed(p Payment) bool {
	if p.To == a.people.Coop || p.Request != (record.ID{}) || p.Reverses != (record.ID{}) {
		return true
	}
	clauses, _ := a.Rules.Get(p.To)
	return slices.ContainsFunc(clauses, func(c Accept) bool {
		_, named := slices.BinarySearchFunc(c.From, p.From, record.ID.Compare)
		return c.Unit == p.Unit && p.Amount <= c.Max && (named || len(c.From) == 0)
	})
}

// pay carries out a payment: what one account loses the other gets.
func (a act) pay(p Payment) error {
	if err := a.checkRoom(a.people, p.payee(), p.Amount); err != nil {
		return err
	}
	p.Status = StatusAccepted
	a.Payments.Put(p.ID, p)
	a.post(p.payer(), p.ID, -p.Amount)
	a.post(p.payee(), p.ID, p.Amount)
	if p.Request != (record.ID{}) {
		q, _ := a.Payments.Get(p.Request)
		q.Request = p.ID
		a.end(q, StatusAccepted, "")
	}
	if p.Reverses != (record.ID{}) {
		returned, _ := a.Returned.Get(p.Reverses)
		a.Returned.Put(p.Reverses, mustAdd(returned, p.Amount))
	}
	return nil
}

func (a act) rule() error {
	var b RuleBody
	if err := read(a.r, &b); err != nil {
		return err
	}
	for _, c := range b.Accepts {
		if _, err := unitOf(a.people, c.Unit); err != nil {
			return err
		}
	}
	a.Rules.Put(a.by.ID, b.Accepts)
	return nil
}

// answer accepts, declines or cancels what is pending.
func (a act) answer() error {
	var b AnswerBody
	if err := read(a.r, &b); err != nil {
		return err
	}
	p, ok := a.Payments.Get(b.ID)
	if !ok {
		return fmt.Errorf("there is no payment or request %s", b.ID.Short())
	}
	if p.Status != StatusPending {
		return fmt.Errorf("%s is %s already", p.ID.Short(), p.Status)
	}
	begun, asked := a.by.ID == p.By, a.by.ID == p.Answerer()
	switch {
	case a.r.Kind == KindCancel && !begun:
		return fmt.Errorf("only %s can cancel %s", nameOf(a.people, p.By), p.ID.Short())
	case a.r.Kind == KindDecline && p.Asked && begun, a.r.Kind == KindCancel:
		a.end(p, StatusCancelled, b.Note)
	case !asked:
		return fmt.Errorf("only %s can accept or decline %s", nameOf(a.people, p.Answerer()), p.ID.Short())
	case a.r.Kind == KindDecline:
		a.end(p, StatusDeclined, b.Note)
	case p.Asked:
		return fmt.Errorf("%s is a request: accept it by paying it", p.ID.Short())
	default:
		if err := a.pay(p); err != nil {
			return err
		}
		a.end(p, StatusAccepted, b.Note)
	}
	return nil
}

// Depart settles what is pending with somebody at the place in the order where
// they leave or are expelled: payments to them and requests from and to them
// are declined, for the reason given, and their standing rule and the limits that
// decisions gave them end: should they come back, they come without. Payments
// from them stay: they were signed and reserved in time, so that the payees may
// still accept them.
func (s *State) Depart(people *member.State, who record.ID, why string) {
	for _, p := range s.Pending(who) {
		if p.Asked || p.To == who {
			s.end(p, StatusDeclined, why)
		}
	}
	s.Rules.Delete(who)
	for _, u := range people.Units {
		k := AccountKey{Unit: u.Code, Owner: who}
		if a := s.Account(k); a.OwnLimit {
			a.OwnLimit, a.Limit = false, 0
			s.Accounts.Put(k, a)
		}
	}
}

// Pending returns the payments and requests from and to a member that wait for
// an answer, oldest first.
func (s *State) Pending(who record.ID) []Payment {
	var ps []Payment
	for k := range s.Waiting.From(WaitingKey{Member: who}) {
		if k.Member != who {
			break
		}
		p, _ := s.Payments.Get(k.ID)
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b Payment) int { return cmp.Compare(a.Number, b.Number) })
	return ps
}

// begin lets a payment or request wait for an answer.
func (a act) begin(p Payment) error {
	n, _ := a.Begun.Get(p.By)
	if n >= MaxWaiting {
		return fmt.Errorf("%d payments and requests of %s wait for an answer, as many as may: cancel some", n, a.by.Name)
	}
	a.Begun.Put(p.By, n+1)
	a.Payments.Put(p.ID, p)
	a.Waiting.Put(WaitingKey{Member: p.From, ID: p.ID}, p.From == p.By)
	a.Waiting.Put(WaitingKey{Member: p.To, ID: p.ID}, p.To == p.By)
	return nil
}

// end undoes begin, with the outcome, and frees what a payment had reserved.
func (s *State) end(p Payment, status Status, answer string) {
	p.Status, p.Answer = status, answer
	s.Payments.Put(p.ID, p)
	s.Waiting.Delete(WaitingKey{Member: p.From, ID: p.ID})
	s.Waiting.Delete(WaitingKey{Member: p.To, ID: p.ID})
	n, _ := s.Begun.Get(p.By)
	s.Begun.Put(p.By, n-1)
	if !p.Asked {
		s.reserve(p.payer(), -p.Amount)
	}
}

func unitOf(people *member.State, code string) (member.Unit, error) {
	u, ok := people.Unit(code)
	if !ok {
		return member.Unit{}, fmt.Errorf("the co-op has no unit %q", code)
	}
	return u, nil
}

// unit is a unit that was checked before.
func (a act) unit(code string) member.Unit {
	u, _ := a.people.Unit(code)
	return u
}

// checkPerson holds that somebody is in the co-op.
func checkPerson(people *member.State, id record.ID) error {
	m, ok := people.Members.Get(id)
	if a, awaited := people.Awaited.Get(id); awaited {
		return fmt.Errorf("%s has not come to the co-op yet: invite them first", a.Name)
	}
	if !ok {
		return fmt.Errorf("nobody in the co-op is %s", id.Short())
	}
	if m.Gone() {
		return fmt.Errorf("%s is not in the co-op any more", m.Name)
	}
	return nil
}

// nameOf is what the owner of an account is called.
func nameOf(people *member.State, id record.ID) string {
	if m, ok := people.Members.Get(id); ok {
		return m.Name
	}
	if id == people.Coop {
		return "the treasury"
	}
	return id.Short()
}
