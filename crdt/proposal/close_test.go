package proposal_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

func TestCloseTakesMoreThanHalfOfTellers(t *testing.T) {
	for tellers, need := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4, 10: 6} {
		t.Run(fmt.Sprint(tellers), func(t *testing.T) {
			w := newWorld(t, 12, tellers)
			id := w.open(0, proposal.Ordinary)
			for i := range need {
				w.is(id, proposal.StatusOpen)
				wants(t, w.close(i, id), "")
				if i < need-1 {
					wants(t, w.close(i, id), "has closed the proposal already")
				}
			}
			w.is(id, proposal.StatusRejected)
			if need < tellers {
				wants(t, w.close(need, id), "") // one who comes after the rest
			}
		})
	}
}

func TestCloseRefused(t *testing.T) {
	w := newWorld(t, 5, 3)
	poll, governance := w.open(0, proposal.Ordinary), w.open(0, proposal.Governance)
	wants(t, w.close(3, poll), "only tellers")
	wants(t, w.close(0, stranger), "there is no proposal")
	wants(t, w.close(0), "it does not name 1 to 1000")
	wants(t, w.close(0, poll), "")
	wants(t, w.close(0, poll), "already")
	_, err := w.act(0, proposal.KindClose, record.Marshal(proposal.CloseBody{Proposals: []record.ID{governance, governance}}))
	wants(t, err, "sorted and unique")
	many := make([]record.ID, proposal.MaxClosed+1)
	for i := range many {
		many[i] = idOf(uint64(i) + 1)
	}
	wants(t, w.close(0, many...), "it does not name 1 to 1000")
	wants(t, w.close(0, many[1:]...), "") // governance is among them
}

// TestCloseNamesMany: what a teller's record names besides, of which it saw another
// order, does not void the rest.
func TestCloseNamesMany(t *testing.T) {
	w := newWorld(t, 5, 3)
	a, b, c := w.open(0, proposal.Ordinary), w.open(0, proposal.Governance), w.open(0, proposal.Constitutional, bylaw)
	w.votes(a, "yy")
	wants(t, w.close(0, a, b, stranger), "")
	wants(t, w.close(1, a, b, c), "")
	w.is(a, proposal.StatusPassed)
	w.is(b, proposal.StatusRejected)
	w.is(c, proposal.StatusOpen)
}

func TestCloseCountsThoseWhoAreTellersNow(t *testing.T) {
	w := newWorld(t, 5, 3)
	id := w.open(0, proposal.Ordinary)
	w.close(0, id)
	w.people.Tellers = []record.Key{device(1), device(2), device(3)}
	w.close(1, id)
	w.is(id, proposal.StatusOpen) // the first has no seat any more
	w.close(2, id)
	w.is(id, proposal.StatusRejected)

	next := w.open(0, proposal.Ordinary)
	w.close(1, next)
	w.people.Tellers = []record.Key{device(1)}
	w.is(next, proposal.StatusOpen)
	w.review()
	w.is(next, proposal.StatusRejected)
	if got := w.get(next).Decided; got != idOf(w.acts) {
		t.Errorf("decided by %v, want the act that is reviewed", got)
	}
}

func TestMayClose(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	for _, test := range []struct {
		name      string
		effects   []proposal.Effect
		by        int
		held, now int64
		want      string
	}{
		{"before", nil, 0, closesAt - 9*day, closesAt - 1, "not over"},
		{"then", nil, 0, closesAt - 9*day, closesAt, ""},
		{"no teller", nil, 3, closesAt - 9*day, closesAt, "only tellers"},
		{"held a day", nil, 0, closesAt - day, closesAt, ""},
		{"held less", nil, 0, closesAt - day + 1, closesAt, "not over"},
		{"dated back, held a day", nil, 0, closesAt + 9*day, closesAt + 10*day, ""},
		{"dated back, held less", nil, 0, closesAt + 9*day, closesAt + 10*day - 1, "not over"},
		{"held a year", nil, 0, closesAt - 400*day, closesAt - 35*day, ""},
		{"held almost a year", nil, 0, closesAt - 400*day, closesAt - 35*day - 1, "not over"},
		{"rest, held 30 days", []proposal.Effect{rest}, 0, closesAt - 30*day, closesAt, ""},
		{"rest, held less", []proposal.Effect{rest}, 0, closesAt - 30*day + 1, closesAt, "not over"},
		{"rest, held long", []proposal.Effect{rest}, 0, closesAt - 60*day, closesAt - 1, "not over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 5, 3)
			id := w.open(0, proposal.Ordinary, test.effects...)
			wants(t, w.get(id).MayClose(w.people, device(test.by), test.held, test.now), test.want)
		})
	}
	w := newWorld(t, 3, 1)
	id := w.open(0, proposal.Governance)
	wants(t, w.get(id).MayClose(w.people, device(0), closesAt-9*day, closesAt), "")
	if err := w.people.SetClause(member.ShortestDays, 10, ""); err != nil {
		t.Fatal(err)
	}
	wants(t, w.get(id).MayClose(w.people, device(0), closesAt-9*day, closesAt), "not over")
	wants(t, w.get(id).MayClose(w.people, device(0), closesAt-10*day, closesAt), "")
	id = w.open(0, proposal.Ordinary)
	w.votes(id, "yy")
	wants(t, w.get(id).MayClose(w.people, device(0), 0, closesAt), "decided already")
	id = w.open(0, proposal.Ordinary)
	w.close(0, id)
	wants(t, w.get(id).MayClose(w.people, device(0), 0, closesAt), "already")
}

func TestRestWaitsForTheClose(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Ordinary, rest)
	w.votes(id, "yyyyy")
	w.is(id, proposal.StatusOpen)
	w.review()
	w.is(id, proposal.StatusOpen)
	w.close(0, id)
	w.is(id, proposal.StatusPassed)

	id = w.open(0, proposal.Ordinary, rest)
	w.votes(id, "nnn")
	w.is(id, proposal.StatusRejected)
}

func TestWithdraw(t *testing.T) {
	for _, test := range []struct {
		name  string
		by    int
		votes string
		want  string
	}{
		{"author", 0, "", ""},
		{"author who voted", 0, "y", ""},
		{"author who voted no", 0, "n", ""},
		{"another", 1, "", "only its author"},
		{"another voted", 0, "-a", "others have voted"},
		{"both voted", 0, "ya", "others have voted"},
		{"passed", 0, "yyy", "decided already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 5, 1)
			id := w.open(0, proposal.Governance)
			for i, c := range test.votes {
				if c != '-' {
					w.vote(i, id, option(c))
				}
			}
			wants(t, w.withdraw(test.by, id), test.want)
			if test.want == "" {
				w.is(id, proposal.StatusWithdrawn)
				wants(t, w.vote(1, id, proposal.Yes), "withdrawn")
				wants(t, w.withdraw(0, id), "decided already")
				if w.tally(id).CouldChange {
					t.Errorf("votes could change what was withdrawn")
				}
			}
		})
	}
	w := newWorld(t, 5, 1)
	wants(t, w.withdraw(0, stranger), "there is no proposal")
	id := w.open(0, proposal.Ordinary)
	w.withdraw(0, id)
	wants(t, w.close(0, id), "")
	w.is(id, proposal.StatusWithdrawn)
	w.review()
	w.is(id, proposal.StatusWithdrawn)
}

func TestWhoIsGoneKeepsTheirPlace(t *testing.T) {
	for _, test := range []struct {
		name  string
		rule  proposal.Rule
		n     int
		votes string // before they go
		gone  []int
		want  proposal.Status
		after string // votes of those who stay
		end   proposal.Status
	}{
		{"a yes that was cast stands where it was opened alone", proposal.Governance, 3, "y", []int{0}, proposal.StatusOpen, "-y", proposal.StatusOpen},
		{"a yes that was cast stands", proposal.Governance, 5, "y", []int{0}, proposal.StatusOpen, "-yyy", proposal.StatusPassed},
		{"a no that was cast stands", proposal.Governance, 3, "n", []int{0}, proposal.StatusOpen, "-yy", proposal.StatusPassed},
		{"the silent are no yes", proposal.Governance, 3, "", []int{2}, proposal.StatusOpen, "yn", proposal.StatusRejected},
		{"as many are needed as before", proposal.Governance, 5, "", []int{3, 4}, proposal.StatusOpen, "yy", proposal.StatusOpen},
		{"as many are needed as before, and come", proposal.Governance, 5, "", []int{3, 4}, proposal.StatusOpen, "yyy", proposal.StatusPassed},
		{"too few are left", proposal.Governance, 5, "yy", []int{2, 3, 4}, proposal.StatusRejected, "", proposal.StatusRejected},
		{"too few are left for two thirds", proposal.Constitutional, 5, "", []int{3, 4}, proposal.StatusRejected, "", proposal.StatusRejected},
		{"a poll waits for nobody who is gone", proposal.Ordinary, 5, "yyn", []int{3, 4}, proposal.StatusPassed, "", proposal.StatusPassed},
		{"a poll without quorum", proposal.Ordinary, 5, "", []int{1, 2, 3, 4}, proposal.StatusRejected, "", proposal.StatusRejected},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.n, 1)
			id := w.open(0, test.rule)
			w.votes(id, test.votes)
			for _, i := range test.gone {
				w.setStatus(i, member.StatusLeft)
			}
			w.review()
			w.is(id, test.want)
			for i, c := range test.after {
				if c != '-' {
					w.vote(i, id, option(c))
				}
			}
			w.is(id, test.end)
			if got, passed := len(w.passed), test.end == proposal.StatusPassed; (got == 1) != passed {
				t.Errorf("returned as passed: %d", got)
			}
			for i, l := range w.tally(id).Lines {
				if want := i >= len(test.votes) && slices.Contains(test.gone, i); l.Gone != want {
					t.Errorf("line %d gone: got %t, want %t", i, l.Gone, want)
				}
			}
		})
	}
}

func TestReviewChangesNothingWithoutCause(t *testing.T) {
	w := newWorld(t, 5, 3)
	ids := []record.ID{w.open(0, proposal.Governance), w.open(1, proposal.Constitutional, bylaw), w.open(2, proposal.Ordinary)}
	for _, id := range ids {
		w.votes(id, "yn")
	}
	w.setStatus(4, member.StatusResting)
	before := w.bytes()
	w.review()
	if len(w.passed) > 0 || !bytes.Equal(before, w.bytes()) {
		t.Errorf("a review without cause changed the state")
	}
	wants(t, w.vote(4, ids[0], proposal.Yes), "") // who rests may vote
}

func TestEffectFailed(t *testing.T) {
	w := newWorld(t, 1, 1)
	id := w.open(0, proposal.Governance, proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{who(1)}},
		proposal.Effect{Kind: proposal.EffectOffice, Member: who(0), Name: member.Sponsor})
	w.vote(0, id, proposal.Yes)
	kept := w.s.Clone()
	w.s.EffectFailed(id, 1, "nobody else is a sponsor")
	if got, want := w.get(id).Failed, []string{"", "nobody else is a sponsor"}; !slices.Equal(got, want) {
		t.Errorf("failed: got %q, want %q", got, want)
	}
	if p, _ := kept.Proposals.Get(id); p.Failed[1] != "" {
		t.Errorf("a clone saw the change")
	}
	open := w.open(0, proposal.Governance, office)
	defer func() {
		if recover() == nil {
			t.Errorf("an effect of an open proposal failed without a panic")
		}
	}()
	w.s.EffectFailed(open, 0, "x")
}

func TestCloneIsApart(t *testing.T) {
	w := newWorld(t, 5, 3)
	id, poll := w.open(0, proposal.Governance), w.open(0, proposal.Ordinary)
	w.vote(0, id, proposal.Yes)
	w.close(0, poll)
	before := w.bytes()
	for range 2 { // twice: what one clone appends must not show in the next
		c := w.clone(t)
		c.vote(0, id, proposal.No)
		c.vote(1, id, proposal.Yes)
		c.close(1, poll)
		c.open(1, proposal.Governance)
	}
	if !bytes.Equal(before, w.bytes()) {
		t.Errorf("a change to a clone changed the original")
	}
}

func TestReadWhatWasWritten(t *testing.T) {
	w := newWorld(t, 5, 3)
	id := w.open(0, proposal.Governance, office, makeMember, budget)
	w.votes(id, "yynyn")
	w.s.EffectFailed(id, 0, "they left")
	w.close(1, w.open(0, proposal.Ordinary))
	b := w.bytes()
	again := proposal.New()
	rest, err := again.Read(append(b, 1, 2, 3))
	if err != nil || len(rest) != 3 {
		t.Fatalf("Read: %d bytes left, %v", len(rest), err)
	}
	w.s = again
	if !bytes.Equal(b, w.bytes()) {
		t.Errorf("read, and written again, it is something else")
	}
	for _, n := range []int{0, 1, len(b) / 2, len(b) - 1} {
		if _, err := proposal.New().Read(b[:n]); err == nil {
			t.Errorf("read %d of %d bytes without an error", n, len(b))
		}
	}
}

func TestUnknownKind(t *testing.T) {
	_, err := newWorld(t, 1, 1).act(0, "vote/sell", nil)
	wants(t, err, "does not know")
}
