package p2p

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

func linkNamed(index int, name string, flags net.Flags, nets ...string) link {
	l := link{index: index, name: name, flags: net.FlagUp | net.FlagRunning | net.FlagMulticast | flags}
	for _, p := range nets {
		l.nets = append(l.nets, netip.MustParsePrefix(p))
	}
	return l
}

// listening returns a network that listens on all addresses, with these links.
func listening(t *testing.T, links ...link) *Net {
	t.Helper()
	n := quietNet(t, links...)
	for _, a := range []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"} {
		if err := n.host.Network().Listen(ma.StringCast(a)); err != nil && strings.HasPrefix(a, "/ip4/") {
			t.Fatal(err)
		}
	}
	return n
}

// hosts returns the beginnings of addresses: /ip4/… and tcp or udp.
func hosts(addrs []string) (hosts []string) {
	for _, a := range addrs {
		parts := strings.Split(a, "/")
		hosts = append(hosts, parts[2]+" "+parts[3])
	}
	return hosts
}

// TestUsefulAddressesFirst: of many addresses those come first at which others are
// likely to reach this computer, and every address has a place before one has two.
func TestUsefulAddressesFirst(t *testing.T) {
	lo := linkNamed(1, "lo", net.FlagLoopback, "127.0.0.1/8", "::1/128")
	n := listening(t, lo,
		linkNamed(2, "docker0", 0, "172.17.0.1/16"), linkNamed(3, "br-5f2c", 0, "172.18.0.1/16"),
		linkNamed(4, "tun0", net.FlagPointToPoint, "10.8.0.2/24"), linkNamed(5, "virbr0", 0, "192.168.122.1/24"),
		linkNamed(6, "eth0", 0, "192.168.1.20/24", "fe80::20/64"), linkNamed(7, "wlan0", 0, "10.0.0.7/24"),
	)
	got := hosts(n.Addrs())
	want := []string{"10.0.0.7 tcp", "192.168.1.20 tcp", "10.0.0.7 udp", "192.168.1.20 udp", "10.8.0.2 tcp", "172.17.0.1 tcp", "172.18.0.1 tcp", "192.168.122.1 tcp"}
	if len(got) != 12 || !slices.Equal(got[:8], want) {
		t.Errorf("the addresses are\n%q, want\n%q", got, want)
	}
	if why := n.Unreachable(); why != "" {
		t.Errorf("this computer can be reached, and it says: %s", why)
	}
	unplugged := linkNamed(6, "eth0", 0, "192.168.1.20/24")
	unplugged.flags &^= net.FlagRunning
	if got := unplugged.rank(nil); got != rankDown {
		t.Errorf("a link without a cable has rank %d", got)
	}
	home := linkNamed(8, "br0", 0, "192.168.3.1/24")
	if got := home.rank([]netip.Addr{netip.MustParseAddr("192.168.3.1")}); got != rankRouted {
		t.Errorf("a bridge over which the way out leads has rank %d", got)
	}
}

// TestNobodyCanReach: where no other computer can reach a node, it says so, and why.
func TestNobodyCanReach(t *testing.T) {
	lo := linkNamed(1, "lo", net.FlagLoopback, "127.0.0.1/8")
	n := listening(t, lo)
	if got := hosts(n.Addrs()); !slices.Equal(got, []string{"127.0.0.1 tcp", "127.0.0.1 udp"}) || !strings.Contains(n.Unreachable(), "on no network") {
		t.Errorf("without a network: %q, %q", got, n.Unreachable())
	}
	n = quietNet(t, lo, linkNamed(6, "eth0", 0, "192.168.1.20/24"))
	if err := n.host.Network().Listen(ma.StringCast("/ip4/127.0.0.1/tcp/0")); err != nil {
		t.Fatal(err)
	}
	if got := hosts(n.Addrs()); !slices.Equal(got, []string{"127.0.0.1 tcp"}) || !strings.Contains(n.Unreachable(), "--listen") {
		t.Errorf("listening for itself: %q, %q", got, n.Unreachable())
	}
	n = listening(t, lo, linkNamed(6, "eth0", 0, "fe80::20/64"))
	if len(n.host.Network().ListenAddresses()) == 2 {
		t.Skip("this machine has no IPv6")
	}
	if got := n.Addrs(); len(got) != 2 || !strings.HasPrefix(got[0], "/ip6zone/eth0/ip6/fe80::20/tcp/") || !strings.Contains(n.Unreachable(), "fe80::20") {
		t.Errorf("with an address of the cable only: %q, %q", got, n.Unreachable())
	}
}
