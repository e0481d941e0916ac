package p2p

import (
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	pubsub "github.com/libp2p/go-libp2p-pubsub"

	"coop/sync/replica"
	"coop/sync/wire"
)

const (
	byeMax     = 2 * time.Second // for a closed door's reason to arrive
	pauseFirst = 5 * time.Second // before a peer that closed its door, or got ours, is tried again
	pauseMax   = 10 * time.Minute
)

// session is one stream with one peer: a goroutine that reads and one that
// writes.
type session struct {
	id      replica.SessionID
	peer    peer.ID
	stream  network.Stream
	wake    chan struct{} // holds one: something to write, or to close
	closing chan struct{} // closed when nothing more may be said
	allowed bool          // we welcomed the peer: gossip with it. Guarded by Net.mu
	over    bool          // closing is closed. Guarded by Net.mu
}

// connected opens the stream to a new peer, if it is this side's to open.
func (n *Net) connected(p peer.ID) {
	if n.host.ID() > p {
		return
	}
	n.spawn(func() {
		n.mu.Lock()
		_, busy := n.byPeer[p]
		n.mu.Unlock()
		if busy || n.ctx.Err() != nil {
			return
		}
		stream, err := n.host.NewStream(n.ctx, p, protocolID)
		if err != nil {
			n.cfg.Log.Debug("no stream", "peer", p, "error", err)
			return
		}
		n.begin(stream, true)
	})
}

// accept takes a stream that the peer opened.
func (n *Net) accept(stream network.Stream) {
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
	if n.byPeer[s.peer] == s {
		delete(n.byPeer, s.peer)
	}
	n.mu.Unlock()
	_ = s.stream.Reset()
	n.cfg.Handler.Disconnected(s.id)
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
		m, err := codec.ReadFrame(in)
		if err != nil {
			if !quietEnd(err) {
				n.cfg.Handler.Garbage(s.id, err)
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

// quietEnd reports whether a stream ended without a broken message.
func quietEnd(err error) bool {
	var reset *network.StreamError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, network.ErrReset) || errors.As(err, &reset)
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
	sent, err := codec.WriteFrame(s.stream, m)
	n.Sent.Add(int64(sent))
	switch m.(type) {
	case wire.Welcome:
		n.mu.Lock()
		s.allowed = true
		n.mu.Unlock()
	case wire.Bye:
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

// Close ends a session once what the replica still has to say is said.
func (n *Net) Close(id replica.SessionID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, ok := n.sessions[id]; ok && !s.over {
		s.over = true
		close(s.closing)
	}
}

// live tells gossip of a peer that both sides welcomed: it was kept from it
// until now.
func (n *Net) live(s *session) {
	n.mu.Lock()
	delete(n.closed, s.peer)
	n.mu.Unlock()
	if err := n.opened.Emit(event.EvtPeerProtocolsUpdated{Peer: s.peer, Added: []protocol.ID{pubsub.GossipSubID_v12}}); err != nil {
		n.cfg.Log.Debug("gossip", "error", err)
	}
}

// shut remembers a closed door, so that it is not knocked at without pause.
func (n *Net) shut(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pause := min(max(2*n.closed[p].pause, pauseFirst), pauseMax)
	n.closed[p] = door{until: time.Now().Add(pause), pause: pause}
}
