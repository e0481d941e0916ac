package replica_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// hear lets Ana's node hear gossip from the peer.
func (s *stage) hear(rs ...*record.Record) (pass bool, err error) {
	pass, err = s.ana.r.Gossip(s.ana.now(), s.p.id, rs)
	s.ana.commit()
	return pass, err
}

// TestGossipJudged holds what is passed on, what is ignored and what is
// rejected, which makes pubsub think ill of the sender.
func TestGossipJudged(t *testing.T) {
	for _, c := range []struct {
		name    string
		gossip  func(s *stage) *record.Record
		pass    bool
		rejects bool
		taken   bool
	}{
		{"good", func(s *stage) *record.Record { return s.chi.chain().next("note", nil, s.head()) }, true, false, true},
		{"known", func(s *stage) *record.Record { return s.head() }, true, false, true},
		{"unknown parents", func(s *stage) *record.Record {
			c := s.chi.chain()
			c.next("note", nil, s.head())
			return c.next("note", nil)
		}, false, false, false},
		{"of a device that does not stand", func(s *stage) *record.Record { return s.bos.next("note", nil) }, false, false, false},
		{"of a device nobody introduced", func(s *stage) *record.Record {
			return (&chain{w: s.world, key: keyOf("stranger")}).next("note", nil, s.head())
		}, false, false, false},
		{"an act without its body", func(s *stage) *record.Record {
			return s.chi.chain().next("note", []byte("body"), s.head()).Erase()
		}, false, true, false},
		{"of another co-op", func(s *stage) *record.Record {
			c := s.chi.chain()
			c.w = &world{coop: record.ID(seedOf("other")), now: s.now}
			return c.next("note", nil, s.head())
		}, false, true, false},
		{"the founding of another co-op", func(*stage) *record.Record { return foundingRecord("Elm Street", "Chi") }, false, true, false},
		{"a wrong depth", func(s *stage) *record.Record {
			h := s.chi.chain().next("note", nil, s.head()).Header
			h.Depth++
			return must(record.New(h, nil, s.chi.key))
		}, false, true, false},
		{"prev of another device", func(s *stage) *record.Record {
			c := s.chi.chain()
			c.prev = s.left
			return c.next("note", nil, s.head())
		}, false, true, false},
		{"a bad signature", func(s *stage) *record.Record {
			r := *must(record.Decode(s.chi.chain().next("note", nil, s.head()).Encode()))
			r.Sig[7] ^= 1
			return &r
		}, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			r := c.gossip(s)
			pass, err := s.hear(r)
			if pass != c.pass || (err != nil) != c.rejects {
				t.Errorf("pass %v, error %v; want %v, error %v", pass, err, c.pass, c.rejects)
			}
			if got := s.ana.holds(r); got != c.taken {
				t.Errorf("taken %v, want %v", got, c.taken)
			}
		})
	}
}

// TestGossipBadSignature has a record pass over the wire whose signature is bad:
// the whole message is refused, and its id is not remembered as bad.
func TestGossipBadSignature(t *testing.T) {
	s := newStage(t)
	good := s.chi.chain().next("note", nil, s.head())
	bad := *good
	bad.Sig[0] ^= 1
	if _, err := wire.DecodeGossip(wire.EncodeGossip([]*record.Record{&bad})); err == nil {
		t.Error("it was decoded")
	}
	decoded := must(record.Decode(bad.Encode()))
	if _, err := s.hear(decoded); err == nil {
		t.Error("it was not rejected")
	}
	if pass, err := s.hear(good); !pass || err != nil || !s.ana.holds(good) {
		t.Errorf("behind the bad one the good one: pass %v, %v", pass, err)
	}
}

// TestGossipTooEarly brings a chain of records in every order: what lacks its
// past waits and is taken with it.
func TestGossipTooEarly(t *testing.T) {
	for seed := range uint64(20) {
		s := newStage(t)
		chi := s.chi.chain()
		rs := []*record.Record{chi.next("note", nil, s.head())}
		for len(rs) < 6 {
			rs = append(rs, chi.next("note", nil))
		}
		// One with two parents that may both be unknown.
		ana := s.ana.chain()
		other := ana.next("note", []byte("other"), rs[0])
		rs = append(rs, other, chi.next("note", nil, other))
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		for _, r := range rs {
			if _, err := s.hear(r); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		for i, r := range rs {
			if !s.ana.holds(r) {
				t.Errorf("seed %d: the record that came %d. is not held (seq %d)", seed, i+1, r.Seq)
			}
		}
	}
}

// TestGossipAsksForPast has gossip bring a record without its past: the sender
// is asked for it, once the pull that goes on is done.
func TestGossipAsksForPast(t *testing.T) {
	s := newStage(t)
	s.p.say(wire.End{Digest: s.ana.coop.History().Digest()}) // no pull goes on
	chi := s.chi.chain()
	first := chi.next("note", nil, s.head())
	second := chi.next("note", nil)
	if pass, err := s.hear(second); pass || err != nil {
		t.Errorf("pass %v, %v", pass, err)
	}
	if got := kinds(s.p.listen()); got != "pull" {
		t.Fatalf("the node says %q, want a pull", got)
	}
	s.p.say(records(first))
	if !s.ana.holds(first) || !s.ana.holds(second) {
		t.Errorf("holds the first %v, the second %v", s.ana.holds(first), s.ana.holds(second))
	}
}

// TestGossipWaitsAndIsJudgedAgain has a record wait for its past, and its author
// be put out before that comes: somebody covers the past, and not the record.
func TestGossipWaitsAndIsJudgedAgain(t *testing.T) {
	s := newStage(t)
	dan := s.join(s.ana, "Dan")
	s.pass(3 * time.Second)
	chi := s.chi.chain()
	past := chi.next("note", nil, s.head())
	waits := chi.next("note", nil)
	if pass, err := s.hear(waits); pass || err != nil {
		t.Fatalf("pass %v, %v", pass, err)
	}
	s.decide(s.ana, proposal.Effect{Kind: proposal.EffectExpel, Member: s.chi.member()}, s.ana)
	p := s.call(s.ana, "Dan's other", true).enter(dan.key)
	p.say(records(past, dan.chain().next(coop.KindAck, nil, past)))
	if !s.ana.holds(past) || s.ana.holds(waits) {
		t.Errorf("holds what is covered %v, what waited for it %v", s.ana.holds(past), s.ana.holds(waits))
	}
}

// TestGossipOfStrangers holds whose gossip the node's driver may hand on.
func TestGossipOfStrangers(t *testing.T) {
	w := newWorld(t, "Bo", "Ana")
	bo := w.nodes[0]
	welcome := func(p *peer, want bool, when string) {
		t.Helper()
		if got := bo.r.Welcome(p.id); got != want {
			t.Errorf("%s: welcome %v, want %v", when, got, want)
		}
	}
	p := w.call(bo, "x", true)
	welcome(p, false, "before hello")
	p.greet()
	welcome(p, false, "before it shows itself")
	p.say(p.shows(keyOf("device Ana")))
	welcome(p, true, "a member")
	p.say(wire.Have{})
	if !p.closed {
		t.Fatal("the door did not close")
	}
	welcome(p, false, "behind the closed door")

	q := w.call(bo, "y", true).greet()
	i := bo.invite("code", 1, 1)
	q.showsCard(keyOf("device Mallory"), i.Key().Public(), cardOf(w.newNode("Mallory"), i).Encode())
	if kinds(q.heard) != "hello proof show ask wait" {
		t.Fatalf("the node says %q", kinds(q.heard))
	}
	welcome(q, false, "a newcomer who waits")
	welcome(&peer{id: 999}, false, "nobody")
}

// TestGossipSpreads lets three nodes in a row hear what one writes, with no
// pull.
func TestGossipSpreads(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	w.lines[0].close()
	w.dial(ana, bo)
	chi := w.newcomer("Chi", ana.invite("code", 1, 0))
	w.dial(ana, chi).close()
	w.dial(bo, chi)
	w.pass(5 * time.Second)
	wantSame(t, ana, bo, chi)
	w.gossip = true
	for _, l := range w.lines {
		l.cut = func(_ int, m wire.Message) bool { _, pull := m.(wire.Records); return pull }
	}
	r := ana.writeAny("note", nil)
	if !bo.holds(r) || !chi.holds(r) {
		t.Errorf("Bo holds it %v, Chi %v", bo.holds(r), chi.holds(r))
	}
}

// TestOwnRecordsPublished holds that what a node writes is stored before it is
// published, and that it is published once.
func TestOwnRecordsPublished(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	if _, err := ana.r.Write(ana.now(), member.KindInvite, member.NewInvite(keyOf("code").Public(), 1, 0)); err != nil {
		t.Fatal(err)
	}
	out := ana.r.Take(ana.now())
	if len(out.Store) != 1 || len(out.Gossip) != 1 || out.Gossip[0][0] != out.Store[0] {
		t.Errorf("stores %d records, publishes %d", len(out.Store), len(out.Gossip))
	}
	ana.disk = append(ana.disk, out.Store...)
	if again := ana.r.Take(ana.now()); len(again.Store)+len(again.Gossip) > 0 {
		t.Errorf("a second time: stores %d, publishes %d", len(again.Store), len(again.Gossip))
	}
	var locked replica.LockedError
	ana.startWith(func(cfg *replica.Config) { cfg.Key = nil })
	if _, err := ana.r.Write(ana.now(), coop.KindAck, nil); err != locked {
		t.Errorf("a locked node writes: %v", err)
	}
}
