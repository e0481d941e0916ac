package p2p_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// What a stranger costs, as PROTOCOL 17.8 says it.
const (
	places        = 64 // connections
	streamsAtOnce = 4
	lives         = 15 * time.Second
)

// idle connects to a node as somebody new, and does no more.
func idle(t *testing.T, to *node) transport.CapableConn {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	noises := must(noise.New(noise.ID, key, muxers))
	up := must(upgrader.New([]sec.SecureTransport{noises}, muxers, nil, nil, nil))
	addr, id := peer.SplitAddr(must(ma.NewMultiaddr(to.net.Addrs()[0])))
	c, err := must(tcp.NewTCPTransport(up, nil, nil)).Dial(t.Context(), addr, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dialTCP(t *testing.T, to *node) net.Conn {
	t.Helper()
	parts := strings.Split(to.net.Addrs()[0], "/")
	c := must(net.Dial("tcp", parts[2]+":"+parts[4]))
	t.Cleanup(func() { c.Close() })
	return c
}

// held returns the bytes of the heap that are in use.
func held() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestManyStreams has a stranger open streams without end: few become sessions, it is
// thrown out, and nothing is left of it, no goroutine that sleeps out a pause.
func TestManyStreams(t *testing.T) {
	ana := start(t, "Ana")
	h := stranger(t, ana, true)
	id := connect(t, h, ana)
	c := h.Network().ConnsToPeer(id)[0]
	goroutines, began := runtime.NumGoroutine(), time.Now()
	for range 2000 {
		s, err := c.NewStream(t.Context())
		if err != nil {
			break
		}
		_, _ = s.Write([]byte("\x13/multistream/1.0.0\n\x0d/coop/sync/1\n"))
		_ = s.CloseWrite()
		_, _ = io.Copy(io.Discard, s) // what it says, until it ends
		_ = s.Reset()
	}
	most := streamsAtOnce + 1 + int(time.Since(began)/time.Second)
	if got := int(ana.began.Load()); got > most || got == 0 {
		t.Errorf("%d sessions began, want 1 to %d", got, most)
	}
	until(t, "the stranger is thrown out", c.IsClosed)
	until(t, "no goroutine is left of it", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// TestSubscriptions has a stranger subscribe to a hundred thousand topics: nothing of it
// is read.
func TestSubscriptions(t *testing.T) {
	ana := start(t, "Ana")
	h := stranger(t, ana, true)
	id := connect(t, h, ana)
	before := held()
	for i := range 50 {
		s, err := h.NewStream(t.Context(), id, "/meshsub/1.2.0", "/meshsub/1.1.0")
		if err != nil {
			break // thrown out
		}
		_, _ = s.Write(subscriptions(i, 2000))
		_ = s.CloseWrite()
		if _, err := io.Copy(io.Discard, s); err == nil {
			t.Error("it was read to its end")
		}
	}
	if more := held() - before; more > 4<<20 {
		t.Errorf("the node holds %d bytes more", more)
	}
}

// TestSubscriptionsOfMember: nor does a node note what topics a member has beside the one.
func TestSubscriptionsOfMember(t *testing.T) {
	ana := start(t, "Ana")
	h := stranger(t, ana, true)
	double(t, "Bo", h, ana)
	id := connect(t, h, ana)
	s := must(h.NewStream(t.Context(), id, "/meshsub/1.2.0"))
	before := held()
	for i := range 300 {
		if _, err := s.Write(subscriptions(i, 300)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	_ = s.CloseWrite()
	if _, err := io.Copy(io.Discard, s); err != nil {
		t.Fatalf("it was not read to its end: %v", err)
	}
	if more := held() - before; more > 4<<20 {
		t.Errorf("the node holds %d bytes more", more)
	}
}

// subscriptions is a message of gossip that subscribes to topics.
func subscriptions(which, n int) []byte {
	var rpc pb.RPC
	for i := range n {
		rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{
			Subscribe: proto.Bool(true), Topicid: proto.String(fmt.Sprintf("%080d", which*n+i)),
		})
	}
	b := must(proto.Marshal(&rpc))
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

// TestBombs has a stranger send, in place of hello and of proof, what is costly to read,
// unpack or verify: six bytes of it are read, and the loop is not told of any.
func TestBombs(t *testing.T) {
	forged := must(record.New(record.Header{Seq: 1, Depth: 1, Kind: "note"}, []byte("x"), keyOf("Mallory")))
	many := slices.Repeat([]*record.Record{forged}, 2007)
	frame := func(packed byte, message []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(message)+1))
		return append(append(b, packed), message...)
	}
	hello := frame(0, wire.Encode(wire.Hello{Version: wire.Version, Nonce: [32]byte{1}}))
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"records, plain", frame(0, wire.Encode(wire.Records{Records: many[:500]}))},
		{"records, packed", frame(1, append([]byte{10}, make([]byte, 255)...))},
		{"a long hello", frame(0, append([]byte{1}, make([]byte, 200<<10)...))},
		{"a show", frame(0, wire.Encode(wire.Show{Device: keyOf("Bo").Public()}))},
		{"a pull", frame(0, wire.Encode(wire.Pull{}))},
	} {
		for stage, first := range map[string][]byte{"hello": nil, "proof": hello} {
			t.Run(c.name+" for "+stage, func(t *testing.T) {
				t.Parallel()
				ana := start(t, "Ana")
				h := stranger(t, ana, true)
				s := must(h.NewStream(t.Context(), connect(t, h, ana), "/coop/sync/1"))
				_, _ = s.Write(append(slices.Clone(first), c.bytes...))
				_, _ = io.Copy(io.Discard, s)
				until(t, "the session ends", func() bool { return ana.ended.Load() > 0 })
				if got := int(ana.net.Received.Load()); got > len(first)+6 {
					t.Errorf("%d bytes were read, want %d", got, len(first)+6)
				}
				if got := int(ana.told.Load()); got != min(1, len(first)) {
					t.Errorf("the loop was handed %d messages", got)
				}
			})
		}
	}
}

// TestIdle has strangers connect and say nothing, some from their first byte on: no
// more than have places stay, a member who is not remembered gets in all the same, and
// after a while they are gone. The member stays.
func TestIdle(t *testing.T) {
	t.Parallel()
	ana := start(t, "Ana")
	var mute []net.Conn
	var proven []transport.CapableConn
	for range 2 * places {
		mute, proven = append(mute, dialTCP(t, ana)), append(proven, idle(t, ana))
	}
	open := func() (n int) {
		for _, c := range proven {
			if !c.IsClosed() {
				n++
			}
		}
		for _, c := range mute {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.Read(make([]byte, 1<<10)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				n++
			}
		}
		return n
	}
	until(t, "the oldest made room", func() bool { return open() <= places })
	bo := start(t, "Bo")
	bo.dial(ana)
	until(t, "strangers are gone", func() bool { return open() == 0 })
	if len(ana.live()) != 1 || len(bo.live()) != 1 {
		t.Error("the member is gone too")
	}
}

// TestNoLonger has a stranger say hello again and again: it has no more time by it.
func TestNoLonger(t *testing.T) {
	t.Parallel()
	ana := start(t, "Ana")
	h := stranger(t, ana, true)
	id := connect(t, h, ana)
	c := h.Network().ConnsToPeer(id)[0]
	until(t, "the stranger is thrown out", func() bool {
		if s, err := c.NewStream(t.Context()); err == nil {
			_, _ = s.Write([]byte("\x13/multistream/1.0.0\n\x0d/coop/sync/1\n"))
			time.Sleep(2 * time.Second)
			_ = s.Reset()
		}
		return c.IsClosed()
	})
}

// TestNewSessionSaysNothing: who was let in, and begins another session that comes to
// nothing, does not keep the connection by the first.
func TestNewSessionSaysNothing(t *testing.T) {
	t.Parallel()
	ana := start(t, "Ana")
	h := stranger(t, ana, true)
	s := double(t, "Bo", h, ana)
	again := must(h.NewStream(t.Context(), s.Conn().RemotePeer(), "/coop/sync/1"))
	_, _ = again.Write([]byte("\x00"))
	until(t, "the new session takes the place of the first", func() bool { return ana.ended.Load() == 1 })
	_ = again.Reset()
	until(t, "the connection ends", s.Conn().IsClosed)
}

// TestNoAnswer has a stranger knock without pause: connections come and go, and a member
// from the same address gets in.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	ana, stop := start(t, "Ana"), make(chan struct{})
	parts := strings.Split(ana.net.Addrs()[0], "/")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				if c, err := net.Dial("tcp", parts[2]+":"+parts[4]); err == nil {
					c.Close()
				}
			}
		}
	}()
	start(t, "Bo").dial(ana)
	close(stop)
	<-done
}

// TestWaits: a newcomer who waits at the door is not thrown out with the strangers.
func TestWaits(t *testing.T) {
	t.Parallel()
	chi, ana := start(t, "Chi"), start(t, "Ana")
	dan, code := newcomer(t, ana)
	chi.write(member.KindInvite, member.NewInvite(code.Key().Public(), 1, 0)) // so Ana's node does not admit him by itself
	ana.dial(chi)
	waits := func() bool {
		dan.mu.Lock()
		defer dan.mu.Unlock()
		return slices.ContainsFunc(dan.r.Peers(), func(p replica.Peer) bool { return p.Waits != "" })
	}
	until(t, "the newcomer waits", waits)
	sessions := dan.began.Load()
	time.Sleep(lives + time.Second) // longer than a stranger has
	if !waits() || dan.began.Load() != sessions {
		t.Error("the newcomer was thrown out")
	}
}

// TestOverTCP: of two addresses, that over TCP is taken, whose handshake does not look
// at the clock.
func TestOverTCP(t *testing.T) {
	ana := start(t, "Ana", func(o *options) { o.listen = "127.0.0.1:0" })
	bo := start(t, "Bo", func(o *options) { o.addrs = ana.net.Addrs() })
	until(t, "the nodes meet", func() bool { return len(bo.live()) == 1 })
	if got := bo.net.Addr(bo.live()[0]); !strings.Contains(got, "/tcp/") {
		t.Errorf("they talk over %s", got)
	}
	h := stranger(t, ana, true)
	info := must(peer.AddrInfosFromP2pAddrs(must(ma.NewMultiaddr(tcpOf(t, ana)))))
	if err := h.Connect(context.Background(), info[0]); err != nil {
		t.Fatal(err)
	}
	for _, c := range h.Network().ConnsToPeer(info[0].ID) {
		if got := c.ConnState().Security; got != noise.ID {
			t.Errorf("TCP is made secure by %s", got)
		}
	}
}

func tcpOf(t *testing.T, n *node) string {
	t.Helper()
	for _, a := range n.net.Addrs() {
		if strings.Contains(a, "/tcp/") {
			return a
		}
	}
	t.Fatal("no TCP address")
	return ""
}
