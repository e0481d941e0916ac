package p2p

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	bucket "github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

// What libp2p may use at most. The numbers do not depend on the machine: a co-op of 200
// with two computers each, and all places of strangers, fit into them anywhere.
const (
	connsMost       = 1024
	handshakesMost  = 256 // under way; TCP's are strangers' places, so this is for those that just lost theirs
	quicShakesMost  = 64  // of them over QUIC, where the oldest cannot make room
	connsPerPeer    = 8
	streamsPerPeer  = 16 // each way: a session, gossip, what libp2p asks
	streamsMost     = connsMost * streamsPerPeer
	bytesPerPeer    = 4 << 20 // windows of streams
	bytesMost       = 1 << 30
	bytesHandshakes = 64 << 20
)

// newLimits returns the resource manager of a host. There is no limit for an address,
// neither of connections nor of their rate: a whole co-op may sit behind one router,
// and a stranger beside it. Strangers have places of their own (strangers.go).
func newLimits() (network.ResourceManager, error) {
	limits := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: connsMost, ConnsInbound: connsMost, ConnsOutbound: connsMost, FD: connsMost,
			Streams: 2 * streamsMost, StreamsInbound: streamsMost, StreamsOutbound: streamsMost, Memory: bytesMost,
		},
		Transient: rcmgr.ResourceLimits{
			Conns: 2 * handshakesMost, ConnsInbound: handshakesMost, ConnsOutbound: handshakesMost, FD: 2 * handshakesMost,
			Streams: 2 * streamsMost, StreamsInbound: streamsMost, StreamsOutbound: streamsMost, Memory: bytesHandshakes,
		},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: connsPerPeer, ConnsInbound: connsPerPeer, ConnsOutbound: connsPerPeer, FD: connsPerPeer,
			Streams: 2 * streamsPerPeer, StreamsInbound: streamsPerPeer, StreamsOutbound: streamsPerPeer, Memory: bytesPerPeer,
		},
	}.Build(rcmgr.InfiniteLimits)
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithConnRateLimiters(&bucket.Limiter{}), rcmgr.WithLimitPerSubnet([]rcmgr.ConnLimitPerSubnet{}, []rcmgr.ConnLimitPerSubnet{}))
	if err != nil {
		return nil, err
	}
	return &manager{ResourceManager: m}, nil
}

// manager is libp2p's resource manager with a limit of its own for QUIC handshakes.
type manager struct {
	network.ResourceManager
	shakes atomic.Int64
}

// VerifySourceAddress lets nobody begin a QUIC handshake from an address that is not
// theirs: it takes one more round trip.
func (*manager) VerifySourceAddress(net.Addr) bool { return true }

var errShakes = errors.New("too many QUIC handshakes under way")

// OpenConnection is the resource manager's. All but incoming QUIC it passes on.
func (m *manager) OpenConnection(dir network.Direction, usesFD bool, a ma.Multiaddr) (network.ConnManagementScope, error) {
	quic := dir == network.DirInbound && !usesFD
	if quic && m.shakes.Add(1) > quicShakesMost {
		m.shakes.Add(-1)
		return nil, errShakes
	}
	scope, err := m.ResourceManager.OpenConnection(dir, usesFD, a)
	if !quic {
		return scope, err
	}
	over := sync.OnceFunc(func() { m.shakes.Add(-1) })
	if err != nil {
		over()
		return nil, err
	}
	return &shake{scope, over}, nil
}

// shake is a QUIC connection, whose handshake is over once its peer is known.
type shake struct {
	network.ConnManagementScope
	over func()
}

// SetPeer and Done are those of network.ConnManagementScope.
func (s *shake) SetPeer(p peer.ID) error {
	s.over()
	return s.ConnManagementScope.SetPeer(p)
}

func (s *shake) Done() {
	s.over()
	s.ConnManagementScope.Done()
}
