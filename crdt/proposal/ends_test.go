package proposal_test

import (
	"slices"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

// TestBothEnds: it takes enough of the electorate where a proposal was opened, and
// enough of those who are members where it would pass. Of five members some votes are
// cast, then members come and go, then others vote.
func TestBothEnds(t *testing.T) {
	const (
		g = proposal.Governance
		c = proposal.Constitutional
		o = proposal.Ordinary
	)
	for _, test := range []struct {
		name  string
		rule  proposal.Rule
		votes string
		join  int // so many more members
		leave []int
		rest  []int
		after string // votes
		want  proposal.Status
		end   proposal.Status // once tellers closed it
	}{
		{"as opened", g, "yyy", 0, nil, nil, "", proposal.StatusPassed, proposal.StatusPassed},
		{"more came", g, "yy", 5, nil, nil, "--y", proposal.StatusOpen, proposal.StatusRejected},
		{"more came, enough still", g, "yy", 1, nil, nil, "--yy", proposal.StatusPassed, proposal.StatusPassed},
		{"two thirds of more", c, "yyy", 4, nil, nil, "---yy", proposal.StatusOpen, proposal.StatusRejected},
		{"two thirds of few more", c, "yyy", 2, nil, nil, "---yy", proposal.StatusPassed, proposal.StatusPassed},
		{"who voted left", g, "yy", 0, []int{0, 1}, nil, "--y", proposal.StatusOpen, proposal.StatusRejected},
		{"who voted left, enough still", g, "yy", 0, []int{0}, nil, "--yy", proposal.StatusPassed, proposal.StatusPassed},
		{"who is left is not enough of then", g, "", 0, []int{3, 4}, nil, "yy", proposal.StatusOpen, proposal.StatusRejected},
		{"who voted no left", g, "yynn", 0, []int{2, 3}, nil, "----y", proposal.StatusPassed, proposal.StatusPassed},
		{"who voted rests", g, "yy", 3, nil, []int{0}, "--y", proposal.StatusOpen, proposal.StatusRejected},
		{"who rests does not count", c, "yy", 2, nil, []int{5, 6}, "--yy", proposal.StatusPassed, proposal.StatusPassed},
		{"poll, more came", o, "yy", 5, nil, nil, "", proposal.StatusOpen, proposal.StatusRejected},
		{"poll, enough took part", o, "yy", 1, nil, nil, "", proposal.StatusOpen, proposal.StatusPassed},
		{"poll, who voted yes left", o, "yyn", 0, []int{0, 1}, nil, "---a", proposal.StatusOpen, proposal.StatusRejected},
		{"poll, the silent cannot change it here but there", o, "yn", 0, []int{1}, nil, "--yy", proposal.StatusPassed, proposal.StatusPassed},
		{"poll, the silent can change it there", o, "yy", 0, []int{0}, nil, "--y", proposal.StatusOpen, proposal.StatusPassed},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, 5, 1)
			id := w.open(0, test.rule)
			w.votes(id, test.votes)
			for i := range test.join {
				w.people.Members.Put(who(5+i), member.Member{ID: who(5 + i), Status: member.StatusMember})
			}
			for _, i := range test.leave {
				w.setStatus(i, member.StatusLeft)
			}
			for _, i := range test.rest {
				w.setStatus(i, member.StatusResting)
			}
			w.review()
			for i, c := range test.after {
				if c != '-' {
					wants(t, w.vote(i, id, option(c)), "")
				}
			}
			w.is(id, test.want)
			wants(t, w.close(0, id), "") // in this world a seat stays with who left
			w.is(id, test.end)
		})
	}
}

// TestWhatLaterMembersMake: somebody who came later makes it harder, has no vote, and
// once they are gone counts no more; whoever wakes counts again, with their vote.
func TestWhatLaterMembersMake(t *testing.T) {
	w := newWorld(t, 3, 1)
	id := w.open(0, proposal.Governance)
	w.votes(id, "y")
	for i := 3; i < 6; i++ {
		w.people.Members.Put(who(i), member.Member{ID: who(i), Name: "later", Status: member.StatusMember})
	}
	wants(t, w.vote(3, id, proposal.No), "was not among those")
	w.vote(1, id, proposal.Yes)
	w.is(id, proposal.StatusOpen) // 2 of 3, and 2 of 6
	w.setStatus(3, member.StatusResting)
	w.review()
	w.is(id, proposal.StatusOpen) // 2 of 5
	w.setStatus(1, member.StatusResting)
	w.setStatus(4, member.StatusLeft)
	w.review()
	w.is(id, proposal.StatusOpen) // 1 of 3
	w.people.Wake(who(1))
	w.setStatus(5, member.StatusLeft)
	w.review()
	w.is(id, proposal.StatusPassed) // 2 of 3
	if got := w.get(id).There; got.Members != 3 || got.Count.Yes != 2 || len(got.Away) != 0 {
		t.Errorf("there counted: %+v", got)
	}
}

// TestExpelledCountsAtNoEnd: who is to be expelled is not among those of whom it takes
// enough, also if they became a member after it was opened.
func TestExpelledCountsAtNoEnd(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Governance, proposal.Effect{Kind: proposal.EffectExpel, Member: who(5)})
	w.votes(id, "yy")
	w.setStatus(5, member.StatusMember)
	w.vote(2, id, proposal.Yes)
	w.is(id, proposal.StatusPassed)
	if got := w.get(id).There.Members; got != 5 {
		t.Errorf("%d members decide, want 5", got)
	}
}

// TestWhoCameBack: somebody who left without a vote counts as one who will stay silent,
// also if they are a member once more. Who had voted may change it then.
func TestWhoCameBack(t *testing.T) {
	w := newWorld(t, 5, 1)
	id := w.open(0, proposal.Governance)
	wants(t, w.vote(2, id, proposal.Yes), "")
	for _, status := range []member.Status{member.StatusLeft, member.StatusMember} {
		w.setStatus(1, status)
		w.setStatus(2, status)
		w.review()
	}
	wants(t, w.vote(1, id, proposal.Yes), "has left since")
	wants(t, w.vote(2, id, proposal.No), "")
	if got := w.get(id).Count; got != (proposal.Count{No: 1}) {
		t.Errorf("%+v was counted", got)
	}
}

// TestJudgingCostsWhatIsOpen: what is decided or withdrawn is not looked at again.
func TestJudgingCostsWhatIsOpen(t *testing.T) {
	w := newWorld(t, 5, 1)
	var open []record.ID
	for i := range 20 {
		id := w.open(0, proposal.Governance)
		switch i % 4 {
		case 0:
			open = append(open, id)
		case 1:
			wants(t, w.withdraw(0, id), "")
		case 2:
			w.votes(id, "yyy")
		case 3:
			w.votes(id, "nnn")
		}
	}
	var undecided []record.ID
	for id := range w.s.Undecided.All() {
		undecided = append(undecided, id)
	}
	if !slices.Equal(undecided, record.SortIDs(open)) {
		t.Errorf("%d proposals are looked at, and %d are open", len(undecided), len(open))
	}
}
