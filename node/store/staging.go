package store

import (
	"os"
	"path/filepath"
)

// stagingRoomBytes is what staging leaves free: what a peer sends may keep
// nobody here from writing.
const stagingRoomBytes = beginRoomBytes + 64<<20

const stagingFormat = "staging-*"

// Staging is a file for what may not be taken yet. It has no name: closed, or
// when the program ends in whatever way, it is gone.
type Staging struct {
	*os.File
	store *Store
}

// Stage returns an empty Staging.
func (s *Store) Stage() (*Staging, error) {
	if err := s.room(stagingRoomBytes); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.dir, stagingFormat)
	if err != nil {
		return nil, explain(s.dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, explain(s.dir, err)
	}
	return &Staging{f, s}, nil
}

// WriteAt is that of a file, but the error wraps ErrFull before the disk is full.
func (s *Staging) WriteAt(b []byte, at int64) (int, error) {
	if err := s.store.room(stagingRoomBytes); err != nil {
		return 0, err
	}
	n, err := s.File.WriteAt(b, at)
	return n, explain(s.store.dir, err)
}

// sweep deletes what a crash left between making a Staging and taking its name.
func (s *Store) sweep() error {
	left, err := filepath.Glob(filepath.Join(s.dir, stagingFormat))
	for _, path := range left {
		if err == nil {
			err = os.Remove(path)
		}
	}
	return explain(s.dir, err)
}
