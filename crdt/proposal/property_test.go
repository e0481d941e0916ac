package proposal_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
)

var (
	rules   = []proposal.Rule{proposal.Ordinary, proposal.Governance, proposal.Constitutional}
	options = []proposal.Option{proposal.Yes, proposal.No, proposal.Abstain}
)

// model is what a proposal should say, kept in the simplest way.
type model struct {
	rule   proposal.Rule
	voters []int
	votes  map[int]proposal.Option // in time
	status proposal.Status
	kept   int // votes that were taken, late ones too

	there   proposal.Count // of those who are members now
	members int
}

// now counts the members, and the votes of those of the electorate who are.
func (m *model) now(w *world) (c proposal.Count, members int) {
	there := &model{votes: map[int]proposal.Option{}}
	for i := range w.people.Members.Len() {
		if someone, _ := w.people.Members.Get(who(i)); someone.Status != member.StatusMember {
			continue
		}
		members++
		if o, ok := m.votes[i]; ok {
			there.votes[i] = o
		}
	}
	return there.count(), members
}

func (m *model) count() (c proposal.Count) {
	for _, o := range m.votes {
		switch o {
		case proposal.Yes:
			c.Yes++
		case proposal.No:
			c.No++
		case proposal.Abstain:
			c.Abstain++
		}
	}
	return c
}

func TestRandomActsKeepTheRules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(rt, "members")
		w := newWorld(t, n, rapid.IntRange(1, min(n, 4)).Draw(rt, "tellers"))
		models := map[record.ID]*model{}
		var ids []record.ID
		for range rapid.IntRange(1, 60).Draw(rt, "acts") {
			by := rapid.IntRange(0, n).Draw(rt, "by")
			me, _ := w.people.Members.Get(who(by))
			what := rapid.SampledFrom([]string{"open", "vote", "vote", "vote", "vote", "close", "withdraw", "leave", "join"}).Draw(rt, "act")
			switch {
			case what == "leave" && me.Status == member.StatusMember && rapid.Bool().Draw(rt, "really"):
				w.setStatus(by, member.StatusLeft)
				w.review()
			case what == "join" && me.Status == member.StatusAssociate:
				w.setStatus(by, member.StatusMember)
				w.review()
			case what == "open" && me.Status == member.StatusMember:
				rule := rapid.SampledFrom(rules).Draw(rt, "rule")
				id := w.open(by, rule)
				m := &model{rule: rule, votes: map[int]proposal.Option{}, status: proposal.StatusOpen}
				for i := range n + 1 {
					if slices.Contains(w.get(id).Voters, who(i)) {
						m.voters = append(m.voters, i)
					}
				}
				ids, models[id] = append(ids, id), m
			case me.Gone() || len(ids) == 0:
			case what == "vote":
				id := rapid.SampledFrom(ids).Draw(rt, "proposal")
				o := rapid.SampledFrom(options).Draw(rt, "option")
				m := models[id]
				err := w.vote(by, id, o)
				if want := slices.Contains(m.voters, by) && m.status != proposal.StatusWithdrawn; want != (err == nil) {
					rt.Fatalf("vote of %d: %v", by, err)
				}
				if err == nil {
					m.kept++
					if m.status == proposal.StatusOpen {
						m.votes[by] = o
					}
				}
			case what == "close":
				_ = w.close(by, rapid.SampledFrom(ids).Draw(rt, "proposal"))
			case what == "withdraw":
				_ = w.withdraw(by, rapid.SampledFrom(ids).Draw(rt, "proposal"))
			}
			for _, id := range ids {
				checkAgainst(rt, w, id, models[id])
			}
		}
	})
}

// checkAgainst holds that a proposal counts as the model does, and is decided
// only as its rule allows.
func checkAgainst(rt *rapid.T, w *world, id record.ID, m *model) {
	p, n := w.get(id), len(m.voters)
	c := m.count()
	if p.Count != c {
		rt.Fatalf("count: got %+v, want %+v", p.Count, c)
	}
	if m.status != proposal.StatusOpen && p.Status != m.status {
		rt.Fatalf("what was %s became %s", m.status, p.Status)
	}
	m.status = p.Status
	enough := func(c proposal.Count, n int) bool {
		if m.rule != proposal.Ordinary {
			return c.Yes >= needed(m.rule, n)
		}
		return c.Yes > c.No && int64(100*c.Cast()) >= p.Quorum*int64(n)
	}
	if p.Status == proposal.StatusOpen {
		m.there, m.members = m.now(w)
	}
	if passed := p.Status == proposal.StatusPassed; passed && !enough(c, n) {
		rt.Fatalf("%s of %d passed with %+v", m.rule, n, c)
	} else if passed && (!enough(p.There.Count, p.There.Members) || p.There.Count.Yes > c.Yes) {
		rt.Fatalf("%s of %d passed with %+v", m.rule, n, p.There)
	} else if p.Status == proposal.StatusOpen && enough(c, n) && enough(m.there, m.members) && m.rule != proposal.Ordinary {
		rt.Fatalf("%s of %d is %s with %+v", m.rule, n, p.Status, c)
	}
	if p.Status == proposal.StatusRejected && enough(c, n) && enough(p.There.Count, p.There.Members) {
		rt.Fatalf("%s of %d was rejected with %+v", m.rule, n, c)
	}
	kept := 0
	for _, l := range w.tally(id).Lines {
		kept += len(l.Former) + len(l.Late)
		if l.Vote.Option != "" {
			kept++
		}
	}
	if kept != m.kept {
		rt.Fatalf("%d votes are shown of %d", kept, m.kept)
	}
	returned := slices.IndexFunc(w.passed, func(q proposal.Proposal) bool { return q.ID == id }) >= 0
	if returned != (p.Status == proposal.StatusPassed) {
		rt.Fatalf("%s, and returned as passed: %t", p.Status, returned)
	}
	if p.Silent() < 0 || len(p.Gone) > n {
		rt.Fatalf("%d silent of %d", p.Silent(), n)
	}
}

func TestWhatPassedIsReturnedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, 5, 1)
		id := w.open(0, proposal.Governance)
		for range 12 {
			w.vote(rapid.IntRange(0, 4).Draw(rt, "by"), id, proposal.Yes)
			w.review()
		}
		if got := len(w.passed); got > 1 {
			rt.Fatalf("returned %d times", got)
		}
	})
}

// TestOrderOfOthersDoesNotMatter: the acts on one proposal come to the same
// however the acts on another stand between them.
func TestOrderOfOthersDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := newWorld(t, 6, 3)
		ids := []record.ID{base.open(0, rapid.SampledFrom(rules).Draw(rt, "rule")), base.open(0, rapid.SampledFrom(rules).Draw(rt, "rule"))}
		type act struct {
			kind string
			by   int
			body []byte
			id   uint64
		}
		var lists [2][]act
		for i := range 24 {
			which := rapid.IntRange(0, 1).Draw(rt, "which")
			a := act{proposal.KindCast, rapid.IntRange(0, 5).Draw(rt, "by"), nil, uint64(1000 + i)}
			if a.body = record.Marshal(proposal.CastBody{Proposal: ids[which], Option: rapid.SampledFrom(options).Draw(rt, "option")}); i%8 == 7 {
				a.kind, a.body = proposal.KindClose, record.Marshal(proposal.CloseBody{Proposals: ids[which : which+1]})
			}
			lists[which] = append(lists[which], a)
		}
		run := func() []byte {
			w, left := base.clone(t), lists
			for len(left[0])+len(left[1]) > 0 {
				which := rapid.IntRange(0, 1).Draw(rt, "next")
				if len(left[which]) == 0 {
					which = 1 - which
				}
				a := left[which][0]
				left[which] = left[which][1:]
				w.acts = a.id
				_, _ = w.act(a.by, a.kind, a.body)
			}
			return w.bytes()
		}
		if !bytes.Equal(run(), run()) {
			rt.Fatalf("the order between two proposals changed what became of them")
		}
	})
}

// TestOrderOfVotersDoesNotMatter: one vote each comes to the same in any order.
func TestOrderOfVotersDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(rt, "members")
		base := newWorld(t, n, 1)
		id := base.open(0, rapid.SampledFrom(rules).Draw(rt, "rule"))
		votes := rapid.SliceOfN(rapid.SampledFrom(options), n, n).Draw(rt, "votes")
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		run := func(order []int) proposal.Status {
			w := base.clone(t)
			for _, i := range order {
				w.vote(i, id, votes[i])
			}
			return w.get(id).Status
		}
		other := rapid.Permutation(order).Draw(rt, "order")
		if a, b := run(order), run(other); a != b || a == proposal.StatusOpen {
			rt.Fatalf("one order: %s, another: %s", a, b)
		}
	})
}
