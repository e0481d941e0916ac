package coop

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"coop/crdt/history"
	"coop/crdt/member"
	"coop/crdt/minutes"
	"coop/crdt/record"
)

// line is one course of the minutes, and what the acts in it have made of the
// co-op. The first of Coop.lines is what the tellers' records say by themselves.
// Each further one goes on from the one below with a re-seating. The last is what
// people see.
type line struct {
	minutes *minutes.Minutes
	minuted *Acts // after the last batch
	opening *Acts // as it was when the open epoch began, to go back to

	by    *reseat // that began it; nil: the founding did
	below *line
	took  []record.ID // acts that were final on the line below, behind where this one goes on

	asOf      map[history.Ref]*Acts // behind committed leaders, as far as somebody asked
	voters    map[history.Ref]int   // how many members there were behind committed leaders, as far as they were folded
	judged    history.Ref           // the last leader when the re-seatings of this line were judged,
	judgedBy  int                   // how many records of tellers were counted,
	judgedAll int                   // and how many re-seatings there were
}

// reseat is a re-seating that is held.
type reseat struct {
	member.Reseat
	ref     history.Ref
	id      record.ID
	device  record.Key
	good    map[record.ID]bool // verdicts on its signatures, as far as they mattered
	signers []record.ID        // who count
	why     error              // it does not count on the line it was judged on; nil: it does
}

// Reseating is a re-seating for people.
type Reseating struct {
	_        struct{} `cbor:",toarray"`
	Record   record.ID
	Device   record.Key // whose record it is
	After    record.ID  // the leader behind which the minutes go on
	Replaces record.ID  // an earlier re-seating; zero: none
	Tellers  []record.Key
	Signers  []record.ID // members whose signature counts, sorted
	Reason   string      // why it does not count; "": the minutes go on from it
	Took     []record.ID // acts that were in the minutes, were taken out by it, and are ordered anew
}

func newLine(m *minutes.Minutes, begins *Acts) *line {
	return &line{minutes: m, minuted: begins, opening: begins.clone(), asOf: map[history.Ref]*Acts{}, judged: history.None,
		voters: map[history.Ref]int{m.Last(): len(begins.People.Voters())}}
}

// id names a line by the re-seating that began it; zero: the founding did.
func (l *line) id() (id record.ID) {
	if l.by != nil {
		id = l.by.id
	}
	return id
}

// note remembers a record if it is a re-seating, also one that cannot be read.
func (c *Coop) note(ref history.Ref) {
	n := c.h.At(ref)
	if n.Kind != member.KindReseat {
		return
	}
	body, _ := c.body(ref)
	r := &reseat{ref: ref, id: n.ID, device: n.Device, good: map[record.ID]bool{}}
	var err error
	if r.Reseat, err = member.ParseReseat(body); err != nil {
		c.unread = append(c.unread, Reseating{Record: n.ID, Device: n.Device, Reason: err.Error()})
		return
	}
	rs := c.reseats[r.Replaces]
	at, _ := slices.BinarySearchFunc(rs, r.id, func(o *reseat, id record.ID) int { return o.id.Compare(id) })
	c.reseats[r.Replaces] = slices.Insert(rs, at, r)
}

// settleLines lets every line catch up, from the lowest: where one moved, the
// re-seating that goes on from it may be another, and with it all lines above.
// It reports whether the minutes moved, and whether they did more than grow.
func (c *Coop) settleLines() (moved, anew bool) {
	top := c.line
	for i := 0; i < len(c.lines); i++ {
		l := c.lines[i]
		m, taken := c.settleLine(l)
		moved, anew = moved || m, anew || taken
		next := c.follow(l)
		if above := c.lines[i+1:]; next != nil && len(above) > 0 && above[0].by == next {
			above[0].took = c.actsSince(l, next)
			continue
		}
		c.lines = c.lines[:i+1]
		if held := l.minutes.Held(); held != history.None && (next == nil || c.find(next.After) != held) {
			l.minutes.Hold(history.None, 0)
			i-- // what that held back may count now
		} else if next != nil {
			c.lines = append(c.lines, c.begun(l, next))
		}
	}
	for i, l := range c.lines[1:] {
		if below := c.lines[i].minutes; l.minutes.Begun() {
			after := c.find(l.by.After)
			in, _ := below.Place(after)
			below.Hold(after, in)
		}
	}
	c.line = c.lines[len(c.lines)-1]
	return moved, anew || c.line != top
}

// settleLine folds what a line has new, and anew what does not stand any more:
// then more tellers lied than the order can bear, and what they signed proves it.
func (c *Coop) settleLine(l *line) (moved, taken bool) {
	to, taken := l.minutes.TakenBack()
	if taken {
		l.minuted = l.opening.clone()
		l.minutes.Rewind()
		clear(l.asOf)
		clear(l.voters)
		l.judged = history.None
		for range to {
			c.foldNext(l)
		}
	}
	for c.foldNext(l) {
		moved = true
	}
	return moved, taken
}

// foldNext applies the next batch of a line.
func (c *Coop) foldNext(l *line) bool {
	last := l.minutes.Last()
	b, ok := l.minutes.Next()
	if !ok {
		return false
	}
	if b.Opens {
		l.opening = l.minuted.clone()
	}
	before, turnover := l.minuted.People.Tellers, l.minuted.People.Turnover
	voters, counted := l.voters[last]
	for _, ref := range b.Records {
		l.minuted.apply(c.act(ref))
	}
	if !counted || turnover != l.minuted.People.Turnover {
		voters = len(l.minuted.People.Voters())
	}
	l.voters[b.Leader] = voters
	if after := l.minuted.People.Tellers; !slices.Equal(before, after) {
		l.minutes.Seat(after)
	}
	return true
}

func (c *Coop) find(id record.ID) history.Ref {
	ref, _ := c.h.Find(id)
	return ref
}

// follow returns the re-seating that goes on from a line, or nil: of those that
// count the one with the smallest id. They are judged anew when the line moved
// or there is one more.
func (c *Coop) follow(l *line) *reseat {
	rs := c.reseats[l.id()]
	if l.judged != l.minutes.Last() || l.judgedBy != l.minutes.Counted() || l.judgedAll != len(rs) {
		l.judged, l.judgedBy, l.judgedAll = l.minutes.Last(), l.minutes.Counted(), len(rs)
		for _, r := range rs {
			r.why = c.judge(l, r)
		}
	}
	for _, r := range rs {
		if r.why == nil {
			return r
		}
	}
	return nil
}

// judge says why a re-seating does not count on a line, or nil.
func (c *Coop) judge(l *line, r *reseat) error {
	if after, ok := c.h.Find(r.After); !ok || !c.h.InPast(after, r.ref) {
		return fmt.Errorf("whoever wrote it had not seen %s, behind which it goes on", r.After.Short())
	}
	if l.by != nil && !c.h.InPast(l.by.ref, r.ref) {
		return errors.New("whoever wrote it had not seen the re-seating that it replaces")
	}
	return c.judgeTerms(l, r)
}

// judgeTerms is judge without the place of the record, or for one that is not written.
// That the members at the end of the line must have signed keeps out who could speak
// for all at its beginning. The end is what was final for who had not heard of the
// record: else old tellers who have, and go on, would void it when the co-op has grown.
// What is costly comes last: it takes so many members to get there.
func (c *Coop) judgeTerms(l *line, r *reseat) error {
	r.signers = nil
	after := c.find(r.After)
	if _, ok := l.minutes.Place(after); !ok {
		return fmt.Errorf("%s, behind which it goes on, leads no batch of the minutes", r.After.Short())
	}
	end := l.minutes.Last()
	if r.id != (record.ID{}) {
		end = l.minutes.LastWithout(after, r.ref)
	}
	few := func(n, voters int) error {
		if need := member.ReseatNeeds(voters); n < need {
			return fmt.Errorf("%d of the members have signed it, and it takes %d", n, need)
		}
		return nil
	}
	good := 0
	for _, s := range r.Sigs {
		if l.minuted.People.Had(s.Member, s.Key) && c.signed(r, s) {
			good++
		}
	}
	if err := few(good, c.votersAt(l, end)); err != nil {
		return err
	}
	now := c.stateAt(l, end).People
	for _, s := range r.Sigs {
		if now.Consents(s.Member, s.Key) && c.signed(r, s) {
			r.signers = append(r.signers, s.Member)
		}
	}
	if err := few(len(r.signers), len(now.Voters())); err != nil {
		return err
	}
	then := c.stateAt(l, after).People
	n := 0
	for _, who := range r.signers {
		if m, _ := then.Members.Get(who); m.Status == member.StatusMember {
			n++
		}
	}
	if need := member.ReseatNeeds(len(then.Voters())); n < need {
		return fmt.Errorf("%d of those who were members where it goes on have signed it, and it takes %d", n, need)
	}
	return then.CheckTellers(r.Tellers)
}

// signed reports whether a consent is good. It is verified once.
func (c *Coop) signed(r *reseat, s member.Consent) bool {
	good, ok := r.good[s.Member]
	if !ok {
		good = r.Verify(c.h.Coop(), s)
		r.good[s.Member] = good
	}
	return good
}

// begun returns the line that a re-seating begins.
func (c *Coop) begun(below *line, r *reseat) *line {
	m := minutes.Reseat(below.minutes, c.find(r.After), r.ref, r.Tellers, c.anchors[r.id]...)
	c.holdStored(m, r.id)
	l := newLine(m, c.reseated(below, r))
	l.by, l.below, l.took = r, below, c.actsSince(below, r)
	return l
}

// reseated returns what the acts have made of the co-op where a re-seating goes
// on, with its tellers seated.
func (c *Coop) reseated(below *line, r *reseat) *Acts {
	s := c.stateAt(below, c.find(r.After)).clone().step(r.id)
	s.People.Reseat(r.Tellers)
	s.review()
	return s.Acts
}

// stateAt returns what the acts have made of the co-op on a line up to one of
// its leaders, or up to where it begins. It must not be changed.
func (c *Coop) stateAt(l *line, leader history.Ref) *Acts {
	if leader == l.minutes.Last() {
		return l.minuted
	}
	if a, ok := l.asOf[leader]; ok {
		return a
	}
	again := c.again(l)
	for again.minutes.Last() != leader && c.foldNext(again) {
	}
	l.asOf[leader] = again.minuted
	return again.minuted
}

// votersAt returns how many members there were behind one of the leaders of a line.
func (c *Coop) votersAt(l *line, leader history.Ref) int {
	if _, ok := l.voters[leader]; !ok {
		again := c.again(l)
		for c.foldNext(again) {
		}
		maps.Copy(l.voters, again.voters)
	}
	return l.voters[leader]
}

// again returns a line with nothing folded yet.
func (c *Coop) again(l *line) *line {
	begins, err := founded(c.load(0))
	if err != nil {
		panic("coop: the founding record was admitted and founds nothing: " + err.Error())
	}
	if l.by != nil {
		begins = c.reseated(l.below, l.by)
	}
	return newLine(l.minutes.Again(), begins)
}

// keepStored takes the anchors that Anchors returned earlier apart: which belong
// to which line, and which leaders the re-seatings among them hold.
func (c *Coop) keepStored(anchors []record.ID) {
	var by record.ID
	for _, id := range anchors {
		if r := c.reseat(id); r != nil {
			for by = id; r != nil; r = c.reseat(r.Replaces) {
				c.holds[r.Replaces] = r.After
			}
		} else {
			c.anchors[by] = append(c.anchors[by], id)
		}
	}
}

// holdStored lets fresh minutes hold what they held when their anchors were
// stored.
func (c *Coop) holdStored(m *minutes.Minutes, line record.ID) {
	if after, ok := c.h.Find(c.holds[line]); ok {
		m.Hold(after, len(c.anchors[line]))
	}
}

// reseat returns a re-seating that is held, or nil.
func (c *Coop) reseat(id record.ID) *reseat {
	for _, rs := range c.reseats {
		for _, r := range rs {
			if r.id == id {
				return r
			}
		}
	}
	return nil
}

// actsSince returns the acts of a line behind where a re-seating goes on that were
// final for somebody who had not heard of it.
func (c *Coop) actsSince(l *line, r *reseat) (acts []record.ID) {
	for _, ref := range l.minutes.Since(c.find(r.After), r.ref) {
		if n := c.h.At(ref); isAct(n.Kind) {
			acts = append(acts, n.ID)
		}
	}
	return acts
}

// Place returns the number of the batch of the minutes a record is in, counted
// from 1, a re-seating as one; 0 if it is not minuted or founded the co-op.
func (c *Coop) Place(ref history.Ref) int {
	l := c.line
	for l.by != nil && c.h.InPast(ref, c.find(l.by.After)) {
		l = l.below
	}
	return l.minutes.InBatch(ref)
}

// reseatings returns the re-seatings that are held, for people, sorted by id.
func (c *Coop) reseatings() []Reseating {
	all := slices.Clone(c.unread)
	for _, rs := range c.reseats {
		for _, r := range rs {
			all = append(all, c.reseating(r))
		}
	}
	slices.SortFunc(all, func(a, b Reseating) int { return a.Record.Compare(b.Record) })
	return all
}

func (c *Coop) reseating(r *reseat) Reseating {
	out := Reseating{Record: r.id, Device: r.device, After: r.After, Replaces: r.Replaces, Tellers: r.Tellers}
	at := slices.IndexFunc(c.lines, func(l *line) bool { return l.id() == r.Replaces })
	switch {
	case at < 0:
		out.Reason = fmt.Sprintf("the re-seating %s, which it replaces, does not count", r.Replaces.Short())
	case r.why != nil:
		out.Reason, out.Signers = r.why.Error(), r.signers
	case c.lines[at+1].by != r:
		out.Reason, out.Signers = fmt.Sprintf("the re-seating %s counts in its place: of two the smaller id does", c.lines[at+1].by.id.Short()), r.signers
	default:
		out.Signers, out.Took = r.signers, c.lines[at+1].took
	}
	return out
}

// tryReseat says why a re-seating would not count if this node wrote it now.
func (c *Coop) tryReseat(body []byte) error {
	terms, err := member.ParseReseat(body)
	switch {
	case err != nil:
		return err
	case c.by == nil && terms.Replaces != record.ID{}:
		return fmt.Errorf("the re-seating %s, which it replaces, does not count", terms.Replaces.Short())
	case terms.Replaces != c.line.id():
		return fmt.Errorf("the re-seating %s counts: make one that replaces it", c.line.id().Short())
	}
	return c.judgeTerms(c.line, &reseat{Reseat: terms, good: map[record.ID]bool{}})
}
