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
//
// All that people and faults bring about has a name, such as "3: B acts 2", and
// dice of its own, so that a run can be repeated with less: so Minimise makes of
// a seed that fails the shortest story it finds.
package simnet

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
)

// Config is what a world is made of.
type Config struct {
	Seed     uint64
	Nodes    int           // 3 or more
	Active   time.Duration // how long all are there, in the beginning
	Days     int           // how long they meet now and then after that
	Liars    int           // how many of the nodes lie at most: never the first, and never more than Nodes-2
	Captured bool          // of four tellers two fork, one more than the order bears; none are elected, for an anchor that was stored in either camp would part them for ever
	Lost     bool          // of four tellers' computers two are destroyed, one more than the order bears to miss, and the members re-seat
	Stolen   bool          // of 6 nodes or more, one has the keys of three of the first four tellers, when others have followed them
	Street   bool          // each node knows one neighbour, and of the others what is passed on
	Idle     bool          // in the end, look whether a co-op that agrees is silent
	Fault    Fault

	Only  []string                         `json:",omitempty"` // of all that may happen, see World.Happened; nil: everything does
	Trace func(format string, args ...any) `json:"-"`
}

// healMax is how long nodes have to agree once the network has healed, in
// virtual time: some of the growing pauses of tellers, and many pulls.
const healMax = time.Hour

// contactsMax is how many pulls, for each two nodes, are enough for all to agree.
const contactsMax = 10

// World is a simulated co-op.
type World struct {
	dice   // of what happens now
	cfg    Config
	only   map[string]bool
	round  int            // the stretch, counted from 0
	times  map[string]int // in this stretch, how often each thing was about to happen
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
	apart  time.Time     // until then two camps do not meet
	pulls  int
	err    *Broken

	arrived  map[*record.Record]*record.Record // what records are that were sent before
	check    checks
	life     life
	Happened []string // the names of all that people and faults brought about, or would have
	Stats    Stats
}

// dice is a stream of chance of its own: what one draws moves no other.
type dice struct{ *rand.Rand }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between returns a time from low to high.
func (d dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Int64N(int64(high-low)+1))
}

// cast returns the dice of something.
func (w *World) cast(what string) dice {
	s := w.seed(what)
	return dice{rand.New(rand.NewPCG(binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:])))}
}

// happen lets something happen that people or faults bring about. It has a name
// and dice of its own, so that a run can be repeated without it, and with all
// else as it was, as far as that does not follow from it.
func (w *World) happen(what string, do func()) {
	w.times[what]++
	name := fmt.Sprintf("%d: %s %d", w.round, what, w.times[what])
	w.Happened = append(w.Happened, name)
	if w.only != nil && !w.only[name] || w.err != nil {
		return
	}
	w.trace("%s", name)
	before := w.dice
	w.dice = w.cast(name)
	do()
	w.dice = before
}

// Stats says what happened in a run, so that tests can tell that it was not
// nothing.
type Stats struct {
	Records, Batches, Epochs, Joined, Cuts, Partitions, Problems, Removed, Forks, Dropped, Polls, Passed, Meetings, Lies int
	Founders, Camps, Old, Carried, Payments, Differed, Reseated, Rewritten, Told                                         int

	Contacts int           // the pulls the nodes needed to agree
	Healed   time.Duration // how long that took
}

// Add returns what happened in two runs together, with the longer of their healings.
func (s Stats) Add(o Stats) Stats {
	s.Records, s.Batches, s.Epochs, s.Joined = s.Records+o.Records, s.Batches+o.Batches, s.Epochs+o.Epochs, s.Joined+o.Joined
	s.Cuts, s.Partitions, s.Problems, s.Removed = s.Cuts+o.Cuts, s.Partitions+o.Partitions, s.Problems+o.Problems, s.Removed+o.Removed
	s.Forks, s.Dropped, s.Polls, s.Passed = s.Forks+o.Forks, s.Dropped+o.Dropped, s.Polls+o.Polls, s.Passed+o.Passed
	s.Meetings, s.Lies = s.Meetings+o.Meetings, s.Lies+o.Lies
	s.Founders, s.Camps, s.Old, s.Carried = s.Founders+o.Founders, s.Camps+o.Camps, s.Old+o.Old, s.Carried+o.Carried
	s.Payments, s.Differed, s.Reseated, s.Rewritten = s.Payments+o.Payments, s.Differed+o.Differed, s.Reseated+o.Reseated, s.Rewritten+o.Rewritten
	s.Told += o.Told
	s.Contacts, s.Healed = max(s.Contacts, o.Contacts), max(s.Healed, o.Healed)
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

// New returns a world whose first nodes have founded its co-op.
func New(cfg Config) *World {
	w := &World{
		cfg: cfg, now: time.Unix(1_800_000_000, 0), calm: true, times: map[string]int{},
		arrived: map[*record.Record]*record.Record{}, check: newChecks(),
	}
	if cfg.Only != nil {
		w.only = map[string]bool{}
		for _, name := range cfg.Only {
			w.only[name] = true
		}
	}
	w.dice = w.cast("world")
	w.start, w.pace = w.now, w.between(time.Second, 10*time.Second)
	w.secret = w.seed("network")
	for i := range cfg.Nodes {
		w.nodes = append(w.nodes, w.newNode(i))
	}
	for i, a := range w.nodes {
		for j, b := range w.nodes[:i] {
			if near := cfg.Street && j == i-1; cfg.Street || j == 0 || j == i-1 || w.chance(0.4) {
				w.links = append(w.links, w.newLink(b, a))
				w.links[len(w.links)-1].far = cfg.Street && !near
			}
		}
	}
	w.beLiars()
	w.found(w.begin()) // a co-op whose founding record was lost never was
	w.calm = false
	return w
}

// seed returns 32 bytes for a purpose.
func (w *World) seed(what string) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s", w.cfg.Seed, what))
}

func (w *World) key(what string) *record.Private { return record.NewPrivate(w.seed(what)) }

// after lets something happen later.
func (w *World) after(d time.Duration, do func()) {
	w.count++
	heap.Push(&w.events, event{w.now.Add(d), w.count, do})
}

func (w *World) fail(rule Rule, format string, args ...any) {
	if w.err == nil {
		w.err = &Broken{Rule: rule, After: w.now.Sub(w.start), What: fmt.Sprintf(format, args...)}
	}
}

func (w *World) trace(format string, args ...any) {
	if w.cfg.Trace != nil {
		w.cfg.Trace("%9.3f "+format, append([]any{w.now.Sub(w.start).Seconds()}, args...)...)
	}
}

// Run lets people act, then heals the network, and returns what did not hold: a
// *Broken, or nil.
func (w *World) Run() error {
	w.happen("all meet", func() { w.stretch(w.cfg.Active, w.nodes) })
	w.pace *= 8 // of those who meet for a minute, most do one thing or two
	for end := w.now; w.err == nil && w.now.Sub(end) < time.Duration(w.cfg.Days)*24*time.Hour; {
		w.nextRound()
		w.now = w.now.Add(w.between(time.Hour, 40*time.Hour))
		w.destroy()
		w.happen("some meet", w.meet)
	}
	w.nextRound()
	w.heal()
	w.agree()
	if w.cfg.Idle {
		w.idle()
	}
	w.finalChecks()
	if w.err != nil {
		return w.err
	}
	return nil
}

// nextRound gives all that draws new dice, the same ones whatever was drawn
// before.
func (w *World) nextRound() {
	w.round++
	clear(w.times)
	w.dice = w.cast(fmt.Sprint("round ", w.round))
}

// agree gives the nodes their time to agree.
func (w *World) agree() {
	healed, next := w.now, w.now
	w.pulls = 0
	w.run(w.now.Add(healMax), func() bool {
		if w.now.Before(next) {
			return false
		}
		next = w.now.Add(time.Second)
		return w.agreed() == nil && w.minutedWhereTheyCan() == nil && w.meshed() == nil
	})
	w.Stats.Healed, w.Stats.Contacts = w.now.Sub(healed), w.pulls
	if err := w.agreed(); err != nil {
		w.fail(RuleSets, "%v and %d pulls after the network healed: %v", w.Stats.Healed, w.pulls, err)
	}
	if err := w.minutedWhereTheyCan(); err != nil {
		w.fail(RuleMinuted, "%v after the network healed: %v", w.Stats.Healed, err)
	}
	if err := w.meshed(); err != nil {
		w.fail(RuleMesh, "%v after the network healed: %v", w.Stats.Healed, err)
	}
	if most := contactsMax * len(w.nodes) * len(w.nodes); w.pulls > most {
		w.fail(RuleSets, "the nodes needed %d pulls to agree, more than %d", w.pulls, most)
	}
}

// meet lets some people meet, or one work alone.
func (w *World) meet() {
	w.Stats.Meetings++
	if w.now.After(w.apart) && w.chance(0.05) {
		w.happen("all fall apart for weeks", w.fallApart)
	}
	camp := w.chance(0.5)
	if w.cfg.Captured && w.round < 12 {
		w.stretch(w.between(20*time.Second, time.Minute), w.captive(camp))
		return
	}
	var on []*Node
	for _, n := range w.nodes {
		if w.chance(0.6) && (w.now.After(w.apart) || n.camp == camp) {
			on = append(on, n)
		}
	}
	if len(on) == 0 || w.chance(0.2) {
		on = []*Node{w.nodes[w.IntN(len(w.nodes))]}
	}
	w.stretch(w.between(10*time.Second, time.Minute), on)
}

// fallApart begins a partition of weeks: only people of one camp meet.
func (w *World) fallApart() {
	w.Stats.Camps++
	w.apart = w.now.Add(w.between(7*24*time.Hour, 21*24*time.Hour))
	for _, n := range w.nodes {
		n.camp = w.chance(0.5)
	}
}

// stretch lets people do things for a time; then their computers are off and
// nothing happens.
func (w *World) stretch(d time.Duration, on []*Node) {
	w.trace("stretch of %v with %d nodes", d, len(on))
	w.castAll()
	for _, n := range on {
		n.disks()
		n.start()
		w.after(n.between(time.Second, 10*time.Second), func() { w.live(n) })
		if n.no > 0 {
			w.after(n.between(time.Second, d/4+time.Second), func() { w.join(n) })
		}
		w.couriers(n, d)
	}
	for _, l := range w.links {
		l.cut = [2]bool{}
		if slices.Contains(on, l.ends[0]) && slices.Contains(on, l.ends[1]) {
			w.after(l.between(0, 3*time.Second), l.dial)
		}
	}
	w.after(w.between(5*time.Second, 30*time.Second), w.part)
	w.after(d/2, func() { w.happen("the members re-seat", w.reseat) })
	w.run(w.now.Add(d), func() bool { return false })
	if w.err == nil {
		w.off()
	}
}

// castAll gives nodes and links the dice of this stretch.
func (w *World) castAll() {
	for _, n := range w.nodes {
		n.dice = w.cast(fmt.Sprint(w.round, " ", n.name))
	}
	for _, l := range w.links {
		l.dice = w.cast(fmt.Sprint(w.round, " link ", l.no))
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
		case n.chance(0.92):
			n.sleep()
		case n.chance(0.5):
			n.save()
		}
		n.synced = len(n.disk)
		n.up, n.conns = false, nil
	}
}

// idle holds that a co-op that agrees is silent: nothing more is written, and
// nodes ask each other for news no more than now and then.
func (w *World) idle() {
	const minutes = 5
	w.run(w.now.Add(2*minutes*time.Minute), func() bool { return false }) // newcomers still come in, polls end
	if err := w.agreed(); err != nil && w.err == nil {
		w.fail(RuleSilence, "some time after all agreed: %v", err)
	}
	records := w.nodes[0].coop.History().Len()
	w.pulls = 0
	w.run(w.now.Add(minutes*time.Minute), func() bool { return false })
	if n := w.nodes[0].coop.History().Len(); n != records && w.err == nil {
		w.fail(RuleSilence, "%d records were written by nobody after all agreed", n-records)
	}
	if most := 3 * minutes * len(w.nodes); w.pulls > most && w.err == nil {
		w.fail(RuleSilence, "%d pulls in %d minutes in which nothing happened, more than %d", w.pulls, minutes, most)
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
	}
	w.castAll()
	for _, n := range w.nodes {
		if n.start(); n.up && w.cfg.Fault == LazyTellers {
			n.replica.Unlock(nil)
		}
	}
	for _, l := range w.links {
		l.cut, l.pause = [2]bool{}, 0
		w.after(l.between(0, 3*time.Second), l.dial)
	}
	w.after(reseatPause, w.reseatInTheEnd)
}

// found lets the first nodes found the co-op together. The first of them makes
// the record, the others have it on their disks.
func (w *World) found(founders []*Node) {
	terms := member.Founding{
		Name: "Willow Street", Nonce: w.seed("nonce"), Units: []member.Unit{{Code: "hour", Scale: 2}, {Code: "euro", Scale: 2}},
	}
	for _, n := range founders {
		terms.Founders = append(terms.Founders, member.Founder{Name: n.person.name, Root: n.person.root.Public(), Device: n.device(), DeviceName: "laptop"})
	}
	var sigs []member.FounderSig
	for _, n := range founders {
		sigs = append(sigs, terms.Sign(n.person.root, n.key))
	}
	body, err := member.NewFounding(terms, sigs)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	n := founders[0]
	r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound, Time: n.clock().UnixMilli()}, body, n.key)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	w.life.coop = r.ID
	for _, n := range founders {
		n.disk, n.synced = []*record.Record{r}, 1
	}
	w.Stats.Founders = len(founders)
}
