package replica_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/wire"
)

// learns reports whether a peer heard something in clear.
func (p *peer) learns(what []byte) bool {
	for _, m := range p.heard {
		if bytes.Contains(wire.Encode(m), what) {
			return true
		}
	}
	return false
}

// TestNamesAreForMembers: who was put out, or has a code that was used, knows the
// network secret. They hear no name and no root key of who came later, whether they
// call a member or a newcomer calls them.
func TestNamesAreForMembers(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	bo.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	used := ana.invite("code for Dan", 1, 0)
	w.dial(ana, w.newcomer("Dan", used))
	chi := w.join(ana, "Chi from the mill")
	next := w.newcomer("Eve from the hill", ana.invite("for Eve", 1, 0))
	root := next.root.Public()
	attackers := map[string]*peer{}
	for _, to := range []*node{ana, chi, next} {
		out := w.call(to, "out of "+to.name, true).greet()
		out.say(out.shows(bo.key))
		attackers["who left, at "+to.name] = out

		key := keyOf("device of nobody")
		holder := w.call(to, "holder at "+to.name, true).greet()
		holder.showsCard(key, used.Key().Public(), cardOf(w.newNode("Finn"), used).Encode())
		attackers["a used code, at "+to.name] = holder

		asks := w.call(to, "asks "+to.name, true).greet()
		asks.say(asks.shows(key))
		asks.say(wire.Ask{MAC: mac(used.Key().Public(), true, asks.nonce, asks.transport, asks.theirs, to.transport)})
		attackers["who asks, at "+to.name] = asks
	}
	for name, p := range attackers {
		for _, secret := range [][]byte{[]byte("Chi from"), []byte("Eve from"), root[:]} {
			if p.learns(secret) {
				t.Errorf("%s: hears %q", name, secret)
			}
		}
	}
	if l := w.dial(next, ana); !l.up || !next.r.Joined() {
		t.Errorf("who has the code does not come in: %v", next.events)
	}
	if l := w.dial(next, chi); !l.up || !chi.coop.Stands(next.device()) {
		t.Errorf("Chi, who had not heard of who came, does not let them in: %v", chi.events)
	}
}

// TestVouchBombAtTheDoor: who knows nothing but the network secret sends a vouch as
// long as may be, which leads nowhere; what nobody asked for is not looked at.
func TestVouchBombAtTheDoor(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	i := member.Invite{Coop: w.coop, Seed: seedOf("made up")}
	start := w.newNode("Mallory 0")
	var vouch []*record.Record
	for n, of := 1, start; n <= wire.MaxVouch; n++ {
		by := w.newNode(fmt.Sprint("Mallory ", n))
		c := &chain{w: w, key: by.key, prev: ana.disk[0]}
		vouch = append(vouch, c.next(member.KindAdmit, cardOf(of, i).Encode()))
		of = by
	}
	p := w.call(ana, "Mallory", true).greet()
	p.say(p.shows(start.key))
	p.say(wire.Vouch{Vouch: vouch})
	checkDoor(t, p, "not known")
	q := w.call(ana, "Ana again", true).enter(ana.key)
	if q.say(wire.Vouch{Vouch: vouch}); !q.closed {
		t.Error("a vouch that nobody asked for does not close the door")
	}
}

// stream answers a pull with records, and ends it.
func (p *peer) stream(t *testing.T, rs []*record.Record) {
	t.Helper()
	for len(rs) > 0 && !p.closed {
		n, size := 0, 0
		for n < len(rs) && size < wire.RecordsLen-4096 {
			size += len(rs[n].Encode())
			n++
		}
		p.say(wire.Records{Records: rs[:n], Left: uint64(len(rs) - n)})
		rs = rs[n:]
	}
	p.say(wire.End{})
	if p.closed {
		t.Fatalf("closed: %s", p.reason())
	}
}

// cards returns the first records of many devices that come by a card of one
// person's root, each for itself.
func (w *world) cards(of *node, name string, n int, last *record.Record) (rs []*record.Record) {
	for i := range n {
		key := keyOf(fmt.Sprint(name, i))
		card := must(member.SignDeviceCard(member.DeviceTerms{Coop: w.coop, Name: "n"}, of.root, key))
		rs = append(rs, (&chain{w: w, key: key}).next(member.KindDeviceAdd, card.Encode(), last))
	}
	return rs
}

// TestCardsOfOne: an admitted person sends a thousand cards of their own, while the
// minutes stand still. As many are taken as a person may have devices, and the fold
// costs what came, once a message: not all that is pending for each.
func TestCardsOfOne(t *testing.T) {
	w := newWorld(t, "Ana", "Ben", "Cleo")
	ana := w.nodes[0]
	eve := w.join(ana, "Eve")
	w.pass(time.Minute)
	w.lines[0].close()
	p := w.call(ana, "Eve", true).enter(eve.key)
	rs := w.cards(eve, "card ", 1000, ana.disk[len(ana.disk)-1])
	held, folded := len(ana.disk), ana.coop.Folded()
	p.stream(t, rs)
	if got := len(ana.disk) - held; got > member.MaxDevices {
		t.Errorf("%d of %d cards were taken, more than %d", got, len(rs), member.MaxDevices)
	}
	if got := ana.coop.Folded() - folded; got > 16*member.MaxDevices {
		t.Errorf("%d acts were folded for %d cards", got, len(rs))
	}
	if _, of := ana.coop.Troubles(); of > 2 {
		t.Errorf("they leave %d troubles", of)
	}
}

// TestCardsOfOneMeet: two nodes that took as many cards of one person as they may,
// and not the same ones, come to hold the same. Neither is a teller, whose acks would
// bring them anyway, and helpers of hers cover those that do not stand: so it takes
// the rule that all cards of one root are covered where there are so many.
func TestCardsOfOneMeet(t *testing.T) {
	v := newVillage(t, 3)
	eve := v.others[0]
	for i, n := range []*node{v.bo, v.cy} {
		cards := v.cards(eve, "card for "+n.name, member.MaxDevices, v.last)
		n.hears(cards...)
		out := slices.DeleteFunc(cards, func(r *record.Record) bool { return n.coop.Stands(r.Device) })
		n.hears((&chain{w: v.world, key: v.others[1+i].key}).next("note", nil, append(out, v.last)...))
		if len(out) == 0 {
			t.Fatalf("all cards at %s stand: there is nothing that her helper covers", n.name)
		}
	}
	v.dial(v.bo, v.cy)
	v.pass(5 * time.Minute)
	wantSame(t, v.bo, v.cy)
}

// TestRepeatsGiveNoTime: a peer that says what it has said before does not hold its
// pull open, nor what it staged.
func TestRepeatsGiveNoTime(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	p := w.call(ana, "Eve", true).enter(ana.key)
	r := (&chain{w: w, key: keyOf("stranger"), prev: ana.disk[0]}).next("note", []byte("x"))
	for range 10 {
		p.say(records(r, ana.disk[0]))
		w.pass(20 * time.Second)
		p.listen()
	}
	if !p.closed {
		t.Error("a repeated record held the pull open for 200 seconds")
	}
}

// garbage is a record that nobody takes, of this size in all.
func garbage(c *chain, size int) *record.Record { return c.next("note", make([]byte, size-200)) }

// TestStagingOfOnePerson: what all devices of one person stage at a time is what one
// may, and a flood by one of them is a reason to wait with all.
func TestStagingOfOnePerson(t *testing.T) {
	s, a := newAreaStage(t, 0)
	phones := []*peer{s.p}
	for i, r := range s.cards(s.chi, "phone ", 3, s.ana.disk[len(s.ana.disk)-1]) {
		s.ana.hears(r)
		phones = append(phones, s.call(s.ana, fmt.Sprint("Chi's phone ", i), true).enter(keyOf(fmt.Sprint("phone ", i))))
	}
	quiet := phones[len(phones)-1] // floods nothing
	phones = phones[:len(phones)-1]
	quiet.say(wire.End{})
	chains := make([]*chain, len(phones))
	for i := range chains {
		chains[i] = &chain{w: s.world, key: keyOf(fmt.Sprint("stranger ", i)), prev: s.ana.disk[0]}
	}
	closed := func() (n int) {
		for _, p := range phones {
			if p.closed {
				n++
			}
		}
		return n
	}
	for range stagedFirst / record.MaxBodyLen {
		for i, p := range phones {
			if !p.closed {
				s.ana.r.Message(s.ana.now(), p.id, records(garbage(chains[i], record.MaxBodyLen)))
				p.listen()
			}
		}
		if closed() > 0 {
			break
		}
	}
	if a.most > stagedFirst || closed() != 1 {
		t.Errorf("%d devices of one person staged %d bytes, %d are sent away", len(phones), a.most, closed())
	}
	for i, p := range phones {
		if p.closed {
			continue
		}
		if p.say(records(garbage(chains[i], record.MaxBodyLen))); p.closed {
			t.Error("what was dropped still counts")
		}
		p.say(wire.End{})
	}
	if a.open != 0 || a.sum != 0 {
		t.Errorf("%d areas with %d bytes are left", a.open, a.sum)
	}
	before := len(quiet.heard)
	quiet.say(wire.Hint{Digest: [32]byte{1}})
	if strings.Contains(kinds(quiet.heard[before:]), "pull") {
		t.Error("after a flood another device of the same person is pulled from at once")
	}
}

// TestDrip: a peer that brings one new record a minute does not hold a pull open, nor
// what it staged; one on a slow line that brings what it can does.
func TestDrip(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		held bool
	}{"a drip": {500, false}, "a slow line": {record.MaxBodyLen, true}} {
		w := newWorld(t, "Ana")
		ana := w.nodes[0]
		p := w.call(ana, "Eve", true).enter(ana.key)
		chain := &chain{w: w, key: keyOf("stranger"), prev: ana.disk[0]}
		for range 120 {
			rs := []*record.Record{garbage(chain, c.size)}
			if c.held {
				rs = append(rs, garbage(chain, c.size))
			}
			p.say(records(rs...))
			w.pass(50 * time.Second)
			p.listen()
		}
		if p.closed == c.held {
			t.Errorf("%s, for 100 minutes: closed %v", name, p.closed)
		}
	}
}

// TestOneSession: a device has one session with a node, and so stages what one may.
func TestOneSession(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	first := w.call(ana, "Bo's first", true).enter(bo.key)
	second := w.call(ana, "Bo's second", true).enter(bo.key)
	first.listen()
	if !first.closed || second.closed {
		t.Errorf("two sessions of one device: the first is closed %v, the second %v", first.closed, second.closed)
	}
}
