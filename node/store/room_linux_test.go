package store

import (
	"fmt"
	"syscall"
	"testing"
)

// TestNotMerged: on a disk with little room tables are not merged, which would end
// the process; whether Badger wants to just then is chance.
func TestNotMerged(t *testing.T) {
	for _, bytes := range []uint64{openRoomBytes + 8<<20, beginRoomBytes + 8<<20} {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", bytes)); err != nil {
			t.Skipf("no disk of our own here: %v", err)
		}
		defer syscall.Unmount(dir, syscall.MNT_DETACH)
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if merges := s.db.Opts().NumCompactors > 0; merges != (bytes > appendRoomBytes) {
			t.Errorf("with %d MB left it merges tables: %v", bytes>>20, merges)
		}
	}
}
