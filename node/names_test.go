package node_test

import (
	"strings"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/crdt/table"
	"coop/node"
	"coop/node/nodetest"
)

// stateOf returns a state with these people, who have the ids that are given.
func stateOf(people ...member.Member) *coop.State {
	s := &coop.State{Acts: coop.Acts{People: member.New()}}
	for _, m := range people {
		s.People.Members.Put(m.ID, m)
		s.People.Persons.Put(m.ID, m.ID)
	}
	s.People.Awaited = table.New[record.ID, member.Awaited]()
	return s
}

// TestFindMember: nobody gets what was meant for another. Ids are whole words of their
// own; a name that begins an id means nobody until more of the id is typed.
func TestFindMember(t *testing.T) {
	id := func(text string) record.ID {
		id, err := record.ParseID(text + strings.Repeat("a", 52-len(text)))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ana := member.Member{ID: id("k3fabcde"), Name: "Ana", Status: member.StatusMember}
	liar := member.Member{ID: id("zzzz"), Name: "k3fa", Status: member.StatusMember}
	bo := member.Member{ID: id("bbbb"), Name: "Bo", Status: member.StatusMember}
	other := member.Member{ID: id("cccc"), Name: "bO", Status: member.StatusAssociate, SponsoredBy: ana.ID, Since: 1_800_000_000_000}
	left := member.Member{ID: id("dddd"), Name: "Ana", Status: member.StatusLeft}
	s := stateOf(ana, liar, bo, other, left)
	for typed, want := range map[string]record.ID{
		"ana": ana.ID, " Ana ": ana.ID, "k3fab": ana.ID, "K3FABCDE": ana.ID, ana.ID.String(): ana.ID, liar.ID.String(): liar.ID,
		"zzzz": liar.ID, "dddd": left.ID, "bbbb": bo.ID,
	} {
		if m, err := node.FindMember(s, typed); err != nil || m.ID != want {
			t.Errorf("%q: got %s, %v", typed, m.ID.Short(), err)
		}
	}
	for typed, says := range map[string]string{
		"k3fa": "2 people are meant", "BO": "cccc", "b": "nobody", "": "nobody", "kkkk": "nobody",
	} {
		if m, err := node.FindMember(s, typed); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %s, %v", typed, m.Name, err)
		}
	}
	_, err := node.FindMember(s, "bo")
	if text := err.Error(); !strings.Contains(text, "since 15 January 2027, let in by Ana") || !strings.Contains(text, "bbbb") {
		t.Errorf("how to tell two apart: %s", text)
	}
}

// TestLabels: who could be taken for somebody else, or is gone, is marked.
func TestLabels(t *testing.T) {
	people := []member.Member{
		{ID: record.ID{1}, Name: "Ana", Status: member.StatusMember},
		{ID: record.ID{2}, Name: "\u0410na", Status: member.StatusMember}, // Cyrillic
		{ID: record.ID{3}, Name: "Bo", Status: member.StatusMember},
		{ID: record.ID{4}, Name: "bo", Status: member.StatusLeft},
		{ID: record.ID{5}, Name: "Chi", Status: member.StatusExpelled},
	}
	labels := node.NewLabels(stateOf(people...))
	for i, want := range []string{
		"Ana (" + people[0].ID.Short() + ")", "\u0410na (" + people[1].ID.Short() + ")", "Bo", "bo (" + people[3].ID.Short() + ", left)", "Chi (expelled)",
	} {
		if got := labels.Of(people[i].ID); got != want {
			t.Errorf("%s is called %s, not %s", people[i].Name, got, want)
		}
	}
}

// TestComeBack: who left owing comes back to the same account with the 24 words, if a
// sponsor who was told so admits them.
func TestComeBack(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code := must[node.Invited](t)(ana.Invite(t.Context(), 2, 0, false)).Code
	bo := nodetest.Join(t, street, code, "Bo")
	street.Meet(ana, bo)
	me := bo.Await("joined", joined).Me.ID
	old := words(bo)
	must[record.ID](t)(bo.Leave(t.Context(), "Willow Street"))
	ana.Await("Bo left", func(v node.View) bool { m, _ := v.State.People.Members.Get(me); return m.Gone() })
	street.Part(bo)

	back := nodetest.JoinWith(t, street, node.JoinAs{Code: code, As: "Robert", Device: "new desk", Kept: old})
	street.Meet(ana, back)
	v := ana.Await("Bo at the door", func(v node.View) bool { return len(v.Todo().Admit) == 1 })
	if asks := v.Todo().Admit[0].Asks(); !strings.Contains(asks, "who left") || !strings.Contains(asks, "--yes") {
		t.Errorf("Ana is told: %s", asks)
	}
	back.Await("a reason to wait", func(v node.View) bool { return strings.Contains(v.Waits, "by hand") })
	_, err := ana.Admit(t.Context(), "Robert", false)
	refuse(t, err, "refused", "Robert is Bo, who left")
	must[record.ID](t)(ana.Admit(t.Context(), back.CardWords(), true))
	if v := back.Await("joined", joined); v.Me.ID != me || v.Me.Status != member.StatusAssociate {
		t.Errorf("Bo came back as %s, %s", v.Me.ID.Short(), v.Me.Status)
	}
}
