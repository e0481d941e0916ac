package minutes_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// views returns what different people might hold of a world under some rules:
// for each leader that is final, little more than what makes it so, and the
// pasts of a few records.
func (w *world) views(epochs []*seen, random int) []bitset {
	rng := rand.New(rand.NewPCG(w.seed, 4))
	views := []bitset{w.full()}
	for _, e := range epochs {
		for _, l := range e.leaders {
			view := newBitset(maxRecords)
			for _, b := range e.support[l].members() {
				if view.join(w.recs[b].past); e.final(l, view) {
					views = append(views, view)
					break
				}
			}
		}
	}
	for range random {
		views = append(views, w.view(rng))
	}
	return views
}

// disagree looks for two views of a world whose minutes do not continue each
// other under some rules.
func (w *world) disagree(r rules, random int) bool {
	j := newJudge(w, nil, r)
	longest, epochs := j.minutes(w.full())
	for _, view := range w.views(epochs, random) {
		b, _ := j.minutes(view)
		if !continues(longest, b) {
			return true
		}
		if len(b) > len(longest) {
			longest = b
		}
	}
	return false
}

// anyWorld, fourWorld, … make worlds in which at most f of each list lie.
func anyWorld(seed uint64) *world { return newWorld(planOf(seed, false), seed) }

func fewWorld(seed uint64) *world {
	m := 2 + int(seed)%2
	return newWorld(plan{tellers: m, devices: m, records: 40 + int(seed*7%80)}, seed)
}

func fourWorld(seed uint64) *world {
	return newWorld(plan{tellers: 4, devices: 4, lying: 1, records: 40 + int(seed*7%100)}, seed)
}

func seatsWorld(seed uint64) *world {
	m := 1 + int(seed)%4
	return newWorld(plan{tellers: m, devices: m + int(seed)%3, records: 40 + int(seed*7%100), changing: true}, seed)
}

// Under the rules as they are no two views of any world disagree.
func TestNoViewsDisagree(t *testing.T) {
	for name, of := range map[string]func(uint64) *world{"any": anyWorld, "few": fewWorld, "four": fourWorld, "seats": seatsWorld} {
		for seed := range uint64(250) {
			if of(seed).disagree(rules{}, 10) {
				t.Errorf("world %s(%d): two views disagree", name, seed)
			}
		}
	}
}

// Each part of the algorithm is needed: without it two views of some world, with
// at most f liars, disagree. The search starts at a seed that is known to do.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, c := range []struct {
		name  string
		r     rules
		world func(uint64) *world
		seed  uint64
	}{
		{"f one less", rules{fLess: 1}, fourWorld, 4},
		{"q-1 in rounds", rules{qRound: -1}, fewWorld, 11},
		{"q-1 in approvals", rules{qRatify: -1}, fourWorld, 239},
		{"q-1 in supports", rules{qFinal: -1}, fewWorld, 1},
		{"any block of the first round leads", rules{leaderFirstRound: true}, anyWorld, 16},
		{"any block in the wave leads", rules{leaderAnyRound: true}, anyWorld, 16},
		{"a block with prev in the first round leads", rules{leaderOneRound: true}, anyWorld, 16},
		{"approve despite a rival", rules{approveRival: true}, fourWorld, 12},
		{"ratify what is in the past", rules{ratifySeen: true}, fourWorld, 8},
		{"support one round late", rules{supportLate: true}, anyWorld, 35},
		{"support at any time", rules{supportAlways: true}, anyWorld, 35},
		{"support without ratifying", rules{supportSeen: true}, fourWorld, 2},
		{"predecessor not ratified", rules{predecessorSeen: true}, fourWorld, 12},
		{"predecessor only one wave before", rules{predecessorNear: true}, anyWorld, 51},
		{"predecessor must be final", rules{predecessorFinal: true}, anyWorld, 3},
		{"only final leaders are committed", rules{predecessorNone: true}, anyWorld, 1},
		{"count blocks in rounds", rules{blocksRound: true}, fewWorld, 49},
		{"count blocks in approvals", rules{blocksRatify: true}, fourWorld, 466},
		{"count blocks in supports", rules{blocksFinal: true}, fewWorld, 1},
		{"no anchor needed", rules{anchorAnywhere: true}, seatsWorld, 20},
	} {
		found := false
		for seed := c.seed; seed < c.seed+3000 && !found; seed++ {
			w := c.world(seed)
			if found = w.disagree(c.r, 5); found {
				t.Logf("%s: world %d", c.name, seed)
				if w.disagree(rules{}, 50) {
					t.Errorf("%s: world %d disagrees anyway", c.name, seed)
				}
			}
		}
		if !found {
			t.Errorf("%s: no world in which two views disagree", c.name)
		}
	}
}

// These parts keep nobody from agreeing: a shorter wave only takes longer to be
// final, and that the past of a block shows its anchor committed only makes what
// follows provable from that past. But all must do the same.
func TestEachRuleMatters(t *testing.T) {
	for _, c := range []struct {
		name  string
		r     rules
		world func(uint64) *world
	}{
		{"a re-seating need not be in the past", rules{reseatAnywhere: true}, seatsWorld},
		{"what a re-seating has seen is not ordered anew", rules{reseatFromAnchor: true}, seatsWorld},
		{"a wave is one round shorter", rules{shortWave: true}, fourWorld},
		{"anchor need not be committed", rules{anchorUncommitted: true}, seatsWorld},
		{"anchor need only be ratified", rules{anchorApproved: true}, seatsWorld},
	} {
		found := false
		for seed := uint64(0); seed < 300 && !found; seed++ {
			w := c.world(seed)
			right, wrong := newJudge(w, nil, rules{}), newJudge(w, nil, c.r)
			a, _ := right.minutes(w.full())
			b, _ := wrong.minutes(w.full())
			if r, ok := w.reseat(right); ok {
				a, _ = right.reseated(w.full(), r)
				b, _ = wrong.reseated(w.full(), r)
			}
			found = fmt.Sprint(a) != fmt.Sprint(b)
		}
		if !found {
			t.Errorf("%s: the minutes of 300 worlds are the same", c.name)
		}
	}
}
