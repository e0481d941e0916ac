package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
	"coop/sync/replica"
	"coop/sync/wire"
)

// TestReached: a teller counts as reached who is connected, or who wrote on top of
// what this device wrote lately, through others; what is said can be paid is what
// is let through.
func TestReached(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	pay := func(amount string) error {
		_, err := chi.Pay(t.Context(), node.Payment{Who: "Bo", Amount: amount})
		return err
	}
	canPay := func(v node.View) int64 { return v.CanPay(ledger.AccountKey{Unit: "hour", Owner: v.Me.ID}) }
	if v := chi.See(); v.OutOfReach != "" || canPay(v) != 5000 {
		t.Errorf("with all there: %q, can pay %d", v.OutOfReach, canPay(v))
	}
	chi.Sleep(3 * time.Minute) // what it wrote before is long ago
	street.Part(chi)
	must[record.ID](t)(chi.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Pears"}))
	must[record.ID](t)(ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Apples"}))
	street.Meet(bo, chi)
	nodetest.AwaitSame(ana, bo, chi) // Chi has a fresh record of the teller's, which does not know what Chi wrote
	if v := chi.See(); !strings.Contains(v.OutOfReach, "Ana, who keeps the minutes, cannot be reached") || canPay(v) != 1000 {
		t.Errorf("Ana is not known to be there, and it says %q, can pay %d", v.OutOfReach, canPay(v))
	}
	refuse(t, pay("10.01"), "refused", "Ana, who keeps the minutes, cannot be reached from here")
	refuse(t, pay("6"), "", "")
	nodetest.AwaitSame(ana, bo, chi)
	v := chi.Await("Ana is there, through Bo", func(v node.View) bool { return v.OutOfReach == "" })
	if canPay(v) != 4400 || v.Tellers[0].Connected || !v.Tellers[0].Reached {
		t.Errorf("Ana is there through Bo, and Chi can pay %d: %+v", canPay(v), v.Tellers[0])
	}
	refuse(t, pay("20"), "", "")
	nodetest.AwaitSame(ana, bo, chi)
	for _, end := range []func(replica.SessionID){
		func(id replica.SessionID) { chi.Message(id, wire.Bye{Reason: "no answer in time"}) },
		func(replica.SessionID) { street.Part(ana) },
	} {
		street.Meet(ana, chi)
		var session replica.SessionID
		live := func(v node.View) bool {
			i := slices.IndexFunc(v.Peers, func(p node.Peer) bool { return p.Name == "Ana" && p.Live })
			if i >= 0 {
				session = v.Peers[i].Session
			}
			return i >= 0
		}
		chi.Await("Ana", live)
		for _, h := range []*nodetest.House{chi, ana} {
			must[record.ID](t)(h.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: "Plums"}))
			nodetest.AwaitSame(ana, bo, chi)
		}
		end(session)
		chi.Await("Ana is gone", func(v node.View) bool { return !live(v) })
		if v := chi.See(); v.OutOfReach == "" {
			t.Error("Ana has just gone, and counts as reached by what she wrote before")
		}
	}
	street.Meet(ana, bo)
	refuse(t, pay("1"), "", "")
	nodetest.AwaitSame(ana, bo, chi)
	chi.Await("Ana is there, through Bo", func(v node.View) bool { return v.OutOfReach == "" })
	chi.Sleep(3 * time.Minute)
	if v := chi.See(); v.OutOfReach == "" || canPay(v) != 1000 {
		t.Errorf("after a while it says %q, can pay %d", v.OutOfReach, canPay(v))
	}
}

// TestOfflineRequest: what is paid because somebody asked for it keeps to the offline
// limit as any payment does.
func TestOfflineRequest(t *testing.T) {
	street, ana, others := willow(t, true, "Bo")
	bo := others[0]
	ask := func(amount string) string {
		return must[record.ID](t)(ana.Request(t.Context(), node.Payment{Who: "Bo", Amount: amount})).String()
	}
	much, little := ask("10.01"), ask("10")
	nodetest.AwaitSame(ana, bo)
	street.Part(bo)
	_, err := bo.Accept(t.Context(), much, "")
	refuse(t, err, "refused", "before the minutes confirm it")
	must[record.ID](t)(bo.Accept(t.Context(), little, ""))
}

// TestOfflineReverse: what is given back keeps to the offline limit as any payment
// does, whole or in part.
func TestOfflineReverse(t *testing.T) {
	street, ana, others := willow(t, true, "Bo")
	bo := others[0]
	paid := must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Bo", Amount: "12"})).String()
	nodetest.AwaitSame(ana, bo)
	must[record.ID](t)(bo.Accept(t.Context(), paid, ""))
	nodetest.AwaitSame(ana, bo)
	street.Part(bo)
	back := func(amount string) error {
		_, err := bo.Reverse(t.Context(), paid, amount, "")
		return err
	}
	refuse(t, back(""), "refused", "before the minutes confirm it")
	refuse(t, back("10.01"), "refused", "before the minutes confirm it")
	refuse(t, back("6"), "", "")
	refuse(t, back("4.01"), "refused", "of which 6.00 hour waits")
	refuse(t, back("4"), "", "")
	refuse(t, back(""), "refused", "before the minutes confirm it")
}
