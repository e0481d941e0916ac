package replica_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// TestStranger has somebody call who does not know the network secret: the door
// closes before anything of the co-op is said.
func TestStranger(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.newcomer("Bo", ana.invite("code", 1, 0))
	bo.secret = seedOf("guessed")
	bo.start()
	l := w.dial(ana, bo)
	for i, n := range l.ends {
		if got, want := kinds(l.said[i]), "hello proof"; got != want {
			t.Errorf("%s says %q, want %q", n.name, got, want)
		}
		if got := n.heard(replica.EventDoorClosed); len(got) != 1 || !strings.Contains(got[0], "network secret") {
			t.Errorf("%s is told %q", n.name, got)
		}
	}
	if l.up {
		t.Error("the line is still up")
	}
	if len(bo.disk) > 0 || ana.coop.People().Members.Len() != 1 {
		t.Errorf("the stranger holds %d records; the co-op has %d people", len(bo.disk), ana.coop.People().Members.Len())
	}
}

// TestProof forges what proves the network secret: it is good for one
// connection, in one direction.
func TestProof(t *testing.T) {
	other := seedOf("other")
	for _, c := range []struct {
		name  string
		forge func(p *peer) [32]byte
		good  bool
	}{
		{name: "as it must be", forge: (*peer).mac, good: true},
		{name: "another secret", forge: func(p *peer) [32]byte {
			return mac(other, p.dialer, p.nonce, p.transport, p.theirs, p.to.transport)
		}},
		{name: "the node's own, sent back", forge: func(p *peer) [32]byte {
			return mac(p.to.w.secret, !p.dialer, p.theirs, p.to.transport, p.nonce, p.transport)
		}},
		{name: "in the other role", forge: func(p *peer) [32]byte {
			return mac(p.to.w.secret, !p.dialer, p.nonce, p.transport, p.theirs, p.to.transport)
		}},
		{name: "of another connection", forge: func(p *peer) [32]byte {
			return mac(p.to.w.secret, p.dialer, p.nonce, p.transport, other, p.to.transport)
		}},
		{name: "for another node", forge: func(p *peer) [32]byte {
			return mac(p.to.w.secret, p.dialer, p.nonce, p.transport, p.theirs, []byte("transport Chi"))
		}},
		{name: "of another node, relayed", forge: func(p *peer) [32]byte {
			return mac(p.to.w.secret, p.dialer, p.nonce, []byte("transport Chi"), p.theirs, p.to.transport)
		}},
	} {
		for _, dialer := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				w := newWorld(t, "Ana")
				p := w.call(w.nodes[0], "Bo", dialer)
				p.say(wire.Hello{Version: wire.Version, Nonce: p.nonce})
				p.say(wire.Proof{MAC: c.forge(p)})
				want := "hello proof"
				if c.good {
					want = "hello proof show"
				}
				if got := kinds(p.heard); got != want {
					t.Errorf("the node says %q, want %q", got, want)
				}
				if p.closed == c.good {
					t.Errorf("the session is closed: %v", p.closed)
				}
			})
		}
	}
}

func TestHelloOfAnotherVersion(t *testing.T) {
	w := newWorld(t, "Ana")
	p := w.call(w.nodes[0], "Bo", true)
	p.say(wire.Hello{Version: wire.Version + 1, Nonce: p.nonce})
	if got := w.nodes[0].heard(replica.EventDoorClosed); !p.closed || kinds(p.heard) != "hello" || len(got) != 1 || !strings.Contains(got[0], "version") {
		t.Errorf("closed %v after %q, told %q", p.closed, kinds(p.heard), got)
	}
}

// TestShow has peers who know the network secret and are not, or cannot prove to
// be, of the co-op.
func TestShow(t *testing.T) {
	ana := keyOf("device Ana")
	for _, c := range []struct {
		name string
		show func(p *peer) wire.Show
		want string // in the reason of the bye; "" is a welcome
	}{
		{"a member", func(p *peer) wire.Show { return p.shows(ana) }, ""},
		{"signed for another connection", func(p *peer) wire.Show {
			s := p.shows(ana)
			s.Sig = ana.Sign(record.DomainTransport, wire.TransportClaim(p.to.w.coop, []byte("transport Chi")))
			return s
		}, "did not sign"},
		{"signed for another co-op", func(p *peer) wire.Show {
			s := p.shows(ana)
			s.Sig = ana.Sign(record.DomainTransport, wire.TransportClaim(record.ID(seedOf("other")), p.transport))
			return s
		}, "did not sign"},
		{"signed for another purpose", func(p *peer) wire.Show {
			s := p.shows(ana)
			s.Sig = ana.Sign(record.DomainRecord, wire.TransportClaim(p.to.w.coop, p.transport))
			return s
		}, "did not sign"},
		{"signed by another device", func(p *peer) wire.Show {
			s := p.shows(keyOf("device Mallory"))
			s.Device = ana.Public()
			return s
		}, "did not sign"},
		{"a key of small order", func(p *peer) wire.Show {
			return wire.Show{Device: record.Key{1}, Sig: record.Sig{1}}
		}, "did not sign"},
		{"a newcomer with a code that nobody here knows", func(p *peer) wire.Show {
			s := p.shows(keyOf("device Mallory"))
			s.Code = [8]byte{1}
			return s
		}, "does not know this code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "Bo", "Ana")
			p := w.call(w.nodes[0], "x", true).greet()
			p.say(c.show(p))
			checkDoor(t, p, c.want)
		})
	}
}

// checkDoor holds that a peer was let in, or sent away with a reason and
// nothing else.
func checkDoor(t *testing.T, p *peer, want string) {
	t.Helper()
	if want == "" {
		if got := kinds(p.heard); got != "hello proof show welcome" && got != "hello proof show ask welcome" || p.closed {
			t.Errorf("the node says %q (%s), closed %v; want a welcome", got, p.reason(), p.closed)
		}
		return
	}
	if got := kinds(p.heard); got != "hello proof show bye" && got != "hello proof show ask bye" || !p.closed {
		t.Errorf("the node says %q, closed %v; want a bye", got, p.closed)
	}
	if !strings.Contains(p.reason(), want) {
		t.Errorf("the reason is %q, want %q in it", p.reason(), want)
	}
}

// TestVouch has a device call of which the node has not heard, with the records
// that introduce it.
func TestVouch(t *testing.T) {
	setUp := func(t *testing.T) (w *world, ana, bo, chi *node) {
		w = newWorld(t, "Ana")
		ana = w.nodes[0]
		bo = w.join(ana, "Bo")
		w.lines[0].close() // Bo does not hear of Chi
		return w, ana, bo, w.join(ana, "Chi")
	}
	vouch := func(n *node) (all []*record.Record) {
		for _, ref := range n.coop.Introductions(n.device()) {
			all = append(all, n.disk[ref])
		}
		return all
	}
	for _, c := range []struct {
		name  string
		vouch func(ana, chi *node) []*record.Record
		want  string
	}{
		{"as it must be", func(_, chi *node) []*record.Record { return vouch(chi) }, ""},
		{"none", func(_, _ *node) []*record.Record { return nil }, "not known"},
		{"without the admission", func(_, chi *node) []*record.Record { return vouch(chi)[1:] }, "not known"},
		{"a later one first", func(_, chi *node) []*record.Record { all := vouch(chi); slices.Reverse(all); return all }, "not known"},
		{"by a stranger", func(ana, chi *node) []*record.Record {
			c := ana.chain()
			c.key = keyOf("device Mallory")
			return []*record.Record{c.next(member.KindAdmit, chi.card)}
		}, "not known"},
		{"of another co-op", func(ana, chi *node) []*record.Record {
			other := &world{coop: record.ID(seedOf("other"))}
			c := ana.chain()
			c.w = other
			return []*record.Record{c.next(member.KindAdmit, chi.card)}
		}, "not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, ana, bo, chi := setUp(t)
			p := w.call(bo, "Chi", true).greet()
			p.say(p.shows(chi.key))
			p.say(wire.Vouch{Vouch: c.vouch(ana, chi)})
			checkDoor(t, p, c.want)
		})
	}

	t.Run("two real nodes", func(t *testing.T) {
		w, _, bo, chi := setUp(t)
		w.dial(bo, chi)
		wantSame(t, bo, chi)
	})
}

// TestVouchByRemoved has somebody who was put out vouch for a stranger.
func TestVouchByRemoved(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	bo.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	mallory := w.newNode("Mallory")
	card := cardOf(mallory, member.Invite{Coop: w.coop, Seed: seedOf("made up")})
	p := w.call(ana, "Mallory", true).greet()
	p.say(p.shows(mallory.key))
	p.say(wire.Vouch{Vouch: []*record.Record{bo.chain().next(member.KindAdmit, card.Encode())}})
	checkDoor(t, p, "Bo has left the co-op")
}

// removals are the ways in which Bo's first device, or Bo, is put out.
var removals = []struct {
	name, want string
	remove     func(w *world, ana, bo *node)
}{
	{"left", "Bo has left the co-op", func(_ *world, _, bo *node) { bo.write(member.KindLeave, nil) }},
	{"expelled", "Bo was expelled", func(w *world, ana, bo *node) {
		w.decide(ana, proposal.Effect{Kind: proposal.EffectExpel, Member: bo.member()}, ana)
	}},
	{"revoked", "was revoked", func(w *world, ana, bo *node) {
		phone := must(member.SignDeviceCard(member.DeviceTerms{Coop: w.coop, Name: "phone"}, bo.root, keyOf("phone")))
		bo.write(member.KindDeviceAdd, phone.Encode())
		bo.write(member.KindRevoke, member.NewRevoke(bo.device()))
	}},
}

// TestRemoved has a node call whose device the minutes put out.
func TestRemoved(t *testing.T) {
	for _, c := range removals {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "Ana")
			ana := w.nodes[0]
			bo := w.join(ana, "Bo")
			l := w.lines[0]
			c.remove(w, ana, bo)
			w.pass(3 * time.Second)
			if l.up {
				t.Error("the session that was open then is still open")
			}
			if got := bo.heard(replica.EventDoorClosed); len(got) == 0 || !strings.Contains(got[0], c.want) {
				t.Errorf("at the open session Bo is told %q, want %q", got, c.want)
			}
			later := ana.writeAny(coop.KindAck, nil)

			bo.events = nil
			l = w.dial(ana, bo)
			if l.up || kinds(l.said[0]) != "hello proof show bye" {
				t.Errorf("Ana's node says %q", kinds(l.said[0]))
			}
			if got := bo.heard(replica.EventDoorClosed); len(got) == 0 || !strings.Contains(got[0], c.want) {
				t.Errorf("Bo is told %q, want %q", got, c.want)
			}
			if bo.holds(later) {
				t.Error("Bo holds what was written later")
			}
		})
	}
}

// TestRemovedNotMinuted has a node call that was put out by what no teller has
// confirmed: that counts for nothing at the door.
func TestRemovedNotMinuted(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	w.pass(3 * time.Second)
	for _, l := range w.lines {
		l.close()
	}
	l := w.dial(bo, chi)
	bo.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	if got := chi.coop.People().Stands(bo.device()); got {
		t.Fatal("Chi has not heard that Bo left")
	}
	if !l.up {
		t.Error("Chi's node closed the door on an act that is not minuted")
	}
	l.close()
	if l := w.dial(bo, chi); !l.up || len(chi.heard(replica.EventDoorClosed)) > 0 {
		t.Errorf("Chi's node did not let Bo in: %v", chi.events)
	}
}

// TestForked has a device call that signed two records in one slot: it is shown
// both.
func TestForked(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	l := w.lines[0]
	twin, admission := bo.chain(), ana.disk[len(ana.disk)-1]
	bo.writeAny(coop.KindAck, nil)
	w.pass(3 * time.Second)
	other := twin.next("note", []byte("other"), admission)
	p := w.call(ana, "y", true).enter(ana.key)
	p.say(records(other))
	p.say(wire.End{})
	if _, _, ok := ana.coop.History().Fork(bo.device()); !ok {
		t.Fatalf("Ana does not hold the fork: %v", ana.events)
	}
	w.run()
	if l.up {
		t.Error("the session that was open then is still open")
	}
	for _, name := range []string{"the open session", "a new session"} {
		var last wire.Message
		if said := l.said[0]; len(said) > 0 {
			last = said[len(said)-1]
		}
		bye, ok := last.(wire.Bye)
		if !ok || len(bye.Evidence) != 2 || !strings.Contains(bye.Reason, "two records in one slot") {
			t.Fatalf("%s ends with %T %+v", name, last, last)
		}
		a, b := must(record.Decode(bye.Evidence[0])), must(record.Decode(bye.Evidence[1]))
		if a.Verify() != nil || b.Verify() != nil || !a.Hollow || !b.Hollow {
			t.Errorf("%s: the evidence is not two signed headers", name)
		}
		if a.Device != bo.device() || b.Device != bo.device() || a.Seq != b.Seq || a.ID == b.ID {
			t.Errorf("%s: the evidence proves nothing: %v %v", name, a.Header, b.Header)
		}
		if n := len(bo.heard(replica.EventForked)); n != 1 {
			t.Errorf("%s: Bo's node says %d times that it was shown the proof, want once", name, n)
		}
		l = w.dial(ana, bo)
	}
}

// TestAccused: a node signs nothing more once it was shown two records of its own
// device in one slot. Less than that proves nothing.
func TestAccused(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	before := bo.writeAny("note", nil)
	signs := func(n *node, what string) *record.Record { return n.chain().next("note", []byte(what)) }
	first, second := signs(bo, "one"), signs(bo, "two")
	forged := *second.Erase()
	forged.Sig[0] ^= 1
	for _, c := range []struct {
		name     string
		evidence []*record.Record
		proves   bool
	}{
		{"nothing", nil, false},
		{"one record", []*record.Record{first}, false},
		{"one record twice", []*record.Record{first, first}, false},
		{"two slots", []*record.Record{before, first}, false},
		{"a signature that is not its own", []*record.Record{first, &forged}, false},
		{"two records of another device", []*record.Record{signs(ana, "one"), signs(ana, "two")}, false},
		{"two records in one slot", []*record.Record{first, second}, true},
	} {
		p := w.call(bo, c.name, true).enter(ana.key)
		bye := wire.Bye{Reason: "go"}
		for _, r := range c.evidence {
			bye.Evidence = append(bye.Evidence, r.Erase().Encode())
		}
		p.say(bye)
		if got := len(bo.heard(replica.EventForked)) > 0; got != c.proves {
			t.Errorf("%s: believed %v", c.name, got)
		}
		_, err := bo.r.Write(bo.now(), "note", nil)
		if (err != nil) != c.proves || err != nil && !strings.Contains(err.Error(), "two records in one slot") {
			t.Errorf("%s: then Bo writes: %v", c.name, err)
		}
		bo.commit()
	}
	bo.start()
	bo.r.Unlock(bo.key)
	if _, err := bo.r.Write(bo.now(), "note", nil); err == nil {
		t.Error("after a restart Bo's device signs again")
	}
}

// TestPutOutWhilePulling: who is put out while its pull is answered gets the
// answer. So both copies of a home come to hold both records, and see who signed
// what.
func TestPutOutWhilePulling(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	bo.writeAny("note", nil)
	twin := bo.chain()
	bo.writeAny("note", []byte("one"))
	w.pass(3 * time.Second)
	p := w.call(ana, "twin", true).enter(bo.key)
	other := twin.next("note", []byte("other"))
	if said := p.say(wire.Pull{Digest: [32]byte{1}, Tips: []record.ID{other.ID}}); kinds(said) != "probe" {
		t.Fatalf("Ana answers %s", kinds(said))
	}
	said := p.say(records(other))
	if kinds(said) != "records end bye" || !p.closed {
		t.Fatalf("Ana says %s to who forked while it pulled", kinds(said))
	}
	if got := said[0].(wire.Records).Records; !slices.ContainsFunc(got, func(r *record.Record) bool { return r.Device == bo.device() && r.ID != other.ID }) {
		t.Error("the record of the other copy is not in the answer")
	}
}

// TestByeEndsAnswer: who says bye is sent no more of the answer to its pull.
func TestByeEndsAnswer(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	p := w.call(ana, "Bo", true).enter(bo.key)
	ana.r.Message(ana.now(), p.id, wire.Pull{Digest: [32]byte{1}, Tips: []record.ID{}})
	if said := p.say(wire.Bye{Reason: "go"}); len(said) > 0 || !p.closed {
		t.Errorf("Ana says %s to who said bye", kinds(said))
	}
}

// TestAdmitted has a newcomer come in at the node of whoever invited it.
func TestAdmitted(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.newcomer("Bo", ana.invite("code", 1, 0))
	l := w.dial(bo, ana)
	if m, ok := ana.coop.People().Person(bo.member()); !ok || m.Status != member.StatusAssociate || m.Name != "Bo" {
		t.Errorf("Bo is %+v, %v", m, ok)
	}
	if got := ana.count(member.KindAdmit); got != 1 {
		t.Errorf("%d admissions, want 1", got)
	}
	if len(ana.heard(replica.EventCard)) > 0 || strings.Contains(kinds(l.said[1]), "wait") {
		t.Error("a person was asked")
	}
	if !bo.r.Joined() || len(bo.heard(replica.EventWelcome)) != 1 {
		t.Errorf("Bo did not join: %v", bo.events)
	}
	wantSame(t, ana, bo)
	if _, err := bo.r.Write(bo.now(), coop.KindAck, nil); err != nil {
		t.Errorf("Bo cannot write: %v", err)
	}
}

// TestInvites has newcomers with codes that are not good, or not good here.
func TestInvites(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world, ana *node) member.Invite
		want    string // in the reason; "" if the newcomer may wait
	}{
		{"used up", func(w *world, ana *node) member.Invite {
			i := ana.invite("code", 1, 0)
			w.dial(ana, w.newcomer("Chi", i))
			return i
		}, "used up"},
		{"expired", func(w *world, ana *node) member.Invite {
			i := ana.invite("code", 1, w.now.Add(time.Hour).UnixMilli())
			w.now = w.now.Add(time.Hour + time.Second)
			return i
		}, ""},
		{"revoked", func(_ *world, ana *node) member.Invite {
			i := ana.invite("code", 1, 0)
			ana.write(member.KindUninvite, member.NewUninvite(i.Key().Public()))
			return i
		}, "revoked"},
		{"unknown", func(w *world, ana *node) member.Invite {
			return member.Invite{Coop: w.coop, Seed: seedOf("made up"), Leader: w.coop}
		}, "does not know"},
		{"of another co-op", func(w *world, ana *node) member.Invite {
			i := ana.invite("code", 1, 0)
			i.Coop = record.ID(seedOf("other"))
			return i
		}, "another co-op"},
		{"issued by somebody else", func(w *world, ana *node) member.Invite {
			bo := w.join(ana, "Bo")
			w.decide(ana, proposal.Effect{Kind: proposal.EffectMembers, Members: []record.ID{bo.member()}}, ana)
			w.decide(ana, proposal.Effect{Kind: proposal.EffectOffice, Member: bo.member(), Name: member.Sponsor, On: true}, ana, bo)
			i := bo.invite("code", 1, 0)
			w.pass(3 * time.Second)
			return i
		}, ""},
		{"at a locked node", func(w *world, ana *node) member.Invite {
			i := ana.invite("code", 1, 0)
			ana.startWith(func(cfg *replica.Config) { cfg.Key = nil })
			return i
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "Ana")
			ana := w.nodes[0]
			mallory := w.newcomer("Mallory", c.prepare(w, ana))
			people := ana.coop.People().Members.Len()
			// Its node is for the co-op of the code; at the door it says the right one.
			p := w.call(ana, "Mallory", true).greet()
			p.showsCard(mallory.key, must(member.ParseCard(mallory.card)).Invite, mallory.card)
			if got := ana.coop.People().Members.Len(); got != people {
				t.Errorf("%d people, want %d", got, people)
			}
			if c.want != "" {
				checkDoor(t, p, c.want)
				return
			}
			if got := kinds(p.heard); got != "hello proof show ask wait" || p.closed {
				t.Errorf("the node says %q (%s), closed %v", got, p.reason(), p.closed)
			}
			if got := len(ana.heard(replica.EventCard)); got != 1 {
				t.Errorf("the person was told of %d cards, want 1", got)
			}
			if said := p.say(wire.Pull{Tips: []record.ID{}}); strings.Contains(kinds(said), "records") || !p.closed {
				t.Errorf("who waits pulls and gets %q", kinds(said))
			}
		})
	}
}

// TestNamesakeWaits: whoever comes with the name of somebody in the co-op, in
// whatever case, or a name that looks like it, is not let in before the sponsor was
// asked, also if that one has left; nor is who left. They are told so.
func TestNamesakeWaits(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	i := ana.invite("code", 2, 0)
	other := w.newcomer("bO", i)
	l := w.dial(other, ana)
	if !l.up || len(ana.heard(replica.EventCard)) == 0 || ana.coop.Introduced(other.device()) {
		t.Fatalf("a second Bo: session %v, admitted %v", l.up, ana.coop.Introduced(other.device()))
	}
	ana.write(member.KindAdmit, other.card)
	w.run()
	if !other.r.Joined() {
		t.Error("admitted by the sponsor, the second Bo has not joined")
	}
	bo.write(member.KindLeave, nil)
	other.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	j := ana.invite("another code", 9, 0)
	for _, name := range []string{"BO", "B\u043e", "\u0391na", "Tr\u0435asury"} { // letters that are not Latin
		n := w.newcomer(name, j)
		w.dial(n, ana)
		if ana.coop.Introduced(n.device()) {
			t.Errorf("%+q is let in unasked", name)
		}
		if waits := n.heard(replica.EventWaiting); len(waits) == 0 || !strings.Contains(waits[0], "by hand") {
			t.Errorf("%+q is told %v", name, waits)
		}
	}
	if n := w.newcomer("Bobo", j); !ana.coop.Introduced(n.device()) {
		if w.dial(n, ana); !ana.coop.Introduced(n.device()) {
			t.Error("who has a name of their own is not let in")
		}
	}
}

// TestCardOfAnother has somebody show a card that somebody else signed.
func TestCardOfAnother(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.newcomer("Bo", ana.invite("code", 1, 0))
	p := w.call(ana, "Mallory", true).greet()
	p.showsCard(keyOf("device Mallory"), must(member.ParseCard(bo.card)).Invite, bo.card)
	checkDoor(t, p, "another device")
	if got := ana.count(member.KindAdmit); got != 0 {
		t.Errorf("%d admissions", got)
	}
}

// TestWaiting has a newcomer come to a node of a member who did not invite it,
// and wait there until it is admitted elsewhere.
func TestWaiting(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	chi := w.newcomer("Chi", ana.invite("code", 1, 0))
	w.pass(3 * time.Second) // Bo hears of the invite
	w.lines[0].close()
	l := w.dial(bo, chi)
	cards := 0
	for _, e := range bo.events {
		if e.Kind == replica.EventCard && e.Device == chi.device() && string(e.Card) == string(chi.card) {
			cards++
		}
	}
	if cards != 1 {
		t.Errorf("Bo is told of %d cards, want 1: %v", cards, bo.events)
	}
	if got := chi.heard(replica.EventWaiting); len(got) != 1 || !strings.Contains(got[0], "sponsor") {
		t.Errorf("Chi is told %q", got)
	}
	if got := chi.r.Peers()[0]; got.Live || !strings.Contains(got.Waits, "sponsor") {
		t.Errorf("Chi sees %+v", got)
	}
	if len(chi.disk) > 0 {
		t.Errorf("who waits holds %d records", len(chi.disk))
	}
	ana.write(member.KindAdmit, chi.card)
	w.dial(ana, bo)
	w.pass(3 * time.Second)
	if !l.up || !chi.r.Joined() {
		t.Errorf("Chi was not let in once admitted: %v", chi.events)
	}
	wantSame(t, ana, bo, chi)
}

// TestNewcomerKeepsApart cuts a newcomer's first pull in two: until it has all
// its invite names it serves, shows and writes nothing.
func TestNewcomerKeepsApart(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	for range 12 {
		ana.writeAny("note", make([]byte, 60_000))
	}
	w.pass(3 * time.Second)
	chi := w.newcomer("Chi", ana.invite("code", 1, 0))
	w.pass(3 * time.Second)
	l := w.open(ana, chi)
	parts := 0
	l.cut = func(from int, m wire.Message) bool {
		if _, ok := m.(wire.Records); ok && from == 0 {
			parts++
		}
		return parts == 2
	}
	w.run()
	if l.up || len(chi.disk) == 0 {
		t.Fatalf("the pull was not cut: Chi holds %d records", len(chi.disk))
	}
	if chi.r.Joined() {
		t.Fatal("Chi has joined, with half of the records")
	}
	if _, err := chi.r.Write(chi.now(), coop.KindAck, nil); err == nil {
		t.Error("Chi can write, with half of the records")
	}

	t.Run("who pulls from it gets nothing", func(t *testing.T) {
		p := w.call(chi, "Bo", true).enter(bo.key)
		if got := kinds(p.say(wire.Pull{Tips: []record.ID{}})); got != "end" {
			t.Errorf("Chi answers %q", got)
		}
		chi.r.Disconnected(p.id)
	})
	t.Run("gossip is no way around", func(t *testing.T) {
		p := w.call(chi, "Bo", true).enter(bo.key)
		before := len(chi.disk)
		of := &chain{w: w, key: ana.key} // from where Chi holds all there is
		for _, r := range chi.disk {
			if r.Device == ana.device() {
				of.prev = r
			}
		}
		if pass, err := chi.r.Gossip(chi.now(), p.id, []*record.Record{of.next("note", nil)}); pass || err != nil {
			t.Errorf("pass %v, %v", pass, err)
		}
		if chi.commit(); len(chi.disk) != before {
			t.Error("it was taken")
		}
		chi.r.Disconnected(p.id)
	})
	t.Run("it goes on, with another node", func(t *testing.T) {
		half := len(chi.disk)
		chi.start() // and after a break
		w.pass(3 * time.Second)
		l := w.dial(bo, chi)
		if !chi.r.Joined() {
			t.Errorf("Chi has not joined: %v", chi.events)
		}
		wantSame(t, ana, bo, chi)
		got := 0
		for _, m := range l.said[0] {
			if rs, ok := m.(wire.Records); ok {
				got += len(rs.Records)
			}
		}
		if want := len(bo.disk) - half; got != want {
			t.Errorf("the rest took %d records, want %d", got, want)
		}
	})
}

// TestJoinedAfterRestart: who has joined has joined, also where the fold begins
// anew and nobody is there.
func TestJoinedAfterRestart(t *testing.T) {
	w := newWorld(t, "Ana")
	bo := w.join(w.nodes[0], "Bo")
	w.lines[0].close()
	if bo.start(); !bo.r.Joined() {
		t.Fatal("after a restart Bo's node waits to be let in")
	}
	bo.write("doc/create", offer())
}

// TestWrongPast has a newcomer meet nodes that do not hold what its invite
// names: it never joins.
func TestWrongPast(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	i := ana.invite("code", 1, 0)
	i.Leader = record.ID(seedOf("a leader that only another past has"))
	bo := w.newcomer("Bo", i)
	w.dial(ana, bo)
	w.pass(10 * time.Minute)
	if bo.r.Joined() {
		t.Error("Bo joined")
	}
	if _, err := bo.r.Write(bo.now(), coop.KindAck, nil); err == nil {
		t.Error("Bo can write")
	}
}

// TestWrongCoop has a newcomer meet a node that knows the network secret and
// gives it another co-op.
func TestWrongCoop(t *testing.T) {
	w := newWorld(t, "Ana")
	bo := w.newcomer("Bo", w.nodes[0].invite("code", 1, 0))
	p := w.call(bo, "Mallory", true).enter(keyOf("device Mallory"))
	p.say(records(foundingRecord("Elm Street", "Mallory")))
	if !p.closed || !strings.Contains(p.reason(), "another co-op") {
		t.Errorf("closed %v, %q", p.closed, p.reason())
	}
	if len(bo.disk) > 0 {
		t.Error("it was taken")
	}
}

// TestDeviceRequest has a member's further computer call.
func TestDeviceRequest(t *testing.T) {
	setUp := func(t *testing.T) (w *world, ana, phone *node, i member.Invite) {
		w = newWorld(t, "Ana")
		ana = w.nodes[0]
		phone = w.newNode("phone")
		i = member.Invite{Coop: w.coop, Seed: seedOf("code"), Secret: w.secret, Leader: ana.coop.State().Last, Member: ana.member(), Root: ana.root.Public()}
		phone.card, phone.leader = must(member.NewDeviceRequest(i, "phone", phone.key)).Encode(), i.Leader
		phone.start()
		return w, ana, phone, i
	}
	t.Run("granted", func(t *testing.T) {
		w, ana, phone, i := setUp(t)
		w.dial(ana, phone)
		if got := ana.heard(replica.EventCard); len(got) != 1 {
			t.Fatalf("Ana is told of %d cards, want 1", len(got))
		}
		if got := phone.heard(replica.EventWaiting); len(got) != 1 || len(phone.disk) > 0 {
			t.Errorf("the phone is told %q and holds %d records", got, len(phone.disk))
		}
		card := must(must(member.ParseDeviceRequest(phone.card)).Grant(w.coop, i.Key().Public(), ana.root))
		ana.write(member.KindDeviceAdd, card.Encode())
		w.run()
		if !phone.r.Joined() {
			t.Errorf("the phone was not let in: %v", phone.events)
		}
		wantSame(t, ana, phone)
	})
	t.Run("of another device", func(t *testing.T) {
		w, ana, phone, _ := setUp(t)
		p := w.call(ana, "Mallory", true).greet()
		p.showsCard(keyOf("device Mallory"), ana.root.Public(), phone.card)
		checkDoor(t, p, "card")
	})
}

// TestAdmitWhenUnlocked: the issuer's node is locked when the newcomer comes.
func TestAdmitWhenUnlocked(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	i := ana.invite("code", 1, 0)
	w.pass(3 * time.Second)
	ana.startWith(func(cfg *replica.Config) { cfg.Key = nil })
	bo := w.newcomer("Bo", i)
	l := w.dial(ana, bo)
	w.pass(3 * time.Second)
	ana.r.Unlock(ana.key)
	ana.commit()
	w.pass(3 * time.Minute)
	if !l.up || !bo.r.Joined() {
		t.Errorf("Bo was not let in: %v", bo.events)
	}
}
