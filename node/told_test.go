package node_test

import (
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
	"coop/sync/replica"
	"coop/sync/wire"
)

// hand is the session of two nodes whose messages the test carries.
const hand = replica.SessionID(1 << 60)

// carry connects two nodes by hand and carries what they say to each other until
// both are silent. What pass returns nil for does not arrive.
func carry(a, b *nodetest.House, pass func(wire.Message) wire.Message) {
	ends := []*nodetest.House{a, b}
	for i, h := range ends {
		key := record.NewPrivate(ends[1-i].Home.Secrets().Transport)
		h.Connected(hand, wire.TransportIdentity(key.Public()), i == 0)
	}
	for silent := 0; silent < 2; {
		for i, h := range ends {
			m, ok := h.Next(hand)
			if silent++; ok {
				silent = 0
				if m = pass(m); m != nil {
					ends[1-i].Message(hand, m)
				}
			}
		}
	}
}

// gate is a network that holds the node's loop where it publishes.
type gate struct {
	node.Network
	reached, open chan struct{}
}

func (g *gate) Publish([]*record.Record)             { g.reached <- struct{}{}; <-g.open }
func (g *gate) Ready(replica.SessionID)              {}
func (g *gate) Close(replica.SessionID)              {}
func (g *gate) Addrs() []string                      { return nil }
func (g *gate) PeerAddrs(replica.SessionID) []string { return nil }
func (g *gate) PassedOn([]wire.AddrTerms)            {}

// TestToldWhenDurable: a newcomer at the door is admitted, by a record that cannot
// be stored. They hear nothing of it, also where their session asks before that is
// known.
func TestToldWhenDurable(t *testing.T) {
	for _, works := range []bool{true, false} {
		street := nodetest.NewStreet()
		ana := nodetest.Found(t, street, "Ana")
		bo := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code, "Bo")
		var card wire.Message
		carry(ana, bo, func(m wire.Message) wire.Message {
			if _, ok := m.(wire.Vouch); ok {
				card = m
				return nil
			}
			return m
		})
		n, g := ana.Node, &gate{reached: make(chan struct{}, 8), open: make(chan struct{})}
		if err := errors.Join(n.Attach(g), pears(t, ana)); err != nil {
			t.Fatal(err)
		}
		<-g.reached
		if !works {
			if err := ana.Store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		// While the loop stands still, these queue up, to be handled in one go.
		var said atomic.Int64
		var queue sync.WaitGroup
		next := func() {
			if _, ok := n.Next(hand); ok {
				said.Add(1)
			}
		}
		shown := make(chan struct{})
		queue.Go(func() { n.Message(hand, card); close(shown) })
		queued()
		for range 4 {
			queue.Go(func() {
				for over := false; !over; {
					next()
					select {
					case <-shown:
						over = true
					default:
					}
				}
			})
		}
		queued()
		close(g.open)
		queue.Wait()
		next()
		if got := said.Load(); (got > 0) != works {
			t.Errorf("the store works: %v, and Bo hears %d messages", works, got)
		}
		if works {
			continue
		}
		if err := n.Close(); err == nil {
			t.Error("the node closes as if nothing had been wrong")
		}
		ana.Node = nil
		ana.Home.Close()
	}
}

// queued lets other goroutines run until they wait. Where they do not, a broken
// rule may go unnoticed, and nothing else.
func queued() {
	for range 50_000 {
		runtime.Gosched()
	}
}

// TestJoinedWhenItStands: a newcomer who is let in, and holds all that the invite
// names, has not joined before they hold what makes their device stand.
func TestJoinedWhenItStands(t *testing.T) {
	for _, admitted := range []bool{true, false} {
		street := nodetest.NewStreet()
		ana := nodetest.Found(t, street, "Ana")
		invite := must[member.Invite](t)(member.ParseInvite(must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code))
		bo := nodetest.Join(t, street, invite.String(), "Bo")
		carry(ana, bo, func(m wire.Message) wire.Message {
			if rs, ok := m.(wire.Records); ok && !admitted {
				rs.Records = slices.DeleteFunc(rs.Records, func(r *record.Record) bool { return r.Kind == member.KindAdmit })
				return rs
			}
			return m
		})
		v := bo.See()
		if v.Joined != admitted {
			t.Errorf("holds what admits them: %v, joined: %v", admitted, v.Joined)
		}
		if v.State == nil || !held(bo, invite.Leader) {
			t.Error("Bo does not hold what the invite names")
		}
	}
}

// TestMarkerOfATeller: a teller's device whose marker speaks against it writes no
// ack either.
func TestMarkerOfATeller(t *testing.T) {
	street, ana, others := willow(t, true, "Bo")
	bo := others[0]
	dir, backup := filepath.Dir(ana.Home.StoreDir()), filepath.Join(t.TempDir(), "backup")
	ana.Close()
	putBack(t, backup, dir)
	ana.Reopen()
	if err := pears(t, ana); err != nil {
		t.Fatal(err)
	}
	street.Meet(ana, bo)
	nodetest.AwaitSame(ana, bo)
	ana.Close()
	putBack(t, dir, backup)
	ana.Reopen()
	street.Meet(ana, bo)
	ana.Await("it has noticed the other copy", func(v node.View) bool {
		return v.Broken != nil && strings.Contains(v.Broken.Error(), "another copy of this home has signed")
	})
	paid := must[record.ID](t)(bo.Pay(t.Context(), node.Payment{Who: "Ana", Amount: "1"}))
	ana.Await("the payment", func(node.View) bool { return held(ana, paid) })
	// The only teller waits for nobody: an ack would be stored with the payment.
	if last := must[*record.Record](t)(ana.Store.Record(ana.Store.Count() - 1)); last.Kind == coop.KindAck || ana.See().State.InMinutes(paid) {
		t.Errorf("a device that may not sign wrote %s", last.Kind)
	}
}
