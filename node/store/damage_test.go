package store_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDamage cuts, changes and removes each file of a store, in the state that
// a killed process leaves and in that of a closed one. Whatever happens, the
// store says that it is damaged or holds all that was acknowledged; and what
// was readable before is not deleted.
func TestDamage(t *testing.T) {
	const n = 150
	killed, closed := t.TempDir(), t.TempDir()
	s := open(t, closed)
	appendAll(t, s, numberedUpTo(n)[:n/2], 50)
	s.Close() // a table
	s = open(t, closed)
	appendAll(t, s, numberedUpTo(n)[n/2:], 50)
	copyTree(t, closed, killed) // and a log
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, base := range []struct{ state, dir string }{{"killed", killed}, {"closed", closed}} {
		for _, name := range []string{"MANIFEST", "KEYREGISTRY", "000001.sst", "000002.sst", "00001.mem", "000001.vlog"} {
			b, err := os.ReadFile(filepath.Join(base.dir, "records", name))
			if err != nil {
				continue
			}
			seen[name]++
			bookkeeping := name == "KEYREGISTRY" || name == "000001.vlog" // no record is in it
			used := len(bytes.TrimRight(b, "\x00"))
			change := func(at int) []byte {
				c := bytes.Clone(b)
				c[at] ^= 0x55
				return c
			}
			for _, d := range []struct {
				what string
				now  []byte
				lost bool // acknowledged records are gone for certain
			}{
				{"removed", nil, true},
				{"emptied", []byte{}, true},
				{"cut in the middle", b[:used/2], true},
				{"without its last 13 bytes", b[:max(used-13, 0)], true},
				{"with its first byte changed", change(0), true},
				{"with a byte in the middle changed", change(used / 2), true},
				{"with its last byte changed", change(max(used-1, 0)), false},
			} {
				if bookkeeping && base.state == "killed" && testing.Short() {
					continue
				}
				t.Run(base.state+"/"+name+" "+d.what, func(t *testing.T) {
					dir := t.TempDir()
					copyTree(t, base.dir, dir)
					path := filepath.Join(dir, "records", name)
					if d.now == nil {
						os.Remove(path)
					} else if err := os.WriteFile(path, d.now, 0o600); err != nil {
						t.Fatal(err)
					}
					for range 2 { // the verdict stays
						out, err := child(t, "check", dir).Output() // the log is on stderr
						got := strings.TrimSpace(string(out))
						whole := got == fmt.Sprint(n)
						if err != nil || !whole && !strings.HasPrefix(got, "damaged") {
							t.Fatalf("the check says %v, %s", err, got)
						}
						if whole && d.lost && !bookkeeping {
							t.Fatal("the store opened as if nothing was lost")
						}
						if whole {
							break
						}
						wantKept(t, base.dir, dir, name)
					}
				})
			}
		}
	}
	if seen["000001.sst"] != 2 || seen["00001.mem"] != 1 || seen["000002.sst"] != 1 {
		t.Errorf("files seen %v: want a table and a log when killed, two tables when closed", seen)
	}
}

// wantKept checks that each table and log of base, but the one that was damaged,
// is still somewhere in dir, byte for byte.
func wantKept(t *testing.T, base, dir, damaged string) {
	t.Helper()
	var kept [][]byte
	walk(t, dir, func(_, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, bytes.TrimRight(b, "\x00"))
	})
	walk(t, filepath.Join(base, "records"), func(rel, path string) {
		if ext := filepath.Ext(rel); rel == damaged || ext != ".sst" && ext != ".mem" {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.TrimRight(b, "\x00")
		if !slices.ContainsFunc(kept, func(k []byte) bool { return bytes.Equal(k, b) }) {
			t.Errorf("%s is nowhere any more", rel)
		}
	})
}

// TestOldRecords puts an older copy of the records under a newer count.
func TestOldRecords(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(10), 5)
	s.Close()
	copyTree(t, dir, old)
	s = open(t, dir)
	appendAll(t, s, numberedUpTo(20)[10:], 5)
	s.Close()
	os.RemoveAll(filepath.Join(dir, "records"))
	copyTree(t, filepath.Join(old, "records"), filepath.Join(dir, "records"))
	wantDamaged(t, dir, "10 of 20 records are there")

	// A member who has nobody to fetch from goes on with what is there.
	os.Remove(filepath.Join(dir, "count"))
	s = open(t, dir)
	defer s.Close()
	if s.Count() != 10 {
		t.Errorf("without the count file Count is %d, want 10", s.Count())
	}
}

// TestNoManifest loses everything that tells that there were records, but them.
func TestNoManifest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(10), 10)
	s.Close()
	os.Remove(filepath.Join(dir, "records", "MANIFEST"))
	os.Remove(filepath.Join(dir, "count"))
	wantDamaged(t, dir, "records/MANIFEST is missing")
}

// TestHiddenGap loses a table in the middle: the count alone does not show it.
func TestHiddenGap(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(10), 10)
	s.Close() // table 1
	manifest, _ := os.ReadFile(filepath.Join(dir, "records", "MANIFEST"))
	s = open(t, dir)
	appendAll(t, s, numberedUpTo(20)[10:], 10)
	s.Close() // table 2
	s = open(t, dir)
	appendAll(t, s, numberedUpTo(30)[20:], 10)
	killed := t.TempDir()
	copyTree(t, dir, killed) // the rest in a log
	s.Close()
	os.WriteFile(filepath.Join(killed, "records", "MANIFEST"), manifest, 0o600)
	wantDamaged(t, killed, "record 10 of 30 is not there")
	wantDamaged(t, killed, "record 10 of 30 is not there")
}

// TestEmptyLogs opens what a process leaves that is killed between making a log
// and sizing it.
func TestEmptyLogs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(10), 10)
	s.Close()
	for _, name := range []string{"00009.mem", "000009.vlog"} {
		os.WriteFile(filepath.Join(dir, "records", name), nil, 0o600)
	}
	s = open(t, dir)
	defer s.Close()
	if err := check(s); err != nil || s.Count() != 10 {
		t.Errorf("%d records, %v, want 10", s.Count(), err)
	}
}

// TestAsideStays goes on without the records that are lost: the tables that
// hold them stay.
func TestAsideStays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	appendAll(t, s, numberedUpTo(10), 10)
	s.Close()
	manifest := filepath.Join(dir, "records", "MANIFEST")
	if err := os.Truncate(manifest, 20); err != nil { // the end is torn off
		t.Fatal(err)
	}
	wantDamaged(t, dir, "0 of 10 records are there")
	os.Remove(filepath.Join(dir, "count"))
	s = open(t, dir)
	defer s.Close()
	if found, _ := filepath.Glob(filepath.Join(dir, "aside-*", "*", "000001.sst")); len(found) != 1 {
		t.Errorf("the table is in %q, want it aside", found)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "aside-*", "*", "MANIFEST")); len(found) != 1 {
		t.Errorf("the manifest is in %q, want it aside", found)
	}
}

func wantDamaged(t *testing.T, dir, why string) {
	t.Helper()
	out, err := child(t, "check", dir).Output() // the log is on stderr
	if err != nil || !strings.HasPrefix(string(out), "damaged") || !strings.Contains(string(out), why) {
		t.Errorf("the check says %v, %s; want damaged, %q", err, out, why)
	}
}

func child(t testing.TB, mode, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "STORE_CHILD="+mode, "STORE_DIR="+dir)
	return cmd
}

func walk(t testing.TB, dir string, fn func(rel, path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, path)
			fn(rel, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyTree copies a folder; the zeros at the end of a file become a hole.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	walk(t, from, func(rel, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, bytes.TrimRight(b, "\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(to, int64(len(b))); err != nil {
			t.Fatal(err)
		}
	})
}
