package minutes_test

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"coop/crdt/history"
	"coop/crdt/record"
)

// bitset is a set of records of a world, by index.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }
func (s bitset) set(i int)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) clone() bitset  { return slices.Clone(s) }

func (s bitset) join(t bitset) {
	for i := range t {
		s[i] |= t[i]
	}
}

func (s bitset) members() []int {
	var out []int
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			out = append(out, i*64+bits.TrailingZeros64(w))
		}
	}
	return out
}

// maxRecords bounds a world, so that all its sets are of one size.
const maxRecords = 192

// rec is a record of a world. Devices are small numbers; records stand in an
// order in which each is behind its past.
type rec struct {
	device  int
	prev    int // -1: none
	parents []int
	depth   int
	seats   []int // the list of tellers that this act asks for; nil: none
	id      record.ID
	past    bitset // with itself
}

// world is a made-up history: who wrote what after having seen what.
type world struct {
	seed    uint64
	tellers []int // of epoch 0
	liars   bitset
	recs    []rec
}

func (w *world) before(a, b int) bool {
	if x, y := w.recs[a].depth, w.recs[b].depth; x != y {
		return x < y
	}
	return w.recs[a].id.Compare(w.recs[b].id) < 0
}

// add writes a record of a device after prev, which has seen all of known.
func (w *world) add(device, prev int, known bitset, seats []int, rng *rand.Rand) int {
	past, covered := known.clone(), newBitset(maxRecords)
	if prev >= 0 {
		past.join(w.recs[prev].past)
		covered.join(w.recs[prev].past)
	}
	r := rec{device: device, prev: prev, seats: seats}
	for i := len(w.recs) - 1; i >= 0; i-- {
		if past.has(i) && !covered.has(i) {
			covered.join(w.recs[i].past)
			r.parents = append(r.parents, i)
		}
	}
	for _, i := range past.members() {
		r.depth = max(r.depth, w.recs[i].depth)
	}
	r.depth++
	past.set(len(w.recs))
	r.past = past
	for i := range r.id {
		r.id[i] = byte(rng.Uint32())
	}
	w.recs = append(w.recs, r)
	return len(w.recs) - 1
}

// full returns the whole world as a view.
func (w *world) full() bitset {
	s := newBitset(maxRecords)
	for i := range w.recs {
		s.set(i)
	}
	return s
}

// view returns what somebody might hold: the past of a few records.
func (w *world) view(rng *rand.Rand) bitset {
	s := newBitset(maxRecords)
	s.set(0)
	for range 1 + rng.IntN(4) {
		s.join(w.recs[rng.IntN(len(w.recs))].past)
	}
	return s
}

// plan is what kind of worlds to make.
type plan struct {
	tellers  int // how many in epoch 0
	lying    int // how many devices fork; no list of tellers has more than liarsMax of them
	devices  int
	records  int
	changing bool // lists of tellers change
	tooMany  bool // lists may hold more liars than f
}

func faults(m int) int { return (m - 1) / 3 }

// persona is a device as some part of the world sees it: a forking device has
// several.
type persona struct {
	device int
	tip    int
	known  bitset
	group  int
	shown  int // what others may learn of it; behind tip while it withholds
}

// maker makes a world by letting personas learn and write at random.
type maker struct {
	plan
	w        *world
	rng      *rand.Rand
	personas []*persona
	groups   int
	learn    int     // how many others a persona learns from before it writes
	stale    float64 // how often what it learns is old
	idle     float64 // how often it writes although its round does not rise
	withhold float64
	lie      float64 // how often a liar forks when it writes
	leak     float64 // how often one learns from another group
	rounds   *judge
}

func newWorld(p plan, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	p.devices = max(p.devices, p.tellers)
	m := &maker{plan: p, rng: rng, w: &world{seed: seed, liars: newBitset(64)}}
	for _, d := range rng.Perm(p.devices)[:min(p.lying, p.devices)] {
		m.w.liars.set(d)
	}
	m.w.tellers = m.list(p.tellers)
	m.w.add(0, -1, newBitset(maxRecords), nil, rng)
	for d := range p.devices {
		tip := -1
		if d == 0 {
			tip = 0
		}
		m.personas = append(m.personas, &persona{device: d, tip: tip, known: m.w.recs[0].past.clone(), shown: 0})
	}
	m.learn = rng.IntN(2*p.tellers+1) + 1
	some := func(most float64) float64 { return most * max(0, rng.Float64()*1.5-0.5) }
	m.stale, m.idle, m.withhold, m.lie, m.leak = some(0.5), some(0.5), some(0.5), some(0.6), rng.Float64()*rng.Float64()
	for len(m.w.recs) < p.records {
		m.step()
	}
	return m.w
}

// list makes a list of tellers with no more liars than may be.
func (m *maker) list(n int) []int {
	var list []int
	lying := 0
	for _, d := range m.rng.Perm(m.devices) {
		if m.w.liars.has(d) && !m.tooMany && lying == faults(n) {
			continue
		}
		if m.w.liars.has(d) {
			lying++
		}
		if list = append(list, d); len(list) == n {
			return list
		}
	}
	return m.list(n - 1)
}

func (m *maker) step() {
	rng := m.rng
	if rng.IntN(12) == 0 {
		m.groups = rng.IntN(3) + 1
		for _, p := range m.personas {
			p.group = rng.IntN(m.groups)
		}
	}
	p := m.personas[rng.IntN(len(m.personas))]
	if m.w.liars.has(p.device) && rng.Float64() < m.lie {
		p = m.fork(p)
	}
	known := p.known.clone()
	for range m.learn {
		m.learnFrom(known, p, m.personas[rng.IntN(len(m.personas))])
	}
	if rng.Float64() > m.idle && !m.rises(p, known) && rng.IntN(8) > 0 {
		return
	}
	var seats []int
	if m.changing && rng.IntN(10) == 0 {
		seats = m.list(1 + rng.IntN(min(m.devices, 10)))
	}
	p.tip = m.w.add(p.device, p.tip, known, seats, rng)
	p.known = m.w.recs[p.tip].past.clone()
	if rng.Float64() >= m.withhold {
		p.shown = p.tip
	}
}

// learnFrom lets known learn what p may see of another persona.
func (m *maker) learnFrom(known bitset, p, other *persona) {
	if p.group != other.group && m.rng.Float64() >= m.leak {
		return
	}
	at := other.shown
	for m.rng.Float64() < m.stale && at >= 0 && m.w.recs[at].prev >= 0 {
		at = m.w.recs[at].prev
	}
	if at >= 0 {
		known.join(m.w.recs[at].past)
	}
}

// fork makes another persona of a device, which goes on from an earlier record.
func (m *maker) fork(p *persona) *persona {
	back := p.tip
	for n := m.rng.IntN(4); n >= 0 && back > 0; n-- {
		back = m.w.recs[back].prev
	}
	if back < 0 && p.device == 0 {
		back = 0
	}
	f := &persona{device: p.device, tip: back, group: m.rng.IntN(max(m.groups, 1)), shown: max(back, 0)}
	f.known = m.w.recs[0].past.clone()
	if back >= 0 {
		f.known = m.w.recs[back].past.clone()
	}
	m.personas = append(m.personas, f)
	return f
}

// rises reports whether a block of epoch 0 with this past has a higher round
// than any block of its device in it.
func (m *maker) rises(p *persona, known bitset) bool {
	if m.rounds == nil {
		m.rounds = newJudge(m.w, nil, rules{})
	}
	return m.rounds.rises(p.device, known)
}

// device keys of all real records.
var keys = func() []*record.Private {
	var keys []*record.Private
	for i := range 16 {
		keys = append(keys, record.NewPrivate([32]byte{0: byte(i), 31: 7}))
	}
	return keys
}()

func key(device int) record.Key { return keys[device].Public() }

func keysOf(devices []int) []record.Key {
	var out []record.Key
	for _, d := range devices {
		out = append(out, key(d))
	}
	return out
}

// newHistory returns an empty history in which the founding record introduces
// all devices.
func newHistory() *history.History {
	return history.New(history.Rules{
		Introduces: func(r *record.Record) []history.Introduction {
			if !r.Founding() {
				return nil
			}
			var out []history.Introduction
			for i := range keys {
				out = append(out, history.Introduction{Member: record.ID{1}, Device: key(i)})
			}
			return out
		},
		Content: func(string) bool { return false },
	})
}

// sign turns the records of a world into real ones, whose ids the world takes over.
func (w *world) sign(t testing.TB) []*record.Record {
	t.Helper()
	var out []*record.Record
	for i := range w.recs {
		r := &w.recs[i]
		h := record.Header{Seq: 1, Depth: uint64(r.depth), Kind: kindOf(r.seats), Time: int64(w.seed)}
		if i > 0 {
			h.Coop = out[0].ID
		}
		if r.prev >= 0 {
			h.Seq, h.Prev = out[r.prev].Seq+1, out[r.prev].ID
		}
		for _, p := range r.parents {
			h.Parents = append(h.Parents, out[p].ID)
		}
		h.Parents = record.SortIDs(h.Parents)
		signed, err := record.New(h, []byte{byte(i)}, keys[r.device])
		if err != nil {
			t.Fatalf("seed %d: record %d: %v", w.seed, i, err)
		}
		r.id = signed.ID
		out = append(out, signed)
	}
	return out
}

// kindOf writes a list of tellers into the kind of a record.
func kindOf(seats []int) string {
	if seats == nil {
		return "act"
	}
	var parts []string
	for _, d := range seats {
		parts = append(parts, strconv.Itoa(d))
	}
	return "seat/" + strings.Join(parts, "-")
}

// seatsOf reads what kindOf wrote.
func seatsOf(kind string) []int {
	list, ok := strings.CutPrefix(kind, "seat/")
	if !ok {
		return nil
	}
	var out []int
	for _, part := range strings.Split(list, "-") {
		d, _ := strconv.Atoi(part)
		out = append(out, d)
	}
	return out
}
