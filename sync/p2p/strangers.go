package p2p

import (
	"cmp"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	bucket "golang.org/x/time/rate"
)

const (
	// strangerMax is how long a connection lives without a welcome: enough for two
	// tries of a hello, which may take 10 s.
	strangerMax = 15 * time.Second

	// placesMost bounds the connections that strangers made, and apart from them those of
	// people who wait to be let in. Who comes when all are taken is let in: the oldest
	// goes of those from the address that has most.
	placesMost = 64

	// A connection may open so many streams at once, and then one a second.
	streamsAtOnce = 4
	streamsEvery  = time.Second

	metMost    = 1024            // peers that were welcomed since the start and are known again
	knownEvery = 5 * time.Second // how often the remembered addresses are read for it
)

// rank says whose place a connection takes.
type rank int

const (
	stranger rank = iota // it came in, and nobody knows who it is
	newcomer             // it proved that it knows the network secret, and waits at the door
	friend               // remembered, or let in before, or dialled by this node: places are not counted
)

// line is a connection from its first byte on: at first a socket, then what libp2p
// makes of it.
type line struct {
	conn    io.Closer
	peer    peer.ID // "" before the handshake
	from    netip.Prefix
	rank    rank
	number  uint64
	end     *time.Timer // closes it, unless somebody is let in meanwhile
	streams *bucket.Limiter
}

// lines are all connections.
type lines struct {
	mu    sync.Mutex
	all   map[string]*line // by both ends
	count uint64
}

// ends names a connection: no two live ones have the same ends.
func ends(c network.ConnMultiaddrs) string {
	return c.LocalMultiaddr().String() + " " + c.RemoteMultiaddr().String()
}

// origin is the address whose share of the places a connection takes.
func origin(a ma.Multiaddr) netip.Prefix {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(ip)
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = 56 // one home or office
	}
	p, _ := addr.Prefix(bits)
	return p
}

// put notes a connection under its ends, or what has become of it. It returns the
// connections that have to go for it.
func (ls *lines) put(c network.ConnMultiaddrs, conn io.Closer, r rank, p peer.ID) (l *line, out []io.Closer) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	key := ends(c)
	l = ls.all[key]
	if l != nil && l.peer != "" {
		l.end.Stop()
		out, l = append(out, l.conn), nil // the same ends: it is dead, and nobody has noticed
	}
	if l == nil {
		ls.count++
		l = &line{from: origin(c.RemoteMultiaddr()), number: ls.count, streams: bucket.NewLimiter(bucket.Every(streamsEvery), streamsAtOnce)}
		l.end = time.AfterFunc(strangerMax, func() { ls.drop(key, l) })
		ls.all[key] = l
	}
	l.conn, l.peer, l.rank = conn, p, r
	return l, append(out, ls.makeRoom(r)...)
}

// makeRoom takes a place from somebody if too many are taken, and returns who has
// to go.
func (ls *lines) makeRoom(r rank) []io.Closer {
	var held []string
	share := map[netip.Prefix]int{}
	for key, l := range ls.all {
		if l.rank == r {
			held = append(held, key)
			share[l.from]++
		}
	}
	if r == friend || len(held) <= placesMost {
		return nil
	}
	key := slices.MinFunc(held, func(a, b string) int {
		x, y := ls.all[a], ls.all[b]
		return cmp.Or(share[y.from]-share[x.from], cmp.Compare(x.number, y.number))
	})
	l := ls.all[key]
	l.end.Stop()
	delete(ls.all, key)
	return []io.Closer{l.conn}
}

// drop ends a connection on which nobody was let in in time.
func (ls *lines) drop(key string, l *line) {
	ls.mu.Lock()
	held := ls.all[key] == l
	if held {
		delete(ls.all, key)
	}
	conn := l.conn
	ls.mu.Unlock()
	if held {
		_ = conn.Close()
	}
}

// gone forgets a connection that is over.
func (ls *lines) gone(c network.Conn) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.all[ends(c)]; l != nil && l.conn == io.Closer(c) {
		l.end.Stop()
		delete(ls.all, ends(c))
	}
}

// mayOpen reports whether a connection may open one more stream.
func (ls *lines) mayOpen(c network.Conn) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[ends(c)]
	return l != nil && l.streams.Allow()
}

// settle gives the connections of a peer another rank. With waits, they end if nobody
// is let in on them.
func (ls *lines) settle(p peer.ID, r rank, waits bool) (out []io.Closer) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.all {
		if l.peer != p {
			continue
		}
		if l.rank = max(l.rank, r); waits {
			l.end.Reset(strangerMax)
		} else {
			l.end.Stop()
		}
	}
	return ls.makeRoom(r)
}

func (ls *lines) stop() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.all {
		l.end.Stop()
	}
}

// makeWay closes connections that have to go for others.
func (n *Net) makeWay(out []io.Closer) {
	for _, c := range out {
		n.spawn(func() { _ = c.Close() })
	}
}

// mayOpen reports whether a stream that a peer opened may go on. Who opens more than any
// node does is thrown out.
func (n *Net) mayOpen(stream network.Stream) bool {
	if n.lines.mayOpen(stream.Conn()) {
		return true
	}
	_ = stream.Reset()
	n.makeWay([]io.Closer{stream.Conn()})
	return false
}

// gate tells a Net of incoming connections from their first byte on.
type gate struct{ n *Net }

// InterceptAccept, InterceptSecured and the others are those of
// connmgr.ConnectionGater. They let everybody in: by who it is, others go.
func (g gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	if conn, ok := c.(io.Closer); ok {
		_, out := g.n.lines.put(c, conn, stranger, "")
		g.n.makeWay(out)
	}
	return true
}

func (g gate) InterceptSecured(dir network.Direction, p peer.ID, c network.ConnMultiaddrs) bool {
	if conn, ok := c.(io.Closer); ok && dir == network.DirInbound && g.n.knows(p) {
		g.n.lines.put(c, conn, friend, "")
	}
	return true
}

func (gate) InterceptPeerDial(peer.ID) bool { return true }

func (gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

func (gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// arrived notes a connection that is ready for streams.
func (n *Net) arrived(c network.Conn) {
	p, r := c.RemotePeer(), friend
	if c.Stat().Direction == network.DirInbound && !n.knows(p) {
		r = stranger
	}
	l, out := n.lines.put(c, c, r, p)
	n.makeWay(out)
	n.mu.Lock()
	s, ok := n.byPeer[p]
	in := ok && (s.allowed || s.waits)
	n.mu.Unlock()
	if in {
		l.end.Stop() // one of several connections with somebody who was let in
	}
}

// left forgets a connection, and with the last one of a peer when to call it.
func (n *Net) left(c network.Conn) {
	n.lines.gone(c)
	n.mu.Lock()
	defer n.mu.Unlock()
	if pause, ok := n.pauses[c.RemotePeer()]; ok && n.host.Network().Connectedness(c.RemotePeer()) != network.Connected {
		pause.Stop()
		delete(n.pauses, c.RemotePeer())
	}
}

// knows reports whether a peer is remembered, was let in since the start, or is one
// of whom others said where it is.
func (n *Net) knows(p peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.met[p] || n.told[p] != nil {
		return true
	}
	if now := time.Now(); now.Sub(n.knownAt) > knownEvery {
		n.knownIDs, n.knownAt = map[string]bool{}, now
		for _, a := range n.cfg.Addrs() {
			if i := strings.LastIndex(a, "/p2p/"); i >= 0 {
				n.knownIDs[a[i+len("/p2p/"):]] = true
			}
		}
	}
	return n.knownIDs[p.String()]
}
