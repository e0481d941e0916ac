package minutes_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"coop/crdt/minutes"
	"coop/crdt/record"
)

// story is a small world whose records have names.
type story struct {
	w     *world
	names []string
	index map[string]int
}

// tell reads a story: names of records, each followed by what its author saw.
// The first letter is the device (a founded the co-op with "0"); a record comes
// after the last of its device, or after the one behind "<" ("<-": after none).
// What follows "=" is the list of tellers that the record asks for.
//
//	a1 b1:a1 a2<0:b1 c1:a2=bc
func tell(tellers, text string) *story {
	s := &story{w: &world{}, index: map[string]int{"0": 0}, names: []string{"0"}}
	for _, c := range tellers {
		s.w.tellers = append(s.w.tellers, int(c-'a'))
	}
	rng := rand.New(rand.NewPCG(1, 1))
	s.w.add(0, -1, newBitset(maxRecords), nil, rng)
	last := map[byte]int{'a': 0}
	for _, token := range strings.Fields(text) {
		token, asks, _ := strings.Cut(token, "=")
		token, sees, _ := strings.Cut(token, ":")
		name, after, forks := strings.Cut(token, "<")
		prev, known := -1, s.w.recs[0].past.clone()
		if p, ok := last[name[0]]; ok {
			prev = p
		}
		if forks {
			prev = -1
			if after != "-" {
				prev = s.index[after]
			}
		}
		for _, n := range strings.FieldsFunc(sees, func(r rune) bool { return r == ',' }) {
			i, ok := s.index[n]
			if !ok {
				panic("unknown record " + n)
			}
			known.join(s.w.recs[i].past)
		}
		var seats []int
		for _, c := range asks {
			seats = append(seats, int(c-'a'))
		}
		at := s.w.add(int(name[0]-'a'), prev, known, seats, rng)
		s.index[name], last[name[0]] = at, at
		s.names = append(s.names, name)
	}
	return s
}

// told returns the batches as text, "a1[c1 a1]", their records as in the story.
func (s *story) told(batches []batch) string {
	var out []string
	for _, b := range batches {
		var in []string
		for _, i := range slices.Sorted(slices.Values(b.records)) {
			in = append(in, s.names[i])
		}
		out = append(out, fmt.Sprintf("%s[%s]", s.names[b.leader], strings.Join(in, " ")))
	}
	return strings.Join(out, " ")
}

// four is a wave of four tellers with everything one hop apart: a leads.
const four = "a1 b1:a1 c1:a1 d1:a1 a2:b1,c1,d1 b2:a1,c1,d1 c2:a1,b1,d1 "

func TestCases(t *testing.T) {
	for _, c := range []struct {
		name, tellers, story, want string
	}{
		{"one teller: every block", "a", "b1 a1:b1 a2 c1 a3:c1", "a1[b1 a1] a2[a2] a3[c1 a3]"},
		{"one teller: others' records wait", "a", "a1 b1:a1 c1:b1", "a1[a1]"},
		{"one teller: not the founder", "b", "a1 b1:a1 a2:b1", "b1[a1 b1]"},

		{"two: the leader alone is not enough", "ab", "a1 a2 a3", ""},
		{"two: both", "ab", "a1 b1:a1", "a1[a1]"},
		{"two: the second seat does not lead the first wave", "ab", "b1 a1:b1 b2:a1", "a1[b1 a1]"},
		{"two: support up to the last round only", "ab", "b1 a1 b2:a1", "a1[a1]"},
		{"two: second wave is led by the second seat", "ab", "a1 b1:a1 a2:b1 b2:a2 a3:b2 b3:a3 a4:b3", "a1[a1] b3[b1 a2 b2 a3 b3]"},

		{"three: one away", "abc", "a1 b1:a1", "a1[a1]"},
		{"three: the leader away", "abc", "b1 c1 b2:c1 c2:b1 b3:c2 c3:b3", "b3[b1 c1 b2 c2 b3]"},
		{"three: supports of one teller count once", "abc", "a1 a2 a3", ""},

		{"four: needs ratification, a hop more", "abcd", "a1 b1:a1 c1:a1 d1:a1", ""},
		{"four: all there", "abcd", four, "a1[a1]"},
		{"four: two supports are not enough", "abcd", "a1 b1:a1 c1:a1 d1:a1 a2:b1,c1,d1 b2:a1,c1,d1", ""},
		{"four: one away", "abcd", "a1 b1:a1 c1:a1 a2:b1,c1 b2:c1 c2:b1", "a1[a1]"},
		{"four: two away", "abcd", "a1 b1:a1 a2:b1 b2:a2 a3:b2 b3:a3", ""},
		{"four: the leader away, the next one leads", "abcd",
			"b1 c1 d1 b2:c1,d1 c2:b1,d1 d2:b1,c1 b3:c2,d2 c3:b2,d2 d3:b2,c2 b4:c3,d3 c4:b4,d3 d4:b4,c3 b5:c4,d4 c5:b4,d4 d5:b4,c4",
			"b4[b1 c1 d1 b2 c2 d2 b3 c3 d3 b4]"},
		{"four: a fork that all see is nobody's leader", "abcd",
			"a1 a9<0 b1:a1,a9 c1:a1,a9 d1:a1,a9 a2:b1,c1,d1 b2:c1,d1 c2:b1,d1 d2:b1,c1", ""},
		{"four: a fork that few see does not hold up the other", "abcd",
			"a1 a9<0 d1:a9 b1:a1 c1:a1 a2<a1:b1,c1 b2:a2,c1 c2:a2,b1,d1", "a1[a1]"},

		{"seven: five of them", "abcdefg", "a1 b1:a1 c1:a1 d1:a1 e1:a1 a2:b1,c1,d1,e1 b2:c1,d1,e1 c2:b1,d1,e1 d2:b1,c1,e1 e2:b1,c1,d1", "a1[a1]"},
		{"seven: four approvals are not enough", "abcdefg", "a1 b1:a1 c1:a1 d1:a1 a2:b1,c1,d1 b2:a2 c2:a2 d2:a2 e1:a2,b2,c2,d2 a3:e1", ""},

		{"seats: the anchor's batch is the last of its epoch", "a", "b1=b a1:b1 a2 a3 b2:a3", "a1[b1 a1] b2[a2 a3 b2]"},
		{"seats: a block needs the anchor in its past", "a", "b1=b a1:b1 b2 b3:a1", "a1[b1 a1] b3[b2 b3]"},
		{"seats: and must show that it was committed", "ab", "a1=c b1:a1 c1:a1 c2:b1", "a1[a1] c2[b1 c1 c2]"},
		{"seats: its own support may show it", "ab", "a1=b b1:a1", "a1[a1] b1[b1]"},
		{"seats: a later leader that goes back to it shows it too", "abc",
			"b1 c1 a1=d b2:c1 c2:b1 b3:c2,a1 d1:b3 c3:b3 d2:c3", "a1[a1] d2[b1 c1 b2 c2 b3 d1 c3 d2]"},
		{"seats: back to old ones", "a", "a1=b b1:a1=a a2:b1 b2 a3", "a1[a1] b1[b1] a2[a2] a3[a3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := tell(c.tellers, c.story)
			f := newFold(t, s.w.tellers)
			for i, r := range s.w.sign(t) {
				f.add(r, i)
			}
			f.check(s.w, s.w.full(), nil)
			if got := s.told(f.batches); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// greaterFirst signs a story and returns its records such that of two named ones the
// one with the greater id is called first.
func (s *story) greaterFirst(t *testing.T, a, b string) (records []*record.Record, first, second int) {
	records = s.w.sign(t)
	first, second = s.index[a], s.index[b]
	if records[first].ID.Compare(records[second].ID) < 0 {
		first, second = second, first
	}
	return records, first, second
}

// A single teller that forks has more liars than f: the smaller id wins, and
// what it beats is taken back.
func TestTakenBack(t *testing.T) {
	s := tell("a", "a1 a2 a3<a1")
	records, first, second := s.greaterFirst(t, "a2", "a3")
	f := newFold(t, s.w.tellers)
	f.add(records[0], 0)
	f.add(records[1], 1)
	f.add(records[first], first)
	if got, want := fmt.Sprint(f.leaders()), fmt.Sprint([]int{1, first}); got != want {
		t.Fatalf("before the fork: got leaders %v, want %v", got, want)
	}
	ref, _, _ := f.h.Admit(records[second])
	f.order = append(f.order, second)
	f.m.Add(ref)
	if _, ok := f.m.Next(); ok {
		t.Error("got a batch before asking what was taken back")
	}
	to, ok := f.m.TakenBack()
	if to != 1 || !ok {
		t.Fatalf("taken back: got %d %v, want 1 true", to, ok)
	}
	if _, ok := f.m.TakenBack(); ok {
		t.Error("taken back twice")
	}
	if f.m.Batches() != 1 || f.m.Last() != 1 || f.m.Minuted(2) {
		t.Errorf("got %d batches, last %d, record 2 minuted %v", f.m.Batches(), f.m.Last(), f.m.Minuted(2))
	}
	b, ok := f.m.Next()
	if !ok || b.Leader != ref {
		t.Errorf("got batch %v %v, want leader %d", b, ok, ref)
	}
}

func (f *fold) leaders() []int {
	var out []int
	for _, b := range f.batches {
		out = append(out, b.leader)
	}
	return out
}

// An epoch may be taken back while none of its own batches was handed out; after
// that its anchor is stored, and stands against anything.
func TestStoredAnchor(t *testing.T) {
	for _, stored := range []bool{false, true} {
		s := tell("a", "a1 a2=b a3<a1=b b1:a2 b2<-:a3")
		records, first, second := s.greaterFirst(t, "a2", "a3")
		f := newFold(t, s.w.tellers)
		f.add(records[0], 0)
		f.add(records[1], 1)
		f.add(records[first], first)
		next := s.index["b1"]
		if first == s.index["a3"] {
			next = s.index["b2"]
		}
		if stored {
			f.add(records[next], next)
		}
		if got := len(f.m.Anchors()); got != map[bool]int{true: 1}[stored] {
			t.Errorf("stored %v: got %d anchors", stored, got)
		}
		f.add(records[second], second)
		want := fmt.Sprint([]int{1, second})
		if stored {
			want = fmt.Sprint([]int{1, first, next})
		}
		if got := fmt.Sprint(f.leaders()); got != want {
			t.Errorf("stored %v: got leaders %v, want %v", stored, got, want)
		}
	}
}

// An anchor that is known beforehand decides alone, and nothing is final before
// it is there.
func TestKnownAnchor(t *testing.T) {
	s := tell("a", "a1 a2=b a3<a1 a4 a5 b1:a2")
	records := s.w.sign(t)
	known := []record.ID{records[s.index["a2"]].ID, {9}}
	f := newFold(t, s.w.tellers, known...)
	if got := f.m.Anchors(); !slices.Equal(got, known) {
		t.Errorf("got anchors %v, want %v", got, known)
	}
	f = newFold(t, s.w.tellers, known[0])
	for _, name := range []string{"0", "a1", "a3", "a4", "a5"} {
		f.add(records[s.index[name]], s.index[name])
		if len(f.batches) > 0 {
			t.Fatalf("after %s: got %d batches before the anchor is there", name, len(f.batches))
		}
	}
	f.add(records[s.index["a2"]], s.index["a2"])
	f.add(records[s.index["b1"]], s.index["b1"])
	if got, want := s.told(f.batches), "a1[a1] a2[a2] b1[b1]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	wrong := newFold(t, s.w.tellers, records[s.index["a4"]].ID, records[s.index["a5"]].ID)
	for _, name := range []string{"0", "a1", "a2", "b1", "a3", "a4"} {
		wrong.add(records[s.index[name]], s.index[name])
	}
	if got, want := s.told(wrong.batches), "a1[a1] a3[a3] a4[a4]"; got != want {
		t.Errorf("anchor at which no list changes: got %q, want %q", got, want)
	}

	s = tell("a", "a1=b a2 b1:a1")
	records = s.w.sign(t)
	wrong = newFold(t, s.w.tellers, records[2].ID, records[2].ID)
	for i, r := range records {
		wrong.add(r, i)
	}
	if got, want := s.told(wrong.batches), "a1[a1] b1[b1]"; got != want {
		t.Errorf("anchor after the list changed: got %q, want %q", got, want)
	}
}

// While each leader in turn is away for its wave, nothing is committed, and the
// others wait ever longer for the next, at most a day.
func TestPauseGrows(t *testing.T) {
	w := &world{tellers: []int{0, 1, 2, 3}}
	rng := rand.New(rand.NewPCG(1, 1))
	tips := []int{w.add(0, -1, newBitset(maxRecords), nil, rng), -1, -1, -1}
	known := w.recs[0].past.clone()
	var waits []time.Duration
	for wave := range 15 {
		f := newFold(t, w.tellers)
		for i, r := range w.sign(t) {
			f.add(r, i)
		}
		turn, ok := f.m.Due(key((wave + 1) % 4))
		if !ok || turn.Wave != wave {
			t.Fatalf("wave %d: got turn %v %v", wave, turn, ok)
		}
		waits = append(waits, turn.Wait)
		for range 3 {
			before := known.clone()
			for d := range 4 {
				if d != wave%4 {
					tips[d] = w.add(d, tips[d], before, nil, rng)
					known.join(w.recs[tips[d]].past)
				}
			}
		}
	}
	want := "[40ms 320ms 2.56s 20.48s 2m43.84s 21m50.72s 2h54m45.76s 23h18m6.08s 24h0m0s 24h0m0s" +
		" 24h0m0s 24h0m0s 24h0m0s 24h0m0s 24h0m0s]"
	if got := fmt.Sprint(waits); got != want {
		t.Errorf("got waits\n%v, want\n%v", got, want)
	}
}

func TestSeatsRefused(t *testing.T) {
	h := newHistory()
	for name, seats := range map[string][]int{"none": nil, "one twice": {1, 2, 1}, "eleven": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			minutes.New(h, keysOf(seats))
		}()
	}
}

func TestStatusOfCases(t *testing.T) {
	s := tell("abc", "d1 a1:d1 b1:a1")
	f := newFold(t, s.w.tellers)
	for i, r := range s.w.sign(t)[:3] {
		f.add(r, i)
	}
	got := f.m.Status(1)
	want := minutes.Waiting{Needs: 2, Of: 3, SeenBy: keysOf([]int{0})}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if f.m.Minuted(1) || !f.m.Minuted(0) || f.m.Last() != 0 || f.m.Batches() != 0 {
		t.Errorf("before the first batch only the founding record is minuted")
	}
	if _, ok := f.m.Due(key(3)); ok {
		t.Error("a device that is no teller is due")
	}
	if !slices.Equal(f.m.Epochs()[0].Tellers, keysOf(s.w.tellers)) || f.m.Epochs()[0].Anchor != f.h.ID(0) {
		t.Error("epoch 0 is not that of the founders")
	}
}
