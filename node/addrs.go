package node

import (
	"strings"
	"time"

	"coop/sync/wire"
)

const (
	// addrsEvery is how often the node looks where it can be reached, at most.
	addrsEvery = 2 * time.Second

	// addrsKept is how often the home is written because others are somewhere else, at
	// most: what a crash takes back, peers bring again.
	addrsKept = 10 * time.Second
)

// places is what the loop does about where nodes can be reached.
type places struct {
	looked time.Time // when it last looked where this node is
	wrote  time.Time // when it last wrote the home
	moved  bool      // others are somewhere else since
}

// learnAddrs gives the replica the addresses that the home kept.
func (n *Node) learnAddrs() {
	var lists []wire.AddrList
	for _, b := range n.cfg.Home.Addresses() {
		if l, err := wire.DecodeAddrs(b); err == nil {
			lists = append(lists, l)
		}
	}
	n.replica.LearnAddrs(n.cfg.Now(), lists)
}

// seeToAddrs looks where this node can be reached, and keeps where others can, each if
// it was not done a short while ago; then it returns for how long that is to wait.
func (n *Node) seeToAddrs() (left time.Duration, waits bool) {
	if n.network == nil {
		return 0, false
	}
	now := n.cfg.Now()
	if left = pauseLeft(n.places.looked, now, addrsEvery); left == 0 {
		n.places.looked = now
		n.sayAddrs(now)
	}
	if n.places.moved {
		keep := pauseLeft(n.places.wrote, now, addrsKept)
		if keep == 0 {
			n.places.wrote = now
			n.keepAddrs()
		} else if left == 0 || keep < left {
			left = keep
		}
	}
	return left, left > 0
}

// pauseLeft returns how long it is until something may be done again; by a clock that
// was set back since, it may.
func pauseLeft(last, now time.Time, pause time.Duration) time.Duration {
	if since := now.Sub(last); 0 <= since && since < pause {
		return pause - since
	}
	return 0
}

// sayAddrs tells the replica where this node is, if it is anywhere: who was on a
// network is there again when others hear of it. Addresses with a zone hold for this
// computer only.
func (n *Node) sayAddrs(now time.Time) {
	var own []string
	for _, a := range n.network.Addrs() {
		if a, _, _ = strings.Cut(a, "/p2p/"); !strings.HasPrefix(a, "/ip6zone/") {
			own = append(own, a)
		}
	}
	if n.cfg.Unlisted {
		n.replica.SetAddrs(now, nil)
	} else if own != nil {
		n.replica.SetAddrs(now, own)
	}
}

// useAddrs has the network call those of whom peers said where they are.
func (n *Node) useAddrs() {
	n.places.moved = true
	var others []wire.AddrTerms
	for _, l := range n.replica.Addrs() {
		if l.Terms.Device != n.cfg.Home.Device().Public() {
			others = append(others, l.Terms)
		}
	}
	n.network.PassedOn(others)
}

// keepAddrs has the home keep what is known, so that a start finds everybody.
func (n *Node) keepAddrs() {
	if !n.places.moved {
		return
	}
	n.places.moved = false
	var lists [][]byte
	for _, l := range n.replica.Addrs() {
		lists = append(lists, l.Encode())
	}
	if err := n.cfg.Home.SetAddresses(lists); err != nil {
		n.cfg.Log.Warn("where others are is not kept", "error", err)
	}
}
