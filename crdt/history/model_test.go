package history_test

import (
	"crypto/sha256"
	"math/rand"
	"slices"
	"testing"

	"coop/crdt/history"
	"coop/crdt/record"
)

// model is a history that keeps the whole past of every record as a set. It
// says what package history must say.
type model struct {
	entries []*entry
	byID    map[record.ID]*entry
	verdict map[record.ID]string
}

type entry struct {
	no     int
	record *record.Record
	prev   *entry
	past   set
	owner  record.ID
	claims []intro // those introductions that count
}

type set []uint64

func (s set) has(i int) bool { return i/64 < len(s) && s[i/64]>>(i%64)&1 == 1 }

func (s *set) add(i int) {
	for len(*s) <= i/64 {
		*s = append(*s, 0)
	}
	(*s)[i/64] |= 1 << (i % 64)
}

func (s *set) union(other set) {
	for len(*s) < len(other) {
		*s = append(*s, 0)
	}
	for i, w := range other {
		(*s)[i] |= w
	}
}

func newModel() *model {
	return &model{byID: map[record.ID]*entry{}, verdict: map[record.ID]string{}}
}

// admit judges a record by the rules, in their words.
func (m *model) admit(r *record.Record) string {
	v := m.judge(r)
	m.verdict[r.ID] = v
	return v
}

func (m *model) judge(r *record.Record) string {
	if r.Hollow && r.Kind != content {
		return "A1"
	}
	if len(m.entries) > 0 && r.CoopID() != m.entries[0].record.ID {
		return "A3"
	}
	e := &entry{no: len(m.entries), record: r}
	depth := uint64(0)
	var near []*entry
	for _, id := range slices.Concat([]record.ID{r.Prev}, r.Parents) {
		if id == (record.ID{}) {
			continue
		}
		p, ok := m.byID[id]
		if !ok {
			return "missing"
		}
		near = append(near, p)
		depth = max(depth, p.record.Depth)
		e.past.union(p.past)
	}
	if r.Depth != depth+1 {
		return "A7"
	}
	if r.Seq > 1 {
		e.prev = near[0]
		if e.prev.record.Device != r.Device || e.prev.record.Seq+1 != r.Seq {
			return "A7"
		}
		e.owner = e.prev.owner
	} else {
		owner, ok := m.owner(r, e.past)
		if !ok {
			return "A8"
		}
		e.owner = owner
	}
	for _, in := range introsOf(r) {
		if m.counts(in, e.past, e.claims) {
			e.claims = append(e.claims, in)
		}
	}
	e.past.add(e.no)
	m.entries = append(m.entries, e)
	m.byID[r.ID] = e
	return ""
}

// counts reports whether an introduction counts: it is signed by no root, or by
// one that the past, or the same record before, introduces for that member.
func (m *model) counts(in intro, past set, before []intro) bool {
	if in.SignedBy == (record.Key{}) {
		return true
	}
	roots := slices.Clone(before)
	for _, e := range m.entries {
		if past.has(e.no) {
			roots = append(roots, e.claims...)
		}
	}
	return slices.ContainsFunc(roots, func(c intro) bool { return c.Root == in.SignedBy && c.Member == in.Member })
}

// owner is the member to whom a device's first record belongs.
func (m *model) owner(r *record.Record, past set) (record.ID, bool) {
	var first *entry
	var owner record.ID
	for _, e := range m.entries {
		if !past.has(e.no) || first != nil && !before(e.record, first.record) {
			continue
		}
		for _, c := range e.claims {
			if c.Device == r.Device {
				first, owner = e, c.Member
				break
			}
		}
	}
	if first != nil {
		return owner, true
	}
	for _, in := range introsOf(r) {
		signed := in.SignedBy != record.Key{}
		if in.Device == r.Device && (r.Founding() || signed && m.counts(in, past, nil)) {
			return in.Member, true
		}
	}
	return record.ID{}, false
}

func before(a, b *record.Record) bool {
	if a.Depth != b.Depth {
		return a.Depth < b.Depth
	}
	return a.ID.Compare(b.ID) < 0
}

// leaves returns the entries that no other one among those chosen names.
func (m *model) leaves(names func(e *entry) []record.ID) []record.ID {
	named := map[record.ID]bool{}
	for _, e := range m.entries {
		for _, id := range names(e) {
			named[id] = true
		}
	}
	var out []record.ID
	for _, e := range m.entries {
		if !named[e.record.ID] {
			out = append(out, e.record.ID)
		}
	}
	slices.SortFunc(out, record.ID.Compare)
	return out
}

func (m *model) heads() []record.ID {
	return m.leaves(func(e *entry) []record.ID { return append([]record.ID{e.record.Prev}, e.record.Parents...) })
}

func (m *model) tips() []record.ID {
	return m.leaves(func(e *entry) []record.ID { return []record.ID{e.record.Prev} })
}

// forked reports whether a device wrote two records into one slot.
func (m *model) forked(device record.Key) bool {
	slots := map[uint64]bool{}
	for _, e := range m.entries {
		if e.record.Device != device {
			continue
		}
		if slots[e.record.Seq] {
			return true
		}
		slots[e.record.Seq] = true
	}
	return false
}

// shape says how a random world behaves; chances are in percent.
type shape struct {
	name     string
	devices  int
	records  int
	fork     int // of a record not at the end of its device's chain
	restart  int // of a record that is a device's first, once more
	meet     int // of a record that has parents beside prev
	wrong    int // of a record that breaks a rule
	newcomer int // of a record that introduces somebody
}

var shapes = []shape{
	{"long chains", 4, 450, 1, 0, 60, 3, 10},
	{"many devices", 45, 450, 2, 1, 80, 5, 25},
	{"forks of forks", 5, 450, 12, 3, 60, 3, 10},
	{"every device twice", 8, 300, 3, 20, 60, 3, 20},
	{"hardly meeting", 6, 400, 0, 0, 6, 3, 10},
	{"nonsense", 10, 400, 5, 3, 70, 45, 30},
}

// grower makes a random world: records good and bad, in an order in which the
// good ones can be admitted.
type grower struct {
	writer
	shape
	rng   *rand.Rand
	m     *model
	all   []*record.Record // the first is the founding record
	chain map[record.Key][]*record.Record
}

func grow(s shape, seed int64) *grower {
	g := begin(s, seed)
	for len(g.all) < s.records {
		g.add(g.next())
	}
	return g
}

// begin starts a world with the founding record by device 0.
func begin(s shape, seed int64, intros ...intro) *grower {
	g := &grower{shape: s, rng: rand.New(rand.NewSource(seed)), m: newModel(), chain: map[record.Key][]*record.Record{}}
	first := intro{Member: memberOf(0), Device: keyOf(0).Public(), Root: rootOf(0)}
	g.add(g.found(keyOf(0), append([]intro{first}, intros...)...))
	return g
}

func (g *grower) chance(percent int) bool { return g.rng.Intn(100) < percent }

func (g *grower) add(r *record.Record) {
	g.all = append(g.all, r)
	if g.m.admit(r) == "" {
		g.chain[r.Device] = append(g.chain[r.Device], r)
	}
}

// next makes one record.
func (g *grower) next() *record.Record {
	key := g.author()
	var prev *record.Record
	if chain := g.chain[key.Public()]; len(chain) > 0 && !g.chance(g.restart) {
		prev = chain[g.rng.Intn(len(chain))]
		if !g.chance(g.fork) {
			prev = g.anyTip(chain)
		}
	}
	kind := act
	if g.chance(30) {
		kind = content
	}
	h := g.header(kind, prev, g.parents(prev)...)
	var intros []intro
	for g.chance(g.newcomer) && len(intros) < 3 {
		intros = append(intros, g.intro(key))
	}
	if g.chance(g.wrong) {
		return g.broken(h, key, intros)
	}
	r := g.sign(key, h, intros...)
	if kind == content && len(intros) == 0 && g.chance(20) {
		return r.Erase()
	}
	return r
}

// author picks a device: mostly one that has written, else one that somebody
// introduced, or any.
func (g *grower) author() *record.Private {
	want := func(d record.Key) bool { return len(g.chain[d]) > 0 }
	if g.chance(15) {
		want = func(d record.Key) bool { return len(g.chain[d]) == 0 && g.introduced(d) }
	}
	start := g.rng.Intn(g.devices)
	for n := range g.devices {
		key := keyOf((start + n) % g.devices)
		if want(key.Public()) && !g.chance(5) {
			return key
		}
	}
	return keyOf(start)
}

func (g *grower) introduced(device record.Key) bool {
	return slices.ContainsFunc(g.m.entries, func(e *entry) bool {
		return slices.ContainsFunc(e.claims, func(c intro) bool { return c.Device == device })
	})
}

// anyTip returns the end of one of a device's branches.
func (g *grower) anyTip(chain []*record.Record) *record.Record {
	tips := slices.DeleteFunc(slices.Clone(chain), func(r *record.Record) bool {
		return slices.ContainsFunc(chain, func(c *record.Record) bool { return c.Prev == r.ID })
	})
	return tips[g.rng.Intn(len(tips))]
}

func (g *grower) parents(prev *record.Record) (out []*record.Record) {
	if prev != nil && !g.chance(g.meet) {
		return nil
	}
	heads := g.m.heads()
	for range 1 + g.rng.Intn(4) {
		if g.chance(60) {
			out = append(out, g.m.byID[heads[g.rng.Intn(len(heads))]].record)
		} else {
			out = append(out, g.m.entries[g.rng.Intn(len(g.m.entries))].record)
		}
	}
	return out
}

// intro introduces a device, a root, or both, by word or by a card.
func (g *grower) intro(author *record.Private) intro {
	in := intro{Member: memberOf(g.rng.Intn(5))}
	if g.chance(80) {
		in.Device = keyOf(g.rng.Intn(g.devices)).Public()
	}
	if g.chance(30) {
		in.Root = rootOf(g.rng.Intn(5))
	}
	if g.chance(40) {
		in.SignedBy = rootOf(g.rng.Intn(5))
		if g.chance(50) {
			in.Device = author.Public()
		}
	}
	return in
}

// broken makes a record that breaks a rule, or nearly.
func (g *grower) broken(h record.Header, key *record.Private, intros []intro) *record.Record {
	switch g.rng.Intn(7) {
	case 0:
		h.Depth++
	case 1:
		h.Depth = max(h.Depth-1, 2)
	case 2:
		h.Seq, h.Prev = 2, g.all[g.rng.Intn(len(g.all))].ID // refused ones too
		h.Parents = slices.DeleteFunc(h.Parents, func(id record.ID) bool { return id == h.Prev })
	case 3:
		last := g.all[len(g.all)-1]
		if last.ID != h.Prev {
			h.Parents = record.SortIDs(append(h.Parents, last.ID))
			h.Depth = max(h.Depth, last.Depth+1)
		}
	case 4:
		h.Coop[3] ^= 1
	case 5:
		if h.Seq > 1 {
			h.Seq++
		}
	case 6:
		return g.sign(key, h, intros...).Erase()
	}
	return g.sign(key, h, intros...)
}

// TestModel grows random worlds and holds the history against the model, in
// the order in which the records were made and in others.
func TestModel(t *testing.T) {
	seed := newSeed(t)
	for i, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			g := grow(s, seed+int64(i))
			h := newHistory()
			for no, r := range g.all {
				admitLikeModel(t, h, g, r, no%10 == 0)
			}
			checkModel(t, h, g)
			for range 2 {
				checkModel(t, shuffled(t, g), g)
			}
			checkWorld(t, g)
		})
	}
}

// TestForksAtFullClocks forks a device just before, at and behind the places
// where a record keeps its whole clock, forks the forks, and lets them meet.
func TestForksAtFullClocks(t *testing.T) {
	other := intro{Member: memberOf(1), Device: keyOf(1).Public()}
	g := begin(shape{name: "forks", devices: 2}, newSeed(t), other)
	a, b := keyOf(0), keyOf(1)
	put := func(key *record.Private, prev *record.Record, parents ...*record.Record) *record.Record {
		r := g.act(key, prev, parents)
		g.add(r)
		return r
	}
	main := []*record.Record{g.all[0]}
	for len(main) < 100 {
		main = append(main, put(a, main[len(main)-1]))
	}
	var tips []*record.Record
	tip := put(b, nil, main[40])
	for _, seq := range []int{1, 30, 31, 32, 33, 34, 63, 64, 65, 99} {
		branch := []*record.Record{main[seq-1]}
		for len(branch) < 36 {
			branch = append(branch, put(a, branch[len(branch)-1]))
		}
		fork := put(a, branch[5], main[99])             // a branch that sees the end of the one it left
		tip = put(b, tip, fork, branch[20], branch[35]) // another device sees two of its branches
		tips = append(tips, put(a, branch[33], tip), put(a, fork, tip))
	}
	for range 70 {
		tip = put(b, tip)
	}
	put(b, tip, tips...)
	put(a, main[99], tip)
	h := newHistory()
	for _, r := range g.all {
		admitLikeModel(t, h, g, r, false)
	}
	if len(g.m.entries) != len(g.all) {
		t.Fatalf("%d of %d records admitted", len(g.m.entries), len(g.all))
	}
	checkModel(t, h, g)
	checkModel(t, shuffled(t, g), g)
}

// admitLikeModel admits a record and holds the verdict against the model's.
func admitLikeModel(t *testing.T, h *history.History, g *grower, r *record.Record, closely bool) {
	t.Helper()
	length := h.Len()
	var was string
	if closely {
		was = fingerprint(h, r.Device)
	}
	ref, fresh, err := h.Admit(r)
	if got, want := verdict(err), g.m.verdict[r.ID]; got != want {
		t.Fatalf("%s: got %q (%v), want %q", r.ID.Short(), got, err, want)
	}
	if err != nil {
		if ref != history.None || fresh || h.Len() != length {
			t.Fatalf("%v: returned %d, %v, length %d, was %d", err, ref, fresh, h.Len(), length)
		}
		if closely && fingerprint(h, r.Device) != was {
			t.Fatalf("%v: the history changed", err)
		}
		return
	}
	if int(ref) != length || !fresh || h.Len() != length+1 {
		t.Fatalf("returned %d, %v, length %d, was %d", ref, fresh, h.Len(), length)
	}
	if again, fresh, err := h.Admit(r); again != ref || fresh || err != nil {
		t.Fatalf("again: got %d, %v, %v, want %d", again, fresh, err, ref)
	}
}

// shuffled admits all records of a world in another order: those that come too
// early are offered again until nothing moves.
func shuffled(t *testing.T, g *grower) *history.History {
	t.Helper()
	h := newHistory()
	open := slices.Clone(g.all)
	g.rng.Shuffle(len(open)-1, func(i, j int) { open[i+1], open[j+1] = open[j+1], open[i+1] })
	for moved := true; moved; {
		moved = false
		var early []*record.Record
		for _, r := range open {
			_, _, err := h.Admit(r)
			v := verdict(err)
			if v == "missing" {
				early = append(early, r)
				continue
			}
			moved = true
			if want := g.m.verdict[r.ID]; v != want {
				t.Fatalf("%s in another order: got %q (%v), want %q", r.ID.Short(), v, err, want)
			}
		}
		open = early
	}
	for _, r := range open {
		if want := g.m.verdict[r.ID]; want != "missing" {
			t.Fatalf("%s never came in, want %q", r.ID.Short(), want)
		}
	}
	return h
}

// checkModel holds all that a history tells against the model.
func checkModel(t *testing.T, h *history.History, g *grower) {
	t.Helper()
	m := g.m
	if h.Len() != len(m.entries) || h.Coop() != m.entries[0].record.ID {
		t.Fatalf("%d records of %s, want %d", h.Len(), h.Coop(), len(m.entries))
	}
	refs := make([]history.Ref, len(m.entries))
	for i, e := range m.entries {
		refs[i] = mustFind(t, h, e.record)
		checkNode(t, h, refs[i], e)
	}
	for i, e := range m.entries {
		for j, f := range m.entries {
			if got, want := h.InPast(refs[i], refs[j]), f.past.has(e.no); got != want {
				t.Fatalf("InPast(%s, %s): got %v, want %v", e.record.ID.Short(), f.record.ID.Short(), got, want)
			}
			if got, want := h.Before(refs[i], refs[j]), before(e.record, f.record); got != want {
				t.Fatalf("Before(%s, %s): got %v, want %v", e.record.ID.Short(), f.record.ID.Short(), got, want)
			}
		}
	}
	if got, want := idsOf(h, h.Heads()), m.heads(); !slices.Equal(got, want) {
		t.Fatalf("heads: got %v, want %v", got, want)
	}
	if got, want := idsOf(h, h.Tips()), m.tips(); !slices.Equal(got, want) {
		t.Fatalf("tips: got %v, want %v", got, want)
	}
	digest := sha256.New()
	digest.Write([]byte("coop/1 frontier\x00"))
	for _, id := range m.tips() {
		digest.Write(id[:])
	}
	if got, want := h.Digest(), [32]byte(digest.Sum(nil)); got != want {
		t.Fatalf("digest: got %x, want %x", got, want)
	}
	checkDevices(t, h, g)
	checkBeyond(t, h, g, refs)
}

func checkNode(t *testing.T, h *history.History, ref history.Ref, e *entry) {
	t.Helper()
	n, r := h.At(ref), e.record
	if n.ID != r.ID || h.ID(ref) != r.ID || n.Device != r.Device || n.Owner != e.owner || n.Seq != r.Seq || n.Depth != r.Depth ||
		n.Kind != r.Kind || n.Time != r.Time || n.Hollow != r.Hollow {
		t.Fatalf("node: got %+v, want %+v of %s", n, r.Header, e.owner.Short())
	}
	if (n.Prev == history.None) != (e.prev == nil) || e.prev != nil && h.ID(n.Prev) != r.Prev || !slices.Equal(idsOf(h, n.Parents), r.Parents) {
		t.Fatalf("node: prev %d and parents %v, want %s and %v", n.Prev, n.Parents, r.Prev.Short(), r.Parents)
	}
	at := e
	for n := uint64(0); n <= r.Seq; n++ {
		got := h.Back(ref, n)
		if (at == nil) != (got == history.None) || at != nil && h.ID(got) != at.record.ID {
			t.Fatalf("Back(%s, %d): got %d, want %v", r.ID.Short(), n, got, at)
		}
		if at != nil {
			at = at.prev
		}
	}
	if got := h.Back(ref, 1<<40); got != history.None {
		t.Fatalf("Back(%s, 2^40): got %d", r.ID.Short(), got)
	}
}

func checkDevices(t *testing.T, h *history.History, g *grower) {
	t.Helper()
	for n := range g.devices + 1 { // one more than there are
		device := keyOf(n).Public()
		var tips []record.ID
		var by *record.Record
		for _, e := range g.m.entries {
			if e.record.Device == device && slices.Contains(g.m.tips(), e.record.ID) {
				tips = append(tips, e.record.ID)
			}
			claims := slices.ContainsFunc(e.claims, func(c intro) bool { return c.Device == device })
			if claims && (by == nil || before(e.record, by)) {
				by = e.record
			}
		}
		slices.SortFunc(tips, record.ID.Compare)
		if got := sortedIDs(h, h.TipsOf(device)); !slices.Equal(got, tips) {
			t.Fatalf("tips of %s: got %v, want %v", device.Short(), got, tips)
		}
		ref, ok := h.IntroducedBy(device)
		if ok != (by != nil) || ok != (ref != history.None) || ok && h.ID(ref) != by.ID {
			t.Fatalf("%s introduced by: got %d, %v, want %v", device.Short(), ref, ok, by)
		}
		a, b, ok := h.Fork(device)
		if want := g.m.forked(device); ok != want {
			t.Fatalf("%s forked: got %v, want %v", device.Short(), ok, want)
		}
		if !ok {
			if a != history.None || b != history.None {
				t.Fatalf("no fork of %s, but %d and %d", device.Short(), a, b)
			}
			continue
		}
		if x, y := h.At(a), h.At(b); a == b || x.Device != device || y.Device != device || x.Seq != y.Seq {
			t.Fatalf("fork of %s: got %+v and %+v, want two of one slot", device.Short(), x, y)
		}
	}
}

// checkBeyond asks what lies beyond nothing, everything and random records.
func checkBeyond(t *testing.T, h *history.History, g *grower, refs []history.Ref) {
	t.Helper()
	known := [][]history.Ref{nil, h.Tips(), h.Heads(), {refs[0]}}
	for range 60 {
		var some []history.Ref
		for range 1 + g.rng.Intn(5) {
			some = append(some, refs[g.rng.Intn(len(refs))])
		}
		known = append(known, some)
	}
	for _, some := range known {
		var past set
		for _, ref := range some {
			past.union(g.m.byID[h.ID(ref)].past)
		}
		var want []history.Ref
		for i, e := range g.m.entries {
			if !past.has(e.no) {
				want = append(want, refs[i])
			}
		}
		slices.Sort(want)
		if got := h.Beyond(some); !slices.Equal(got, want) {
			t.Fatalf("beyond %v: got %v, want %v", some, got, want)
		}
	}
}

// checkWorld holds that a world was worth it.
func checkWorld(t *testing.T, g *grower) {
	t.Helper()
	count := map[string]int{}
	longest, branches := uint64(0), len(g.m.tips())
	for _, r := range g.all {
		count[g.m.verdict[r.ID]]++
	}
	for _, e := range g.m.entries {
		longest = max(longest, e.record.Seq)
	}
	t.Logf("verdicts %v, longest chain %d, %d branches", count, longest, branches)
	if g.fork == 0 && longest <= 32 {
		t.Errorf("longest chain is %d, want it to pass a full clock", longest)
	}
	if count[""] < g.records/3 {
		t.Errorf("%d of %d records admitted: too few to tell anything", count[""], g.records)
	}
}
