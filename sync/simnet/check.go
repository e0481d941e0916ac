package simnet

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
)

// Rule is something that must hold.
type Rule string

// The rules, each with what it says of honest nodes.
const (
	RuleStates  Rule = "equal sets make equal states"
	RuleSets    Rule = "nodes that meet come to hold the same, within so many contacts"
	RuleMinutes Rule = "minutes only grow, and are the same for all"
	RuleMinuted Rule = "acts are minuted where enough tellers talk"
	RuleUndone  Rule = "no minuted payment is undone"
	RuleForks   Rule = "an honest device does not fork"
	RuleFlood   Rule = "what nobody answers for is not held"
	RuleLost    Rule = "nothing acknowledged is lost"
	RuleRefold  Rule = "another order of arrival, or a snapshot, makes the same state"
	RuleTexts   Rule = "what people typed stands there once"
	RuleSilence Rule = "a co-op that agrees is silent"
	RuleSpeech  Rule = "honest nodes understand each other, and close no door"
	RuleMesh    Rule = "who knows one neighbour comes to know where all are"
	RuleProof   Rule = "where minutes differed, more tellers forked than the order bears, or a re-seating says what it took back; all hold the proof"
)

// Broken is a rule that did not hold in a run.
type Broken struct {
	Rule  Rule
	After time.Duration // virtual
	What  string
}

func (b *Broken) Error() string {
	return fmt.Sprintf("after %v, not true: %s: %s", b.After, b.Rule, b.What)
}

// checks is what must hold at every moment.
type checks struct {
	changed map[*Node]uint64
	starts  map[*Node]int
	batches map[*Node]int
	last    map[*Node]record.ID           // the leader of the last of them
	leaders map[int]record.ID             // of each batch of the minutes
	minuted map[int][32]byte              // what the minutes made of the co-op up to each batch
	paid    map[record.ID]paid            // what the minutes of anybody say is paid
	states  map[[32]byte][32]byte         // digest of the state by digest of the frontier
	acked   map[record.ID]*Node           // what people were told is safe
	stood   map[*Node]map[record.Key]bool // of the devices introduced to a node when it was looked at last, whether they stood
}

// paid is a payment that was minuted.
type paid struct {
	batches  int // how many batches the minutes had, at most
	from, to record.ID
	amount   int64
}

func newChecks() checks {
	return checks{
		changed: map[*Node]uint64{}, starts: map[*Node]int{}, batches: map[*Node]int{}, last: map[*Node]record.ID{}, leaders: map[int]record.ID{},
		minuted: map[int][32]byte{}, paid: map[record.ID]paid{}, states: map[[32]byte][32]byte{}, acked: map[record.ID]*Node{},
		stood: map[*Node]map[record.Key]bool{},
	}
}

// node looks at a node that has stored records and whose fold may have moved.
func (k *checks) node(n *Node, stored []*record.Record) {
	if n.lie != nil || n.coop.History().Len() == 0 || k.starts[n] == n.starts && k.changed[n] == n.coop.Changed() {
		return
	}
	k.changed[n], k.starts[n] = n.coop.Changed(), n.starts
	w, s := n.w, n.coop.State()
	s.Ledger.CheckZero()
	s.Minuted.Ledger.CheckZero()
	k.order(n, s)
	if s.Frontier[0]%16 == 0 {
		k.digest(n, s)
	}
	k.flood(n, stored)
	for _, other := range w.nodes {
		if a, b, ok := n.coop.History().Fork(other.device()); ok && other.honest {
			w.fail(RuleForks, "the honest device of %s wrote %s and %s into one slot", other.name, n.coop.History().ID(a).Short(), n.coop.History().ID(b).Short())
		}
	}
}

// order holds that minutes only grow and say the same for all.
func (k *checks) order(n *Node, s *coop.State) {
	if k.last[n] == s.Last {
		return
	}
	k.last[n] = s.Last
	batches := n.coop.Minutes().Batches()
	if batches < k.batches[n] {
		n.w.differ(RuleMinutes, "%s has %d batches, where it had %d", n.name, batches, k.batches[n])
	}
	k.batches[n] = batches
	if leader, ok := k.leaders[batches]; ok && leader != s.Last {
		n.w.differ(RuleMinutes, "%s: batch %d is led by %s, for others by %s", n.name, batches, s.Last.Short(), leader.Short())
	}
	k.leaders[batches] = s.Last
	// Looking at everything each time would take most of the run. What is left
	// out is the same for all nodes, so that there is something to compare.
	if batches%8 != 0 {
		return
	}
	sum := minutedSum(s)
	if other, ok := k.minuted[batches]; ok && other != sum {
		n.w.differ(RuleMinutes, "%s: the minutes up to batch %d mean something else than for others", n.name, batches)
	}
	k.minuted[batches] = sum
	k.payments(n, s, batches)
}

// payments holds that what the minutes say was paid stays paid.
func (k *checks) payments(n *Node, s *coop.State, batches int) {
	for id, p := range k.paid {
		if p.batches > batches {
			continue
		}
		now, ok := s.Minuted.Ledger.Payments.Get(id)
		if !ok || now.Status != ledger.StatusAccepted || now.From != p.from || now.To != p.to || now.Amount != p.amount {
			n.w.differ(RuleUndone, "%s: payment %s was minuted by batch %d and is not accepted in batch %d", n.name, id.Short(), p.batches, batches)
			delete(k.paid, id)
		}
	}
	for id, p := range s.Minuted.Ledger.Payments.All() {
		if _, known := k.paid[id]; !known && p.Status == ledger.StatusAccepted {
			k.paid[id] = paid{batches, p.From, p.To, p.Amount}
		}
	}
}

// differ is fail for what more lying tellers than the order bears bring about, or
// a re-seating by those who did not hold all that was in the minutes.
func (w *World) differ(rule Rule, format string, args ...any) {
	if !w.cfg.fourTellers() || w.cfg.Fault == BearTooMuch {
		w.fail(rule, format, args...)
		return
	}
	w.trace(format, args...)
	w.Stats.Differed++
}

// flood holds that a node takes of a device that does not stand only what
// somebody who stands has in their past. A device may have been put out by the
// very records that came with its others, or what introduced it or put it out was
// taken back by them.
func (k *checks) flood(n *Node, stored []*record.Record) {
	h := n.coop.History()
	stood := func(device record.Key) bool {
		before, known := k.stood[n][device]
		return n.coop.Stands(device) || before || !known && n.coop.Introduced(device)
	}
	for _, r := range stored {
		if r.Founding() || r.Kind == member.KindDeviceAdd || stood(r.Device) {
			continue
		}
		ref, _ := h.Find(r.ID)
		answered := slices.ContainsFunc(h.Tips(), func(tip history.Ref) bool {
			device := h.At(tip).Device
			return device != r.Device && h.InPast(ref, tip) && stood(device)
		})
		if !answered && !stoodWhenTaken(n, r) {
			n.w.fail(RuleFlood, "%s holds %s %s, whose device %s does not stand", n.name, r.Kind, r.ID.Short(), r.Device.Short())
		}
	}
	k.stood[n] = map[record.Key]bool{}
	for _, other := range n.w.nodes {
		if n.coop.Introduced(other.device()) {
			k.stood[n][other.device()] = n.coop.Stands(other.device())
		}
	}
}

// stoodWhenTaken folds anew what a node held when it took a record: an admission that
// was provisional then may have lost its place by now, to what came in with the rest.
func stoodWhenTaken(n *Node, r *record.Record) bool {
	before := n.disk[:slices.Index(n.disk, r)]
	load := func(ref history.Ref) *record.Record { return before[ref] }
	c, _, err := coop.Restore(load, nil, n.anchors, func(admit func(*record.Record) error) error {
		for _, b := range before {
			if err := admit(b); err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil && c.Stands(r.Device)
}

// restored forgets what this disk lost that has come back old, but for what the
// first node holds: of all others somebody may have left by now, or lose it too.
func (k *checks) restored(n *Node, lost []*record.Record) {
	safe := map[record.ID]bool{}
	for _, r := range n.w.nodes[0].disk {
		safe[r.ID] = true
	}
	for _, r := range lost {
		if !safe[r.ID] {
			delete(k.acked, r.ID)
		}
	}
	k.batches[n] = 0
}

// destroyed forgets what only computers that are gone saw in the minutes: nobody
// who is left can have taken it back.
func (k *checks) destroyed(nodes []*Node) {
	most := 0
	for _, n := range nodes {
		if !n.gone {
			most = max(most, k.batches[n])
		}
	}
	maps.DeleteFunc(k.leaders, func(batches int, _ record.ID) bool { return batches > most })
	maps.DeleteFunc(k.minuted, func(batches int, _ [32]byte) bool { return batches > most })
	maps.DeleteFunc(k.paid, func(_ record.ID, p paid) bool { return p.batches > most })
}

// digest holds that the state is a function of the set of records.
func (k *checks) digest(n *Node, s *coop.State) {
	digest := s.Digest()
	if other, ok := k.states[s.Frontier]; ok && other != digest {
		n.w.fail(RuleStates, "%s: the same %d records make another state than elsewhere", n.name, s.Records)
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
	c := n.conns[e.Session]
	if n.lie != nil || c == nil {
		return
	}
	from := c.ends[1-c.side(n)]
	if from.lie != nil || strings.Contains(e.Text, "may not take") && !(from.covers() && n.covers()) {
		return
	}
	for _, fine := range []string{"no answer in time", "left the co-op", "was expelled", "was revoked", "in one slot", "not known to the co-op",
		"used up", "revoked", "is no sponsor", "the co-op does not know", "was admitted before", "no longer, part"} {
		if strings.Contains(e.Text, fine) {
			return
		}
	}
	n.w.fail(RuleSpeech, "%s: event %d: %s", n.name, e.Kind, e.Text)
}

// covers reports whether a node could cover what it said in the last minute. One
// that could not, or is out, may say more than others may take.
func (n *Node) covers() bool {
	return n.whole() && !n.locked && !n.forked && n.w.now.Sub(n.mute) > time.Minute && n.coop.Stands(n.device())
}

// members returns the honest nodes whose device stands for the first node. One
// that does not sign is none: it cannot cover what others may not take.
func (w *World) members() []*Node {
	var in []*Node
	for _, n := range w.nodes {
		if n.lie == nil && !n.locked && !n.gone && w.nodes[0].coop.Stands(n.device()) {
			in = append(in, n)
		}
	}
	return in
}

// agreed says what the nodes of the co-op still disagree about, or nil.
func (w *World) agreed() error {
	in := w.members()
	first := w.nodes[0].coop.State()
	var want [32]byte
	for _, n := range in {
		if w.cfg.Captured && n.up && !n.replica.Joined() {
			continue // what its invite names was taken back: it needs another
		}
		if !n.up || n.coop.History().Len() == 0 || !n.replica.Joined() {
			return fmt.Errorf("node %d has not joined", n.no)
		}
		if n.coop.History().Digest() != first.Frontier {
			return fmt.Errorf("nodes 0 and %d hold %d and %d records", n.no, first.Records, n.coop.History().Len())
		}
		if want == ([32]byte{}) {
			want = first.Digest() // which is dear
		}
		if n != w.nodes[0] && n.coop.State().Digest() != want {
			w.fail(RuleStates, "nodes 0 and %d hold the same records and show another state", n.no)
		}
	}
	return nil
}

// minutedWhereTheyCan says which acts should be minuted and are not, or nil.
func (w *World) minutedWhereTheyCan() error {
	if w.standStill() {
		return fmt.Errorf("the tellers are lost and nobody re-seated: %+v", w.nodes[0].coop.State().Reseatings)
	}
	epochs := w.nodes[0].coop.Minutes().Epochs()
	tellers, here := epochs[len(epochs)-1].Tellers, 0
	for _, n := range w.members() {
		if slices.Contains(tellers, n.device()) {
			here++
		}
	}
	pending := len(w.nodes[0].coop.State().Pending)
	if enough := (len(tellers)+(len(tellers)-1)/3)/2 + 1; here >= enough && pending > 0 {
		return fmt.Errorf("%d acts are not minuted, although %d of %d tellers talk", pending, here, len(tellers))
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
	w.checkProof(n)
	for id, by := range w.check.acked { // of a locked node they may not have come yet: nobody waits for it
		if _, ok := n.coop.History().Find(id); !ok && by.honest && !by.gone && !by.locked && w.nodes[0].coop.Stands(by.device()) {
			w.fail(RuleLost, "record %s of %s was acknowledged and is gone", id.Short(), by.name)
		}
	}
	texts := ""
	for _, t := range s.Texts.All() {
		texts += t.Text
	}
	for id, letter := range w.life.typed {
		if _, ok := n.coop.History().Find(id); ok && strings.Count(texts, string(letter)) != 1 {
			w.fail(RuleTexts, "the letter %c stands %d times in the texts", letter, strings.Count(texts, string(letter)))
		}
	}
	w.Stats.Records, w.Stats.Batches, w.Stats.Epochs, w.Stats.Joined = s.Records, n.coop.Minutes().Batches(), len(s.Epochs), len(w.members())
	w.Stats.Reseated = len(s.Reseatings)
	w.Stats.Problems = s.Problems().Len()
	w.Stats.Payments = len(w.check.paid)
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

// checkProof holds that minutes differ only where more tellers forked than the
// order bears, or a re-seating took something back, and that everybody can show it.
func (w *World) checkProof(n *Node) {
	if w.Stats.Differed == 0 {
		return
	}
	for _, r := range n.coop.State().Reseatings {
		if len(r.Took) > 0 {
			return
		}
	}
	for _, e := range n.coop.Minutes().Epochs() {
		forked := 0
		for _, t := range e.Tellers {
			if _, _, ok := n.coop.History().Fork(t); ok {
				forked++
			}
		}
		if forked > (len(e.Tellers)-1)/3 {
			return
		}
	}
	w.fail(RuleProof, "the minutes differed %d times and in no epoch enough tellers forked", w.Stats.Differed)
}

// checkRefold holds that the order of arrival and the caches change nothing.
func (w *World) checkRefold(n *Node, want [32]byte) {
	rs := shuffle(records(n.coop, n.load), w.dice)
	load := func(ref history.Ref) *record.Record { return rs[ref] }
	var anchors []record.ID
	if w.cfg.Stolen {
		anchors = n.coop.Minutes().Anchors() // without which the thief is believed
	}
	c, _, err := coop.Restore(load, nil, anchors, func(admit func(*record.Record) error) error { return admit(rs[0]) })
	if err != nil {
		w.fail(RuleRefold, "the founding record cannot be read: %v", err)
		return
	}
	half := w.IntN(len(rs) + 1)
	var snapshot []byte
	for i, r := range rs {
		if _, fresh, err := c.Add(r); err != nil || fresh == (i == 0) {
			w.fail(RuleRefold, "record %d of %d is refused in another order: %v", i, len(rs), err)
			return
		}
		if i+1 == half {
			snapshot = c.Snapshot()
		}
	}
	if c.State().Digest() != want {
		w.fail(RuleRefold, "folded in another order, %d records make another state", len(rs))
	}
	restored, covered, err := coop.Restore(load, snapshot, anchors, func(admit func(*record.Record) error) error {
		for _, r := range rs {
			if err := admit(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || covered != half || restored.State().Digest() != want {
		w.fail(RuleRefold, "restored from a snapshot of %d of %d records (%d): another state, %v", half, len(rs), covered, err)
	}
}

// shuffle returns records in another order in which they may be admitted.
func shuffle(rs []*record.Record, random dice) []*record.Record {
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

// meshed says which member's node has not heard where another one is, or nil. Where each
// knows the others by itself there is nothing to hear.
func (w *World) meshed() error {
	if !w.cfg.Street {
		return nil
	}
	for _, n := range w.members() {
		for _, o := range w.members() {
			if n != o && n.inside() && o.inside() && !n.finds(o) {
				return fmt.Errorf("%s has not heard that %s is at %s", n.name, o.name, o.place())
			}
		}
	}
	return nil
}
