package history_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"coop/crdt/history"
	"coop/crdt/record"
)

// fake is a record that is good enough to wait: size bytes in all.
func fake(n, size int) *record.Record {
	r := &record.Record{Raw: make([]byte, size-64)}
	binary.BigEndian.PutUint64(r.ID[:], uint64(n)+1)
	return r
}

func missingID(n int) (id record.ID) {
	id[0] = 'm'
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func numbers(rs []*record.Record) (out []int) {
	for _, r := range rs {
		out = append(out, int(binary.BigEndian.Uint64(r.ID[:]))-1)
	}
	return out
}

func wantReady(t *testing.T, w *history.Waiting, id record.ID, want ...int) {
	t.Helper()
	got := numbers(w.Ready(id))
	if len(got) != len(want) {
		t.Fatalf("ready: got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("ready: got %v, want %v", got, want)
		}
	}
}

func TestWaiting(t *testing.T) {
	w := history.NewWaiting()
	wantReady(t, w, missingID(0))
	for n := range 6 {
		w.Put(fake(n, 100), missingID(n%2))
		w.Put(fake(n, 100), missingID(n%2)) // again: no second copy
	}
	if got := w.Len(); got != 6 {
		t.Fatalf("%d wait, want 6", got)
	}
	wantReady(t, w, missingID(7))
	wantReady(t, w, missingID(1), 1, 3, 5)
	wantReady(t, w, missingID(1))
	if got := w.Len(); got != 3 {
		t.Fatalf("%d wait, want 3", got)
	}
	w.Put(fake(9, 100), missingID(1))
	wantReady(t, w, missingID(0), 0, 2, 4)
	wantReady(t, w, missingID(1), 9)
	if got := w.Len(); got != 0 {
		t.Errorf("%d wait, want none", got)
	}
}

// TestWaitingFull fills the buffer by number and by size: what is asked for
// longest goes first, the rest stays.
func TestWaitingFull(t *testing.T) {
	tests := []struct {
		name  string
		size  int // of a record, bytes
		stays int
	}{
		{"by number", 100, history.MaxWaiting},
		{"by size", 64 << 10, history.MaxWaitingBytes / (64 << 10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := history.NewWaiting()
			const more = 40
			for n := range tt.stays + more {
				w.Put(fake(n, tt.size), missingID(n))
				if got, want := w.Len(), min(n+1, tt.stays); got != want {
					t.Fatalf("%d wait after %d, want %d", got, n+1, want)
				}
			}
			for n := range tt.stays + more {
				if n < more {
					wantReady(t, w, missingID(n))
				} else {
					wantReady(t, w, missingID(n), n)
				}
			}
			w.Put(fake(1, tt.size), missingID(1)) // the room is back
			for n := range tt.stays - 1 {
				w.Put(fake(n+2, tt.size), missingID(n+2))
			}
			if got := w.Len(); got != tt.stays {
				t.Errorf("%d wait after all were taken out and others came, want %d", got, tt.stays)
			}
		})
	}
}

// TestWaitingOrder holds that an id that is asked for again later, having been
// answered, has its place by the later time.
func TestWaitingOrder(t *testing.T) {
	w := history.NewWaiting()
	w.Put(fake(0, 100), missingID(0))
	w.Put(fake(1, 100), missingID(1))
	wantReady(t, w, missingID(0), 0)
	w.Put(fake(0, 100), missingID(0))
	for n := 2; n <= history.MaxWaiting; n++ {
		w.Put(fake(n, 100), missingID(n))
	}
	wantReady(t, w, missingID(1))
	wantReady(t, w, missingID(0), 0)
}

// TestWaitingFlood sends far more than the buffer takes, for many ids and for
// one: it stays within its limits, goes on working, and keeps no memory of
// what passed through.
func TestWaitingFlood(t *testing.T) {
	tests := []struct {
		name    string
		missing func(n int) int
	}{
		{"each for another", func(n int) int { return n }},
		{"all for one", func(int) int { return 0 }},
		{"half for one", func(n int) int { return n * (n % 2) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := history.NewWaiting()
			before := heap()
			for n := range 100 * history.MaxWaiting {
				w.Put(fake(n, 300), missingID(tt.missing(n)))
				if w.Len() > history.MaxWaiting {
					t.Fatalf("%d wait, more than %d", w.Len(), history.MaxWaiting)
				}
			}
			const room = 2 << 20 // bytes: MaxWaiting such records and their places take less
			if got := heap() - before; got > room {
				t.Errorf("%d bytes kept", got)
			}
			w.Put(fake(-1, 300), missingID(-1))
			wantReady(t, w, missingID(-1), -1)
			runtime.KeepAlive(w)
		})
	}
}

// TestWaitingLeak puts in and takes out: nothing stays.
func TestWaitingLeak(t *testing.T) {
	w := history.NewWaiting()
	before := heap()
	for n := range 100_000 {
		w.Put(fake(n, 100), missingID(n))
		w.Ready(missingID(n))
	}
	if got := heap() - before; w.Len() != 0 || got > 256<<10 {
		t.Errorf("%d wait and %d bytes are kept, want none", w.Len(), got)
	}
	runtime.KeepAlive(w)
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
