package api

import (
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// TestLatest: how new a file of evidence is cannot be made up by one wrong clock, be it
// a member's or that of one of two tellers.
func TestLatest(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana", "hour")
	made := func(id record.ID, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id.String()
	}
	code, err := ana.Invite(t.Context(), 1, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	bo := nodetest.Join(t, street, code.Code, "Bo")
	street.Meet(ana, bo)
	bo.Await("joined", func(v node.View) bool { return v.Joined && v.Me.ID != record.ID{} })
	latest := func() time.Time {
		t.Helper()
		nodetest.AwaitSame(ana, bo)
		file, err := ana.Evidence(t.Context(), aboutLedger)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Audit(file)
		if err != nil {
			t.Fatal(err)
		}
		return a.Latest
	}
	street.Part(bo) // for a clock that jumps, no answer comes in time
	bo.Sleep(100 * 365 * 24 * time.Hour)
	street.Meet(ana, bo)
	made(bo.Request(t.Context(), node.Payment{Who: "Ana", Amount: "1"}))
	if got := latest(); got.After(time.Now().Add(time.Hour)) {
		t.Errorf("after a member's wrong clock it says %s", got)
	}
	for _, effect := range []string{"members:Bo", "tellers:Ana,Bo"} {
		id := made(ana.OpenProposal(t.Context(), node.Proposal{Title: strings.Replace(effect, ":", " ", 1), Effects: []string{effect}}))
		made(ana.Vote(t.Context(), id, "yes", ""))
		nodetest.AwaitSame(ana, bo)
		if effect != "members:Bo" {
			made(bo.Vote(t.Context(), id, "yes", ""))
			nodetest.AwaitSame(ana, bo)
		}
	}
	made(bo.Request(t.Context(), node.Payment{Who: "Ana", Amount: "1"}))
	if got := latest(); got.After(time.Now().Add(time.Hour)) {
		t.Errorf("after the wrong clock of one of two tellers it says %s", got)
	}
	if tellers := ana.See().Tellers; len(tellers) != 2 {
		t.Errorf("%d tellers", len(tellers))
	}
}

// TestForkedOfOne: whose devices forked is one line of an audit, however many they are.
func TestForkedOfOne(t *testing.T) {
	got := byPerson(map[string][]string{"Eve": {"a", "b", "c"}, "Bo": {"desk"}})
	if want := []string{"Bo/desk", "Eve (3 computers)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
