package member_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

var (
	agreement  = sha256.Sum256([]byte("we share"))
	smallOrder = record.Key{} // y = 0 is a point of order 4
	noSig      record.Sig
)

// key derives a key from a name, the same in every run.
func key(name string) *record.Private { return record.NewPrivate(sha256.Sum256([]byte(name))) }

func rootOf(name string) *record.Private   { return key(name + "'s root") }
func deviceOf(name string) *record.Private { return key(name + "'s device") }

func terms(names ...string) member.Founding {
	f := member.Founding{
		Name: "Willow Street", Purpose: "to share", Agreement: agreement, Nonce: [32]byte{7},
		Units:  []member.Unit{{Code: "hour", Scale: 2}, {Code: "euro", Scale: 2}},
		Bylaws: member.Bylaws{{Name: "credit-limit/euro", Number: 80}},
	}
	for _, n := range names {
		f.Founders = append(f.Founders, member.Founder{Name: n, Root: rootOf(n).Public(), Device: deviceOf(n).Public(), DeviceName: "laptop"})
	}
	return f
}

func sigsOf(f member.Founding) []member.FounderSig {
	var sigs []member.FounderSig
	for _, p := range f.Founders {
		sigs = append(sigs, f.Sign(rootOf(p.Name), deviceOf(p.Name)))
	}
	return sigs
}

func foundingRecord(t testing.TB, names ...string) *record.Record {
	t.Helper()
	return foundingOf(t, terms(names...))
}

// foundingOf is the record of these terms, by the first founder's device.
func foundingOf(t testing.TB, f member.Founding) *record.Record {
	t.Helper()
	body, err := member.NewFounding(f, sigsOf(f))
	if err != nil {
		t.Fatal(err)
	}
	return newRecord(t, record.Header{Seq: 1, Depth: 1, Kind: member.KindFound}, body, deviceOf(f.Founders[0].Name))
}

func newRecord(t testing.TB, h record.Header, body []byte, by *record.Private) *record.Record {
	t.Helper()
	r, err := record.New(h, body, by)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// world drives a state as the fold does.
type world struct {
	t testing.TB
	*member.State
	seq map[record.Key]uint64
}

// found returns a co-op whose founders are all its people.
func found(t testing.TB, names ...string) *world {
	t.Helper()
	return worldOf(t, terms(names...))
}

func worldOf(t testing.TB, f member.Founding) *world {
	t.Helper()
	r := foundingOf(t, f)
	s, err := member.Found(r)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, s, map[record.Key]uint64{r.Device: 1}}
}

// record signs the next record of a device.
func (w *world) record(by *record.Private, kind string, body []byte) *record.Record {
	w.t.Helper()
	w.seq[by.Public()]++
	h := record.Header{Coop: w.Coop, Seq: w.seq[by.Public()], Parents: []record.ID{w.Coop}, Depth: 2, Kind: kind}
	if h.Seq > 1 {
		h.Prev = record.ID{1}
	}
	return newRecord(w.t, h, body, by)
}

// act gives one act to the state as package coop does.
func (w *world) act(by *record.Private, kind string, body []byte) error {
	w.t.Helper()
	r := w.record(by, kind, body)
	if err := w.Advance(r.ID, r.Device, r.Seq); err != nil {
		return err
	}
	m, err := w.AuthorOf(r)
	if err != nil {
		return err
	}
	before := w.bytes()
	if err := w.Apply(m, r); err != nil {
		if !bytes.Equal(before, w.bytes()) {
			w.t.Errorf("%s had no effect (%v) and yet changed the state", kind, err)
		}
		return err
	}
	return nil
}

// must fails the test if an act has no effect.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("got %q, want no problem", err)
	}
}

// refuse fails the test unless err says all of the words.
func refuse(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one that says %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("got %q, want one that says %q", err, word)
		}
	}
}

func (w *world) bytes() []byte {
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) id(name string) record.ID { return member.MemberID(w.Coop, rootOf(name).Public()) }

func (w *world) get(name string) member.Member {
	w.t.Helper()
	m, ok := w.Members.Get(w.id(name))
	if !ok {
		w.t.Fatalf("%s is not there", name)
	}
	return m
}

func (w *world) cardTerms(name string) member.CardTerms {
	return member.CardTerms{Coop: w.Coop, Name: name, DeviceName: "phone", Agreement: w.Agreement}
}

// card is the join card of somebody who has the invite named so.
func (w *world) card(name, invite string) member.Card {
	w.t.Helper()
	c, err := member.NewCard(w.cardTerms(name), key(invite), rootOf(name), deviceOf(name))
	w.must(err)
	return c
}

// join lets the first founder, Ana, invite and admit people.
func (w *world) join(names ...string) {
	w.t.Helper()
	for _, n := range names {
		invite := "invite for " + n
		w.must(w.act(deviceOf("Ana"), member.KindInvite, member.NewInvite(key(invite).Public(), 1, 0)))
		w.must(w.act(deviceOf("Ana"), member.KindAdmit, w.card(n, invite).Encode()))
	}
}

// deviceCard is the card of a further device.
func (w *world) deviceCard(owner, device string) member.DeviceCard {
	w.t.Helper()
	c, err := member.SignDeviceCard(member.DeviceTerms{Coop: w.Coop, Name: device}, rootOf(owner), key(device))
	w.must(err)
	return c
}

// addDevice adds a device by the card it writes itself.
func (w *world) addDevice(owner, device string) {
	w.t.Helper()
	w.must(w.act(key(device), member.KindDeviceAdd, w.deviceCard(owner, device).Encode()))
}

func (w *world) clone() *world {
	c := &world{w.t, w.Clone(), map[record.Key]uint64{}}
	for k, n := range w.seq {
		c.seq[k] = n
	}
	return c
}

// flipped calls f with every copy of b in which one byte is another.
func flipped(b []byte, f func(at int, b []byte)) {
	for i := range b {
		for _, x := range []byte{1, 0x80} {
			c := slices.Clone(b)
			c[i] ^= x
			f(i, c)
		}
	}
}

func mustFail(t *testing.T, name string, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func text(n int) string { return strings.Repeat("x", n) }
