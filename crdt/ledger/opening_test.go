package ledger_test

import (
	"testing"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
)

// TestFound holds what accounts begin with: those of the opening have theirs,
// and the treasury makes each unit add up, also where it owes.
func TestFound(t *testing.T) {
	rootOf := func(name string) record.Key { return record.NewPrivate(idOf(name)).Public() }
	idOf := func(name string) record.ID { return member.MemberID(coop, rootOf(name)) }
	f := member.Founding{Units: []member.Unit{euro, bread}, Opening: []member.Opening{
		{Root: rootOf("Ana"), Balances: []int64{member.MaxOpening, 0}},
		{Root: rootOf("Bo"), Balances: []int64{-5, 7}},
		{Root: rootOf("Chi"), Balances: []int64{0, -20}},
	}}
	s := ledger.Found(coop, f)
	s.CheckZero()
	want := map[ledger.AccountKey]int64{
		{Unit: "euro", Owner: idOf("Ana")}: member.MaxOpening, {Unit: "euro", Owner: idOf("Bo")}: -5, {Unit: "euro", Owner: coop}: 5 - member.MaxOpening,
		{Unit: "bread", Owner: idOf("Bo")}: 7, {Unit: "bread", Owner: idOf("Chi")}: -20, {Unit: "bread", Owner: coop}: 13,
	}
	for k, a := range s.Accounts.All() {
		if a != (ledger.Account{Balance: want[k]}) {
			t.Errorf("%s in %s begins with %+v, want %d", k.Owner.Short(), k.Unit, a, want[k])
		}
	}
	if s.Accounts.Len() != len(want) {
		t.Errorf("%d accounts, want %d: what begins with nothing was never used", s.Accounts.Len(), len(want))
	}
	if ledger.Found(coop, member.Founding{Units: f.Units}).Accounts.Len() != 0 {
		t.Error("a co-op that succeeds none begins with accounts")
	}
}
