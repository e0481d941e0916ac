package member_test

import (
	"bytes"
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

type encoder interface{ Encode() []byte }

// fuzzParse holds that a parser never panics, and that what it accepts is the
// one encoding.
func fuzzParse[T encoder](f *testing.F, seed []byte, parse func([]byte) (T, error)) {
	f.Add(seed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := parse(b); err == nil && !bytes.Equal(v.Encode(), b) {
			t.Errorf("accepted %x, which encodes again to %x", b, v.Encode())
		}
	})
}

func FuzzParseCard(f *testing.F) {
	fuzzParse(f, found(f, "Ana").card("Chi", "i").Encode(), member.ParseCard)
}

func FuzzParseDeviceCard(f *testing.F) {
	fuzzParse(f, found(f, "Ana").deviceCard("Ana", "tablet").Encode(), member.ParseDeviceCard)
}

func FuzzParseDeviceRequest(f *testing.F) {
	i := member.Invite{Member: record.ID{6}, Root: rootOf("Ana").Public()}
	r, err := member.NewDeviceRequest(i, "tablet", key("tablet"))
	if err != nil {
		f.Fatal(err)
	}
	fuzzParse(f, r.Encode(), member.ParseDeviceRequest)
}

func FuzzParseReseat(f *testing.F) {
	r := member.Reseat{After: record.ID{1}, Tellers: []record.Key{key("Ana").Public(), key("Bo").Public()}}
	fuzzParse(f, r.Signed(record.ID{2}, record.ID{3}, rootOf("Ana")).Signed(record.ID{2}, record.ID{4}, key("Bo")).Encode(), member.ParseReseat)
}

func FuzzParseFounding(f *testing.F) {
	f.Add(foundingRecord(f, "Ana", "Bo").Body)
	f.Add(foundingOf(f, succeeding()).Body)
	f.Fuzz(func(t *testing.T, b []byte) {
		if terms, err := member.ParseFounding(b); err == nil && !bytes.Contains(b, record.Marshal(terms)) {
			t.Errorf("accepted %x, whose terms encode again to %x", b, record.Marshal(terms))
		}
	})
}

func FuzzParseInvite(f *testing.F) {
	f.Add(code().String())
	f.Add("coop1")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := member.ParseInvite(s)
		if err != nil {
			return
		}
		if again, err := member.ParseInvite(i.String()); err != nil || !equal(i, again) {
			t.Errorf("accepted %q, which is written again as %q", s, i)
		}
	})
}

// FuzzApply gives foreign bodies of every kind to a state: no panic, and what
// has no effect changes nothing.
func FuzzApply(f *testing.F) {
	w := found(f, "Ana", "Bo")
	w.addDevice("Bo", "tablet")
	w.must(w.act(deviceOf("Ana"), member.KindInvite, invite("i", 2)))
	seeds := map[string][]byte{
		member.KindInvite: invite("j", 2), member.KindUninvite: member.NewUninvite(key("i").Public()),
		member.KindIntroduce: w.card("Chi", "i").Encode(), member.KindAdmit: w.card("Chi", "i").Encode(),
		member.KindLeave: nil, member.KindDeviceAdd: w.deviceCard("Bo", "desk").Encode(),
		member.KindRevoke:   member.NewRevoke(key("tablet").Public()),
		member.KindSeatPass: w.NewSeatPass(deviceOf("Bo").Public(), key("tablet").Public(), true, nil),
	}
	for kind, body := range seeds {
		f.Add(kind, body)
	}
	bo, err := w.Author(deviceOf("Bo").Public())
	w.must(err)
	before := w.bytes()
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		c := w.clone()
		r := &record.Record{Header: record.Header{Coop: w.Coop, Device: deviceOf("Bo").Public(), Kind: kind}, Body: body}
		_ = member.Introduces(r)
		if c.Apply(bo, r) != nil && !bytes.Equal(before, c.bytes()) {
			t.Errorf("%s %x had no effect and yet changed the state", kind, body)
		}
	})
}
