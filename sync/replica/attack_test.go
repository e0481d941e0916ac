package replica_test

import (
	"bytes"
	"fmt"
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
