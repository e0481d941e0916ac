package minutes

import (
	"time"

	"coop/crdt/history"
	"coop/crdt/record"
)

// How long a teller waits for the leader of a wave.
const (
	pauseFirst  = 40 * time.Millisecond // a few times a hop on a local network
	pauseFactor = 8                     // fast enough that no rhythm of meetings keeps up with it
	pauseMax    = 24 * time.Hour        // people who meet at all are back then
)

// Waiting tells people what a record that is not minuted waits for.
type Waiting struct {
	Needs  int          // how many tellers must have seen it, and each other
	Of     int          // how many there are
	SeenBy []record.Key // the tellers who wrote since they saw it, in the order of their seats
}

// Status returns what a record waits for. It is meant for records that are not
// minuted.
func (m *Minutes) Status(ref history.Ref) Waiting {
	e := m.top()
	var seen [MaxTellers]bool
	for _, br := range e.branches {
		if m.h.InPast(ref, br.blocks[len(br.blocks)-1].ref) {
			seen[br.seat] = true
		}
	}
	w := Waiting{Needs: e.q, Of: len(e.tellers)}
	for seat, t := range e.tellers {
		if seen[seat] {
			w.SeenBy = append(w.SeenBy, t)
		}
	}
	return w
}

// Turn is when a teller may write.
type Turn struct {
	Epoch, Wave int           // what its next block would be in
	Wait        time.Duration // since it could first write in that wave of that epoch
}

// Due tells when this device should write an ack, if it holds an act that is not
// minuted: Wait after it was first due in the Turn's wave. It is false if the
// device is no teller or an ack would have no higher round than its last block.
func (m *Minutes) Due(device record.Key) (Turn, bool) {
	e := m.top()
	all := func(i int) int { return len(e.branches[i].blocks) }
	next := e.nextRound(all)
	for seat, round := range e.rounds(all) {
		if e.tellers[seat] == device && next > round {
			wave := e.wave(next)
			return Turn{len(m.base) + len(m.epochs) - 1, wave, e.pause(wave, seat)}, true
		}
	}
	return Turn{}, false
}

// pause returns how long a teller waits for the leader of a wave.
func (e *epoch) pause(wave, seat int) time.Duration {
	if e.leaderSeat(wave) == seat || wave < len(e.waves) && len(e.waves[wave]) > 0 {
		return 0
	}
	waves := wave
	if e.last != nil {
		waves -= e.last.wave + 1
	}
	pause := pauseFirst
	for ; waves > 0 && pause < pauseMax; waves-- {
		pause *= pauseFactor
	}
	return min(pause, pauseMax)
}

// InBatch returns the number of the batch a record is in, counted as Batches
// does: the same on every node. It is 0 for what is in no batch of these
// minutes, or before a re-seating that began them. It costs all batches.
func (m *Minutes) InBatch(ref history.Ref) int {
	if m.h.InPast(ref, m.epochs[0].from) {
		return 0
	}
	var leaders []*leader
	for k := range m.epochs {
		leaders = append(leaders, m.committed(k)...)
	}
	for i, l := range leaders {
		if m.h.InPast(ref, l.ref) {
			return m.batches - len(leaders) + i + 1
		}
	}
	return 0
}
