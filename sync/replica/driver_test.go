package replica_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// world is a few real replicas, driven by hand: there is no network, messages
// arrive at once, and time passes only where a test says so.
type world struct {
	t        *testing.T
	now      time.Time
	coop     record.ID
	secret   [32]byte
	nodes    []*node
	lines    []*line
	sessions replica.SessionID
	gossip   bool // what nodes publish reaches those they are connected with
}

// node is a computer: a replica, and the disk it asks for.
type node struct {
	w         *world
	name      string
	root, key *record.Private
	transport []byte
	secret    [32]byte
	card      []byte
	leader    record.ID // that the invite names; a newcomer's
	skew      time.Duration
	joined    bool // it has joined, and keeps that on its disk
	accused   bool // it was shown that its device forked, and keeps that too

	disk      []*record.Record
	coop      *coop.Coop
	r         *replica.Replica
	events    []replica.Event
	published [][]*record.Record
	ready     map[replica.SessionID]bool
	closing   map[replica.SessionID]bool
}

// line connects two nodes.
type line struct {
	id    replica.SessionID
	ends  [2]*node
	queue [2][]wire.Message // said by ends[i], not heard yet
	said  [2][]wire.Message // all that ends[i] ever said
	up    bool
	cut   func(from int, m wire.Message) bool // breaks the line instead of delivering
}

func seedOf(what string) [32]byte { return sha256.Sum256([]byte(what)) }

func keyOf(what string) *record.Private { return record.NewPrivate(seedOf(what)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newWorld founds a co-op: each of the names has a node, and is a teller.
func newWorld(t *testing.T, names ...string) *world {
	w := &world{t: t, now: time.Unix(1_800_000_000, 0), secret: seedOf("network")}
	founding := foundingRecord("Willow Street", names...)
	w.coop = founding.ID
	for _, name := range names {
		n := w.newNode(name)
		n.start()
		if err := n.r.Found(founding); err != nil {
			t.Fatal(err)
		}
		n.commit()
	}
	return w
}

func foundingRecord(name string, founders ...string) *record.Record {
	terms := member.Founding{Name: name, Nonce: seedOf(name), Units: []member.Unit{{Code: "hour", Scale: 2}}}
	for _, f := range founders {
		terms.Founders = append(terms.Founders, member.Founder{Name: f, Root: keyOf("root " + f).Public(), Device: keyOf("device " + f).Public(), DeviceName: "laptop"})
	}
	var sigs []member.FounderSig
	for _, f := range founders {
		sigs = append(sigs, terms.Sign(keyOf("root "+f), keyOf("device "+f)))
	}
	body := must(member.NewFounding(terms, sigs))
	return must(record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, body, keyOf("device "+founders[0])))
}

func (w *world) newNode(name string) *node {
	n := &node{w: w, name: name, root: keyOf("root " + name), key: keyOf("device " + name), secret: w.secret}
	n.transport = wire.TransportIdentity(n.transportKey().Public())
	w.nodes = append(w.nodes, n)
	return n
}

func (n *node) transportKey() *record.Private { return keyOf("transport " + n.name) }

func (n *node) device() record.Key { return n.key.Public() }

func (n *node) member() record.ID { return member.MemberID(n.w.coop, n.root.Public()) }

func (n *node) now() time.Time { return n.w.now.Add(n.skew) }

func (n *node) config() replica.Config {
	cfg := replica.Config{
		Coop: n.coop, CoopID: n.w.coop, Key: n.key, Forked: n.accused, Device: n.device(), Transport: n.transport, TransportKey: n.transportKey(), Secret: n.secret, Card: n.card, Agent: "test",
		Load:    func(ref history.Ref) (*record.Record, error) { return n.disk[ref], nil },
		Random:  rand.New(rand.NewChaCha8(seedOf(n.name))),
		ShowSig: n.key.Sign(record.DomainTransport, wire.TransportClaim(n.w.coop, n.transport)),
	}
	if n.card != nil && !n.joined {
		cfg.Joined = func(c *coop.Coop) bool {
			if c.History().Len() == 0 {
				return false
			}
			leader, ok := c.History().Find(n.leader)
			own, noCard := member.ParseDeviceCard(n.card)
			return ok && c.Minutes().Minuted(leader) && (c.Stands(n.device()) || noCard == nil && c.MayAdd(own))
		}
	}
	return cfg
}

// start turns the computer on, with what is on its disk.
func (n *node) start() { n.startWith(func(*replica.Config) {}) }

func (n *node) startWith(change func(*replica.Config)) {
	n.ready, n.closing, n.r = map[replica.SessionID]bool{}, map[replica.SessionID]bool{}, nil
	n.coop = coop.New(func(ref history.Ref) *record.Record {
		if n.r == nil {
			return n.disk[ref]
		}
		return must(n.r.Load(ref))
	})
	for _, r := range n.disk {
		if _, _, err := n.coop.Add(r); err != nil {
			n.w.t.Fatalf("%s cannot read its disk: %v", n.name, err)
		}
	}
	cfg := n.config()
	change(&cfg)
	n.r = replica.New(cfg)
	n.r.Tick(n.now()) // nobody is there yet: the pull of the minute comes a minute later
	n.commit()
}

// commit does what the replica wants done.
func (n *node) commit() {
	out := n.r.Take(n.now())
	n.disk = append(n.disk, out.Store...)
	n.joined = n.joined || n.r.Joined()
	n.published = append(n.published, out.Gossip...)
	n.events = append(n.events, out.Events...)
	n.accused = n.accused || len(n.heard(replica.EventForked)) > 0
	for _, id := range out.Ready {
		n.ready[id] = true
	}
	for _, id := range out.Close {
		n.ready[id], n.closing[id] = true, true
	}
	if n.w.gossip {
		for _, rs := range out.Gossip {
			n.w.publish(n, rs)
		}
	}
}

// publish brings records to the nodes somebody is connected with, who pass on
// what is new to them.
func (w *world) publish(from *node, rs []*record.Record) {
	for _, l := range w.lines {
		for i, n := range l.ends {
			if !l.up || l.ends[1-i] != from || !n.r.Welcome(l.id) {
				continue
			}
			before := n.coop.History().Len()
			if _, err := n.r.Gossip(n.now(), l.id, rs); err != nil {
				w.t.Errorf("%s rejects what %s publishes: %v", n.name, from.name, err)
			}
			if n.commit(); n.coop.History().Len() > before {
				w.publish(n, rs)
			}
		}
	}
}

// dial connects two nodes and lets them say all they have to say.
func (w *world) dial(a, b *node) *line {
	l := w.open(a, b)
	w.run()
	return l
}

func (w *world) open(a, b *node) *line {
	w.sessions++
	l := &line{id: w.sessions, ends: [2]*node{a, b}, up: true}
	w.lines = append(w.lines, l)
	a.r.Connected(a.now(), l.id, b.transport, true)
	b.r.Connected(b.now(), l.id, a.transport, false)
	a.commit()
	b.commit()
	return l
}

func (l *line) close() {
	if !l.up {
		return
	}
	l.up = false
	for _, n := range l.ends {
		n.r.Disconnected(l.id)
		n.commit()
	}
}

// pump takes from a node all it has to say now. Like the real node it asks only
// those who said that they are ready: a replica that waits to be asked is caught.
func (l *line) pump(side int) {
	n := l.ends[side]
	for n.ready[l.id] {
		m, ok := n.r.Next(l.id)
		if n.commit(); !ok {
			delete(n.ready, l.id)
			return
		}
		l.said[side] = append(l.said[side], m)
		l.queue[side] = append(l.queue[side], m)
	}
}

// flight lets all that was said arrive, once. It reports whether that was
// anything. Two flights are a round trip.
func (w *world) flight() bool {
	for _, l := range w.lines {
		for side := range l.ends {
			if l.up {
				l.pump(side)
			}
		}
	}
	any := false
	for _, l := range w.lines {
		for side := range l.ends {
			said := l.queue[side]
			l.queue[side] = nil
			for _, m := range said {
				any = true
				l.deliver(side, m)
			}
		}
	}
	for _, l := range w.lines {
		for side, n := range l.ends {
			if l.up && n.closing[l.id] && !n.ready[l.id] && l.queue[side] == nil {
				l.close()
			}
		}
	}
	return any
}

func (l *line) deliver(from int, m wire.Message) {
	if l.up && l.cut != nil && l.cut(from, m) {
		l.close()
	}
	if !l.up {
		return
	}
	to := l.ends[1-from]
	to.r.Message(to.now(), l.id, overWire(m))
	to.commit()
}

// overWire is a message as its receiver decodes it.
func overWire(m wire.Message) wire.Message { return must(wire.Decode(wire.Encode(m))) }

// run lets nodes talk until all are silent, and returns the flights it took.
func (w *world) run() (flights int) {
	w.t.Helper()
	for w.flight() {
		if flights++; flights > 10_000 {
			w.t.Fatal("the nodes talk without end")
		}
	}
	return flights
}

// pass lets time pass: replicas tick when they want to.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for {
		w.run()
		var next *node
		var at time.Time
		for _, n := range w.nodes {
			if n.r == nil {
				continue
			}
			if t := n.r.NextTick(n.now()).Add(-n.skew); next == nil || t.Before(at) {
				next, at = n, t
			}
		}
		if at.After(end) {
			w.now = end
			w.run()
			return
		}
		if at.After(w.now) {
			w.now = at
		}
		next.r.Tick(next.now())
		next.commit()
		if again := next.r.NextTick(next.now()); !again.After(next.now()) {
			w.t.Fatalf("%s wants to tick without end", next.name)
		}
	}
}

// write lets a node's person do something that the rules allow.
func (n *node) write(kind string, body []byte) *record.Record {
	n.w.t.Helper()
	if kind != coop.KindAck {
		if err := n.coop.Try(n.device(), kind, body); err != nil && !strings.HasPrefix(kind, "doc/") {
			n.w.t.Fatalf("%s may not %s: %v", n.name, kind, err)
		}
	}
	return n.writeAny(kind, body)
}

func (n *node) writeAny(kind string, body []byte) *record.Record {
	n.w.t.Helper()
	r, err := n.r.Write(n.now(), kind, body)
	if err != nil {
		n.w.t.Fatalf("%s cannot write %s: %v", n.name, kind, err)
	}
	n.commit()
	return r
}

// invite makes a code and its record.
func (n *node) invite(code string, uses uint32, expires int64) member.Invite {
	n.w.t.Helper()
	i := member.Invite{Coop: n.w.coop, Seed: seedOf(code), Secret: n.w.secret, Expires: expires}
	n.write(member.KindInvite, member.NewInvite(i.Key().Public(), uses, expires))
	i.Leader = n.coop.State().Last
	return i
}

// newcomer is the node of somebody who has a code.
func (w *world) newcomer(name string, i member.Invite) *node {
	n := w.newNode(name)
	n.card, n.leader = cardOf(n, i).Encode(), i.Leader
	n.start()
	return n
}

func cardOf(n *node, i member.Invite) member.Card {
	return must(member.NewCard(member.CardTerms{Coop: i.Coop, Name: n.name, DeviceName: "laptop"}, i.Key(), n.root, n.key))
}

// join brings somebody in, through a node whose person may admit.
func (w *world) join(by *node, name string) *node {
	w.t.Helper()
	n := w.newcomer(name, by.invite("code for "+name, 1, 0))
	w.dial(by, n)
	if !n.r.Joined() {
		w.t.Fatalf("%s did not join: %v", name, n.events)
	}
	return n
}

// decide makes and passes a proposal; all voters' nodes are connected.
func (w *world) decide(by *node, effect proposal.Effect, voters ...*node) {
	w.t.Helper()
	b := proposal.OpenBody{Version: []record.ID{}, Title: "Let us", Effects: []proposal.Effect{effect}, ClosesAt: by.now().UnixMilli()}
	b.Rule = proposal.RuleFor(b.Effects)
	id := by.write(proposal.KindOpen, must(proposal.Open(by.coop.People(), by.member(), b))).ID
	for _, n := range voters {
		w.pass(3 * time.Second)
		n.write(proposal.KindCast, record.Marshal(proposal.CastBody{Proposal: id, Option: proposal.Yes}))
	}
	w.pass(3 * time.Second)
	if p, _ := by.coop.State().Proposals.Proposals.Get(id); p.Status != proposal.StatusPassed {
		w.t.Fatalf("the proposal is %s, failed %v", p.Status, p.Failed)
	}
}

// heard returns the texts of a node's events of one kind.
func (n *node) heard(kind replica.EventKind) (texts []string) {
	for _, e := range n.events {
		if e.Kind == kind {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

func (n *node) holds(r *record.Record) bool {
	_, ok := n.coop.History().Find(r.ID)
	return ok
}

func (n *node) count(kind string) (count int) {
	for _, r := range n.disk {
		if r.Kind == kind && r.Device == n.device() {
			count++
		}
	}
	return count
}

// kinds names messages, without what is in them.
func kinds(ms []wire.Message) string {
	var names []string
	for _, m := range ms {
		names = append(names, strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", m), "wire.")))
	}
	return strings.Join(names, " ")
}

func wantSame(t *testing.T, nodes ...*node) {
	t.Helper()
	first := nodes[0]
	for _, n := range nodes[1:] {
		if got, want := n.coop.History().Len(), first.coop.History().Len(); got != want || n.coop.History().Digest() != first.coop.History().Digest() {
			t.Errorf("%s holds %d records, %s %d, or others", n.name, got, first.name, want)
		}
	}
}

// peer is the other end of a session, played by the test itself: it can say
// anything, at any time.
type peer struct {
	to        *node
	id        replica.SessionID
	transport []byte
	dialer    bool
	nonce     [32]byte
	theirs    [32]byte
	heard     []wire.Message // all that the node said
	closed    bool           // the node closed the session
}

// call connects a peer to a node and takes its hello.
func (w *world) call(to *node, name string, dialer bool) *peer {
	w.sessions++
	p := &peer{to: to, id: w.sessions, transport: []byte("transport " + name), dialer: dialer, nonce: seedOf("nonce " + name)}
	to.r.Connected(to.now(), p.id, p.transport, !dialer)
	for _, m := range p.listen() {
		if h, ok := m.(wire.Hello); ok {
			p.theirs = h.Nonce
		}
	}
	return p
}

// say sends a message and returns what the node answers.
func (p *peer) say(m wire.Message) []wire.Message {
	p.to.r.Message(p.to.now(), p.id, overWire(m))
	return p.listen()
}

// listen takes all that the node has to say now.
func (p *peer) listen() []wire.Message {
	var ms []wire.Message
	n := p.to
	for n.commit(); n.ready[p.id]; {
		m, ok := n.r.Next(p.id)
		if n.commit(); !ok {
			delete(n.ready, p.id)
			break
		}
		ms = append(ms, m)
	}
	p.heard, p.closed = append(p.heard, ms...), n.closing[p.id]
	return ms
}

// mac is the proof as PROTOCOL.md 17.2 has it, from one end to the other.
func mac(secret [32]byte, opener bool, nonce [32]byte, own []byte, theirs [32]byte, other []byte) [32]byte {
	role := byte(2)
	if opener {
		role = 1
	}
	a, b := sha256.Sum256(own), sha256.Sum256(other)
	h := hmac.New(sha256.New, secret[:])
	h.Write(bytes.Join([][]byte{[]byte("coop/1 hello\x00"), {role}, nonce[:], a[:], theirs[:], b[:]}, nil))
	return [32]byte(h.Sum(nil))
}

func (p *peer) mac() [32]byte {
	return mac(p.to.w.secret, p.dialer, p.nonce, p.transport, p.theirs, p.to.transport)
}

// greet says hello and proves the network secret.
func (p *peer) greet() *peer {
	p.say(wire.Hello{Version: wire.Version, Nonce: p.nonce})
	p.say(wire.Proof{MAC: p.mac()})
	return p
}

// shows returns what a device shows on this connection.
func (p *peer) shows(key *record.Private) wire.Show {
	sig := key.Sign(record.DomainTransport, wire.TransportClaim(p.to.w.coop, p.transport))
	return wire.Show{Device: key.Public(), Sig: sig}
}

// showsCard shows a device that comes with a card about a key, and the card once
// the node has proved that it knows that key.
func (p *peer) showsCard(key *record.Private, about [32]byte, card []byte) {
	s := p.shows(key)
	s.Code = [8]byte(about[:8])
	for _, m := range p.say(s) {
		ask, asked := m.(wire.Ask)
		if asked && ask.MAC != mac(about, !p.dialer, p.theirs, p.to.transport, p.nonce, p.transport) {
			p.to.w.t.Error("the node asks, and does not prove that it knows what the card is about")
		}
		if asked {
			p.say(wire.Vouch{Card: card})
		}
	}
}

// enter comes in as the device of somebody whom the node lets in, and answers
// its first pull with nothing.
func (p *peer) enter(key *record.Private) *peer {
	p.to.w.t.Helper()
	p.greet().say(p.shows(key))
	said := p.say(wire.Welcome{})
	if p.closed || !slices.ContainsFunc(said, func(m wire.Message) bool { _, ok := m.(wire.Pull); return ok }) {
		p.to.w.t.Fatalf("the node did not let the peer in: %v, %v", kinds(p.heard), p.to.events)
	}
	return p
}

// reason returns the reason of the bye the node said, "" if it said none.
func (p *peer) reason() string {
	for _, m := range p.heard {
		if b, ok := m.(wire.Bye); ok {
			return b.Reason
		}
	}
	return ""
}

// chain signs records for a device by hand, as no honest node would have to.
type chain struct {
	w    *world
	key  *record.Private
	prev *record.Record
}

// chain goes on where a node's device is.
func (n *node) chain() *chain {
	c := &chain{w: n.w, key: n.key}
	for _, r := range n.disk {
		if r.Device == n.device() {
			c.prev = r
		}
	}
	return c
}

// next signs a record with these parents and moves on.
func (c *chain) next(kind string, body []byte, parents ...*record.Record) *record.Record {
	h := record.Header{Coop: c.w.coop, Seq: 1, Kind: kind, Time: c.w.now.UnixMilli()}
	if c.prev != nil {
		h.Seq, h.Prev, h.Depth = c.prev.Seq+1, c.prev.ID, c.prev.Depth
	}
	for _, p := range parents {
		h.Parents, h.Depth = append(h.Parents, p.ID), max(h.Depth, p.Depth)
	}
	h.Parents = record.SortIDs(h.Parents)
	h.Depth++
	c.prev = must(record.New(h, body, c.key))
	return c.prev
}

func records(rs ...*record.Record) wire.Records { return wire.Records{Records: rs} }
