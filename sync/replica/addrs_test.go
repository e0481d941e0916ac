package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/wire"
)

// moves has a node say that it is somewhere.
func (n *node) moves(addrs ...string) {
	n.r.SetAddrs(n.now(), addrs)
	n.commit()
}

// told returns where a node thinks that somebody is, "" if it does not know.
func (n *node) told(device record.Key) string {
	for _, l := range n.r.Addrs() {
		if l.Terms.Device == device {
			return strings.Join(l.Terms.Addrs, " ")
		}
	}
	return ""
}

func (n *node) wantTold(what string, who *node, want string) {
	n.w.t.Helper()
	if got := n.told(who.device()); got != want {
		n.w.t.Errorf("%s: %s thinks that %s is at %q, want %q", what, n.name, who.name, got, want)
	}
}

// list is what the node of a device says of itself, whoever has the keys.
func (w *world) list(device *record.Private, transport string, counter uint64, addrs ...string) wire.AddrList {
	key := keyOf(transport)
	terms := wire.AddrTerms{Coop: w.coop, Device: device.Public(), Transport: wire.TransportIdentity(key.Public()), Counter: counter, Addrs: addrs}
	return wire.SignAddrs(terms, device.Sign(record.DomainTransport, wire.TransportClaim(w.coop, terms.Transport)), key)
}

// tells returns the lists that a node told a peer of the test's.
func (p *peer) tells() (lists []wire.AddrList) {
	for _, m := range p.heard {
		if a, ok := m.(wire.Addrs); ok {
			lists = append(lists, a.Lists...)
		}
	}
	return lists
}

// asks pulls and takes the answer: then the node thinks that the peer holds all.
func (p *peer) asks() *peer {
	p.say(wire.Pull{})
	return p
}

// waits lets time pass for the node, and takes what it says.
func (p *peer) waits(d time.Duration) {
	p.to.w.pass(d)
	p.listen()
}

// inOne is a co-op whose four nodes are connected to the first one only.
func inOne(t *testing.T) (w *world, ana, bo, chi, dora *node, lines []*line) {
	w = newWorld(t, "Ana", "Bo", "Chi", "Dora")
	for i, n := range w.nodes {
		n.moves(fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", i))
	}
	for _, n := range w.nodes[1:] {
		lines = append(lines, w.dial(w.nodes[0], n))
	}
	w.pass(10 * time.Second)
	return w, w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3], lines
}

// TestAddrsPassedOn: who is connected to one node only comes to know where all are, also
// where somebody moves, and each says it no more often than something is new.
func TestAddrsPassedOn(t *testing.T) {
	w, _, bo, chi, dora, lines := inOne(t)
	for _, n := range w.nodes {
		for i, o := range w.nodes {
			n.wantTold("connected to one", o, fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", i))
		}
	}
	chi.moves("/ip6/fd00::1/udp/1/quic-v1", "/ip4/10.0.0.9/tcp/1", "no address", "/ip4/10.0.0.9/tcp/1")
	w.pass(10 * time.Second)
	dora.wantTold("moved", chi, "/ip4/10.0.0.9/tcp/1 /ip6/fd00::1/udp/1/quic-v1")
	chi.moves("/ip4/10.0.0.9/tcp/1", "/ip6/fd00::1/udp/1/quic-v1")
	w.pass(time.Minute)
	told := 0
	for _, m := range lines[1].said[1] {
		if _, ok := m.(wire.Addrs); ok {
			told++
		}
	}
	if told != 2 {
		t.Errorf("Chi, who moved once, said %d times where nodes are", told)
	}
	chi.moves()
	w.pass(10 * time.Second)
	dora.wantTold("does not say any more", chi, "")

	// Bo is off, and another day comes back, with what his home kept.
	kept := bo.r.Addrs()
	lines[0].close()
	dora.moves("/ip4/10.0.0.8/tcp/1")
	w.pass(time.Minute)
	bo.start()
	bo.r.LearnAddrs(bo.now(), kept)
	bo.moves("/ip4/10.0.0.7/tcp/1")
	bo.wantTold("as it was kept", dora, "/ip4/10.0.0.3/tcp/1")
	w.dial(bo, chi)
	w.pass(10 * time.Second)
	bo.wantTold("news of the day", dora, "/ip4/10.0.0.8/tcp/1")
	dora.wantTold("news of the day", bo, "/ip4/10.0.0.7/tcp/1")
}

// TestAddrsNotReplayed: what a device said before does not come back, whoever brings it;
// and a home that was put back is found all the same.
func TestAddrsNotReplayed(t *testing.T) {
	w, ana, bo, chi, dora, lines := inOne(t)
	old := w.list(dora.key, "transport Dora", 1, "/ip4/10.0.0.3/tcp/1")
	dora.moves("/ip4/10.0.0.8/tcp/1")
	w.pass(10 * time.Second)
	lines[0].close()
	w.call(ana, "Bo", true).enter(bo.key).say(wire.Addrs{Lists: []wire.AddrList{old}})
	ana.wantTold("an old list was brought again", dora, "/ip4/10.0.0.8/tcp/1")
	w.pass(10 * time.Second)
	for _, n := range []*node{ana, chi} {
		n.wantTold("an old list was brought again", dora, "/ip4/10.0.0.8/tcp/1")
	}
	lines[2].close()
	dora.start() // without what it kept
	dora.moves("/ip4/10.0.0.5/tcp/1")
	w.dial(ana, dora)
	w.pass(10 * time.Second)
	for _, n := range []*node{ana, chi, dora} {
		n.wantTold("a home that was put back", dora, "/ip4/10.0.0.5/tcp/1")
	}

	// Chi's computer crashes before its home has kept what it said last, and moves meanwhile.
	kept := chi.r.Addrs()
	chi.moves("/ip4/10.0.0.6/tcp/1")
	w.pass(10 * time.Second)
	lines[1].close()
	chi.start()
	chi.r.LearnAddrs(chi.now(), kept)
	chi.moves("/ip4/10.0.0.7/tcp/1")
	w.dial(ana, chi)
	w.pass(10 * time.Second)
	ana.wantTold("a home that was put back by one", chi, "/ip4/10.0.0.7/tcp/1")
}

// TestAddrsOfCopies: two homes with one key, each of which says where it is, do not
// answer each other for ever.
func TestAddrsOfCopies(t *testing.T) {
	w, _, bo, _, dora, lines := inOne(t)
	lines[0].close()
	lines[2].close()
	said := func() (counter uint64) {
		for _, l := range dora.r.Addrs() {
			if l.Terms.Device == dora.device() {
				counter = l.Terms.Counter
			}
		}
		return counter
	}
	dora.start()
	dora.moves("/ip4/10.0.0.5/tcp/1")
	p := w.call(dora, "Bo", true).enter(bo.key)
	for range 100 {
		p.say(wire.Addrs{Lists: []wire.AddrList{w.list(dora.key, "transport Dora", said()+1, "/ip4/10.0.0.6/tcp/1")}})
		w.pass(5 * time.Second)
	}
	if said() > 20 {
		t.Errorf("in answer to a copy the home said %d times where it is", said())
	}
}

// TestAddrsWithoutStore: who lost the store keeps where all are, to be let in again by any.
func TestAddrsWithoutStore(t *testing.T) {
	w := newWorld(t, "Ana")
	lost := w.newNode("Bo")
	lost.start()
	var kept []wire.AddrList
	for i := range 20 {
		who := fmt.Sprint("device ", i)
		kept = append(kept, w.list(keyOf(who), who, 1, "/ip4/10.0.0.1/tcp/1"))
	}
	lost.r.LearnAddrs(lost.now(), kept)
	w.pass(10 * time.Second)
	if got := len(lost.r.Addrs()); got != len(kept) {
		t.Errorf("of %d lists %d are left", len(kept), got)
	}
}

// TestAddrsAreForMembers: a device that does not stand is told nothing and its word is
// not taken; who is put out is forgotten.
func TestAddrsAreForMembers(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	ana.moves("/ip4/10.0.0.1/tcp/1")
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	for i, n := range []*node{bo, chi} {
		n.moves(fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", 2+i))
	}
	w.pass(10 * time.Second)
	chi.wantTold("both are in", bo, "/ip4/10.0.0.2/tcp/1")

	// Mallory waits at the door: it is neither told nor heard. There is a Bo already, so it is not admitted unasked.
	mallory := w.newNode("Mallory")
	i := ana.invite("for Mallory", 1, 0)
	waits := w.call(ana, "Mallory", true).greet()
	namesake := must(member.NewCard(member.CardTerms{Coop: w.coop, Name: "Bo", DeviceName: "laptop"}, i.Key(), mallory.root, mallory.key))
	waits.showsCard(mallory.key, i.Key().Public(), namesake.Encode())
	w.pass(10 * time.Second)
	waits.listen()
	if len(waits.tells()) > 0 || waits.closed {
		t.Fatalf("who waits at the door hears %s, closed: %v", kinds(waits.heard), waits.closed)
	}
	waits.say(wire.Addrs{Lists: []wire.AddrList{w.list(mallory.key, "transport Mallory", 1, "/ip4/10.6.6.6/tcp/1")}})
	if ana.wantTold("not admitted", mallory, ""); !waits.closed {
		t.Error("who waits at the door may pass addresses on")
	}

	// A member's node brings what a device says that nobody has admitted yet, and then one admits it.
	w.lines[0].close()
	p := w.call(ana, "Bo", true).enter(bo.key).asks()
	p.waits(10 * time.Second)
	if len(p.tells()) != 3 {
		t.Errorf("Bo is told of %d devices, want Ana's, Chi's and his own", len(p.tells()))
	}
	p.say(wire.Addrs{Lists: []wire.AddrList{w.list(mallory.key, "transport Mallory", 1, "/ip4/10.6.6.6/tcp/1")}})
	p.waits(10 * time.Second)
	ana.wantTold("not admitted yet", mallory, "")
	ana.write(member.KindAdmit, cardOf(mallory, i).Encode())
	p.waits(10 * time.Second)
	ana.wantTold("admitted", mallory, "/ip4/10.6.6.6/tcp/1")
	chi.wantTold("admitted", mallory, "/ip4/10.6.6.6/tcp/1")

	// Bo is put out, by a decision of which he may not have heard.
	w.decide(ana, proposal.Effect{Kind: proposal.EffectExpel, Member: bo.member()}, ana)
	w.pass(10 * time.Second)
	for _, n := range []*node{ana, chi} {
		n.wantTold("put out", bo, "")
	}
	before := len(p.tells())
	p.say(wire.Addrs{Lists: []wire.AddrList{w.list(bo.key, "transport Bo", 9, "/ip4/10.6.6.6/tcp/1")}})
	chi.moves("/ip4/10.0.0.9/tcp/1")
	p.waits(10 * time.Second)
	ana.wantTold("put out", bo, "")
	if len(p.tells()) > before || !p.closed {
		t.Errorf("who was put out is told of %d devices, closed: %v", len(p.tells())-before, p.closed)
	}
	chiSays := w.call(ana, "Chi", true).enter(chi.key)
	chiSays.say(wire.Addrs{Lists: []wire.AddrList{w.list(bo.key, "transport Bo", 10, "/ip4/10.6.6.6/tcp/1")}})
	chiSays.waits(10 * time.Second)
	ana.wantTold("put out, brought by another", bo, "")
}

// TestAddrsFlood: a member with any number of devices, who makes up addresses all the
// time, takes the place of nobody; what is passed on of it, and what waits, is bounded.
func TestAddrsFlood(t *testing.T) {
	w, ana, bo, _, dora, lines := inOne(t)
	var phones []*record.Private
	for i := range 20 {
		key := keyOf(fmt.Sprint("phone ", i))
		phones = append(phones, key)
		card := must(member.SignDeviceCard(member.DeviceTerms{Coop: w.coop, Name: fmt.Sprint("phone ", i)}, bo.root, key))
		bo.writeAny(member.KindDeviceAdd, card.Encode())
	}
	w.pass(10 * time.Second)
	lines[0].close()
	p := w.call(ana, "Bo", true).enter(bo.key).asks()
	lines[1].said[0] = nil // of Ana to Chi
	for counter := range uint64(100) {
		for i, key := range phones {
			p.say(wire.Addrs{Lists: []wire.AddrList{w.list(key, fmt.Sprint("phone ", i), 1+counter, fmt.Sprintf("/ip4/10.6.%d.%d/tcp/1", counter, i))}})
		}
		ana.r.Tick(ana.now())
	}
	ofBo := 0
	for _, l := range ana.r.Addrs() {
		if slices.ContainsFunc(append(phones, bo.key), func(k *record.Private) bool { return k.Public() == l.Terms.Device }) {
			ofBo++
		}
	}
	if ofBo != 8 {
		t.Errorf("of 21 devices of Bo %d are remembered, want 8", ofBo)
	}
	w.pass(10 * time.Second)
	passed := 0
	for _, m := range lines[1].said[0] {
		if a, ok := m.(wire.Addrs); ok {
			passed += len(a.Lists)
		}
	}
	if passed > 8 {
		t.Errorf("of what Bo said in one moment %d lists are passed on, want one of a device", passed)
	}
	ana.wantTold("others stay", dora, "/ip4/10.0.0.3/tcp/1")

	// Lists of devices that nobody has admitted wait, so many of a peer.
	early := func(from, to int) {
		var lists []wire.AddrList
		for i := from; i < to; i++ {
			lists = append(lists, w.list(keyOf(fmt.Sprint("ghost ", i)), fmt.Sprint("ghost ", i), 1, "/ip4/10.6.6.6/tcp/1"))
		}
		p.say(wire.Addrs{Lists: lists})
	}
	for i := range 10 {
		early(i*wire.MaxLists, (i+1)*wire.MaxLists)
	}
	var intro []*record.Private
	for _, i := range []int{0, 639} {
		intro = append(intro, keyOf(fmt.Sprint("ghost ", i)))
		card := must(member.SignDeviceCard(member.DeviceTerms{Coop: w.coop, Name: fmt.Sprint("ghost ", i)}, dora.root, intro[len(intro)-1]))
		dora.writeAny(member.KindDeviceAdd, card.Encode())
	}
	w.pass(10 * time.Second)
	if ana.told(intro[0].Public()) == "" || ana.told(intro[1].Public()) != "" {
		t.Errorf("of 640 lists that came early the first is %q and the last %q, want that 64 wait", ana.told(intro[0].Public()), ana.told(intro[1].Public()))
	}

	// More than any node says in one breath closes the door, before it is read.
	for i := range 33 {
		if p.closed {
			t.Fatalf("the door closed after %d messages", i)
		}
		early(0, wire.MaxLists)
	}
	if !p.closed || !strings.Contains(p.reason(), wire.ErrUnexpected.Error()) {
		t.Errorf("after 33 messages of 64 lists in one moment, closed: %v, %q", p.closed, p.reason())
	}
}
