package p2p

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"coop/crdt/record"
	"coop/sync/wire"
)

// startGossip joins the co-op's topic. Its name is an HMAC of the network
// secret, and only welcome peers hear even that.
func (n *Net) startGossip() error {
	var err error
	name := topicName(n.cfg.Secret)
	n.gossip, err = pubsub.NewGossipSub(n.ctx, guarded{n.host, n},
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMaxMessageSize(2*wire.MaxGossipLen),
		pubsub.WithBlacklist(strangers{n}),
		pubsub.WithAppSpecificRpcInspector(n.inspect),
		pubsub.WithSubscriptionFilter(pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(name), subscriptionsMost)),
		pubsub.WithPeerOutboundQueueSize(1024),
	)
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	if err := n.gossip.RegisterTopicValidator(name, n.validate, pubsub.WithValidatorInline(true)); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	if n.topic, err = n.gossip.Join(name); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	// The validator hands records to the node; nothing is left to be read.
	if n.unrelay, err = n.topic.Relay(); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	return nil
}

func topicName(secret [32]byte) string {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte(record.DomainTopic))
	return base32.StdEncoding.EncodeToString(h.Sum(nil))
}

func messageID(m *pb.Message) string {
	id := sha256.Sum256(m.GetData())
	return string(id[:])
}

// Publish gossips records of this node.
func (n *Net) Publish(rs []*record.Record) {
	if err := n.topic.Publish(n.ctx, wire.EncodeGossip(rs)); err != nil && n.ctx.Err() == nil {
		n.cfg.Log.Debug("publish", "error", err)
	}
}

// validate judges a gossip message. It runs in the order of arrival.
func (n *Net) validate(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if from == n.host.ID() {
		return pubsub.ValidationAccept
	}
	n.mu.Lock()
	s, ok := n.byPeer[from]
	n.mu.Unlock()
	if !ok {
		return pubsub.ValidationIgnore
	}
	rs, err := wire.DecodeGossip(m.Data)
	if errors.Is(err, record.ErrTooNew) {
		n.cfg.Log.Warn("a peer runs a newer version of coop", "peer", from, "error", err)
		return pubsub.ValidationIgnore
	}
	if err != nil {
		n.cfg.Log.Warn("bad gossip", "peer", from, "error", err)
		return pubsub.ValidationReject
	}
	pass, err := n.cfg.Handler.Gossip(s.id, rs)
	switch {
	case err != nil:
		n.cfg.Log.Warn("bad gossip", "peer", from, "error", err)
		return pubsub.ValidationReject
	case pass:
		return pubsub.ValidationAccept
	}
	return pubsub.ValidationIgnore
}

// strangers is the blacklist of gossip: everybody whom the replica has not
// welcomed.
type strangers struct{ n *Net }

func (strangers) Add(peer.ID) bool { return false }

func (b strangers) Contains(p peer.ID) bool {
	if p == b.n.host.ID() || p == "" {
		return false
	}
	b.n.mu.Lock()
	defer b.n.mu.Unlock()
	s, ok := b.n.byPeer[p]
	return !ok || !s.gossips
}

// subscriptionsMost bounds the subscriptions in one message. There is one topic.
const subscriptionsMost = 8

var errStranger = errors.New("nobody let this peer in")

// inspect refuses all that comes from somebody who was sent away meanwhile, before
// any of it is noted.
func (n *Net) inspect(from peer.ID, _ *pubsub.RPC) error {
	if (strangers{n}).Contains(from) {
		return errStranger
	}
	return nil
}

// guarded is a host on which strangers cannot open the streams of a protocol: nothing
// that they send is read.
type guarded struct {
	host.Host
	n *Net
}

// SetStreamHandler is that of host.Host, for the streams of who is let in.
func (g guarded) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	g.Host.SetStreamHandler(id, func(s network.Stream) {
		switch {
		case !g.n.mayOpen(s):
		case strangers{g.n}.Contains(s.Conn().RemotePeer()):
			_ = s.Reset()
		default:
			handle(s)
		}
	})
}

// counter counts the bytes of frames read, and knows whether reading failed.
type counter struct {
	r   io.Reader
	n   *atomic.Int64
	err error // of the last read
}

func (c *counter) Read(b []byte) (int, error) {
	k, err := c.r.Read(b)
	c.n.Add(int64(k))
	c.err = err
	return k, err
}
