package replica_test

import (
	"errors"
	"fmt"
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

// The limits of PROTOCOL.md 7.
const (
	stagedFirst     = 32 << 20
	floodMin        = 1 << 20
	floodPauseFirst = 10 * time.Second
	floodPauseMax   = 10 * time.Minute
)

// area is where a pull stages, and counts how it is used.
type area struct {
	*areas
	b []byte
}

type areas struct {
	open, opened, reads int
	size                int   // the most that was in one
	sum, most           int   // what is in all of them, and the most that was
	full                error // instead of writing
}

func (a *areas) stage() (replica.Area, error) {
	a.open++
	a.opened++
	return &area{areas: a}, nil
}

func (a *area) WriteAt(b []byte, at int64) (int, error) {
	if a.full != nil {
		return 0, a.full
	}
	a.sum += int(at) + len(b) - len(a.b)
	a.b = append(a.b[:at], b...)
	a.size, a.most = max(a.size, len(a.b)), max(a.most, a.sum)
	return len(b), nil
}

func (a *area) ReadAt(b []byte, at int64) (int, error) {
	a.reads++
	return copy(b, a.b[at:]), nil
}

func (a *area) Close() error {
	a.open--
	a.sum -= len(a.b)
	a.b = nil
	return nil
}

// newAreaStage is a stage whose node stages in areas that count, with this limit.
func newAreaStage(t *testing.T, most int64) (*stage, *areas) {
	s, a := newStage(t), &areas{}
	s.ana.startWith(func(cfg *replica.Config) { cfg.Stage, cfg.StagedMost = a.stage, most })
	s.p = s.again()
	return s, a
}

// again lets Chi's peer come in anew.
func (s *stage) again() *peer {
	s.ana.events = nil
	return s.call(s.ana, "Chi", true).enter(s.chi.key)
}

// floods has the peer answer with so many bytes of Bo's. It ends the answer if
// it is not sent away before.
func (s *stage) floods(bytes int) {
	for sum := 0; sum < bytes && !s.p.closed; {
		r := s.bos.next("note", make([]byte, record.MaxBodyLen-100))
		sum += len(r.Encode())
		s.ana.r.Message(s.ana.now(), s.p.id, records(r))
		s.p.listen()
	}
	if !s.p.closed {
		s.p.say(wire.End{})
	}
}

// asked reports whether the node pulls from the peer, after so long.
func (s *stage) asked(after time.Duration) bool {
	s.pass(after)
	before := len(s.p.heard)
	s.p.listen()
	return strings.Contains(kinds(s.p.heard[before:]), "pull")
}

// TestFlood has a member's node offer more than may be staged, again and again:
// it is sent away, is asked later each time, and may stage twice as much, as far
// as the person lets it.
func TestFlood(t *testing.T) {
	const most = 80 << 20
	s, a := newAreaStage(t, most)
	held := len(s.ana.disk)
	pause := floodPauseFirst
	for i, limit := range []int{stagedFirst, 2 * stagedFirst, most, most} {
		if i > 0 {
			s.p = s.call(s.ana, "Chi", true).greet()
			s.p.say(s.p.shows(s.chi.key))
			if s.p.say(wire.Welcome{}); s.p.closed {
				t.Fatalf("closed: %s", s.p.reason())
			}
			if s.asked(pause - time.Second) {
				t.Fatalf("asked again before %v", pause)
			}
			if !s.asked(time.Second) {
				t.Fatalf("not asked after %v", pause)
			}
			pause *= 2
		}
		s.ana.events, a.size = nil, 0
		s.floods(limit + 1<<20)
		if !s.p.closed || !strings.Contains(s.p.reason(), fmt.Sprintf("%d MiB", limit>>20)) {
			t.Fatalf("flood %d: closed %v: %s", i, s.p.closed, s.p.reason())
		}
		if a.size > limit || a.size < limit-1<<20 || a.open != 0 {
			t.Errorf("flood %d: %d bytes were staged, want up to %d; %d areas are left", i, a.size, limit, a.open)
		}
		if got := s.ana.heard(replica.EventDropped); len(got) != 1 || !strings.Contains(got[0], "not asked again") || s.count(replica.EventDropped) < 500 {
			t.Errorf("flood %d: told %q of %d", i, got, s.count(replica.EventDropped))
		}
	}
	if got := len(s.ana.disk); got != held {
		t.Errorf("%d records were taken", got-held)
	}
}

// TestSmallFlood: what fits is dropped without a word to the peer. Little is no
// reason to wait, much is, also where the stream breaks off before its end; the
// pauses have an end, and a day without a flood makes up for those before.
func TestSmallFlood(t *testing.T) {
	s, a := newAreaStage(t, 0)
	s.floods(floodMin - 200_000)
	if s.ana.r.Pull(s.p.id); s.p.closed || s.count(replica.EventDropped) == 0 || !s.asked(0) {
		t.Errorf("after little: closed %v, %d dropped, or not asked", s.p.closed, s.count(replica.EventDropped))
	}
	for pause := floodPauseFirst; pause < 4*floodPauseMax; pause *= 2 {
		s.floods(floodMin + 200_000)
		s.ana.r.Pull(s.p.id)
		if s.asked(min(pause, floodPauseMax)-time.Second) || !s.asked(time.Second) {
			t.Fatalf("the pause is not %v", pause)
		}
	}
	s.now = s.now.Add(24 * time.Hour)
	s.floods(floodMin + 200_000)
	if s.ana.r.Pull(s.p.id); s.asked(floodPauseFirst-time.Second) || !s.asked(time.Second) {
		t.Errorf("a day later the pause is not %v", floodPauseFirst)
	}
	// Breaking off is no way around it.
	for range 40 {
		s.ana.r.Message(s.ana.now(), s.p.id, records(s.bos.next("note", make([]byte, record.MaxBodyLen-100))))
	}
	s.ana.r.Disconnected(s.p.id)
	s.ana.commit()
	s.p = s.call(s.ana, "Chi", true).greet()
	s.p.say(s.p.shows(s.chi.key))
	s.p.say(wire.Welcome{})
	if s.asked(2*floodPauseFirst-time.Second) || !s.asked(time.Second) {
		t.Errorf("a stream that broke off is asked for at once")
	}
	if a.open != 0 {
		t.Errorf("%d areas are left", a.open)
	}
}

// TestHonestFlood has an honest node hold much of somebody whom it let write
// before it heard that they were put out. Ana's node, which had put them out,
// gets all of it in the end, for Chi's node covers it.
func TestHonestFlood(t *testing.T) {
	w := newWorld(t, "Ana")
	ana := w.nodes[0]
	bo, chi := w.join(ana, "Bo"), w.join(ana, "Chi")
	w.pass(3 * time.Second)
	for _, l := range w.lines {
		l.close()
	}
	const size = stagedFirst + 8<<20
	for range size / record.MaxBodyLen {
		bo.writeAny("note", make([]byte, record.MaxBodyLen))
	}
	w.dial(bo, chi).close()
	w.decide(ana, proposal.Effect{Kind: proposal.EffectExpel, Member: bo.member()}, ana)
	w.dial(ana, chi)
	w.pass(coverMax)
	if chi.count(coop.KindAck) != 1 || ana.coop.History().Digest() == chi.coop.History().Digest() {
		t.Fatal("Chi's node did not cover it, or it came in one stream")
	}
	w.dial(ana, chi)
	w.pass(floodPauseFirst + time.Minute)
	wantSame(t, ana, chi)
}

// TestStagedAfterTaken: what was staged and could be taken after all does not
// count any more.
func TestStagedAfterTaken(t *testing.T) {
	s, a := newAreaStage(t, 1<<20)
	chi := s.chi.chain()
	chi.next(coop.KindAck, nil, s.head())
	s.p.say(records(chi.prev))
	for range 5 {
		var last *record.Record
		for range 10 {
			last = s.bos.next("note", make([]byte, record.MaxBodyLen-100))
			s.p.say(records(last))
		}
		if s.p.say(records(chi.next(coop.KindAck, nil, last))); s.p.closed || !s.ana.holds(last) {
			t.Fatalf("closed %v: %s", s.p.closed, s.p.reason())
		}
	}
	s.p.say(wire.End{})
	if got := s.count(replica.EventPulled); got != 5*11+1 || a.open != 0 || a.opened != 1 {
		t.Errorf("%d records taken, %d areas of %d are left", got, a.open, a.opened)
	}
}

// TestStagingWithoutRoom has a disk with no room for what must wait: it is
// dropped, and so is what needs it; the rest is taken.
func TestStagingWithoutRoom(t *testing.T) {
	s, a := newAreaStage(t, 0)
	a.full = errors.New("disk is full")
	chi := s.chi.chain()
	of, good := s.bos.next("note", nil), chi.next("note", nil, s.head())
	cover := chi.next(coop.KindAck, nil, of)
	s.p.say(records(of, good))
	s.p.say(records(cover))
	s.p.say(wire.End{})
	if s.p.closed || !s.ana.holds(good) || s.ana.holds(of) || s.ana.holds(cover) {
		t.Errorf("closed %v: %s, or the wrong records are held", s.p.closed, s.p.reason())
	}
	if got := s.ana.heard(replica.EventDropped); len(got) != 1 || !strings.Contains(got[0], "disk is full") || s.count(replica.EventDropped) != 2 {
		t.Errorf("told %q of %d", got, s.count(replica.EventDropped))
	}
	a.full = nil
	s.ana.r.Pull(s.p.id)
	s.p.listen()
	s.p.say(records(of, cover))
	s.p.say(wire.End{})
	if !s.ana.holds(cover) {
		t.Error("with room again it is not taken")
	}
}

// TestStagedCardThenPerson has the card of a new device, and more of the device,
// come before Ana's node knows the person: it takes both once it does.
func TestStagedCardThenPerson(t *testing.T) {
	s, _ := newAreaStage(t, 0)
	dan := s.newNode("Dan")
	invite := s.ana.invite("code for Dan", 1, 0)
	dan.card = cardOf(dan, invite).Encode()
	chi := s.chi.chain()
	useless := chi.next(member.KindAdmit, dan.card, s.head()) // no effect: Chi is no sponsor
	phone := &chain{w: s.world, key: keyOf("Dan's phone")}
	card := must(member.SignDeviceCard(member.DeviceTerms{Coop: s.coop, Name: "phone"}, dan.root, phone.key))
	first := phone.next(member.KindDeviceAdd, card.Encode(), useless)
	second := phone.next("note", nil)
	s.p.say(records(useless, first, second))
	if s.ana.holds(first) {
		t.Fatal("the card of somebody unknown was taken")
	}
	s.ana.write(member.KindAdmit, dan.card)
	s.p.say(wire.End{})
	if !s.ana.holds(first) || !s.ana.holds(second) {
		t.Errorf("holds the card %v, what the device wrote %v", s.ana.holds(first), s.ana.holds(second))
	}
}

// TestWorkOfFlood has a member's node offer many device cards that nobody may
// take, and now and then something good: judging them again and again must not
// keep Ana's node from its work, and reads none of them again.
func TestWorkOfFlood(t *testing.T) {
	s, a := newAreaStage(t, 0)
	const messages, each = 40, 50
	root, chi := keyOf("root of nobody"), s.chi.chain()
	rs := make([]*record.Record, messages*each)
	for i := range rs {
		key := keyOf(fmt.Sprint("device ", i))
		card := must(member.SignDeviceCard(member.DeviceTerms{Coop: s.coop, Name: "phone"}, root, key))
		rs[i] = (&chain{w: s.world, key: key}).next(member.KindDeviceAdd, card.Encode(), s.head())
	}
	chi.next(coop.KindAck, nil, s.head())
	s.p.say(records(chi.prev))
	feed := func(rs []*record.Record) time.Duration {
		began := time.Now()
		s.ana.r.Message(s.ana.now(), s.p.id, records(append([]*record.Record{chi.next(coop.KindAck, nil)}, rs...)...))
		s.ana.commit()
		return time.Since(began)
	}
	first := feed(rs[:each])
	last := first
	for i := 1; i < messages; i++ {
		last = feed(rs[i*each : (i+1)*each])
	}
	if s.p.closed || !s.ana.holds(chi.prev) {
		t.Fatalf("closed: %s", s.p.reason())
	}
	t.Logf("the first %d took %v, the last %d, %v", each, first, each, last)
	// Judging all that is staged anew would make the last message as dear as all.
	if last > 10*first+50*time.Millisecond {
		t.Errorf("the last message took %v, the first %v", last, first)
	}
	if a.reads != 0 {
		t.Errorf("%d staged records were read again", a.reads)
	}
}
