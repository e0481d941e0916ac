package p2p

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// wired is a connection between two addresses.
type wired struct{ here, there ma.Multiaddr }

func (w wired) LocalMultiaddr() ma.Multiaddr  { return w.here }
func (w wired) RemoteMultiaddr() ma.Multiaddr { return w.there }
func (w wired) Close() error                  { return nil }

func from(ip string, port int) wired {
	return wired{ma.StringCast("/ip4/10.0.0.9/tcp/4001"), ma.StringCast(fmt.Sprintf("/ip4/%s/tcp/%d", ip, port))}
}

// TestPlaces: when all places of strangers are taken, the oldest of those from the address
// with most goes. Others, people who wait, and those who are known keep theirs.
func TestPlaces(t *testing.T) {
	ls := lines{all: map[string]*line{}}
	defer ls.stop()
	put := func(c wired, r rank, p peer.ID) []io.Closer {
		_, out := ls.put(c, c, r, p)
		return out
	}
	put(from("10.0.0.1", 1), friend, "Ana")
	put(from("10.0.0.1", 2), newcomer, "Dan")
	put(from("10.0.0.2", 1), stranger, "")
	for i := range 3 * placesMost {
		out := put(from("10.0.0.1", 100+i), stranger, "")
		oldest := 100 + i - (placesMost - 1)
		switch {
		case oldest < 100 && len(out) != 0:
			t.Fatalf("the stranger %d takes a place that nobody needs", i)
		case oldest >= 100 && (len(out) != 1 || ends(out[0].(wired)) != ends(from("10.0.0.1", oldest))):
			t.Fatalf("for the stranger %d goes %v", i, out)
		}
	}
	if got, want := len(ls.all), placesMost+2; got != want {
		t.Errorf("%d connections, want %d", got, want)
	}
	if got := put(from("10.0.0.1", 2), stranger, ""); len(got) == 0 || ends(got[0].(wired)) != ends(from("10.0.0.1", 2)) {
		t.Errorf("a dead connection with the same ends stays: %v", got)
	}
}

// TestOrigin: an address is what one home or office has.
func TestOrigin(t *testing.T) {
	for addr, want := range map[string]string{
		"/ip4/192.0.2.7/tcp/1":             "192.0.2.7/32",
		"/ip6/2001:db8:1:2:3::4/udp/1":     "2001:db8:1::/56",
		"/ip6/::ffff:192.0.2.7/udp/1":      "192.0.2.7/32",
		"/dns4/example.org/tcp/1":          "invalid Prefix",
		"/ip6zone/eth0/ip6/fe80::1/tcp/22": "fe80::/56",
	} {
		if got := origin(ma.StringCast(addr)).String(); got != want {
			t.Errorf("%s is from %s, want %s", addr, got, want)
		}
	}
}

// TestRoomForAll: a co-op of 200 people with two computers each behind one router gets in,
// all at once, and a stranger there does not use up what they may: on any machine.
func TestRoomForAll(t *testing.T) {
	m, err := newLimits()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	at := ma.StringCast("/ip4/192.0.2.7/tcp/4001")
	for range 500 { // knocks
		c, err := m.OpenConnection(network.DirInbound, true, at)
		if err != nil {
			t.Fatal(err)
		}
		c.Done()
	}
	for i := range 400 {
		c, err := m.OpenConnection(network.DirInbound, true, at)
		if err == nil {
			err = c.SetPeer(peer.ID(fmt.Sprint("peer ", i)))
		}
		if err != nil {
			t.Fatalf("the computer %d is kept out: %v", i, err)
		}
		defer c.Done()
		for range 4 {
			s, err := m.OpenStream(peer.ID(fmt.Sprint("peer ", i)), network.DirInbound)
			if err != nil {
				t.Fatalf("the computer %d opens no stream: %v", i, err)
			}
			defer s.Done()
			if err := s.SetProtocol(protocolID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := m.OpenConnection(network.DirOutbound, true, at); err != nil {
		t.Errorf("this node cannot call there: %v", err)
	}
	if !m.VerifySourceAddress(nil) {
		t.Error("a QUIC handshake begins from an address that somebody invented")
	}
}

// TestOnePeer: what one peer may have is bounded.
func TestOnePeer(t *testing.T) {
	m, err := newLimits()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	conns, streams := 0, 0
	for range 4 * streamsPerPeer {
		if c, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/192.0.2.7/tcp/4001")); err == nil {
			defer c.Done()
			if c.SetPeer("Mallory") == nil {
				conns++
			}
		}
		if s, err := m.OpenStream("Mallory", network.DirInbound); err == nil {
			defer s.Done()
			streams++
		}
	}
	if conns != connsPerPeer || streams != streamsPerPeer {
		t.Errorf("%d connections, %d streams", conns, streams)
	}
}

// TestHandshakes: QUIC handshakes that do not come to their end are few, and take no place
// from TCP.
func TestHandshakes(t *testing.T) {
	m, err := newLimits()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	at := ma.StringCast("/ip4/192.0.2.7/udp/4001/quic-v1")
	var open []network.ConnManagementScope
	for {
		c, err := m.OpenConnection(network.DirInbound, false, at)
		if errors.Is(err, errShakes) {
			break
		}
		if open = append(open, c); err != nil || len(open) > quicShakesMost {
			t.Fatalf("%d handshakes, %v", len(open), err)
		}
	}
	for range placesMost {
		c, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/192.0.2.7/tcp/4001"))
		if err != nil {
			t.Fatalf("TCP: %v", err)
		}
		defer c.Done()
	}
	if err := open[0].SetPeer("Ana"); err != nil {
		t.Fatal(err)
	}
	open[1].Done()
	open[1].Done() // more than once, as libp2p does
	for i := range 3 {
		c, err := m.OpenConnection(network.DirInbound, false, at)
		if (err == nil) != (i < 2) {
			t.Errorf("handshake %d after two ended: %v", i, err)
		}
		if err == nil {
			defer c.Done()
		}
	}
	for _, c := range open {
		c.Done()
	}
}

// TestSettle: whose session ended has a while to come back, and who never was let in gets
// no longer time by sessions.
func TestSettle(t *testing.T) {
	ls := lines{all: map[string]*line{}}
	defer ls.stop()
	c := from("10.0.0.1", 1)
	l, _ := ls.put(c, c, stranger, "Bo")
	ls.settle("Bo", friend, false)
	if l.rank != friend || l.end.Stop() {
		t.Error("who was let in is thrown out")
	}
	ls.settle("Bo", stranger, true)
	if l.rank != friend || !l.end.Stop() {
		t.Error("whose session ended stays for ever")
	}
}

func TestTCPFirst(t *testing.T) {
	udp, tcp := ma.StringCast("/ip4/192.0.2.7/udp/4001/quic-v1"), ma.StringCast("/ip4/192.0.2.7/tcp/4001")
	got := tcpFirst([]ma.Multiaddr{udp, tcp})
	if len(got) != 2 || !got[0].Addr.Equal(tcp) || got[0].Delay != 0 || got[1].Delay != quicLater {
		t.Errorf("both: %v", got)
	}
	if got := tcpFirst([]ma.Multiaddr{udp}); len(got) != 1 || got[0].Delay > 0 {
		t.Errorf("QUIC alone: %v", got)
	}
}
