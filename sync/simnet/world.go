// Package simnet runs a whole co-op in one goroutine, by a seed: nodes with
// their disks, people who do things, a network that delays, loses, duplicates
// and parts, and computers that lose their power. The same seed gives the same
// run. Nothing of a node is replaced but its disk, its clock and its wires:
// package replica decides, package wire encodes.
//
// A World runs in three parts. First everybody is there and everything happens
// at random. Then come days on which people meet now and then, some of them,
// for minutes, or work alone; in between all computers are off. At last the
// network heals, nobody does anything more, and the nodes have a bounded time to
// agree. What must hold is checked all along, see check.go; what does not hold
// ends the run with an error.
//
// Some of the people lie, see liars.go. What must hold must hold for the others.
package simnet

import (
	"container/heap"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// Fault is a bug planted on purpose, to see that the simulator finds it.
type Fault int

// The faults.
const (
	NoFault          Fault = iota
	ServeBeforeStore       // what a node says leaves before what it holds is stored
	LoseLastRecord         // a power cut takes the last record that was stored
)

// Config is what a world is made of.
type Config struct {
	Seed   uint64
	Nodes  int           // 2 or more
	Active time.Duration // how long all are there, in the beginning
	Days   int           // how long they meet now and then after that
	Liars  int           // how many of the nodes lie at most: never the first, and never more than Nodes-2
	Idle   bool          // in the end, look whether a co-op that agrees is silent
	Fault  Fault
	Trace  func(format string, args ...any)
}

// healMax is how long nodes have to agree once the network has healed, in
// virtual time: some of the growing pauses of tellers, and some pulls.
const healMax = 6 * time.Hour

// World is a simulated co-op.
type World struct {
	cfg    Config
	rand   *rand.Rand
	start  time.Time
	now    time.Time
	events queue
	count  uint64 // events and sessions so far
	secret [32]byte
	nodes  []*Node
	links  []*link
	calm   bool          // nothing breaks: the co-op is being founded, or the network has healed
	quiet  bool          // nobody does anything any more
	pace   time.Duration // how long people wait at most until they do something again
	pulls  int
	err    error

	decoded   map[[32]byte]wire.Message
	published map[record.ID][]*record.Record
	check     checks
	life      life
	Stats     Stats
}

// Stats says what happened in a run, so that tests can tell that it was not
// nothing.
type Stats struct {
	Records, Batches, Epochs, Joined, Cuts, Partitions, Problems, Removed, Forks, Dropped, Polls, Passed, Meetings, Lies int

	Healed time.Duration // how long the nodes needed to agree
}

// Add returns what happened in two runs together, with the longer healing.
func (s Stats) Add(o Stats) Stats {
	s.Records, s.Batches, s.Epochs, s.Joined = s.Records+o.Records, s.Batches+o.Batches, s.Epochs+o.Epochs, s.Joined+o.Joined
	s.Cuts, s.Partitions, s.Problems, s.Removed = s.Cuts+o.Cuts, s.Partitions+o.Partitions, s.Problems+o.Problems, s.Removed+o.Removed
	s.Forks, s.Dropped, s.Polls, s.Passed = s.Forks+o.Forks, s.Dropped+o.Dropped, s.Polls+o.Polls, s.Passed+o.Passed
	s.Meetings, s.Lies = s.Meetings+o.Meetings, s.Lies+o.Lies
	s.Healed = max(s.Healed, o.Healed)
	return s
}

type event struct {
	at time.Time
	no uint64
	do func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].no < q[j].no
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// New returns a world whose first node has founded its co-op.
func New(cfg Config) *World {
	w := &World{
		cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 1)), now: time.Unix(1_800_000_000, 0), calm: true,
		decoded: map[[32]byte]wire.Message{}, published: map[record.ID][]*record.Record{}, check: newChecks(),
	}
	w.start, w.pace = w.now, w.between(time.Second, 10*time.Second)
	w.secret = w.seed("network")
	for i := range cfg.Nodes {
		w.nodes = append(w.nodes, w.newNode(i))
	}
	for i, a := range w.nodes {
		for j, b := range w.nodes[:i] {
			if j == 0 || j == i-1 || w.chance(0.4) {
				w.links = append(w.links, w.newLink(b, a))
			}
		}
	}
	w.found() // a co-op whose founding record was lost never was
	w.calm = false
	w.begin()
	w.beLiars()
	return w
}

// seed returns 32 bytes for a purpose.
func (w *World) seed(what string) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s", w.cfg.Seed, what))
}

func (w *World) key(what string) *record.Private { return record.NewPrivate(w.seed(what)) }

func (w *World) chance(p float64) bool { return w.rand.Float64() < p }

// between returns a time from low to high.
func (w *World) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rand.Int64N(int64(high-low)+1))
}

// after lets something happen later.
func (w *World) after(d time.Duration, do func()) {
	w.count++
	heap.Push(&w.events, event{w.now.Add(d), w.count, do})
}

func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("after %v: "+format, append([]any{w.now.Sub(w.start)}, args...)...)
	}
}

func (w *World) trace(format string, args ...any) {
	if w.cfg.Trace != nil {
		w.cfg.Trace("%9.3f "+format, append([]any{w.now.Sub(w.start).Seconds()}, args...)...)
	}
}

// Run lets people act, then heals the network, and returns what did not hold.
func (w *World) Run() error {
	w.stretch(w.cfg.Active, w.nodes)
	w.pace *= 8 // of those who meet for a minute, most do one thing or two
	for end := w.now; w.err == nil && w.now.Sub(end) < time.Duration(w.cfg.Days)*24*time.Hour; {
		w.now = w.now.Add(w.between(time.Hour, 40*time.Hour))
		w.meet()
	}
	w.heal()
	healed, next := w.now, w.now
	w.run(w.now.Add(healMax), func() bool {
		if w.now.Before(next) {
			return false
		}
		next = w.now.Add(time.Second)
		return w.agreed() == nil
	})
	w.Stats.Healed = w.now.Sub(healed)
	if err := w.agreed(); err != nil {
		w.fail("%v after the network healed: %w", w.Stats.Healed, err)
	}
	if w.cfg.Idle {
		w.idle()
	}
	w.finalChecks()
	return w.err
}

// meet lets some people meet, or one work alone.
func (w *World) meet() {
	w.Stats.Meetings++
	var on []*Node
	for _, n := range w.nodes {
		if w.chance(0.6) {
			on = append(on, n)
		}
	}
	if len(on) == 0 || w.chance(0.2) {
		on = []*Node{w.nodes[w.rand.IntN(len(w.nodes))]}
	}
	w.stretch(w.between(10*time.Second, time.Minute), on)
}

// stretch lets people do things for a time; then their computers are off and
// nothing happens.
func (w *World) stretch(d time.Duration, on []*Node) {
	w.trace("stretch of %v with %d nodes", d, len(on))
	for _, n := range on {
		n.start()
		w.after(w.between(time.Second, 10*time.Second), func() { w.live(n) })
		if n.no > 0 {
			w.after(w.between(time.Second, d/4+time.Second), func() { w.join(n) })
		}
	}
	for _, l := range w.links {
		l.cut = [2]bool{}
		if slices.Contains(on, l.ends[0]) && slices.Contains(on, l.ends[1]) {
			w.after(w.between(0, 3*time.Second), l.dial)
		}
	}
	w.after(w.between(5*time.Second, 30*time.Second), w.part)
	w.run(w.now.Add(d), func() bool { return false })
	if w.err == nil {
		w.off()
	}
}

// off turns all computers off, most of them without ending the program. What
// is on its way is lost.
func (w *World) off() {
	w.events = nil
	for _, l := range w.links {
		if l.conn != nil {
			l.conn.up, l.conn = false, nil
		}
	}
	for _, n := range w.nodes {
		switch {
		case !n.up:
		case w.chance(0.8):
			n.sleep()
		case w.chance(0.5):
			n.save()
		}
		n.up, n.conns = false, nil
	}
}

// idle holds that a co-op that agrees is silent: nothing more is written, and
// nodes ask each other for news no more than now and then.
func (w *World) idle() {
	const minutes = 5
	w.run(w.now.Add(2*minutes*time.Minute), func() bool { return false }) // newcomers still come in, polls end
	if err := w.agreed(); err != nil && w.err == nil {
		w.fail("some time after all agreed: %w", err)
	}
	records := w.nodes[0].coop.History().Len()
	w.pulls = 0
	w.run(w.now.Add(minutes*time.Minute), func() bool { return false })
	if n := w.nodes[0].coop.History().Len(); n != records && w.err == nil {
		w.fail("%d records were written by nobody after all agreed", n-records)
	}
	if most := 3 * minutes * len(w.nodes); w.pulls > most && w.err == nil {
		w.fail("%d pulls in %d minutes in which nothing happened, more than %d", w.pulls, minutes, most)
	}
}

// run lets events happen until a time, or until done.
func (w *World) run(until time.Time, done func() bool) {
	for w.err == nil && len(w.events) > 0 && !w.events[0].at.After(until) && !done() {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	if w.err == nil && (len(w.events) == 0 || w.events[0].at.After(until)) {
		w.now = until
	}
}

// heal ends all partitions, lets all computers run, and links all of them.
func (w *World) heal() {
	w.calm, w.quiet = true, true
	w.trace("healed")
	linked := map[[2]*Node]bool{}
	for _, l := range w.links {
		linked[l.ends] = true
	}
	for i, a := range w.nodes {
		for _, b := range w.nodes[:i] {
			if !linked[[2]*Node{b, a}] {
				w.links = append(w.links, w.newLink(b, a))
			}
		}
		a.start()
	}
	for _, l := range w.links {
		l.cut, l.pause = [2]bool{}, 0
		w.after(w.between(0, 3*time.Second), l.dial)
	}
}

// link is the way between two nodes.
type link struct {
	w     *World
	ends  [2]*Node
	delay time.Duration
	loss  float64 // of gossip
	drop  float64 // of a connection, at each message
	cut   [2]bool // from ends[i] nothing arrives
	conn  *conn
	pause time.Duration // after a closed door, before the next knock
}

func (w *World) newLink(a, b *Node) *link {
	l := &link{w: w, ends: [2]*Node{a, b}, delay: w.between(time.Millisecond, 60*time.Millisecond), loss: w.rand.Float64() * 0.6}
	if w.chance(0.3) {
		l.drop = 0.03
	}
	return l
}

// conn is a stream between two nodes: reliable and in order while it is up.
type conn struct {
	*link
	id      replica.SessionID
	up      bool
	pumping [2]bool
	closing [2]bool
	broken  [2]bool      // what ends[i] sent was lost, and so will be all after it
	last    [2]time.Time // when the last message sent by ends[i] arrives
}

// dial connects two nodes if it can, and tries again later.
func (l *link) dial() {
	l.w.after(l.pause+l.w.between(3*time.Second, 12*time.Second), l.dial)
	if l.conn != nil || !l.ends[0].up || !l.ends[1].up || l.cut[0] || l.cut[1] {
		return
	}
	l.w.count++
	c := &conn{link: l, id: replica.SessionID(l.w.count), up: true}
	l.conn = c
	dialer := l.w.rand.IntN(2)
	for i, n := range l.ends {
		n.conns[c.id] = c
		n.replica.Connected(n.clock(), c.id, l.ends[1-i].transport, i == dialer)
	}
	for _, n := range l.ends {
		n.commit()
	}
}

func (c *conn) side(n *Node) int {
	if c.ends[0] == n {
		return 0
	}
	return 1
}

// close ends a connection for both.
func (c *conn) close() {
	if !c.up {
		return
	}
	c.up, c.conn = false, nil
	for _, n := range c.ends {
		if delete(n.conns, c.id); n.up {
			n.replica.Disconnected(c.id)
			n.commit()
		}
	}
}

// pump sends what a node has for a session, one message after the other.
func (c *conn) pump(n *Node) {
	side := c.side(n)
	if !c.up || !n.up || c.pumping[side] {
		return
	}
	m, ok := n.replica.Next(c.id)
	if n.commit(); !n.up || !c.up {
		return
	}
	if !ok {
		if c.closing[side] {
			c.pause = min(2*c.pause+5*time.Second, time.Minute)
			c.w.after(time.Second, c.close) // what was said arrives first
		}
		return
	}
	c.pumping[side] = true
	c.send(side, m)
	c.w.after(c.w.between(0, 3*time.Millisecond), func() {
		c.pumping[side] = false
		c.pump(n)
	})
}

// send lets a message arrive later, or breaks the connection.
func (c *conn) send(from int, m wire.Message) {
	w := c.w
	if c.lost(from) || !w.calm && w.chance(c.drop) {
		c.lose(from)
		return
	}
	if _, ok := m.(wire.Pull); ok {
		w.pulls++
	}
	b := wire.Encode(m)
	if n := c.ends[from]; n.lie != nil && n.lie.wire != nil && w.chance(0.1) {
		b = n.lie.wire(n, m, b)
		w.Stats.Lies++
	}
	at := w.now.Add(c.delay + w.between(0, c.delay))
	if at.Before(c.last[from]) {
		at = c.last[from]
	}
	c.last[from] = at
	w.after(at.Sub(w.now), func() {
		switch to := c.ends[1-from]; {
		case !c.up || !to.up:
		case c.lost(from):
			c.lose(from)
		default:
			to.hear(c, b)
		}
	})
}

func (c *conn) lost(from int) bool { return c.cut[from] || c.broken[from] }

// lose breaks a stream: its ends notice sooner or later.
func (c *conn) lose(from int) {
	if !c.broken[from] {
		c.broken[from] = true
		c.w.after(c.w.between(0, 20*time.Second), c.close)
	}
}

// decode is wire.Decode, once for the same bytes: records never change.
func (w *World) decode(b []byte) (wire.Message, error) {
	sum := sha256.Sum256(b)
	if m, ok := w.decoded[sum]; ok {
		return m, nil
	}
	m, err := wire.Decode(b)
	if err == nil {
		w.decoded[sum] = m
	}
	return m, err
}

// gossip brings records to all neighbours of a node: some not, some twice.
func (w *World) gossip(n *Node, rs []*record.Record) {
	m, ok := w.published[rs[0].ID] // records never change, and a node publishes them one by one
	if !ok {
		var err error
		if m, err = wire.DecodeGossip(wire.EncodeGossip(rs)); err != nil || len(m) != 1 {
			w.fail("a node published what cannot be read: %v", err)
		}
		w.published[rs[0].ID] = m
	}
	for _, l := range w.links {
		c := l.conn
		if c == nil || l.ends[0] != n && l.ends[1] != n {
			continue
		}
		from := c.side(n)
		for range 2 {
			if l.cut[from] || w.chance(l.loss) {
				continue
			}
			w.after(l.delay+w.between(0, 10*l.delay), func() { l.ends[1-from].gossiped(c, m) })
			if w.chance(0.9) {
				break
			}
		}
	}
}

// found lets the first node found the co-op.
func (w *World) found() {
	n := w.nodes[0]
	p := n.person
	terms := member.Founding{
		Name: "Willow Street", Nonce: w.seed("nonce"), Units: []member.Unit{{Code: "hour", Scale: 2}, {Code: "euro", Scale: 2}},
		Founders: []member.Founder{{Name: p.name, Root: p.root.Public(), Device: n.key.Public(), DeviceName: "laptop"}},
	}
	body, err := member.NewFounding(terms, []member.FounderSig{terms.Sign(p.root, n.key)})
	if err != nil {
		panic("simnet: " + err.Error())
	}
	r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound, Time: n.clock().UnixMilli()}, body, n.key)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	w.life.coop = r.ID
	n.start()
	if err := n.replica.Found(r); err != nil {
		panic("simnet: " + err.Error())
	}
	n.commit()
}
