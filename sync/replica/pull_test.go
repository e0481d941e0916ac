package replica_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/member"
	"coop/crdt/record"
	"coop/sync/replica"
	"coop/sync/wire"
)

// maxRoundTrips bounds a pull: it does not grow with what is to be sent.
const maxRoundTrips = 6

// sent counts the records that went over a line, by side, from a place in what
// was said.
func (l *line) sent(side int) (count int) {
	for _, m := range l.said[side] {
		if rs, ok := m.(wire.Records); ok {
			count += len(rs.Records)
		}
	}
	return count
}

func TestPullOfNothing(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.join(ana, "Bo")
	w.pass(3 * time.Second)
	l := w.lines[0]
	l.said = [2][]wire.Message{}
	bo.r.Pull(l.id)
	bo.commit()
	if got := w.run(); got != 2 {
		t.Errorf("%d flights, want 2", got)
	}
	if a, b := kinds(l.said[0]), kinds(l.said[1]); a != "end" || b != "pull" {
		t.Errorf("Ana says %q, Bo %q", a, b)
	}
}

// TestPull lets two nodes meet who hold a history together and something of
// their own.
func TestPull(t *testing.T) {
	// After a probe a sender may send twice what is missing, and a few more.
	most := func(missing int) int { return min(2*missing, missing+700) + min(missing, 2) }
	for _, c := range []struct {
		name            string
		common, ana, bo int
	}{
		{"nothing", 10, 0, 0},
		{"one side a little", 10, 10, 0},
		{"one side much", 10, 1000, 0},
		{"both sides a little", 1000, 3, 5},
		{"one each", 1000, 1, 1},
		{"both sides much", 10, 1000, 1000},
		{"one much, the other a little", 300, 700, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "Ana")
			ana := w.nodes[0]
			bo := w.join(ana, "Bo")
			for range c.common / 2 {
				ana.writeAny("note", nil)
				bo.writeAny("note", nil)
			}
			w.pass(10 * time.Second)
			wantSame(t, ana, bo)
			w.lines[0].close()
			for range c.ana {
				ana.writeAny("note", []byte("Ana"))
			}
			for range c.bo {
				bo.writeAny("note", []byte("Bo"))
			}
			l := w.open(ana, bo)
			for ana.r.Peers()[0].Device != bo.device() || !ana.r.Peers()[0].Live || !bo.r.Peers()[0].Live {
				if !w.flight() {
					t.Fatal("the door did not open")
				}
			}
			flights := w.run()
			wantSame(t, ana, bo)
			if got := (flights + 1) / 2; got > maxRoundTrips {
				t.Errorf("%d round trips, more than %d: %q, %q", got, maxRoundTrips, kinds(l.said[0]), kinds(l.said[1]))
			}
			if got := l.sent(0); got < c.ana || got > most(c.ana) {
				t.Errorf("Ana's node sent %d records, want %d to %d", got, c.ana, most(c.ana))
			}
			if got := l.sent(1); got < c.bo || got > most(c.bo) {
				t.Errorf("Bo's node sent %d records, want %d to %d", got, c.bo, most(c.bo))
			}
		})
	}
}

// TestFirstPull has newcomers fetch all there is: the round trips do not grow.
func TestFirstPull(t *testing.T) {
	for _, n := range []int{10, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, "Ana")
			ana := w.nodes[0]
			for range n {
				ana.writeAny("note", make([]byte, 500))
			}
			bo := w.newcomer("Bo", ana.invite("code", 1, 0))
			w.open(ana, bo)
			flights := w.run()
			wantSame(t, ana, bo)
			if got := (flights + 1) / 2; got > maxRoundTrips {
				t.Errorf("%d round trips with the door, more than %d", got, maxRoundTrips)
			}
		})
	}
}

// stage is a co-op with Ana's node, and a peer that Ana's node pulls from: the
// test, as Chi. Bo has left, so nothing new of Bo may be taken for itself.
type stage struct {
	*world
	ana, bo, chi *node
	p            *peer
	bos          *chain // Bo's device, going on after he left
	left         *record.Record
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w := newWorld(t, "Ana")
	s := &stage{world: w, ana: w.nodes[0]}
	s.bo, s.chi = w.join(s.ana, "Bo"), w.join(s.ana, "Chi")
	w.pass(3 * time.Second)
	s.left = s.bo.write(member.KindLeave, nil)
	w.pass(3 * time.Second)
	for _, l := range w.lines {
		l.close()
	}
	if s.ana.coop.Stands(s.bo.device()) {
		t.Fatal("Bo still stands")
	}
	s.bos = s.bo.chain()
	s.ana.events = nil
	s.p = w.call(s.ana, "Chi", true).enter(s.chi.key)
	return s
}

// head is the last record Ana's node holds.
func (s *stage) head() *record.Record { return s.ana.disk[len(s.ana.disk)-1] }

func (s *stage) count(kind replica.EventKind) (count int) {
	for _, e := range s.ana.events {
		if e.Kind == kind {
			count += e.Count
		}
	}
	return count
}

func TestDuplicates(t *testing.T) {
	s := newStage(t)
	chi := s.chi.chain()
	a := chi.next("note", nil, s.head())
	b := chi.next("note", nil)
	s.p.say(records(s.ana.disk[0], a))
	s.p.say(records(a, b, s.head()))
	s.p.say(wire.End{})
	if s.p.closed {
		t.Fatalf("closed: %s", s.p.reason())
	}
	if got := s.count(replica.EventPulled); got != 2 || !s.ana.holds(a) || !s.ana.holds(b) {
		t.Errorf("%d records taken, want 2", got)
	}
}

// TestBrokenStreams has a peer answer a pull with what no honest peer sends.
func TestBrokenStreams(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream func(s *stage) []*record.Record
		want   string
		gap    bool
	}{
		{"child first", func(s *stage) []*record.Record {
			c := s.chi.chain()
			a := c.next("note", nil, s.head())
			return []*record.Record{c.next("note", nil), a}
		}, "missing", true},
		{"of another co-op", func(s *stage) []*record.Record {
			c := s.chi.chain()
			c.w = &world{coop: record.ID(seedOf("other")), now: s.now}
			return []*record.Record{c.next("note", nil, s.head())}
		}, "another co-op", false},
		{"the founding of another co-op", func(*stage) []*record.Record {
			return []*record.Record{foundingRecord("Elm Street", "Chi")}
		}, "another co-op", false},
		{"an act without its body", func(s *stage) []*record.Record {
			return []*record.Record{s.chi.chain().next("note", []byte("body"), s.head()).Erase()}
		}, "(rule A1 of the protocol)", false},
		{"a wrong depth", func(s *stage) []*record.Record {
			h := s.chi.chain().next("note", nil, s.head()).Header
			h.Depth++
			return []*record.Record{must(record.New(h, nil, s.chi.key))}
		}, "(rule A7 of the protocol)", false},
		{"prev of another device", func(s *stage) []*record.Record {
			c := s.chi.chain()
			c.prev = s.bos.prev
			return []*record.Record{c.next("note", nil, s.head())}
		}, "(rule A7 of the protocol)", false},
		{"a device nobody introduced, covered", func(s *stage) []*record.Record {
			x := &chain{w: s.world, key: keyOf("stranger")}
			a := x.next("note", nil, s.head())
			return []*record.Record{a, s.chi.chain().next(coop.KindAck, nil, a)}
		}, "(rule A8 of the protocol)", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			held := len(s.ana.disk)
			rs := c.stream(s)
			// What is hollow does not pass the wire; here it meets the next guard.
			s.ana.r.Message(s.ana.now(), s.p.id, records(rs...))
			s.p.listen()
			if !s.p.closed || !strings.Contains(s.p.reason(), c.want) {
				t.Errorf("closed %v, %q; want %q", s.p.closed, s.p.reason(), c.want)
			}
			if got := len(s.ana.disk); got != held {
				t.Errorf("%d records were taken", got-held)
			}
			if got := len(s.ana.heard(replica.EventGap)) == 1; got != c.gap {
				t.Errorf("told of a gap: %v, want %v", got, c.gap)
			}
		})
	}
}

// TestHollow has a peer send an act without its body: the message is refused as
// a whole, and the door closes.
func TestHollow(t *testing.T) {
	s := newStage(t)
	a := s.chi.chain().next("note", []byte("body"), s.head())
	_, err := wire.Decode(wire.Encode(records(a.Erase())))
	if err == nil {
		t.Fatal("a hollow act passes the wire")
	}
	s.ana.r.Garbage(s.p.id, err)
	s.p.listen()
	if !s.p.closed || !strings.Contains(s.p.reason(), "without its body") {
		t.Errorf("closed %v, %q", s.p.closed, s.p.reason())
	}
}

func TestTooNew(t *testing.T) {
	s := newStage(t)
	s.ana.r.Garbage(s.p.id, fmt.Errorf("record: %w", record.ErrTooNew))
	s.p.listen()
	if got := s.ana.heard(replica.EventTooNew); !s.p.closed || len(got) != 1 || !strings.Contains(got[0], "update") {
		t.Errorf("closed %v, told %q", s.p.closed, got)
	}
	s.ana.r.Garbage(s.p.id, errors.New("again"))
	if s.ana.commit(); len(s.ana.heard(replica.EventDoorClosed)) != 1 {
		t.Errorf("the door closed twice: %v", s.ana.events)
	}
}

// TestStaged has a member's node pass on what somebody wrote after leaving.
func TestStaged(t *testing.T) {
	t.Run("nobody answers for it", func(t *testing.T) {
		s := newStage(t)
		held := len(s.ana.disk)
		a := s.bos.next("note", nil)
		s.p.say(records(a, s.bos.next("note", nil)))
		s.p.say(wire.End{})
		if s.p.closed {
			t.Fatalf("closed: %s", s.p.reason())
		}
		if got := s.count(replica.EventDropped); got != 2 {
			t.Errorf("told of %d records dropped, want 2", got)
		}
		if got := len(s.ana.disk); got != held {
			t.Errorf("%d records were taken", got-held)
		}
		// The next pull begins with nothing.
		s.ana.r.Pull(s.p.id)
		s.p.listen()
		s.p.say(records(s.chi.chain().next(coop.KindAck, nil, a)))
		if !s.p.closed || s.ana.holds(a) {
			t.Error("what was dropped is still there in the next pull")
		}
	})
	t.Run("a member covers it", func(t *testing.T) {
		s := newStage(t)
		a := s.bos.next("note", nil)
		b := s.bos.next("note", nil)
		s.p.say(records(a))
		s.p.say(records(b))
		cover := s.chi.chain().next(coop.KindAck, nil, b, s.head())
		s.p.say(records(cover))
		s.p.say(wire.End{})
		for _, r := range []*record.Record{a, b, cover} {
			if !s.ana.holds(r) {
				t.Errorf("%s is not held: %v", r.Kind, s.ana.events)
			}
		}
		if got := s.count(replica.EventDropped); got != 0 {
			t.Errorf("%d records dropped", got)
		}
	})
	t.Run("a member covers half of it", func(t *testing.T) {
		s := newStage(t)
		a := s.bos.next("note", nil)
		b := s.bos.next("note", nil)
		s.p.say(records(a, b, s.chi.chain().next(coop.KindAck, nil, a, s.head())))
		s.p.say(wire.End{})
		if !s.ana.holds(a) || s.ana.holds(b) {
			t.Errorf("holds the first: %v, the second: %v", s.ana.holds(a), s.ana.holds(b))
		}
		if got := s.count(replica.EventDropped); got != 1 {
			t.Errorf("told of %d records dropped, want 1", got)
		}
	})
	t.Run("somebody removed covers it", func(t *testing.T) {
		s := newStage(t)
		x := s.bos.next("note", nil)
		s.p.say(records(x, s.bos.next(coop.KindAck, nil)))
		s.p.say(wire.End{})
		if s.ana.holds(x) {
			t.Error("it was taken")
		}
	})
}

// TestStagedUntilAdmitted has the records of a newcomer come before Ana's node
// may take them: the admission is by a sponsor of whom it hears in the same pull.
// TestJudgedAgain: what a newcomer wrote waits while their admission has no
// effect, and is taken in the same pull when the invite comes, by which it has.
func TestJudgedAgain(t *testing.T) {
	w := newWorld(t, "Ana", "Bo", "Cleo")
	ana, bo, cleo := w.nodes[0], &chain{w: w, key: keyOf("device Bo")}, &chain{w: w, key: keyOf("device Cleo")}
	dan := w.newNode("Dan")
	code := member.Invite{Coop: w.coop, Seed: seedOf("code")}
	founding := ana.disk[0]
	invite := cleo.next(member.KindInvite, member.NewInvite(code.Key().Public(), 1, 0), founding)
	note := bo.next("note", nil, founding)
	admission := bo.next(member.KindAdmit, cardOf(dan, code).Encode())
	dans := (&chain{w: w, key: dan.key}).next("note", nil, admission)

	p := w.call(ana, "x", true).enter(bo.key)
	p.say(records(note, admission, dans))
	if !ana.holds(admission) || ana.holds(dans) {
		t.Fatalf("holds the admission %v, what the newcomer wrote %v; want true, false", ana.holds(admission), ana.holds(dans))
	}
	p.say(records(invite))
	if !ana.holds(dans) {
		t.Error("what waited was not judged again")
	}
}

func TestStagedUntilAdmitted(t *testing.T) {
	s := newStage(t)
	dan := s.newNode("Dan")
	dan.card = cardOf(dan, member.Invite{Coop: s.coop, Seed: seedOf("made up")}).Encode()
	admission := s.chi.chain()
	a := admission.next(member.KindAdmit, dan.card, s.head()) // no effect: Chi is no sponsor
	dans := &chain{w: s.world, key: dan.key}
	b := dans.next("note", nil, a)
	s.p.say(records(a, b))
	s.p.say(wire.End{})
	if !s.ana.holds(a) || s.ana.holds(b) {
		t.Errorf("holds the admission %v, what the newcomer wrote %v; want true, false", s.ana.holds(a), s.ana.holds(b))
	}
	if got := s.count(replica.EventDropped); got != 1 {
		t.Errorf("told of %d records dropped, want 1", got)
	}
}

// TestUnexpected says every message at every stage of a session: what does not
// belong there closes the door.
func TestUnexpected(t *testing.T) {
	messages := map[string]func(p *peer) wire.Message{
		"hello":   func(p *peer) wire.Message { return wire.Hello{Version: wire.Version, Nonce: p.nonce} },
		"proof":   func(p *peer) wire.Message { return wire.Proof{MAC: p.mac()} },
		"show":    func(p *peer) wire.Message { return p.shows(keyOf("device Ana")) },
		"welcome": func(*peer) wire.Message { return wire.Welcome{} },
		"wait":    func(*peer) wire.Message { return wire.Wait{Reason: "soon"} },
		"bye":     func(*peer) wire.Message { return wire.Bye{Reason: "enough", Evidence: [][]byte{}} },
		"pull":    func(*peer) wire.Message { return wire.Pull{Tips: []record.ID{}} },
		"probe":   func(*peer) wire.Message { return wire.Probe{IDs: []record.ID{}} },
		"have":    func(*peer) wire.Message { return wire.Have{IDs: []record.ID{}} },
		"records": func(p *peer) wire.Message { return records(p.to.disk[0]) },
		"no records": func(*peer) wire.Message {
			return wire.Records{}
		},
		"end":   func(*peer) wire.Message { return wire.End{} },
		"hint":  func(*peer) wire.Message { return wire.Hint{} },
		"ask":   func(*peer) wire.Message { return wire.Ask{} },
		"vouch": func(*peer) wire.Message { return wire.Vouch{} },
	}
	newcomer := func(p *peer) {
		mallory := p.to.w.newNode("Mallory")
		i := p.to.invite("code", 1, 1) // expired long ago
		p.greet().showsCard(mallory.key, i.Key().Public(), cardOf(mallory, i).Encode())
	}
	for _, stage := range []struct {
		name, fine string
		reach      func(p *peer)
	}{
		{"hello", "hello", func(*peer) {}},
		{"proof", "proof", func(p *peer) { p.say(messages["hello"](p)) }},
		{"show", "show", func(p *peer) { p.greet() }},
		{"waiting", "welcome wait ask", newcomer},
		{"welcomed", "welcome wait ask pull hint", func(p *peer) { p.greet().say(p.shows(keyOf("device Ana"))) }},
		{"pulling", "welcome wait ask pull probe records end hint", func(p *peer) { p.enter(keyOf("device Ana")) }},
		{"answered", "welcome wait ask pull records end hint", func(p *peer) { p.enter(keyOf("device Ana")).say(wire.Probe{IDs: []record.ID{}}) }},
		{"live", "welcome wait ask pull hint", func(p *peer) { p.enter(keyOf("device Ana")).say(wire.End{}) }},
		{"probed", "welcome wait ask probe have records end hint", func(p *peer) {
			p.enter(keyOf("device Ana")).say(wire.Pull{Digest: [32]byte{1}, Tips: []record.ID{{1}}})
		}},
	} {
		for name, message := range messages {
			t.Run(stage.name+"/"+name, func(t *testing.T) {
				w := newWorld(t, "Bo", "Ana")
				p := w.call(w.nodes[0], "x", true)
				stage.reach(p)
				if p.closed {
					t.Fatalf("closed on the way: %s", p.reason())
				}
				before := len(p.heard)
				p.say(message(p))
				fine := strings.Contains(" "+stage.fine+" ", " "+name+" ")
				if p.closed == fine {
					t.Errorf("closed %v (%s), want %v", p.closed, p.reason(), !fine)
				}
				said := kinds(p.heard[before:])
				if early := stage.name == "hello" || stage.name == "proof" || stage.name == "show"; early && !fine && said != "" {
					t.Errorf("before the door it says %q to one who breaks the protocol", said)
				}
				if !fine && strings.Contains(said, "records") {
					t.Errorf("it says %q", said)
				}
				if p.closed {
					if after := p.say(wire.Pull{Tips: []record.ID{}}); len(after) > 0 {
						t.Errorf("behind the closed door it says %q", kinds(after))
					}
				}
			})
		}
	}
}

// TestHaveMore has a peer claim to have what it was not asked about.
func TestHaveMore(t *testing.T) {
	w := newWorld(t, "Bo", "Ana")
	p := w.call(w.nodes[0], "x", true).enter(keyOf("device Ana"))
	p.say(wire.Pull{Digest: [32]byte{1}, Tips: []record.ID{{1}}})
	p.say(wire.Have{IDs: []record.ID{{7}}})
	if !p.closed || !strings.Contains(p.reason(), "not asked") {
		t.Errorf("closed %v, %q", p.closed, p.reason())
	}
}

// TestLateHello has a peer take its time before it has shown itself.
func TestLateHello(t *testing.T) {
	const helloMax = 10 * time.Second
	for _, c := range []struct {
		name string
		say  func(p *peer)
		ends bool
	}{
		{"says nothing", func(*peer) {}, true},
		{"only hello", func(p *peer) { p.say(wire.Hello{Version: wire.Version, Nonce: p.nonce}) }, true},
		{"shows nothing", func(p *peer) { p.greet() }, true},
		{"is in", func(p *peer) { p.enter(keyOf("device Ana")).say(wire.End{}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "Bo", "Ana")
			bo := w.nodes[0]
			p := w.call(bo, "x", true)
			w.now = w.now.Add(helloMax / 2) // what it says meanwhile buys no time
			c.say(p)
			w.now = w.now.Add(helloMax/2 - time.Millisecond)
			bo.r.Tick(bo.now())
			if p.listen(); p.closed {
				t.Fatal("closed too early")
			}
			w.now = w.now.Add(time.Millisecond)
			bo.r.Tick(bo.now())
			if p.listen(); p.closed != c.ends {
				t.Errorf("closed %v, want %v", p.closed, c.ends)
			}
			if c.ends && strings.Contains(kinds(p.heard), "bye") {
				t.Error("a stranger is told why")
			}
			if w.pass(time.Second); c.ends && len(bo.r.Peers()) > 0 {
				t.Errorf("the session is still there: %+v", bo.r.Peers())
			}
		})
	}
}

// TestLateAnswer has a peer not answer a pull, or not go on with it.
func TestLateAnswer(t *testing.T) {
	const answerMax = time.Minute
	for _, c := range []struct {
		name string
		say  func(s *stage)
		ends bool
	}{
		{"no answer", func(*stage) {}, true},
		{"not the rest of it", func(s *stage) { s.p.say(records(s.head())) }, true},
		{"a hint for an answer", func(s *stage) { s.p.say(wire.Hint{Digest: [32]byte{1}}) }, true},
		{"the end", func(s *stage) { s.p.say(wire.End{Digest: s.ana.coop.History().Digest()}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			c.say(s)
			s.now = s.now.Add(answerMax - time.Millisecond)
			s.ana.r.Tick(s.ana.now())
			if s.p.listen(); s.p.closed {
				t.Fatal("closed too early")
			}
			s.now = s.now.Add(time.Millisecond)
			s.ana.r.Tick(s.ana.now())
			if s.p.listen(); s.p.closed != c.ends {
				t.Errorf("closed %v, want %v: %v", s.p.closed, c.ends, s.ana.events)
			}
		})
	}
	t.Run("a part now and then", func(t *testing.T) {
		s := newStage(t)
		chi := s.chi.chain()
		chi.next("note", nil, s.head())
		for range 5 {
			s.p.say(records(chi.prev))
			chi.next("note", nil)
			s.now = s.now.Add(answerMax - time.Second)
			s.ana.r.Tick(s.ana.now())
		}
		if s.p.listen(); s.p.closed {
			t.Errorf("closed: %s", s.p.reason())
		}
	})
}

// TestNewsWhileAnswering: what a node comes to hold while it answers a pull is not
// in the answer, and its peer hears of it all the same, without waiting for the
// pull of the minute.
func TestNewsWhileAnswering(t *testing.T) {
	w := newWorld(t, "Ana", "Bo")
	ana, bo := w.nodes[0], w.nodes[1]
	l := w.dial(ana, bo)
	w.pass(3 * time.Second)
	bo.r.Pull(l.id)
	bo.commit()
	pull, _ := bo.r.Next(l.id)
	ana.r.Message(ana.now(), l.id, overWire(pull))
	ana.commit()
	ana.write(document.KindCreate, offer()) // that there is nothing is decided, and not said
	w.pass(3 * time.Second)
	if a, b := ana.coop.History().Digest(), bo.coop.History().Digest(); a != b {
		t.Errorf("Ana holds %d records, Bo %d", ana.coop.History().Len(), bo.coop.History().Len())
	}
}

// TestPullsEnd has two nodes hold what the other may not take, and which they
// cannot cover, for they are locked: each hears in the other's pull that there is
// news, and does not ask for it again and again. Unlocked they cover it.
func TestPullsEnd(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	w.pass(3 * time.Second)
	chi.writeAny("note", nil)
	w.pass(3 * time.Second)
	for _, l := range w.lines {
		l.close()
	}
	for _, n := range []*node{ana, bo} { // Chi tells each another tale
		n.startWith(func(cfg *replica.Config) { cfg.Key = nil })
		c := chi.chain()
		p := w.call(n, "Chi", true).enter(chi.key)
		must(n.r.Gossip(n.now(), p.id, []*record.Record{c.next("note", []byte(n.name)), c.next("note", nil)}))
		n.commit()
		n.r.Disconnected(p.id)
	}
	l := w.dial(ana, bo)
	w.pass(30 * time.Second)
	pulls := 0
	for _, m := range slices.Concat(l.said[0], l.said[1]) {
		if _, ok := m.(wire.Pull); ok {
			pulls++
		}
	}
	if pulls > 8 {
		t.Errorf("%d pulls in half a minute", pulls)
	}
	for _, n := range []*node{ana, bo} {
		n.r.Unlock(n.key)
		n.commit()
	}
	w.pass(5 * time.Second)
	wantSame(t, ana, bo)
}

// TestNewcomerHearsPull: what its invite names comes to a newcomer's peer while
// that answers the newcomer's first pull. The peer tells of it in a pull of its
// own, which the newcomer may not answer, but hears.
func TestNewcomerHearsPull(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	toAna := w.lines[0]
	w.pass(3 * time.Second)
	phone := w.returning(chi, "phone")
	phone.leader = record.ID{} // one that is not there yet
	phone.r.Tick(phone.now())  // as a node does when it starts
	phone.commit()
	l := w.open(bo, phone)
	l.cut = func(from int, m wire.Message) bool {
		if _, ok := m.(wire.End); ok && from == 0 && phone.leader == (record.ID{}) {
			before, was := ana.coop.State().Last, len(ana.published)
			ana.writeAny("note", nil)
			for _, rs := range ana.published[was:] { // gossip has not taken up the phone yet
				must(bo.r.Gossip(bo.now(), toAna.id, rs))
				bo.commit()
			}
			phone.leader = ana.coop.State().Last
			if at, held := bo.coop.History().Find(phone.leader); phone.leader == before || !held || !bo.coop.Minutes().Minuted(at) {
				t.Fatal("nothing was minuted")
			}
		}
		return false
	}
	w.pass(5 * time.Second)
	if !phone.r.Joined() {
		t.Errorf("the phone has not joined: %v, it says %s, Bo %s", phone.events, kinds(l.said[1]), kinds(l.said[0]))
	}
	wantSame(t, ana, bo, phone)
}

// TestNewcomersPullInVain: two newcomers who both wait for what their invites name
// do not ask each other without end.
func TestNewcomersPullInVain(t *testing.T) {
	w := newWorld(t, "Ana", "Chi")
	ana, chi := w.nodes[0], w.nodes[1]
	w.mesh(ana, chi)
	w.pass(3 * time.Second)
	one, two := w.returning(chi, "one"), w.returning(ana, "two")
	one.leader, two.leader = record.ID{}, record.ID{}
	w.dial(ana, one).close()
	ana.writeAny("note", nil)
	w.dial(ana, two).close()
	w.dial(one, two) // fails if they talk without end
	w.pass(30 * time.Second)
	if one.r.Joined() || two.r.Joined() {
		t.Error("they joined")
	}
}

// TestJoinsWithoutEnd: a newcomer that holds all its invite names has joined,
// although it heard no end.
func TestJoinsWithoutEnd(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo := w.newcomer("Bo", ana.invite("code", 1, 0))
	w.pass(3 * time.Second)
	l := w.open(ana, bo)
	l.cut = func(from int, m wire.Message) bool {
		_, end := m.(wire.End)
		return end && from == 0
	}
	w.run()
	w.pass(3 * time.Minute)
	if len(bo.disk) != len(ana.disk) {
		t.Fatal("not all came")
	}
	if !bo.r.Joined() {
		t.Errorf("Bo holds all and has not joined")
	}
}
