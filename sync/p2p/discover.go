package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// mdnsName is the same for every co-op: a name of its own would tell the
	// local network who belongs to which.
	mdnsName = "_coop-p2p._udp"

	interfacesEvery = 2 * time.Second // how often interfaces are looked at for change
	dialFirst       = time.Second     // between two tries of a known address, growing
	dialMax         = time.Minute
	dialTimeout     = 5 * time.Second
)

// keepDiscovering runs mDNS, anew whenever the interfaces change: a service
// that started before the network was there hears nothing of it.
func (n *Net) keepDiscovering() {
	var service interface {
		Start() error
		Close() error
	}
	stop := func() {
		if service != nil {
			_ = service.Close()
			service = nil
		}
	}
	defer stop()
	tick := time.NewTicker(interfacesEvery)
	defer tick.Stop()
	for last := ""; ; {
		if now := interfaces(); now != last || service == nil {
			stop()
			fresh := mdns.NewMdnsService(n.host, mdnsName, found{n})
			if err := fresh.Start(); err != nil {
				_ = fresh.Close()
				n.cfg.Log.Debug("no mDNS yet", "error", err)
			} else {
				service, last = fresh, now
			}
		}
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// interfaces describes the addresses this machine has now.
func interfaces() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, a := range addrs {
		b.WriteString(a.String() + " ")
	}
	return b.String()
}

type found struct{ n *Net }

// HandlePeerFound dials a peer that announced itself on the local network.
func (f found) HandlePeerFound(info peer.AddrInfo) {
	if f.n.ctx.Err() == nil && !f.n.resting(info.ID) {
		f.n.spawn(func() { f.n.tryDial(info) })
	}
}

// resting reports whether a peer's door was closed a short while ago.
func (n *Net) resting(p peer.ID) bool { return n.rests(p) > 0 }

// rests returns for how long a peer whose door was closed is left alone.
func (n *Net) rests(p peer.ID) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Until(n.closed[p].until)
}

func (n *Net) tryDial(info peer.AddrInfo) {
	if info.ID == n.host.ID() || n.host.Network().Connectedness(info.ID) == network.Connected {
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	if err := n.host.Connect(ctx, info); err != nil {
		n.cfg.Log.Debug("cannot reach", "peer", info.ID, "error", err)
	}
}

// keepDialling tries the known addresses of peers that are not connected, with
// growing pauses.
func (n *Net) keepDialling() {
	for pause := dialFirst; ; pause = min(2*pause, dialMax) {
		for _, info := range n.known() {
			if !n.resting(info.ID) {
				n.tryDial(info)
			}
		}
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// known returns the remembered peers with all their addresses.
func (n *Net) known() []peer.AddrInfo {
	var addrs []ma.Multiaddr
	for _, s := range n.cfg.Addrs() {
		if a, err := ma.NewMultiaddr(s); err == nil {
			addrs = append(addrs, a)
		}
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil {
		n.cfg.Log.Debug("remembered addresses", "error", err)
	}
	return infos
}

var errNoPeerID = errors.New("the address must end in /p2p/ and the peer's id, as `coop peers` on that computer shows it")

// Dial connects to an address a person typed: a multiaddr that ends in the
// peer's id.
func (n *Net) Dial(ctx context.Context, addr string) error {
	a, err := ma.NewMultiaddr(addr)
	if err != nil {
		return fmt.Errorf("%q is no address: %w", addr, errNoPeerID)
	}
	info, err := peer.AddrInfoFromP2pAddr(a)
	if err != nil {
		return errNoPeerID
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := n.host.Connect(ctx, *info); err != nil {
		return fmt.Errorf("cannot reach %s: is the other computer on, and on this network?", addr)
	}
	return nil
}
