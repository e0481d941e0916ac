package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	memoryDir  = "/dev/shm"   // a folder that is on no disk, on Linux
	copyPrefix = "coop-read-" // of the folder of a copy
	copyYoung  = time.Minute  // a copy may be under way that is in nobody's hands yet
)

// OpenFixed opens a store whose disk cannot be written, for why, as Open said. What
// is there can be read: from a copy, in memory where that can be, for Badger writes
// also where it is only to read. All that writes is refused with why.
func OpenFixed(dir string, why error) (*Store, error) {
	s, err := openCopy(dir)
	if err != nil {
		return nil, fmt.Errorf("%w; nor can it be read meanwhile: %v", why, err)
	}
	s.fixed = why
	return s, nil
}

// Fixed says why nothing can be written to this store, or nil.
func (s *Store) Fixed() error { return s.fixed }

func openCopy(dir string) (*Store, error) {
	original := &Store{dir: dir, lock: flock.New(dir, flock.SetFlag(os.O_RDONLY))}
	if err := original.takeLock(); err != nil {
		return nil, err
	}
	in := os.TempDir()
	if info, err := os.Stat(memoryDir); err == nil && info.IsDir() {
		in = memoryDir
	}
	sweep(in)
	scratch, err := os.MkdirTemp(in, copyPrefix)
	if err == nil {
		err = copyStore(dir, scratch)
	}
	var s *Store
	if err == nil {
		s, err = Open(scratch)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(scratch), original.Close())
	}
	s.original = original
	return s, nil
}

// sweep removes copies whose process was killed: they hold what members wrote, and
// memory. Who reads one holds its lock; those of other users cannot be opened.
func sweep(in string) {
	all, _ := filepath.Glob(filepath.Join(in, copyPrefix+"*"))
	for _, dir := range all {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < copyYoung {
			continue
		}
		lock := flock.New(dir, flock.SetFlag(os.O_RDONLY))
		if ok, err := lock.TryLock(); err == nil && ok {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// closeCopy gives the original free and removes the copy.
func (s *Store) closeCopy() error {
	if s.original == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(s.dir), s.original.Close())
}

// copyStore copies what Open reads. Logs are sparse, and stay so.
func copyStore(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		switch first, _, _ := strings.Cut(filepath.ToSlash(rel), "/"); {
		case err != nil:
			return err
		case rel == ".":
			return nil
		case first != recordsDir && first != cacheDir && first != countFile:
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		}
		if err := copyFile(path, filepath.Join(to, rel)); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Truncate(filepath.Join(to, rel), info.Size())
	})
}
