package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"coop/node/store"
)

func TestNoPermission(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	open(t, dir).Close()
	if os.Getuid() != 0 {
		os.Chmod(dir, 0)
		defer os.Chmod(dir, 0o700)
	} else { // become somebody else, in this thread only
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Skip(err)
		}
		defer syscall.Setfsuid(0)
	}
	_, err := store.Open(dir)
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open: %v, want permission denied on %s", err, dir)
	}
}

// TestFull appends on a small disk of its own until it is full, then reads all
// of it again beside something else that leaves no room to merge tables in; then
// fills the rest.
func TestFull(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := `mount -t tmpfs -o size=192m none "$STORE_DIR" || exit 77
		STORE_CHILD=append "$0" | tail -n 2
		head -c 48m /dev/zero > "$STORE_DIR/some"
		echo "$(STORE_CHILD=check "$0")"
		head -c 200m /dev/zero > "$STORE_DIR/other" 2>/dev/null
		echo "$(STORE_CHILD=check "$0")"`
	cmd := exec.Command("unshare", "--map-root-user", "--mount", "sh", "-c", script, exe)
	cmd.Env = append(os.Environ(), "STORE_DIR="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 77 || strings.Contains(stderr.String(), "unshare") {
		t.Skipf("no disk of our own here: %v %s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || stderr.Len() > 0 || len(lines) != 4 {
		t.Fatalf("%v: %s%s", err, out, stderr.String())
	}
	var n int
	if fmt.Sscan(lines[0], &n); n < 1000 {
		t.Errorf("%d records fit", n)
	}
	if !strings.Contains(lines[1], store.ErrFull.Error()) || !strings.Contains(lines[1], "make room") {
		t.Errorf("Append on the full disk: %s", lines[1])
	}
	if lines[2] != lines[0] {
		t.Errorf("after a restart: %s, want %d records", lines[2], n)
	}
	if !strings.Contains(lines[3], store.ErrFull.Error()) || !strings.Contains(lines[3], "make room") {
		t.Errorf("Open on the full disk: %s", lines[3])
	}
}

// TestStageFull stages on a small disk of its own: it stops while there is room
// left for records.
func TestStageFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("no disk of our own here: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s := open(t, filepath.Join(dir, "store"))
	defer s.Close()
	f, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := int64(0)
	for err == nil && at < 256<<20 {
		_, err = f.WriteAt(make([]byte, 1<<20), at)
		at += 1 << 20
	}
	if !errors.Is(err, store.ErrFull) || at < 20<<20 {
		t.Errorf("after %d MiB: %v", at>>20, err)
	}
	if _, err := s.Stage(); !errors.Is(err, store.ErrFull) {
		t.Errorf("another: %v", err)
	}
	appendAll(t, s, numberedUpTo(100), 10)
}

// TestKilledReader: the copy of a reader that was killed goes with the next reader; one
// that is read, or was only begun, stays.
func TestKilledReader(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	open(t, dir).Close()
	old, stay := time.Now().Add(-time.Hour), map[string]bool{}
	for _, what := range []string{"killed", "read", "begun"} {
		scratch, err := os.MkdirTemp("/dev/shm", "coop-read-"+what)
		if err != nil {
			t.Skipf("no folder in memory here: %v", err)
		}
		defer os.RemoveAll(scratch)
		stay[scratch] = what != "killed"
		if what == "read" {
			defer open(t, scratch).Close()
		}
		if what != "begun" {
			if err := os.Chtimes(scratch, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := store.OpenFixed(dir, store.ErrReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for scratch, want := range stay {
		if _, err := os.Stat(scratch); (err == nil) != want {
			t.Errorf("%s stays: %v, want %v", scratch, err == nil, want)
		}
	}
}

// TestFixed reads a store on a disk that is full, and on one that is read-only, in the
// state that a closed store leaves and in that of a killed process.
func TestFixed(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("no disk of our own here: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	live := open(t, filepath.Join(t.TempDir(), "live"))
	appendAll(t, live, numberedUpTo(150), 50)
	if err := live.PutCache("fold", []byte("folded")); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"killed", "closed"} {
		if state == "closed" {
			live.Close()
		}
		copyTree(t, live.Dir(), filepath.Join(dir, state))
	}
	ballast := filepath.Join(dir, "ballast")
	for _, disk := range []struct {
		what string
		make func() error
		want error
	}{
		{"full", func() error { return os.WriteFile(ballast, make([]byte, 70<<20), 0o600) }, store.ErrFull},
		{"read-only", func() error {
			return errors.Join(os.Remove(ballast), syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		}, store.ErrReadOnly},
	} {
		if err := disk.make(); err != nil {
			t.Fatal(err)
		}
		for _, state := range []string{"killed", "closed"} {
			path := filepath.Join(dir, state)
			_, why := store.Open(path)
			if !errors.Is(why, disk.want) || errors.Is(why, store.ErrDamaged) {
				t.Fatalf("%s, %s: Open says %v, want %v", state, disk.what, why, disk.want)
			}
			s, err := store.OpenFixed(path, why)
			if err != nil {
				t.Fatalf("%s, %s: %v", state, disk.what, err)
			}
			if err := check(s); err != nil || s.Count() != 150 || string(s.Cache("fold")) != "folded" {
				t.Errorf("%s, %s: %d records, cache %q, %v", state, disk.what, s.Count(), s.Cache("fold"), err)
			}
			_, staged := s.Stage()
			for what, err := range map[string]error{"Append": s.Append(numberedUpTo(1)), "SetSmall": s.SetSmall("x", nil), "PutCache": s.PutCache("x", nil), "Stage": staged, "Room": s.Room(), "Fixed": s.Fixed()} {
				if !errors.Is(err, disk.want) {
					t.Errorf("%s, %s: %s says %v", state, disk.what, what, err)
				}
			}
			if _, err := store.OpenFixed(path, why); !strings.Contains(err.Error(), store.ErrLocked.Error()) {
				t.Errorf("%s, %s: opened twice: %v", state, disk.what, err)
			}
			copied := s.Dir()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(copied); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %s: the copy is still there: %v", state, disk.what, err)
			}
		}
	}
}
