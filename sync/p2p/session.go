package p2p

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/multiformats/go-multistream"

	"coop/sync/replica"
	"coop/sync/wire"
)

const (
	crossMax   = time.Second     // between two connections of nodes that dial each other at once
	byeMax     = 2 * time.Second // for a closed door's reason to arrive
	drainMost  = 1 << 20         // bytes that are read unseen meanwhile: what was on its way
	pauseFirst = 5 * time.Second // before a peer that closed its door, or got ours, is tried again
	pauseMax   = 10 * time.Minute
	doorsMax   = 1024 // closed doors that are remembered: anybody can make one by knocking
)

// session is one stream with one peer: a goroutine that reads and one that
// writes.
type session struct {
	id      replica.SessionID
	peer    peer.ID
	stream  network.Stream
	wake    chan struct{} // holds one: something to write, or to close
	closing chan struct{} // closed when nothing more may be said
	allowed bool          // we welcomed the peer. Guarded by Net.mu
	gossips bool          // gossip with it: it is allowed, or the session before this one was. Guarded by Net.mu
	waits   bool          // we asked the peer to wait at the door. Guarded by Net.mu
	inside  bool          // one of the two was so, at some time, here or in the session before. Guarded by Net.mu
	over    bool          // closing is closed. Guarded by Net.mu
	live    bool          // the peer welcomed us. Guarded by Net.mu
}

// connected deals with a new connection. A peer dials only when it has none, so
// those it had before are dead, though nothing has told us yet: it was killed,
// or its cable was cut.
func (n *Net) connected(c network.Conn) {
	n.arrived(c)
	p, crossed := c.RemotePeer(), false
	if c.Stat().Direction == network.DirInbound {
		for _, old := range n.host.Network().ConnsToPeer(p) {
			switch {
			case old == c:
			case old.Stat().Direction == network.DirOutbound && c.Stat().Opened.Sub(old.Stat().Opened) < crossMax:
				crossed = true // or the peer started again at once: the new one lives for sure
			default:
				_ = old.Close()
			}
		}
	}
	n.noteLocal(c)
	n.open(p, crossed)
}

// open opens the stream to a connected peer, if it is this side's to open;
// anew, also where there seems to be one.
func (n *Net) open(p peer.ID, anew bool) {
	if n.host.ID() > p {
		return
	}
	n.spawn(func() {
		n.mu.Lock()
		s, busy := n.byPeer[p]
		busy = busy && !anew && !s.stream.Conn().IsClosed()
		n.mu.Unlock()
		if busy || n.ctx.Err() != nil {
			return
		}
		stream, err := n.newStream(p)
		if err != nil {
			n.cfg.Log.Debug("no stream", "peer", p, "error", err)
			n.reopen(p)
			return
		}
		n.begin(stream, true)
	})
}

// newStream opens a stream on the newest connection with a peer. libp2p would
// choose, and of a computer that was switched off without a word the older
// connection lives on for a while.
func (n *Net) newStream(p peer.ID) (network.Stream, error) {
	conns := n.host.Network().ConnsToPeer(p)
	if len(conns) == 0 {
		return nil, network.ErrNoConn
	}
	c := slices.MaxFunc(conns, func(a, b network.Conn) int { return a.Stat().Opened.Compare(b.Stat().Opened) })
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	s, err := c.NewStream(ctx)
	if err != nil {
		return nil, err
	}
	if err = s.SetProtocol(protocolID); err == nil {
		err = s.SetDeadline(time.Now().Add(dialTimeout))
	}
	if err == nil {
		err = multistream.SelectProtoOrFail(protocolID, s)
	}
	if err == nil {
		err = s.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = s.Reset()
		return nil, err
	}
	return s, nil
}

// accept takes a stream that the peer opened.
func (n *Net) accept(stream network.Stream) {
	if !n.mayOpen(stream) {
		return
	}
	if n.host.ID() < stream.Conn().RemotePeer() || n.ctx.Err() != nil {
		_ = stream.Reset()
		return
	}
	n.spawn(func() { n.begin(stream, false) })
}

// begin runs a session until its stream ends. A newer stream of the same peer
// replaces an older one: the peer knows better which of them is dead.
func (n *Net) begin(stream network.Stream, dialer bool) {
	s := &session{
		id: replica.SessionID(n.nextID.Add(1)), peer: stream.Conn().RemotePeer(), stream: stream,
		wake: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	n.mu.Lock()
	if old, ok := n.byPeer[s.peer]; ok {
		// It is the same peer: what it says of the topic meanwhile must not be lost, and the
		// connection has no end of its own unless this session gives it one.
		s.gossips, s.inside = old.gossips, old.inside
		_ = old.stream.Reset()
	}
	n.sessions[s.id], n.byPeer[s.peer] = s, s
	n.mu.Unlock()

	written := make(chan struct{})
	n.spawn(func() {
		defer close(written)
		n.write(s)
	})
	n.cfg.Handler.Connected(s.id, []byte(s.peer), dialer)
	n.read(s)
	n.Close(s.id)
	<-written
	n.end(s)
}

func (n *Net) end(s *session) {
	n.mu.Lock()
	delete(n.sessions, s.id)
	replaced := n.byPeer[s.peer] != s
	if !replaced {
		delete(n.byPeer, s.peer)
		if s.inside {
			n.makeWay(n.lines.settle(s.peer, stranger, true))
		}
	}
	live := s.live
	n.mu.Unlock()
	_ = s.stream.Reset()
	n.cfg.Handler.Disconnected(s.id)
	if replaced || n.host.Network().Connectedness(s.peer) != network.Connected {
		return
	}
	// Of two connections only that of the session may be over: the other one has none yet.
	if !live && !s.stream.Conn().IsClosed() && !n.resting(s.peer) {
		n.shut(s.peer) // it did not come to a welcome: the pause grows
	}
	n.reopen(s.peer)
}

// reopen begins anew, after a pause, with a peer that is still connected: the
// session ended because one of the two could not go on.
func (n *Net) reopen(p peer.ID) {
	if n.host.ID() > p {
		return // it is the peer's to open
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pauses[p] == nil && n.ctx.Err() == nil {
		n.pauses[p] = time.AfterFunc(max(dialFirst, time.Until(n.closed[p].until)), func() { n.resume(p) })
	}
}

// resume ends a pause, unless a door closed meanwhile.
func (n *Net) resume(p peer.ID) {
	n.mu.Lock()
	delete(n.pauses, p)
	n.mu.Unlock()
	switch {
	case n.ctx.Err() != nil || n.host.Network().Connectedness(p) != network.Connected:
	case n.resting(p):
		n.reopen(p)
	default:
		n.open(p, false)
	}
}

// read hands every message to the node, which takes its time.
func (n *Net) read(s *session) {
	codec, err := wire.NewCodec()
	if err != nil {
		n.cfg.Log.Error("no codec", "error", err)
		return
	}
	in := &counter{r: s.stream, n: &n.Received}
	for {
		m, err := codec.ReadFrame(in, func() wire.Expected { return n.cfg.Handler.Expects(s.id) })
		if err != nil {
			if !in.quietEnd(err) {
				n.cfg.Handler.Garbage(s.id, err)
				n.Close(s.id)
				_, _ = io.CopyN(io.Discard, s.stream, drainMost) // until the peer has read why
			}
			return
		}
		n.cfg.Handler.Message(s.id, m)
		if _, ok := m.(wire.Welcome); ok {
			n.live(s)
		}
		if _, ok := m.(wire.Bye); ok {
			n.shut(s.peer)
		}
	}
}

// quietEnd reports whether what ended the reading of messages is that the stream
// ended, in whatever way, and not a broken message.
func (c *counter) quietEnd(err error) bool {
	return c.err != nil && (errors.Is(err, c.err) || errors.Is(err, io.ErrUnexpectedEOF))
}

// write sends what the replica has to say, one message after the other, as
// fast as the peer takes them.
func (n *Net) write(s *session) {
	codec, err := wire.NewCodec()
	if err != nil {
		n.cfg.Log.Error("no codec", "error", err)
		return
	}
	for {
		for m, ok := n.cfg.Handler.Next(s.id); ok; m, ok = n.cfg.Handler.Next(s.id) {
			if err := n.writeOne(codec, s, m); err != nil {
				_ = s.stream.Reset()
				return
			}
		}
		select {
		case <-s.wake:
		case <-s.closing:
			n.lastWords(codec, s)
			return
		}
	}
}

func (n *Net) writeOne(codec *wire.Codec, s *session, m wire.Message) error {
	if err := s.stream.SetWriteDeadline(time.Now().Add(writeMax)); err != nil {
		return err
	}
	switch m.(type) {
	case wire.Welcome:
		n.allow(s)
	case wire.Wait:
		n.letWait(s)
	}
	sent, err := codec.WriteFrame(s.stream, m)
	n.Sent.Add(int64(sent))
	if _, ok := m.(wire.Bye); ok {
		n.shut(s.peer)
	}
	return err
}

// lastWords sends what is left, which may be a reason, and waits a little for
// the peer to have read it.
func (n *Net) lastWords(codec *wire.Codec, s *session) {
	for m, ok := n.cfg.Handler.Next(s.id); ok; m, ok = n.cfg.Handler.Next(s.id) {
		if n.writeOne(codec, s, m) != nil {
			break
		}
	}
	_ = s.stream.CloseWrite()
	_ = s.stream.SetReadDeadline(time.Now().Add(byeMax))
}

// Ready says that the replica has something to say on a session.
func (n *Net) Ready(id replica.SessionID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, ok := n.sessions[id]; ok {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Close ends a session once what the replica still has to say is said. Gossip
// ends at once.
func (n *Net) Close(id replica.SessionID) {
	n.mu.Lock()
	s, ok := n.sessions[id]
	if !ok || s.over {
		n.mu.Unlock()
		return
	}
	s.over, s.allowed, s.gossips, s.waits = true, false, false, false
	last := n.byPeer[s.peer] == s
	n.mu.Unlock()
	if last {
		// Gossip asks of a peer only when it is new: it must be told that this
		// one is no longer welcome.
		n.gossip.BlacklistPeer(s.peer)
	}
	close(s.closing)
}

// allow lets a peer into gossip, just before it hears that it is welcome: it may
// begin to gossip as soon as it has heard that.
func (n *Net) allow(s *session) {
	n.mu.Lock()
	s.allowed, s.gossips = !s.over, !s.over
	both := s.live && s.allowed
	if s.allowed {
		s.inside = true
		for old := range n.met {
			if len(n.met) < metMost {
				break
			}
			delete(n.met, old)
		}
		n.met[s.peer] = true
		n.lines.settle(s.peer, friend, false)
	}
	n.mu.Unlock()
	if both {
		n.gossipWith(s.peer)
	}
}

// letWait keeps the connection of a peer that has to wait: somebody may let it in.
func (n *Net) letWait(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.waits = !s.over; s.waits {
		s.inside = true
		n.makeWay(n.lines.settle(s.peer, newcomer, false))
	}
}

// live notes that the peer welcomed us.
func (n *Net) live(s *session) {
	n.mu.Lock()
	delete(n.closed, s.peer)
	s.live = true
	both := s.allowed
	n.mu.Unlock()
	if both {
		n.gossipWith(s.peer)
	}
}

// gossipWith tells gossip of a peer that both sides welcomed: it was kept from
// it until now.
func (n *Net) gossipWith(p peer.ID) {
	n.meet(p)
	if err := n.opened.Emit(event.EvtPeerProtocolsUpdated{Peer: p, Added: []protocol.ID{pubsub.GossipSubID_v12}}); err != nil {
		n.cfg.Log.Debug("gossip", "error", err)
	}
}

// shut remembers a closed door, so that it is not knocked at without pause.
func (n *Net) shut(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pause := min(max(2*n.closed[p].pause, pauseFirst), pauseMax)
	for old := range n.closed {
		if len(n.closed) < doorsMax {
			break
		}
		delete(n.closed, old)
	}
	n.closed[p] = door{until: time.Now().Add(pause), pause: pause}
}
