package ledger_test

import (
	"bytes"
	"maps"
	"math"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
)

// crowd is a world in which random people do random things, sensible or not.
type crowd struct {
	*world
	ids   []record.ID // of every record, also of those that are Problems
	final map[record.ID]ledger.Payment
	kept  []*ledger.State  // clones of some moments
	bytes [][]byte         // and what they held
	lines map[string]int64 // what decisions granted, by unit
}

var (
	anyPerson = rapid.SampledFrom(append(persons, ana, bo, ana, bo))
	anyOwner  = rapid.SampledFrom(append(persons, coop, idOf("stranger"), ana, bo, chi, dan))
	anyUnit   = rapid.SampledFrom([]string{"euro", "euro", "euro", "bread", "yen"})
	anyAmount = rapid.OneOf(
		rapid.Int64Range(1, 60), rapid.Int64Range(1, 60), rapid.Int64Range(0, 6000), rapid.Int64(),
		rapid.SampledFrom([]int64{0, -1, math.MinInt64, math.MaxInt64, ledger.MaxAmount, ledger.MaxAmount + 1, 4999, 5000, 5001}),
	)
)

// pick returns a payment that fits, one time in ten anything or nothing.
func (c *crowd) pick(t *rapid.T, fits func(p ledger.Payment) bool) ledger.Payment {
	ids := []record.ID{{}}
	odd := rapid.IntRange(0, 9).Draw(t, "odd") == 0
	for _, id := range c.ids {
		if p, _ := c.Payments.Get(id); odd || fits(p) {
			ids = append(ids, id)
		}
	}
	p, _ := c.Payments.Get(rapid.SampledFrom(ids).Draw(t, "id"))
	return p
}

func pending(p ledger.Payment) bool  { return p.Status == ledger.StatusPending }
func asked(p ledger.Payment) bool    { return p.Asked && pending(p) }
func accepted(p ledger.Payment) bool { return p.Status == ledger.StatusAccepted }

// do applies an act and holds what every act must keep to.
func (c *crowd) do(t *rapid.T, by record.ID, kind string, body any) {
	before := bytesOf(c.State)
	id, err := c.act(by, kind, record.Marshal(body))
	c.ids = append(c.ids, id)
	if err != nil {
		if !bytes.Equal(bytesOf(c.State), before) {
			t.Fatalf("%s %+v: the problem %q changed the ledger", kind, body, err)
		}
		return
	}
	if m, _ := c.people.Members.Get(by); m.Gone() {
		t.Fatalf("%s %+v by somebody who is gone", kind, body)
	}
	if kind == ledger.KindTransfer {
		c.checkLimit(t, by, body.(ledger.TransferBody))
	}
}

// checkLimit holds that nobody goes below the limit by their own act. The limit
// is computed apart from the ledger's own rule.
func (c *crowd) checkLimit(t *rapid.T, by record.ID, b ledger.TransferBody) {
	k := ledger.AccountKey{Unit: b.Unit, Owner: by}
	a := c.Account(k)
	m, _ := c.people.Members.Get(by)
	limit := int64(0)
	switch {
	case a.OwnLimit:
		limit = a.Limit
	case m.Status == member.StatusMember || m.Status == member.StatusResting:
		limit = 50
		if b.Unit == "euro" {
			limit = 5000
		}
	}
	if a.Balance-a.Reserved < -limit {
		t.Fatalf("%s went to %d with %d reserved by their own act, beyond %d", m.Name, a.Balance, a.Reserved, limit)
	}
}

func (c *crowd) transfer(t *rapid.T) {
	c.do(t, anyPerson.Draw(t, "by"), ledger.KindTransfer, ledger.TransferBody{
		To: anyOwner.Draw(t, "to"), Unit: anyUnit.Draw(t, "unit"), Amount: anyAmount.Draw(t, "amount"),
		Note: rapid.StringN(0, 3, 6).Draw(t, "note"),
	})
}

// pays answers a request, mostly as it asks.
func (c *crowd) pays(t *rapid.T) {
	q := c.pick(t, asked)
	b := ledger.TransferBody{To: q.To, Unit: q.Unit, Amount: q.Amount, Request: q.ID}
	if rapid.IntRange(0, 4).Draw(t, "otherwise") == 0 {
		b.To, b.Amount = anyOwner.Draw(t, "to"), anyAmount.Draw(t, "amount")
	}
	c.do(t, q.From, ledger.KindTransfer, b)
}

func (c *crowd) reverse(t *rapid.T) {
	p := c.pick(t, accepted)
	b := ledger.TransferBody{To: p.From, Unit: p.Unit, Amount: p.Amount, Reverses: p.ID}
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		b.Amount = anyAmount.Draw(t, "amount")
	case 1:
		b.Amount = p.Amount/2 + 1
	case 2:
		b.To = anyOwner.Draw(t, "to")
	}
	c.do(t, p.To, ledger.KindTransfer, b)
}

func (c *crowd) answer(t *rapid.T) {
	kind := rapid.SampledFrom([]string{ledger.KindAccept, ledger.KindAccept, ledger.KindDecline, ledger.KindCancel}).Draw(t, "kind")
	p := c.pick(t, pending)
	by := rapid.SampledFrom([]record.ID{p.From, p.To, p.To, anyPerson.Draw(t, "anyone")}).Draw(t, "by")
	c.do(t, by, kind, ledger.AnswerBody{ID: p.ID})
}

func (c *crowd) request(t *rapid.T) {
	c.do(t, anyPerson.Draw(t, "by"), ledger.KindRequest, ledger.RequestBody{
		From: anyOwner.Draw(t, "from"), Unit: anyUnit.Draw(t, "unit"), Amount: anyAmount.Draw(t, "amount"),
	})
}

func (c *crowd) rule(t *rapid.T) {
	var accepts []ledger.Accept
	for range rapid.IntRange(0, 2).Draw(t, "clauses") {
		accepts = append(accepts, ledger.Accept{
			From: record.SortIDs(rapid.SliceOfN(anyOwner, 0, 2).Draw(t, "from")), Unit: anyUnit.Draw(t, "unit"),
			Max: rapid.Int64Range(1, 100).Draw(t, "max"),
		})
	}
	c.do(t, anyPerson.Draw(t, "by"), ledger.KindRule, ledger.RuleBody{Accepts: accepts})
}

func (c *crowd) instalment(t *rapid.T) {
	proposal := rapid.SampledFrom([]record.ID{idOf("p"), idOf("q")}).Draw(t, "proposal")
	line := rapid.SampledFrom([]uint32{0, 1, 2}).Draw(t, "line")
	b, _ := c.Budgets.Get(ledger.BudgetKey{Proposal: proposal, Line: line})
	number, amount := b.Made+1, rapid.OneOf(rapid.Just(b.Next()), rapid.Just(b.Next()+1), anyAmount).Draw(t, "amount")
	if rapid.IntRange(0, 4).Draw(t, "otherwise") == 0 {
		number = rapid.Uint32().Draw(t, "number")
	}
	by := rapid.SampledFrom([]record.ID{ana, ana, ana, bo}).Draw(t, "by")
	c.do(t, by, ledger.KindInstalment, ledger.InstalmentBody{Proposal: proposal, Line: line, Number: number, Amount: amount})
}

// decide is what decisions do, with whatever they say.
func (c *crowd) decide(t *rapid.T) {
	who, unit := anyOwner.Draw(t, "who"), anyUnit.Draw(t, "unit")
	if rapid.Bool().Draw(t, "limit") {
		limit := rapid.OneOf(rapid.Int64Range(0, 200), anyAmount).Draw(t, "limit")
		_ = c.SetLimit(c.people, who, unit, limit) // whatever it says must keep the invariants
		return
	}
	total := rapid.OneOf(rapid.Int64Range(1, 500), anyAmount).Draw(t, "total")
	c.grant(rapid.SampledFrom([]record.ID{idOf("p"), idOf("q")}).Draw(t, "proposal"),
		ledger.Line{Payee: who, Unit: unit, Total: total, Instalments: rapid.Uint32Range(0, 4).Draw(t, "instalments")})
}

func (c *crowd) grant(proposal record.ID, l ledger.Line) {
	if c.AddBudget(c.people, proposal, l) == nil {
		c.lines[l.Unit] += l.Total
	}
}

// turn changes what somebody is, now and then.
func (c *crowd) turn(t *rapid.T) {
	if rapid.IntRange(0, 7).Draw(t, "seldom") > 0 {
		return
	}
	who := rapid.SampledFrom(persons).Draw(t, "who")
	c.become(who, rapid.SampledFrom([]member.Status{
		member.StatusMember, member.StatusMember, member.StatusAssociate, member.StatusResting, member.StatusLeft, member.StatusExpelled,
	}).Draw(t, "status"))
	if m, _ := c.people.Members.Get(who); m.Gone() {
		c.Depart(c.people, who, "gone")
		for _, p := range c.Pending(who) {
			if p.Asked || p.From != who {
				t.Fatalf("%+v waits for somebody who is gone", p)
			}
		}
	}
}

func (c *crowd) keep(*rapid.T) {
	s := c.Clone()
	c.kept, c.bytes = append(c.kept, s), append(c.bytes, bytesOf(s))
}

// check computes everything anew from the payments alone.
func (c *crowd) check(t *rapid.T) {
	c.CheckZero()
	accounts := map[ledger.AccountKey]ledger.Account{}
	returned := map[record.ID]int64{}
	waiting := map[ledger.WaitingKey]bool{}
	begun := map[record.ID]uint32{}
	change := func(unit string, who record.ID, balance, reserved int64, entries uint64) {
		k := ledger.AccountKey{Unit: unit, Owner: who}
		a := accounts[k]
		a.Balance, a.Reserved, a.Entries = a.Balance+balance, a.Reserved+reserved, a.Entries+entries
		accounts[k] = a
	}
	for id, p := range c.Payments.All() {
		if was, ok := c.final[id]; ok && was != p {
			t.Fatalf("a payment changed from %+v to %+v", was, p)
		}
		if p.Status != ledger.StatusPending {
			c.final[id] = p
		}
		switch {
		case p.Status == ledger.StatusPending:
			waiting[ledger.WaitingKey{Member: p.From, ID: id}] = p.By == p.From
			waiting[ledger.WaitingKey{Member: p.To, ID: id}] = p.By == p.To
			begun[p.By]++
			if !p.Asked {
				change(p.Unit, p.From, 0, p.Amount, 0)
			}
		case p.Status == ledger.StatusAccepted && !p.Asked:
			change(p.Unit, p.From, -p.Amount, 0, 1)
			change(p.Unit, p.To, p.Amount, 0, 1)
			if p.Reverses != (record.ID{}) {
				returned[p.Reverses] += p.Amount
			}
		}
		if p.Amount < 1 || p.Amount > ledger.MaxAmount || p.From == p.To || p.Unit == "yen" {
			t.Fatalf("there is a payment %+v", p)
		}
	}
	c.checkAccounts(t, accounts)
	for id, sum := range returned {
		if p := c.final[id]; p.Status != ledger.StatusAccepted || p.Asked || sum > p.Amount {
			t.Fatalf("%d came back of %+v", sum, p)
		}
	}
	if got := maps.Collect(c.Returned.All()); !maps.Equal(got, returned) {
		t.Fatalf("returned %v, want %v", got, returned)
	}
	if got := maps.Collect(c.Waiting.All()); !maps.Equal(got, waiting) {
		t.Fatalf("waiting %v, want %v", got, waiting)
	}
	for who, n := range c.Begun.All() {
		if n != begun[who] {
			t.Fatalf("%d begun, want %d", n, begun[who])
		}
	}
}

func (c *crowd) checkAccounts(t *rapid.T, want map[ledger.AccountKey]ledger.Account) {
	for k, a := range c.Accounts.All() {
		if a.Reserved < 0 {
			t.Fatalf("%d reserved", a.Reserved)
		}
		if w := want[k]; a.Balance != w.Balance || a.Reserved != w.Reserved || a.Entries != w.Entries {
			t.Fatalf("account is %+v, the payments make it %+v", a, w)
		}
		delete(want, k)
		balance, rows := int64(0), uint64(0)
		for e, p := range c.Statement(k, 0) {
			if balance += e.Change; balance != e.Balance || p.Status != ledger.StatusAccepted {
				t.Fatalf("entry %+v of %+v where the balance is %d", e, p, balance)
			}
			rows++
		}
		if balance != a.Balance || rows != a.Entries {
			t.Fatalf("the %d entries end at %d, the account %+v", rows, balance, a)
		}
		if k.Owner == coop && (a.Balance < -c.lines[k.Unit] || a.Reserved > 0) {
			t.Fatalf("the treasury is at %+v, decisions granted %d", a, c.lines[k.Unit])
		}
	}
	for k, a := range want {
		if a != (ledger.Account{}) {
			t.Fatalf("no account for %+v of %v", a, k)
		}
	}
}

// checkBudgets holds that no line paid more than its total, and that a line
// paid what its instalments did.
func (c *crowd) checkBudgets(t *rapid.T) {
	granted, paid := map[string]int64{}, map[record.ID]int64{}
	for k, b := range c.Budgets.All() {
		if b.Left() < 0 || b.Paid < 0 || b.Line.Instalments > 0 && b.Made > b.Line.Instalments {
			t.Fatalf("line %+v", b)
		}
		granted[b.Line.Unit] += b.Line.Total
		paid[k.Proposal] += b.Paid
	}
	if !maps.Equal(granted, c.lines) {
		t.Fatalf("granted %v, want %v", granted, c.lines)
	}
	for _, p := range c.Payments.All() {
		if p.From == coop && !p.Asked {
			paid[p.For] -= p.Amount
		}
	}
	for id, sum := range paid {
		if sum != 0 {
			t.Fatalf("lines of %s are %d off their instalments", id.Short(), sum)
		}
	}
}

func TestRandomPeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &crowd{world: newWorld(), final: map[record.ID]ledger.Payment{}, lines: map[string]int64{}}
		c.grant(idOf("p"), ledger.Line{Payee: bo, Unit: "euro", Total: 500, Instalments: 3})
		c.grant(idOf("p"), ledger.Line{Payee: dan, Unit: "bread", Total: 9})
		c.grant(idOf("q"), ledger.Line{Payee: ana, Unit: "euro", Total: 700})
		for n := range 150 {
			rapid.SampledFrom([]func(*crowd, *rapid.T){
				(*crowd).transfer, (*crowd).transfer, (*crowd).transfer, (*crowd).answer, (*crowd).answer, (*crowd).answer,
				(*crowd).request, (*crowd).pays, (*crowd).reverse, (*crowd).rule, (*crowd).instalment, (*crowd).decide, (*crowd).turn, (*crowd).keep,
			}).Draw(t, "act")(c, t)
			if n%4 == 0 {
				c.check(t)
			}
		}
		c.check(t)
		c.checkBudgets(t)
		for i, s := range c.kept {
			if !bytes.Equal(bytesOf(s), c.bytes[i]) {
				t.Fatal("a clone changed with its original")
			}
		}
		again := ledger.New()
		rest, err := again.Read(bytesOf(c.State))
		if err != nil || len(rest) > 0 || !bytes.Equal(bytesOf(again), bytesOf(c.State)) {
			t.Fatalf("read what was written: %d bytes left, %v", len(rest), err)
		}
	})
}

// bodies are those of all kinds, to decode into.
func bodies() map[string]any {
	return map[string]any{
		ledger.KindTransfer: &ledger.TransferBody{}, ledger.KindAccept: &ledger.AnswerBody{}, ledger.KindDecline: &ledger.AnswerBody{},
		ledger.KindCancel: &ledger.AnswerBody{}, ledger.KindRequest: &ledger.RequestBody{}, ledger.KindRule: &ledger.RuleBody{},
		ledger.KindInstalment: &ledger.InstalmentBody{},
	}
}

// FuzzApply gives any bytes to an act of any kind: no panic, a Problem changes
// nothing, and a body that was taken is in its one encoding.
func FuzzApply(f *testing.F) {
	f.Add(ledger.KindTransfer, record.Marshal(cents(ana, 100)))
	f.Add(ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: coop, Unit: "bread", Amount: 1, Note: "x", For: ana}))
	f.Add(ledger.KindAccept, record.Marshal(ledger.AnswerBody{ID: record.DomainID.Hash(record.Marshal(uint64(1)))}))
	f.Add(ledger.KindDecline, record.Marshal(ledger.AnswerBody{ID: record.DomainID.Hash(record.Marshal(uint64(2))), Note: "no"}))
	f.Add(ledger.KindCancel, record.Marshal(ledger.AnswerBody{}))
	f.Add(ledger.KindRequest, record.Marshal(ledger.RequestBody{From: bo, Unit: "euro", Amount: 5}))
	f.Add(ledger.KindRule, record.Marshal(ledger.RuleBody{Accepts: []ledger.Accept{{From: sorted(bo, chi), Unit: "euro", Max: 5}, {Unit: "bread", Max: 1}}}))
	f.Add(ledger.KindInstalment, record.Marshal(ledger.InstalmentBody{Proposal: idOf("p"), Number: 1, Amount: 10}))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		w := newWorld()
		w.must(t, bo, ledger.KindTransfer, cents(ana, 100))
		w.must(t, bo, ledger.KindRequest, ledger.RequestBody{From: ana, Unit: "euro", Amount: 5})
		if err := w.AddBudget(w.people, idOf("p"), ledger.Line{Payee: bo, Unit: "euro", Total: 100}); err != nil {
			t.Fatal(err)
		}
		before := bytesOf(w.State)
		_, err := w.act(ana, kind, body)
		w.CheckZero()
		if err != nil {
			if !bytes.Equal(bytesOf(w.State), before) {
				t.Fatalf("the problem %q changed the ledger", err)
			}
			return
		}
		b := bodies()[kind]
		if err := record.Unmarshal(body, b); err != nil || !bytes.Equal(record.Marshal(b), body) {
			t.Fatalf("%s %x was taken and encodes to %x, %v", kind, body, record.Marshal(b), err)
		}
	})
}
