package p2p

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/net/dns/dnsmessage"

	"coop/crdt/record"
	"coop/sync/wire"
)

// wire0 is a link as a home network has it.
var wire0 = link{index: 7, name: "wire0", flags: net.FlagUp | net.FlagRunning | net.FlagMulticast, nets: []netip.Prefix{
	netip.MustParsePrefix("192.168.1.20/24"), netip.MustParsePrefix("fd77::20/64"), netip.MustParsePrefix("fe80::20/64"),
}}

// quietNet is a network that listens nowhere and has these links.
func quietNet(t *testing.T, links ...link) *Net {
	t.Helper()
	n, err := New(context.Background(), Config{
		Seed: [32]byte{1}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Addrs: func() []string { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	n.links = links
	return n
}

func peerID(t *testing.T, i int) string {
	t.Helper()
	key := record.NewPrivate([32]byte{2, byte(i), byte(i >> 8)})
	return peer.ID(wire.TransportIdentity(key.Public())).String()
}

// TestFindsAreOnThisLink has announcements name addresses; a node dials only those that
// are in a subnet of the link that they came over, as nodes listen on them.
func TestFindsAreOnThisLink(t *testing.T) {
	id, other := peerID(t, 1), peerID(t, 2)
	for _, c := range []struct {
		texts []string
		want  string // of addresses, "" for none
	}{
		{[]string{"/ip4/192.168.1.21/tcp/4001/p2p/" + id}, "/ip4/192.168.1.21/tcp/4001"},
		{[]string{"/ip4/192.168.1.21/udp/4001/quic-v1/p2p/" + id}, "/ip4/192.168.1.21/udp/4001/quic-v1"},
		{[]string{"/ip6/fd77::21/tcp/4001/p2p/" + id}, "/ip6/fd77::21/tcp/4001"},
		{[]string{"/ip4/192.168.1.21/tcp/1/p2p/" + id, "/ip4/8.8.8.8/tcp/1/p2p/" + id}, "/ip4/192.168.1.21/tcp/1"},
		{[]string{"/ip4/192.168.1.21/tcp/1/p2p/" + id, "/ip4/192.168.1.22/tcp/1/p2p/" + other}, "/ip4/192.168.1.21/tcp/1"},
		{[]string{"/ip4/192.168.2.21/tcp/4001/p2p/" + id}, ""},
		{[]string{"/ip4/127.0.0.1/tcp/4001/p2p/" + id}, ""},
		{[]string{"/ip6/::1/tcp/4001/p2p/" + id}, ""},
		{[]string{"/ip6/fe80::21/tcp/4001/p2p/" + id}, ""},
		{[]string{"/ip6zone/wire0/ip6/fe80::21/tcp/4001/p2p/" + id}, ""},
		{[]string{"/ip6/::ffff:192.168.1.21/tcp/4001/p2p/" + id}, "/ip6/::ffff:192.168.1.21/tcp/4001"},
		{[]string{"/ip6/::ffff:8.8.8.8/tcp/4001/p2p/" + id}, ""},
		{[]string{"/dns4/example.org/tcp/4001/p2p/" + id}, ""},
		{[]string{"/dns/printer.local/tcp/4001/p2p/" + id}, ""},
		{[]string{"/ip4/192.168.1.21/tcp/80/ws/p2p/" + id}, ""},
		{[]string{"/ip4/192.168.1.21/udp/53/p2p/" + id}, ""},
		{[]string{"/ip4/192.168.1.21/tcp/4001/p2p/" + other + "/p2p-circuit/p2p/" + id}, ""},
		{[]string{"/p2p/" + id}, ""},
		{[]string{"/ip4/192.168.1.21/tcp/4001"}, ""},
		{[]string{"nonsense"}, ""},
		{nil, ""},
	} {
		var texts []string
		for _, s := range c.texts {
			texts = append(texts, mdnsAddr+s)
		}
		_, addrs := onLink(texts, wire0)
		var got []string
		for _, a := range addrs {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("of %v are dialled %v, want %q", c.texts, got, c.want)
		}
	}
}

// announcement is what a node, or a stranger, says of itself.
func announcement(t *testing.T, name string, texts ...string) []byte {
	t.Helper()
	n, err := dnsmessage.NewName(name + "." + mdnsName)
	if err != nil {
		t.Fatal(err)
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Additionals: []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: n, Class: inet, TTL: 1 << 31}, Body: &dnsmessage.TXTResource{TXT: texts},
	}}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAnnouncementFlood has strangers announce thousands of peers, from one address and
// then from every address of the link, slowly enough for all to be taken. It counts what
// is remembered, and how many are called at once; who is remembered for good does not
// wait for them.
func TestAnnouncementFlood(t *testing.T) {
	const flood = 5000
	friend := "/ip6/fd77::5/tcp/4001/p2p/" + peerID(t, 5000)
	n := quietNet(t, wire0)
	n.cfg.Addrs = func() []string { return []string{friend} }
	n.stopDialling() // nothing is sent
	n.dialAll()      // the friend may have to let another call first
	m := &mdns{n: n}
	var ids [512]string
	for i := range ids {
		ids[i] = peerID(t, i)
	}
	held := func() (finds, addrs, called int) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, c := range n.callees {
			if len(c.found) > 0 {
				finds, addrs = finds+1, addrs+len(c.found)
			}
			if !c.begun.IsZero() {
				called++
			}
		}
		return finds, addrs, called
	}
	for i := range flood {
		source := netip.MustParseAddr("fd77::66")
		if i >= flood/2 {
			source = netip.MustParseAddr(fmt.Sprintf("fd77::%x", i))
		}
		var texts []string
		for j := range 12 {
			texts = append(texts, fmt.Sprintf("%s/ip6/fd77::%x/tcp/%d/p2p/%s", mdnsAddr, 1+(i+j)%65000, 1024+i, ids[i%len(ids)]))
		}
		m.rate.second-- // another second begins
		m.hear(announcement(t, fmt.Sprint("x", i), texts...), wire0.index, source)
		finds, addrs, _ := held()
		if finds > findsMost || addrs > finds*addrsPerPeer || i < flood/2 && finds > findsPerSource {
			t.Fatalf("after %d: %d finds with %d addresses are held", i+1, finds, addrs)
		}
	}
	n.mu.Lock()
	for _, c := range n.callees {
		c.begun, c.next, c.busy = time.Time{}, time.Time{}, false
	}
	n.mu.Unlock()
	n.dialAll()
	finds, addrs, called := held()
	t.Logf("of %d: %d finds with %d addresses are held", flood, finds, addrs)
	if finds != findsMost {
		t.Errorf("%d finds are held: the flood was none", finds)
	}
	if called != strangersAtOnce+1 {
		t.Errorf("%d are called at once, want %d strangers and a friend", called, strangersAtOnce)
	}
}

// TestAnnouncementRate has a flood come within a second: no more is taken of it than a
// network has nodes, and no more of one address than a computer has homes.
func TestAnnouncementRate(t *testing.T) {
	var r rate
	for second := range int64(3) {
		r.begin(second + 1)
		taken, looked := map[netip.Addr]int{}, 0
		for i := range 10000 {
			if r.packet() {
				looked++
			}
			source := netip.AddrFrom4([4]byte{192, 168, 1, byte(i / 100)})
			if r.find(source) {
				taken[source]++
			}
		}
		all := 0
		for source, of := range taken {
			if all += of; of > findsRateOfOne {
				t.Errorf("%d of %v are taken in a second", of, source)
			}
		}
		if looked != packetsRate || all != findsRate || len(r.of) > findsRate {
			t.Errorf("%d packets are looked at in a second, %d announcements taken, %d sources counted", looked, all, len(r.of))
		}
	}
}

// TestNonsenseIsCounted: announcements that name nobody on this link are costly to read
// as well. So no more of them are read within a second than of others.
func TestNonsenseIsCounted(t *testing.T) {
	n := quietNet(t, wire0)
	source := netip.MustParseAddr("192.168.1.66")
	nonsense := announcement(t, "x", mdnsAddr+"/ip4/8.8.8.8/tcp/1/p2p/"+peerID(t, 1))
	good := announcement(t, "y", mdnsAddr+"/ip4/192.168.1.21/tcp/1/p2p/"+peerID(t, 2))
	for begun := int64(0); begun != time.Now().Unix(); { // all within one second
		begun = time.Now().Unix()
		m := &mdns{n: n}
		clear(n.callees)
		for range findsRateOfOne {
			m.hear(nonsense, wire0.index, source)
		}
		m.hear(good, wire0.index, source)
	}
	if got := len(n.callees); got > 0 {
		t.Errorf("%d peers are remembered of one who announced enough", got)
	}
}

// TestSourceIsOnTheLink: what came over a router is not heard.
func TestSourceIsOnTheLink(t *testing.T) {
	n := quietNet(t, wire0)
	for source, want := range map[string]bool{
		"192.168.1.66": true, "fd77::66": true, "fe80::66": true, "8.8.8.8": false, "192.168.2.1": false, "fd78::1": false,
	} {
		if _, got := n.linkOf(wire0.index, netip.MustParseAddr(source)); got != want {
			t.Errorf("heard from %s: %v", source, got)
		}
	}
	if _, got := n.linkOf(wire0.index+1, netip.MustParseAddr("192.168.1.66")); got {
		t.Error("heard over another link than its own")
	}
}

// TestAnswer: an announcement fits a frame, and says where the node listens on the link
// where it is said, and nothing of other links.
func TestAnswer(t *testing.T) {
	n := quietNet(t, wire0)
	if err := n.host.Network().Listen(ma.StringCast("/ip4/127.0.0.1/tcp/0")); err != nil {
		t.Fatal(err)
	}
	m := &mdns{n: n, name: "x." + mdnsName}
	if b := m.answer(wire0); b != nil {
		t.Errorf("a node that listens for its own computer announces %q", b)
	}
	if err := n.host.Network().Listen(ma.StringCast("/ip4/0.0.0.0/tcp/0")); err != nil {
		t.Fatal(err)
	}
	busy := wire0
	for i := range 50 {
		busy.nets = append(busy.nets, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(100 + i)}), 24))
	}
	b := m.answer(busy)
	var p dnsmessage.Parser
	if _, err := p.Start(b); err != nil || p.SkipAllQuestions() != nil || len(b) > 1400 {
		t.Fatalf("%d bytes of announcement, %v", len(b), err)
	}
	texts := answers(&p)
	if len(texts) != 1 || len(texts[0]) < 2 {
		t.Fatalf("it says %q", texts)
	}
	for _, text := range texts[0] {
		if !strings.HasPrefix(text, "dnsaddr=/ip4/192.168.1.") || !strings.HasSuffix(text, n.host.ID().String()) {
			t.Errorf("it says %s", text)
		}
	}
}

// TestStrangerIsForgotten holds that who never lets us in is called a few times, though
// it takes every call, and that one who did is called at once, with pauses that stay
// short.
func TestStrangerIsForgotten(t *testing.T) {
	now := time.Now()
	stranger, friend := &callee{begun: now}, &callee{begun: now, met: true}
	var pauses []time.Duration
	for range findTries {
		stranger.tried(true, strange, true)
		pauses = append(pauses, stranger.pause)
		friend.tried(false, friendly, true)
	}
	if want := []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9}; !slices.Equal(pauses, want) || stranger.failed != findTries {
		t.Errorf("a stranger is called after %v, want %v", pauses, want)
	}
	if friend.pause != dialNear {
		t.Errorf("a friend on this link is called every %v", friend.pause)
	}
	if friend.tried(true, friendly, true); friend.failed != 0 || friend.pause != 0 {
		t.Error("a friend who was reached keeps the pause")
	}
}
