package simnet

import (
	"time"

	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// link is the way between two nodes.
type link struct {
	dice  // of this stretch
	w     *World
	no    int
	ends  [2]*Node
	delay time.Duration
	loss  float64 // of gossip
	drop  float64 // of a connection, at each message
	far   bool    // the ends come together only if one has heard where the other is
	cut   [2]bool // from ends[i] nothing arrives
	conn  *conn
	pause time.Duration // after a closed door, before the next knock
}

func (w *World) newLink(a, b *Node) *link {
	l := &link{w: w, no: len(w.links), ends: [2]*Node{a, b}, delay: w.between(time.Millisecond, 60*time.Millisecond), loss: w.Float64() * 0.6}
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
	l.w.after(l.pause+l.between(3*time.Second, 12*time.Second), l.dial)
	if l.conn != nil || !l.ends[0].up || !l.ends[1].up || l.cut[0] || l.cut[1] {
		return
	}
	if l.far && !l.ends[0].finds(l.ends[1]) && !l.ends[1].finds(l.ends[0]) {
		return
	}
	if l.far {
		l.w.Stats.Told++
	}
	l.w.count++
	c := &conn{link: l, id: replica.SessionID(l.w.count), up: true}
	l.conn = c
	dialer := l.IntN(2)
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
	c.w.after(c.between(0, 3*time.Millisecond), func() {
		c.pumping[side] = false
		c.pump(n)
	})
}

// send lets a message arrive later, or breaks the connection.
func (c *conn) send(from int, m wire.Message) {
	w := c.w
	if c.lost(from) || !w.calm && c.chance(c.drop) {
		c.lose(from)
		return
	}
	if _, ok := m.(wire.Pull); ok {
		w.pulls++
	}
	hear := w.carried(m)
	if n := c.ends[from]; n.lie != nil && n.lie.wire != nil && c.chance(0.1) {
		w.Stats.Lies++
		b := n.lie.wire(n, c.ends[1-from], m, wire.Encode(m))
		hear = func() (wire.Message, error) { return wire.Decode(b) }
	}
	at := w.now.Add(c.delay + c.between(0, c.delay))
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
			to.hear(c, hear)
		}
	})
}

func (c *conn) lost(from int) bool { return c.cut[from] || c.broken[from] }

// lose breaks a stream: its ends notice sooner or later.
func (c *conn) lose(from int) {
	if !c.broken[from] {
		c.broken[from] = true
		c.w.after(c.between(0, 20*time.Second), c.close)
	}
}

// carried returns what a message is when it arrives. Each record is encoded,
// decoded and verified once for all: it never changes.
func (w *World) carried(m wire.Message) func() (wire.Message, error) {
	sent, ok := m.(wire.Records)
	if !ok || !w.allArrived(sent.Records) {
		b := wire.Encode(m)
		return func() (wire.Message, error) {
			m, err := wire.Decode(b)
			if got, ok := m.(wire.Records); ok {
				w.arrive(sent.Records, got.Records)
			}
			return m, err
		}
	}
	return func() (wire.Message, error) {
		got := wire.Records{Left: sent.Left}
		for _, r := range sent.Records {
			got.Records = append(got.Records, w.arrived[r])
		}
		return got, nil
	}
}

func (w *World) allArrived(sent []*record.Record) bool {
	for _, r := range sent {
		if w.arrived[r] == nil {
			return false
		}
	}
	return true
}

// arrive remembers what became of records on their way.
func (w *World) arrive(sent, got []*record.Record) {
	for i, r := range sent {
		if w.arrived[r] == nil {
			w.arrived[r], w.arrived[got[i]] = got[i], got[i]
		}
	}
}

// gossip brings records to all neighbours of a node: some not, some twice.
func (w *World) gossip(n *Node, rs []*record.Record) {
	if !w.allArrived(rs) { // a node publishes records one by one
		got, err := wire.DecodeGossip(wire.EncodeGossip(rs))
		if err != nil || len(got) != len(rs) {
			w.fail(RuleSpeech, "a node published what cannot be read: %v", err)
			return
		}
		w.arrive(rs, got)
	}
	var m []*record.Record
	for _, r := range rs {
		m = append(m, w.arrived[r])
	}
	for _, l := range w.links {
		c := l.conn
		if c == nil || l.ends[0] != n && l.ends[1] != n {
			continue
		}
		from := c.side(n)
		for range 2 {
			if l.cut[from] || l.chance(l.loss) {
				continue
			}
			w.after(l.delay+l.between(0, 10*l.delay), func() { l.ends[1-from].gossiped(c, m) })
			if l.chance(0.9) {
				break
			}
		}
	}
}
