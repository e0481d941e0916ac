package store_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStage: what is staged has no name, so that it goes with the program; what
// a crash left in the moment before that goes at the next start.
func TestStage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	f, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("there"), 6); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("hello "), 0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 11)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "hello there" {
		t.Errorf("read %q, %v", b, err)
	}
	staged := func() []string {
		files, err := filepath.Glob(filepath.Join(dir, "staging*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	if got := staged(); len(got) > 0 {
		t.Errorf("a crash now would leave %v", got)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "staging-1"), []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir)
	defer s.Close()
	if got := staged(); len(got) > 0 {
		t.Errorf("%v is still there after a start", got)
	}
}
