package proposal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

func TestNeeded(t *testing.T) {
	want := []struct{ n, governance, constitutional int }{
		{1, 1, 1}, {2, 2, 2}, {3, 2, 2}, {4, 3, 3}, {5, 3, 4}, {6, 4, 4}, {7, 4, 5}, {8, 5, 6}, {9, 5, 6}, {10, 6, 7},
	}
	for _, w := range want {
		if got := proposal.Needed(proposal.Governance, w.n); got != w.governance {
			t.Errorf("governance of %d: got %d, want %d", w.n, got, w.governance)
		}
		if got := proposal.Needed(proposal.Constitutional, w.n); got != w.constitutional {
			t.Errorf("constitutional of %d: got %d, want %d", w.n, got, w.constitutional)
		}
		if got := proposal.Needed(proposal.Ordinary, w.n); got != 0 {
			t.Errorf("ordinary of %d: got %d, want 0", w.n, got)
		}
	}
}

func TestTurnout(t *testing.T) {
	want := map[int64][]int{ // for n = 1 … 10
		0:   {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		1:   {1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		30:  {1, 1, 1, 2, 2, 2, 3, 3, 3, 3},
		50:  {1, 1, 2, 2, 3, 3, 4, 4, 5, 5},
		67:  {1, 2, 3, 3, 4, 5, 5, 6, 7, 7},
		100: {1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
	}
	for quorum, row := range want {
		for i, n := range row {
			if got := proposal.Turnout(quorum, i+1); got != n {
				t.Errorf("%d of 100 of %d: got %d, want %d", quorum, i+1, got, n)
			}
		}
	}
}

// needed is Needed by its definition in words.
func needed(rule proposal.Rule, n int) int {
	for yes := range n + 1 {
		if rule == proposal.Governance && 2*yes > n || rule == proposal.Constitutional && 3*yes >= 2*n {
			return yes
		}
	}
	panic("no such number")
}

func TestPassesAndFallsAtOnce(t *testing.T) {
	for _, rule := range []proposal.Rule{proposal.Governance, proposal.Constitutional} {
		for n := 1; n <= 10; n++ {
			need := needed(rule, n)
			for _, test := range []struct {
				option proposal.Option
				last   int // the vote that decides
				want   proposal.Status
			}{
				{proposal.Yes, need, proposal.StatusPassed},
				{proposal.No, n - need + 1, proposal.StatusRejected},
				{proposal.Abstain, n - need + 1, proposal.StatusRejected},
			} {
				t.Run(fmt.Sprintf("%s of %d, %s", rule, n, test.option), func(t *testing.T) {
					w := newWorld(t, n, 1)
					id := w.open(0, rule)
					for i := range test.last {
						w.is(id, proposal.StatusOpen)
						wants(t, w.vote(i, id, test.option), "")
					}
					w.is(id, test.want)
					if got := w.get(id).Decided; got != idOf(w.acts) {
						t.Errorf("decided by %v, want the last vote", got)
					}
					if passed := test.want == proposal.StatusPassed; passed != (len(w.passed) == 1) || passed && w.passed[0].ID != id {
						t.Errorf("returned as passed: %d", len(w.passed))
					}
				})
			}
		}
	}
}

// oracle says what a poll of all these votes comes to, by the words of the rule.
func oracle(votes string, quorum int64) proposal.Status {
	yes, no, cast := strings.Count(votes, "y"), strings.Count(votes, "n"), len(votes)-strings.Count(votes, "-")
	if int64(100*cast) >= quorum*int64(len(votes)) && yes > no {
		return proposal.StatusPassed
	}
	return proposal.StatusRejected
}

// sequences returns all strings of n of the letters.
func sequences(letters string, n int) []string {
	all := []string{""}
	for range n {
		var next []string
		for _, s := range all {
			for _, c := range letters {
				next = append(next, s+string(c))
			}
		}
		all = next
	}
	return all
}

func TestPoll(t *testing.T) {
	for _, quorum := range []int64{0, 30, 50, 67, 100} {
		for n := 1; n <= 5; n++ {
			base := newWorld(t, n, 1)
			if err := base.people.SetClause(member.Quorum, quorum, ""); err != nil {
				t.Fatal(err)
			}
			id := base.open(0, proposal.Ordinary)
			for _, votes := range sequences("yna-", n) {
				checkPoll(t, base, id, votes, quorum)
			}
		}
	}
}

// checkPoll casts votes one by one and holds that the poll is decided exactly
// when whatever the rest do it comes to the same, and to that.
func checkPoll(t *testing.T, base *world, id record.ID, votes string, quorum int64) {
	t.Helper()
	w, n := base.clone(t), len(votes)
	cast := []byte(strings.Repeat("-", n))
	for i, c := range votes {
		if c == '-' {
			continue
		}
		if w.get(id).Status != proposal.StatusOpen {
			break
		}
		w.vote(i, id, option(c))
		cast[i] = byte(c)
		var ends []proposal.Status
		for _, rest := range sequences("yn-", strings.Count(string(cast), "-")) {
			ends = append(ends, oracle(fill(string(cast), rest), quorum))
		}
		want := ends[0]
		if slices.Contains(ends, proposal.StatusPassed) && slices.Contains(ends, proposal.StatusRejected) {
			want = proposal.StatusOpen
		}
		if got := w.get(id).Status; got != want {
			t.Fatalf("quorum %d, %s: got %s, want %s", quorum, cast, got, want)
		}
	}
	if w.get(id).Status == proposal.StatusOpen {
		wants(t, w.close(0, id), "")
		if got, want := w.get(id).Status, oracle(string(cast), quorum); got != want {
			t.Fatalf("quorum %d, %s, closed: got %s, want %s", quorum, cast, got, want)
		}
	}
}

// fill puts letters in place of the dashes.
func fill(votes, letters string) string {
	var b strings.Builder
	for _, c := range votes {
		if c == '-' {
			c, letters = rune(letters[0]), letters[1:]
		}
		b.WriteRune(c)
	}
	return b.String()
}

func TestQuorumIsOfBothEnds(t *testing.T) {
	w := newWorld(t, 10, 1)
	quorum := func(n int64) {
		if err := w.people.SetClause(member.Quorum, n, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		opened, passes int64
		want           proposal.Status
	}{
		{30, 30, proposal.StatusPassed}, {30, 40, proposal.StatusRejected}, {40, 30, proposal.StatusRejected}, {0, 30, proposal.StatusPassed},
	} {
		quorum(test.opened)
		id := w.open(0, proposal.Ordinary)
		quorum(test.passes)
		w.votes(id, "yyy")
		w.close(0, id)
		if w.is(id, test.want); w.get(id).Quorum != test.opened || w.get(id).There.Quorum != test.passes {
			t.Errorf("quorums are %d and %d", w.get(id).Quorum, w.get(id).There.Quorum)
		}
	}
	if w.get(w.open(0, proposal.Governance)).Quorum != 0 {
		t.Errorf("a governance proposal has a quorum")
	}
}

func TestVoteRefused(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Governance)
	withdrawn := w.open(0, proposal.Governance)
	w.withdraw(0, withdrawn)
	w.setStatus(4, member.StatusLeft)
	for _, test := range []struct {
		name string
		by   int
		body proposal.CastBody
		want string
	}{
		{"associate", 5, proposal.CastBody{Proposal: id, Option: proposal.Yes}, "was not among those"},
		{"who left", 4, proposal.CastBody{Proposal: id, Option: proposal.Yes}, "no member any more"},
		{"no proposal", 1, proposal.CastBody{Proposal: stranger, Option: proposal.Yes}, "there is no proposal"},
		{"withdrawn", 1, proposal.CastBody{Proposal: withdrawn, Option: proposal.Yes}, "withdrawn"},
		{"no option", 1, proposal.CastBody{Proposal: id}, "yes, no or abstain"},
		{"another option", 1, proposal.CastBody{Proposal: id, Option: "Yes"}, "yes, no or abstain"},
		{"long reason", 1, proposal.CastBody{Proposal: id, Option: proposal.No, Reason: strings.Repeat("é", 1001)}, "the reason has 1001"},
		{"longest reason", 1, proposal.CastBody{Proposal: id, Option: proposal.No, Reason: strings.Repeat("é", 1000)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.act(test.by, proposal.KindCast, record.Marshal(test.body))
			wants(t, err, test.want)
		})
	}
}

func TestVoteReplacesEarlier(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Governance)
	for _, o := range []proposal.Option{proposal.Yes, proposal.Yes, proposal.No, proposal.Abstain, proposal.Yes} {
		wants(t, w.vote(1, id, o), "")
	}
	if got, want := w.get(id).Count, (proposal.Count{Yes: 1}); got != want {
		t.Errorf("count: got %+v, want %+v", got, want)
	}
	line := w.tally(id).Lines[1]
	if line.Vote.Option != proposal.Yes || line.Vote.ID != idOf(w.acts) || len(line.Former) != 4 || line.Former[2].Option != proposal.No {
		t.Errorf("line: got %+v", line)
	}
	w.vote(2, id, proposal.Yes)
	w.vote(2, id, proposal.No)
	w.vote(0, id, proposal.Yes)
	w.is(id, proposal.StatusOpen)
	w.vote(2, id, proposal.Yes)
	w.is(id, proposal.StatusPassed)
}

func TestVotesOfOnePersonAreLimited(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Governance)
	for range proposal.MaxVotes {
		wants(t, w.vote(1, id, proposal.No), "")
	}
	wants(t, w.vote(1, id, proposal.Yes), "100 times")
	wants(t, w.vote(2, id, proposal.Yes), "")
}

func TestLateVotes(t *testing.T) {
	for _, test := range []struct {
		name  string
		rule  proposal.Rule
		votes string // in time, member by member
		late  string // after, member by member
		could bool
	}{
		{"passed, nothing late", proposal.Governance, "yyy", "", false},
		{"passed, others against", proposal.Governance, "yyy", "---nn", false},
		{"passed, one regrets", proposal.Governance, "yyy", "n", true},
		{"passed, one regrets, one joins", proposal.Governance, "yyy", "n--y", false},
		{"passed, one repeats", proposal.Governance, "yyy", "y", false},
		{"rejected, one turns", proposal.Governance, "nnn", "y--yy", true},
		{"rejected, not enough turn", proposal.Governance, "nnn", "y--y", false},
		{"constitutional, one regrets", proposal.Constitutional, "yyyy", "n", true},
		{"poll closed, late yes", proposal.Ordinary, "yn", "--y", true},
		{"poll closed, late no", proposal.Ordinary, "yn", "--n", false},
		{"poll closed, one turns", proposal.Ordinary, "yn", "-y", true},
		{"poll passed, late no", proposal.Ordinary, "y-y", "---n", false},
		{"poll passed, two late no", proposal.Ordinary, "y-y", "---nn", true},
		{"poll closed, late turnout", proposal.Ordinary, "y", "--a", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 5, 1)
			id := w.open(0, test.rule)
			for i, c := range test.votes {
				if c != '-' {
					w.vote(i, id, option(c))
				}
			}
			if test.rule == proposal.Ordinary {
				wants(t, w.close(0, id), "")
			}
			before, passed := w.get(id), len(w.passed)
			late := 0
			for i, c := range test.late {
				if c != '-' {
					wants(t, w.vote(i, id, option(c)), "")
					late++
				}
			}
			if after := w.get(id); after.Status != before.Status || after.Count != before.Count || len(w.passed) != passed {
				t.Errorf("late votes counted: %+v, then %+v", before, after)
			}
			tally := w.tally(id)
			if tally.CouldChange != test.could {
				t.Errorf("could change: got %t, want %t", tally.CouldChange, test.could)
			}
			shown := 0
			for _, l := range tally.Lines {
				shown += len(l.Late)
				if len(l.Former) > 0 {
					t.Errorf("a late vote replaced one: %+v", l)
				}
			}
			if shown != late {
				t.Errorf("late votes shown: got %d, want %d", shown, late)
			}
		})
	}
}

func TestLastLateVoteOfAPersonIsTheirs(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Governance)
	w.votes(id, "yyy")
	w.vote(0, id, proposal.No)
	w.vote(0, id, proposal.Yes)
	if w.tally(id).CouldChange {
		t.Errorf("a late vote that was taken back could have changed it")
	}
}

func TestTallyNamesEveryone(t *testing.T) {
	w := newWorld(t, 4, 1)
	id := w.open(0, proposal.Governance)
	w.act(2, proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.No, Reason: "too dear"}))
	tally := w.tally(id)
	if tally.Needed != 3 || tally.Turnout != 0 || len(tally.Lines) != 4 {
		t.Errorf("tally: got %+v", tally)
	}
	for i, l := range tally.Lines {
		if l.Voter != who(i) || (l.Vote.Option != "") != (i == 2) {
			t.Errorf("line %d: got %+v", i, l)
		}
	}
	if v := tally.Lines[2].Vote; v.Option != proposal.No || v.Reason != "too dear" || v.Time == 0 {
		t.Errorf("vote: got %+v", v)
	}
	if v, ok := w.s.Voted(id, who(2)); !ok || v.Option != proposal.No {
		t.Errorf("Voted: got %+v, %t", v, ok)
	}
	if _, ok := w.s.Voted(id, who(1)); ok {
		t.Errorf("Voted: somebody silent has")
	}
	if _, ok := w.s.Tally(w.people, stranger); ok {
		t.Errorf("a tally of no proposal")
	}
	if p := w.open(0, proposal.Ordinary); w.tally(p).Turnout != 2 || w.tally(p).Needed != 0 {
		t.Errorf("tally of a poll: got %+v", w.tally(p))
	}
}
