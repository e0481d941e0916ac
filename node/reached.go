package node

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/ledger"
	"coop/crdt/record"
	"coop/sync/replica"
)

// reachedFor is how long a record of this device shows that a teller can be
// reached who has written on top of it: time for the next payment, and little to be
// cut off in.
const reachedFor = 2 * time.Minute

// reachable reports whether enough tellers can be reached to bring an act into the
// minutes.
func (n *Node) reachable() bool {
	here := 0
	for _, t := range n.tellers(n.coop.State()) {
		if t.Reached {
			here++
		}
	}
	return here >= n.tellersNeeded()
}

// reached reports whether a device is there: it is this computer, it is connected, or
// it has written on top of what this device wrote a short while ago, through
// whomever that went. When its record was written says nothing: only the clock of
// this computer is asked, about this device's own records.
func (n *Node) reached(device record.Key) bool {
	if device == n.cfg.Home.Device().Public() || n.connected(device) {
		return true
	}
	if !slices.ContainsFunc(n.replica.Peers(), func(p replica.Peer) bool { return p.Live }) {
		return false // nobody is there through whom a way could go
	}
	mine, wrote := n.wroteLately(n.parted[device])
	h := n.coop.History()
	return wrote && slices.ContainsFunc(h.TipsOf(device), func(tip history.Ref) bool { return h.InPast(mine, tip) })
}

// Disconnected ends a session. What came before from its device shows no more that
// it is there.
func (n *Node) Disconnected(id replica.SessionID) {
	_ = n.ask(context.Background(), func() {
		for _, p := range n.replica.Peers() {
			if p.Session == id {
				n.part(p.Device)
			}
		}
		n.replica.Disconnected(id)
	})
}

// part notes that a session with a device ended, or that one of the two closed the
// door on the other. Of devices that nobody added nothing is kept.
func (n *Node) part(device record.Key) {
	if n.coop.History().Len() > 0 && n.coop.People().Devices.Has(device) {
		n.parted[device] = n.cfg.Now()
	}
}

// wroteLately returns the first record that this device wrote a short while ago, and
// after another time.
func (n *Node) wroteLately(after time.Time) (first history.Ref, ok bool) {
	h := n.coop.History()
	tips := h.TipsOf(n.cfg.Home.Device().Public())
	if len(tips) != 1 {
		return first, false
	}
	now := n.cfg.Now()
	longest := min(reachedFor, now.Sub(after))
	age := func(back int) time.Duration { return now.Sub(time.UnixMilli(h.At(h.Back(tips[0], uint64(back))).Time)) }
	older := sort.Search(int(h.At(tips[0]).Seq), func(back int) bool { return age(back) > longest })
	if older == 0 || age(older-1) < -reachedFor {
		return first, false // nothing lately, or by another clock
	}
	return h.Back(tips[0], uint64(older-1)), true
}

// connected reports whether a device is connected to this node.
func (n *Node) connected(device record.Key) bool {
	return slices.ContainsFunc(n.replica.Peers(), func(p replica.Peer) bool { return p.Live && p.Device == device })
}

// outOfReach says which tellers lack where too few can be reached; "" where enough
// are.
func (n *Node) outOfReach(s *coop.State) string {
	if n.reachable() {
		return ""
	}
	var away []string
	for _, t := range n.tellers(s) {
		if !t.Reached {
			away = append(away, t.called)
		}
	}
	verb := map[bool]string{true: "keeps", false: "keep"}[len(away) == 1]
	return fmt.Sprintf("%s, who %s the minutes, cannot be reached from here", names(away), verb)
}

// offline says why a payment should wait for the minutes. A node that reaches
// enough tellers to confirm it soon is not offline.
func (n *Node) offline(s *coop.State, me record.ID, unit string, amount int64) error {
	lack := n.outOfReach(s)
	if lack == "" {
		return nil
	}
	if err := ledger.Offline(s.People, me, unit, amount, provisional(s, me, unit)); err != nil {
		return &Refused{fmt.Sprintf("%v (%s)", err, lack)}
	}
	return nil
}

// CanPay returns what the owner of an account can pay now, in minor units: of this
// member no more than the offline limit leaves, while too few tellers can be reached.
func (v View) CanPay(k ledger.AccountKey) int64 {
	most := v.State.Ledger.Available(v.State.People, k)
	if v.OutOfReach != "" && k.Owner == v.Me.ID {
		most = min(most, ledger.OfflineLeft(v.State.People, k.Unit, provisional(v.State, k.Owner, k.Unit)))
	}
	return most
}

func provisional(s *coop.State, who record.ID, unit string) int64 {
	return s.Ledger.Provisional(s.Minuted.Ledger, who, unit)
}
