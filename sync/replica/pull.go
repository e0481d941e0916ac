package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/record"
	"coop/sync/wire"
)

// Pull asks a peer for what it has and this node has not. While it is being
// answered, or the peer is not asked after a flood, another is remembered and
// sent after that.
func (r *Replica) Pull(id SessionID) { r.pull(id) }

func (r *Replica) pull(id SessionID) {
	s, ok := r.sessions[id]
	if !ok || s.stage != stageLive {
		return
	}
	person := r.sender(s.device)
	if s.pulling || r.pausing(person) {
		s.again = true
		return
	}
	s.pulling, s.have, s.again, s.got = true, false, false, 0
	s.staging = newStaging(r.cfg.Stage, r.limitOf(person), r.sharedBy(person), r.coop.Changed())
	h := r.coop.History()
	s.told = h.Digest()
	r.send(s, wire.Pull{Digest: s.told, Tips: r.ids(r.deepestFirst(h.Tips()), wire.MaxTips)})
}

// deepestFirst orders tips so that the first, where not all can be named, have most in
// their past: what is not in the past of a named one is sent again with each pull.
func (r *Replica) deepestFirst(tips []history.Ref) []history.Ref {
	h := r.coop.History()
	slices.SortStableFunc(tips, func(a, b history.Ref) int { return cmp.Compare(h.At(b).Depth, h.At(a).Depth) })
	return tips
}

// limitAnswers gives the peers that were just asked their time to answer.
func (r *Replica) limitAnswers(now time.Time) {
	for _, s := range r.sessions {
		if s.pulling && s.deadline.IsZero() {
			s.began, s.deadline = now, now.Add(answerMax)
		}
	}
}

func (r *Replica) ids(refs []history.Ref, most int) []record.ID {
	refs = refs[:min(len(refs), most)]
	ids := make([]record.ID, len(refs))
	for i, ref := range refs {
		ids[i] = r.coop.History().ID(ref)
	}
	return ids
}

// known returns the places of those records this node holds.
func (r *Replica) known(ids []record.ID) (known []history.Ref, all bool) {
	all = true
	for _, id := range ids {
		if ref, ok := r.coop.History().Find(id); ok {
			known = append(known, ref)
		} else {
			all = false
		}
	}
	return known, all
}

// handlePull begins to answer. If the peer holds records this node does not,
// it may also hold more of what this node would send: ask first.
func (r *Replica) handlePull(s *session, m wire.Pull) error {
	h := r.coop.History()
	s.digest = m.Digest
	if m.Digest == h.Digest() {
		r.serve(s, nil)
		return nil
	}
	known, all := r.known(m.Tips)
	if !all && s.settled != [2][32]byte{h.Digest(), m.Digest} {
		r.pull(s.id) // the peer has news too
	}
	if !r.joined {
		r.serve(s, nil)
		return nil
	}
	if all {
		r.serve(s, h.Beyond(known))
		return nil
	}
	s.probed = r.probe(h.Beyond(known))
	if len(s.probed) == 0 {
		r.serve(s, nil)
		return nil
	}
	s.asked = &m
	r.send(s, wire.Probe{IDs: s.probed})
	return nil
}

// probe picks, of the devices with records to send, those 0, 1, 2, 4 …
// places behind the last.
func (r *Replica) probe(beyond []history.Ref) []record.ID {
	h := r.coop.History()
	in := make(map[history.Ref]bool, len(beyond))
	for _, ref := range beyond {
		in[ref] = true
	}
	var ids []record.ID
	for _, tip := range h.Tips() {
		for back, n := tip, uint64(1); back != history.None && in[back]; back, n = h.Back(tip, n), 2*n {
			ids = append(ids, h.ID(back))
			delete(in, back) // branches of a device have what is before them in common
		}
	}
	return ids[:min(len(ids), wire.MaxProbe)]
}

func (r *Replica) handleProbe(s *session, m wire.Probe) error {
	s.have = true
	known, _ := r.known(m.IDs)
	r.send(s, wire.Have{IDs: r.ids(known, len(known))})
	return nil
}

func (r *Replica) handleHave(s *session, m wire.Have) error {
	probed := make(map[record.ID]bool, len(s.probed))
	for _, id := range s.probed {
		probed[id] = true
	}
	for _, id := range m.IDs {
		if !probed[id] {
			return errors.New("peer has what it was not asked for")
		}
	}
	known, _ := r.known(append(m.IDs, s.asked.Tips...))
	s.asked, s.probed = nil, nil
	r.serve(s, r.coop.History().Beyond(known))
	return nil
}

func (r *Replica) serve(s *session, refs []history.Ref) {
	s.answer, s.serving, s.told = true, refs, r.coop.History().Digest()
	r.out.Ready = append(r.out.Ready, s.id)
}

// handleRecords takes what may be taken and stages the rest.
func (r *Replica) handleRecords(now time.Time, s *session, m wire.Records) error {
	if len(m.Records) == 0 {
		return wire.ErrUnexpected
	}
	s.left = m.Left
	s.staging.came += len(m.Records)
	for _, rec := range m.Records {
		if !s.staging.again(rec.ID) {
			s.staging.brought += cost(rec)
			s.deadline = s.until(now) // what came in this pull before gives no more time
		}
		if _, ok := r.coop.History().Find(rec.ID); ok {
			continue
		}
		claim := coop.ClaimOf(rec)
		var err error
		if r.coop.Takes(claim) {
			err = r.takeWithPast(s, rec)
		} else {
			err = r.stage(s, rec, claim)
		}
		if err != nil {
			return err
		}
	}
	return r.rejudge(s, false)
}

// stage lets a record wait. If there are too many of them, some may be taken by
// now.
func (r *Replica) stage(s *session, rec *record.Record, claim coop.Claim) error {
	if !s.staging.fits(rec) {
		if err := r.rejudge(s, true); err != nil {
			return err
		}
		if r.coop.Takes(claim) {
			return r.takeWithPast(s, rec)
		}
	}
	return s.staging.add(rec, claim)
}

// takeWithPast takes what is staged of the past of a record, and then the record.
func (r *Replica) takeWithPast(s *session, rec *record.Record) error {
	if err := r.takeStaged(s, append([]record.ID{rec.Prev}, rec.Parents...)...); err != nil {
		return err
	}
	return r.take(s, rec)
}

// takeStaged takes what is staged of some records and their past.
func (r *Replica) takeStaged(s *session, ids ...record.ID) error {
	order, err := s.staging.past(ids...)
	for _, i := range order {
		var rec *record.Record
		if rec, err = s.staging.read(i); err == nil {
			s.staging.remove(i)
			err = r.take(s, rec)
		}
		if err != nil {
			break
		}
	}
	return err
}

// take takes one record.
func (r *Replica) take(s *session, rec *record.Record) error {
	fresh, err := r.admit(rec)
	var missing *history.Missing
	switch {
	case errors.As(err, &missing) && s.staging.lost != nil:
		s.staging.dropped++ // the peer sent its past, for which there was no room
		return nil
	case errors.As(err, &missing):
		r.event(Event{Kind: EventGap, Session: s.id, Device: s.device, Text: err.Error()})
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", rec.ID.Short(), err)
	}
	if fresh {
		s.got++
		r.heard(rec)
	}
	return nil
}

// rejudge takes what became takeable since it was staged: someone was admitted,
// and what they wrote was there. Each time may cost a fold of all that is not
// minuted, so it is done once for a message, and a few times at the end of the
// stream. What would need more comes with the next.
func (r *Replica) rejudge(s *session, atEnd bool) error {
	times := 1
	if atEnd {
		times = rejudgeMost
	}
	for ; times > 0 && s.staging.due(r.coop.Changed, atEnd); times-- {
		for _, device := range s.staging.devices {
			if err := r.rejudgeDevice(s, s.staging.byDevice[device]); err != nil {
				return err
			}
		}
	}
	return nil
}

// rejudgeDevice takes of one device what may be taken by now: all, if it stands,
// until it shows that it forked; or its own card.
func (r *Replica) rejudgeDevice(s *session, d *stagedDevice) error {
	for _, i := range d.all {
		if st := &s.staging.all[i]; st.waits && (i == d.card && r.coop.Takes(d.claim) || r.coop.Takes(coop.OfDevice(d.claim.Device))) {
			if err := r.takeStaged(s, st.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// handleEnd closes a pull.
func (r *Replica) handleEnd(s *session, m wire.End) error {
	if err := r.rejudge(s, true); err != nil {
		return err
	}
	r.endPull(s)
	s.pulling, s.deadline, s.left, s.digest = false, time.Time{}, 0, m.Digest
	s.settled = [2][32]byte{r.coop.History().Digest(), m.Digest}
	r.event(Event{Kind: EventPulled, Session: s.id, Device: s.device, Count: s.got})
	if s.got > 0 {
		r.hint()
	}
	if s.again {
		r.pull(s.id)
	}
	return nil
}

// hint tells the peers that do not know it what this node now holds: what came
// by a pull was not gossiped to them by this node, and people like to see that
// all hold the same.
func (r *Replica) hint() {
	digest := r.coop.History().Digest()
	for _, id := range r.sessionIDs() {
		if s := r.sessions[id]; s.stage == stageLive && s.told != digest {
			s.told = digest
			r.send(s, wire.Hint{Digest: digest})
		}
	}
}

// checkJoined lets a newcomer begin to show and serve once it holds what its
// invite names.
func (r *Replica) checkJoined() {
	if r.joined {
		return
	}
	r.coop.Changed() // lets the minutes catch up, also with what was there from the start
	if !r.cfg.Joined(r.coop) {
		return
	}
	r.joined = true
	for _, id := range r.sessionIDs() {
		r.pull(id)
	}
}
