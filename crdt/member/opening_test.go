package member_test

import (
	"slices"
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

// succeeding are terms of Ana's that take Ana, Bo and Chi along; Chi is an
// associate.
func succeeding() member.Founding {
	f := terms("Ana")
	f.Succeeds = member.Succession{Coop: record.ID{3}, Frontier: [32]byte{4}}
	for i, n := range []string{"Ana", "Bo", "Chi"} {
		f.Opening = append(f.Opening, member.Opening{Name: n, Root: rootOf(n).Public(), Member: n != "Chi", Balances: []int64{100 * int64(i+1), -int64(i)}})
	}
	sortOpening(&f)
	return f
}

func sortOpening(f *member.Founding) {
	slices.SortFunc(f.Opening, func(a, b member.Opening) int { return a.Root.Compare(b.Root) })
}

func TestOpeningIsChecked(t *testing.T) {
	tests := map[string]struct {
		change func(*member.Founding)
		says   string
	}{
		"of no co-op":            {func(f *member.Founding) { f.Succeeds = member.Succession{} }, "no co-op"},
		"a frontier of no co-op": {func(f *member.Founding) { f.Succeeds.Coop, f.Opening = record.ID{}, nil }, "no co-op"},
		"no name":                {func(f *member.Founding) { f.Opening[1].Name = "" }, "empty"},
		"name turned around":     {func(f *member.Founding) { f.Opening[1].Name = "B\u202eo" }, "invisible"},
		"no key":                 {func(f *member.Founding) { f.Opening[0].Root = smallOrder }, f0Name()},
		"unsorted":               {func(f *member.Founding) { slices.Reverse(f.Opening) }, "sorted"},
		"twice":                  {func(f *member.Founding) { f.Opening[1] = f.Opening[0] }, "sorted"},
		"a balance missing":      {func(f *member.Founding) { f.Opening[2].Balances = []int64{1} }, "1 balances for 2 units"},
		"a balance too many":     {func(f *member.Founding) { f.Opening[2].Balances = []int64{1, 2, 3} }, "3 balances for 2 units"},
		"too much":               {func(f *member.Founding) { f.Opening[0].Balances[1] = member.MaxOpening + 1 }, "minor units"},
		"too much owed":          {func(f *member.Founding) { f.Opening[0].Balances[1] = -member.MaxOpening - 1 }, "minor units"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := succeeding()
			tt.change(&f)
			_, err := member.NewFounding(f, sigsOf(f))
			refuse(t, err, tt.says)
		})
	}
	f := succeeding()
	f.Opening[0].Balances = []int64{member.MaxOpening, -member.MaxOpening}
	if _, err := member.NewFounding(f, sigsOf(f)); err != nil {
		t.Errorf("as much as there may be: %v", err)
	}
	f.Opening = nil
	if _, err := member.NewFounding(f, sigsOf(f)); err != nil {
		t.Errorf("nobody taken along: %v", err)
	}
}

// TestNamesake: by the keys it is told who is awaited, not by the name alone.
func TestNamesake(t *testing.T) {
	w := worldOf(t, succeeding())
	for _, tt := range []struct {
		root, name string
		want       string
	}{
		{"Mal", "Bo", "Bo"}, {"Mal", "bO", "Bo"}, {"Chi", "Bo", ""}, {"Bo", "Bo", ""}, {"Bo", "Robert", ""}, {"Mal", "Mal", ""}, {"Mal", "Ana", ""},
	} {
		c, err := member.NewCard(w.cardTerms(tt.name), key("invite"), rootOf(tt.root), deviceOf("Mal"))
		w.must(err)
		if got, ok := w.Namesake(c); got.Name != tt.want || ok != (tt.want != "") {
			t.Errorf("%s, who calls themselves %s: got %q", tt.root, tt.name, got.Name)
		}
	}
}

// f0Name is whose root sorts first.
func f0Name() string { return succeeding().Opening[0].Name }

// TestOpeningOfMany takes as many people along as PROTOCOL.md says fit, and then
// too many.
func TestOpeningOfMany(t *testing.T) {
	f := succeeding()
	f.Opening = nil
	for i := range 1200 {
		name := text(10) + string(rune('a'+i%26))
		root := key(name + string(rune(i))).Public()
		f.Opening = append(f.Opening, member.Opening{Name: name, Root: root, Balances: []int64{-100_000, 100_000}})
	}
	sortOpening(&f)
	_, err := member.NewFounding(f, sigsOf(f))
	refuse(t, err, "1200 people do not fit")
	f.Opening = f.Opening[:1000]
	body, err := member.NewFounding(f, sigsOf(f))
	if err != nil || len(body) > record.MaxBodyLen {
		t.Errorf("1000 people take %d bytes: %v", len(body), err)
	}
}

// TestAwaited holds who has a place in a co-op that succeeds another, and that
// only the holder of the root can take it.
func TestAwaited(t *testing.T) {
	w := worldOf(t, succeeding())
	if w.Members.Len() != 1 || w.Awaited.Len() != 2 || len(w.Voters()) != 1 || w.Succeeds.Coop != (record.ID{3}) {
		t.Fatalf("%d members, %d awaited, %d voters", w.Members.Len(), w.Awaited.Len(), len(w.Voters()))
	}
	// Somebody who calls himself Bo has another root, and so no place.
	mal := w.cardTerms("Bo")
	invite := "invite for Mal"
	w.must(w.act(deviceOf("Ana"), member.KindInvite, member.NewInvite(key(invite).Public(), 1, 0)))
	c, err := member.NewCard(mal, key(invite), rootOf("Mal"), deviceOf("Mal"))
	w.must(err)
	// Bo's root in the card of somebody who does not have it: his signature is missing.
	stolen := c
	stolen.Root = rootOf("Bo").Public()
	mustFail(t, "a card with Bo's root and Mal's signature", w.act(deviceOf("Ana"), member.KindAdmit, stolen.Encode()))
	w.must(w.act(deviceOf("Ana"), member.KindAdmit, c.Encode()))
	if m, _ := w.Members.Get(c.Member()); m.Name != "Bo" || m.Status != member.StatusAssociate || w.Awaited.Len() != 2 {
		t.Errorf("a namesake is %s, and %d are awaited", m.Status, w.Awaited.Len())
	}
	w.join("Bo", "Chi", "Dee")
	for name, want := range map[string]member.Status{"Bo": member.StatusMember, "Chi": member.StatusAssociate, "Dee": member.StatusAssociate} {
		if got := w.get(name).Status; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if w.Awaited.Len() != 0 || len(w.Voters()) != 2 {
		t.Errorf("%d awaited, %d voters", w.Awaited.Len(), len(w.Voters()))
	}
}

func TestRecoverWithAwaitedRoot(t *testing.T) {
	w := worldOf(t, succeeding())
	w.join("Dee")
	terms := recoveryTerms(w, "Dee")
	c, err := member.NewRecoveryCard(terms, rootOf("Bo"), key("new device"))
	w.must(err)
	refuse(t, w.Recover(w.id("Dee"), c.Encode()), "awaited")
}
