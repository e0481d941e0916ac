package ledger_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
)

func TestTransfer(t *testing.T) {
	w := newWorld()
	id := w.must(t, bo, ledger.KindTransfer, ledger.TransferBody{To: ana, Unit: "euro", Amount: 1250, Note: "bread", For: idOf("listing")})
	w.account(t, bo, 0, 1250)
	w.account(t, ana, 0, 0)
	w.must(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: id, Note: "thanks"})
	w.account(t, bo, -1250, 0)
	w.account(t, ana, 1250, 0)

	got, _ := w.Payments.Get(id)
	want := ledger.Payment{
		ID: id, By: bo, From: bo, To: ana, Unit: "euro", Amount: 1250, Note: "bread", For: idOf("listing"),
		Time: 1, Status: ledger.StatusAccepted, Answer: "thanks",
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name string
		by   record.ID
		kind string
		want ledger.Status
	}{
		{"payee accepts", ana, ledger.KindAccept, ledger.StatusAccepted},
		{"payee declines", ana, ledger.KindDecline, ledger.StatusDeclined},
		{"payer cancels", bo, ledger.KindCancel, ledger.StatusCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			id := w.must(t, bo, ledger.KindTransfer, cents(ana, 100))
			answer := ledger.AnswerBody{ID: id, Note: "so be it"}
			w.problem(t, bo, ledger.KindAccept, answer, "only Ana can accept or decline")
			w.problem(t, bo, ledger.KindDecline, answer, "only Ana can accept or decline")
			w.problem(t, chi, ledger.KindAccept, answer, "only Ana can accept or decline")
			w.problem(t, ana, ledger.KindCancel, answer, "only Bo can cancel")
			w.problem(t, chi, ledger.KindCancel, answer, "only Bo can cancel")
			w.must(t, tt.by, tt.kind, answer)
			w.status(t, id, tt.want)
			if p, _ := w.Payments.Get(id); p.Answer != "so be it" {
				t.Errorf("answer is %q", p.Answer)
			}
			moved := int64(0)
			if tt.want == ledger.StatusAccepted {
				moved = 100
			}
			w.account(t, bo, -moved, 0)
			w.account(t, ana, moved, 0)
			for _, kind := range []string{ledger.KindAccept, ledger.KindDecline} {
				w.problem(t, ana, kind, answer, "already", tt.want.String())
			}
			w.problem(t, bo, ledger.KindCancel, answer, "already", tt.want.String())
		})
	}
	w := newWorld()
	w.problem(t, bo, ledger.KindAccept, ledger.AnswerBody{ID: idOf("nothing")}, "there is no payment or request")
}

func TestTransferProblems(t *testing.T) {
	tests := []struct {
		name string
		by   record.ID
		body ledger.TransferBody
		want string
	}{
		{"nothing", bo, cents(ana, 0), "0 minor units, not 1 to 1000000000000"},
		{"less than nothing", bo, cents(ana, -1), "-1 minor units, not 1"},
		{"least there is", bo, cents(ana, math.MinInt64), "not 1 to"},
		{"most there is", bo, cents(ana, math.MaxInt64), "not 1 to"},
		{"one too many", bo, cents(ana, ledger.MaxAmount+1), "not 1 to"},
		{"to oneself", bo, cents(bo, 1), "nobody pays themselves"},
		{"to nobody", bo, cents(record.ID{}, 1), "nobody in the co-op"},
		{"to a stranger", bo, cents(idOf("stranger"), 1), "nobody in the co-op"},
		{"to who left", bo, cents(eve, 1), "Eve is not in the co-op"},
		{"to who was expelled", bo, cents(fay, 1), "Fay is not in the co-op"},
		{"by who left", eve, cents(bo, 1), "Eve is not in the co-op"},
		{"by who was expelled", fay, cents(coop, 1), "Fay is not in the co-op"},
		{"by an associate with nothing", dan, cents(bo, 1), "credit limit of Dan 0.00"},
		{"unknown unit", bo, ledger.TransferBody{To: ana, Unit: "yen", Amount: 1}, `no unit "yen"`},
		{"long note", bo, ledger.TransferBody{To: ana, Unit: "euro", Amount: 1, Note: strings.Repeat("x", ledger.MaxNoteLen+1)}, "the note is 501 bytes"},
		{"unknown request", bo, ledger.TransferBody{To: ana, Unit: "euro", Amount: 1, Request: idOf("x")}, "there is no request"},
		{"unknown payment reversed", bo, ledger.TransferBody{To: ana, Unit: "euro", Amount: 1, Reverses: idOf("x")}, "there is no payment"},
		{"both", bo, ledger.TransferBody{To: ana, Unit: "euro", Amount: 1, Request: idOf("x"), Reverses: idOf("x")}, "pays no request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			newWorld().problem(t, tt.by, ledger.KindTransfer, tt.body, tt.want)
		})
	}
}

func TestUnknownKind(t *testing.T) {
	newWorld().problem(t, bo, "ledger/mint", cents(bo, 1), "ledger/mint is no act of the ledger")
}

func TestCreditLimit(t *testing.T) {
	w := newWorld()
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 5001), "50.01 euro is more than the 50.00 euro that Bo has available", "credit limit of Bo 50.00")
	first := w.must(t, bo, ledger.KindTransfer, cents(ana, 3000))
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 2001), "20.00 euro that Bo has", "reserved for pending payments 30.00", "cancel a pending payment")
	w.must(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: first})
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 2001), "balance -30.00")
	w.must(t, bo, ledger.KindTransfer, cents(ana, 2000))
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 1), "the 0.00 euro that Bo has")

	w.must(t, bo, ledger.KindTransfer, ledger.TransferBody{To: ana, Unit: "bread", Amount: 50})
	w.problem(t, bo, ledger.KindTransfer, ledger.TransferBody{To: ana, Unit: "bread", Amount: 1}, "1 bread is more than")
}

func TestLimitOf(t *testing.T) {
	w := newWorld()
	k := func(who record.ID) ledger.AccountKey { return ledger.AccountKey{Unit: "euro", Owner: who} }
	check := func(name string, who record.ID, want int64) {
		t.Helper()
		if got := w.Limit(w.people, k(who)); got != want {
			t.Errorf("%s: limit %d, want %d", name, got, want)
		}
	}
	check("member", bo, 5000)
	check("resting", chi, 5000)
	check("associate", dan, 0)
	check("left", eve, 0)
	check("expelled", fay, 0)
	check("treasury", coop, 0)
	check("stranger", idOf("stranger"), 0)

	w.become(dan, member.StatusMember)
	check("associate made member", dan, 5000)
	w.people.Bylaws = member.Bylaws{{Name: "credit-limit/euro", Number: 80}}
	check("member after the bylaws changed", bo, 8000)

	if err := w.SetLimit(w.people, bo, "euro", 100); err != nil {
		t.Fatal(err)
	}
	check("limit of their own", bo, 100)
	if got := w.Limit(w.people, ledger.AccountKey{Unit: "bread", Owner: bo}); got != 50 {
		t.Errorf("limit in the other unit: %d, want 50", got)
	}
	w.become(bo, member.StatusLeft)
	check("left with a limit of their own", bo, 0)
}

func TestSetLimitErrors(t *testing.T) {
	tests := []struct {
		name  string
		who   record.ID
		unit  string
		limit int64
		want  string
	}{
		{"below zero", bo, "euro", -1, "not 0 to"},
		{"too much", bo, "euro", ledger.MaxAmount + 1, "not 0 to"},
		{"unknown unit", bo, "yen", 1, `no unit "yen"`},
		{"stranger", idOf("stranger"), "euro", 1, "nobody in the co-op"},
		{"treasury", coop, "euro", 1, "nobody in the co-op"},
		{"left", eve, "euro", 1, "Eve is not in the co-op"},
	}
	for _, tt := range tests {
		w := newWorld()
		before := bytesOf(w.State)
		err := w.SetLimit(w.people, tt.who, tt.unit, tt.limit)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if !bytes.Equal(bytesOf(w.State), before) {
			t.Errorf("%s: the error changed the ledger", tt.name)
		}
	}
	w := newWorld()
	for _, limit := range []int64{0, ledger.MaxAmount} {
		if err := w.SetLimit(w.people, dan, "euro", limit); err != nil {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// A limit lowered under what is used undoes nothing and stops new payments.
func TestLimitLowered(t *testing.T) {
	w := newWorld()
	w.accepted(t, bo, ana, 3000)
	pending := w.must(t, bo, ledger.KindTransfer, cents(ana, 1000))
	if err := w.SetLimit(w.people, bo, "euro", 500); err != nil {
		t.Fatal(err)
	}
	if got := w.Available(w.people, ledger.AccountKey{Unit: "euro", Owner: bo}); got != -3500 {
		t.Errorf("available %d, want -3500", got)
	}
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 1), "the 0.00 euro that Bo has", "balance -30.00", "credit limit of Bo 5.00")
	w.must(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: pending})
	w.account(t, bo, -4000, 0)
	w.accepted(t, ana, bo, 3600)
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 101), "the 1.00 euro that Bo has")
	w.must(t, bo, ledger.KindTransfer, cents(ana, 100))
}

// Bo spends his whole limit on both sides of a partition from two devices. In
// whatever order the acts end up, the first stands and the second is a Problem.
func TestOverLimitAcrossPartition(t *testing.T) {
	sides := []ledger.TransferBody{cents(ana, 5000), cents(chi, 5000)}
	for first := range sides {
		w := newWorld()
		for _, payee := range []record.ID{ana, chi} {
			w.must(t, payee, ledger.KindRule, ledger.RuleBody{Accepts: []ledger.Accept{{Unit: "euro", Max: ledger.MaxAmount}}})
		}
		stands, fails := sides[first], sides[1-first]
		w.must(t, bo, ledger.KindTransfer, stands)
		w.problem(t, bo, ledger.KindTransfer, fails, "50.00 euro is more than the 0.00 euro that Bo has available", "balance -50.00", "credit limit of Bo 50.00")
		w.account(t, bo, -5000, 0)
		w.account(t, stands.To, 5000, 0)
		w.account(t, fails.To, 0, 0)
		w.CheckZero()
	}
}

// One payment accepted on one side and declined on the other: the first of the
// two in the order counts.
func TestAnswersAcrossPartition(t *testing.T) {
	kinds := []string{ledger.KindAccept, ledger.KindDecline}
	for first := range kinds {
		w := newWorld()
		id := w.must(t, bo, ledger.KindTransfer, cents(ana, 10))
		w.must(t, ana, kinds[first], ledger.AnswerBody{ID: id})
		w.problem(t, ana, kinds[1-first], ledger.AnswerBody{ID: id}, "already")
		w.problem(t, bo, ledger.KindCancel, ledger.AnswerBody{ID: id}, "already")
	}
}

func TestRequest(t *testing.T) {
	w := newWorld()
	ask := ledger.RequestBody{From: bo, Unit: "euro", Amount: 700, Note: "eggs", For: idOf("listing")}
	q := w.must(t, ana, ledger.KindRequest, ask)
	w.account(t, bo, 0, 0)
	if p, _ := w.Payments.Get(q); p.Answerer() != bo || w.Reversible(p) != 0 {
		t.Error("a request is not answered by who is asked, or can be reversed")
	}
	want := ledger.Payment{ID: q, Asked: true, By: ana, From: bo, To: ana, Unit: "euro", Amount: 700, Note: "eggs",
		For: idOf("listing"), Time: 1, Status: ledger.StatusPending}
	if got, _ := w.Payments.Get(q); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	pays := cents(ana, 700)
	pays.Request = q
	for _, tt := range []struct {
		name   string
		by     record.ID
		change func(b *ledger.TransferBody)
	}{
		{"less", bo, func(b *ledger.TransferBody) { b.Amount-- }},
		{"more", bo, func(b *ledger.TransferBody) { b.Amount++ }},
		{"other unit", bo, func(b *ledger.TransferBody) { b.Unit = "bread" }},
		{"other payee", bo, func(b *ledger.TransferBody) { b.To = chi }},
		{"treasury", bo, func(b *ledger.TransferBody) { b.To = coop }},
		{"other payer", chi, func(b *ledger.TransferBody) {}},
	} {
		b := pays
		tt.change(&b)
		w.problem(t, tt.by, ledger.KindTransfer, b, "asks Bo to pay 7.00 euro to Ana")
	}
	w.problem(t, bo, ledger.KindAccept, ledger.AnswerBody{ID: q}, "is a request: accept it by paying it")
	w.problem(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: q}, "only Bo can")
	w.problem(t, chi, ledger.KindDecline, ledger.AnswerBody{ID: q}, "only Bo can")
	w.problem(t, chi, ledger.KindCancel, ledger.AnswerBody{ID: q}, "only Ana can cancel")
	w.problem(t, bo, ledger.KindCancel, ledger.AnswerBody{ID: q}, "only Ana can cancel")

	paid := w.must(t, bo, ledger.KindTransfer, pays)
	w.status(t, paid, ledger.StatusAccepted) // at once: Ana asked for it
	w.account(t, bo, -700, 0)
	w.account(t, ana, 700, 0)
	if got, _ := w.Payments.Get(q); got.Status != ledger.StatusAccepted || got.Request != paid {
		t.Errorf("the request is %s by %s, want accepted by %s", got.Status, got.Request.Short(), paid.Short())
	}
	w.problem(t, bo, ledger.KindTransfer, pays, "is paid already")
	w.problem(t, bo, ledger.KindDecline, ledger.AnswerBody{ID: q}, "accepted already")
	back := cents(bo, 700)
	back.Reverses = q
	w.problem(t, ana, ledger.KindTransfer, back, "there is no payment")
	pays.Request = paid
	w.problem(t, bo, ledger.KindTransfer, pays, "there is no request")
}

func TestRequestRefused(t *testing.T) {
	tests := []struct {
		name string
		by   record.ID
		kind string
		want ledger.Status
	}{
		{"declined by who is asked", bo, ledger.KindDecline, ledger.StatusDeclined},
		{"declined by who asks", ana, ledger.KindDecline, ledger.StatusCancelled},
		{"cancelled by who asks", ana, ledger.KindCancel, ledger.StatusCancelled},
	}
	for _, tt := range tests {
		w := newWorld()
		q := w.must(t, ana, ledger.KindRequest, ledger.RequestBody{From: bo, Unit: "euro", Amount: 700})
		w.must(t, tt.by, tt.kind, ledger.AnswerBody{ID: q})
		w.status(t, q, tt.want)
		pays := cents(ana, 700)
		pays.Request = q
		w.problem(t, bo, ledger.KindTransfer, pays, tt.want.String()+": pay without naming it")
		w.account(t, bo, 0, 0)
	}
}

func TestRequestProblems(t *testing.T) {
	w := newWorld()
	for _, tt := range []struct {
		name string
		body ledger.RequestBody
		want string
	}{
		{"from oneself", ledger.RequestBody{From: bo, Unit: "euro", Amount: 1}, "nobody pays themselves"},
		{"from the treasury", ledger.RequestBody{From: coop, Unit: "euro", Amount: 1}, "propose a budget line"},
		{"from who left", ledger.RequestBody{From: eve, Unit: "euro", Amount: 1}, "Eve is not in"},
		{"in no unit", ledger.RequestBody{From: ana, Unit: "", Amount: 1}, "no unit"},
		{"of nothing", ledger.RequestBody{From: ana, Unit: "euro"}, "not 1 to"},
		{"long note", ledger.RequestBody{From: ana, Unit: "euro", Amount: 1, Note: strings.Repeat("x", 501)}, "501 bytes"},
	} {
		w.problem(t, bo, ledger.KindRequest, tt.body, tt.want)
	}
}

func TestStandingRule(t *testing.T) {
	tests := []struct {
		name    string
		accepts []ledger.Accept
		want    ledger.Status
	}{
		{"anyone up to it", []ledger.Accept{{Unit: "euro", Max: 100}}, ledger.StatusAccepted},
		{"anyone up to less", []ledger.Accept{{Unit: "euro", Max: 99}}, ledger.StatusPending},
		{"anyone in another unit", []ledger.Accept{{Unit: "bread", Max: 100}}, ledger.StatusPending},
		{"named", []ledger.Accept{{From: sorted(bo, chi), Unit: "euro", Max: 100}}, ledger.StatusAccepted},
		{"others named", []ledger.Accept{{From: sorted(chi, dan), Unit: "euro", Max: 100}}, ledger.StatusPending},
		{"the second clause", []ledger.Accept{{Unit: "euro", Max: 9}, {From: sorted(bo), Unit: "euro", Max: 100}}, ledger.StatusAccepted},
		{"parts of two clauses", []ledger.Accept{{From: sorted(bo), Unit: "euro", Max: 9}, {From: sorted(chi), Unit: "euro", Max: 100}}, ledger.StatusPending},
		{"none", nil, ledger.StatusPending},
	}
	for _, tt := range tests {
		w := newWorld()
		w.must(t, ana, ledger.KindRule, ledger.RuleBody{Accepts: tt.accepts})
		id := w.must(t, bo, ledger.KindTransfer, cents(ana, 100))
		if p, _ := w.Payments.Get(id); p.Status != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, p.Status, tt.want)
		}
	}
}

func sorted(ids ...record.ID) []record.ID { return record.SortIDs(ids) }

// A rule counts where it stands: not for what was pending, and no longer once
// it is replaced. It is the payee's, not the payer's, and lifts no limit.
func TestStandingRuleStands(t *testing.T) {
	w := newWorld()
	anyone := ledger.RuleBody{Accepts: []ledger.Accept{{Unit: "euro", Max: ledger.MaxAmount}}}
	before := w.must(t, bo, ledger.KindTransfer, cents(ana, 1))
	w.must(t, bo, ledger.KindRule, anyone)
	payers := w.must(t, bo, ledger.KindTransfer, cents(ana, 1))
	w.must(t, ana, ledger.KindRule, anyone)
	during := w.must(t, bo, ledger.KindTransfer, cents(ana, 1))
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 5000), "more than")
	w.must(t, ana, ledger.KindRule, ledger.RuleBody{})
	after := w.must(t, bo, ledger.KindTransfer, cents(ana, 1))
	w.status(t, before, ledger.StatusPending)
	w.status(t, payers, ledger.StatusPending)
	w.status(t, during, ledger.StatusAccepted)
	w.status(t, after, ledger.StatusPending)
}

func TestRuleProblems(t *testing.T) {
	many := make([]ledger.Accept, ledger.MaxAccepts+1)
	for i := range many {
		many[i] = ledger.Accept{Unit: "euro", Max: 1}
	}
	crowd := make([]record.ID, ledger.MaxFrom+1)
	for i := range crowd {
		crowd[i][0], crowd[i][1] = byte(i>>8), byte(i)
	}
	backwards := sorted(ana, bo)
	slices.Reverse(backwards)
	w := newWorld()
	for _, tt := range []struct {
		name    string
		accepts []ledger.Accept
		want    string
	}{
		{"too many", many, "33 clauses, more than 32"},
		{"too many people", []ledger.Accept{{From: crowd, Unit: "euro", Max: 1}}, "201 people, more than 200"},
		{"not sorted", []ledger.Accept{{From: backwards, Unit: "euro", Max: 1}}, "not sorted"},
		{"twice", []ledger.Accept{{From: []record.ID{bo, bo}, Unit: "euro", Max: 1}}, "not sorted and unique"},
		{"nothing", []ledger.Accept{{Unit: "euro"}}, "0 minor units"},
		{"too much", []ledger.Accept{{Unit: "euro", Max: ledger.MaxAmount + 1}}, "not 1 to"},
		{"no unit", []ledger.Accept{{Unit: "yen", Max: 1}}, `no unit "yen"`},
	} {
		w.problem(t, bo, ledger.KindRule, ledger.RuleBody{Accepts: tt.accepts}, tt.want)
	}
	w.must(t, bo, ledger.KindRule, ledger.RuleBody{Accepts: many[1:]})
	w.must(t, bo, ledger.KindRule, ledger.RuleBody{Accepts: []ledger.Accept{{From: crowd[1:], Unit: "euro", Max: ledger.MaxAmount}}})
}

func TestReversal(t *testing.T) {
	w := newWorld()
	paid := w.accepted(t, bo, ana, 1000)
	was, _ := w.Payments.Get(paid)
	back := func(amount int64) ledger.TransferBody {
		b := cents(bo, amount)
		b.Reverses = paid
		return b
	}
	other := back(1)
	other.Unit = "bread"
	w.problem(t, ana, ledger.KindTransfer, other, "only Ana can reverse it, with a payment back in euro")
	other = back(1)
	other.To = chi
	w.problem(t, ana, ledger.KindTransfer, other, "was from Bo to Ana")
	w.problem(t, chi, ledger.KindTransfer, back(1), "only Ana can reverse it")
	other = cents(ana, 1)
	other.Reverses = paid
	w.problem(t, bo, ledger.KindTransfer, other, "only Ana can reverse it")
	w.problem(t, ana, ledger.KindTransfer, back(1001), "10.01 euro is more than 10.00 euro, what is left of payment")

	id := w.must(t, ana, ledger.KindTransfer, back(400))
	w.status(t, id, ledger.StatusAccepted) // at once: it was Bo's
	w.account(t, bo, -600, 0)
	if got := w.Reversible(was); got != 600 {
		t.Errorf("%d can be reversed, want 600", got)
	}
	w.problem(t, ana, ledger.KindTransfer, back(601), "more than 6.00 euro, what is left")
	w.must(t, ana, ledger.KindTransfer, back(600))
	w.account(t, bo, 0, 0)
	w.account(t, ana, 0, 0)
	w.problem(t, ana, ledger.KindTransfer, back(1), "more than 0.00 euro")
	if got, _ := w.Payments.Get(paid); got != was {
		t.Errorf("the payment changed from %+v to %+v", was, got)
	}

	again := cents(ana, 400)
	again.Reverses = id
	w.must(t, bo, ledger.KindTransfer, again)
	w.account(t, bo, -400, 0)
}

func TestReversalOfWhatWasNotPaid(t *testing.T) {
	w := newWorld()
	id := w.must(t, bo, ledger.KindTransfer, cents(ana, 10))
	back := cents(bo, 10)
	back.Reverses = id
	w.problem(t, ana, ledger.KindTransfer, back, "is pending: only what was accepted")
	if p, _ := w.Payments.Get(id); w.Reversible(p) != 0 {
		t.Errorf("%d of a pending payment can be reversed", w.Reversible(p))
	}
	w.must(t, ana, ledger.KindDecline, ledger.AnswerBody{ID: id})
	w.problem(t, ana, ledger.KindTransfer, back, "is declined: only what was accepted")
}

// A reversal is a payment: it needs funds, and somebody to pay.
func TestReversalIsAPayment(t *testing.T) {
	w := newWorld()
	w.accepted(t, bo, dan, 100)
	id := w.accepted(t, ana, dan, 100)
	w.accepted(t, dan, bo, 150)
	back := cents(ana, 100)
	back.Reverses = id
	w.problem(t, dan, ledger.KindTransfer, back, "the 0.50 euro that Dan has available")
	w.become(ana, member.StatusLeft)
	back.Amount = 50
	w.problem(t, dan, ledger.KindTransfer, back, "Ana is not in the co-op")
}

func TestDepart(t *testing.T) {
	w := newWorld()
	to := w.must(t, bo, ledger.KindTransfer, cents(ana, 100))
	from := w.must(t, ana, ledger.KindTransfer, cents(bo, 200))
	others := w.must(t, bo, ledger.KindTransfer, cents(chi, 300))
	asks := w.must(t, ana, ledger.KindRequest, ledger.RequestBody{From: bo, Unit: "euro", Amount: 1})
	asked := w.must(t, bo, ledger.KindRequest, ledger.RequestBody{From: ana, Unit: "euro", Amount: 1})
	w.must(t, ana, ledger.KindRule, ledger.RuleBody{Accepts: []ledger.Accept{{Unit: "euro", Max: 1}}})
	if err := w.SetLimit(w.people, ana, "euro", 500); err != nil {
		t.Fatal(err)
	}

	w.become(ana, member.StatusLeft)
	w.Depart(w.people, ana, "Ana left")
	w.CheckZero()
	for _, id := range []record.ID{to, asks, asked} {
		w.status(t, id, ledger.StatusDeclined)
		if p, _ := w.Payments.Get(id); p.Answer != "Ana left" {
			t.Errorf("answer is %q", p.Answer)
		}
	}
	w.status(t, from, ledger.StatusPending)
	w.status(t, others, ledger.StatusPending)
	w.account(t, bo, 0, 300)
	w.account(t, ana, 0, 200)
	if w.Rules.Has(ana) {
		t.Error("the rule of who left still stands")
	}
	if got := len(w.Pending(ana)); got != 1 {
		t.Errorf("%d pending with Ana, want 1", got)
	}
	w.problem(t, ana, ledger.KindCancel, ledger.AnswerBody{ID: from}, "Ana is not in the co-op")
	w.must(t, bo, ledger.KindAccept, ledger.AnswerBody{ID: from})
	w.account(t, bo, 200, 300)
	w.account(t, ana, -200, 0)

	w.become(ana, member.StatusAssociate)
	if got := w.Limit(w.people, ledger.AccountKey{Unit: "euro", Owner: ana}); got != 0 {
		t.Errorf("who came back has the limit %d that was decided before they left", got)
	}
}

// A node tries an act out before it signs it, when it has no id yet.
func TestTryWithoutID(t *testing.T) {
	w := newWorld()
	m, _ := w.people.Members.Get(bo)
	for _, b := range []ledger.TransferBody{cents(coop, 100), cents(ana, 100)} {
		trial := w.Clone()
		r := &record.Record{Header: record.Header{Kind: ledger.KindTransfer}, Body: record.Marshal(b)}
		if err := trial.Apply(w.people, m, r); err != nil {
			t.Error(err)
		}
		trial.CheckZero()
	}
	if w.Payments.Len() != 0 {
		t.Error("a trial left a payment behind")
	}
}

func TestPending(t *testing.T) {
	w := newWorld()
	var want []record.ID
	for range 5 {
		want = append(want, w.must(t, bo, ledger.KindTransfer, cents(ana, 1)))
		want = append(want, w.must(t, bo, ledger.KindRequest, ledger.RequestBody{From: ana, Unit: "bread", Amount: 1}))
		w.must(t, chi, ledger.KindTransfer, cents(dan, 1))
	}
	for _, who := range []record.ID{ana, bo} {
		var got []record.ID
		for _, p := range w.Pending(who) {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if got := w.Pending(eve); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func TestMaxWaiting(t *testing.T) {
	w := newWorld()
	var last record.ID
	for i := range ledger.MaxWaiting {
		if i%2 == 0 {
			last = w.must(t, bo, ledger.KindTransfer, cents(ana, 1))
			continue
		}
		w.must(t, bo, ledger.KindRequest, ledger.RequestBody{From: ana, Unit: "euro", Amount: 1})
	}
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 1), "1000 payments and requests of Bo wait")
	w.problem(t, bo, ledger.KindRequest, ledger.RequestBody{From: ana, Unit: "euro", Amount: 1}, "cancel some")
	w.must(t, ana, ledger.KindTransfer, cents(bo, 1))
	w.must(t, bo, ledger.KindTransfer, cents(coop, 1)) // accepted at once, does not wait
	w.must(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: last})
	w.must(t, bo, ledger.KindTransfer, cents(ana, 1))
}

func TestTreasuryIsPaidAtOnce(t *testing.T) {
	w := newWorld()
	id := w.must(t, bo, ledger.KindTransfer, cents(coop, 2000))
	w.status(t, id, ledger.StatusAccepted)
	w.account(t, coop, 2000, 0)
	w.account(t, bo, -2000, 0)
	w.problem(t, bo, ledger.KindTransfer, cents(coop, 3001), "the 30.00 euro that Bo has")
	back := cents(bo, 2000)
	back.Reverses = id
	w.problem(t, ana, ledger.KindTransfer, back, "from Bo to the treasury")
}

func (w *world) budget(t testing.TB, l ledger.Line) record.ID {
	t.Helper()
	if err := w.AddBudget(w.people, idOf("proposal"), l); err != nil {
		t.Fatal(err)
	}
	return idOf("proposal")
}

func TestInstalment(t *testing.T) {
	w := newWorld()
	p := w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 10000})
	pay := func(number uint32, amount int64) ledger.InstalmentBody {
		return ledger.InstalmentBody{Proposal: p, Number: number, Amount: amount, Note: "flour"}
	}
	w.problem(t, bo, ledger.KindInstalment, pay(1, 1), "Bo is no treasurer")
	w.problem(t, dan, ledger.KindInstalment, pay(1, 1), "Dan is no treasurer")
	w.problem(t, ana, ledger.KindInstalment, pay(0, 1), "counted from 1")
	w.problem(t, ana, ledger.KindInstalment, pay(2, 1), "cannot come before 1")
	w.problem(t, ana, ledger.KindInstalment, pay(1, 0), "not 1 to")
	w.problem(t, ana, ledger.KindInstalment, pay(1, -1), "not 1 to")
	w.problem(t, ana, ledger.KindInstalment, pay(1, 10001), "100.01 euro is more than", "100.00 euro left")
	w.problem(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: idOf("x"), Number: 1, Amount: 1}, "no decision")
	w.problem(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Line: 1, Number: 1, Amount: 1}, "budget line 1")

	id := w.must(t, ana, ledger.KindInstalment, pay(1, 6000))
	w.account(t, coop, -6000, 0)
	w.account(t, bo, 6000, 0)
	got, _ := w.Payments.Get(id)
	want := ledger.Payment{ID: id, By: ana, From: coop, To: bo, Unit: "euro", Amount: 6000, Note: "flour", For: p, Time: got.Time, Status: ledger.StatusAccepted}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.problem(t, ana, ledger.KindInstalment, pay(2, 4001), "40.00 euro left")
	w.must(t, ana, ledger.KindInstalment, pay(2, 4000))
	w.problem(t, ana, ledger.KindInstalment, pay(3, 1), "0.00 euro left")
	w.account(t, coop, -10000, 0)

	// What comes back is the treasury's and does not fill the line again.
	back := cents(coop, 4000)
	back.Reverses = id
	w.must(t, bo, ledger.KindTransfer, back)
	w.account(t, coop, -6000, 0)
	w.problem(t, ana, ledger.KindInstalment, pay(3, 1), "0.00 euro left")
}

// Two treasurers pay the same instalment while apart: the second is a Problem,
// though the line would have room for it.
func TestTreasuryPaidTwice(t *testing.T) {
	w := newWorld()
	w.join(chi, "Chi", member.StatusMember, member.Treasurer)
	p := w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 10000})
	same := ledger.InstalmentBody{Proposal: p, Number: 1, Amount: 2500}
	w.must(t, ana, ledger.KindInstalment, same)
	w.problem(t, chi, ledger.KindInstalment, same, "instalment 1 of line 0 was paid already; the next is 2")
	w.account(t, coop, -2500, 0)
	w.account(t, bo, 2500, 0)
}

func TestInstalmentsByPlan(t *testing.T) {
	w := newWorld()
	p := w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 100, Instalments: 3, PeriodDays: 30})
	pay := func(number uint32, amount int64) ledger.InstalmentBody {
		return ledger.InstalmentBody{Proposal: p, Number: number, Amount: amount}
	}
	w.problem(t, ana, ledger.KindInstalment, pay(1, 35), "more than instalment 1 of line 0 may be: 0.34 euro, of 1.00 euro left")
	w.must(t, ana, ledger.KindInstalment, pay(1, 30)) // less than its share
	w.problem(t, ana, ledger.KindInstalment, pay(2, 5), "may be: 0.04 euro, of 0.70 euro left")
	w.must(t, ana, ledger.KindInstalment, pay(2, 4))
	w.problem(t, ana, ledger.KindInstalment, pay(3, 34), "may be: 0.33 euro")
	w.must(t, ana, ledger.KindInstalment, pay(3, 33))
	w.must(t, ana, ledger.KindInstalment, pay(4, 32))
	w.must(t, ana, ledger.KindInstalment, pay(5, 1))
	w.problem(t, ana, ledger.KindInstalment, pay(6, 1), "may be: 0.00 euro, of 0.00 euro left")
	b, _ := w.Budgets.Get(ledger.BudgetKey{Proposal: p})
	if b.Paid != 100 || b.Left() != 0 || b.Made != 5 || b.Next() != 0 || b.Part() != 3 {
		t.Errorf("got %+v", b)
	}
}

// However little is paid at a time, all of a line can be paid, and never more than
// a part at once.
func TestInstalmentsAlwaysGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(1, ledger.MaxAmount).Draw(t, "total")
		n := rapid.Int64Range(1, min(total, ledger.MaxInstalments)).Draw(t, "parts")
		b := ledger.Budget{Line: ledger.Line{Total: total, Instalments: uint32(n)}}
		for i := int64(0); b.Left() > 0; i++ {
			next := b.Next()
			if next < 1 || next > total/n+1 || next > b.Left() {
				t.Fatalf("after %d of %d in %d parts %d may be paid", b.Paid, total, n, next)
			}
			if i < 20 {
				next = rapid.Int64Range(1, next).Draw(t, "paid")
			}
			b.Paid, b.Made = b.Paid+next, b.Made+1
			if i > 20+n {
				t.Fatalf("%d of %d are left after %d payments", b.Left(), total, i)
			}
		}
	})
}

func TestInstalmentToWhoIsGone(t *testing.T) {
	w := newWorld()
	p := w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 100})
	w.become(bo, member.StatusExpelled)
	w.problem(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Number: 1, Amount: 1}, "Bo is not in the co-op")
}

// TestBudgetEnds: a line ends by a decision, also that for somebody who is gone; then
// nothing more is paid of it, and it ends once.
func TestBudgetEnds(t *testing.T) {
	w := newWorld()
	p := w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 100, Instalments: 4})
	w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 100})
	key := ledger.BudgetKey{Proposal: p}
	w.must(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Number: 1, Amount: 25})
	refused := func(k ledger.BudgetKey, want string) {
		t.Helper()
		if err := w.EndBudget(k); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	refused(ledger.BudgetKey{Proposal: idOf("x")}, "no decision")
	refused(ledger.BudgetKey{Proposal: p, Line: 2}, "no decision")
	w.become(bo, member.StatusLeft)
	if err := w.EndBudget(key); err != nil {
		t.Fatal(err)
	}
	w.become(bo, member.StatusAssociate)
	w.problem(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Number: 2, Amount: 1}, "ended by another")
	refused(key, "was ended before")
	b, _ := w.Budgets.Get(key)
	if b.Paid != 25 || b.Left() != 0 || b.Next() != 0 {
		t.Errorf("got %+v, left %d, next %d", b, b.Left(), b.Next())
	}
	w.must(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Line: 1, Number: 1, Amount: 100}) // the other goes on
	refused(ledger.BudgetKey{Proposal: p, Line: 1}, "is paid out")
}

func TestAddBudget(t *testing.T) {
	w := newWorld()
	for _, tt := range []struct {
		name string
		line ledger.Line
		want string
	}{
		{"nothing", ledger.Line{Payee: bo, Unit: "euro"}, "not 1 to"},
		{"below zero", ledger.Line{Payee: bo, Unit: "euro", Total: -5}, "not 1 to"},
		{"too much", ledger.Line{Payee: bo, Unit: "euro", Total: ledger.MaxAmount + 1}, "not 1 to"},
		{"no unit", ledger.Line{Payee: bo, Total: 1}, "no unit"},
		{"stranger", ledger.Line{Payee: idOf("x"), Unit: "euro", Total: 1}, "nobody in"},
		{"treasury", ledger.Line{Payee: coop, Unit: "euro", Total: 1}, "nobody in"},
		{"gone", ledger.Line{Payee: eve, Unit: "euro", Total: 1}, "Eve is not in"},
		{"too many parts", ledger.Line{Payee: bo, Unit: "euro", Total: 9999, Instalments: ledger.MaxInstalments + 1}, "1201 instalments"},
		{"parts of nothing", ledger.Line{Payee: bo, Unit: "euro", Total: 2, Instalments: 3}, "at least one minor unit"},
	} {
		err := w.AddBudget(w.people, idOf("proposal"), tt.line)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if w.Budgets.Len() != 0 {
		t.Error("an error added a line")
	}
	lines := []ledger.Line{
		{Payee: bo, Unit: "euro", Total: ledger.MaxAmount, Instalments: ledger.MaxInstalments},
		{Payee: dan, Unit: "bread", Total: 1},
	}
	for _, l := range lines {
		w.budget(t, l)
	}
	for i, l := range lines {
		if b, _ := w.Budgets.Get(ledger.BudgetKey{Proposal: idOf("proposal"), Line: uint32(i)}); b.Line != l {
			t.Errorf("line %d: got %+v, want %+v", i, b.Line, l)
		}
	}
}

func TestStatement(t *testing.T) {
	w := newWorld()
	w.accepted(t, ana, bo, 500)
	w.must(t, bo, ledger.KindTransfer, cents(chi, 50)) // pending: not in the statement
	w.accepted(t, bo, chi, 200)
	w.must(t, bo, ledger.KindTransfer, ledger.TransferBody{To: coop, Unit: "bread", Amount: 3})
	w.must(t, bo, ledger.KindTransfer, cents(coop, 1000))
	type row struct{ amount, change, balance int64 }
	rows := func(who record.ID, unit string, from uint64) (got []row) {
		for e, p := range w.Statement(ledger.AccountKey{Unit: unit, Owner: who}, from) {
			if e.Payment != p.ID {
				t.Errorf("entry of %s with payment %s", e.Payment.Short(), p.ID.Short())
			}
			got = append(got, row{p.Amount, e.Change, e.Balance})
		}
		return got
	}
	for _, tt := range []struct {
		name string
		who  record.ID
		unit string
		from uint64
		want []row
	}{
		{"Bo in euro", bo, "euro", 0, []row{{500, 500, 500}, {200, -200, 300}, {1000, -1000, -700}}},
		{"Bo in euro from the third on", bo, "euro", 2, []row{{1000, -1000, -700}}},
		{"Bo in bread", bo, "bread", 0, []row{{3, -3, -3}}},
		{"the treasury", coop, "euro", 0, []row{{1000, 1000, 1000}}},
		{"never used", dan, "euro", 0, nil},
	} {
		if got := rows(tt.who, tt.unit, tt.from); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	for range w.Statement(ledger.AccountKey{Unit: "euro", Owner: bo}, 0) {
		break // a reader may stop
	}
}

func TestOffline(t *testing.T) {
	w := newWorld()
	for _, tt := range []struct {
		name                string
		unit                string
		amount, provisional int64
		want                string
	}{
		{"within", "euro", 1000, 0, ""},
		{"within, some waits", "euro", 600, 400, ""},
		{"over", "euro", 1001, 0, "10.01 euro is more than Bo may pay before the minutes confirm it: the bylaws allow 10.00 euro, of which 0.00 euro waits"},
		{"over, some waits", "euro", 601, 400, "of which 4.00 euro waits"},
		{"over by far", "euro", math.MaxInt64, math.MaxInt64, "more than Bo may pay"},
		{"other unit", "bread", 11, 0, "11 bread"},
		{"no unit", "yen", 1, 0, "no unit"},
	} {
		err := ledger.Offline(w.people, bo, tt.unit, tt.amount, tt.provisional)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	w.people.Bylaws = member.Bylaws{{Name: "offline-limit/euro", Number: 11}}
	if err := ledger.Offline(w.people, bo, "euro", 1001, 0); err != nil {
		t.Error(err)
	}
}

func TestProvisional(t *testing.T) {
	w := newWorld()
	w.must(t, bo, ledger.KindTransfer, cents(coop, 1))
	pending := w.must(t, bo, ledger.KindTransfer, cents(ana, 10))
	minuted := w.State
	w.State = minuted.Clone()
	w.must(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: pending}) // the payment itself is minuted
	w.must(t, bo, ledger.KindTransfer, cents(coop, 100))
	w.must(t, bo, ledger.KindTransfer, cents(chi, 1000))
	w.must(t, bo, ledger.KindTransfer, ledger.TransferBody{To: coop, Unit: "bread", Amount: 7})
	w.must(t, bo, ledger.KindRequest, ledger.RequestBody{From: ana, Unit: "euro", Amount: 500})
	w.must(t, ana, ledger.KindRequest, ledger.RequestBody{From: bo, Unit: "euro", Amount: 500})
	w.accepted(t, ana, bo, 200)
	gone := w.must(t, bo, ledger.KindTransfer, cents(chi, 900))
	w.must(t, bo, ledger.KindCancel, ledger.AnswerBody{ID: gone})
	for _, tt := range []struct {
		who  record.ID
		unit string
		want int64
	}{{bo, "euro", 1100}, {bo, "bread", 7}, {ana, "euro", 200}, {chi, "euro", 0}} {
		if got := w.Provisional(minuted, tt.who, tt.unit); got != tt.want {
			t.Errorf("got %d %s, want %d", got, tt.unit, tt.want)
		}
	}
}

// full makes an account hold almost as much as it can, and another as little.
func (w *world) full(k, other ledger.AccountKey, balance int64) {
	w.Accounts.Put(k, ledger.Account{Balance: balance})
	w.Accounts.Put(other, ledger.Account{Balance: -balance})
	w.CheckZero()
}

// No sequence of acts is known to get there, and if one did it were a Problem.
func TestOverflow(t *testing.T) {
	const most = 1 << 62
	key := func(who record.ID) ledger.AccountKey { return ledger.AccountKey{Unit: "euro", Owner: who} }
	w := newWorld()
	id := w.must(t, bo, ledger.KindTransfer, cents(ana, 10))
	boAccount := w.Account(key(bo))
	w.full(key(ana), key(dan), most-9)
	w.Accounts.Put(key(bo), boAccount)
	w.problem(t, ana, ledger.KindAccept, ledger.AnswerBody{ID: id}, "account of Ana in euro cannot hold so much")
	w.must(t, bo, ledger.KindRequest, ledger.RequestBody{From: chi, Unit: "euro", Amount: 10})
	w.must(t, ana, ledger.KindRule, ledger.RuleBody{Accepts: []ledger.Accept{{Unit: "euro", Max: 100}}})
	w.problem(t, bo, ledger.KindTransfer, cents(ana, 10), "cannot hold so much")
	w.must(t, bo, ledger.KindTransfer, cents(ana, 9))
	w.must(t, ana, ledger.KindTransfer, cents(bo, ledger.MaxAmount))

	w = newWorld()
	w.full(key(ana), key(coop), most-9)
	p := w.budget(t, ledger.Line{Payee: bo, Unit: "euro", Total: 100})
	w.problem(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Number: 1, Amount: 10}, "account of the treasury in euro cannot hold so much")
	w.must(t, ana, ledger.KindInstalment, ledger.InstalmentBody{Proposal: p, Number: 1, Amount: 9})
}

func TestCheckZero(t *testing.T) {
	put := func(s *ledger.State, unit string, who record.ID, balance, reserved int64) {
		s.Accounts.Put(ledger.AccountKey{Unit: unit, Owner: who}, ledger.Account{Balance: balance, Reserved: reserved})
	}
	tests := []struct {
		name string
		fill func(s *ledger.State)
		ok   bool
	}{
		{"empty", func(s *ledger.State) {}, true},
		{"even", func(s *ledger.State) { put(s, "a", ana, 5, 0); put(s, "a", bo, -5, 0); put(s, "b", bo, 0, 3) }, true},
		{"great but even", func(s *ledger.State) { put(s, "a", ana, math.MaxInt64, 0); put(s, "a", bo, -math.MaxInt64, 0) }, true},
		{"first unit odd", func(s *ledger.State) { put(s, "a", ana, 5, 0); put(s, "b", ana, 5, 0); put(s, "b", bo, -5, 0) }, false},
		{"last unit odd", func(s *ledger.State) { put(s, "a", ana, 5, 0); put(s, "a", bo, -5, 0); put(s, "b", bo, -1, 0) }, false},
		{"even only across units", func(s *ledger.State) { put(s, "a", ana, 5, 0); put(s, "b", ana, -5, 0) }, false},
		{"zero only in 64 bits", func(s *ledger.State) {
			for _, who := range []record.ID{ana, bo, chi, dan} {
				put(s, "a", who, 1<<62, 0)
			}
		}, false},
		{"minus zero only in 64 bits", func(s *ledger.State) { put(s, "a", ana, math.MinInt64, 0); put(s, "a", bo, math.MinInt64, 0) }, false},
		{"reserved below zero", func(s *ledger.State) { put(s, "a", ana, 0, -1) }, false},
	}
	for _, tt := range tests {
		s := ledger.New()
		tt.fill(s)
		panicked := func() (p bool) {
			defer func() { p = recover() != nil }()
			s.CheckZero()
			return false
		}()
		if panicked == tt.ok {
			t.Errorf("%s: panicked is %v", tt.name, panicked)
		}
		if _, err := ledger.New().Read(bytesOf(s)); (err == nil) != tt.ok {
			t.Errorf("%s: read: %v", tt.name, err)
		}
	}
}

func TestReadErrors(t *testing.T) {
	w := newWorld()
	w.accepted(t, bo, ana, 500)
	b := bytesOf(w.State)
	for n := range b {
		if _, err := ledger.New().Read(b[:n]); err == nil {
			t.Errorf("read the first %d of %d bytes", n, len(b))
		}
	}
	rest, err := ledger.New().Read(append(b, 1, 2))
	if err != nil || !bytes.Equal(rest, []byte{1, 2}) {
		t.Errorf("rest is %v, %v", rest, err)
	}
}

// shortWriter takes so many writes.
type shortWriter int

func (s *shortWriter) Write(b []byte) (int, error) {
	if *s--; *s < 0 {
		return 0, errors.New("full")
	}
	return len(b), nil
}

func TestWriteToErrors(t *testing.T) {
	w := newWorld()
	w.accepted(t, bo, ana, 500)
	for n := range shortWriter(8) {
		if _, err := w.WriteTo(&n); err == nil {
			t.Error("a full disk was no error")
		}
	}
}

func TestStatusString(t *testing.T) {
	for s, want := range []string{"unknown", "pending", "accepted", "declined", "cancelled", "unknown"} {
		if got := ledger.Status(s).String(); got != want {
			t.Errorf("status %d: got %q, want %q", s, got, want)
		}
	}
}

// Two who pay each other as often as they like have no more to give to a third
// than their two limits.
func TestPairMakesNoCredit(t *testing.T) {
	w := newWorld()
	w.become(dan, member.StatusMember)
	for _, who := range []record.ID{bo, dan, chi} {
		w.must(t, who, ledger.KindRule, ledger.RuleBody{Accepts: []ledger.Accept{{Unit: "euro", Max: ledger.MaxAmount}}})
	}
	for range 100 {
		w.must(t, bo, ledger.KindTransfer, cents(dan, 5000))
		w.must(t, dan, ledger.KindTransfer, cents(bo, 5000))
	}
	w.must(t, dan, ledger.KindTransfer, cents(bo, 5000))
	w.must(t, bo, ledger.KindTransfer, cents(chi, 10000))
	w.problem(t, bo, ledger.KindTransfer, cents(chi, 1), "0.00 euro that Bo has")
	w.problem(t, dan, ledger.KindTransfer, cents(chi, 1), "0.00 euro that Dan has")
	w.account(t, chi, 10000, 0)
}

// BenchmarkPayment pays and accepts in a ledger of 100,000 payments between two
// accounts, on a fresh clone every time, as the provisional layer does.
func BenchmarkPayment(b *testing.B) {
	w := newWorld()
	for range 50_000 {
		w.accepted(b, ana, bo, 100)
		w.accepted(b, bo, ana, 100)
	}
	base := w.State
	for b.Loop() {
		w.State = base.Clone()
		id, err := w.act(ana, ledger.KindTransfer, record.Marshal(cents(bo, 100)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.act(bo, ledger.KindAccept, record.Marshal(ledger.AnswerBody{ID: id})); err != nil {
			b.Fatal(err)
		}
	}
}
