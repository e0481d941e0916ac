package member_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

func (w *world) ids(names ...string) []record.ID {
	var ids []record.ID
	for _, n := range names {
		ids = append(ids, w.id(n))
	}
	return ids
}

func devices(names ...string) []record.Key {
	var keys []record.Key
	for _, n := range names {
		keys = append(keys, deviceOf(n).Public())
	}
	return keys
}

func TestMakeMember(t *testing.T) {
	w := found(t, "Ana")
	w.join("Bo", "Chi", "Dee")
	w.must(w.act(deviceOf("Chi"), member.KindLeave, nil))
	refuse(t, w.MakeMember(w.ids("Ana", "Bo", "Chi", "Zoe", "Dee")), "Ana is a member already", "Chi has left", "nobody")
	for name, want := range map[string]member.Status{
		"Ana": member.StatusMember, "Bo": member.StatusMember, "Chi": member.StatusLeft, "Dee": member.StatusMember,
	} {
		if got := w.get(name); got.Status != want || name != "Ana" && got.Offices != nil {
			t.Errorf("%s: got %v %v, want %v without offices", name, got.Status, got.Offices, want)
		}
	}
	voters := w.Voters()
	if want := w.ids("Ana", "Bo", "Dee"); len(voters) != len(want) || !slices.IsSortedFunc(voters, record.ID.Compare) {
		t.Errorf("got %d voters, want %d, sorted", len(voters), len(want))
	}
	if err := w.MakeMember(w.ids("Bo")); err == nil {
		t.Error("made a member twice")
	}
}

func TestMemberID(t *testing.T) {
	coop, root := record.ID{1}, record.Key{2}
	want := sha256.Sum256(slices.Concat([]byte("coop/1 member\x00"), coop[:], root[:]))
	if got := member.MemberID(coop, root); got != want {
		t.Errorf("got %s, want %x", got, want)
	}
}

// TestStateBytes: whatever differs between two states is seen in their bytes,
// but for Lenient, which is no part of what the co-op agrees on.
func TestStateBytes(t *testing.T) {
	w := found(t, "Ana")
	for name, change := range map[string]func(s *member.State){
		"coop":      func(s *member.State) { s.Coop[0]++ },
		"name":      func(s *member.State) { s.Name = "x" },
		"agreement": func(s *member.State) { s.Agreement[0]++ },
		"units":     func(s *member.State) { s.Units = s.Units[:1] },
		"bylaws":    func(s *member.State) { s.Bylaws = s.Bylaws[:1] },
		"tellers":   func(s *member.State) { s.Tellers = nil },
		"seating":   func(s *member.State) { s.Seating++ },
		"removals":  func(s *member.State) { s.Removals++ },
		"turnover":  func(s *member.State) { s.Turnover++ },
		"members":   func(s *member.State) { s.Members.Delete(w.id("Ana")) },
		"devices":   func(s *member.State) { s.Devices.Delete(deviceOf("Ana").Public()) },
		"strangers": func(s *member.State) { s.Strangers.Put(record.Key{1}, member.Device{}) },
		"invites":   func(s *member.State) { s.Invites.Put(record.Key{1}, member.Invitation{}) },
		"waiting":   func(s *member.State) { s.Waiting.Put(record.ID{1}, member.Waiting{}) },
		"persons":   func(s *member.State) { s.Persons.Put(record.ID{1}, record.ID{}) },
	} {
		c := w.clone()
		change(c.State)
		if slices.Equal(c.bytes(), w.bytes()) {
			t.Errorf("%s: a change is not in the bytes", name)
		}
		back := member.New()
		_, err := back.Read(c.bytes())
		w.must(err)
		if again := (&world{t, back, nil}).bytes(); !slices.Equal(again, c.bytes()) {
			t.Errorf("%s: read back it is another", name)
		}
	}
	c := w.clone()
	c.Lenient = true
	if !slices.Equal(c.bytes(), w.bytes()) {
		t.Error("Lenient is in the bytes")
	}
}

func TestRoll(t *testing.T) {
	w := found(t, "Ana", "Bo")
	a, b := w.id("Ana"), w.id("Bo")
	want := record.DomainRoll.Hash(a[:], b[:])
	if got := member.Roll([]record.ID{a, b}); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestExpel(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi")
	w.join("Dee", "Eli")
	w.must(w.SetTellers(devices("Ana")))
	refuse(t, w.Expel(w.id("Ana"), member.MinRemain), "Ana is a teller", "other tellers")
	refuse(t, w.Expel(w.id("Bo"), member.MinRemain), "2 members besides Bo")
	w.must(w.Expel(w.id("Eli"), member.MinRemain)) // an associate has no vote to lose
	w.must(w.MakeMember(w.ids("Dee")))
	w.must(w.Rest(w.id("Dee"), w.Acts))
	refuse(t, w.Expel(w.id("Bo"), member.MinRemain), "2 members besides Bo")
	w.must(w.clone().Expel(w.id("Dee"), member.MinRemain)) // who rests is no voter: three are left
	w.Wake(w.id("Dee"))
	removals := w.Removals
	w.must(w.Expel(w.id("Bo"), member.MinRemain))
	if m := w.get("Bo"); m.Status != member.StatusExpelled || !m.Gone() || m.Offices != nil || w.Removals == removals {
		t.Errorf("got %+v", m)
	}
	refuse(t, w.act(deviceOf("Bo"), member.KindInvite, invite("i", 1)), "Bo was expelled")
	refuse(t, w.Expel(w.id("Bo"), member.MinRemain), "expelled")
	refuse(t, w.Expel(w.id("Zoe"), member.MinRemain), "nobody")
	refuse(t, w.Expel(w.id("Chi"), member.MinRemain), "2 members besides Chi")
	refuse(t, w.SetOffice(w.id("Bo"), member.Sponsor, true), "expelled")
	refuse(t, w.Rest(w.id("Bo"), w.Acts), "expelled")
}

// TestExpelWhoBecameMember: those who could decide on an associate are too few for the
// member that the person became.
func TestExpelWhoBecameMember(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi", "Dee")
	w.join("Eli")
	w.must(w.SetTellers(devices("Ana")))
	w.must(w.clone().Expel(w.id("Eli"), 2))
	w.must(w.MakeMember(w.ids("Eli")))
	refuse(t, w.Expel(w.id("Eli"), 2), "Eli is a member now", "2 could decide", "at least 3")
	w.must(w.Expel(w.id("Eli"), 3))
}

// TestTurnover: what changes who votes is counted, for it has open proposals judged
// again; what associates do is not.
func TestTurnover(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi", "Dee")
	w.join("Eli", "Finn")
	for _, step := range []struct {
		name string
		do   func() error
		more uint64
	}{
		{"an associate leaves", func() error { return w.act(deviceOf("Finn"), member.KindLeave, nil) }, 0},
		{"an associate becomes a member", func() error { return w.MakeMember(w.ids("Eli")) }, 1},
		{"a member rests", func() error { return w.Rest(w.id("Eli"), w.Acts) }, 1},
		{"who rests wakes", func() error { w.Wake(w.id("Eli")); return nil }, 1},
		{"who is awake wakes", func() error { w.Wake(w.id("Eli")); return nil }, 0},
		{"a member leaves", func() error { return w.act(deviceOf("Eli"), member.KindLeave, nil) }, 1},
		{"tellers change", func() error { return w.SetTellers(devices("Ana")) }, 0},
		{"a member is expelled", func() error { return w.Expel(w.id("Dee"), member.MinRemain) }, 1},
	} {
		before := w.Turnover
		w.must(step.do())
		if got := w.Turnover - before; got != step.more {
			t.Errorf("%s: counted %d times, want %d", step.name, got, step.more)
		}
	}
}

func TestSetOffice(t *testing.T) {
	w := found(t, "Ana")
	w.join("Bo")
	refuse(t, w.SetOffice(w.id("Bo"), member.Sponsor, true), "Bo is an associate")
	w.must(w.MakeMember(w.ids("Bo")))
	refuse(t, w.SetOffice(w.id("Bo"), "king", true), "king", member.Sponsor)
	for _, o := range []string{member.Treasurer, member.Sponsor} {
		w.must(w.SetOffice(w.id("Bo"), o, true))
	}
	if got, want := w.get("Bo").Offices, []string{member.Sponsor, member.Treasurer}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	refuse(t, w.SetOffice(w.id("Bo"), member.Sponsor, true), "already")
	w.must(w.SetOffice(w.id("Bo"), member.Sponsor, false))
	refuse(t, w.SetOffice(w.id("Bo"), member.Sponsor, false), "already")
	if m := w.get("Bo"); m.Holds(member.Sponsor) || !m.Holds(member.Treasurer) {
		t.Errorf("got %v", m.Offices)
	}
}

func TestClauses(t *testing.T) {
	w := found(t, "Ana")
	tests := map[string]struct {
		name   string
		number int64
		text   string
		says   string // "": fine
	}{
		"quorum":             {member.Quorum, 40, "", ""},
		"least":              {member.Quorum, 0, "", ""},
		"most":               {member.Quorum, 100, "", ""},
		"too great":          {member.Quorum, 101, "", "101, not 0 to 100"},
		"too small":          {member.PollDays, 0, "", "not 1 to"},
		"negative":           {"credit-limit/hour", -1, "", "-1"},
		"overflowing":        {"credit-limit/hour", math.MaxInt64, "", "not 0 to"},
		"per unit":           {"credit-limit/hour", 12, "", ""},
		"no such unit":       {"credit-limit/bread", 12, "", "no unit"},
		"unit missing":       {member.CreditLimit, 12, "", "credit-limit/"},
		"unit too much":      {"quorum/hour", 12, "", "leave out"},
		"no clause":          {"tax", 12, "", "no clause"},
		"text for a number":  {member.Quorum, 12, "many", "not a text"},
		"text":               {member.Purpose, 0, "to lend tools\nto each other", ""},
		"number for a text":  {member.Purpose, 1, "x", "not a number"},
		"long text":          {member.Purpose, 0, text(member.MaxTextLen + 1), "2001"},
		"text with controls": {member.Purpose, 0, "a\x00b", "invisible"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := w.clone()
			before := w.bytes()
			err, check := w.SetClause(tt.name, tt.number, tt.text), w.CheckClause(tt.name, tt.number, tt.text)
			if tt.says != "" {
				refuse(t, err, tt.says)
				refuse(t, check, tt.says)
				if !slices.Equal(before, w.bytes()) {
					t.Error("a refused clause changed the state")
				}
				return
			}
			if err != nil || check != nil {
				t.Fatalf("got %v, %v", err, check)
			}
			if w.Bylaws.Number(tt.name) != tt.number || w.Bylaws.Text(tt.name) != tt.text {
				t.Errorf("got %d %q", w.Bylaws.Number(tt.name), w.Bylaws.Text(tt.name))
			}
		})
	}
	if got := w.Bylaws.Text("motto"); got != "" {
		t.Errorf("a text there is not: got %q", got)
	}
	w.must(w.SetClause("credit-limit/hour", 12, ""))
	w.must(w.SetClause("offline-limit/euro", 3, ""))
	w.must(w.SetClause("credit-limit/hour", 13, ""))
	if w.CreditLimit("hour") != 1300 || w.CreditLimit("euro") != 8000 || w.OfflineLimit("euro") != 300 {
		t.Errorf("got %d, %d, %d", w.CreditLimit("hour"), w.CreditLimit("euro"), w.OfflineLimit("euro"))
	}
	if !slices.IsSortedFunc(w.Bylaws, func(a, b member.Setting) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	}) {
		t.Errorf("bylaws are not sorted: %v", w.Bylaws)
	}
}

// TestDefaultsAreSane: each default may also be set, and trade can begin.
func TestDefaultsAreSane(t *testing.T) {
	w := found(t, "Ana")
	for _, c := range member.Clauses() {
		if c.Meaning == "" || c.Min > c.Default || c.Default > c.Max {
			t.Errorf("%s: default %d is not within %d to %d, or it means nothing", c.Name, c.Default, c.Min, c.Max)
		}
		name := c.Name
		if c.Kind == member.ClausePerUnit {
			name += "/hour"
		}
		if c.Kind != member.ClauseText {
			if got := w.Bylaws.Number(name); got != c.Default {
				t.Errorf("%s: got %d, want the default %d", name, got, c.Default)
			}
			w.must(w.CheckClause(name, c.Default, ""))
		}
	}
	if w.CreditLimit("hour") == 0 {
		t.Error("new members could never pay first")
	}
	if got := w.Bylaws.Number("tax"); got != 0 {
		t.Errorf("a clause there is not: got %d, want 0", got)
	}
	greatest := member.Unit{Code: "x", Scale: member.MaxScale}.Minor()
	if got := greatest * 1_000_000; got != 1e12 {
		t.Errorf("the greatest limit is %d minor units, want 10^12, the greatest transfer", got)
	}
}

func TestSetTellers(t *testing.T) {
	names := []string{"Hal", "Ida", "Jo", "Kit"}
	w := found(t, sevenNames...)
	w.join(names...)
	refuse(t, w.SetTellers(nil), "0 tellers")
	refuse(t, w.SetTellers(devices("Ana", "Hal")), "Hal is an associate")
	w.must(w.MakeMember(w.ids(names...)))
	refuse(t, w.SetTellers(devices(append(sevenNames, names...)...)), "11 tellers")
	ten := devices(append(slices.Clone(sevenNames), names[:3]...)...)
	w.must(w.SetTellers(ten))
	seating := w.Seating
	w.must(w.SetTellers(ten))
	if w.Seating != seating {
		t.Error("the same tellers again count as a change")
	}
	ten[0] = record.Key{}
	if w.Tellers[0] != deviceOf("Ana").Public() {
		t.Error("the state kept the caller's slice")
	}
	w.addDevice("Bo", "tablet")
	refuse(t, w.SetTellers([]record.Key{deviceOf("Bo").Public(), key("tablet").Public()}), "Bo would have two")
	refuse(t, w.SetTellers(devices("Bo", "Bo")), "Bo would have two")
	refuse(t, w.SetTellers(devices("Bo", "Zoe")), "nobody")
	w.must(w.act(deviceOf("Bo"), member.KindRevoke, member.NewRevoke(key("tablet").Public())))
	refuse(t, w.SetTellers([]record.Key{key("tablet").Public()}), "Bo's device", "revoked")
	w.must(w.SetTellers(devices("Ana")))
	mustFail(t, "fork", w.Advance(record.ID{1}, deviceOf("Gus").Public(), 9))
	refuse(t, w.SetTellers(devices("Gus")), "Gus's device", "two records")
	w.must(w.act(deviceOf("Fay"), member.KindLeave, nil))
	refuse(t, w.SetTellers(devices("Fay")), "Fay has left")
	if w.IsTeller(w.id("Bo")) || !w.IsTeller(w.id("Ana")) || !slices.Equal(w.Tellers, devices("Ana")) {
		t.Errorf("got the tellers %v, want Ana", w.Tellers)
	}
	w.must(w.Rest(w.id("Bo"), w.Acts))
	w.must(w.SetTellers(devices("Bo", "Ana")))
}

func TestRecover(t *testing.T) {
	w := found(t, "Ana", "Bo", "Chi")
	w.join("Dee")
	w.addDevice("Bo", "tablet")
	card := func(name string, change func(*member.CardTerms), root, device *record.Private) []byte {
		terms := recoveryTerms(w, name)
		change(&terms)
		c, err := member.NewRecoveryCard(terms, root, device)
		w.must(err)
		return c.Encode()
	}
	same := func(*member.CardTerms) {}
	good := card("Bo", same, key("new root"), key("new device"))
	refuse(t, w.Recover(w.id("Bo"), good), "Bo is a teller", "other tellers")
	w.must(w.SetTellers(devices("Ana", "Chi")))
	tests := map[string]struct {
		card []byte
		says string
	}{
		"no card":       {nil, "join card"},
		"another's":     {card("Dee", same, key("r"), key("d")), "not for the recovery of Bo"},
		"a join card":   {w.card("Bo", "i").Encode(), "not for the recovery of Bo"},
		"another co-op": {card("Bo", func(c *member.CardTerms) { c.Coop = record.ID{9} }, key("r"), key("d")), "another co-op"},
		"the old root":  {card("Bo", same, rootOf("Bo"), key("d")), "was somebody's"},
		"Chi's root":    {card("Bo", same, rootOf("Chi"), key("d")), "was somebody's"},
		"Chi's device":  {card("Bo", same, key("r"), deviceOf("Chi")), "as Chi's"},
		"an old device": {card("Bo", same, key("r"), key("tablet")), "as Bo's"},
	}
	for name, tt := range tests {
		before := w.bytes()
		err := w.Recover(w.id("Bo"), tt.card)
		if err == nil || !slices.Equal(before, w.bytes()) {
			t.Fatalf("%s: got %v, or the state changed", name, err)
		}
		refuse(t, err, tt.says)
	}
	flipped(good, func(at int, b []byte) {
		if w.clone().Recover(w.id("Bo"), b) == nil {
			t.Errorf("byte %d changed: recovered", at)
		}
	})

	old, removals := w.get("Bo"), w.Removals
	w.must(w.Recover(w.id("Bo"), good))
	m := w.get("Bo")
	if m.Root != key("new root").Public() || m.Status != old.Status || !slices.Equal(m.Offices, old.Offices) || m.Name != "Bo" || w.Removals == removals {
		t.Errorf("got %+v", m)
	}
	if w.Stands(deviceOf("Bo").Public()) || w.Stands(key("tablet").Public()) || !w.Stands(key("new device").Public()) {
		t.Error("of Bo's devices the new one alone must stand")
	}
	newID := member.MemberID(w.Coop, key("new root").Public())
	for _, id := range []record.ID{w.id("Bo"), newID} {
		if p, ok := w.Person(id); !ok || p.ID != w.id("Bo") {
			t.Errorf("%s is %v, want Bo", id.Short(), p.Name)
		}
	}
	if _, ok := w.Person(w.id("Zoe")); ok {
		t.Error("Zoe is a person of the co-op")
	}

	// The old root adds nothing any more, the new one does.
	refuse(t, w.act(key("thief"), member.KindDeviceAdd, w.deviceCard("Bo", "thief").Encode()), "Bo has a new root")
	refuse(t, w.act(key("new device"), member.KindDeviceAdd, w.deviceCard("Bo", "thief").Encode()), "Bo has a new root")
	dc, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.Coop, Name: "newer"}, key("new root"), key("newer"))
	w.must(err)
	w.must(w.act(key("newer"), member.KindDeviceAdd, dc.Encode()))

	// Neither root can be admitted as another person.
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 9)))
	for _, root := range []*record.Private{rootOf("Bo"), key("new root")} {
		c, err := member.NewCard(w.cardTerms("Bo"), key("i"), root, key("d"))
		w.must(err)
		refuse(t, w.act(deviceOf("Ana"), member.KindAdmit, c.Encode()), "admitted before, as Bo")
	}
	refuse(t, w.Recover(w.id("Bo"), good), "was somebody's")
	w.must(w.act(deviceOf("Dee"), member.KindLeave, nil))
	refuse(t, w.Recover(w.id("Dee"), card("Dee", same, key("r"), key("d"))), "Dee has left")
	refuse(t, w.Recover(w.id("Zoe"), good), "nobody")
}

// TestRecoverAfterTooManyDevices: a thief of the root who used up the devices
// cannot keep the owner out.
func TestRecoverAfterTooManyDevices(t *testing.T) {
	w := found(t, "Ana")
	w.join("Bo")
	for i := 1; i < member.MaxDevices; i++ {
		w.addDevice("Bo", fmt.Sprintf("thief %d", i))
	}
	c, err := member.NewRecoveryCard(recoveryTerms(w, "Bo"), key("r"), key("d"))
	w.must(err)
	w.must(w.Recover(w.id("Bo"), c.Encode()))
	dc, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.Coop, Name: "e"}, key("r"), key("e"))
	w.must(err)
	w.must(w.act(key("e"), member.KindDeviceAdd, dc.Encode()))
	if got := len(w.get("Bo").Devices); got != 2 {
		t.Errorf("got %d devices, want 2", got)
	}
}

func TestRestAndWake(t *testing.T) {
	w := found(t, "Ana", "Bo")
	w.join("Chi")
	refuse(t, w.Rest(w.id("Chi"), w.Acts), "Chi is associate")
	w.must(w.Rest(w.id("Bo"), w.Acts))
	if got := w.Voters(); !slices.Equal(got, w.ids("Ana")) {
		t.Errorf("got %d voters, want Ana alone", len(got))
	}
	refuse(t, w.Rest(w.id("Bo"), w.Acts), "Bo is resting")
	if !w.Stands(deviceOf("Bo").Public()) {
		t.Error("a resting member cannot act, and so never wakes")
	}
	for _, n := range []string{"Bo", "Chi", "Ana", "Zoe"} {
		w.Wake(w.id(n))
	}
	if len(w.Voters()) != 2 || w.get("Chi").Status != member.StatusAssociate || w.get("Bo").Status != member.StatusMember {
		t.Errorf("got %v for Bo, %v for Chi", w.get("Bo").Status, w.get("Chi").Status)
	}
	w.must(w.SetTellers(devices("Ana")))
	w.must(w.act(deviceOf("Bo"), member.KindLeave, nil))
	w.Wake(w.id("Bo"))
	if got := w.get("Bo").Status; got != member.StatusLeft {
		t.Errorf("waking who left: got %v", got)
	}
}
