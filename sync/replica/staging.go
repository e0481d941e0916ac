package replica

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"coop/crdt/coop"
	"coop/crdt/record"
)

// StagedMost is how much the streams of one person may stage unless the person says otherwise,
// in bytes: far more than any honest peer has of records that do not stand.
const StagedMost = 256 << 20

const (
	stagedFirst = 32 << 20 // what the first streams of a peer may stage, in bytes
	stagedMin   = 1 << 10  // what a record counts at least: its place in the index, in memory, counts too
	floodMin    = 1 << 20  // a stream that dropped less was no flood, and no reason to wait, in bytes

	slowMax  = 10 * time.Minute // a pull may take so long, and a second more for each slowRate bytes that came
	slowRate = 2 << 10          // an honest message of 160 KiB comes within a minute

	floodPauseFirst = 10 * time.Second // before a peer is pulled from after a flood; doubled each time
	floodPauseMax   = 10 * time.Minute
	floodKept       = 24 * time.Hour // without another flood it is forgotten
	floodsMost      = 1024           // people whose floods are remembered
)

// Area keeps the bytes of what one pull stages, and forgets them when it is
// closed: a file of the node, or memory. It may refuse to write, for want of
// room.
type Area interface {
	io.WriterAt
	io.ReaderAt
	io.Closer
}

// memory is an area for those who have no disk.
type memory struct{ b []byte }

func (m *memory) WriteAt(b []byte, at int64) (int, error) {
	m.b = append(m.b[:at], b...)
	return len(b), nil
}

func (m *memory) ReadAt(b []byte, at int64) (int, error) { return copy(b, m.b[at:]), nil }

func (m *memory) Close() error { return nil }

// staging holds, for the time of one pull, records that may not be taken yet,
// in the order in which they came. In memory is only where each is.
type staging struct {
	open     func() (Area, error)
	area     Area // nil: nothing was staged yet
	limit    int64
	shared   *shared
	used     int64 // of the limit, by this stream
	brought  int64 // what came in all, as the limit counts
	end      int64 // of what is in the area
	all      []staged
	byID     map[record.ID]int
	byDevice map[record.Key]*stagedDevice
	devices  []record.Key         // in the order in which they came
	judged   uint64               // the fold by which all that is staged was judged last
	came     int                  // records that came since
	lost     error                // why some could not be staged: the disk has no room
	dropped  int                  // those, and what needs them
	full     bool                 // the peer sent more than the limit
	seen     map[[8]byte]struct{} // how the ids begin of all that came, staged or not
}

// staged is one record: where it is, and whether it still waits.
type staged struct {
	id     record.ID
	at     int64
	length int
	waits  bool
}

// stagedDevice is what is staged of one device.
type stagedDevice struct {
	all   []int
	card  int // its own card, see coop.Claim
	claim coop.Claim
}

// shared is what all streams of one person's devices have staged now: their limit is
// one.
type shared struct {
	used    int64
	streams int
}

// sharedBy returns what a new stream of a person shares with others of theirs.
func (r *Replica) sharedBy(person record.ID) *shared {
	sh := r.shared[person]
	if sh == nil {
		sh = &shared{}
		r.shared[person] = sh
	}
	sh.streams++
	return sh
}

// sender returns whose a peer's device is; the device itself, where nobody is known.
func (r *Replica) sender(device record.Key) record.ID {
	return cmp.Or(r.personOf(device), record.ID(device))
}

func newStaging(open func() (Area, error), limit int64, sh *shared, judged uint64) *staging {
	return &staging{open: open, limit: limit, shared: sh, judged: judged, byID: map[record.ID]int{}, byDevice: map[record.Key]*stagedDevice{}, seen: map[[8]byte]struct{}{}}
}

// again reports whether a record came in this pull before, and remembers it.
func (st *staging) again(id record.ID) bool {
	begins := [8]byte(id[:8])
	_, ok := st.seen[begins]
	st.seen[begins] = struct{}{}
	return ok
}

// count returns how many records wait, and how many were lost.
func (st *staging) count() int { return len(st.byID) + st.dropped }

// add stages a record. An error ends the stream; that there is no room does not.
func (st *staging) add(r *record.Record, claim coop.Claim) error {
	if _, ok := st.byID[r.ID]; ok {
		return nil
	}
	if len(st.byID) == 0 {
		st.restart()
	}
	if !st.fits(r) {
		st.full = true
		st.dropped++
		return fmt.Errorf("this peer sent more than %d MiB of records that this node may not take", st.limit>>20)
	}
	st.uses(cost(r))
	b := r.Encode()
	if st.lost == nil {
		st.lost = st.write(b)
	}
	if st.lost != nil {
		st.dropped++
		return nil
	}
	i := len(st.all)
	st.all = append(st.all, staged{r.ID, st.end, len(b), true})
	st.end += int64(len(b))
	st.byID[r.ID] = i
	d := st.byDevice[r.Device]
	if d == nil {
		d = &stagedDevice{claim: claim}
		st.byDevice[r.Device] = d
		st.devices = append(st.devices, r.Device)
	}
	if claim.Card() {
		d.card, d.claim = i, claim
	}
	d.all = append(d.all, i)
	return nil
}

// fits reports whether a record may be staged beside what is.
func (st *staging) fits(r *record.Record) bool { return st.shared.used+cost(r) <= st.limit }

// uses counts what is staged more; below zero: less.
func (st *staging) uses(n int64) {
	st.used += n
	st.shared.used += n
}

// until is when a pull ends if nothing more comes. What comes gives time, but no more
// than it takes at a slow pace: a peer that drips holds nothing here for long.
func (s *session) until(now time.Time) time.Time {
	most := s.began.Add(slowMax + time.Duration(s.staging.brought/slowRate)*time.Second)
	if next := now.Add(answerMax); next.Before(most) {
		return next
	}
	return most
}

// cost is how much of the limit a record takes: what it takes of the area, or
// more.
func cost(r *record.Record) int64 {
	const envelope = 16 // CBOR around header, signature and body
	return int64(max(len(r.Raw)+len(r.Sig)+len(r.Body)+envelope, stagedMin))
}

// restart uses the area from its beginning: nothing waits in it.
func (st *staging) restart() {
	if st.lost == nil {
		st.uses(-st.used)
	}
	st.end, st.all, st.devices = 0, nil, nil
	clear(st.byDevice)
}

func (st *staging) write(b []byte) (err error) {
	if st.area == nil {
		if st.area, err = st.open(); err != nil {
			return err
		}
	}
	_, err = st.area.WriteAt(b, st.end)
	return err
}

// read returns a staged record. Nothing but its id is believed of what was read.
func (st *staging) read(i int) (*record.Record, error) {
	b := make([]byte, st.all[i].length)
	_, err := st.area.ReadAt(b, st.all[i].at)
	var r *record.Record
	if err == nil {
		r, err = record.Decode(b)
	}
	if err == nil && r.ID != st.all[i].id {
		err = errors.New("it is another one")
	}
	if err != nil {
		return nil, fmt.Errorf("this node cannot read what it staged: %w", err)
	}
	return r, nil
}

func (st *staging) remove(i int) {
	st.all[i].waits = false
	delete(st.byID, st.all[i].id)
}

// past returns what is staged of the past of some records, these included, in
// the order in which it came.
func (st *staging) past(ids ...record.ID) ([]int, error) {
	seen := map[int]bool{}
	for len(ids) > 0 {
		id := ids[len(ids)-1]
		ids = ids[:len(ids)-1]
		i, ok := st.byID[id]
		if !ok || seen[i] {
			continue
		}
		seen[i] = true
		r, err := st.read(i)
		if err != nil {
			return nil, err
		}
		ids = append(append(ids, r.Prev), r.Parents...)
	}
	order := make([]int, 0, len(seen))
	for i := range seen {
		order = append(order, i)
	}
	slices.Sort(order)
	return order, nil
}

// due reports whether what is staged is to be judged anew: the fold moved. Where
// many devices wait that costs something, so it is not done at every message, but
// at the end in any case.
func (st *staging) due(changed func() uint64, atEnd bool) bool {
	if len(st.byID) == 0 || !atEnd && st.came < len(st.devices)/judgeShare {
		return false
	}
	now := changed()
	if st.judged == now {
		return false
	}
	st.judged, st.came = now, 0
	return true
}

// rejudgeMost is how often what is staged is judged anew at the end of a stream.
const rejudgeMost = 8

// judgeShare is how many staged devices may be judged anew for each record that
// came.
const judgeShare = 16

// close forgets what is staged.
func (st *staging) close() {
	st.shared.used -= st.used
	st.shared.streams--
	if st.area != nil {
		_ = st.area.Close() // what is in it is wanted no more
	}
}

// flood is what is remembered of a person whose devices sent much that could not be
// taken.
type flood struct {
	limit int64         // what their streams may stage together
	pause time.Duration // the last
	until time.Time     // before which nothing is pulled from them; zero: pull
	last  time.Time
}

// limitOf returns what the streams of a person's devices may stage together.
func (r *Replica) limitOf(person record.ID) int64 {
	if f := r.floods[person]; f != nil {
		return f.limit
	}
	return min(stagedFirst, r.cfg.StagedMost)
}

// pausing reports whether a person's devices are not pulled from now.
func (r *Replica) pausing(person record.ID) bool {
	f := r.floods[person]
	return f != nil && !f.until.IsZero()
}

// endPull ends a pull, or the reading of a bundle. What it staged is dropped, the person is told, and
// after a flood the next stream of the peer's person comes later, and may stage more if
// this one had to end.
func (r *Replica) endPull(s *session) {
	st := s.staging
	if st == nil {
		return
	}
	s.staging = nil
	st.close()
	maps.DeleteFunc(r.shared, func(_ record.ID, sh *shared) bool { return sh.streams == 0 })
	r.checkJoined() // also where no end was heard: what came may be all
	n := st.count()
	if n == 0 {
		return
	}
	e := Event{Kind: EventDropped, Session: s.id, Device: s.device, Count: n}
	if st.used >= floodMin && s.device != (record.Key{}) { // a bundle is nobody's
		f := r.flooded(r.sender(s.device), s.heard)
		if st.full {
			f.limit = min(2*f.limit, r.cfg.StagedMost)
		}
		e.Text = fmt.Sprintf("it is not asked again for %v; then %d MiB may wait", f.pause, f.limit>>20)
	}
	if st.lost != nil {
		e.Text = "they could not wait here: " + st.lost.Error()
	}
	r.event(e)
}

// flooded remembers a flood, and for how long it is a reason to wait.
func (r *Replica) flooded(person record.ID, now time.Time) *flood {
	f := r.floods[person]
	if f != nil && now.Sub(f.last) >= floodKept {
		delete(r.floods, person)
		f = nil
	}
	if f == nil {
		if len(r.floods) == floodsMost {
			r.forgetFloods(now)
		}
		f = &flood{limit: r.limitOf(person)}
		r.floods[person] = f
	}
	f.pause = min(max(2*f.pause, floodPauseFirst), floodPauseMax)
	f.until, f.last = now.Add(f.pause), now
	return f
}

// forgetFloods forgets the floods of long ago and, so that there is room for
// another, the earliest.
func (r *Replica) forgetFloods(now time.Time) {
	var earliest record.ID
	for d, f := range r.floods {
		e := r.floods[earliest]
		if e == nil || f.last.Before(e.last) || f.last.Equal(e.last) && d.Compare(earliest) < 0 {
			earliest = d
		}
	}
	delete(r.floods, earliest)
	maps.DeleteFunc(r.floods, func(_ record.ID, f *flood) bool { return now.Sub(f.last) >= floodKept })
}

// endPauses pulls again from those whose pause is over.
func (r *Replica) endPauses(now time.Time) {
	over := false
	for _, f := range r.floods {
		if !f.until.IsZero() && !now.Before(f.until) {
			f.until, over = time.Time{}, true
		}
	}
	if !over {
		return
	}
	for _, id := range r.sessionIDs() {
		if s := r.sessions[id]; s.again && !s.pulling {
			r.pull(id)
		}
	}
}
