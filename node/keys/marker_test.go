package keys_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"coop/crdt/record"
	"coop/node/keys"
)

func id(n int) record.ID { return record.ID{byte(n), byte(n >> 8), 1} }

// upTo is a store that holds the device's first n records.
func upTo(n int) func(record.ID) bool {
	return func(want record.ID) bool {
		for i := range n {
			if id(i+1) == want {
				return true
			}
		}
		return false
	}
}

func wantVerdict(t *testing.T, h *keys.Home, held int, want keys.Verdict) {
	t.Helper()
	if got, _ := h.CheckMarker(upTo(held)); got != want {
		t.Errorf("with %d records held the verdict is %d, want %d", held, got, want)
	}
}

// markedAt returns the folder of a home, now closed, whose device signed so many records.
func markedAt(t *testing.T, seq int) (dir string) {
	t.Helper()
	dir = filled(t)
	h := open(t, dir)
	if err := errors.Join(h.Mark(uint64(seq), id(seq)), h.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMarker(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir)
	wantVerdict(t, h, 0, keys.MarkerOK)
	if _, ok := h.Marked(); ok {
		t.Error("a new home is marked")
	}
	h.Create(secrets())
	for _, seq := range []int{1, 2, 9, 5} { // 5 comes back from a peer
		if err := h.Mark(uint64(seq), id(seq)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if m, ok := h.Marked(); !ok || m.Seq != 9 || m.ID != id(9) {
			t.Errorf("marker is %v, %v, want record 9", m, ok)
		}
		wantVerdict(t, h, 9, keys.MarkerOK)
		wantVerdict(t, h, 12, keys.MarkerOK) // a crash between store and marker
		wantVerdict(t, h, 8, keys.MarkerBehind)
		wantVerdict(t, h, 0, keys.MarkerBehind)
		h.Close()
		h = open(t, dir)
	}
	// The records came back, the node goes on.
	if err := h.Mark(10, id(10)); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, h, 10, keys.MarkerOK)
	wantVerdict(t, h, 9, keys.MarkerBehind)
}

// TestCopiedHome copies a home whole, marker included, as a backup does.
func TestCopiedHome(t *testing.T) {
	dir, copied := markedAt(t, 9), t.TempDir()
	for _, name := range []string{"secrets", "marker"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := open(t, dir)
	wantVerdict(t, h, 9, keys.MarkerOK)
	h.Close()
	h = open(t, copied)
	wantVerdict(t, h, 9, keys.MarkerMoved)
	wantVerdict(t, h, 8, keys.MarkerMoved)
	h.Mark(8, id(8)) // peers bring back what is missing, one after the other
	wantVerdict(t, h, 9, keys.MarkerMoved)
	h.Mark(9, id(9))
	wantVerdict(t, h, 9, keys.MarkerOK)
	h.Close()
	moved := filepath.Join(t.TempDir(), "home")
	if err := os.Rename(copied, moved); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, open(t, moved), 9, keys.MarkerOK)
	wantVerdict(t, open(t, dir), 9, keys.MarkerMoved) // the copy signed since, on this machine
}

// TestRolledBack puts the marker back where it was, as a disk does that is put back.
func TestRolledBack(t *testing.T) {
	dir := markedAt(t, 8)
	path := filepath.Join(dir, "marker")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := open(t, dir)
	h.Mark(9, id(9))
	h.Close()
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	h = open(t, dir)
	wantVerdict(t, h, 8, keys.MarkerBehind)
	if _, last := h.CheckMarker(upTo(8)); last != 9 {
		t.Errorf("the last record it signed is %d, want 9", last)
	}
	h.Close()
	run := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "coop")
	if err := os.RemoveAll(run); err != nil { // the machine is started anew
		t.Fatal(err)
	}
	h = open(t, dir)
	wantVerdict(t, h, 7, keys.MarkerBehind)
	wantVerdict(t, h, 8, keys.MarkerUnasked)
	h.Mark(8, id(8))
	wantVerdict(t, h, 8, keys.MarkerOK)
	h.Close()

	// Nobody else's folder bears witness.
	if err := os.Chmod(run, 0o755); err != nil {
		t.Fatal(err)
	}
	h = open(t, dir)
	wantVerdict(t, h, 8, keys.MarkerUnasked)
	os.RemoveAll(run)
}

// TestPutBack puts a home back where it was: the system gives the inode of the
// old marker to the new one.
func TestPutBack(t *testing.T) {
	dir := markedAt(t, 9)
	for range 20 { // mostly the first does
		path := filepath.Join(dir, "marker")
		b, err := os.ReadFile(path)
		if err == nil {
			err = errors.Join(os.Remove(path), os.WriteFile(path, b, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		h := open(t, dir)
		wantVerdict(t, h, 9, keys.MarkerMoved)
		h.Close()
	}
}

func TestDamagedMarker(t *testing.T) {
	dir := markedAt(t, 9)
	path := filepath.Join(dir, "marker")
	whole, _ := os.ReadFile(path)
	for i := range whole {
		changed := append(append([]byte{}, whole[:i]...), whole[i]^0x10)
		for _, b := range [][]byte{whole[:i], append(changed, whole[i+1:]...)} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			h := open(t, dir)
			if m, ok := h.Marked(); ok {
				t.Fatalf("damaged at %d it reads %v", i, m)
			}
			wantVerdict(t, h, 9, keys.MarkerMoved)
			h.Close()
		}
	}
	h := open(t, dir)
	h.Mark(3, id(3))
	wantVerdict(t, h, 3, keys.MarkerOK)
}

func BenchmarkMark(b *testing.B) {
	h := open(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if err := h.Mark(uint64(i), id(i)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRoot(b *testing.B) {
	p := keys.NewPhrase()
	for b.Loop() {
		p.Root()
	}
}
