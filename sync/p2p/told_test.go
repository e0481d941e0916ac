package p2p

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"coop/crdt/record"
	"coop/sync/wire"
)

// said is what the node of a number says of itself.
func said(i int, addrs ...string) wire.AddrTerms {
	key := record.NewPrivate([32]byte{2, byte(i), byte(i >> 8)})
	return wire.AddrTerms{Transport: wire.TransportIdentity(key.Public()), Addrs: addrs}
}

// TestToldAddrs: of the addresses that others say, those are called that a node can
// listen on: no names, no relays, nothing on this computer, on this cable only, or for
// many; none of this node's own. What is said later is in place of it.
func TestToldAddrs(t *testing.T) {
	n := quietNet(t, wire0)
	n.stopDialling()
	good := []string{"/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/udp/4001/quic-v1", "/ip4/10.0.0.1/tcp/80"}
	bad := []string{
		"/ip4/127.0.0.1/tcp/6379", "/ip6/::1/tcp/6379", "/ip4/0.0.0.0/tcp/1", "/ip4/169.254.169.254/tcp/80", "/ip6/fe80::1/tcp/1", "/ip4/224.0.0.1/udp/1/quic-v1",
		"/ip6/::ffff:127.0.0.1/tcp/1", "/dns4/example.org/tcp/1", "/ip4/192.0.2.1/udp/53", "/ip4/192.0.2.1/tcp/1/ws", "/ip4/192.0.2.1", "nonsense",
		"/ip4/192.0.2.1/tcp/1/p2p/" + peerID(t, 7) + "/p2p-circuit", "/ip6zone/eth0/ip6/fe80::1/tcp/1",
	}
	own := said(1, good...)
	own.Transport = []byte(n.host.ID())
	n.PassedOn([]wire.AddrTerms{said(1, slices.Concat(bad, good)...), said(2, bad...), own, {Transport: []byte("no identity"), Addrs: good}})
	told := func() (all []string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for p, addrs := range n.told {
			for _, a := range addrs {
				all = append(all, p.String()+" "+a.String())
			}
		}
		return all
	}
	var want []string
	for _, a := range good {
		want = append(want, peerID(t, 1)+" "+a)
	}
	if got := told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	n.PassedOn([]wire.AddrTerms{said(3, good[0])})
	if got := told(); !slices.Equal(got, []string{peerID(t, 3) + " " + good[0]}) {
		t.Errorf("then told %q", got)
	}
	n.listen, _ = listenAddrs([]string{"127.0.0.1:0"})
	if n.PassedOn([]wire.AddrTerms{said(3, bad[0], good[0])}); len(told()) != 2 {
		t.Errorf("a node that only this computer can reach is told %q", told())
	}
	if !n.knows(decoded(t, peerID(t, 3))) || n.knows(decoded(t, peerID(t, 1))) {
		t.Error("whose address is said now is no stranger; who is not there any more is one")
	}
}

func decoded(t *testing.T, id string) peer.ID {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestToldAreCapped: of hundreds of nodes of which others said where they are few are
// called at once, ever less often, and they leave room for friends.
func TestToldAreCapped(t *testing.T) {
	friend := "/ip4/192.0.2.9/tcp/4001/p2p/" + peerID(t, 5000)
	n := quietNet(t, wire0)
	n.cfg.Addrs = func() []string { return []string{friend} }
	n.stopDialling() // nothing is sent
	var all []wire.AddrTerms
	for i := range 500 {
		all = append(all, said(i, fmt.Sprintf("/ip4/192.0.2.1/tcp/%d", 1+i)))
	}
	n.PassedOn(all)
	n.dialAll()
	n.mu.Lock()
	for _, c := range n.callees {
		c.begun, c.next, c.busy = time.Time{}, time.Time{}, false
	}
	n.mu.Unlock()
	n.dialAll()
	n.mu.Lock()
	called := 0
	for _, c := range n.callees {
		if !c.begun.IsZero() {
			called++
		}
	}
	n.mu.Unlock()
	if called != toldAtOnce+1 {
		t.Errorf("%d are called at once, want %d and a friend", called, toldAtOnce)
	}
	c := &callee{told: true, begun: time.Now()}
	var last time.Duration
	for range 20 {
		c.tried(true, c.bond(), true) // it takes the call, and lets nobody in
		last = c.pause
	}
	if last != dialTold {
		t.Errorf("who never lets this node in is called every %v, want %v", last, dialTold)
	}
	n.PassedOn(nil)
	n.mu.Lock()
	for _, c := range n.callees {
		c.busy = false
	}
	n.mu.Unlock()
	n.dialAll()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.callees) != 1 {
		t.Errorf("%d are called whom nobody names any more", len(n.callees)-1)
	}
}
