package p2p

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	linksEvery  = 2 * time.Second        // how often interfaces are looked at where the system tells nothing
	linksSettle = 20 * time.Millisecond  // one change comes as several events
	linksPause  = 250 * time.Millisecond // between two changes that are acted on
)

// link is an interface of this machine that is up.
type link struct {
	index int
	name  string
	flags net.Flags
	nets  []netip.Prefix // its addresses, each with the length of its subnet
}

// readLinks returns the interfaces that are up, as they are now: libp2p would
// answer what it saw up to a minute ago.
func readLinks() ([]link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var links []link
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		l := link{index: i.Index, name: i.Name, flags: i.Flags}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.nets = append(l.nets, p)
			}
		}
		links = append(links, l)
	}
	return links, nil
}

func sameLink(a, b link) bool {
	return a.index == b.index && a.name == b.name && a.flags == b.flags && slices.Equal(a.nets, b.nets)
}

// has reports whether ip is an address of this machine's there.
func (l link) has(ip netip.Addr) bool {
	return slices.ContainsFunc(l.nets, func(p netip.Prefix) bool { return p.Addr() == ip })
}

// reaches reports whether ip is in a subnet of the link's: without any router.
func (l link) reaches(ip netip.Addr) bool {
	return slices.ContainsFunc(l.nets, func(p netip.Prefix) bool { return p.Masked().Contains(ip) })
}

// linksNow returns the interfaces as they were seen last.
func (n *Net) linksNow() []link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.links)
}

// keepWatching looks at the interfaces whenever they may have changed.
func (n *Net) keepWatching() {
	events := n.watchLinks()
	tick := time.NewTicker(linksEvery)
	defer tick.Stop()
	for {
		told := false
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		case <-events:
			told = true
			sleep(n.ctx, linksSettle)
		}
		if n.lookAtLinks(told) {
			sleep(n.ctx, linksPause)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// lookAtLinks goes on with the interfaces as they are now, and reports whether
// anything changed. Told is that the system said so: a new IPv6 address can be used
// only a second after it is seen, and then looks the same.
func (n *Net) lookAtLinks(told bool) bool {
	links, err := readLinks()
	if err != nil {
		n.cfg.Log.Debug("interfaces", "error", err)
		return false
	}
	n.mu.Lock()
	changed := !slices.EqualFunc(links, n.links, sameLink)
	n.links = links
	n.mu.Unlock()
	if !changed && !told {
		return false
	}
	if changed {
		n.closeGone(links)
	}
	n.hurry(changed)
	n.tell()
	return true
}

// closeGone closes the connections of addresses that this machine no longer has:
// nothing else would notice for as long as nothing is said on them.
func (n *Net) closeGone(links []link) {
	for _, c := range n.host.Network().Conns() {
		n.mu.Lock()
		ip, ok := n.local[c]
		n.mu.Unlock()
		if ok && !slices.ContainsFunc(links, func(l link) bool { return l.has(ip) }) {
			n.spawn(func() { _ = c.Close() })
		}
	}
}

// noteLocal keeps at which address of this machine a connection ends.
func (n *Net) noteLocal(c network.Conn) {
	ip, ok := localIP(c)
	n.mu.Lock()
	defer n.mu.Unlock()
	if ok && !c.IsClosed() {
		n.local[c] = ip
	}
}

// localIP returns the address from which this machine speaks on a connection. QUIC
// speaks from all of them; then it is the one that the way to the peer begins at.
func localIP(c network.Conn) (netip.Addr, bool) {
	ip, err := manet.ToIP(c.LocalMultiaddr())
	if err == nil && !ip.IsUnspecified() {
		a, ok := netip.AddrFromSlice(ip)
		return a.Unmap(), ok
	}
	remote, err := manet.ToIP(c.RemoteMultiaddr())
	if err != nil {
		return netip.Addr{}, false
	}
	return sourceFor(remote.String())
}

// sourceFor returns the address with which this machine would speak to a host. It
// sends nothing.
func sourceFor(host string) (netip.Addr, bool) {
	c, err := net.Dial("udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return netip.Addr{}, false
	}
	defer c.Close()
	a, err := netip.ParseAddrPort(c.LocalAddr().String())
	return a.Addr().Unmap(), err == nil
}

// The ranks of a link, the best first: which of them others are likely to reach.
const (
	rankRouted  = iota // the way out of this network leads over it
	rankPlain          // it has a cable or a radio
	rankVirtual        // a bridge of this machine's containers, a tunnel: who is on the other side is not who joins
	rankDown           // nothing is plugged in
)

// virtual are how the interfaces are called that containers, virtual machines and
// tunnels make.
var virtual = []string{
	"docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "podman", "cni", "flannel", "cali", "lxc", "lxd", "incus",
	"tun", "tap", "utun", "wg", "ppp", "tailscale", "zt", "bridge1",
}

func (l link) rank(routed []netip.Addr) int {
	switch {
	case l.flags&net.FlagRunning == 0:
		return rankDown
	case l.flags&net.FlagPointToPoint != 0 || slices.ContainsFunc(virtual, func(p string) bool { return strings.HasPrefix(l.name, p) }):
		return rankVirtual
	case slices.ContainsFunc(routed, l.has):
		return rankRouted
	}
	return rankPlain
}

// routed returns the addresses with which this machine speaks to the world, asked by
// addresses that are kept for documentation.
func routed() []netip.Addr {
	var ips []netip.Addr
	for _, world := range []string{"192.0.2.1", "2001:db8::1"} {
		if ip, ok := sourceFor(world); ok {
			ips = append(ips, ip)
		}
	}
	return ips
}

// place is an address of this node, and how much it is worth to others.
type place struct {
	rank int
	kind int // of the way: first TCP, then QUIC, so that every address has a place before any has two
	ip   netip.Addr
	addr ma.Multiaddr
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.rank, q.rank), cmp.Compare(p.kind, q.kind), cmp.Compare(p.ip.BitLen(), q.ip.BitLen()),
		bytes.Compare(p.addr.Bytes(), q.addr.Bytes()))
}

// placesOn returns where this node listens on a link.
func (n *Net) placesOn(l link, routed []netip.Addr) []place {
	var places []place
	for _, listen := range n.host.Network().ListenAddresses() {
		first, rest := ma.SplitFirst(listen)
		at, err := manet.ToIP(listen)
		if err != nil {
			continue
		}
		for _, p := range l.nets {
			ip := p.Addr()
			if ip.Is4() != (first.Code() == ma.P_IP4) || !at.IsUnspecified() && !at.Equal(ip.AsSlice()) {
				continue
			}
			text := "/ip4/"
			switch {
			case isLinkLocal6(ip):
				text = "/ip6zone/" + l.name + "/ip6/"
			case ip.Is6():
				text = "/ip6/"
			}
			if a, err := ma.NewMultiaddr(text + ip.String()); err == nil {
				places = append(places, place{l.rank(routed), len(rest), ip, a.Encapsulate(rest)})
			}
		}
	}
	return places
}

func isLinkLocal6(ip netip.Addr) bool { return ip.Is6() && ip.IsLinkLocalUnicast() }

// places returns where this node listens, the most useful first, in three parts:
// for others; only with a zone, which nobody else's computer knows; only for this
// computer.
func (n *Net) places() (far, zoned, near []place) {
	out := routed()
	for _, l := range n.linksNow() {
		for _, p := range n.placesOn(l, out) {
			switch {
			case p.ip.IsLoopback():
				near = append(near, p)
			case isLinkLocal6(p.ip):
				zoned = append(zoned, p)
			default:
				far = append(far, p)
			}
		}
	}
	for _, part := range [][]place{far, zoned, near} {
		slices.SortFunc(part, place.compare)
	}
	return far, zoned, near
}

// Addrs returns the addresses under which this node can be reached now, each with
// its peer id, the most useful first. Addresses of IPv6 that hold on one cable only
// are named where there are no others, and those of this computer where there are
// not even these.
func (n *Net) Addrs() []string {
	far, zoned, near := n.places()
	if far == nil {
		far = zoned
	}
	if far == nil {
		far = near
	}
	var addrs []string
	for _, p := range far {
		addrs = append(addrs, p.addr.String()+"/p2p/"+n.host.ID().String())
	}
	return addrs
}

// Unreachable says why no other computer can reach this node, "" if one can.
func (n *Net) Unreachable() string {
	far, zoned, _ := n.places()
	own := slices.ContainsFunc(n.linksNow(), func(l link) bool { return l.flags&net.FlagLoopback == 0 && len(l.nets) > 0 })
	switch {
	case far != nil:
		return ""
	case zoned != nil:
		return "no other computer can reach this node: this one has no address but " + zoned[0].ip.String() +
			", which others cannot call yet; give it an IPv4 address"
	case own:
		return "no other computer can reach this node: it listens on none of this computer's addresses; see --listen"
	}
	return "no other computer can reach this node: this one is on no network; it is found as soon as it is"
}
