package simnet

import (
	"math/rand/v2"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/replica"
)

// person is somebody with a root key and one node or two.
type person struct {
	name  string
	root  *record.Private
	codes []record.Key // of invites for further devices
}

// Node is a computer: what is on its disk stays when the power goes.
type Node struct {
	w         *World
	no        int
	person    *person
	own       *person // who they are unless the node is somebody's second
	key       *record.Private
	transport []byte
	skew      time.Duration // how wrong its clock is
	careless  bool          // restores backups
	honest    bool          // it never did, and never lied
	lie       *lie

	disk      []*record.Record
	anchors   []record.ID      // of the minutes, stored for ever
	otherDisk []*record.Record // of a liar
	snapshot  []byte
	card      []byte
	invite    *member.Invite

	up      bool
	asleep  bool
	coop    *coop.Coop
	replica *replica.Replica
	conns   map[replica.SessionID]*conn
	heard   map[record.ID]bool // gossip that was passed on
	tick    time.Time
	starts  int
}

func (w *World) newNode(i int) *Node {
	n := &Node{w: w, no: i, honest: true, key: w.key("device" + string(rune('a'+i))), transport: []byte{byte(i)}}
	n.person = &person{name: string(rune('A' + i)), root: w.key("root" + string(rune('a'+i)))}
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

func (n *Node) device() record.Key { return n.key.Public() }

// start turns a computer on, if it has a co-op or a card for one.
func (n *Node) start() {
	if n.up || n.no > 0 && n.card == nil {
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
	n.replica = nil
	if n.lie != nil && n.lie.start != nil {
		n.lie.start(n)
	}
	n.coop = n.restore()
	cfg := replica.Config{
		Coop: n.coop, Key: n.key, Device: n.device(), Transport: n.transport, Secret: n.w.secret, Card: n.card, Agent: "simnet",
		Load:    func(ref history.Ref) (*record.Record, error) { return n.disk[ref], nil },
		Random:  rand.New(rand.NewPCG(n.w.cfg.Seed, uint64(n.no*1000+n.starts))),
		ShowSig: n.key.Sign(record.DomainTransport, replica.TransportClaim(n.w.life.coop, n.transport)),
	}
	if n.invite != nil {
		cfg.Joined = func(c *coop.Coop) bool {
			if c.History().Len() == 0 {
				return false
			}
			leader, ok := c.History().Find(n.invite.Leader)
			return ok && c.Minutes().Minuted(leader) && c.Stands(n.device())
		}
	}
	n.replica = replica.New(cfg)
	n.commit()
}

// restore folds what is on the disk, with the help of a cached fold or without.
func (n *Node) restore() *coop.Coop {
	snapshot := n.snapshot
	if n.w.chance(0.3) {
		snapshot = nil
	}
	c, _, err := coop.Restore(n.load, snapshot, n.anchors, func(admit func(*record.Record) error) error {
		for _, r := range n.disk {
			if err := admit(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n.w.fail("%s cannot read its own disk: %v", n.person.name, err)
	}
	return c
}

// commit does what the replica wants done, in the order it asks for. The power
// may go at any moment.
func (n *Node) commit() {
	if !n.up || n.w.err != nil {
		return
	}
	out := n.replica.Take(n.clock())
	if n.w.cfg.Fault == ServeBeforeStore {
		n.say(out)
	}
	if len(out.Store) > 0 && n.cut() {
		return
	}
	n.disk = append(n.disk, out.Store...)
	if n.coop.History().Len() > 0 {
		n.anchors = n.coop.Minutes().Anchors()
	}
	n.w.check.node(n)
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
	for _, e := range out.Events {
		n.event(e)
	}
}

// cut takes the power away now and then.
func (n *Node) cut() bool {
	if n.w.calm || !n.w.chance(0.004) {
		return false
	}
	n.powerCut()
	return true
}

func (n *Node) powerCut() {
	n.w.trace("%s loses power with %d records", n.person.name, len(n.disk))
	n.w.Stats.Cuts++
	if n.w.cfg.Fault == LoseLastRecord && len(n.disk) > 1 {
		n.disk, n.snapshot = n.disk[:len(n.disk)-1], nil
	}
	n.up = false
	for _, l := range n.w.links {
		if l.conn != nil && n.conns[l.conn.id] != nil {
			n.w.after(n.w.between(0, 2*time.Second), l.conn.close)
		}
	}
	if n.careless && len(n.disk) > 1 && n.w.chance(0.5) {
		n.goBack()
	}
	n.w.after(n.w.between(time.Second, 40*time.Second), n.start)
}

// goBack restores the computer from a backup, which must never be done: its
// device will write into slots it has used. Not with a teller's device: two or
// three tellers bear absence, but no lies.
func (n *Node) goBack() {
	for _, e := range n.coop.Minutes().Epochs() {
		if slices.Contains(e.Tellers, n.device()) {
			return
		}
	}
	n.honest, n.snapshot, n.anchors = false, nil, nil
	n.disk = n.disk[:len(n.disk)-min(len(n.disk), 1+n.w.rand.IntN(10))]
	n.w.trace("%s goes back to %d records", n.person.name, len(n.disk))
}

// hear gives a message to the replica.
func (n *Node) hear(c *conn, b []byte) {
	m, err := n.w.decode(b)
	n.w.trace("%s hears %T on %d", n.person.name, m, c.id)
	switch from := c.ends[1-c.side(n)]; {
	case err == nil:
		n.replica.Message(n.clock(), c.id, m)
	case from.lie == nil:
		n.w.fail("%s sent what cannot be read: %v", from.person.name, err)
	default:
		n.replica.Garbage(c.id, err)
	}
	n.commit()
}

func (n *Node) gossiped(c *conn, rs []*record.Record) {
	if !n.up || !c.up || !n.replica.Welcome(c.id) {
		return
	}
	pass, err := n.replica.Gossip(n.clock(), c.id, rs)
	if err != nil && c.ends[1-c.side(n)].lie == nil {
		n.w.fail("%s rejects gossip: %v", n.person.name, err)
	}
	n.commit()
	if first := rs[0].ID; pass && n.up && !n.heard[first] {
		n.heard[first] = true
		n.w.gossip(n, rs)
	}
}

// event is what a person or a log is told.
func (n *Node) event(e replica.Event) {
	n.w.trace("%s: event %d session %d count %d %s", n.person.name, e.Kind, e.Session, e.Count, e.Text)
	switch e.Kind {
	case replica.EventCard:
		n.w.after(n.w.between(0, 5*time.Second), func() { n.w.cardShown(n, e.Card) })
	case replica.EventDropped:
		n.w.Stats.Dropped += e.Count
	case replica.EventDoorClosed, replica.EventDuty, replica.EventGap, replica.EventTooNew:
		n.w.check.complaint(n, e)
	}
}

// write signs something as a person's node does: only what the rules allow now.
func (n *Node) write(kind string, body []byte) record.ID {
	if !n.up || !n.replica.Joined() || n.coop.History().Len() == 0 || !n.coop.Stands(n.device()) {
		return record.ID{}
	}
	if err := n.permit(kind, body); err != nil {
		n.w.trace("%s may not %s: %v", n.person.name, kind, err)
		return record.ID{}
	}
	r, err := n.replica.Write(n.clock(), kind, body)
	if err != nil {
		n.w.fail("%s cannot write %s: %v", n.person.name, kind, err)
		return record.ID{}
	}
	n.w.trace("%s writes %s %s", n.person.name, kind, r.ID.Short())
	if n.commit(); n.up {
		n.w.check.acked[r.ID] = n
	}
	return r.ID
}
