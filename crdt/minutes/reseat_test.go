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

// reseat makes up a re-seating of a world: of its committed leaders some record
// that has one in its past goes on from that, with other tellers.
func (w *world) reseat(j *judge) (r reseat, ok bool) {
	rng := rand.New(rand.NewPCG(w.seed, 11))
	batches, _ := j.minutes(w.full())
	if len(batches) == 0 {
		return r, false
	}
	r.after = batches[rng.IntN(len(batches))].leader
	for i := range w.recs {
		if i != r.after && w.recs[i].past.has(r.after) && (!ok || rng.IntN(4) == 0) {
			r.by, ok = i, true
		}
	}
	for _, d := range rng.Perm(len(w.tellers) + 1)[:1+rng.IntN(len(w.tellers))] {
		if !w.liars.has(d) {
			r.tellers = append(r.tellers, d)
		}
	}
	return r, ok && r.tellers != nil
}

// reseated returns a fold that goes on with a re-seating.
func (f *fold) reseated(w *world, r reseat) *fold {
	after, _ := f.h.Find(w.recs[r.after].id)
	by, _ := f.h.Find(w.recs[r.by].id)
	at := slices.IndexFunc(f.batches, func(b batch) bool { return b.leader == r.after })
	g := &fold{t: f.t, h: f.h, order: slices.Clone(f.order), list: r.tellers, batches: slices.Clone(f.batches[:at+1])}
	g.openList, g.openBatches = g.list, at+1
	g.m = minutes.Reseat(f.m, after, by, keysOf(r.tellers))
	g.settle()
	return g
}

// checkReseated compares a fold with the specification.
func (f *fold) checkReseated(w *world, view bitset, r reseat) (epochs int) {
	f.t.Helper()
	want, own := newJudge(w, nil, rules{}).reseated(view, r)
	if fmt.Sprint(f.batches) != fmt.Sprint(want) {
		f.t.Fatalf("seed %d: %v: got batches\n%v, want\n%v", w.seed, r, f.batches, want)
	}
	if got := f.m.Batches(); got != len(want)+1 {
		f.t.Fatalf("seed %d: got %d batches counted, want %d and the re-seating", w.seed, got, len(want))
	}
	got := f.m.Epochs()
	got = got[len(got)-len(own):]
	for i, e := range own {
		if got[i].Anchor != w.recs[e.anchor].id || !slices.Equal(got[i].Tellers, keysOf(e.tellers)) {
			f.t.Fatalf("seed %d: epoch %d after the re-seating is not that of the specification", w.seed, i)
		}
	}
	minuted := w.recs[r.after].past.clone()
	for _, b := range want {
		minuted.join(w.recs[b.leader].past)
	}
	for ref, i := range f.order {
		if got := f.m.Minuted(history.Ref(ref)); got != minuted.has(i) {
			f.t.Fatalf("seed %d: record %d minuted: got %v", w.seed, i, got)
		}
	}
	f.checkSince(w, view, r, want, own)
	f.checkPeople(own[len(own)-1], len(f.m.Epochs())-1, view)
	return len(own)
}

// checkSince compares what was final without each of some records.
func (f *fold) checkSince(w *world, view bitset, r reseat, want []batch, own []*seen) {
	f.t.Helper()
	held := view.members()
	after, _ := f.h.Find(w.recs[r.after].id)
	for n := range 4 {
		x := held[(n*len(held)+int(w.seed))/4%len(held)]
		last, unaware, e := r.after, newBitset(maxRecords), 0
		for _, i := range held {
			if !w.recs[i].past.has(x) {
				unaware.set(i)
			}
		}
		for _, b := range want[slices.IndexFunc(want, func(b batch) bool { return b.leader == r.after })+1:] {
			if own[e].final(b.leader, unaware) {
				last = b.leader
			}
			if e+1 < len(own) && own[e+1].anchor == b.leader {
				e++
			}
		}
		since, all := []int{}, []int{}
		for _, i := range w.recs[last].past.members() {
			if !w.recs[r.after].past.has(i) {
				all = append(all, i)
			}
		}
		unheard, _ := f.h.Find(w.recs[x].id)
		for _, ref := range f.m.Since(after, unheard) {
			since = append(since, f.order[ref])
		}
		slices.Sort(since)
		if !slices.Equal(since, all) {
			f.t.Fatalf("seed %d: since leader %d, without %d: got %v, want %v", w.seed, r.after, x, since, all)
		}
	}
}

// What goes on from a re-seating is what the specification says, whether the
// records came before or after it, and after a restart.
func TestReseatFollowsTheSpecification(t *testing.T) {
	tried, epochs, batches := 0, 0, 0
	for seed := range uint64(200) {
		w := anyWorld(seed)
		if seed%2 == 0 {
			w = seatsWorld(seed)
		}
		signed := w.sign(t)
		r, ok := w.reseat(newJudge(w, nil, rules{}))
		if !ok {
			continue
		}
		tried++
		rng := rand.New(rand.NewPCG(seed, 12))
		f, view := newFold(t, w.tellers), newBitset(maxRecords)
		var g *fold
		for n, i := range w.shuffled(w.full(), rng) {
			f.add(signed[i], i)
			view.set(i)
			if g != nil {
				g.order = append(g.order, i)
				g.m.Add(history.Ref(n))
				g.settle()
			} else if view.has(r.by) && slices.Contains(f.leaders(), r.after) {
				g = f.reseated(w, r)
			}
			if g == nil || n%9 > 0 && n < len(signed)-1 {
				continue
			}
			g.checkReseated(w, view, r)
			var s minutes.Snapshot
			if err := record.Unmarshal(record.Marshal(g.m.Snapshot()), &s); err != nil {
				t.Fatal(err)
			}
			again, err := minutes.Restore(g.h, s)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if fmt.Sprint(again.Epochs(), again.Anchors(), again.Batches(), again.Last(), again.Snapshot()) != fmt.Sprint(g.m.Epochs(), g.m.Anchors(), g.m.Batches(), g.m.Last(), g.m.Snapshot()) {
				t.Fatalf("seed %d: restored other minutes", seed)
			}
			g.m = again
		}
		epochs += g.checkReseated(w, view, r)
		batches += len(g.batches)

		from := *g
		from.m, from.list, from.batches = g.m.Again(), r.tellers, g.batches[:slices.IndexFunc(g.batches, func(b batch) bool { return b.leader == r.after })+1]
		from.settle()
		from.checkReseated(w, view, r)
	}
	t.Logf("%d re-seatings, %d epochs, %d batches", tried, epochs, batches)
	if tried < 100 || epochs < tried+10 {
		t.Error("too few to tell")
	}
}

// Old tellers who fork behind the back of a re-seating take nothing from those
// who hold on to where it goes on from.
func TestHold(t *testing.T) {
	s := tell("a", "a1 a2 a3<a1 b1:a2")
	records, first, second := s.greaterFirst(t, "a2", "a3")
	add := func(f *fold, is ...int) {
		for _, i := range is {
			f.add(records[i], i)
		}
	}
	for _, held := range []bool{false, true} {
		f := newFold(t, s.w.tellers)
		add(f, 0, 1, first)
		if in, ok := f.m.Place(f.m.Last()); in != 0 || !ok {
			t.Fatalf("the last leader is in epoch %d, %v", in, ok)
		}
		if held && (!f.m.Hold(2, 0) || f.m.Hold(2, 0) || f.m.Held() != 2) {
			t.Error("held on to the last leader: new, and new no more")
		}
		add(f, second)
		want := map[bool]int{true: first, false: second}[held]
		if got := fmt.Sprint(f.leaders()); got != fmt.Sprint([]int{1, want}) {
			t.Errorf("held %v: got leaders %v, want 1 and %d", held, got, want)
		}
		if !held {
			continue
		}
		again, err := minutes.Restore(f.h, f.m.Snapshot())
		if err != nil || again.Last() != f.m.Last() || again.Held() != 2 {
			t.Errorf("restored: %v, last leader %d, held %d", err, again.Last(), again.Held())
		}
		fresh := newFold(t, s.w.tellers)
		fresh.late = true
		add(fresh, 0, 1, first, second)
		fresh.m.Hold(2, 0)
		fresh.settle()
		if got := fmt.Sprint(fresh.leaders()); got != fmt.Sprint([]int{1, first}) {
			t.Errorf("held from the start: got leaders %v", got)
		}
		if !f.m.Hold(history.None, 0) {
			t.Error("let go: nothing new")
		}
		f.settle()
		if got := fmt.Sprint(f.leaders()); got != fmt.Sprint([]int{1, second}) {
			t.Errorf("let go: got leaders %v", got)
		}
	}
}
