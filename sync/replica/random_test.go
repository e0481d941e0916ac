package replica_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

var (
	randomSeeds = flag.Int("seeds", 30, "how many random worlds TestRandomWorlds makes")
	randomFirst = flag.Uint64("first", 1, "the first seed of TestRandomWorlds")
)

// random is a co-op in which at random people meet and part, write, leave, put
// each other out, come in, lock their nodes, and use copies of their homes.
type random struct {
	*world
	*rand.Rand
	locked map[*node]bool
	twins  map[*node]bool // copies of another's home
	names  int
	did    map[string]int
}

// TestRandomWorlds holds what taking and covering is for: however it went, nodes
// that meet come to hold the same, and from those who were put out nothing more
// comes in.
func TestRandomWorlds(t *testing.T) {
	did := map[string]int{}
	for seed := *randomFirst; seed < *randomFirst+uint64(*randomSeeds); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newRandom(t, seed)
			w.did = did
			for range 60 + w.IntN(60) {
				w.step()
			}
			w.heal()
			w.flood()
		})
	}
	t.Logf("%v", did)
	if *randomSeeds < 20 {
		return
	}
	// Worlds in which nothing happens prove nothing.
	for _, what := range []string{"out by the minutes", "forked", "joined", "covered", "flooded", "locked"} {
		if did[what] == 0 {
			t.Errorf("nothing was %s in %d worlds", what, *randomSeeds)
		}
	}
}

func newRandom(t *testing.T, seed uint64) *random {
	rng := rand.New(rand.NewPCG(seed, 7))
	founders := []string{"Ana", "Ben", "Cleo"}[:1+rng.IntN(3)]
	w := &random{world: newWorld(t, founders...), Rand: rng, locked: map[*node]bool{}, twins: map[*node]bool{}}
	w.gossip = rng.IntN(2) == 0
	w.mesh(w.nodes...)
	ana, people := w.nodes[0], []record.ID{}
	for range 2 + rng.IntN(2) {
		w.names++
		n := w.join(ana, fmt.Sprint("Person", w.names))
		people = append(people, n.member())
	}
	w.pass(5 * time.Second)
	w.decide(ana, proposal.Effect{Kind: proposal.EffectMembers, Members: record.SortIDs(people)}, w.nodes[:len(founders)]...)
	for _, l := range w.lines {
		l.close()
	}
	return w
}

func (w *random) any() *node { return w.nodes[w.IntN(len(w.nodes))] }

// inside reports whether a node may write.
func (w *random) inside(n *node) bool {
	return n.r.Joined() && n.coop.History().Len() > 0 && n.coop.Stands(n.device()) && n.coop.People().Stands(n.device()) && !w.locked[n] && !n.accused
}

func (w *random) step() {
	n := w.any()
	switch k := w.IntN(100); {
	case k < 30:
		w.meet(n, w.any())
	case k < 45:
		for _, l := range w.lines {
			if w.IntN(2) == 0 {
				l.close()
			}
		}
	case k < 55:
		w.pass(time.Duration(w.IntN(20_000)) * time.Millisecond)
	case k < 58:
		w.lock(n)
	case k < 61:
		w.copy(n)
	case k < 64:
		w.invited()
	case w.inside(n):
		w.write(n)
	}
}

// meet connects two nodes, for a moment or for longer.
func (w *random) meet(a, b *node) {
	if a == b || slices.ContainsFunc(w.lines, func(l *line) bool { return l.up && slices.Contains(l.ends[:], a) && slices.Contains(l.ends[:], b) }) {
		return
	}
	l := w.open(a, b)
	for range w.IntN(8) {
		w.flight()
	}
	if w.IntN(3) == 0 {
		l.close()
	}
	w.run()
}

// restart turns a computer off and on, maybe without its person to unlock it.
func (w *random) restart(n *node, locked bool) {
	for _, l := range w.lines {
		if slices.Contains(l.ends[:], n) {
			l.close()
		}
	}
	w.locked[n] = locked
	n.startWith(func(cfg *replica.Config) {
		if locked {
			cfg.Key = nil
		}
	})
}

func (w *random) lock(n *node) {
	w.did["locked"]++
	w.restart(n, !w.locked[n])
}

// copy lets a home be used twice. Two or three tellers bear absence, but no lies.
func (w *random) copy(n *node) {
	if !w.inside(n) || w.twins[n] || slices.Contains(n.coop.People().Tellers, n.device()) {
		return
	}
	twin := w.newNode(n.name)
	twin.transport = fmt.Append(nil, "copy ", len(w.nodes))
	twin.card, twin.leader, twin.disk, twin.joined = n.card, n.leader, slices.Clone(n.disk), n.joined
	twin.start()
	w.twins[twin], w.twins[n] = true, true
	n.writeAny("note", []byte("here"))
	twin.writeAny("note", []byte("there"))
}

// invited lets somebody come in, through one of the founders' nodes.
func (w *random) invited() {
	by := w.nodes[0]
	if len(w.nodes) > 8 || !w.inside(by) {
		return
	}
	w.names++
	n := w.newcomer(fmt.Sprint("Person", w.names), by.invite(fmt.Sprint("code ", w.names), 1, 0))
	w.meet(by, n)
	w.did["joined"]++
}

func (w *random) write(n *node) {
	kind, body := "note", make([]byte, w.IntN(50))
	s := n.coop.State()
	me, _ := s.People.Author(n.device())
	switch k := w.IntN(10); {
	case k < 3:
		kind, body = ledger.KindTransfer, record.Marshal(ledger.TransferBody{To: w.coop, Unit: "hour", Amount: 100})
	case k < 4 && w.IntN(4) == 0:
		kind, body = member.KindLeave, nil
	case k < 6:
		e := []proposal.Effect{{Kind: proposal.EffectExpel, Member: w.any().member()}}
		var err error
		if body, err = proposal.Open(s.People, me.ID, proposal.OpenBody{Version: []record.ID{}, Title: "Out", ClosesAt: 1, Effects: e, Rule: proposal.RuleFor(e)}); err != nil {
			return
		}
		kind = proposal.KindOpen
	case k < 9:
		for id, p := range s.Proposals.Proposals.All() {
			if p.Status == proposal.StatusOpen {
				kind, body = proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes})
			}
		}
	}
	if kind == "note" || n.coop.Try(n.device(), kind, body) == nil {
		n.writeAny(kind, body)
	}
}

// heal unlocks and connects all, and gives them some time.
func (w *random) heal() {
	w.t.Helper()
	for _, n := range w.nodes {
		if w.locked[n] {
			w.locked[n] = false
			n.r.Unlock(n.key)
			n.commit()
		}
	}
	for range 12 {
		for i, n := range w.nodes {
			for _, o := range w.nodes[:i] {
				w.meet(o, n)
			}
		}
		w.pass(time.Minute)
	}
	ana := w.nodes[0]
	same := []*node{ana}
	for _, n := range w.nodes[1:] {
		_, _, forked := ana.coop.History().Fork(n.device())
		switch stands := ana.coop.Stands(n.device()); {
		case stands:
			same = append(same, n)
		case forked:
			w.did["forked"]++
		case ana.coop.Introduced(n.device()):
			w.did["out by the minutes"]++
		}
	}
	wantSame(w.t, same...)
	for _, n := range same {
		w.did["covered"] += n.count(coop.KindAck)
		if n.coop.State().Digest() != ana.coop.State().Digest() {
			w.t.Errorf("%s holds the same as Ana and shows another state", n.name)
		}
		if bare := n.coop.Uncovered(n.device()); len(bare) > 0 {
			w.t.Errorf("%s holds %d tips that nobody covers", n.name, len(bare))
		}
	}
}

// flood has somebody who stands offer what those who were put out go on writing.
func (w *random) flood() {
	ana := w.nodes[0]
	for _, out := range w.nodes {
		if out == ana || ana.coop.Stands(out.device()) || out.coop.History().Len() == 0 || len(ana.coop.History().TipsOf(out.device())) == 0 {
			continue
		}
		c := &chain{w: w.world, key: out.key}
		for _, r := range ana.disk {
			if r.Device == out.device() {
				c.prev = r
			}
		}
		var rs []*record.Record
		for range 20 {
			rs = append(rs, c.next("note", nil))
		}
		p := w.call(ana, "flood", true).enter(ana.key)
		p.say(records(rs...))
		p.say(wire.End{})
		ana.r.Gossip(ana.now(), p.id, rs)
		w.pass(5 * time.Second)
		for _, r := range rs {
			if w.did["flooded"]++; ana.holds(r) {
				w.t.Fatalf("a record of %s is held, who was put out", out.name)
			}
		}
	}
}
