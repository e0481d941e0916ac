package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"coop/sync/wire"
)

const (
	dialFirst   = time.Second      // between two tries of a peer, growing
	dialNear    = 5 * time.Second  // the most for who is on this link: a switch comes back unannounced
	dialFar     = time.Minute      // and for others
	dialTold    = 10 * time.Minute // and for those of whom only others said where they are
	dialTimeout = 5 * time.Second

	friendsAtOnce   = 32 // dials of remembered peers under way
	toldAtOnce      = 16 // and of peers of whom others said where they are: a member may say anything
	strangersAtOnce = 16 // and of peers that were only announced: anybody can announce

	// enoughPeers is how many peers are enough not to call those any more of whom only
	// others said where they are: each costs memory, and a mesh is held together by fewer.
	enoughPeers = 32

	findsMost      = 256 // peers announced on the local network that are remembered
	findsPerSource = 16  // and those that one address announced: a computer with a few homes
	findTries      = 6   // dials of one that never let us in, until it is forgotten: a minute

	steady = 5 * time.Second        // a connection that lasted so long was a good one
	yield  = 200 * time.Millisecond // the one of two that does not open the stream lets the other one call first
)

// callee is a peer that is called whenever it is not connected.
type callee struct {
	found  []ma.Multiaddr // as it was announced on this link, the newest first
	source netip.Addr     // who announced it first
	kept   bool           // its addresses are remembered
	told   bool           // others said where it is
	met    bool           // it and this node let each other in
	failed int            // dials in a row that led to nothing
	pause  time.Duration
	begun  time.Time // the last dial
	next   time.Time // no dial before
	busy   bool      // a dial is under way
}

// bond is why a peer is called.
type bond int

const (
	friendly bond = iota // it and this node let each other in, or its addresses are remembered
	told                 // others said where it is
	strange              // it is nothing but an announcement
)

func (c *callee) bond() bond {
	switch {
	case c.met || c.kept:
		return friendly
	case c.told:
		return told
	}
	return strange
}

// keepDialling calls the peers that are not connected, each with growing pauses, and
// all at the same time: one that does not answer holds up nobody.
func (n *Net) keepDialling() {
	for {
		again := time.NewTimer(n.dialAll())
		select {
		case <-n.ctx.Done():
		case <-n.redial:
		case <-again.C:
		}
		again.Stop()
		if n.ctx.Err() != nil {
			return
		}
	}
}

// dialAll dials whom it is time to dial, and returns for how long there is nothing
// to do.
func (n *Net) dialAll() time.Duration {
	known, links := n.known(), n.linksNow()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, all := range []map[peer.ID][]ma.Multiaddr{known, n.told} {
		for p := range all {
			if n.callees[p] == nil {
				n.callees[p] = &callee{next: n.soon(p)}
			}
		}
	}
	room := map[bond]int{friendly: friendsAtOnce, told: min(toldAtOnce, enoughPeers-len(n.host.Network().Peers())), strange: strangersAtOnce}
	for p, c := range n.callees {
		if c.kept, c.told = len(known[p]) > 0, len(n.told[p]) > 0; c.busy {
			room[c.bond()]--
		}
	}
	wait := dialNear
	for p, c := range n.callees { // in any order: a flood of finds puts nobody last for ever
		addrs, b := slices.Concat(c.found, known[p], n.told[p]), c.bond()
		due := time.Until(later(c.next, n.closed[p].until))
		switch {
		case c.busy || n.host.Network().Connectedness(p) == network.Connected:
		case len(addrs) == 0 || b == strange && c.failed >= findTries:
			delete(n.callees, p)
		case due > 0:
			wait = min(wait, due)
		case room[b] > 0:
			room[b]--
			n.dial(p, c, addrs, b, near(addrs, links))
		}
	}
	return wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// near reports whether one of the addresses is on a link of this machine.
func near(addrs []ma.Multiaddr, links []link) bool {
	return slices.ContainsFunc(addrs, func(a ma.Multiaddr) bool {
		ip, err := manet.ToIP(a)
		if err != nil {
			return false
		}
		at, _ := netip.AddrFromSlice(ip)
		return slices.ContainsFunc(links, func(l link) bool { return l.reaches(at.Unmap()) })
	})
}

// most is how long the pauses between calls of such a peer grow.
func (b bond) most(near bool) time.Duration {
	switch {
	case b == told:
		return dialTold
	case b == friendly && near:
		return dialNear
	}
	return dialFar
}

// dial calls a peer beside the loop. The caller holds n.mu.
func (n *Net) dial(p peer.ID, c *callee, addrs []ma.Multiaddr, b bond, near bool) {
	parent := n.dialling
	c.busy, c.begun = true, time.Now()
	n.spawn(func() {
		ctx, cancel := context.WithTimeout(parent, dialTimeout)
		defer cancel()
		n.forgetBackoff(p)
		if b != friendly {
			// Not what it said of itself when it was connected: that may be anywhere.
			n.host.Peerstore().ClearAddrs(p)
		}
		err := n.host.Connect(ctx, peer.AddrInfo{ID: p, Addrs: addrs})
		if err != nil {
			n.cfg.Log.Debug("cannot reach", "peer", p, "error", err)
		}
		if clocksDiffer(err) {
			n.cfg.Log.Warn(unreached(p.String(), err).Error())
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		c.busy = false
		if parent.Err() == nil {
			c.tried(err == nil, b, near)
		}
		n.wakeDialling()
	})
}

// tried notes how a dial ended. Who only takes calls gains nothing by it.
func (c *callee) tried(connected bool, b bond, near bool) {
	if b == friendly && connected {
		c.failed, c.pause, c.next = 0, 0, time.Time{}
		return
	}
	c.failed++
	c.pause = min(max(2*c.pause, dialFirst), b.most(near))
	c.next = c.begun.Add(c.pause)
}

// PassedOn has the peers called, too, of which others said where they are: these and
// no others that were said before.
func (n *Net) PassedOn(all []wire.AddrTerms) {
	said := map[peer.ID][]ma.Multiaddr{}
	for _, t := range all {
		p, err := peer.IDFromBytes(t.Transport)
		if err != nil || p == n.host.ID() {
			continue
		}
		for _, text := range t.Addrs {
			if a, err := ma.NewMultiaddr(text); err == nil && n.mayBeTold(a) {
				said[p] = append(said[p], a)
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = said
	n.wakeDialling()
}

// mayBeTold reports whether an address that somebody passed on is called: by the ways
// that nodes listen on, and on this very computer only by a node that listens nowhere
// else.
func (n *Net) mayBeTold(a ma.Multiaddr) bool {
	if !isPlain(a) {
		return false
	}
	ip, err := manet.ToIP(a)
	if err != nil || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() {
		return false
	}
	far := func(l ma.Multiaddr) bool { return !manet.IsIPLoopback(l) }
	return !ip.IsLoopback() || len(n.listen) > 0 && !slices.ContainsFunc(n.listen, far)
}

// forgetBackoff has libp2p dial a peer although it did so in vain a short while ago:
// when to call is decided here.
func (n *Net) forgetBackoff(p peer.ID) {
	if s, ok := n.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		s.Backoff().Clear(p)
	}
}

// soon is when to call a peer that may call at this moment as well: two connections
// at once cost both more than they bring.
func (n *Net) soon(p peer.ID) time.Time {
	if n.host.ID() > p {
		return time.Now().Add(yield)
	}
	return time.Now()
}

func (n *Net) wakeDialling() { wake(n.redial) }

// wake leaves a token in a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hurry has everybody called at once. Anew, also who is being called: it was by a
// way that is no more.
func (n *Net) hurry(anew bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if anew {
		n.stopDialling()
		n.dialling, n.stopDialling = context.WithCancel(n.ctx)
	}
	for p, c := range n.callees {
		c.failed, c.pause, c.next = 0, 0, n.soon(p)
	}
	n.wakeDialling()
}

// meet notes that a peer and this node let each other in.
func (n *Net) meet(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.callees[p]; c != nil {
		c.met, c.failed, c.pause = true, 0, 0
	}
}

// lost deals with the end of a connection: a peer that was there for a while is
// called again at once.
func (n *Net) lost(c network.Conn) {
	p := c.RemotePeer()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.local, c)
	e := n.callees[p]
	if e == nil || !e.met || n.host.Network().Connectedness(p) == network.Connected {
		return
	}
	e.pause, e.next = 0, n.soon(p)
	if time.Since(c.Stat().Opened) < steady {
		e.next = time.Now().Add(dialFirst)
	}
	n.wakeDialling()
	n.ask()
}

// heard takes an announcement: a peer, and where on this link it is. One that is
// there is called at once, but not twice in a second.
func (n *Net) heard(p peer.ID, addrs []ma.Multiaddr, source netip.Addr) {
	if p == n.host.ID() || len(addrs) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.callees[p]
	switch {
	case c == nil && !n.roomForFind(source):
		return
	case c == nil:
		c = &callee{source: source, next: n.soon(p)}
		n.callees[p] = c
	case c.bond() != strange:
		c.pause, c.next = 0, later(n.soon(p), c.begun.Add(dialFirst))
	}
	for _, old := range c.found {
		if !slices.ContainsFunc(addrs, old.Equal) {
			addrs = append(addrs, old)
		}
	}
	c.found = addrs[:min(len(addrs), addrsPerPeer)]
	n.wakeDialling()
}

// roomForFind makes room for one more peer announced by source, if it may have more:
// the find that was called most often in vain goes. The caller holds n.mu.
func (n *Net) roomForFind(source netip.Addr) bool {
	var idle []peer.ID
	all, same := 0, 0
	for p, c := range n.callees {
		if c.bond() != strange {
			continue
		}
		if all++; c.source == source {
			same++
		}
		if !c.busy {
			idle = append(idle, p)
		}
	}
	if same >= findsPerSource || all >= findsMost && idle == nil {
		return false
	}
	if all >= findsMost {
		delete(n.callees, slices.MaxFunc(idle, func(a, b peer.ID) int { return cmp.Compare(n.callees[a].failed, n.callees[b].failed) }))
	}
	return true
}

// known returns the remembered peers with all their addresses.
func (n *Net) known() map[peer.ID][]ma.Multiaddr {
	known := map[peer.ID][]ma.Multiaddr{}
	for _, s := range n.cfg.Addrs() {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			n.cfg.Log.Debug("remembered address", "address", s, "error", err)
		} else if info.ID != n.host.ID() {
			known[info.ID] = append(known[info.ID], info.Addrs...)
		}
	}
	return known
}

// resting reports whether a peer's door was closed a short while ago.
func (n *Net) resting(p peer.ID) bool { return n.rests(p) > 0 }

// rests returns for how long a peer whose door was closed is left alone.
func (n *Net) rests(p peer.ID) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Until(n.closed[p].until)
}

var errNoPeerID = errors.New("the address must end in /p2p/ and the peer's id, as `coop peers` on that computer shows it")

// Dial connects to an address a person typed: a multiaddr that ends in the
// peer's id.
func (n *Net) Dial(ctx context.Context, addr string) error {
	a, err := ma.NewMultiaddr(addr)
	if err != nil {
		return fmt.Errorf("%q is no address: %w", addr, errNoPeerID)
	}
	info, err := peer.AddrInfoFromP2pAddr(a)
	if err != nil {
		return errNoPeerID
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	n.forgetBackoff(info.ID)
	if err := n.host.Connect(ctx, *info); err != nil {
		return unreached(addr, err)
	}
	return nil
}
