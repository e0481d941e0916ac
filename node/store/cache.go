package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// Small is a small value and its name.
type Small struct {
	Name  string
	Value []byte
}

func smallKey(name string) []byte { return []byte(string(smallPrefix) + name) }

// SetSmall keeps a small value, such as the id of the co-op, under a name. It
// returns when the value is on the disk.
func (s *Store) SetSmall(name string, value []byte) error {
	if err := s.room(appendRoomBytes); err != nil {
		return err
	}
	return explain(s.dir, s.db.Update(func(txn *badger.Txn) error {
		return txn.Set(smallKey(name), value)
	}))
}

// Small returns the value kept under a name, nil if there is none.
func (s *Store) Small(name string) ([]byte, error) {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(smallKey(name))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(s.dir, err)
	}
	return item.ValueCopy(nil)
}

// A cache is a file of its own: four bytes of checksum, then the value. Badger
// would cut it in pieces, sync each, and copy it about later.

// PutCache replaces a cache as a whole, however large. Its name is a file name;
// one goroutine writes it. Nothing is synced: after a power cut the old value
// may be back, or none.
func (s *Store) PutCache(name string, value []byte) error {
	if s.dir == "" {
		return nil
	}
	if err := s.room(openRoomBytes + uint64(len(value))); err != nil {
		return err
	}
	path := s.cachePath(name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path+".new", append(binary.BigEndian.AppendUint32(nil, cacheSum(value)), value...), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return explain(s.dir, err)
}

// Cache returns a cache, nil if there is none or it is damaged.
func (s *Store) Cache(name string) []byte {
	b, err := os.ReadFile(s.cachePath(name))
	if err != nil || len(b) < 4 || binary.BigEndian.Uint32(b) != cacheSum(b[4:]) {
		return nil
	}
	return b[4:]
}

// DeleteCache deletes a cache; it may be absent.
func (s *Store) DeleteCache(name string) error {
	err := os.Remove(s.cachePath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return explain(s.dir, err)
}

func (s *Store) cachePath(name string) string { return filepath.Join(s.dir, cacheDir, name) }

// cacheSum is never zero: a power cut may leave zeros.
func cacheSum(value []byte) uint32 {
	return crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)) | 1
}
