package member_test

import (
	"fmt"
	"slices"
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

func invite(name string, uses uint32) []byte { return member.NewInvite(key(name).Public(), uses, 0) }

func TestInvite(t *testing.T) {
	w := found(t, "Ana")
	w.join("Chi")
	ana := deviceOf("Ana")
	refuse(t, w.act(deviceOf("Chi"), member.KindInvite, invite("i", 1)), "Chi is not a sponsor")
	refuse(t, w.act(ana, member.KindInvite, invite("i", 0)), "0 uses")
	refuse(t, w.act(ana, member.KindInvite, invite("i", member.MaxUses+1)), "1001 uses")
	refuse(t, w.act(ana, member.KindInvite, member.NewInvite(smallOrder, 1, 0)), "small order")
	refuse(t, w.act(ana, member.KindInvite, member.NewInvite(key("i").Public(), 1, -1)), "1970")
	refuse(t, w.act(ana, member.KindInvite, member.NewInvite(key("i").Public(), 1, record.MaxTime+1)), "9999")
	refuse(t, w.act(ana, member.KindInvite, nil), member.KindInvite)
	w.must(w.act(ana, member.KindInvite, member.NewInvite(key("i").Public(), member.MaxUses, 1e12)))
	refuse(t, w.act(ana, member.KindInvite, invite("i", 1)), "issued before")
	want := member.Invitation{Key: key("i").Public(), By: w.id("Ana"), Uses: member.MaxUses, Expires: 1e12}
	if got, _ := w.Invites.Get(want.Key); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOnlySponsorsWhoAreMembersInvite(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.join("Chi")
	w.must(w.MakeMember([]record.ID{w.id("Chi")}))
	refuse(t, w.act(deviceOf("Chi"), member.KindInvite, invite("i", 1)), "not a sponsor")
	w.must(w.SetOffice(w.id("Chi"), member.Treasurer, true))
	refuse(t, w.act(deviceOf("Chi"), member.KindInvite, invite("i", 1)), "not a sponsor")
	w.must(w.SetOffice(w.id("Chi"), member.Sponsor, true))
	w.must(w.act(deviceOf("Chi"), member.KindInvite, invite("i", 1)))
	w.must(w.SetOffice(w.id("Chi"), member.Sponsor, false))
	refuse(t, w.act(deviceOf("Chi"), member.KindInvite, invite("j", 1)), "not a sponsor")
}

func TestUninvite(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi")
	w.join("Dee")
	body := func(name string) []byte { return member.NewUninvite(key(name).Public()) }
	for _, name := range []string{"i", "j"} {
		w.must(w.act(deviceOf("Ana"), member.KindInvite, invite(name, 1)))
	}
	for _, office := range []string{member.Sponsor, member.Treasurer, member.Moderator} {
		w.must(w.SetOffice(w.id("Bo"), office, false))
		if office != member.Sponsor {
			w.must(w.SetOffice(w.id("Ana"), office, false))
		}
	}
	refuse(t, w.act(deviceOf("Dee"), member.KindUninvite, body("i")), "Dee", "ask a sponsor")
	refuse(t, w.act(deviceOf("Bo"), member.KindUninvite, body("i")), "Bo")
	refuse(t, w.act(deviceOf("Ana"), member.KindUninvite, body("k")), "knows no invite")
	w.must(w.act(deviceOf("Chi"), member.KindUninvite, body("i")))
	refuse(t, w.act(deviceOf("Ana"), member.KindUninvite, body("i")), "revoked before")
	w.must(w.SetOffice(w.id("Ana"), member.Sponsor, false))
	w.must(w.act(deviceOf("Ana"), member.KindUninvite, body("j")))
	refuse(t, w.act(deviceOf("Chi"), member.KindAdmit, w.card("Eli", "i").Encode()), "Eli", "revoked", "ask a sponsor")
}

func TestAdmit(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 2)))
	chi := w.card("Chi", "i")
	w.must(w.act(deviceOf("Bo"), member.KindAdmit, chi.Encode()))
	m := w.get("Chi")
	if m.Status != member.StatusAssociate || m.Name != "Chi" || m.SponsoredBy != w.id("Bo") || m.Offices != nil || m.Root != chi.Root {
		t.Errorf("got %+v", m)
	}
	if !w.Stands(chi.Device) || slices.Contains(w.Voters(), m.ID) {
		t.Error("an associate's device must stand, without a vote")
	}
	if d, _ := w.Devices.Get(chi.Device); d.Name != "phone" || d.Member != m.ID {
		t.Errorf("got the device %+v", d)
	}
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, chi.Encode()), "Chi was admitted before")
	if i, _ := w.Invites.Get(key("i").Public()); i.Used != 1 {
		t.Errorf("got %d uses, want 1: a Problem uses no invite", i.Used)
	}
	w.must(w.act(deviceOf("Ana"), member.KindAdmit, w.card("Dee", "i").Encode()))
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.card("Eli", "i").Encode()), "Eli", "used up (2 of 2")
	refuse(t, w.act(deviceOf("Chi"), member.KindAdmit, w.card("Eli", "i").Encode()), "Chi is not a sponsor", "admit Eli")
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.card("Eli", "unheard").Encode()), "Eli", "does not know")
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, nil), "join card")
}

func TestAdmitRefusesCards(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 9)))
	card := func(change func(*member.CardTerms), root, device *record.Private) member.Card {
		terms := w.cardTerms("Chi")
		change(&terms)
		c, err := member.NewCard(terms, key("i"), root, device)
		w.must(err)
		return c
	}
	same := func(*member.CardTerms) {}
	recovery, err := member.NewRecoveryCard(recoveryTerms(w, "Bo"), key("r"), key("d"))
	w.must(err)
	tests := map[string]struct {
		card member.Card
		says string
	}{
		"another co-op":     {card(func(c *member.CardTerms) { c.Coop = record.ID{9} }, key("r"), key("d")), "another co-op"},
		"another agreement": {card(func(c *member.CardTerms) { c.Agreement[0]++ }, key("r"), key("d")), "another agreement"},
		"same person":       {card(same, rootOf("Bo"), key("d")), "admitted before, as Bo"},
		"same device":       {card(same, key("r"), deviceOf("Bo")), "added before, as Bo's"},
		"a recovery":        {recovery, "needs a proposal"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, tt.card.Encode()), tt.says)
			refuse(t, w.act(deviceOf("Ana"), member.KindIntroduce, tt.card.Encode()), tt.says)
			refuse(t, w.CheckInvite(tt.card), tt.says)
		})
	}
	flipped(w.card("Chi", "i").Encode(), func(at int, b []byte) {
		c := w.clone()
		if c.act(deviceOf("Ana"), member.KindAdmit, b) == nil {
			t.Errorf("byte %d changed: admitted", at)
		}
	})
}

// TestInviteLivesWithItsIssuer: who is removed, or is no sponsor any more,
// admits nobody through what they left lying about.
func TestInviteLivesWithItsIssuer(t *testing.T) {
	tests := map[string]func(w *world) error{
		"no sponsor": func(w *world) error { return w.SetOffice(w.id("Bo"), member.Sponsor, false) },
		"left": func(w *world) error {
			w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
			return w.act(deviceOf("Bo"), member.KindLeave, nil)
		},
		"expelled": func(w *world) error {
			w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
			return w.Expel(w.id("Bo"), member.MinRemain)
		},
	}
	for name, remove := range tests {
		t.Run(name, func(t *testing.T) {
			w := found(t, "Ana", "Bo", "Chi", "Dee")
			w.must(w.act(deviceOf("Bo"), member.KindInvite, invite("i", 1)))
			w.must(w.CheckInvite(w.card("Eli", "i")))
			w.must(remove(w))
			refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.card("Eli", "i").Encode()), "Eli", "Bo, who issued it")
		})
	}
}

func TestIntroduce(t *testing.T) {
	w := found(t, "Ana")
	w.join("Chi")
	before := w.Members.Len()
	card := w.card("Dee", "i")
	w.must(w.act(deviceOf("Chi"), member.KindIntroduce, card.Encode()))
	got, ok := w.Waiting.Get(w.id("Dee"))
	if !ok || got.Card != card || got.By != w.id("Chi") {
		t.Errorf("got %+v, %v", got, ok)
	}
	if w.Members.Len() != before || w.Devices.Has(card.Device) {
		t.Error("introducing somebody must admit nobody")
	}
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 1)))
	again := w.card("Dee", "i")
	w.must(w.act(deviceOf("Ana"), member.KindIntroduce, again.Encode()))
	if got, _ := w.Waiting.Get(w.id("Dee")); got.By != w.id("Ana") {
		t.Error("the later card must replace the earlier")
	}
	w.must(w.act(deviceOf("Ana"), member.KindAdmit, card.Encode()))
	if w.Waiting.Has(w.id("Dee")) {
		t.Error("Dee was admitted and still waits")
	}
	refuse(t, w.act(deviceOf("Chi"), member.KindIntroduce, w.card("Eli", "i").Encode()), "Eli", "used up")
	refuse(t, w.act(deviceOf("Chi"), member.KindIntroduce, card.Encode()), "admitted before")
	refuse(t, w.act(deviceOf("Chi"), member.KindIntroduce, []byte{1}), "join card")
}

func TestDeviceAdd(t *testing.T) {
	w := found(t, "Ana", "Bo")
	tablet := w.deviceCard("Ana", "tablet").Encode()
	refuse(t, w.act(deviceOf("Bo"), member.KindDeviceAdd, tablet), "Bo", "Ana")
	w.must(w.act(deviceOf("Ana"), member.KindDeviceAdd, tablet))
	if m, err := w.Author(key("tablet").Public()); err != nil || m.ID != w.id("Ana") {
		t.Errorf("the tablet speaks for %v, %v, want Ana", m.Name, err)
	}
	refuse(t, w.act(deviceOf("Ana"), member.KindDeviceAdd, tablet), "added before, as Ana's")
	w.addDevice("Ana", "desk") // by itself
	if got := w.get("Ana").Devices; len(got) != 3 || got[2] != key("desk").Public() {
		t.Errorf("got %d devices, want 3, the last the desk", len(got))
	}
	refuse(t, w.act(key("thief"), member.KindDeviceAdd, []byte{1}), "device card")
	refuse(t, w.act(key("thief"), member.KindDeviceAdd, w.deviceCard("Zoe", "thief").Encode()), "nobody of the co-op has the root")
	taken, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.Coop, Name: "mine"}, rootOf("Bo"), key("tablet"))
	w.must(err)
	refuse(t, w.act(deviceOf("Bo"), member.KindDeviceAdd, taken.Encode()), "added before, as Ana's")
	other, err := member.SignDeviceCard(member.DeviceTerms{Coop: record.ID{9}, Name: "phone"}, rootOf("Ana"), key("phone"))
	w.must(err)
	refuse(t, w.act(deviceOf("Ana"), member.KindDeviceAdd, other.Encode()), "another co-op")
	refuse(t, w.act(key("phone"), member.KindDeviceAdd, other.Encode()), "another co-op")
}

// TestAStrangerCarriesNoCard: a device that the co-op does not know may carry
// only its own card.
func TestAStrangerCarriesNoCard(t *testing.T) {
	w := found(t, "Ana", "Bo")
	refuse(t, w.act(key("thief"), member.KindDeviceAdd, w.deviceCard("Ana", "tablet").Encode()), "nobody of the co-op has a device")
	refuse(t, w.act(key("thief"), member.KindLeave, nil), "nobody")
}

func TestDevicesAreLimited(t *testing.T) {
	w := found(t, "Ana")
	for i := 1; i < member.MaxDevices; i++ {
		w.addDevice("Ana", fmt.Sprintf("device %d", i))
	}
	refuse(t, w.act(deviceOf("Ana"), member.KindDeviceAdd, w.deviceCard("Ana", "one more").Encode()), "Ana", "64 devices")
}

func TestRevoke(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.addDevice("Ana", "tablet")
	revoke := func(k *record.Private) []byte { return member.NewRevoke(k.Public()) }
	refuse(t, w.act(deviceOf("Bo"), member.KindRevoke, revoke(key("tablet"))), "Bo has no device")
	refuse(t, w.act(deviceOf("Ana"), member.KindRevoke, revoke(key("nobody's"))), "Ana has no device")
	refuse(t, w.act(key("tablet"), member.KindRevoke, revoke(deviceOf("Ana"))), "teller's seat", "pass the seat")
	removals := w.Removals
	w.must(w.act(deviceOf("Ana"), member.KindRevoke, revoke(key("tablet"))))
	if w.Removals == removals || w.Stands(key("tablet").Public()) {
		t.Error("the tablet stands still")
	}
	refuse(t, w.act(deviceOf("Ana"), member.KindRevoke, revoke(key("tablet"))), "revoked before")
	refuse(t, w.act(key("tablet"), member.KindIntroduce, w.card("Chi", "i").Encode()), "Ana's device", "revoked", "another device")
	refuse(t, w.act(deviceOf("Ana"), member.KindDeviceAdd, w.deviceCard("Ana", "tablet").Encode()), "added before")
	refuse(t, w.act(key("tablet"), member.KindDeviceAdd, w.deviceCard("Ana", "tablet").Encode()), "revoked")

	// One's last device, too: the root brings the next.
	w.join("Chi")
	w.must(w.act(deviceOf("Chi"), member.KindRevoke, revoke(deviceOf("Chi"))))
	refuse(t, w.act(deviceOf("Chi"), member.KindLeave, nil), "revoked")
	w.addDevice("Chi", "chi's tablet")
	w.must(w.act(key("chi's tablet"), member.KindLeave, nil))
}

func TestLeave(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.join("Chi")
	refuse(t, w.act(deviceOf("Bo"), member.KindLeave, nil), "Bo is a teller", "other tellers")
	refuse(t, w.act(deviceOf("Chi"), member.KindLeave, []byte{1}), "body")
	w.must(w.act(deviceOf("Chi"), member.KindLeave, nil))
	refuse(t, w.act(deviceOf("Chi"), member.KindIntroduce, w.card("Dee", "i").Encode()), "Chi has left", "new invite")
	refuse(t, w.act(key("phone"), member.KindDeviceAdd, w.deviceCard("Chi", "phone").Encode()), "Chi has left")
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 1)))
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.card("Chi", "i").Encode()), "added before", "new device key")
	w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
	removals := w.Removals
	w.must(w.act(deviceOf("Bo"), member.KindLeave, nil))
	if m := w.get("Bo"); m.Status != member.StatusLeft || m.Offices != nil || !m.Gone() || w.Removals != removals+1 {
		t.Errorf("got %+v", m)
	}
	if got := w.Voters(); !slices.Equal(got, []record.ID{w.id("Ana")}) {
		t.Errorf("got %d voters, want Ana alone", len(got))
	}
}

// cardWith is the join card of somebody who has this root key, for a new device.
func (w *world) cardWith(root *record.Private, name, device, invite string) []byte {
	w.t.Helper()
	c, err := member.NewCard(w.cardTerms(name), key(invite), root, key(device))
	w.must(err)
	return c.Encode()
}

// Who left comes back to the same account, as an associate, by an invite and with
// the same root key; the devices they had stay out.
func TestComeBack(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi", "Dee")
	w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
	w.must(w.Expel(w.id("Dee"), member.MinRemain))
	w.addDevice("Bo", "tablet")
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 2)))
	back := w.cardWith(rootOf("Bo"), "Bob", "bo's new laptop", "i")
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, back), "admitted before")
	w.must(w.act(deviceOf("Bo"), member.KindLeave, nil))
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.cardWith(rootOf("Bo"), "Bo", "tablet", "i")), "added before")

	r := w.record(deviceOf("Ana"), member.KindAdmit, back)
	w.must(w.Advance(r.ID, r.Device, r.Seq))
	w.must(w.Apply(w.get("Ana"), r))
	bo := w.get("Bo")
	if bo.Name != "Bob" || bo.Status != member.StatusAssociate || bo.Offices != nil || bo.SponsoredBy != w.id("Ana") || bo.Admitted != r.ID || bo.Since != r.Time {
		t.Errorf("got %+v", bo)
	}
	if !slices.Equal(bo.Devices, []record.Key{key("bo's new laptop").Public()}) {
		t.Errorf("%d devices", len(bo.Devices))
	}
	if i, _ := w.Invites.Get(key("i").Public()); i.Used != 1 {
		t.Errorf("the invite was used %d times", i.Used)
	}
	for _, old := range []*record.Private{deviceOf("Bo"), key("tablet")} {
		refuse(t, w.act(old, member.KindLeave, nil), "revoked")
	}
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, back), "admitted before")
	w.addDevice("Bo", "bo's new phone")

	// Who was expelled needs a decision first, and then an invite as well.
	dee := w.cardWith(rootOf("Dee"), "Dee", "dee's new laptop", "i")
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, dee), "Dee was expelled", "decides")
	refuse(t, w.act(deviceOf("Ana"), member.KindIntroduce, dee), "Dee was expelled")
	refuse(t, w.Readmit(w.id("Chi")), "Chi was not expelled")
	w.must(w.Readmit(w.id("Dee")))
	refuse(t, w.act(deviceOf("Dee"), member.KindLeave, nil), "has left")
	w.must(w.act(deviceOf("Ana"), member.KindAdmit, dee))
	refuse(t, w.act(deviceOf("Dee"), member.KindLeave, nil), "revoked")
}

// Who was recovered comes back with the root of the recovery, and not with the
// lost one.
func TestComeBackAfterRecovery(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
	c, err := member.NewRecoveryCard(recoveryTerms(w, "Bo"), key("new root"), key("new laptop"))
	w.must(err)
	w.must(w.Recover(w.id("Bo"), c.Encode()))
	w.must(w.act(key("new laptop"), member.KindLeave, nil))
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 1)))
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.cardWith(rootOf("Bo"), "Bo", "thief's", "i")), "new root key")
	w.must(w.act(deviceOf("Ana"), member.KindAdmit, w.cardWith(key("new root"), "Bo", "newer laptop", "i")))
	if bo := w.get("Bo"); bo.Status != member.StatusAssociate || bo.Root != key("new root").Public() {
		t.Errorf("got %+v", bo)
	}
}

// Without removals nobody left: a card that brings somebody back adds their device,
// and takes nothing from them.
func TestComeBackLenient(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.Lenient = true
	w.must(w.act(deviceOf("Bo"), member.KindInvite, invite("i", 1)))
	w.must(w.act(deviceOf("Ana"), member.KindAdmit, w.cardWith(rootOf("Bo"), "Bo", "new laptop", "i")))
	for _, d := range []*record.Private{deviceOf("Bo"), key("new laptop")} {
		if m, err := w.Author(d.Public()); err != nil || !m.Holds(member.Sponsor) || m.Status != member.StatusMember {
			t.Errorf("got %+v, %v", m, err)
		}
	}
}

func TestSeatPass(t *testing.T) {
	tellers := func(w *world) []record.Key { return w.Tellers }
	setUp := func(t *testing.T) *world {
		w := found(t, "Ana", "Bo", "Chi")
		w.addDevice("Bo", "tablet")
		w.addDevice("Bo", "desk")
		return w
	}
	bo, tablet := deviceOf("Bo"), key("tablet")
	pass := func(w *world, from, to *record.Private, revoke bool, root *record.Private) []byte {
		return w.NewSeatPass(from.Public(), to.Public(), revoke, root)
	}
	good := map[string]struct {
		by     *record.Private
		root   *record.Private
		revoke bool
	}{
		"the device itself":             {bo, nil, false},
		"the device itself, revoked":    {bo, nil, true},
		"the root, by the new device":   {tablet, rootOf("Bo"), false},
		"the root, by a third, revoked": {key("desk"), rootOf("Bo"), true},
	}
	for name, tt := range good {
		t.Run(name, func(t *testing.T) {
			w := setUp(t)
			seating := w.Seating
			w.must(w.act(tt.by, member.KindSeatPass, pass(w, bo, tablet, tt.revoke, tt.root)))
			want := []record.Key{deviceOf("Ana").Public(), tablet.Public(), deviceOf("Chi").Public()}
			if !slices.Equal(tellers(w), want) || w.Seating != seating+1 {
				t.Errorf("got %v, want the tablet in Bo's place", tellers(w))
			}
			if got := w.Stands(bo.Public()); got == tt.revoke {
				t.Errorf("the old device stands: %v", got)
			}
		})
	}
	t.Run("a forked device's seat by the root alone", func(t *testing.T) {
		w := setUp(t)
		mustFail(t, "fork", w.Advance(record.ID{5}, bo.Public(), 9))
		if !slices.Equal(tellers(w), []record.Key{deviceOf("Ana").Public(), bo.Public(), deviceOf("Chi").Public()}) {
			t.Error("a forked device must keep its seat")
		}
		refuse(t, w.act(bo, member.KindSeatPass, pass(w, bo, tablet, false, nil)), "two records")
		refuse(t, w.act(tablet, member.KindSeatPass, pass(w, bo, tablet, false, nil)), "root key")
		w.must(w.act(tablet, member.KindSeatPass, pass(w, bo, tablet, true, rootOf("Bo"))))
	})
	t.Run("of a seat that others took meanwhile only the revoking is left", func(t *testing.T) {
		w := setUp(t)
		lost, kept := pass(w, bo, tablet, true, rootOf("Bo")), pass(w, bo, tablet, false, rootOf("Bo"))
		w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
		refuse(t, w.act(tablet, member.KindSeatPass, kept), "no teller's seat")
		refuse(t, w.act(deviceOf("Chi"), member.KindSeatPass, lost), "Chi has no device")
		w.must(w.act(tablet, member.KindSeatPass, lost))
		if w.Stands(bo.Public()) || !slices.Equal(tellers(w), []record.Key{deviceOf("Ana").Public()}) {
			t.Error("the lost device stands, or the seats have changed")
		}
		refuse(t, w.act(tablet, member.KindSeatPass, lost), "was revoked before")
	})
	bad := map[string]struct {
		by   *record.Private
		body func(w *world) []byte
		says string
	}{
		"a thief of another device":   {tablet, func(w *world) []byte { return pass(w, bo, tablet, true, nil) }, "root key"},
		"another's root":              {tablet, func(w *world) []byte { return pass(w, bo, tablet, true, rootOf("Chi")) }, "did not sign"},
		"a device key for the root":   {tablet, func(w *world) []byte { return pass(w, bo, tablet, true, bo) }, "did not sign"},
		"another's seat":              {bo, func(w *world) []byte { return pass(w, deviceOf("Chi"), tablet, false, nil) }, "Bo has no device"},
		"to another person":           {bo, func(w *world) []byte { return pass(w, bo, deviceOf("Chi"), false, nil) }, "Bo has no device"},
		"to itself":                   {bo, func(w *world) []byte { return pass(w, bo, bo, false, nil) }, "seat already"},
		"no seat to pass":             {tablet, func(w *world) []byte { return pass(w, tablet, key("desk"), false, nil) }, "no teller's seat"},
		"signed for another device":   {tablet, func(w *world) []byte { return swapTo(w, pass(w, bo, tablet, true, rootOf("Bo"))) }, "did not sign"},
		"signed without the revoking": {tablet, func(w *world) []byte { return flipRevoke(pass(w, bo, tablet, false, rootOf("Bo"))) }, "did not sign"},
		"signed for an earlier seat":  {tablet, staleSeatPass, "given anew since"},
		"to a revoked device": {bo, func(w *world) []byte {
			w.must(w.act(bo, member.KindRevoke, member.NewRevoke(tablet.Public())))
			return pass(w, bo, tablet, false, nil)
		}, "revoked or forked"},
		"to a forked device": {bo, func(w *world) []byte {
			mustFail(t, "fork", w.Advance(record.ID{5}, tablet.Public(), 9))
			return pass(w, bo, tablet, false, nil)
		}, "revoked or forked"},
		"no body": {bo, func(w *world) []byte { return nil }, member.KindSeatPass},
	}
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			w := setUp(t)
			body := tt.body(w)
			refuse(t, w.act(tt.by, member.KindSeatPass, body), tt.says)
		})
	}
}

// swapTo makes the signed passing of a seat one to Bo's desk.
func swapTo(w *world, body []byte) []byte {
	to, desk := key("tablet").Public(), key("desk").Public()
	return replace(body, to[:], desk[:])
}

func flipRevoke(body []byte) []byte {
	const cborFalse, cborTrue = 0xf4, 0xf5
	i := 1 + 34 + 34 // array head, two keys
	if body[i] != cborFalse {
		panic("not where revoke stands")
	}
	body[i] = cborTrue
	return body
}

// staleSeatPass is signed, and then Bo has no seat for a while.
func staleSeatPass(w *world) []byte {
	bo := deviceOf("Bo").Public()
	body := w.NewSeatPass(bo, key("tablet").Public(), true, rootOf("Bo"))
	w.must(w.SetTellers(devices("Ana")))
	w.must(w.SetTellers(devices("Ana", "Bo")))
	return body
}

// TestSeatPassOutlivesOthers: what others do with their seats does not void what a
// root signed about one that stays where it is.
func TestSeatPassOutlivesOthers(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi")
	w.addDevice("Bo", "tablet")
	w.addDevice("Chi", "phone")
	chi, phone := deviceOf("Chi"), key("phone")
	body := w.NewSeatPass(deviceOf("Bo").Public(), key("tablet").Public(), true, rootOf("Bo"))
	w.must(w.act(chi, member.KindSeatPass, w.NewSeatPass(chi.Public(), phone.Public(), false, nil)))
	w.must(w.act(phone, member.KindSeatPass, w.NewSeatPass(phone.Public(), chi.Public(), false, nil)))
	w.must(w.SetTellers(devices("Bo", "Ana")))
	w.must(w.act(key("tablet"), member.KindSeatPass, body))
}

func replace(b, from, to []byte) []byte {
	s := slices.Clone(b)
	for i := 0; i+len(from) <= len(s); i++ {
		if slices.Equal(s[i:i+len(from)], from) {
			copy(s[i:], to)
		}
	}
	return s
}

func TestSeatPassOfAnotherCoop(t *testing.T) {
	a, b := found(t, "Ana", "Bo"), found(t, "Bo", "Ana")
	for _, w := range []*world{a, b} {
		w.addDevice("Bo", "tablet")
	}
	body := a.NewSeatPass(deviceOf("Bo").Public(), key("tablet").Public(), true, rootOf("Bo"))
	refuse(t, b.act(key("tablet"), member.KindSeatPass, body), "did not sign")
	w := a
	w.must(a.act(key("tablet"), member.KindSeatPass, body))
}

func TestGarbageBodies(t *testing.T) {
	w := found(t, "Ana")
	for _, kind := range []string{member.KindInvite, member.KindUninvite, member.KindIntroduce, member.KindAdmit,
		member.KindLeave, member.KindDeviceAdd, member.KindRevoke, member.KindSeatPass} {
		mustFail(t, kind, w.act(deviceOf("Ana"), kind, []byte{0x80}), w.act(deviceOf("Ana"), kind, []byte("body")))
	}
}

// TestApplyAsksWhoIsThere: Apply goes by the state, not by what the caller
// says of the author.
func TestApplyAsksWhoIsThere(t *testing.T) {
	w := found(t, "Ana")
	w.join("Bo", "Chi")
	gone, associate := w.get("Chi"), w.get("Bo")
	w.must(w.act(deviceOf("Chi"), member.KindLeave, nil))
	refuse(t, w.Apply(gone, w.record(deviceOf("Chi"), member.KindLeave, nil)), "Chi has left")
	associate.Status, associate.Offices = member.StatusMember, member.Offices()
	refuse(t, w.Apply(associate, w.record(deviceOf("Bo"), member.KindInvite, invite("i", 1))), "not a sponsor")
}

func TestUnknownKind(t *testing.T) {
	w := found(t, "Ana")
	for _, kind := range []string{member.KindFound, "member/clone", "ack"} {
		refuse(t, w.act(deviceOf("Ana"), kind, foundingRecord(t, "Ana").Body), kind, "update coop")
	}
}

func TestAdvance(t *testing.T) {
	w := found(t, "Ana", "Bo")
	ana, bo := deviceOf("Ana").Public(), deviceOf("Bo").Public()
	w.must(w.Advance(record.ID{1}, ana, 2)) // the founding record was her first
	w.must(w.Advance(record.ID{2}, bo, 1))
	w.must(w.Advance(record.ID{3}, bo, 2))
	if d, _ := w.Devices.Get(bo); d.LastSeq != 2 || d.Forked {
		t.Errorf("got %+v", d)
	}
	removals := w.Removals
	refuse(t, w.Advance(record.ID{4}, bo, 2), "Bo's device", "one slot", "another device")
	d, _ := w.Devices.Get(bo)
	if !d.Forked || d.Second != (record.ID{4}) || d.LastSeq != 2 || w.Removals != removals+1 || w.Stands(bo) {
		t.Errorf("got %+v", d)
	}
	refuse(t, w.Advance(record.ID{5}, bo, 3), "one slot") // whichever branch goes on
	if got, _ := w.Devices.Get(bo); got != d {
		t.Errorf("got %+v, want nothing more to change", got)
	}
	_, err := w.Author(bo)
	refuse(t, err, "Bo's device", "two records")
	w.must(w.Advance(record.ID{6}, ana, 3))
	refuse(t, w.Advance(record.ID{7}, ana, 5), "one slot") // a slot was left out
}

// TestAdvanceCountsStrangers: records of a device that nobody admitted count,
// so that it goes on where it is once it is admitted.
func TestAdvanceCountsStrangers(t *testing.T) {
	w := found(t, "Ana")
	refuse(t, w.act(deviceOf("Chi"), member.KindLeave, nil), "nobody of the co-op has a device")
	refuse(t, w.act(deviceOf("Chi"), member.KindLeave, nil), "nobody")
	if w.Devices.Has(deviceOf("Chi").Public()) {
		t.Error("a stranger's device is a device of the co-op")
	}
	w.join("Chi")
	w.must(w.act(deviceOf("Chi"), member.KindLeave, nil))

	refuse(t, w.Advance(record.ID{1}, deviceOf("Dee").Public(), 2), "a stranger")
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 1)))
	refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, w.card("Dee", "i").Encode()), "two records")
	fork, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.Coop, Name: "phone"}, rootOf("Ana"), deviceOf("Dee"))
	w.must(err)
	refuse(t, w.act(deviceOf("Ana"), member.KindDeviceAdd, fork.Encode()), "two records")
}

func TestLenient(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi", "Dee")
	w.addDevice("Ana", "tablet")
	w.must(w.SetTellers([]record.Key{deviceOf("Ana").Public()}))
	w.Lenient = true
	w.must(w.act(deviceOf("Bo"), member.KindLeave, nil))
	w.must(w.Expel(w.id("Chi"), member.MinRemain))
	w.must(w.act(deviceOf("Ana"), member.KindRevoke, member.NewRevoke(key("tablet").Public())))
	mustFail(t, "fork", w.Advance(record.ID{1}, deviceOf("Dee").Public(), 9))
	c, err := member.NewRecoveryCard(recoveryTerms(w, "Chi"), key("r"), key("d"))
	w.must(err)
	w.must(w.Recover(w.id("Chi"), c.Encode()))
	w.must(w.act(key("late"), member.KindDeviceAdd, w.deviceCard("Chi", "late").Encode())) // by the old root
	for _, k := range []*record.Private{deviceOf("Bo"), deviceOf("Chi"), deviceOf("Dee"), key("tablet"), key("d"), key("late")} {
		if !w.Stands(k.Public()) {
			t.Errorf("%s was put out", k.Public().Short())
		}
	}
	if w.Removals != 0 {
		t.Errorf("got %d removals, want 0", w.Removals)
	}
}
