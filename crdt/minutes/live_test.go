package minutes_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"coop/crdt/history"
	"coop/crdt/minutes"
	"coop/crdt/record"
)

// computer is one member's node in a network that is made up: it folds the
// minutes and, if its device is a teller, writes when it is due.
type computer struct {
	*fold
	device  int
	tip     history.Ref
	seq     uint64
	early   []*record.Record // came before their past
	open    []history.Ref    // acts that are not minuted
	turn    minutes.Turn
	since   time.Duration // when it was first due in the wave of turn
	on      bool
	records []*record.Record
}

// network moves records between computers with a delay.
type network struct {
	t         testing.TB
	rng       *rand.Rand
	hop       time.Duration
	now       time.Duration
	computers []*computer
	queue     []event // sorted by time
	records   int
}

type event struct {
	at time.Duration
	do func()
}

func (n *network) after(wait time.Duration, do func()) {
	e := event{n.now + wait, do}
	at, _ := slices.BinarySearchFunc(n.queue, e, func(a, b event) int {
		if a.at <= b.at {
			return -1
		}
		return 1
	})
	n.queue = slices.Insert(n.queue, at, e)
}

// run lets time pass until nothing happens any more.
func (n *network) run() {
	for len(n.queue) > 0 {
		e := n.queue[0]
		n.queue = n.queue[1:]
		n.now = e.at
		e.do()
	}
}

// newNetwork sets up a founded co-op: the founding record is everywhere.
func newNetwork(t testing.TB, tellers, members int, hop time.Duration, seed uint64) *network {
	n := &network{t: t, hop: hop, rng: rand.New(rand.NewPCG(seed, 9))}
	var list []int
	for d := range tellers {
		list = append(list, d)
	}
	for d := range members {
		c := &computer{fold: newFold(t, list), device: d, tip: history.None, on: true, turn: minutes.Turn{Epoch: -1}}
		n.computers = append(n.computers, c)
		c.take(founding(t, seed))
		if d == 0 {
			c.tip, c.seq = 0, 1
		}
	}
	return n
}

func founding(t testing.TB, seed uint64) *record.Record {
	r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: "act", Time: int64(seed)}, nil, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// take admits a record and whatever waited for it.
func (c *computer) take(r *record.Record) {
	_, fresh, err := c.h.Admit(r)
	if err != nil {
		c.early = append(c.early, r)
		return
	}
	if !fresh {
		return
	}
	ref := history.Ref(c.h.Len() - 1)
	c.records = append(c.records, r)
	c.order = append(c.order, int(ref))
	c.m.Add(ref)
	c.settle()
	if r.Kind != "ack" {
		c.open = append(c.open, ref)
	}
	c.open = slices.DeleteFunc(c.open, c.m.Minuted)
	early := c.early
	c.early = nil
	for _, e := range early {
		c.take(e)
	}
}

// write makes a record that has seen everything this computer has.
func (n *network) write(c *computer, kind string) *record.Record {
	if n.records++; n.records > 5000 {
		n.t.Fatal("they do not stop writing")
	}
	h := record.Header{Coop: c.h.Coop(), Seq: c.seq + 1, Kind: kind, Time: int64(n.records)}
	if c.tip != history.None {
		h.Prev = c.h.ID(c.tip)
		h.Depth = c.h.At(c.tip).Depth
	}
	for _, head := range c.h.Heads() {
		h.Depth = max(h.Depth, c.h.At(head).Depth)
		if head != c.tip {
			h.Parents = append(h.Parents, c.h.ID(head))
		}
	}
	h.Depth++
	r, err := record.New(h, nil, keys[c.device])
	if err != nil {
		n.t.Fatal(err)
	}
	c.take(r)
	c.tip, c.seq = history.Ref(c.h.Len()-1), h.Seq
	return r
}

// send writes a record and brings it to everybody who is there.
func (n *network) send(c *computer, kind string) record.ID {
	r := n.write(c, kind)
	for _, other := range n.computers {
		if other != c && other.on {
			n.after(n.hop+time.Duration(n.rng.Int64N(int64(n.hop)/20+1)), func() {
				other.take(r)
				n.consider(other)
			})
		}
	}
	n.consider(c)
	return r.ID
}

// due reports whether a computer should write now, else when to ask again.
func (n *network) due(c *computer) (now bool, wait time.Duration) {
	turn, ok := c.m.Due(key(c.device))
	if !ok || len(c.open) == 0 || !c.on {
		return false, -1
	}
	if turn.Epoch != c.turn.Epoch || turn.Wave != c.turn.Wave {
		c.since = n.now
	}
	c.turn = turn
	if wait = c.since + turn.Wait - n.now; wait > 0 {
		return false, wait
	}
	return true, 0
}

func (n *network) consider(c *computer) {
	switch now, wait := n.due(c); {
	case now:
		n.send(c, "ack")
	case wait > 0:
		n.after(wait, func() { n.consider(c) })
	}
}

// minutedBy reports whether everybody who is there has a record in the minutes.
func (n *network) minutedBy(id record.ID) bool {
	return !slices.ContainsFunc(n.computers, func(c *computer) bool {
		ref, ok := c.h.Find(id)
		return c.on && !(ok && c.m.Minuted(ref))
	})
}

// until lets time pass until a record is minuted everywhere.
func (n *network) until(id record.ID) (took time.Duration, ok bool) {
	start := n.now
	for len(n.queue) > 0 && !n.minutedBy(id) {
		e := n.queue[0]
		n.queue = n.queue[1:]
		n.now = e.at
		e.do()
	}
	return n.now - start, n.minutedBy(id)
}

// On a local network an act is in everybody's minutes a few hops later, at the
// price of about three small records of each teller, and then there is silence.
func TestMinutedWithinHops(t *testing.T) {
	for m := 1; m <= minutes.MaxTellers; m++ {
		const hop = 10 * time.Millisecond
		n := newNetwork(t, m, m+2, hop, uint64(m))
		const acts = 30
		most, before := time.Duration(0), 0
		for i := range acts {
			id := n.send(n.computers[n.rng.IntN(len(n.computers))], "act")
			took, ok := n.until(id)
			if !ok {
				t.Fatalf("%d tellers: act %d is never minuted", m, i)
			}
			most = max(most, took)
			n.run()
			if wrote := n.records - before; wrote > 1+4*m {
				t.Errorf("%d tellers: act %d made %d records", m, i, wrote)
			}
			before = n.records
		}
		if got := float64(most) / float64(hop); got > 6.5 {
			t.Errorf("%d tellers: an act was minuted %.1f hops later", m, got)
		}
		t.Logf("%d tellers: at most %.1f hops, %.1f records an act", m, float64(most)/float64(hop), float64(n.records)/acts)
	}
}

// With as many tellers away as the order bears, acts are still minuted, if not
// at once.
func TestMinutedWithTellersAway(t *testing.T) {
	for seed := range uint64(60) {
		m := 2 + int(seed)%(minutes.MaxTellers-1)
		n := newNetwork(t, m, m+1, 5*time.Millisecond, seed)
		q := (m+faults(m))/2 + 1
		for _, d := range n.rng.Perm(m)[:m-q] {
			n.computers[d].on = false
		}
		for i := range 8 {
			var id record.ID
			for range 1 + n.rng.IntN(4) {
				c := n.computers[n.rng.IntN(m+1)]
				if c.on {
					id = n.send(c, "act")
				}
			}
			if id == (record.ID{}) {
				continue
			}
			took, ok := n.until(id)
			if !ok || took > 30*time.Second {
				t.Fatalf("seed %d: %d tellers, %d away: act %d took %v, minuted %v", seed, m, m-q, i, took, ok)
			}
			n.run()
		}
	}
}

// With fewer than q tellers nothing is final, and they do not go on writing.
func TestSilentWithoutQuorum(t *testing.T) {
	for m := 2; m <= minutes.MaxTellers; m++ {
		n := newNetwork(t, m, m+1, 5*time.Millisecond, 1)
		q := (m+faults(m))/2 + 1
		for _, d := range n.rng.Perm(m)[:m-q+1] {
			n.computers[d].on = false
		}
		id := n.send(n.computers[m], "act")
		n.run()
		if n.minutedBy(id) {
			t.Errorf("%d tellers: minuted by %d", m, q-1)
		}
		if n.records > 1+q {
			t.Errorf("%d tellers: %d records were written", m, n.records)
		}
	}
}

// give hands all that one computer has to another, which writes if it is due.
func (n *network) give(from, to *computer) {
	for _, r := range from.records {
		to.take(r)
	}
	if now, _ := n.due(to); now {
		n.write(to, "ack")
	}
}

// Tellers who are never all together but meet two by two, or only send each
// other sticks, agree in the end, in whatever rhythm.
func TestMinutedByMeetings(t *testing.T) {
	var worst time.Duration
	for seed := range uint64(90) {
		m := 3 + int(seed)%5
		n := newNetwork(t, m, m, 0, seed)
		ring := n.rng.Perm(m)
		var rhythm [][2]int
		for i, d := range ring {
			rhythm = append(rhythm, [2]int{d, ring[(i+1)%m]}, [2]int{d, n.rng.IntN(m)})
		}
		n.rng.Shuffle(len(rhythm), func(i, j int) { rhythm[i], rhythm[j] = rhythm[j], rhythm[i] })
		id := n.write(n.computers[0], "act").ID
		for i := 0; !n.minutedBy(id); i++ {
			n.now += time.Duration(1+seed%5) * time.Hour
			pair := rhythm[i%len(rhythm)]
			n.give(n.computers[pair[0]], n.computers[pair[1]])
			if seed%2 == 0 {
				n.give(n.computers[pair[1]], n.computers[pair[0]])
			}
			if n.now > 60*24*time.Hour {
				t.Fatalf("seed %d: %d tellers meet as %v and have not agreed in %v", seed, m, rhythm, n.now)
			}
		}
		worst = max(worst, n.now)
	}
	t.Logf("at most %v", worst)
}

// BenchmarkAdd measures what one more block costs after many: ten tellers write
// one after the other and each has seen all. A batch is taken at every leader.
func BenchmarkAdd(b *testing.B) {
	for _, blocks := range []int{2000, 20000} {
		b.Run(strconv.Itoa(blocks), func(b *testing.B) {
			var list []int
			for d := range minutes.MaxTellers {
				list = append(list, d)
			}
			f := newFold(b, list)
			c := &computer{fold: f, tip: history.None}
			n := &network{t: b}
			tips, seqs := slices.Repeat([]history.Ref{history.None}, len(list)), make([]uint64, len(list))
			c.take(founding(b, 1))
			tips[0], seqs[0] = 0, 1
			f.late = true
			for i := range blocks {
				d := i % len(list)
				c.device, c.tip, c.seq, n.records = d, tips[d], seqs[d], 0
				n.write(c, "ack")
				tips[d], seqs[d] = c.tip, c.seq
			}
			for b.Loop() {
				m := minutes.New(f.h, keysOf(list))
				m.Add(history.Ref(f.h.Len() - 1))
				for _, ok := m.Next(); ok; _, ok = m.Next() {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(blocks), "ns/block")
		})
	}
}
