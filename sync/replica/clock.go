package replica

import (
	"time"

	"coop/crdt/record"
	"coop/sync/wire"
)

// clockEvery is how often peers are told the time of this node's clock: somebody may
// have set it right while a session goes on, on either side.
const clockEvery = 5 * time.Minute

// clock is a time as it is told, in unix milliseconds.
func clock(now time.Time) int64 { return min(max(now.UnixMilli(), 0), record.MaxTime) }

// compare notes by how much a peer's clock is ahead of this node's, where it says
// its time.
func (s *session) compare(now time.Time, m wire.Message) {
	switch m := m.(type) {
	case wire.Hello:
		s.ahead, s.timed = m.Time-clock(now), true
	case wire.Clock:
		s.ahead, s.timed = m.Time-clock(now), true
	}
}

// tellTime says to all who are let in what this node's clock says.
func (r *Replica) tellTime(now time.Time) {
	if !due(r.duty.clockAt, now, clockEvery) {
		return
	}
	r.duty.clockAt = now.Add(clockEvery)
	for _, id := range r.sessionIDs() {
		if s := r.sessions[id]; s.stage == stageLive {
			r.send(s, wire.Clock{Time: clock(now)})
		}
	}
}

// due reports whether it is time for what is done every so often. A time further off
// than that is by a clock that was set back since: it would not come for long.
func due(at, now time.Time, every time.Duration) bool {
	return !now.Before(at) || at.Sub(now) > every
}

// DoubtClock has this node keep from what its clock decides, or lets it: to close
// polls, and to let in by itself whose code has an end.
func (r *Replica) DoubtClock(doubt bool) {
	if r.duty.doubt != doubt {
		r.duty.doubt, r.duty.planned = doubt, 0
	}
}
