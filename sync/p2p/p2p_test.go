package p2p_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/p2p"
	"coop/sync/replica"
	"coop/sync/wire"
)

const patience = 30 * time.Second

func seedOf(what string) [32]byte { return sha256.Sum256([]byte(what)) }

func keyOf(what string) *record.Private { return record.NewPrivate(seedOf(what)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// founding is a co-op of three people.
var founding = func() *record.Record {
	terms := member.Founding{Name: "Willow Street", Units: []member.Unit{{Code: "hour", Scale: 2}}}
	var sigs []member.FounderSig
	for _, n := range []string{"Ana", "Bo", "Chi"} {
		terms.Founders = append(terms.Founders, member.Founder{Name: n, Root: keyOf("root " + n).Public(), Device: keyOf(n).Public(), DeviceName: "laptop"})
	}
	for _, n := range []string{"Ana", "Bo", "Chi"} {
		sigs = append(sigs, terms.Sign(keyOf("root "+n), keyOf(n)))
	}
	return must(record.New(record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, must(member.NewFounding(terms, sigs)), keyOf("Ana")))
}()

var secret = seedOf("network")

// node drives a real replica over the network, with its disk in memory.
type node struct {
	t      *testing.T
	key    *record.Private
	seed   [32]byte
	ahead  atomic.Int64 // nanoseconds its clock is ahead
	heard  atomic.Int64 // gossip messages it was handed
	began  atomic.Int64 // sessions
	ended  atomic.Int64
	told   atomic.Int64 // messages it was handed
	cancel func()
	done   chan struct{}
	once   sync.Once
	net    *p2p.Net

	mu     sync.Mutex
	disk   []*record.Record
	r      *replica.Replica
	events []replica.Event
}

// options are what a test changes.
type options struct {
	listen string
	secret [32]byte
	card   []byte
	addrs  []string
	seed   [32]byte // of the transport key
}

func start(t *testing.T, name string, change ...func(*options)) *node {
	t.Helper()
	o := options{listen: "/ip4/127.0.0.1/tcp/0", secret: secret, seed: seedOf("transport " + name)}
	for _, c := range change {
		c(&o)
	}
	n := &node{t: t, key: keyOf(name), seed: o.seed, done: make(chan struct{})}
	transport := wire.TransportIdentity(record.NewPrivate(o.seed).Public())
	held := coop.New(func(ref history.Ref) *record.Record { return must(n.r.Load(ref)) })
	cfg := replica.Config{
		Coop: held, CoopID: founding.ID, Key: n.key, Device: n.key.Public(), Transport: transport, Secret: o.secret, Card: o.card, Agent: "test",
		Load:    func(ref history.Ref) (*record.Record, error) { return n.disk[ref], nil },
		Random:  rand.New(rand.NewChaCha8(seedOf(name))),
		ShowSig: n.key.Sign(record.DomainTransport, wire.TransportClaim(founding.ID, transport)),
	}
	if o.card != nil {
		cfg.Joined = func(c *coop.Coop) bool { return c.History().Len() > 0 && c.Stands(n.key.Public()) }
	}
	n.r = replica.New(cfg)
	if o.card == nil {
		if err := n.r.Found(founding); err != nil {
			t.Fatal(err)
		}
		n.disk = append(n.disk, n.r.Take(n.now()).Store...)
	}
	// What comes in waits until the network is there to answer.
	n.mu.Lock()
	var ctx context.Context
	ctx, n.cancel = context.WithCancel(context.Background())
	var err error
	n.net, err = p2p.New(ctx, p2p.Config{
		Seed: o.seed, Secret: o.secret, Handler: n, Listen: []string{o.listen}, Addrs: func() []string { return o.addrs },
		Log: slog.New(slog.DiscardHandler),
	})
	n.mu.Unlock()
	if err == nil {
		err = n.net.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go n.tick(ctx)
	t.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	n.once.Do(n.end)
}

func (n *node) end() {
	n.cancel()
	<-n.done
	n.net.Stop()
}

func (n *node) now() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }

func (n *node) tick(ctx context.Context) {
	defer close(n.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
			n.do(func() {
				if now := n.now(); !n.r.NextTick(now).After(now) {
					n.r.Tick(now)
				}
			})
		}
	}
}

// do is one input: what it stores is there before anybody is told.
func (n *node) do(f func()) {
	n.mu.Lock()
	f()
	out := n.r.Take(n.now())
	n.disk = append(n.disk, out.Store...)
	n.events = append(n.events, out.Events...)
	n.mu.Unlock()
	for _, rs := range out.Gossip {
		n.net.Publish(rs)
	}
	for _, id := range out.Ready {
		n.net.Ready(id)
	}
	for _, id := range out.Close {
		n.net.Close(id)
	}
}

func (n *node) Connected(id replica.SessionID, transport []byte, dialer bool) {
	n.began.Add(1)
	n.do(func() { n.r.Connected(n.now(), id, transport, dialer) })
}
func (n *node) Expects(id replica.SessionID) (e wire.Expected) {
	n.do(func() { e = n.r.Expects(id) })
	return e
}
func (n *node) Message(id replica.SessionID, m wire.Message) {
	n.told.Add(1)
	n.do(func() { n.r.Message(n.now(), id, m) })
}
func (n *node) Garbage(id replica.SessionID, err error) { n.do(func() { n.r.Garbage(id, err) }) }
func (n *node) Disconnected(id replica.SessionID) {
	n.ended.Add(1)
	n.do(func() { n.r.Disconnected(id) })
}

func (n *node) Next(id replica.SessionID) (m wire.Message, ok bool) {
	n.do(func() { m, ok = n.r.Next(id) })
	return m, ok
}

func (n *node) Gossip(id replica.SessionID, rs []*record.Record) (pass bool, err error) {
	n.heard.Add(1)
	n.do(func() {
		if n.r.Welcome(id) {
			pass, err = n.r.Gossip(n.now(), id, rs)
		}
	})
	return pass, err
}

func (n *node) write(kind string, body []byte) (r *record.Record) {
	n.t.Helper()
	var err error
	n.do(func() { r, err = n.r.Write(n.now(), kind, body) })
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

func (n *node) holds(r *record.Record) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.disk, func(held *record.Record) bool { return held.ID == r.ID })
}

// live returns the sessions whose both sides said welcome.
func (n *node) live() (ids []replica.SessionID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.r.Peers() {
		if p.Live {
			ids = append(ids, p.Session)
		}
	}
	return ids
}

func (n *node) doors() (texts []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Kind == replica.EventDoorClosed {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func (n *node) dial(to *node) {
	n.t.Helper()
	if err := n.net.Dial(context.Background(), to.net.Addrs()[0]); err != nil {
		n.t.Fatal(err)
	}
	until(n.t, "the nodes meet", func() bool { return len(n.live()) > 0 && len(to.live()) > 0 })
}

// TestPeerAddrs: of a peer that called, or was called, that is remembered where it listens,
// not the port from which it happened to call.
func TestPeerAddrs(t *testing.T) {
	t.Parallel()
	ana, bo := start(t, "Ana"), start(t, "Bo")
	bo.dial(ana)
	for _, ends := range [][2]*node{{ana, bo}, {bo, ana}} {
		n, other := ends[0], ends[1]
		until(t, "the other has told where it listens", func() bool { return len(n.net.PeerAddrs(n.live()[0])) > 0 })
		for _, a := range n.net.PeerAddrs(n.live()[0]) {
			if !slices.Contains(other.net.Addrs(), a) {
				t.Errorf("remembered is %s, it listens on %s", a, other.net.Addrs())
			}
		}
	}
}

var listens = map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic-v1": "/ip4/127.0.0.1/udp/0/quic-v1"}

// TestMeet lets two nodes find each other by an address that somebody typed, or
// that they remember, and tell each other the news.
func TestMeet(t *testing.T) {
	for transport, listen := range listens {
		for _, remembered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, remembered %v", transport, remembered), func(t *testing.T) {
				t.Parallel()
				on := func(o *options) { o.listen = listen }
				ana := start(t, "Ana", on)
				addrs := ana.net.Addrs()
				if len(addrs) != 1 || !strings.Contains(addrs[0], "/"+transport) && !strings.Contains(addrs[0], "/"+transport+"/") {
					t.Fatalf("Ana listens on %q", addrs)
				}
				before := ana.write("note", []byte("before"))
				bo := start(t, "Bo", on, func(o *options) {
					if remembered {
						o.addrs = addrs
					}
				})
				if !remembered {
					bo.dial(ana)
				}
				until(t, "the pull", func() bool { return bo.holds(before) })
				until(t, "the nodes meet", func() bool { return len(bo.live()) == 1 && len(ana.live()) == 1 })
				if got := bo.net.Addr(bo.live()[0]); got != addrs[0] {
					t.Errorf("Bo's peer is at %q, want %q", got, addrs[0])
				}
				until(t, "where Ana listens", func() bool { return slices.Contains(bo.net.PeerAddrs(bo.live()[0]), addrs[0]) })
				there, back := ana.write("note", []byte("there")), bo.write("note", []byte("back"))
				until(t, "the news", func() bool { return bo.holds(there) && ana.holds(back) })
				if ana.net.Sent.Load() == 0 || ana.net.Received.Load() == 0 {
					t.Error("nothing was counted")
				}
			})
		}
	}
}

// cable forwards what one peer sends to a QUIC address, and what comes back, until
// it is cut. It returns the address at which it begins.
func cable(t *testing.T, addr string) (from string, cut func()) {
	t.Helper()
	to := strings.Split(addr, "/")[4]
	here := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	there := must(net.Dial("udp4", "127.0.0.1:"+to))
	cut = func() { here.Close(); there.Close() }
	t.Cleanup(cut)
	var peer atomic.Pointer[net.Addr]
	go func() {
		b := make([]byte, 1<<16)
		for n, from, err := here.ReadFrom(b); err == nil; n, from, err = here.ReadFrom(b) {
			peer.Store(&from)
			_, _ = there.Write(b[:n])
		}
	}()
	go func() {
		b := make([]byte, 1<<16)
		for n, err := there.Read(b); err == nil; n, err = there.Read(b) {
			_, _ = here.WriteTo(b[:n], *peer.Load())
		}
	}()
	_, port, _ := net.SplitHostPort(here.LocalAddr().String())
	return strings.Replace(addr, "/udp/"+to, "/udp/"+port, 1), cut
}

// TestGoneWithoutAWord: over QUIC nobody says that a process was killed or a cable
// was cut. Both sides notice within half a minute, and a connection on which
// nothing is said for longer than that lives.
func TestGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	on := func(o *options) { o.listen = listens["quic-v1"] }
	ana, bo, chi := start(t, "Ana", on), start(t, "Bo", on), start(t, "Chi", on)
	chi.dial(ana)
	addr, cut := cable(t, ana.net.Addrs()[0])
	if err := bo.net.Dial(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	until(t, "all meet", func() bool { return len(ana.live()) == 2 && len(bo.live()) == 1 })
	cut()
	since := time.Now()
	until(t, "Ana and Bo are apart", func() bool { return len(ana.live()) == 1 && len(bo.live()) == 0 })
	if took := time.Since(since); took > 29*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(chi.live()) != 1 {
		t.Error("Ana and Chi are apart too")
	}
}

// TestBothDial has two nodes know each other: they keep to one session.
func TestBothDial(t *testing.T) {
	ana, bo := start(t, "Ana"), start(t, "Bo")
	done := make(chan error)
	go func() { done <- ana.net.Dial(context.Background(), bo.net.Addrs()[0]) }()
	if err := bo.net.Dial(context.Background(), ana.net.Addrs()[0]); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	until(t, "one session each", func() bool { return len(ana.live()) == 1 && len(bo.live()) == 1 })
	r := ana.write("note", nil)
	until(t, "the news", func() bool { return bo.holds(r) })
	if got := len(ana.live()); got != 1 {
		t.Errorf("%d sessions", got)
	}
}

func TestTypedAddress(t *testing.T) {
	ana := start(t, "Ana")
	id := must(peer.IDFromBytes(wire.TransportIdentity(record.NewPrivate(seedOf("nobody")).Public())))
	for _, c := range []struct{ name, addr, want string }{
		{"nonsense", "the kitchen", "/p2p/"},
		{"no peer id", "/ip4/127.0.0.1/tcp/4001", "/p2p/"},
		{"nobody there", "/ip4/127.0.0.1/tcp/1/p2p/" + id.String(), "cannot reach"},
		{"somebody else there", strings.Split(ana.net.Addrs()[0], "/p2p/")[0] + "/p2p/" + id.String(), "cannot reach"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bo := start(t, "Bo")
			if err := bo.net.Dial(context.Background(), c.addr); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestListen(t *testing.T) {
	ana := start(t, "Ana", func(o *options) { o.listen = "127.0.0.1:0" })
	addrs := strings.Join(ana.net.Addrs(), " ")
	if !strings.Contains(addrs, "/tcp/") || !strings.Contains(addrs, "/quic-v1/") {
		t.Errorf("host:port listens on %q, want TCP and QUIC", addrs)
	}
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, c := range []struct{ name, listen, want string }{
		{"nonsense", "the kitchen", "is no address"},
		{"a port that is taken", "/ip4/127.0.0.1/tcp/" + port, "is the port taken"},
		{"a port that is taken, of two", "127.0.0.1:" + port, "is the port taken"},
		{"a port of another node", portOf(t, addrs), "is the port taken"},
		{"an address of another computer", "192.0.2.1:4001", "cannot listen"},
	} {
		n, err := p2p.New(context.Background(), p2p.Config{Handler: ana, Listen: []string{c.listen}, Addrs: func() []string { return nil }, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = n.Start()
			n.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

// portOf returns the first TCP address of a node, without its peer id.
func portOf(t *testing.T, addrs string) string {
	t.Helper()
	for a := range strings.FieldsSeq(addrs) {
		if before, _, ok := strings.Cut(a, "/p2p/"); ok && strings.Contains(before, "/tcp/") {
			return before
		}
	}
	t.Fatalf("no TCP address in %q", addrs)
	return ""
}

// stranger is a libp2p host that is no node. Opens says whether it is its turn
// to open the stream with a peer.
func stranger(t *testing.T, with *node, opens bool) host.Host {
	t.Helper()
	other := must(peer.IDFromBytes(wire.TransportIdentity(record.NewPrivate(with.seed).Public())))
	for i := 0; ; i++ {
		seed := seedOf(fmt.Sprint("stranger ", i))
		key := must(crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed[:])))
		if id := must(peer.IDFromPrivateKey(key)); (id < other) != opens {
			continue
		}
		h := must(libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay()))
		t.Cleanup(func() { h.Close() })
		return h
	}
}

func connect(t *testing.T, h host.Host, to *node) peer.ID {
	t.Helper()
	info := must(peer.AddrInfoFromString(to.net.Addrs()[0]))
	if err := h.Connect(context.Background(), *info); err != nil {
		t.Fatal(err)
	}
	return info.ID
}

// TestBadStreams has a peer send what is no message, too much, or nothing more:
// its stream is closed, and the node goes on.
func TestBadStreams(t *testing.T) {
	frame := func(lenBytes uint32, rest ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, lenBytes), rest...)
	}
	hello := wire.Encode(wire.Hello{Version: wire.Version, Nonce: [32]byte{1}})
	good := frame(uint32(len(hello))+1, append([]byte{0}, hello...)...)
	for _, c := range []struct {
		name   string
		bytes  []byte
		stalls bool
	}{
		{name: "garbage", bytes: []byte("GET / HTTP/1.1\r\n\r\n")},
		{name: "an oversized frame", bytes: frame(wire.MaxFrameLen + 1)},
		{name: "the largest length", bytes: frame(1<<32 - 1)},
		{name: "an empty frame", bytes: frame(0)},
		{name: "packed in no known way", bytes: frame(3, 7, 1, 2)},
		{name: "broken zstd", bytes: frame(5, 1, 2, 3, 4, 5)},
		{name: "an unknown message", bytes: frame(3, 0, 99, 0x80)},
		{name: "a message that does not belong there", bytes: frame(3, 0, 4, 0x80)},
		{name: "hello twice", bytes: append(slices.Clone(good), good...)},
		{name: "nothing", stalls: true},
		{name: "half a frame", bytes: frame(50, 0, 1, 2), stalls: true},
		{name: "only hello", bytes: good, stalls: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ana := start(t, "Ana")
			h := stranger(t, ana, true)
			s := must(h.NewStream(context.Background(), connect(t, h, ana), "/coop/sync/1"))
			if _, err := s.Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			closed := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, s)
				closed <- err
			}()
			if c.stalls {
				until(t, "the session begins", func() bool {
					ana.mu.Lock()
					defer ana.mu.Unlock()
					return len(ana.r.Peers()) == 1
				})
				select {
				case err := <-closed:
					t.Errorf("closed at once: %v", err)
				default:
				}
				ana.ahead.Store(int64(11 * time.Second))
			}
			select {
			case <-closed:
			case <-time.After(patience):
				t.Fatal("the stream stays open")
			}
			until(t, "the session is forgotten", func() bool {
				ana.mu.Lock()
				defer ana.mu.Unlock()
				return len(ana.r.Peers()) == 0
			})
			bo := start(t, "Bo")
			bo.dial(ana)
			r := ana.write("note", nil)
			until(t, "the node goes on", func() bool { return bo.holds(r) })
		})
	}
}

// TestStreamOutOfTurn has a peer open a stream that is the other's to open.
func TestStreamOutOfTurn(t *testing.T) {
	ana := start(t, "Ana")
	h := stranger(t, ana, false)
	s, err := h.NewStream(context.Background(), connect(t, h, ana), "/coop/sync/1")
	if err != nil {
		return // closed even before that
	}
	s.SetReadDeadline(time.Now().Add(patience))
	if n, err := s.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("the node speaks on it")
	}
	if got := len(ana.live()); got != 0 {
		t.Errorf("%d sessions", got)
	}
}

func topicName() string {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte("coop/1 topic\x00"))
	return base32.StdEncoding.EncodeToString(h.Sum(nil))
}

// joinGossip lets a host of the test's own join the co-op's topic.
func joinGossip(t *testing.T, h host.Host) *pubsub.Topic {
	t.Helper()
	id := func(m *pb.Message) string { sum := sha256.Sum256(m.GetData()); return string(sum[:]) }
	ps := must(pubsub.NewGossipSub(t.Context(), h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(), pubsub.WithMessageIdFn(id), pubsub.WithFloodPublish(true)))
	return must(ps.Join(topicName()))
}

// TestGossipOfStrangers has a peer in the gossip that knows even the topic's
// name, and whom nobody has welcomed: it hears nothing, and nobody hears it.
func TestGossipOfStrangers(t *testing.T) {
	ctx := t.Context()
	ana, bo := start(t, "Ana"), start(t, "Bo")
	bo.dial(ana)

	join := func(h host.Host) (*pubsub.Topic, *pubsub.Subscription) {
		topic := joinGossip(t, h)
		return topic, must(topic.Subscribe())
	}
	// It is its turn to open the stream: it stays connected and does not.
	mallory, friend := stranger(t, ana, true), must(libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0")))
	t.Cleanup(func() { friend.Close() })
	topic, hears := join(mallory)
	_, friendHears := join(friend)
	id := connect(t, mallory, ana)
	if err := mallory.Connect(ctx, peer.AddrInfo{ID: friend.ID(), Addrs: friend.Addrs()}); err != nil {
		t.Fatal(err)
	}
	until(t, "the stranger's own gossip runs", func() bool { return slices.Contains(topic.ListPeers(), friend.ID()) })

	forged := must(record.New(record.Header{Coop: founding.ID, Seq: 1, Parents: []record.ID{founding.ID}, Depth: 2, Kind: "note"}, nil, keyOf("Chi")))
	if err := topic.Publish(ctx, wire.EncodeGossip([]*record.Record{forged})); err != nil {
		t.Fatal(err)
	}
	if m, err := friendHears.Next(ctx); err != nil || len(m.Data) == 0 {
		t.Fatalf("the stranger's gossip does not run: %v", err)
	}

	until(t, "Bo hears gossip", func() bool {
		ana.write("note", []byte("secret"))
		time.Sleep(20 * time.Millisecond) // not a flood
		return bo.heard.Load() > 0
	})
	if ana.holds(forged) || bo.holds(forged) {
		t.Error("what a stranger published was taken")
	}
	if mallory.Network().Connectedness(id) != network.Connected {
		t.Fatal("the stranger is not even connected: this shows nothing")
	}
	hearing, done := context.WithTimeout(ctx, 500*time.Millisecond)
	defer done()
	for {
		m, err := hears.Next(hearing)
		if err != nil {
			break
		}
		if m.ReceivedFrom == id {
			t.Error("the stranger hears gossip of the co-op")
		}
	}
}

// double is a member's device on a host of the test's own, which hears all that
// it is sent, whatever its replica thinks of it.
func double(t *testing.T, name string, h host.Host, to *node) network.Stream {
	t.Helper()
	key, transport := keyOf(name), []byte(h.ID())
	var disk []*record.Record
	held := coop.New(func(ref history.Ref) *record.Record { return disk[ref] })
	r := replica.New(replica.Config{
		Coop: held, Key: key, Device: key.Public(), Transport: transport, Secret: secret, Random: rand.New(rand.NewPCG(1, 1)),
		Load:    func(ref history.Ref) (*record.Record, error) { return disk[ref], nil },
		ShowSig: key.Sign(record.DomainTransport, wire.TransportClaim(founding.ID, transport)),
	})
	disk = append(disk, founding)
	if err := r.Found(founding); err != nil {
		t.Fatal(err)
	}
	r.Take(time.Now())
	id := connect(t, h, to)
	s := must(h.NewStream(t.Context(), id, "/coop/sync/1"))
	codec := must(wire.NewCodec())
	r.Connected(time.Now(), 1, []byte(id), true)
	for len(to.live()) == 0 {
		for m, ok := r.Next(1); ok; m, ok = r.Next(1) {
			must(codec.WriteFrame(s, m))
		}
		r.Message(time.Now(), 1, must(codec.ReadFrame(s, func() wire.Expected { return r.Expects(1) })))
		r.Take(time.Now())
	}
	return s
}

// TestGossipEnds has the door close on a peer that was in: from then on it hears
// no gossip, even if it stays connected.
func TestGossipEnds(t *testing.T) {
	ana := start(t, "Ana")
	h := stranger(t, ana, true)
	s := double(t, "Bo", h, ana)
	hears := must(joinGossip(t, h).Subscribe())
	heard := make(chan []byte, 100)
	go func() {
		for {
			m, err := hears.Next(t.Context())
			if err != nil {
				return
			}
			heard <- m.Data
		}
	}()
	until(t, "gossip reaches the member", func() bool {
		ana.write("note", nil)
		time.Sleep(20 * time.Millisecond)
		return len(heard) > 0
	})
	for _, body := range []string{"one", "other"} {
		h := record.Header{Coop: founding.ID, Seq: 1, Parents: []record.ID{founding.ID}, Depth: 2, Kind: "note"}
		r := must(record.New(h, []byte(body), keyOf("Bo")))
		ana.do(func() {
			if _, err := ana.r.Gossip(ana.now(), ana.r.Peers()[0].Session, []*record.Record{r}); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "the door closes", func() bool { return len(ana.doors()) > 0 && len(ana.live()) == 0 })
	if _, err := io.Copy(io.Discard, s); err != nil { // what Ana's node still had to say
		t.Logf("the stream ends with %v", err)
	}
	last := ana.write("note", []byte("not for Bo any more"))
	for over := time.After(time.Second); over != nil; {
		select {
		case data := <-heard:
			if slices.ContainsFunc(must(wire.DecodeGossip(data)), func(r *record.Record) bool { return r.ID == last.ID }) {
				t.Fatal("who was sent away still hears gossip")
			}
		case <-over:
			over = nil
		}
	}
	until(t, "the connection ends", s.Conn().IsClosed)
}

// TestWrongSecret has a node call that has another network secret.
func TestWrongSecret(t *testing.T) {
	ana := start(t, "Ana")
	bo := start(t, "Bo", func(o *options) { o.secret = seedOf("guessed") })
	if err := bo.net.Dial(context.Background(), ana.net.Addrs()[0]); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{ana, bo} {
		until(t, "the door closes", func() bool { return len(n.doors()) > 0 })
		if got := n.doors()[0]; !strings.Contains(got, "network secret") {
			t.Errorf("told %q", got)
		}
		if got := n.live(); len(got) > 0 {
			t.Errorf("%d live sessions", len(got))
		}
	}
}

// newcomer starts a node that comes with a code which nobody has heard of yet.
func newcomer(t *testing.T, to *node) (dan *node, code member.Invite) {
	t.Helper()
	code = member.Invite{Coop: founding.ID, Seed: seedOf("code")}
	card := must(member.NewCard(member.CardTerms{Coop: founding.ID, Name: "Dan", DeviceName: "laptop"}, code.Key(), keyOf("root Dan"), keyOf("Dan")))
	return start(t, "Dan", func(o *options) { o.card, o.addrs = card.Encode(), to.net.Addrs() }), code
}

// TestTriedAgain has a door close for a reason that passes: the newcomer calls
// again by itself, and gets in.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	ana := start(t, "Ana")
	dan, code := newcomer(t, ana)
	until(t, "the door closes, as Ana's node has not heard of the invite", func() bool { return len(dan.doors()) > 0 })
	if got := dan.doors()[0]; !strings.Contains(got, "the co-op does not know") {
		t.Errorf("told %q", got)
	}
	ana.write(member.KindInvite, member.NewInvite(code.Key().Public(), 1, 0))
	until(t, "the newcomer is let in", func() bool { return len(dan.live()) == 1 && dan.holds(founding) })
}

// TestStop holds that nothing runs on once a network is stopped.
func TestStop(t *testing.T) {
	round := func() {
		t.Run("round", func(t *testing.T) {
			ana, bo := start(t, "Ana", func(o *options) { o.listen = "127.0.0.1:0" }), start(t, "Bo")
			bo.dial(ana)
			h := stranger(t, ana, true)
			must(h.NewStream(context.Background(), connect(t, h, ana), "/coop/sync/1"))
		})
	}
	round() // what libraries start once and for all is running now
	before := runtime.NumGoroutine()
	round()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
