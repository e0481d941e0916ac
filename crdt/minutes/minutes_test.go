package minutes_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"coop/crdt/history"
	"coop/crdt/minutes"
	"coop/crdt/record"
)

// fold is the smallest thing that can follow the minutes: its state is the list
// of tellers.
type fold struct {
	t       testing.TB
	h       *history.History
	m       *minutes.Minutes
	order   []int // world index of each ref
	list    []int
	batches []batch

	openList    []int // before the batch that opened the decided epoch
	openBatches int
	takenBack   int
	late        bool // fold only when told to
}

func newFold(t testing.TB, tellers []int, anchors ...record.ID) *fold {
	f := &fold{t: t, h: newHistory(), list: tellers, openList: tellers}
	f.m = minutes.New(f.h, keysOf(tellers), anchors...)
	return f
}

// add admits a record and folds what becomes final by it.
func (f *fold) add(r *record.Record, index int) {
	f.t.Helper()
	ref, fresh, err := f.h.Admit(r)
	if err != nil || !fresh {
		f.t.Fatalf("record %d: fresh %v, %v", index, fresh, err)
	}
	f.order = append(f.order, index)
	f.m.Add(ref)
	if !f.late {
		f.settle()
	}
}

func (f *fold) settle() {
	if to, ok := f.m.TakenBack(); ok {
		f.takenBack++
		f.list, f.batches = f.openList, f.batches[:f.openBatches]
		f.m.Rewind()
		for range to {
			if !f.next() {
				f.t.Fatalf("rewound to %d batches and there are fewer", to)
			}
		}
	}
	for f.next() {
	}
}

func (f *fold) next() bool {
	b, ok := f.m.Next()
	if !ok {
		return false
	}
	if b.Opens {
		f.openList, f.openBatches = f.list, len(f.batches)
	}
	was, out := f.list, batch{leader: f.order[b.Leader]}
	for _, ref := range b.Records {
		out.records = append(out.records, f.order[ref])
		if s := seatsOf(f.h.At(ref).Kind); s != nil {
			f.list = s
		}
	}
	f.batches = append(f.batches, out)
	if !slices.Equal(was, f.list) {
		f.m.Seat(keysOf(f.list))
	}
	return true
}

// shuffled returns the records of a view in some order, parents first.
func (w *world) shuffled(view bitset, rng *rand.Rand) []int {
	var out []int
	done := newBitset(maxRecords)
	rest := view.members()
	for len(rest) > 0 {
		at := rng.IntN(min(len(rest), 1+rng.IntN(len(rest))))
		r := w.recs[rest[at]]
		ready := (r.prev < 0 || done.has(r.prev)) && !slices.ContainsFunc(r.parents, func(p int) bool { return !done.has(p) })
		if ready {
			done.set(rest[at])
			out = append(out, rest[at])
			rest = slices.Delete(rest, at, at+1)
		}
	}
	return out
}

// plans are the worlds that the tests cycle through.
func planOf(seed uint64, tooMany bool) plan {
	rng := rand.New(rand.NewPCG(seed, 2))
	p := plan{tellers: 1 + rng.IntN(10), records: 20 + rng.IntN(150), changing: rng.IntN(2) == 0, tooMany: tooMany}
	p.devices = p.tellers + 1 + rng.IntN(3)
	p.lying = min(rng.IntN(faults(p.tellers)+2)+rng.IntN(2), p.devices-1)
	if tooMany {
		p.tellers = 1 + rng.IntN(5)
		p.devices = p.tellers + 1
		p.lying = 1 + rng.IntN(p.devices)
	}
	return p
}

// check compares everything with the specification, and returns its epochs.
func (f *fold) check(w *world, view bitset, anchors []record.ID) []*seen {
	f.t.Helper()
	seed := w.seed
	want, epochs := newJudge(w, anchors, rules{}).minutes(view)
	if fmt.Sprint(f.batches) != fmt.Sprint(want) {
		f.t.Fatalf("seed %d: got batches\n%v, want\n%v", seed, f.batches, want)
	}
	if got := f.m.Batches(); got != len(want) {
		f.t.Fatalf("seed %d: got %d batches counted, want %d", seed, got, len(want))
	}
	got := f.m.Epochs()
	if len(got) != len(epochs) {
		f.t.Fatalf("seed %d: got %d epochs, want %d", seed, len(got), len(epochs))
	}
	for i, e := range epochs {
		if got[i].Anchor != w.recs[e.anchor].id || !slices.Equal(got[i].Tellers, keysOf(e.tellers)) {
			f.t.Fatalf("seed %d: epoch %d is not that of the specification", seed, i)
		}
	}
	places := map[int]int{}
	for i, b := range want {
		for _, r := range b.records {
			places[r] = i + 1
		}
	}
	for ref, index := range f.order {
		if got := f.m.InBatch(history.Ref(ref)); got != places[index] && index != 0 {
			f.t.Fatalf("seed %d: record %d is in batch %d, want %d", seed, index, got, places[index])
		}
	}
	minuted := newBitset(maxRecords)
	minuted.set(0)
	for _, b := range want {
		minuted.join(w.recs[b.leader].past)
	}
	for ref, i := range f.order {
		if got := f.m.Minuted(history.Ref(ref)); got != minuted.has(i) {
			f.t.Fatalf("seed %d: record %d minuted: got %v", seed, i, got)
		}
	}
	return epochs
}

// checkPeople compares what is told to people and tellers with the specification.
func (f *fold) checkPeople(e *seen, no int, view bitset) {
	f.t.Helper()
	for seat, d := range e.tellers {
		wave, wait, ok := e.turn(seat, view)
		want := minutes.Turn{Epoch: no, Wave: wave, Wait: wait}
		if !ok {
			want = minutes.Turn{}
		}
		if got, gotOK := f.m.Due(key(d)); got != want || gotOK != ok {
			f.t.Fatalf("seed %d: turn of teller %d: got %v %v, want %v %v", e.w.seed, d, got, gotOK, want, ok)
		}
	}
	for ref, i := range f.order {
		want := minutes.Waiting{Needs: e.q, Of: len(e.tellers), SeenBy: keysOf(e.seenBy(i, view))}
		if got := f.m.Status(history.Ref(ref)); fmt.Sprint(got) != fmt.Sprint(want) {
			f.t.Fatalf("seed %d: status of %d: got %v, want %v", e.w.seed, i, got, want)
		}
	}
}

// What is computed record by record is what the specification says of the set,
// whatever the order of arrival.
func TestFollowsTheSpecification(t *testing.T) {
	epochs, batches := 0, 0
	for seed := range uint64(120) {
		w := newWorld(planOf(seed, false), seed)
		signed := w.sign(t)
		f := newFold(t, w.tellers)
		view := newBitset(maxRecords)
		for n, i := range w.shuffled(w.full(), rand.New(rand.NewPCG(seed, 3))) {
			f.add(signed[i], i)
			view.set(i)
			if n%9 == 0 || n == len(signed)-1 {
				e := f.check(w, view, nil)
				f.checkPeople(e[len(e)-1], len(e)-1, view)
			}
		}
		if f.takenBack > 0 {
			t.Errorf("seed %d: %v of %v lie, and something was taken back", seed, w.liars.members(), w.tellers)
		}
		epochs += len(f.m.Epochs())
		batches += len(f.batches)
	}
	t.Logf("%d epochs, %d batches", epochs, batches)
}

// With at most f liars in each list, what any two people hold gives sequences
// of which one continues the other. Folding only at the end changes nothing.
func TestViewsContinueEachOther(t *testing.T) {
	for seed := range uint64(250) {
		w := newWorld(planOf(seed+1000, false), seed+1000)
		signed := w.sign(t)
		rng := rand.New(rand.NewPCG(seed, 6))
		var folds []*fold
		for _, view := range []bitset{w.view(rng), w.view(rng), w.view(rng), w.full()} {
			f := newFold(t, w.tellers)
			f.late = rng.IntN(2) == 0
			for _, i := range w.shuffled(view, rng) {
				f.add(signed[i], i)
			}
			f.settle()
			folds = append(folds, f)
			for _, g := range folds {
				if !continues(f.batches, g.batches) {
					t.Fatalf("seed %d: two views disagree:\n%v\n%v", seed, f.batches, g.batches)
				}
			}
		}
	}
}

// Whatever the number of liars, the minutes are a function of the set held and
// the anchors stored; a node that computes everything anew with these anchors,
// in another order, has the same.
func TestTooManyLiars(t *testing.T) {
	takenBack, pinned := 0, 0
	for seed := range uint64(250) {
		w := newWorld(planOf(seed, true), seed)
		signed := w.sign(t)
		rng := rand.New(rand.NewPCG(seed, 7))
		f := newFold(t, w.tellers)
		view := newBitset(maxRecords)
		for n, i := range w.shuffled(w.full(), rng) {
			f.add(signed[i], i)
			view.set(i)
			if n%9 == 0 || n == len(signed)-1 {
				f.check(w, view, f.m.Anchors())
			}
		}
		again := newFold(t, w.tellers, f.m.Anchors()...)
		for _, i := range w.shuffled(w.full(), rng) {
			again.add(signed[i], i)
		}
		if len(again.m.Anchors()) == len(f.m.Anchors()) {
			again.check(w, view, f.m.Anchors())
			pinned += len(f.m.Anchors())
		}
		takenBack += f.takenBack
	}
	t.Logf("taken back %d times, %d anchors held", takenBack, pinned)
	if takenBack < 50 || pinned < 20 {
		t.Errorf("too few to tell: taken back %d times, %d anchors held", takenBack, pinned)
	}
}

// A restored node goes on as if it had never stopped.
func TestRestore(t *testing.T) {
	for seed := range uint64(120) {
		w := newWorld(planOf(seed, seed%2 == 0), seed)
		signed := w.sign(t)
		rng := rand.New(rand.NewPCG(seed, 8))
		order := w.shuffled(w.full(), rng)
		f := newFold(t, w.tellers)
		half := rng.IntN(len(order)) + 1
		for _, i := range order[:half] {
			f.add(signed[i], i)
		}
		var s minutes.Snapshot
		if err := record.Unmarshal(record.Marshal(f.m.Snapshot()), &s); err != nil {
			t.Fatal(err)
		}
		g := *f
		g.h, g.batches = newHistory(), slices.Clone(f.batches)
		for _, i := range order[:half] {
			if _, _, err := g.h.Admit(signed[i]); err != nil {
				t.Fatal(err)
			}
		}
		g.order = slices.Clone(order[:half])
		var err error
		if g.m, err = minutes.Restore(g.h, s); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, i := range order[half:] {
			f.add(signed[i], i)
			g.add(signed[i], i)
			if fmt.Sprint(f.batches) != fmt.Sprint(g.batches) || f.takenBack != g.takenBack || fmt.Sprint(f.m.Snapshot()) != fmt.Sprint(g.m.Snapshot()) {
				t.Fatalf("seed %d: after %d of %d: got\n%v\nwant\n%v", seed, half, len(order), g.batches, f.batches)
			}
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	w := newWorld(plan{tellers: 1, devices: 2, records: 30}, 1)
	f := newFold(t, w.tellers)
	for i, r := range w.sign(t) {
		f.add(r, i)
	}
	good := f.m.Snapshot()
	other := f.h.ID(5) // of no teller
	for ref := range history.Ref(f.h.Len()) {
		if f.h.At(ref).Device != key(w.tellers[0]) {
			other = f.h.ID(ref)
		}
	}
	for name, change := range map[string]func(*minutes.Snapshot){
		"no epochs":        func(s *minutes.Snapshot) { s.Epochs = nil },
		"unknown last":     func(s *minutes.Snapshot) { s.Last = record.ID{9} },
		"last is no block": func(s *minutes.Snapshot) { s.Last = other },
		"unknown anchor": func(s *minutes.Snapshot) {
			s.Epochs = []minutes.Epoch{{Anchor: record.ID{9}, Tellers: s.Epochs[0].Tellers}}
		},
		"no tellers": func(s *minutes.Snapshot) { s.Epochs = []minutes.Epoch{{Anchor: s.Epochs[0].Anchor}} },
	} {
		s := good
		change(&s)
		if _, err := minutes.Restore(f.h, s); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	if _, err := minutes.Restore(f.h, good); err != nil {
		t.Errorf("good snapshot: %v", err)
	}
}
