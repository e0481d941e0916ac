package replica

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"coop/crdt/record"
	"coop/sync/wire"
)

const (
	// addrsPause is how long what is new waits to be passed on together with more: who
	// makes up new addresses all the time costs the others little.
	addrsPause = time.Second

	addrsMost  = 512           // devices whose addresses are kept: those of a large co-op
	addrsOfOne = 8             // and of one person's devices: nobody takes the place of many
	addrsHeard = 4 * addrsMost // lists that a peer may send between two times of passing on
	addrsEarly = wire.MaxLists // of a peer, lists of devices that may come to stand

	// contradictMost is how often this node says anew where it is because others have
	// heard something later: a home that was put back does so once, and of two copies of
	// a home each would for ever.
	contradictMost = 8
)

// addrs is where the nodes of the co-op can be reached, by their devices.
type addrs struct {
	known        map[record.Key]addrList
	ofOne        map[record.ID]int // how many of them are of a person's devices
	count        uint64            // lists that were kept so far
	passed       uint64            // up to which of them peers are told
	changed      bool              // what is known, since the driver was told
	contradicted int
	at           time.Time // when addresses are passed on; zero: nothing is to be done
}

type addrList struct {
	wire.AddrList
	number uint64    // as addrs.count had it
	from   SessionID // who brought it; zero: nobody, it is this node's or was kept
}

// SetAddrs says where this node can be reached, as multiaddrs without its id, the most
// useful first; none: it does not say. If that is something else than before it gets
// the next counter, and peers are told.
func (r *Replica) SetAddrs(now time.Time, list []string) {
	if r.cfg.TransportKey == nil || r.coopID() == (record.ID{}) || r.isOut(r.cfg.Device) {
		return
	}
	list = slices.DeleteFunc(slices.Clone(list), func(a string) bool { return !wire.IsAddr(a) })
	list = list[:min(len(list), wire.MaxAddrs)]
	slices.Sort(list)
	list = slices.Compact(list)
	own, said := r.addrs.known[r.cfg.Device]
	if said && slices.Equal(own.Terms.Addrs, list) || !said && len(list) == 0 {
		return
	}
	r.sayAddrs(now, list, own.Terms.Counter+1)
}

func (r *Replica) sayAddrs(now time.Time, list []string, counter uint64) {
	terms := wire.AddrTerms{Coop: r.coopID(), Device: r.cfg.Device, Transport: r.cfg.Transport, Counter: counter, Addrs: list}
	r.keepAddrs(now, wire.SignAddrs(terms, r.cfg.ShowSig, r.cfg.TransportKey), 0)
}

func (r *Replica) keepAddrs(now time.Time, l wire.AddrList, from SessionID) {
	a := &r.addrs
	if _, known := a.known[l.Terms.Device]; !known {
		a.ofOne[r.personOf(l.Terms.Device)]++
	}
	a.count++
	a.known[l.Terms.Device] = addrList{l, a.count, from}
	a.changed = true
	r.addrsDue(now)
}

func (r *Replica) addrsDue(now time.Time) {
	if r.addrs.at.IsZero() {
		r.addrs.at = now.Add(addrsPause)
	}
}

// LearnAddrs takes lists that this node kept, as Addrs returned them: also where its store
// was lost, and it does not know any more whose they are.
func (r *Replica) LearnAddrs(now time.Time, lists []wire.AddrList) {
	for _, l := range lists[:min(len(lists), addrsMost)] {
		if r.cfg.TransportKey != nil && l.Terms.Coop == r.coopID() && !r.isOut(l.Terms.Device) {
			r.keepAddrs(now, l, 0)
		}
	}
}

// Addrs returns all lists that are known, this node's own too, in a fixed order.
func (r *Replica) Addrs() (all []wire.AddrList) {
	for _, device := range slices.SortedFunc(maps.Keys(r.addrs.known), record.Key.Compare) {
		all = append(all, r.addrs.known[device].AddrList)
	}
	return all
}

// handleAddrs takes lists that a peer passes on.
func (r *Replica) handleAddrs(now time.Time, s *session, m wire.Addrs) {
	if r.cfg.TransportKey == nil {
		return
	}
	s.lists += len(m.Lists)
	r.addrsDue(now) // then it may send more
	for _, l := range m.Lists {
		r.takeAddrs(now, s, l)
	}
}

// takeAddrs takes a list if it is newer than what is known, of a device that stands,
// and so is who brings it. If they may come to stand it waits.
func (r *Replica) takeAddrs(now time.Time, s *session, l wire.AddrList) {
	t := l.Terms
	old, known := r.addrs.known[t.Device]
	switch {
	case t.Coop != r.coopID() || known && t.Counter < old.Terms.Counter:
	case t.Device == r.cfg.Device:
		r.contradict(now, old, t)
	case known && t.Counter == old.Terms.Counter:
	case r.isOut(t.Device):
	case !r.stands(t.Device) || !r.stands(s.device):
		if len(s.early) < addrsEarly {
			s.early = append(s.early, l)
		}
	case known || r.roomForAddrs(t.Device):
		r.keepAddrs(now, l, s.id)
	}
}

// contradict says anew where this node is, where others have heard something else that
// is as late or later: its home was put back, or a crash took back what it said last.
func (r *Replica) contradict(now time.Time, own addrList, heard wire.AddrTerms) {
	same := heard.Counter == own.Terms.Counter && slices.Equal(heard.Addrs, own.Terms.Addrs)
	if same || r.addrs.contradicted == contradictMost {
		return
	}
	r.addrs.contradicted++
	r.sayAddrs(now, own.Terms.Addrs, heard.Counter+1)
}

func (r *Replica) roomForAddrs(device record.Key) bool {
	return len(r.addrs.known) < addrsMost && r.addrs.ofOne[r.personOf(device)] < addrsOfOne
}

// personOf is whose device it is by all that is held; zeros if nobody's.
func (r *Replica) personOf(device record.Key) record.ID {
	if r.coop.History().Len() == 0 {
		return record.ID{}
	}
	d, _ := r.coop.People().Devices.Get(device)
	return d.Member
}

func (r *Replica) stands(device record.Key) bool {
	return r.coop.History().Len() > 0 && r.coop.Stands(device)
}

// isOut reports whether a device was let in once and stands no longer.
func (r *Replica) isOut(device record.Key) bool {
	return r.coop.Introduced(device) && !r.stands(device)
}

// reviewAddrs has what is known, and what waits, judged anew: the fold moved.
func (r *Replica) reviewAddrs(now time.Time) {
	if r.cfg.TransportKey != nil {
		r.addrsDue(now)
	}
}

// passAddrs forgets who is out, takes what waited and may be taken now, and has all
// peers told what is new.
func (r *Replica) passAddrs(now time.Time) {
	a := &r.addrs
	if a.at.IsZero() || !due(a.at, now, addrsPause) {
		return
	}
	clear(a.ofOne)
	for device := range a.known {
		if r.isOut(device) {
			delete(a.known, device)
			a.changed = true
			continue
		}
		a.ofOne[r.personOf(device)]++
	}
	for _, id := range r.sessionIDs() {
		s := r.sessions[id]
		early := s.early
		s.early, s.lists = nil, 0
		for _, l := range early {
			r.takeAddrs(now, s, l)
		}
	}
	a.at, a.passed = time.Time{}, a.count
	r.out.Addrs, a.changed = r.out.Addrs || a.changed, false
	for _, id := range r.sessionIDs() {
		if s := r.sessions[id]; s.addrs < a.passed {
			r.out.Ready = append(r.out.Ready, id)
		}
	}
}

// nextAddrs returns what a peer is to be told of the addresses that were passed on. It
// is told nothing before it holds what this node does, for it takes only what is of
// devices that it knows. What its own device said is told too: its home may have been
// put back since.
func (r *Replica) nextAddrs(s *session) (wire.Message, bool) {
	if s.stage != stageLive || !s.ended || s.addrs >= r.addrs.passed || !r.joined || !r.stands(r.cfg.Device) || !r.stands(s.device) {
		return nil, false
	}
	var tell []addrList
	for device, l := range r.addrs.known {
		if s.addrs < l.number && l.number <= r.addrs.passed && l.from != s.id && r.stands(device) {
			tell = append(tell, l)
		}
	}
	slices.SortFunc(tell, func(a, b addrList) int { return cmp.Compare(a.number, b.number) })
	s.addrs = r.addrs.passed
	if len(tell) > wire.MaxLists {
		tell = tell[:wire.MaxLists]
		s.addrs = tell[len(tell)-1].number
	}
	var m wire.Addrs
	for _, l := range tell {
		m.Lists = append(m.Lists, l.AddrList)
	}
	return m, len(tell) > 0
}
