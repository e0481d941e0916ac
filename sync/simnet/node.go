package simnet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// person is somebody with a root key and one node or two.
type person struct {
	name  string
	root  *record.Private
	codes []record.Key // of invites for further devices
}

// Node is a computer: what is on its disk stays when the power goes.
type Node struct {
	dice      // of this stretch
	w         *World
	no        int
	name      string // a letter
	person    *person
	own       *person // who they are unless the node is somebody's second
	key       *record.Private
	transport []byte
	skew      time.Duration // how wrong its clock is
	careless  bool          // restores backups
	honest    bool          // it never did, and never lied
	lie       *lie

	disk      []*record.Record
	synced    int              // how many records of the disk survive a power cut for certain
	marker    record.ID        // the last record its device signed, kept apart from the disk
	signed    uint64           // its seq
	backup    int              // how many records the disk had when a copy of it was made
	camp      bool             // on which side it is while the co-op is apart
	mail      []file           // on its table, not read yet
	anchors   []record.ID      // of the minutes, stored for ever
	backedUp  []record.ID      // and its anchors then
	joined    int              // how many records the disk had when it joined; 0: it has not
	otherDisk []*record.Record // of a liar
	forgotten []*record.Record // of a device of a liar, with its card
	then      *coop.State      // what that device knows
	snapshot  []byte
	card      []byte
	places    []wire.AddrList // where nodes said that they are
	invite    *member.Invite

	gone    bool // destroyed, with all that was on it
	up      bool
	locked  bool      // its device does not sign: its disk is older than the marker, or it stalls
	mute    time.Time // when it last was locked
	forked  bool      // it was shown that its device forked
	asleep  bool
	coop    *coop.Coop
	replica *replica.Replica
	conns   map[replica.SessionID]*conn
	heard   map[record.ID]bool // gossip that was passed on
	tick    time.Time
	starts  int
	areas   int // that are open
}

func (w *World) newNode(i int) *Node {
	n := &Node{w: w, no: i, name: string(rune('A' + i)), honest: true, key: w.key("device" + string(rune('a'+i)))}
	n.transport = wire.TransportIdentity(n.transportKey().Public())
	n.person = &person{name: n.name, root: w.key("root" + string(rune('a'+i)))}
	n.own = n.person
	n.careless = i > 1 && w.chance(0.15)
	if w.chance(0.2) {
		n.skew = w.between(-30*24*time.Hour, 30*24*time.Hour)
	}
	return n
}

// clock is what time it is by this computer.
func (n *Node) clock() time.Time { return n.w.now.Add(n.skew) }

// sleep lets the node go on at the next start as if no time had passed.
func (n *Node) sleep() {
	n.asleep = true
	for _, p := range n.replica.Peers() {
		n.replica.Disconnected(p.Session)
	}
}

// whole reports whether a node knows what is on its disk: without power, it may
// have folded what was never written.
func (n *Node) whole() bool { return n.up || n.asleep }

// save lets the fold of this moment be there at the next start.
func (n *Node) save() {
	if n.coop.History().Len() > 0 {
		n.snapshot = n.coop.Snapshot()
	}
}

// load reads a record from the disk, or what the replica has not handed out.
func (n *Node) load(ref history.Ref) *record.Record {
	if n.replica == nil {
		return n.disk[ref]
	}
	r, err := n.replica.Load(ref)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	return r
}

// read is what the disk gives the replica.
func (n *Node) read(ref history.Ref) (*record.Record, error) {
	r := n.disk[ref]
	if n.w.cfg.Fault == MixUpRecords && n.no%2 == 1 && r.Kind == ledger.KindTransfer && r.Seq%4 == 0 {
		other := *r
		other.Body = record.Marshal(ledger.TransferBody{To: n.w.life.coop, Unit: "hour", Amount: 1})
		return &other, nil
	}
	return r, nil
}

func (n *Node) device() record.Key { return n.key.Public() }

func (n *Node) transportKey() *record.Private { return n.w.key("transport" + string(rune('a'+n.no))) }

// place is where the computer is: elsewhere after each start.
func (n *Node) place() string { return fmt.Sprintf("/ip4/10.0.0.%d/tcp/%d", n.no, n.starts) }

// finds reports whether the node has heard where another one is now.
func (n *Node) finds(o *Node) bool {
	return slices.ContainsFunc(n.places, func(l wire.AddrList) bool {
		return l.Terms.Device == o.device() && slices.Equal(l.Terms.Addrs, []string{o.place()})
	})
}

// start turns a computer on, if it has a co-op or a card for one.
func (n *Node) start() {
	if n.up || n.gone || n.card == nil && len(n.disk) == 0 {
		return
	}
	n.up, n.conns, n.heard = true, map[replica.SessionID]*conn{}, map[record.ID]bool{}
	n.tick = time.Time{}
	if n.asleep {
		n.asleep = false
		n.commit()
		return
	}
	n.starts++
	n.replica, n.areas = nil, 0
	if n.lie != nil && n.lie.start != nil {
		n.lie.start(n)
	}
	n.coop = n.restore()
	if _, held := n.coop.History().Find(n.marker); n.marker != (record.ID{}) && !held && n.w.cfg.Fault != SignAfterRestore {
		n.locked = true
	}
	n.markTip()
	key := n.key
	if n.locked {
		key = nil
	}
	cfg := replica.Config{
		Coop: n.coop, CoopID: n.w.life.coop, Key: key, Forked: n.forked, Device: n.device(), Transport: n.transport, Secret: n.w.secret, Card: n.card, Agent: "simnet",
		Load:  n.read,
		Stage: n.stage, StagedMost: stagedMost,
		Random:  rand.New(rand.NewPCG(n.w.cfg.Seed, uint64(n.no*1000+n.starts))),
		ShowSig: n.key.Sign(record.DomainTransport, wire.TransportClaim(n.w.life.coop, n.transport)),
	}
	if n.joined > len(n.disk) {
		n.joined = 0 // its disk is from before
	}
	if n.invite != nil && n.joined == 0 {
		cfg.Joined = func(c *coop.Coop) bool {
			if c.History().Len() == 0 {
				return false
			}
			leader, ok := c.History().Find(n.invite.Leader)
			return ok && c.Minutes().Minuted(leader) && c.Stands(n.device())
		}
	}
	if n.w.cfg.Street {
		cfg.TransportKey = n.transportKey()
	}
	n.replica = replica.New(cfg)
	n.replica.LearnAddrs(n.clock(), n.places)
	n.replica.SetAddrs(n.clock(), []string{n.place()})
	n.commit()
}

// stagedMost is what each peer may stage at a node, in bytes: far less than
// elsewhere, so that liars come to it.
const stagedMost = 256 << 10

// area keeps what a node stages of one peer, or of a bundle.
type area struct {
	n *Node
	b []byte
}

func (n *Node) stage() (replica.Area, error) {
	if n.areas++; n.areas > len(n.conns)+1 {
		n.w.fail(RuleFlood, "%s stages in %d areas for %d peers", n.name, n.areas, len(n.conns))
	}
	return &area{n: n}, nil
}

func (a *area) WriteAt(b []byte, at int64) (int, error) {
	a.b = append(a.b[:at], b...)
	if len(a.b) > stagedMost {
		a.n.w.fail(RuleFlood, "%s stages %d bytes of one peer, more than %d", a.n.name, len(a.b), stagedMost)
	}
	return len(b), nil
}

func (a *area) ReadAt(b []byte, at int64) (int, error) { return copy(b, a.b[at:]), nil }

func (a *area) Close() error {
	a.n.areas--
	return nil
}

// restore folds what is on the disk, with the help of a cached fold or without.
func (n *Node) restore() *coop.Coop {
	snapshot := n.snapshot
	if n.chance(0.3) {
		snapshot = nil
	}
	anchors := n.anchors
	if n.w.cfg.Fault == ForgetAnchors {
		snapshot, anchors = nil, nil
	}
	c, _, err := coop.Restore(n.load, snapshot, anchors, func(admit func(*record.Record) error) error {
		for _, r := range n.disk {
			if err := admit(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n.w.fail(RuleRefold, "%s cannot read its own disk: %v", n.name, err)
	}
	return c
}

// commit does what the replica wants done, in the order it asks for. The power
// may go at any moment.
func (n *Node) commit() {
	if !n.up || n.w.err != nil {
		return
	}
	if n.locked && n.lie == nil {
		n.unlock()
	}
	out := n.replica.Take(n.clock())
	if n.w.cfg.Fault == ServeBeforeStore {
		n.say(out)
	}
	n.disk = append(n.disk, out.Store...)
	if len(out.Store) > 0 && n.cut() {
		return
	}
	n.sync(out.Store)
	n.w.check.node(n, out.Store)
	if len(out.Store) > 0 && n.cut() {
		return
	}
	if n.w.cfg.Fault != ServeBeforeStore {
		n.say(out)
	}
	if at := n.replica.NextTick(n.clock()); n.tick.IsZero() || at.Before(n.tick) {
		n.wake(at)
	}
}

// sync makes what was written durable, and then the marker.
func (n *Node) sync(wrote []*record.Record) {
	if n.w.cfg.Fault != SkipSync {
		n.synced = len(n.disk)
	}
	for _, r := range wrote {
		if r.Device == n.device() && r.Seq > n.signed {
			n.marker, n.signed = r.ID, r.Seq
		}
	}
	if n.coop.History().Len() > 0 {
		n.anchors = n.coop.Minutes().Anchors()
	}
	if n.joined == 0 && n.replica.Joined() {
		n.joined = len(n.disk)
	}
}

// markTip moves the marker to the last of the device's records that the disk
// holds: the power may have gone before it was written.
func (n *Node) markTip() {
	if tips := n.coop.History().TipsOf(n.device()); len(tips) == 1 && !n.locked {
		if at := n.coop.History().At(tips[0]); at.Seq > n.signed {
			n.marker, n.signed = at.ID, at.Seq
		}
	}
}

// unlock lets the device sign again once its node holds what it signed last.
func (n *Node) unlock() {
	if _, held := n.coop.History().Find(n.marker); held {
		n.locked, n.mute = false, n.w.now
		n.replica.Unlock(n.key)
	}
}

// wake lets the replica tick at a time.
func (n *Node) wake(at time.Time) {
	n.tick = at
	n.w.after(max(0, at.Sub(n.clock()))+time.Microsecond, func() {
		if n.up && n.tick.Equal(at) {
			n.tick = time.Time{}
			n.replica.Tick(n.clock())
			n.commit()
		}
	})
}

func (n *Node) say(out replica.Output) {
	for _, rs := range out.Gossip {
		n.w.gossip(n, rs)
	}
	for _, id := range out.Close {
		if c := n.conns[id]; c != nil {
			c.closing[c.side(n)] = true
		}
	}
	for _, id := range append(out.Ready, out.Close...) {
		if c := n.conns[id]; c != nil {
			n.w.after(0, func() { c.pump(n) })
		}
	}
	if out.Addrs {
		n.places = n.replica.Addrs()
	}
	for _, e := range out.Events {
		n.event(e)
	}
}

// cut takes the power away now and then.
func (n *Node) cut() bool {
	if !n.w.calm && n.chance(0.004) {
		n.w.happen(n.name+" loses power", n.powerCut)
	}
	return !n.up
}

// powerCut turns the computer off at once. Of what was written and not synced,
// a first part survives.
func (n *Node) powerCut() {
	n.w.Stats.Cuts++
	if lost := len(n.disk) - n.synced; lost > 0 {
		n.disk = n.disk[:n.synced+n.w.IntN(lost+1)]
	}
	n.up = false
	for _, l := range n.w.links {
		if l.conn != nil && n.conns[l.conn.id] != nil {
			n.w.after(l.between(0, 2*time.Second), l.conn.close)
		}
	}
	if n.careless && len(n.disk) > 1 && n.w.chance(0.5) {
		n.goBack()
	}
	n.w.after(n.between(time.Second, 40*time.Second), n.start)
}

// disks lets an honest computer that is off come back with an old copy of its
// disk, now and then. Its device does not sign until it holds again what it
// signed. Not where tellers capture the co-op: the one honest computer that saw
// their other branch is all the proof there is.
func (n *Node) disks() {
	if n.no == 0 || n.w.cfg.Captured || n.lie != nil || len(n.disk) == 0 || n.up || n.gone {
		return
	}
	if n.chance(0.1) {
		n.backup, n.backedUp = len(n.disk), n.anchors
	} else if n.backup > 0 && n.backup < len(n.disk) && n.chance(0.1) {
		n.w.happen(n.name+" gets an old disk", n.comeBack)
	}
}

func (n *Node) comeBack() {
	n.w.Stats.Old++
	n.w.trace("%s has %d records of %d", n.name, n.backup, len(n.disk))
	lost := n.disk[n.backup:]
	n.disk, n.synced, n.anchors, n.snapshot, n.asleep = slices.Clip(n.disk[:n.backup]), n.backup, n.backedUp, nil, false
	n.places = nil
	n.w.check.restored(n, lost)
}

// goBack restores the computer from a backup and has its device sign at once, which
// must never be done: it will write into slots it has used. Not with a teller's device: two or
// three tellers bear absence, but no lies.
func (n *Node) goBack() {
	for _, e := range n.coop.Minutes().Epochs() {
		if slices.Contains(e.Tellers, n.device()) {
			return
		}
	}
	n.honest, n.snapshot, n.anchors, n.marker, n.signed = false, nil, nil, record.ID{}, 0
	n.disk = slices.Clip(n.disk[:max(1, len(n.disk)-1-n.w.IntN(10))])
	n.synced, n.backup, n.w.check.batches[n] = len(n.disk), 0, 0
	n.w.trace("%s goes back to %d records", n.name, len(n.disk))
}

// hear gives a message to the replica.
func (n *Node) hear(c *conn, arrives func() (wire.Message, error)) {
	m, err := arrives()
	if _, answer := m.(wire.Records); answer && n.w.cfg.Fault == DeafNode && n.no == 1 {
		return
	}
	n.w.trace("%s hears %T on %d", n.name, m, c.id)
	switch from := c.ends[1-c.side(n)]; {
	case err == nil:
		n.replica.Message(n.clock(), c.id, m)
	case from.lie == nil:
		n.w.fail(RuleSpeech, "%s sent what cannot be read: %v", from.name, err)
	default:
		n.replica.Garbage(c.id, err)
	}
	n.commit()
}

func (n *Node) gossiped(c *conn, rs []*record.Record) {
	if !n.up || !c.up || !n.replica.Welcome(c.id) {
		return
	}
	if n.w.cfg.Fault == TakeAnything {
		for _, r := range rs {
			_ = n.replica.Found(r) // which asks nobody whether the device stands
		}
	}
	pass, err := n.replica.Gossip(n.clock(), c.id, rs)
	if err != nil && c.ends[1-c.side(n)].lie == nil {
		n.w.fail(RuleSpeech, "%s rejects gossip: %v", n.name, err)
	}
	n.commit()
	if first := rs[0].ID; pass && n.up && !n.heard[first] {
		n.heard[first] = true
		n.w.gossip(n, rs)
	}
}

// event is what a person or a log is told.
func (n *Node) event(e replica.Event) {
	n.w.trace("%s: event %d session %d count %d %s", n.name, e.Kind, e.Session, e.Count, e.Text)
	switch e.Kind {
	case replica.EventCard:
		n.w.after(n.between(0, 5*time.Second), func() { n.w.happen(n.name+" sees a card", func() { n.w.cardShown(n, e.Card) }) })
	case replica.EventDropped:
		n.w.Stats.Dropped += e.Count
	case replica.EventForked:
		if n.forked = true; n.honest {
			n.w.fail(RuleForks, "%s is shown that it did", n.name)
		}
	case replica.EventCopied:
		if n.honest {
			n.w.fail(RuleForks, "%s meets a record of its own device that it did not sign", n.name)
		} else {
			n.replica.Unlock(n.key) // what a liar forged comes back
		}
	case replica.EventDoorClosed, replica.EventDuty, replica.EventGap, replica.EventTooNew:
		n.w.check.complaint(n, e)
	}
}

// write signs something as a person's node does: only what the rules allow now.
func (n *Node) write(kind string, body []byte) record.ID {
	if !n.up || n.locked || n.forked || !n.replica.Joined() || n.coop.History().Len() == 0 || !n.coop.Stands(n.device()) {
		return record.ID{}
	}
	if err := n.permit(kind, body); err != nil {
		n.w.trace("%s may not %s: %v", n.name, kind, err)
		return record.ID{}
	}
	r, err := n.replica.Write(n.clock(), kind, body)
	if err != nil {
		n.w.fail(RuleSpeech, "%s cannot write %s: %v", n.name, kind, err)
		return record.ID{}
	}
	n.w.trace("%s writes %s %s", n.name, kind, r.ID.Short())
	if n.commit(); !n.up {
		return record.ID{} // the power went before anybody was told
	}
	n.w.check.acked[r.ID] = n
	return r.ID
}
