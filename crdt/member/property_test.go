package member_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/member"
	"coop/crdt/record"
)

var everybody = []string{"Ana", "Bo", "Chi", "Dee", "Eli", "Fay"}

// chaos draws acts and decisions, sensible and not.
type chaos struct {
	*world
	rt *rapid.T
}

func (c chaos) person() string { return rapid.SampledFrom(everybody).Draw(c.rt, "person") }

// device draws a person's first device or one of two further ones.
func (c chaos) device(owner string) *record.Private {
	n := rapid.IntRange(0, 2).Draw(c.rt, "device")
	if n == 0 {
		return deviceOf(owner)
	}
	return key(fmt.Sprintf("%s's device %d", owner, n))
}

// randomAct lets a device of the author act at random, and reports a Problem.
func (c chaos) randomAct(author string) error {
	by, other := c.device(author), c.person()
	invite := rapid.SampledFrom([]string{"i", "j"}).Draw(c.rt, "invite")
	kinds := []string{member.KindInvite, member.KindUninvite, member.KindIntroduce, member.KindAdmit, member.KindAdmit,
		member.KindLeave, member.KindDeviceAdd, member.KindDeviceAdd, member.KindRevoke, member.KindSeatPass}
	kind := rapid.SampledFrom(kinds).Draw(c.rt, "kind")
	var body []byte
	switch kind {
	case member.KindInvite:
		body = member.NewInvite(key(invite).Public(), rapid.Uint32Range(0, 3).Draw(c.rt, "uses"), 0)
	case member.KindUninvite:
		body = member.NewUninvite(key(invite).Public())
	case member.KindIntroduce, member.KindAdmit:
		body = c.card(other, invite).Encode()
	case member.KindDeviceAdd:
		add := c.device(other)
		card, err := member.SignDeviceCard(member.DeviceTerms{Coop: c.Coop, Name: "more"}, rootOf(other), add)
		c.must(err)
		body = card.Encode()
		if rapid.Bool().Draw(c.rt, "itself") {
			by = add
		}
	case member.KindRevoke:
		body = member.NewRevoke(c.device(other).Public())
	case member.KindSeatPass:
		root := rapid.SampledFrom([]*record.Private{nil, rootOf(author), rootOf(other)}).Draw(c.rt, "root")
		body = c.NewSeatPass(c.device(author).Public(), c.device(other).Public(), rapid.Bool().Draw(c.rt, "revoke"), root)
	}
	return c.act(by, kind, body)
}

// decide lets a random decision take effect.
func (c chaos) decide() {
	who := c.id(c.person())
	before := c.bytes()
	var err error
	switch rapid.IntRange(0, 6).Draw(c.rt, "decision") {
	case 0:
		err = c.MakeMember([]record.ID{who})
	case 1:
		err = c.Expel(who, member.MinRemain)
	case 2:
		err = c.SetOffice(who, rapid.SampledFrom(member.Offices()).Draw(c.rt, "office"), rapid.Bool().Draw(c.rt, "on"))
	case 3:
		err = c.SetTellers([]record.Key{c.device(c.person()).Public(), c.device(c.person()).Public()})
	case 4:
		err = c.Rest(who, c.Acts)
	case 5:
		terms := c.cardTerms("X")
		terms.Recovers = who
		card, cardErr := member.NewRecoveryCard(terms, key("new root"), key("new device"))
		c.must(cardErr)
		err = c.Recover(who, card.Encode())
	case 6:
		c.Wake(who)
	}
	if err != nil && !bytes.Equal(before, c.bytes()) {
		c.t.Fatalf("a decision failed (%v) and yet changed the state", err)
	}
}

func (c chaos) step() {
	switch rapid.IntRange(0, 9).Draw(c.rt, "step") {
	case 0:
		_ = c.Advance(record.ID{9}, c.device(c.person()).Public(), rapid.Uint64Range(1, 4).Draw(c.rt, "seq"))
	case 1, 2, 3:
		c.decide()
	default:
		_ = c.randomAct(c.person())
	}
}

// check holds what is true of every state.
func (c chaos) check() {
	var owners []record.ID
	for _, k := range c.Tellers {
		d, ok := c.Devices.Get(k)
		m, _ := c.Members.Get(d.Member)
		if !ok || d.Revoked || m.Gone() || m.Status == member.StatusAssociate {
			c.t.Fatalf("the teller's device %s of %s (%s) is revoked: %v", d.Name, m.Name, m.Status, d.Revoked)
		}
		owners = append(owners, d.Member)
	}
	slices.SortFunc(owners, record.ID.Compare)
	if len(c.Tellers) == 0 || len(slices.Compact(owners)) != len(c.Tellers) {
		c.t.Fatalf("%d tellers, some of one person", len(c.Tellers))
	}
	for _, i := range c.Invites.All() {
		if i.Used > i.Uses {
			c.t.Fatalf("an invite was used %d times of %d", i.Used, i.Uses)
		}
	}
	for _, m := range c.Members.All() {
		if len(m.Offices) > 0 && (m.Gone() || m.Status == member.StatusAssociate) {
			c.t.Fatalf("%s is %s and %v", m.Name, m.Status, m.Offices)
		}
		for _, k := range m.Devices {
			if d, ok := c.Devices.Get(k); !ok || d.Member != m.ID || c.Strangers.Has(k) {
				c.t.Fatalf("the device %s is not %s's alone", k.Short(), m.Name)
			}
		}
	}
}

func TestAnythingGoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := chaos{found(t, "Ana", "Bo", "Chi"), rt}
		for range 40 {
			c.step()
			c.check()
		}
		back := member.New()
		rest, err := back.Read(append(c.bytes(), 7))
		c.must(err)
		if again := (&world{t, back, nil}).bytes(); len(rest) != 1 || !bytes.Equal(again, c.bytes()) {
			rt.Fatal("read back, the state is another")
		}
	})
}

// TestAssociatesMakeNoMember: whatever associates do among themselves, no
// associate becomes a member, and no sponsor, teller or invite appears.
func TestAssociatesMakeNoMember(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := found(t, "Ana")
		w.join("Bo", "Chi", "Dee")
		w.must(w.act(deviceOf("Ana"), member.KindInvite, member.NewInvite(key("i").Public(), 5, 0)))
		c := chaos{w, rt}
		members, voters := w.Members.Len(), w.Voters()
		for range 30 {
			_ = c.randomAct(rapid.SampledFrom([]string{"Bo", "Chi", "Dee", "Eli", "Fay"}).Draw(rt, "author"))
		}
		if !slices.Equal(w.Voters(), voters) || w.Members.Len() != members {
			rt.Fatalf("got %d voters and %d people, want %d and %d", len(w.Voters()), w.Members.Len(), len(voters), members)
		}
		if w.Invites.Len() != 4 || !slices.Equal(w.Tellers, devices("Ana")) {
			rt.Fatalf("got %d invites, want 4; tellers %v", w.Invites.Len(), w.Tellers)
		}
		for _, n := range []string{"Bo", "Chi", "Dee"} {
			if m := w.get(n); m.Status != member.StatusAssociate && m.Status != member.StatusLeft || m.Offices != nil {
				rt.Fatalf("%s is %s, %v", n, m.Status, m.Offices)
			}
		}
	})
}

func TestCloneIsApart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := chaos{found(t, "Ana", "Bo", "Chi"), rt}
		for range rapid.IntRange(0, 20).Draw(rt, "before") {
			c.step()
		}
		before, copied := c.bytes(), c.clone()
		if !bytes.Equal(before, copied.bytes()) {
			rt.Fatal("a clone differs")
		}
		for range 20 {
			chaos{copied, rt}.step()
		}
		if !bytes.Equal(before, c.bytes()) {
			rt.Fatal("a change to the clone is seen in the original")
		}
		now := copied.bytes()
		for range 20 {
			c.step()
		}
		if !bytes.Equal(now, copied.bytes()) {
			rt.Fatal("a change to the original is seen in the clone")
		}
	})
}

func TestReadDamaged(t *testing.T) {
	w := found(t, "Ana", "Bo")
	b := w.bytes()
	for n := range len(b) {
		if _, err := member.New().Read(b[:n]); err == nil {
			t.Errorf("%d of %d bytes: accepted", n, len(b))
		}
	}
}
