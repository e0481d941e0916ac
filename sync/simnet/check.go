package simnet

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
)

// checks is what must hold at every moment.
type checks struct {
	changed map[*Node]uint64
	starts  map[*Node]int
	leaders map[int]record.ID     // of each batch of the minutes
	minuted map[int][32]byte      // what the minutes made of the co-op up to each batch
	states  map[[32]byte][32]byte // digest of the state by digest of the frontier
	acked   map[record.ID]*Node   // what people were told is safe
}

func newChecks() checks {
	return checks{
		changed: map[*Node]uint64{}, starts: map[*Node]int{}, leaders: map[int]record.ID{},
		minuted: map[int][32]byte{}, states: map[[32]byte][32]byte{}, acked: map[record.ID]*Node{},
	}
}

// node looks at a node whose fold may have moved.
func (k *checks) node(n *Node) {
	if n.lie != nil || n.coop.History().Len() == 0 || k.starts[n] == n.starts && k.changed[n] == n.coop.Changed() {
		return
	}
	k.changed[n], k.starts[n] = n.coop.Changed(), n.starts
	w, s := n.w, n.coop.State()
	s.Ledger.CheckZero()
	s.Minuted.Ledger.CheckZero()
	batches := n.coop.Minutes().Batches()
	if leader, ok := k.leaders[batches]; ok && leader != s.Last {
		w.fail("%s: batch %d of the minutes is led by %s, for others by %s", n.person.name, batches, s.Last.Short(), leader.Short())
	}
	k.leaders[batches] = s.Last
	// Looking at everything each time would take most of the run. What is left
	// out is the same for all nodes, so that there is something to compare.
	if batches%8 == 0 {
		sum := minutedSum(s)
		if other, ok := k.minuted[batches]; ok && other != sum {
			w.fail("%s: the minutes up to batch %d mean something else than for others", n.person.name, batches)
		}
		k.minuted[batches] = sum
	}
	if s.Frontier[0]%8 == 0 {
		k.digest(n, s)
	}
	for _, other := range w.nodes {
		if a, b, ok := n.coop.History().Fork(other.device()); ok && other.honest {
			w.fail("the honest device of node %d wrote %s and %s into one slot", other.no, n.coop.History().ID(a).Short(), n.coop.History().ID(b).Short())
		}
	}
}

// digest holds that the state is a function of the set of records.
func (k *checks) digest(n *Node, s *coop.State) {
	digest := s.Digest()
	if other, ok := k.states[s.Frontier]; ok && other != digest {
		n.w.fail("%s: the same %d records make another state than elsewhere", n.person.name, s.Records)
	}
	k.states[s.Frontier] = digest
}

func minutedSum(s *coop.State) [32]byte {
	var b bytes.Buffer
	a := s.Minuted
	a.People.WriteTo(&b)
	a.Proposals.WriteTo(&b)
	a.Ledger.WriteTo(&b)
	a.Problems.WriteTo(&b)
	return sha256.Sum256(b.Bytes())
}

// complaint is an event that honest nodes must not give each other cause for.
func (k *checks) complaint(n *Node, e replica.Event) {
	if c := n.conns[e.Session]; n.lie != nil || c == nil || c.ends[1-c.side(n)].lie != nil {
		return
	}
	for _, fine := range []string{"no answer in time", "left the co-op", "was expelled", "was revoked", "in one slot", "not known to the co-op",
		"used up", "revoked", "is no sponsor", "the co-op does not know", "was admitted before", "no longer, part"} {
		if strings.Contains(e.Text, fine) {
			return
		}
	}
	n.w.fail("%s: event %d: %s", n.person.name, e.Kind, e.Text)
}

// members returns the honest nodes whose device stands for the founder's node.
func (w *World) members() []*Node {
	var in []*Node
	for _, n := range w.nodes {
		if n.lie == nil && w.nodes[0].coop.Stands(n.device()) {
			in = append(in, n)
		}
	}
	return in
}

// agreed says what the nodes of the co-op still disagree about, or nil.
func (w *World) agreed() error {
	in := w.members()
	var stand []record.Key
	first := w.nodes[0].coop.State()
	for _, n := range in {
		stand = append(stand, n.device())
		if !n.up || n.coop.History().Len() == 0 || !n.replica.Joined() {
			return fmt.Errorf("node %d has not joined", n.no)
		}
		if n.coop.History().Digest() != first.Frontier {
			return fmt.Errorf("nodes 0 and %d hold %d and %d records", n.no, first.Records, n.coop.History().Len())
		}
		if n.coop.State().Digest() != first.Digest() {
			return fmt.Errorf("nodes 0 and %d hold the same records and show another state", n.no)
		}
	}
	epochs := w.nodes[0].coop.Minutes().Epochs()
	tellers, here := epochs[len(epochs)-1].Tellers, 0
	for _, t := range tellers {
		if slices.Contains(stand, t) {
			here++
		}
	}
	if enough := (len(tellers)+(len(tellers)-1)/3)/2 + 1; here >= enough && len(first.Pending) > 0 {
		return fmt.Errorf("%d acts are not minuted, although %d of %d tellers talk", len(first.Pending), here, len(tellers))
	}
	return nil
}

// finalChecks looks at what everyone agreed on.
func (w *World) finalChecks() {
	if w.err != nil {
		return
	}
	n := w.nodes[0]
	s := n.coop.State()
	w.checkRefold(n, s.Digest())
	for id, by := range w.check.acked {
		if _, ok := n.coop.History().Find(id); !ok && by.honest && w.nodes[0].coop.Stands(by.device()) {
			w.fail("record %s of node %d was acknowledged and is lost", id.Short(), by.no)
		}
	}
	texts := ""
	for _, t := range s.Texts.All() {
		texts += t.Text
	}
	for id, letter := range w.life.typed {
		if _, ok := n.coop.History().Find(id); ok && strings.Count(texts, string(letter)) != 1 {
			w.fail("the letter %c stands %d times in the texts", letter, strings.Count(texts, string(letter)))
		}
	}
	w.Stats.Records, w.Stats.Batches, w.Stats.Epochs, w.Stats.Joined = s.Records, n.coop.Minutes().Batches(), len(s.Epochs), len(w.members())
	w.Stats.Problems = s.Problems().Len()
	w.Stats.Removed = int(s.People.Removals)
	for _, o := range w.nodes {
		if _, _, ok := n.coop.History().Fork(o.device()); ok {
			w.Stats.Forks++
		}
	}
	for _, p := range s.Proposals.Proposals.All() {
		if p.Rule == proposal.Ordinary && p.Status != proposal.StatusOpen {
			w.Stats.Polls++
		}
		if p.Status == proposal.StatusPassed {
			w.Stats.Passed++
		}
	}
}

// checkRefold holds that the order of arrival and the caches change nothing.
func (w *World) checkRefold(n *Node, want [32]byte) {
	rs := shuffle(records(n.coop, n.load), w.rand)
	load := func(ref history.Ref) *record.Record { return rs[ref] }
	c := coop.New(load)
	half := w.rand.IntN(len(rs) + 1)
	var snapshot []byte
	for i, r := range rs {
		if _, fresh, err := c.Add(r); err != nil || !fresh {
			w.fail("record %d of %d is refused in another order: %v", i, len(rs), err)
			return
		}
		if i+1 == half {
			snapshot = c.Snapshot()
		}
	}
	if c.State().Digest() != want {
		w.fail("folded in another order, %d records make another state", len(rs))
	}
	restored, covered, err := coop.Restore(load, snapshot, nil, func(admit func(*record.Record) error) error {
		for _, r := range rs {
			if err := admit(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || covered != half || restored.State().Digest() != want {
		w.fail("restored from a snapshot of %d of %d records (%d): another state, %v", half, len(rs), covered, err)
	}
}

// shuffle returns records in another order in which they may be admitted.
func shuffle(rs []*record.Record, random *rand.Rand) []*record.Record {
	children, open := map[record.ID][]*record.Record{}, map[record.ID]int{}
	var ready, out []*record.Record
	for _, r := range rs {
		for _, p := range append([]record.ID{r.Prev}, r.Parents...) {
			if p != (record.ID{}) {
				children[p] = append(children[p], r)
				open[r.ID]++
			}
		}
		if open[r.ID] == 0 {
			ready = append(ready, r)
		}
	}
	for len(ready) > 0 {
		i := random.IntN(len(ready))
		r := ready[i]
		ready = slices.Delete(ready, i, i+1)
		out = append(out, r)
		for _, c := range children[r.ID] {
			if open[c.ID]--; open[c.ID] == 0 {
				ready = append(ready, c)
			}
		}
	}
	return out
}
