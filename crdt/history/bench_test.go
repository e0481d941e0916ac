package history_test

import (
	"fmt"
	"math/rand"
	"runtime"
	"testing"
	"time"

	"coop/crdt/history"
	"coop/crdt/record"
)

// benchDevices write in turns, a few contents at a time, and mostly see each other.
const benchDevices = 100

// town returns n records of benchDevices devices, taken on trust: signing is
// not what is measured.
func town(n int) []*record.Record {
	w := &writer{}
	var all []intro
	for d := range benchDevices {
		all = append(all, intro{Member: memberOf(d), Device: device(d)})
	}
	out := list(w.found(keyOf(0), all...))
	rng := rand.New(rand.NewSource(1))
	last := make([]*record.Record, benchDevices)
	last[0] = out[0]
	keys := make([]record.Key, benchDevices)
	for d := range keys {
		keys[d] = device(d)
	}
	for len(out) < n {
		d := rng.Intn(benchDevices)
		for range 1 + rng.Intn(4) {
			var parents []*record.Record
			if last[d] == nil || rng.Intn(2) == 0 {
				parents = list(out[max(0, len(out)-1-rng.Intn(20))])
			}
			last[d] = w.unsigned(keys[d], w.header(content, last[d], parents...))
			out = append(out, last[d])
		}
	}
	return out[:n]
}

// unsigned makes a hollow content that a history takes on trust.
func (w *writer) unsigned(device record.Key, h record.Header) *record.Record {
	w.nonce++
	h.Version, h.Device, h.Time = record.Version, device, int64(w.nonce)
	r, err := record.Trusted(record.Marshal(h), record.Sig{}, nil, true)
	if err != nil {
		panic(err)
	}
	return r
}

func admitAll(b testing.TB, h *history.History, rs []*record.Record) {
	for _, r := range rs {
		if _, _, err := h.Admit(r); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCost holds that neither one more record nor a question about the past
// costs more the more records there are. A walk would cost 100 times as much.
func TestCost(t *testing.T) {
	w := &writer{}
	first := w.found(keyOf(0), intro{Member: memberOf(0), Device: device(0)}, intro{Member: memberOf(1), Device: device(1)})
	unseen := w.unsigned(device(1), w.header(content, nil, first))
	h := newHistory()
	admitAll(t, h, list(first, unseen))
	tip := first
	more := func(n int) (rs []*record.Record) {
		for range n {
			tip = w.unsigned(device(0), w.header(content, tip))
			rs = append(rs, tip)
		}
		return rs
	}
	const ask = 64
	// measure returns the least time of 64 admissions and of 64 questions.
	measure := func() (admit, past time.Duration) {
		admit, past = time.Hour, time.Hour
		for range 10 {
			rs := more(ask)
			start := time.Now()
			admitAll(t, h, rs)
			admit = min(admit, time.Since(start))
			start = time.Now()
			for n := range history.Ref(ask) {
				if h.InPast(1, history.Ref(h.Len()-1)-n) {
					t.Fatal("it is in the past of what never saw it")
				}
			}
			past = min(past, time.Since(start))
		}
		return admit, past
	}
	admitAll(t, h, more(100))
	admitFew, pastFew := measure()
	admitAll(t, h, more(10_000))
	admitMany, pastMany := measure()
	t.Logf("64 admissions %v and %v, questions %v and %v", admitFew, admitMany, pastFew, pastMany)
	const room = 12
	if admitMany > room*admitFew {
		t.Errorf("admission: %v with few records, %v with many", admitFew, admitMany)
	}
	if pastMany > room*pastFew {
		t.Errorf("past: %v with few records, %v with many", pastFew, pastMany)
	}
}

var sizes = []int{1_000, 100_000}

// BenchmarkAdmit is the cost of one more record, without its signature.
func BenchmarkAdmit(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rs := town(n + b.N)
			h := newHistory()
			admitAll(b, h, rs[:n])
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			admitAll(b, h, rs[n:])
		})
	}
}

func BenchmarkInPast(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHistory()
			admitAll(b, h, town(n))
			rng := rand.New(rand.NewSource(2))
			pairs := make([][2]history.Ref, 4096)
			for i := range pairs {
				pairs[i] = [2]history.Ref{history.Ref(rng.Intn(n)), history.Ref(rng.Intn(n))}
			}
			b.ResetTimer()
			for i := range b.N {
				p := pairs[i%len(pairs)]
				h.InPast(p[0], p[1])
			}
		})
	}
}

// BenchmarkDigest and BenchmarkBeyond are what a sync asks for each time.
func BenchmarkDigest(b *testing.B) {
	h := newHistory()
	admitAll(b, h, town(100_000))
	for b.Loop() {
		h.Digest()
	}
}

func BenchmarkBeyond(b *testing.B) {
	rs := town(100_000)
	h := newHistory()
	admitAll(b, h, rs[:99_900])
	tips := h.Tips()
	admitAll(b, h, rs[99_900:])
	for b.Loop() {
		if got := len(h.Beyond(tips)); got != 100 {
			b.Fatalf("%d records beyond, want 100", got)
		}
	}
}

// BenchmarkMemory reports the bytes kept for each record.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	rs := town(n)
	for b.Loop() {
		before := heap()
		h := newHistory()
		admitAll(b, h, rs)
		b.ReportMetric(float64(heap()-before)/n, "B/record")
		runtime.KeepAlive(h)
	}
	runtime.KeepAlive(rs)
}
