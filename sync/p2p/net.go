// Package p2p carries a replica's sessions over libp2p: streams over TCP and
// QUIC, gossipsub for new records, and discovery by mDNS, by remembered
// addresses and by addresses a person types. It is the only package that knows
// libp2p; what is said and what it means is not its business.
//
// A stranger on the same network can see that a node runs this program, and
// nothing of the co-op: mDNS uses one generic name, and gossip is spoken only
// with peers whom the replica has welcomed.
//
// Of two connected nodes the one with the smaller peer id opens the stream, so
// there is one session whoever dialled.
package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

const (
	protocolID = "/coop/sync/1"

	addrsPerPeer = 8 // remembered of one peer: what a machine with a few interfaces has

	writeMax = time.Minute // for one frame; a peer slower than that is gone

	// silentMax is how long nothing may come over a connection before it is
	// given up. Nobody says over QUIC that a process was killed: until then its node
	// is shown as connected. A live peer answers before, by a small packet.
	silentMax = 15 * time.Second
)

// Handler is what a node does with what comes in. Its methods may be called
// from several goroutines.
type Handler interface {
	// Connected, Expects, Message, Garbage, Disconnected and Next are those of
	// replica.Replica. Message returns once it is handled, so that a slow node
	// slows its peers down instead of piling up what they send.
	Connected(id replica.SessionID, transport []byte, dialer bool)
	Expects(id replica.SessionID) wire.Expected
	Message(id replica.SessionID, m wire.Message)
	Garbage(id replica.SessionID, err error)
	Disconnected(id replica.SessionID)
	Next(id replica.SessionID) (wire.Message, bool)
	// Gossip reports whether to pass records on; an error rejects them.
	Gossip(id replica.SessionID, rs []*record.Record) (pass bool, err error)
}

// Config is what New needs.
type Config struct {
	Seed    [32]byte // of the transport key
	Secret  [32]byte // the network secret; names the gossip topic
	Handler Handler
	Listen  []string        // host:port or multiaddrs
	MDNS    bool            // announce and look for peers on the local network
	Addrs   func() []string // addresses to keep trying: full multiaddrs with a peer id, or host:port
	Log     *slog.Logger
}

// Net is a running network. Stop ends it.
type Net struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	host    host.Host
	listen  []ma.Multiaddr
	gossip  *pubsub.PubSub
	topic   *pubsub.Topic
	unrelay pubsub.RelayCancelFunc
	opened  event.Emitter
	nextID  atomic.Uint64

	// Sent and Received count the bytes of frames, without the transport's own.
	Sent, Received atomic.Int64

	lines lines

	mu       sync.Mutex
	sessions map[replica.SessionID]*session
	byPeer   map[peer.ID]*session
	closed   map[peer.ID]door
	pauses   map[peer.ID]*time.Timer // before a stream to a connected peer is tried again
	met      map[peer.ID]bool        // was let in since the start
	knownIDs map[string]bool         // ids of remembered peers, as they were at knownAt
	knownAt  time.Time

	// Who is called, and what is known of this machine's links. Guarded by mu.
	callees      map[peer.ID]*callee
	told         map[peer.ID][]ma.Multiaddr // see PassedOn
	links        []link
	local        map[network.Conn]netip.Addr // this machine's end of connections
	dialling     context.Context             // of the calls that are under way
	stopDialling context.CancelFunc

	redial, moved, asks chan struct{} // each holds one: look whom to call; announce this node; ask for others
}

// door remembers that a session with a peer ended by a closed door.
type door struct {
	until time.Time
	pause time.Duration
}

// New returns a network that does nothing until Start: the node can be told of
// it before anybody connects. Errors are of what a person typed. Stop ends it.
func New(ctx context.Context, cfg Config) (*Net, error) {
	gologshim.SetDefaultHandler(quiet{cfg.Log.Handler()})
	n := &Net{
		cfg: cfg, sessions: map[replica.SessionID]*session{}, byPeer: map[peer.ID]*session{}, closed: map[peer.ID]door{},
		lines: lines{all: map[string]*line{}}, pauses: map[peer.ID]*time.Timer{}, met: map[peer.ID]bool{},
		callees: map[peer.ID]*callee{}, local: map[network.Conn]netip.Addr{},
		redial: make(chan struct{}, 1), moved: make(chan struct{}, 1), asks: make(chan struct{}, 1),
	}
	var err error
	if n.links, err = readLinks(); err != nil {
		return nil, fmt.Errorf("this computer's network interfaces: %w", err)
	}
	if n.listen, err = listenAddrs(cfg.Listen); err != nil {
		return nil, err
	}
	n.ctx, n.cancel = context.WithCancel(ctx)
	n.dialling, n.stopDialling = context.WithCancel(n.ctx)
	if err := n.startHost(); err != nil {
		n.cancel()
		return nil, err
	}
	if err := n.startGossip(); err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

// Start listens, and begins to look for peers. Errors name the address that
// cannot be listened on.
func (n *Net) Start() error {
	n.host.SetStreamHandler(protocolID, n.accept)
	n.host.Network().Notify(&network.NotifyBundle{
		ConnectedF:    func(_ network.Network, c network.Conn) { n.connected(c) },
		DisconnectedF: func(_ network.Network, c network.Conn) { n.left(c); n.lost(c) },
	})
	for _, a := range n.listen {
		// One by one: of several, libp2p is content with any.
		if err := n.host.Network().Listen(a); err != nil {
			return fmt.Errorf("cannot listen on %v (is the port taken? choose another with --listen): %w", a, err)
		}
	}
	n.spawn(n.keepDialling)
	n.spawn(n.keepWatching)
	if n.cfg.MDNS {
		n.spawn(n.keepDiscovering)
	}
	return nil
}

// spawn runs f until it returns; Stop waits for it.
func (n *Net) spawn(f func()) {
	n.running.Add(1)
	go func() {
		defer n.running.Done()
		f()
	}()
}

func (n *Net) startHost() error {
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(n.cfg.Seed[:]))
	if err != nil {
		return fmt.Errorf("transport key: %w", err)
	}
	manager, err := newLimits()
	if err != nil {
		return fmt.Errorf("network limits: %w", err)
	}
	n.host, err = libp2p.New(
		libp2p.Identity(key), libp2p.NoListenAddrs, libp2p.ResourceManager(manager), libp2p.ConnectionGater(gate{n}),
		// One that trims would trim members: who is not in is bounded by the gate, and who is in stays.
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
		// TLS, which QUIC cannot do without, looks at the clock.
		libp2p.Security(noise.ID, noise.New), libp2p.SwarmOpts(swarm.WithDialRanker(tcpFirst)),
		// Without reuse two nodes cannot share a TCP port and take each other's peers. QUIC shares none;
		// it dials from the socket it listens on, and would leave one behind for each call if it did not.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()), libp2p.Transport(newQUIC),
		libp2p.Muxer(yamux.ID, newYamux()),
		libp2p.DisableRelay(), libp2p.ForceReachabilityPrivate(), libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(), libp2p.Ping(false), libp2p.UserAgent("coop"),
	)
	if err != nil {
		return err
	}
	n.opened, err = n.host.EventBus().Emitter(new(event.EvtPeerProtocolsUpdated))
	return err
}

// newYamux is libp2p's multiplexer for TCP, with the patience of newQUIC: its own would
// keep a connection for a minute behind a switch that is off, and TCP itself grows ever
// slower in trying again.
func newYamux() *yamux.Transport {
	t := *yamux.DefaultTransport
	t.KeepAliveInterval = silentMax - t.ConnectionWriteTimeout
	return &t
}

// newQUIC is libp2p's QUIC with a shorter patience: its own would show a killed
// node as connected for up to 45 seconds. Of the two ends of a connection the less
// patient decides for both.
func newQUIC(key crypto.PrivKey, conns *quicreuse.ConnManager, psk pnet.PSK, gater connmgr.ConnectionGater, limits network.ResourceManager) (transport.Transport, error) {
	conns.ClientConfig().MaxIdleTimeout = silentMax
	return libp2pquic.NewTransport(key, conns, psk, gater, limits)
}

// Stop closes all and waits for every goroutine of the network.
func (n *Net) Stop() {
	n.cancel()
	if n.unrelay != nil {
		n.unrelay()
	}
	if n.topic != nil {
		n.topic.Close()
	}
	if n.opened != nil {
		n.opened.Close()
	}
	n.host.Close()
	n.lines.stop()
	n.mu.Lock()
	for _, pause := range n.pauses {
		pause.Stop()
	}
	n.mu.Unlock()
	n.running.Wait()
}

// Addr returns where a session's peer is, "" if it is gone.
func (n *Net) Addr(id replica.SessionID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.sessions[id]
	if !ok {
		return ""
	}
	return s.stream.Conn().RemoteMultiaddr().String() + "/p2p/" + s.peer.String()
}

// PeerAddrs returns where a session's peer says that it listens, each with its
// peer id.
func (n *Net) PeerAddrs(id replica.SessionID) []string {
	n.mu.Lock()
	s, ok := n.sessions[id]
	n.mu.Unlock()
	if !ok {
		return nil
	}
	var all []ma.Multiaddr
	if c := s.stream.Conn(); c.Stat().Direction == network.DirOutbound || !isTCP(c.RemoteMultiaddr()) {
		// Where it is right now comes first: a young connection's peer has not told more. A
		// peer that called over TCP did so from a port on which nobody listens.
		all = append(all, c.RemoteMultiaddr())
	}
	var addrs []string
	for _, a := range append(all, n.host.Peerstore().Addrs(s.peer)...) {
		if text := a.String() + "/p2p/" + s.peer.String(); !slices.Contains(addrs, text) {
			addrs = append(addrs, text)
		}
	}
	return addrs[:min(len(addrs), addrsPerPeer)]
}

func isTCP(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_TCP)
	return err == nil
}

// ErrAddr says that what a person typed cannot be read as an address.
var ErrAddr = errors.New("is no address")

// listenAddrs turns what a person may type into addresses to listen on: a
// multiaddr as it is, host:port as TCP and QUIC.
func listenAddrs(listen []string) ([]ma.Multiaddr, error) {
	var addrs []ma.Multiaddr
	for _, l := range listen {
		if a, err := ma.NewMultiaddr(l); err == nil {
			addrs = append(addrs, a)
			continue
		}
		both, err := hostPort(l)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, both...)
	}
	return addrs, nil
}

// hostPort returns the TCP and the QUIC address of host:port.
func hostPort(s string) ([]ma.Multiaddr, error) {
	tcpAddr, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		return nil, fmt.Errorf("%q %w: write host:port or a multiaddr such as /ip4/192.168.1.5/tcp/4001", s, ErrAddr)
	}
	if tcpAddr.IP == nil {
		tcpAddr.IP = net.IPv4zero
	}
	a, err := manet.FromNetAddr(tcpAddr)
	if err != nil {
		return nil, err
	}
	q, err := manet.FromNetAddr(&net.UDPAddr{IP: tcpAddr.IP, Port: tcpAddr.Port, Zone: tcpAddr.Zone})
	if err != nil {
		return nil, err
	}
	return []ma.Multiaddr{a, q.Encapsulate(ma.StringCast("/quic-v1"))}, nil
}

// quiet lets through only what libp2p holds to be an error: its warnings are
// about peers, of whom the replica reports.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && q.Handler.Enabled(ctx, level)
}

// WithAttrs and WithGroup keep the handlers that libp2p derives as quiet.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
