package replica

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/lookalike"
	"coop/crdt/member"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/sync/wire"
)

// coverMax is the longest a node waits before it covers: with many nodes
// waiting at random, the first cover usually spares the others theirs.
const coverMax = 2 * time.Second

// closePause is the least between two records that close proposals: whoever lets a
// thousand end one by one costs tellers a few records.
const closePause = 10 * time.Minute

// hintAfter is how long after news peers are told the digest of what this node
// holds: gossip and pulls have settled by then, so that few pull in vain.
const hintAfter = time.Second

// duty is what this node owes the co-op, and since when.
type duty struct {
	seen        uint64                   // the fold as it was when settle last looked
	planned     uint64                   // the fold as it was when covers were last planned
	covers      map[record.Key]time.Time // devices to cover, and when
	ackAt       time.Time                // when an ack is due; zero: none is
	epoch, wave int                      // in which an ack could last be written
	since       time.Time                // when it first could be, there
	closeAt     time.Time                // when the next proposal is over by this clock
	closed      time.Time                // when this node last closed some
	held        map[record.ID]time.Time  // open proposals that are in this device's past, and since when
	nextPull    time.Time
	clockAt     time.Time // when peers are told the time again
	doubt       bool      // this node's clock may be wrong
	hintAt      time.Time // when peers are told what this node holds now; zero: they know
}

// heard is told of every record taken from a peer. It takes what waited for it,
// and what waited for that. A record of this very device that comes from outside was
// signed by a copy of its key: this node signs nothing more, or both were out.
func (r *Replica) heard(rec *record.Record) {
	if rec.Device == r.cfg.Device && r.signs() {
		r.cfg.Key = nil
		r.event(Event{Kind: EventCopied, Device: rec.Device})
	}
	for _, next := range r.waiting.Ready(rec.ID) {
		if !r.coop.Takeable(next) {
			continue // a pull brings it if something that stands covers it
		}
		fresh, err := r.admit(next)
		var missing *history.Missing
		if errors.As(err, &missing) {
			r.waiting.Put(next, missing.IDs[0])
		}
		if fresh {
			r.heard(next)
		}
	}
}

// settle sees to what an honest node does by itself: it lets in newcomers who
// were admitted meanwhile and sends away who was put out, covers, acks, and
// closes proposals that are over.
func (r *Replica) settle(now time.Time) {
	r.limitAnswers(now)
	if r.coop.History().Len() == 0 {
		return
	}
	if changed := r.coop.Changed(); changed != r.duty.seen {
		r.duty.seen = changed
		if r.duty.hintAt.IsZero() {
			r.duty.hintAt = now.Add(hintAfter)
		}
		r.reviewDoors()
		r.reviewAddrs(now)
	}
	if r.signs() && r.joined && r.addsItself() {
		r.writeDuty(now, member.KindDeviceAdd, r.cfg.Card)
	}
	if !r.signs() || !r.joined || !r.coop.Stands(r.cfg.Device) {
		// Nothing can be written now, so nothing is due: a time left standing
		// would have the driver tick for ever.
		r.duty.covers, r.duty.planned, r.duty.ackAt, r.duty.closeAt = nil, 0, time.Time{}, time.Time{}
		return
	}
	if r.duty.planned != r.duty.seen {
		r.duty.planned = r.duty.seen
		r.planCovers(now)
		r.admitWaiting(now)
		r.duty.closeAt = now // whatever may be over by now is looked for
	}
	r.cover(now)
	if r.duty.doubt {
		r.duty.closeAt = time.Time{}
	} else {
		r.closeOver(now)
	}
	r.ack(now)
}

// NextTick returns when Tick is wanted at the latest.
func (r *Replica) NextTick(now time.Time) time.Time {
	next := now.Add(pullEvery)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	for _, id := range r.sessionIDs() {
		earlier(r.sessions[id].deadline)
	}
	for _, at := range r.duty.covers {
		earlier(at)
	}
	for _, f := range r.floods {
		earlier(f.until)
	}
	earlier(r.duty.ackAt)
	earlier(r.duty.closeAt)
	if due(r.duty.nextPull, now, pullEvery) || due(r.duty.clockAt, now, clockEvery) {
		next = now
	}
	earlier(r.duty.nextPull)
	earlier(r.duty.clockAt)
	earlier(r.duty.hintAt)
	earlier(r.addrs.at)
	return next
}

// planCovers finds what nobody has covered yet and picks a time for each.
func (r *Replica) planCovers(now time.Time) {
	bare := map[record.Key]time.Time{}
	for _, tip := range r.coop.Uncovered(r.cfg.Device) {
		device := r.coop.History().At(tip).Device
		at, ok := r.duty.covers[device]
		if !ok {
			at = now.Add(time.Duration(r.cfg.Random.Int64N(int64(coverMax))))
		}
		bare[device] = at
	}
	r.duty.covers = bare
}

// cover writes one ack if any cover is due: it has all this node holds in its
// past.
func (r *Replica) cover(now time.Time) {
	for _, at := range r.duty.covers {
		if !now.Before(at) {
			r.writeDuty(now, coop.KindAck, nil)
			clear(r.duty.covers)
			return
		}
	}
}

// ack writes the teller's ack that brings acts into the minutes, when it is
// due.
func (r *Replica) ack(now time.Time) {
	r.duty.ackAt = time.Time{}
	turn, ok := r.coop.Minutes().Due(r.cfg.Device)
	if !ok || r.coop.Waiting() == 0 {
		return
	}
	if r.duty.epoch != turn.Epoch || r.duty.wave != turn.Wave || r.duty.since.IsZero() {
		r.duty.epoch, r.duty.wave, r.duty.since = turn.Epoch, turn.Wave, now
	}
	if r.duty.ackAt = r.duty.since.Add(turn.Wait); !now.Before(r.duty.ackAt) {
		r.duty.ackAt = time.Time{}
		r.writeDuty(now, coop.KindAck, nil)
	}
}

// closeOver writes for a teller, in one record, which proposals are over by this
// node's clock.
func (r *Replica) closeOver(now time.Time) {
	if r.duty.closeAt.IsZero() || now.Before(r.duty.closeAt) {
		return
	}
	over, next := r.over(now)
	if again := r.duty.closed.Add(closePause); len(over) > 0 && !due(again, now, closePause) {
		over, next = nil, again
	}
	r.duty.closeAt = next
	if len(over) > 0 {
		r.duty.closed = now
		r.writeDuty(now, proposal.KindClose, record.Marshal(proposal.CloseBody{Proposals: over}))
	}
}

// over returns the open proposals that this teller has to close now, at most
// proposal.MaxClosed, and when the next one will be over; zero: none.
func (r *Replica) over(now time.Time) (ids []record.ID, next time.Time) {
	people, held := r.coop.People(), map[record.ID]time.Time{}
	for _, p := range r.coop.OpenProposals() {
		if p.Closable(people, r.cfg.Device) != nil {
			continue
		}
		since, known := r.duty.held[p.ID]
		if !known {
			since, known = r.heldSince(p.ID)
		}
		if !known {
			continue // this device's next record has it in its past, and moves the fold
		}
		held[p.ID] = since
		at := time.UnixMilli(p.Over(people, since.UnixMilli()))
		switch {
		case !at.After(now) && len(ids) < proposal.MaxClosed:
			ids = append(ids, p.ID)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	r.duty.held = held
	return ids, next
}

// HeldSince returns since when this device has held a record, as its own chain
// tells: the time of the first own record that has it in its past; now, if none has.
func (r *Replica) HeldSince(id record.ID, now time.Time) time.Time {
	if since, ok := r.heldSince(id); ok {
		return since
	}
	return now
}

func (r *Replica) heldSince(id record.ID) (since time.Time, ok bool) {
	h := r.coop.History()
	ref, held := h.Find(id)
	tips := h.TipsOf(r.cfg.Device)
	if !held || len(tips) != 1 || !h.InPast(ref, tips[0]) {
		return since, false
	}
	tip := tips[0]
	n := int(h.At(tip).Seq)
	back := sort.Search(n, func(k int) bool { return !h.InPast(ref, h.Back(tip, uint64(k))) })
	return time.UnixMilli(h.At(h.Back(tip, uint64(back-1))).Time), true
}

// writeDuty writes a record nobody asked for. If it cannot, the duty is left
// to others, and the next change of the fold brings it up again.
func (r *Replica) writeDuty(now time.Time, kind string, body []byte) {
	if _, err := r.Write(now, kind, body); err != nil {
		r.event(Event{Kind: EventDuty, Text: err.Error()})
	}
}

// newcomer decides about a device that shows a card: of somebody who wants to
// join or to be recovered, or of a further computer of a member. A card of an invite that this
// person issued is admitted by itself; for the rest the person, or the node that
// has the root key, is asked.
func (r *Replica) newcomer(now time.Time, s *session) error {
	card, err := member.ParseCard(s.card)
	if err != nil {
		if own, noCard := member.ParseDeviceCard(s.card); noCard == nil && own.Device == s.device {
			return r.addingItself(s, own)
		}
		if req, notRequest := member.ParseDeviceRequest(s.card); notRequest == nil && req.Device == s.device {
			r.wait(s, "the member who gave you the code must have their node running")
			return nil
		}
		return err
	}
	if card.Coop != r.coop.History().Coop() || card.Device != s.device {
		return fmt.Errorf("the join card is for another co-op or another device")
	}
	if a, ok := r.coop.People().Namesake(card); ok && card.Recovers == (record.ID{}) {
		// Let in, they would be a second person of this name, without the account that may be theirs.
		return fmt.Errorf("%s is awaited here with other keys, those of the co-op that this one goes on from. If that is you, join from an empty home with --from OLD-HOME or --old-words; if you are somebody else, with another name: coop join - --as NAME", a.Name)
	}
	if r.admitByItself(now, s, card) {
		r.letIn(s)
		return nil
	}
	if card.Recovers != (record.ID{}) {
		if m, ok := r.coop.People().Members.Get(card.Recovers); !ok || m.Gone() {
			return errors.New("the person whose keys are lost is not in the co-op")
		}
		r.wait(s, "the members must decide on your new keys: ask one of them to propose it, and tell all of them, by voice, the four words that this computer shows")
		return nil
	}
	if err := r.coop.People().CheckInvite(card); err != nil {
		return err
	}
	if Namesakes(r.coop.People(), card) != nil {
		r.wait(s, fmt.Sprintf("a sponsor of the co-op must admit you by hand: there is or was somebody called %s, or nearly so. Tell your sponsor that it is you; or come with another name: coop join - --as NAME", card.Name))
		return nil
	}
	r.wait(s, "a sponsor of the co-op must admit you")
	return nil
}

// Namesakes returns whom a newcomer could be taken for, by the name or one that looks
// like it, and who they were themselves: with any of them it takes a person to let
// the newcomer in. The co-op itself stands for its account.
func Namesakes(people *member.State, card member.Card) (all []member.Member) {
	like := lookalike.Names[bool]{}
	like.Add(card.Name, true)
	for _, m := range people.Members.All() {
		if m.Root == card.Root || like.Like(m.Name) != nil {
			all = append(all, m)
		}
	}
	if like.Like(member.Treasury) != nil {
		all = append(all, member.Member{ID: people.Coop, Name: member.Treasury})
	}
	return all
}

// addingItself lets in a device that comes by a card of its own: its person has
// their 24 words and no other computer.
func (r *Replica) addingItself(s *session, own member.DeviceCard) error {
	if r.coop.MayAdd(own) {
		r.letIn(s)
		return nil
	}
	if _, err := r.coop.People().CheckDeviceCard(own); err != nil {
		return err
	}
	return errors.New("this device cannot be added: make new keys, in an empty home")
}

// addsItself reports whether this node's device is nobody's yet and its own card
// makes it somebody's.
func (r *Replica) addsItself() bool {
	return r.ownCard != nil && !r.coop.Introduced(r.cfg.Device) && r.coop.MayAdd(*r.ownCard)
}

// wait keeps a newcomer at the door and tells this node's person.
func (r *Replica) wait(s *session, reason string) {
	r.event(Event{Kind: EventCard, Session: s.id, Device: s.device, Card: s.card})
	r.send(s, wire.Wait{Reason: reason})
}

// admits reports whether this node admits a card without asking its person.
func (r *Replica) admits(now time.Time, card member.Card) bool {
	if !r.signs() || !r.joined || !r.coop.Stands(r.cfg.Device) {
		return false
	}
	people := r.coop.People()
	me, err := people.Author(r.cfg.Device)
	if err != nil {
		return false
	}
	inv, ok := people.Invites.Get(card.Invite)
	if !ok || inv.By != me.ID || inv.Expires != 0 && (r.duty.doubt || now.UnixMilli() > inv.Expires) {
		return false
	}
	if Namesakes(people, card) != nil {
		return false // its person knows whether it is another of that name, or somebody who pretends
	}
	return r.coop.Try(r.cfg.Device, member.KindAdmit, card.Encode()) == nil
}

// admitWaiting admits who waits at the door with a card that this node may admit
// by itself by now: it was locked when they came, or lacked something. Once they
// stand they are let in.
func (r *Replica) admitWaiting(now time.Time) {
	for _, id := range r.sessionIDs() {
		s := r.sessions[id]
		if s.stage != stageDoor || s.welcomed || s.card == nil {
			continue
		}
		if card, err := member.ParseCard(s.card); err == nil {
			r.admitByItself(now, s, card)
		}
	}
}

// admitByItself admits a card without asking this node's person, if it may, and
// reports whether its device stands by that.
func (r *Replica) admitByItself(now time.Time, s *session, card member.Card) bool {
	if !r.admits(now, card) {
		return false
	}
	r.writeDuty(now, member.KindAdmit, s.card)
	return r.coop.Stands(s.device)
}

// reviewDoors lets in the newcomers who were admitted since they came, and
// closes the door on devices that were put out since they were let in.
func (r *Replica) reviewDoors() {
	for _, id := range r.sessionIDs() {
		s := r.sessions[id]
		switch {
		case s.stage == stageDoor && !s.welcomed && r.coop.Stands(s.device):
			r.letIn(s)
		case s.stage >= stageDoor && s.welcomed && r.coop.Introduced(s.device) && !r.coop.Stands(s.device):
			r.putOut(s)
		}
	}
}
