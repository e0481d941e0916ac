package replica_test

import (
	"strings"
	"testing"
	"time"

	"coop/crdt/member"
	"coop/sync/replica"
	"coop/sync/wire"
)

// returning is the node of somebody who has an invite and their root key, and
// none of their computers.
func (w *world) returning(who *node, name string) *node {
	n := w.newNode(name)
	card := must(member.SignDeviceCard(member.DeviceTerms{Coop: w.coop, Name: name}, who.root, n.key))
	n.card, n.root, n.leader = card.Encode(), who.root, w.nodes[0].coop.State().Last
	n.start()
	return n
}

// TestOwnCard: a device with a card of its own is let in, adds itself once, and
// is let in by those who have not heard of it.
func TestOwnCard(t *testing.T) {
	w := newWorld(t, "Ana", "Bo", "Chi")
	ana, bo, chi := w.nodes[0], w.nodes[1], w.nodes[2]
	ana.invite("code", 1, 0)
	phone := w.returning(chi, "phone")
	line := w.dial(ana, phone)
	w.pass(3 * time.Second)
	if !phone.r.Joined() || phone.count(member.KindDeviceAdd) != 1 {
		t.Fatalf("the phone joined: %v, with %d cards: %v", phone.r.Joined(), phone.count(member.KindDeviceAdd), phone.events)
	}
	wantSame(t, ana, phone)
	if m, err := ana.coop.People().Author(phone.device()); err != nil || m.ID != chi.member() {
		t.Errorf("the phone is %s's: %v", m.Name, err)
	}
	line.close()

	phone.start() // it was turned off and on
	w.dial(phone, bo)
	w.pass(3 * time.Second)
	if phone.count(member.KindDeviceAdd) != 1 {
		t.Error("it adds itself twice")
	}
	if !bo.coop.Stands(phone.device()) {
		t.Errorf("Bo, who had not heard of the phone, does not let it in: %v", bo.events)
	}
}

// TestOwnCardRefused: the door stays closed where the record would not be taken.
func TestOwnCardRefused(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	bo.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	stranger := w.newNode("Mallory")
	tests := map[string]struct {
		of   *node
		want string
	}{
		"of somebody who left": {bo, "Bo has left the co-op"},
		"of nobody":            {stranger, "nobody in it has these keys"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := w.returning(test.of, name)
			w.dial(ana, n)
			if got := strings.Join(n.heard(replica.EventDoorClosed), " "); !strings.Contains(got, test.want) {
				t.Errorf("the door says %q, want %q", got, test.want)
			}
			if n.r.Joined() || len(n.disk) > 0 {
				t.Errorf("it holds %d records", len(n.disk))
			}
		})
	}
	t.Run("of another device", func(t *testing.T) {
		p := w.call(ana, "Mallory", true).greet()
		card := must(member.SignDeviceCard(member.DeviceTerms{Coop: w.coop, Name: "phone"}, ana.root, keyOf("device phone")))
		p.showsCard(keyOf("device Mallory"), ana.root.Public(), card.Encode())
		checkDoor(t, p, "card")
	})
}

// recovery is the card of somebody who lost all keys, with new ones.
func (w *world) recovery(of *node, device string) member.Card {
	terms := member.CardTerms{Coop: w.coop, Recovers: of.member(), Name: of.name, DeviceName: device}
	return must(member.NewRecoveryCard(terms, keyOf(device+" root of "+of.name), keyOf(device+" device of "+of.name)))
}

// TestRecoveryCard: who lost all keys waits, and is told what to say; for
// somebody who is gone the door stays closed.
func TestRecoveryCard(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	chi.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	call := func(of *node) *peer {
		p := w.call(ana, "new "+of.name, true).greet()
		p.showsCard(keyOf("new device of "+of.name), of.member(), w.recovery(of, "new").Encode())
		return p
	}
	p := call(bo)
	if wait, ok := p.heard[len(p.heard)-1].(wire.Wait); !ok || !strings.Contains(wait.Reason, "four words") {
		t.Errorf("Bo hears %v", p.heard[len(p.heard)-1])
	}
	if n := len(ana.heard(replica.EventCard)); n != 1 {
		t.Errorf("Ana is told of %d cards", n)
	}
	if p.say(wire.Vouch{Card: w.recovery(bo, "another").Encode()}); !p.closed {
		t.Error("a session shows a second card")
	}
	checkDoor(t, call(chi), "not in the co-op")
}
