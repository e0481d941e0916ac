package node_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coop/crdt/ledger"
	"coop/crdt/listing"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/keys"
	"coop/node/nodetest"
	"coop/node/store"
)

// readOld reads the co-op of somebody whose node is stopped for good.
func readOld(t *testing.T, h *nodetest.House) *node.Old {
	t.Helper()
	h.Close()
	home := must[*keys.Home](t)(keys.Open(filepath.Dir(h.Home.StoreDir())))
	defer home.Close()
	s := must[*store.Store](t)(store.Open(home.StoreDir()))
	defer s.Close()
	return must[*node.Old](t)(node.ReadOld(home, s))
}

// TestOldTerms holds what a successor takes along, and that whoever has the old
// home sees every difference from that.
func TestOldTerms(t *testing.T) {
	_, ana, others := willow(t, true, "Bo", "Cleo")
	bo, cleo := others[0], others[1]
	must[record.ID](t)(bo.AcceptAlways(t.Context(), []node.Standing{{Max: "50"}}))
	nodetest.AwaitSame(ana, bo, cleo)
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Bo", Amount: "3"}))
	must[record.ID](t)(ana.Pay(t.Context(), node.Payment{Who: "Cleo", Amount: "1"})) // which she does not accept
	nodetest.AwaitSame(ana, bo, cleo)
	must[record.ID](t)(cleo.Pay(t.Context(), node.Payment{Who: node.Treasury, Amount: "2"}))
	nodetest.AwaitSame(ana, bo, cleo)
	must[record.ID](t)(cleo.Leave(t.Context(), "Willow Street"))
	ana.Await("Cleo has left", func(v node.View) bool {
		m, err := node.FindMember(v.State, "Cleo")
		return err == nil && m.Gone()
	})
	nodetest.AwaitSame(ana, bo) // who has left may not be told the end

	old := readOld(t, ana)
	f := must[member.Founding](t)(old.Terms())
	if f.Succeeds != (member.Succession{Coop: old.State.People.Coop, Frontier: old.State.Frontier}) || f.Name != "Willow Street" {
		t.Errorf("it succeeds %+v and is called %q", f.Succeeds, f.Name)
	}
	want := map[string]int64{"Ana": -300, "Bo": 300}
	if len(f.Opening) != len(want) {
		t.Errorf("%d people are taken along: Cleo has left", len(f.Opening))
	}
	for _, p := range f.Opening {
		if !p.Member || !slices.Equal(p.Balances, []int64{want[p.Name], 0}) {
			t.Errorf("%s begins as a member (%v) with %v, want %d", p.Name, p.Member, p.Balances, want[p.Name])
		}
	}
	if got := old.LeftOut(); got.Unanswered != 0 || got.Offices != 0 {
		t.Errorf("left out: %+v; what Cleo did not accept was declined when she left", got)
	}

	differs := func(name, says string, change func(*member.Founding)) {
		t.Helper()
		g := must[member.Founding](t)(old.Terms())
		change(&g)
		lines := must[[]string](t)(old.Differs(g))
		if says == "" && lines != nil || says != "" && (len(lines) != 1 || !strings.Contains(lines[0], says)) {
			t.Errorf("%s: got %q, want %q", name, lines, says)
		}
	}
	differs("nothing", "", func(*member.Founding) {})
	differs("a balance", "00.00 hour, 0.00 euro; by your old home it would be member", func(g *member.Founding) { g.Opening[0].Balances[0] += 10_000 - want[g.Opening[0].Name] })
	differs("a vote", "as associate", func(g *member.Founding) { g.Opening[1].Member = false })
	differs("somebody left out", "begins here as nobody", func(g *member.Founding) { g.Opening = g.Opening[1:] })
	differs("somebody added", "Mal begins here as member, 1.00 hour, 0.00 euro; by your old home it would be nobody", func(g *member.Founding) {
		g.Opening = append(g.Opening, member.Opening{Name: "Mal", Root: record.Key{1}, Member: true, Balances: []int64{100, 0}})
	})
	differs("another co-op", "does not succeed Willow Street", func(g *member.Founding) { g.Succeeds.Coop = record.ID{} })

	old.State.Ledger.Accounts.Put(ledger.AccountKey{Unit: "hour", Owner: old.Me.ID}, ledger.Account{Balance: member.MaxOpening + 1})
	_, err := old.Terms()
	refuse(t, err, "refused", "Ana has 10000000000.01 hour")
}

func TestBringListings(t *testing.T) {
	_, ana, others := willow(t, false, "Bo")
	bo := others[0]
	eggs := listing.Draft{Kind: listing.Offer, Title: "Eggs", Tags: []string{"fresh"}, Price: "3 hour"}
	must[record.ID](t)(bo.AddListing(t.Context(), eggs)) // another's is not one's own
	nodetest.AwaitSame(ana, bo)
	bread := eggs
	bread.Title = "Bread"
	bring := func(want int, drafts ...listing.Draft) (ids []record.ID) {
		t.Helper()
		if ids = must[[]record.ID](t)(ana.BringListings(t.Context(), drafts)); len(ids) != want {
			t.Errorf("%d listings were brought, want %d", len(ids), want)
		}
		return ids
	}
	_, err := ana.BringListings(t.Context(), []listing.Draft{eggs, {Kind: listing.Offer, Title: "Pears", Price: "-1 hour"}})
	refuse(t, err, "invalid", `"Pears"`)
	ids := bring(2, eggs, bread, bread)
	must[record.ID](t)(ana.CloseListing(t.Context(), ids[0].String()))
	bring(0, eggs, bread)
	eggs.Price = "4 hour"
	bring(1, eggs)
}
