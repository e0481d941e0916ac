package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coop/crdt/record"
	"coop/node/store"
)

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func numberedUpTo(n int) (rs []*record.Record) {
	for i := range n {
		rs = append(rs, numbered(i))
	}
	return rs
}

func appendAll(t testing.TB, s *store.Store, rs []*record.Record, batch int) {
	t.Helper()
	for ; len(rs) > 0; rs = rs[min(batch, len(rs)):] {
		if err := s.Append(rs[:min(batch, len(rs))]); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
}

// TestRecords writes more than two blocks of positions and more than a
// transaction holds, on disk and in memory, and reads all again.
func TestRecords(t *testing.T) {
	const n = 2500 // 14 MB
	for _, where := range []string{"disk", "memory"} {
		for _, batch := range []int{31, n} {
			t.Run(fmt.Sprint(where, batch), func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir)
				if where == "memory" {
					s.Close()
					var err error
					if s, err = store.OpenMemory(); err != nil {
						t.Fatal(err)
					}
				}
				appendAll(t, s, numberedUpTo(n), batch)
				for range 2 {
					if s.Count() != n {
						t.Errorf("Count is %d, want %d", s.Count(), n)
					}
					if err := check(s); err != nil {
						t.Error(err)
					}
					if where == "memory" {
						break
					}
					s.Close()
					s = open(t, dir)
				}
				s.Close()
			})
		}
	}
}

func TestReadSingly(t *testing.T) {
	rs := records(t, 20, 400)
	rs[5] = rs[5].Erase()
	s := open(t, t.TempDir())
	defer s.Close()
	appendAll(t, s, rs, 3)
	var order []int
	err := s.Read([]int{7, 5, 6, 19, 0}, func(pos int, r store.Raw) error {
		order = append(order, pos)
		if !bytes.Equal(r.Encode(), rs[pos].Encode()) {
			t.Errorf("record %d encodes differently", pos)
		}
		return nil
	})
	if err != nil || fmt.Sprint(order) != "[7 5 6 19 0]" {
		t.Errorf("Read called back for %v, %v", order, err)
	}
	for pos, want := range rs {
		r, err := s.Record(pos)
		if err != nil {
			t.Fatal(err)
		}
		if r.ID != want.ID || !bytes.Equal(r.Encode(), want.Encode()) || r.Verify() != nil {
			t.Errorf("record %d is %v, want %v", pos, r, want)
		}
		if b, err := s.Body(pos); err != nil || !bytes.Equal(b, want.Body) || (b == nil) != (pos == 5) {
			t.Errorf("Body(%d) is %q, %v", pos, b, err)
		}
	}
	for _, pos := range []int{-1, 20} {
		if _, err := s.Record(pos); err == nil || errors.Is(err, store.ErrDamaged) {
			t.Errorf("Record(%d): %v, want an error that is not damage", pos, err)
		}
		if _, err := s.Body(pos); err == nil || errors.Is(err, store.ErrDamaged) {
			t.Errorf("Body(%d): %v, want an error that is not damage", pos, err)
		}
	}
	stop := errors.New("stop")
	calls := 0
	if err := s.Headers(func(int, store.Raw) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("Headers went on for %d calls and returned %v", calls, err)
	}
}

func TestSmall(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(3), 3)
	if v, err := s.Small("coop"); v != nil || err != nil {
		t.Errorf("Small before SetSmall: %q, %v", v, err)
	}
	for _, v := range []string{"one", "two"} {
		if err := s.SetSmall("coop", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t, dir)
	defer s.Close()
	if v, err := s.Small("coop"); string(v) != "two" || err != nil {
		t.Errorf("Small after a restart: %q, %v, want two", v, err)
	}
	if s.Count() != 3 {
		t.Errorf("Count is %d, want 3", s.Count())
	}
}

func TestCache(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	if s.Cache("fold") != nil {
		t.Error("a cache that was never written is there")
	}
	for _, size := range []int{5 << 20, 0, 100} {
		want := fill("cache", size, size)
		if err := s.PutCache("fold", want); err != nil {
			t.Fatal(err)
		}
		if got := s.Cache("fold"); got == nil || !bytes.Equal(got, want) {
			t.Errorf("cache of %d bytes came back with %d", size, len(got))
		}
	}
	for range 2 { // a cache that is not there is deleted without complaint
		if err := s.DeleteCache("fold"); err != nil || s.Cache("fold") != nil {
			t.Errorf("the cache is not deleted: %v", err)
		}
	}
	s.PutCache("fold", []byte("a snapshot"))
	path := filepath.Join(dir, "cache", "fold")
	whole, _ := os.ReadFile(path)
	for i := range whole {
		for what, b := range map[string][]byte{
			"cut":     whole[:i],
			"changed": append(append(bytes.Clone(whole[:i]), whole[i]^1), whole[i+1:]...),
			"zeroed":  append(bytes.Clone(whole[:i]), make([]byte, len(whole)-i)...),
		} {
			os.WriteFile(path, b, 0o600)
			if got := s.Cache("fold"); got != nil {
				t.Errorf("cache %s at %d reads as %q, want none", what, i, got)
			}
		}
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(3), 3)
	for range 2 {
		_, err := store.Open(dir)
		if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", os.Getpid())) {
			t.Errorf("second Open: %v, want ErrLocked with the process", err)
		}
	}
	if err := check(s); err != nil {
		t.Error(err)
	}
	s.Close()
	open(t, dir).Close()
}

// TestAppendBroken: after a write that failed nothing is appended, for what of it is
// on the disk is not known, until the store is opened again.
func TestAppendBroken(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(10), 5)
	large := *numbered(10)
	large.Body = make([]byte, 3<<20) // more than any record has: Badger refuses it
	if err := s.Append([]*record.Record{&large}); err == nil {
		t.Fatal("Badger takes a value of 3 MiB")
	}
	if err := s.Append(numberedUpTo(11)[10:]); err == nil || !strings.Contains(err.Error(), "until it is opened again") {
		t.Errorf("after a write that failed Append says %v", err)
	}
	s.Close()
	s = open(t, dir)
	defer s.Close()
	appendAll(t, s, numberedUpTo(11)[10:], 1)
	if s.Count() != 11 {
		t.Errorf("opened again it holds %d records, want 11", s.Count())
	}
}
