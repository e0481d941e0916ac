package member_test

import (
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

func TestCardEveryByte(t *testing.T) {
	w := found(t, "Ana")
	recovery, err := member.NewRecoveryCard(recoveryTerms(w, "Ana"), key("r"), key("d"))
	w.must(err)
	for name, c := range map[string]member.Card{"join": w.card("Chi", "i"), "recovery": recovery} {
		if got, err := member.ParseCard(c.Encode()); err != nil || got != c {
			t.Fatalf("%s card: got %+v, %v", name, got, err)
		}
		flipped(c.Encode(), func(at int, b []byte) {
			if _, err := member.ParseCard(b); err == nil {
				t.Errorf("%s card, byte %d changed: accepted", name, at)
			}
		})
	}
}

func TestCardIsChecked(t *testing.T) {
	w := found(t, "Ana")
	good := w.card("Chi", "i")
	recovery, err := member.NewRecoveryCard(recoveryTerms(w, "Ana"), key("r"), key("d"))
	w.must(err)
	other, err := member.NewCard(w.cardTerms("Chi"), key("j"), key("r"), key("d"))
	w.must(err)
	tests := map[string]struct {
		change func(c *member.Card)
		says   string
	}{
		"no invite signature":      {func(c *member.Card) { c.InviteSig = noSig }, "invite"},
		"another invite's":         {func(c *member.Card) { c.InviteSig = other.InviteSig }, "invite"},
		"relayed under new root":   {func(c *member.Card) { c.Root, c.RootSig = other.Root, other.RootSig }, "invite"},
		"relayed under new device": {func(c *member.Card) { c.Device, c.DeviceSig = other.Device, other.DeviceSig }, "invite"},
		"no root signature":        {func(c *member.Card) { c.RootSig = noSig }, "own keys"},
		"no device signature":      {func(c *member.Card) { c.DeviceSig = noSig }, "own keys"},
		"root for device":          {func(c *member.Card) { c.DeviceSig = c.RootSig }, "own keys"},
		"recovers with an invite":  {func(c *member.Card) { c.Recovers = w.id("Ana") }, "can only do one"},
		"recovery, invite signed": {func(c *member.Card) {
			*c = recovery
			c.InviteSig = good.InviteSig
		}, "needs no invite"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := good
			tt.change(&c)
			_, err := member.ParseCard(c.Encode())
			refuse(t, err, tt.says)
		})
	}
}

func TestCardTermsAreChecked(t *testing.T) {
	w := found(t, "Ana")
	i, r, d := key("i"), key("r"), key("d")
	join := func(t member.CardTerms, i, r, d *record.Private) error {
		_, err := member.NewCard(t, i, r, d)
		return err
	}
	recover := func(t member.CardTerms, r, d *record.Private) error {
		_, err := member.NewRecoveryCard(t, r, d)
		return err
	}
	named := func(name, device string) member.CardTerms {
		return member.CardTerms{Coop: w.Coop, Name: name, DeviceName: device}
	}
	refuse(t, join(named("", "phone"), i, r, d), "name")
	refuse(t, join(named("Chi", " "), i, r, d), "device's name")
	refuse(t, join(named("C\u202ehi", "phone"), i, r, d), "invisible")
	for _, name := range []string{"Chi, the 2nd", "Chi/desk", "Chi:3"} {
		refuse(t, join(named(name, "phone"), i, r, d), "comma")
	}
	refuse(t, join(named("Treasury", "phone"), i, r, d), "account of the co-op")
	refuse(t, join(w.cardTerms("Chi"), i, r, r), "twice")
	refuse(t, join(w.cardTerms("Chi"), i, i, d), "twice")
	refuse(t, join(w.cardTerms("Chi"), i, r, i), "twice")
	refuse(t, recover(recoveryTerms(w, "Ana"), r, r), "twice")
	refuse(t, recover(named("Ana", "phone"), r, d))

	// One signature fits every message under a key of small order.
	c := w.card("Chi", "i")
	for name, change := range map[string]func(c *member.Card){
		"root":   func(c *member.Card) { c.Root = smallOrder },
		"device": func(c *member.Card) { c.Device = smallOrder },
		"invite": func(c *member.Card) { c.Invite = smallOrder },
	} {
		bad := c
		change(&bad)
		if _, err := member.ParseCard(bad.Encode()); err == nil {
			t.Errorf("%s of small order: accepted", name)
		} else {
			refuse(t, err, "small order")
		}
	}
}

func TestDeviceCardIsChecked(t *testing.T) {
	w := found(t, "Ana")
	good, other := w.deviceCard("Ana", "tablet"), w.deviceCard("Bo", "phone")
	if got, err := member.ParseDeviceCard(good.Encode()); err != nil || got != good {
		t.Fatalf("got %+v, %v", got, err)
	}
	flipped(good.Encode(), func(at int, b []byte) {
		if _, err := member.ParseDeviceCard(b); err == nil {
			t.Errorf("byte %d changed: accepted", at)
		}
	})
	tests := map[string]struct {
		change func(c *member.DeviceCard)
		says   string
	}{
		"root did not sign":   {func(c *member.DeviceCard) { c.RootSig = other.RootSig }, "root"},
		"device did not sign": {func(c *member.DeviceCard) { c.DeviceSig = other.DeviceSig }, "device did not"},
		"no name":             {func(c *member.DeviceCard) { c.Name = "" }, "name"},
		"root is device":      {func(c *member.DeviceCard) { c.Device = c.Root }, "twice"},
		"small order":         {func(c *member.DeviceCard) { c.Device = smallOrder }, "small order"},
	}
	for name, tt := range tests {
		c := good
		tt.change(&c)
		_, err := member.ParseDeviceCard(c.Encode())
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		refuse(t, err, tt.says)
	}
}

// TestCardsAreOfOneKind: nothing signed for one purpose serves another.
func TestCardsAreOfOneKind(t *testing.T) {
	w := found(t, "Ana")
	join, device := w.card("Chi", "i").Encode(), w.deviceCard("Ana", "tablet").Encode()
	_, err1 := member.ParseCard(device)
	_, err2 := member.ParseDeviceCard(join)
	_, err3 := member.ParseDeviceRequest(join)
	mustFail(t, "a card read as another", err1, err2, err3)
}

func TestDeviceRequest(t *testing.T) {
	w := found(t, "Ana", "Bo")
	i := member.Invite{Coop: w.Coop, CoopName: "Willow Street", Seed: key("code").Seed(), Member: w.id("Ana"), Root: rootOf("Ana").Public()}
	made, err := member.NewDeviceRequest(i, "tablet", key("tablet"))
	w.must(err)
	r, err := member.ParseDeviceRequest(made.Encode())
	w.must(err)
	c, err := r.Grant(w.Coop, key("code").Public(), rootOf("Ana"))
	w.must(err)
	if want := w.deviceCard("Ana", "tablet"); c != want {
		t.Errorf("got the card %+v, want %+v", c, want)
	}
	w.must(w.act(deviceOf("Ana"), member.KindDeviceAdd, c.Encode()))

	grant := func(r member.DeviceRequest, coop record.ID, code *record.Private, root *record.Private) error {
		_, err := r.Grant(coop, code.Public(), root)
		return err
	}
	refuse(t, grant(r, record.ID{9}, key("code"), rootOf("Ana")), "another co-op")
	refuse(t, grant(r, w.Coop, key("code"), rootOf("Bo")), "another member")
	refuse(t, grant(r, w.Coop, key("other code"), rootOf("Ana")), "this code")
	flipped(made.Encode(), func(at int, b []byte) {
		r, err := member.ParseDeviceRequest(b)
		if err == nil {
			err = grant(r, w.Coop, key("code"), rootOf("Ana"))
		}
		if err == nil {
			t.Errorf("byte %d changed: granted", at)
		}
	})
	i.Member, i.Root = record.ID{}, record.Key{}
	_, err = member.NewDeviceRequest(i, "tablet", key("tablet"))
	refuse(t, err, "newcomer")
}
