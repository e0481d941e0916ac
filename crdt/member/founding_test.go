package member_test

import (
	"slices"
	"testing"

	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/record"
)

var sevenNames = []string{"Ana", "Bo", "Chi", "Dee", "Eli", "Fay", "Gus"}

func TestFound(t *testing.T) {
	for _, names := range [][]string{{"Ana"}, {"Ana", "Bo", "Chi"}, sevenNames} {
		w := found(t, names...)
		if len(w.Tellers) != len(names) || w.Members.Len() != len(names) || len(w.Voters()) != len(names) {
			t.Fatalf("got %d tellers, %d people, %d voters, want %d of each", len(w.Tellers), w.Members.Len(), len(w.Voters()), len(names))
		}
		for i, n := range names {
			m := w.get(n)
			if m.Status != member.StatusMember || !slices.Equal(m.Offices, member.Offices()) || m.Admitted != w.Coop || m.Root != rootOf(n).Public() {
				t.Errorf("%s: got %+v", n, m)
			}
			if w.Tellers[i] != deviceOf(n).Public() || !w.Stands(w.Tellers[i]) {
				t.Errorf("teller %d is not %s's device", i, n)
			}
		}
	}
	w := found(t, "Ana")
	if got := w.Bylaws.Text(member.Purpose); got != "to share" {
		t.Errorf("got the purpose %q", got)
	}
	if got := w.CreditLimit("euro"); got != 8000 {
		t.Errorf("credit limit in euro: got %d, want 8000 as founded", got)
	}
	if got := w.CreditLimit("hour"); got != 5000 {
		t.Errorf("credit limit in hours: got %d, want 5000 by default", got)
	}
	if got := w.OfflineLimit("hour"); got != 1000 {
		t.Errorf("offline limit in hours: got %d, want 1000 by default", got)
	}
	if got := w.CreditLimit("bread"); got != 0 {
		t.Errorf("credit limit in a unit there is not: got %d, want 0", got)
	}
}

func TestFoundingIsChecked(t *testing.T) {
	f := func(change func(*member.Founding)) member.Founding {
		x := terms("Ana", "Bo")
		change(&x)
		return x
	}
	tests := map[string]struct {
		terms member.Founding
		says  string
	}{
		"no founder":         {f(func(x *member.Founding) { x.Founders = nil }), "founders"},
		"eight founders":     {terms(append(sevenNames, "Hal")...), "8 founders"},
		"founder twice":      {terms("Ana", "Ana"), "twice"},
		"no name":            {f(func(x *member.Founding) { x.Name = "" }), "empty"},
		"long name":          {f(func(x *member.Founding) { x.Name = text(member.MaxNameLen + 1) }), "65 bytes"},
		"name with a space":  {f(func(x *member.Founding) { x.Name = " Willow" }), "space"},
		"name of two lines":  {f(func(x *member.Founding) { x.Name = "Willow\nStreet" }), "U+000A"},
		"name with control":  {f(func(x *member.Founding) { x.Name = "Willow\x1bStreet" }), "invisible"},
		"name turned around": {f(func(x *member.Founding) { x.Name = "Willow\u202eStreet" }), "invisible"},
		"name with isolate":  {f(func(x *member.Founding) { x.Name = "Willow\u2067Street" }), "invisible"},
		"name with C1":       {f(func(x *member.Founding) { x.Name = "Willow\u0085Street" }), "invisible"},
		"long purpose":       {f(func(x *member.Founding) { x.Purpose = text(member.MaxTextLen + 1) }), "purpose"},
		"no unit":            {f(func(x *member.Founding) { x.Units, x.Bylaws = nil, nil }), "0 units"},
		"nine units": {f(func(x *member.Founding) {
			for i := range 7 {
				x.Units = append(x.Units, member.Unit{Code: "u" + string(rune('a'+i))})
			}
		}), "9 units"},
		"unit twice":         {f(func(x *member.Founding) { x.Units[1].Code = "hour" }), "twice"},
		"unit in capitals":   {f(func(x *member.Founding) { x.Units[0].Code = "Hour" }), "unit"},
		"unit with a digit":  {f(func(x *member.Founding) { x.Units[0].Code = "4h" }), "letter first"},
		"unit without code":  {f(func(x *member.Founding) { x.Units[0].Code = "" }), "unit"},
		"long unit":          {f(func(x *member.Founding) { x.Units[0].Code = text(member.MaxUnitCodeLen + 1) }), "unit"},
		"scale too great":    {f(func(x *member.Founding) { x.Units[0].Scale = member.MaxScale + 1 }), "decimals"},
		"clause unknown":     {f(func(x *member.Founding) { x.Bylaws[0].Name = "tax" }), "tax"},
		"clause for no unit": {f(func(x *member.Founding) { x.Bylaws[0].Name = "credit-limit/bread" }), "bread"},
		"clause too great":   {f(func(x *member.Founding) { x.Bylaws[0].Number = 1_000_001 }), "1000001"},
		"clauses unsorted": {f(func(x *member.Founding) {
			x.Bylaws = member.Bylaws{{Name: "quorum", Number: 1}, {Name: "poll-days", Number: 1}}
		}), "sorted"},
		"clause twice": {f(func(x *member.Founding) {
			x.Bylaws = member.Bylaws{{Name: "quorum", Number: 1}, {Name: "quorum", Number: 2}}
		}), "sorted"},
		"purpose as a clause": {f(func(x *member.Founding) { x.Bylaws = member.Bylaws{{Name: "purpose", Text: "x"}} }), "purpose"},
		"founder's name":      {f(func(x *member.Founding) { x.Founders[1].Name = "" }), "founder's name"},
		"founder's comma":     {f(func(x *member.Founding) { x.Founders[1].Name = "Bo, Ana" }), "comma"},
		"device's name":       {f(func(x *member.Founding) { x.Founders[1].DeviceName = "" }), "Bo"},
		"root is device":      {f(func(x *member.Founding) { x.Founders[1].Device = x.Founders[1].Root }), "twice"},
		"device of another":   {f(func(x *member.Founding) { x.Founders[1].Device = x.Founders[0].Device }), "twice"},
		"root of small order": {f(func(x *member.Founding) { x.Founders[1].Root = smallOrder }), "Bo"},
		"device is no key":    {f(func(x *member.Founding) { x.Founders[1].Device = record.Key{2} }), "Bo"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := member.NewFounding(tt.terms, sigsOf(tt.terms))
			refuse(t, err, tt.says)
		})
	}
}

func TestFoundersAllSign(t *testing.T) {
	f := terms("Ana", "Bo")
	good, other := sigsOf(f), sigsOf(terms("Ana", "Bo", "Chi"))
	tests := map[string][]member.FounderSig{
		"none":              nil,
		"one missing":       good[:1],
		"one too many":      append(slices.Clone(good), good[0]),
		"swapped":           {good[1], good[0]},
		"over other terms":  {good[0], other[1]},
		"root did not sign": {good[0], {Device: good[1].Device}},
		"device did not":    {good[0], {Root: good[1].Root}},
	}
	for name, sigs := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := member.NewFounding(f, sigs)
			refuse(t, err, "sign")
		})
	}
}

func TestFoundingEveryByte(t *testing.T) {
	for _, f := range []member.Founding{terms("Ana", "Bo"), succeeding()} {
		flipped(foundingOf(t, f).Body, func(at int, b []byte) {
			if _, err := member.ParseFounding(b); err == nil {
				t.Errorf("byte %d changed: accepted", at)
			}
		})
	}
}

func TestFoundRefuses(t *testing.T) {
	f := terms("Ana")
	body, err := member.NewFounding(f, sigsOf(f))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]*record.Record{
		"another kind":    newRecord(t, record.Header{Seq: 1, Depth: 1, Kind: "ack"}, body, deviceOf("Ana")),
		"not founding":    newRecord(t, record.Header{Coop: record.ID{1}, Seq: 1, Depth: 2, Parents: []record.ID{{1}}, Kind: member.KindFound}, body, deviceOf("Ana")),
		"no founder's":    newRecord(t, record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, body, deviceOf("Bo")),
		"by the root key": newRecord(t, record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, body, rootOf("Ana")),
		"no body":         newRecord(t, record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, nil, deviceOf("Ana")),
	}
	for name, r := range tests {
		if _, err := member.Found(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := member.Introduces(tests["not founding"]); got != nil {
		t.Errorf("a founding body in another record introduces %v", got)
	}
}

func TestIntroduces(t *testing.T) {
	w := found(t, "Ana", "Bo")
	card, deviceCard := w.card("Chi", "i"), w.deviceCard("Ana", "tablet")
	foreign := card
	foreign.Coop = record.ID{9}
	otherCoop, err := member.NewCard(foreign.CardTerms, key("i"), rootOf("Chi"), deviceOf("Chi"))
	w.must(err)
	otherDevice, err := member.SignDeviceCard(member.DeviceTerms{Coop: record.ID{9}, Name: "tablet"}, rootOf("Ana"), key("tablet"))
	w.must(err)
	recovery, err := member.NewRecoveryCard(recoveryTerms(w, "Bo"), key("new root"), key("new device"))
	w.must(err)
	tests := map[string]struct {
		r    *record.Record
		want []history.Introduction
	}{
		"founding": {foundingRecord(t, "Ana", "Bo"), []history.Introduction{
			{Member: w.id("Ana"), Device: deviceOf("Ana").Public(), Root: rootOf("Ana").Public()},
			{Member: w.id("Bo"), Device: deviceOf("Bo").Public(), Root: rootOf("Bo").Public()},
		}},
		"admit": {w.record(deviceOf("Ana"), member.KindAdmit, card.Encode()), []history.Introduction{
			{Member: w.id("Chi"), Device: deviceOf("Chi").Public(), Root: rootOf("Chi").Public()},
		}},
		"device": {w.record(deviceOf("Ana"), member.KindDeviceAdd, deviceCard.Encode()), []history.Introduction{
			{Member: w.id("Ana"), Device: key("tablet").Public(), SignedBy: rootOf("Ana").Public()},
		}},
		"introduce":                {w.record(deviceOf("Ana"), member.KindIntroduce, card.Encode()), nil},
		"admit of another co-op":   {w.record(deviceOf("Ana"), member.KindAdmit, otherCoop.Encode()), nil},
		"device of another co-op":  {w.record(deviceOf("Ana"), member.KindDeviceAdd, otherDevice.Encode()), nil},
		"admit by a recovery card": {w.record(deviceOf("Ana"), member.KindAdmit, recovery.Encode()), nil},
		"another kind":             {w.record(deviceOf("Ana"), "proposal/open", card.Encode()), nil},
	}
	for name, tt := range tests {
		if got := member.Introduces(tt.r); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	flipped(card.Encode(), func(at int, b []byte) {
		if member.Introduces(w.record(deviceOf("Ana"), member.KindAdmit, b)) != nil {
			t.Errorf("join card, byte %d changed: it introduces", at)
		}
	})
	flipped(deviceCard.Encode(), func(at int, b []byte) {
		if member.Introduces(w.record(deviceOf("Ana"), member.KindDeviceAdd, b)) != nil {
			t.Errorf("device card, byte %d changed: it introduces", at)
		}
	})
}

func TestCardIntroduces(t *testing.T) {
	w := found(t, "Ana", "Bo")
	c, err := member.NewRecoveryCard(recoveryTerms(w, "Bo"), key("new root"), key("new device"))
	w.must(err)
	newID := member.MemberID(w.Coop, key("new root").Public())
	want := []history.Introduction{{Member: newID, Device: key("new device").Public(), Root: key("new root").Public()}}
	if got := member.CardIntroduces(w.Coop, c.Encode()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: never as %s, who is to be recovered", got, want, w.id("Bo").Short())
	}
	if got := member.CardIntroduces(record.ID{9}, c.Encode()); got != nil {
		t.Errorf("in another co-op: got %v", got)
	}
	if got := member.CardIntroduces(w.Coop, w.card("Chi", "i").Encode()); got != nil {
		t.Errorf("a join card in a proposal: got %v", got)
	}
	flipped(c.Encode(), func(at int, b []byte) {
		if member.CardIntroduces(w.Coop, b) != nil {
			t.Errorf("byte %d changed: it introduces", at)
		}
	})
}

// TestHistoryTakesDevices runs the introductions through the real admission.
func TestHistoryTakesDevices(t *testing.T) {
	w := found(t, "Ana")
	h := history.New(history.Rules{
		Introduces: func(r *record.Record) []history.Introduction {
			if r.Kind == "proposal/open" {
				return member.CardIntroduces(r.CoopID(), r.Body)
			}
			return member.Introduces(r)
		},
		Content: func(string) bool { return false },
	})
	tip := foundingRecord(t, "Ana")
	ref, _, err := h.Admit(tip)
	w.must(err)
	if got := h.At(ref).Owner; got != w.id("Ana") {
		t.Fatalf("the founding record is owned by %s, want Ana", got.Short())
	}
	first := func(kind string, body []byte, by *record.Private, parent *record.Record) *record.Record {
		return newRecord(t, record.Header{Coop: w.Coop, Seq: 1, Depth: parent.Depth + 1, Parents: []record.ID{parent.ID}, Kind: kind}, body, by)
	}
	next := func(kind string, body []byte) *record.Record {
		tip = newRecord(t, record.Header{Coop: w.Coop, Seq: tip.Seq + 1, Prev: tip.ID, Depth: tip.Depth + 1, Kind: kind}, body, deviceOf("Ana"))
		_, _, err := h.Admit(tip)
		w.must(err)
		return tip
	}
	owned := func(name string, r *record.Record, want record.ID) {
		t.Helper()
		ref, _, err := h.Admit(r)
		if want == (record.ID{}) {
			mustFail(t, name, err)
		} else if err != nil {
			t.Errorf("%s: got %v", name, err)
		} else if got := h.At(ref).Owner; got != want {
			t.Errorf("%s: owned by %s, want %s", name, got.Short(), want.Short())
		}
	}
	founding := tip
	owned("a device nobody introduced", first("ack", nil, key("nobody"), founding), record.ID{})
	owned("a card of a root nobody introduced", first(member.KindDeviceAdd, w.deviceCard("Chi", "chi's tablet").Encode(), key("chi's tablet"), founding), record.ID{})
	owned("Ana's tablet by its own card", first(member.KindDeviceAdd, w.deviceCard("Ana", "tablet").Encode(), key("tablet"), founding), w.id("Ana"))
	owned("a stolen card", first(member.KindDeviceAdd, w.deviceCard("Ana", "tablet").Encode(), key("thief"), founding), record.ID{})
	admit := next(member.KindAdmit, w.card("Chi", "i").Encode())
	owned("Chi, admitted", first("ack", nil, deviceOf("Chi"), admit), w.id("Chi"))
	owned("Chi's tablet", first(member.KindDeviceAdd, w.deviceCard("Chi", "chi's tablet").Encode(), key("chi's tablet"), admit), w.id("Chi"))
	terms := recoveryTerms(w, "Chi")
	c, err := member.NewRecoveryCard(terms, key("new root"), key("new device"))
	w.must(err)
	open := next("proposal/open", c.Encode())
	newID := member.MemberID(w.Coop, key("new root").Public())
	owned("the device of a recovery", first("ack", nil, key("new device"), open), newID)
	dc, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.Coop, Name: "newer"}, key("new root"), key("newer"))
	w.must(err)
	owned("a further device of a recovery", first(member.KindDeviceAdd, dc.Encode(), key("newer"), open), newID)
}

func recoveryTerms(w *world, name string) member.CardTerms {
	t := w.cardTerms(name)
	t.Recovers = w.id(name)
	return t
}
