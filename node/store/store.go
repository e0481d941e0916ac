// Package store keeps one co-op on this machine's disk: its records in the
// order in which this node admitted them, a few small values, and caches. It is
// the only package that knows Badger.
//
// # Folder
//
//	records/   the Badger database: records and small values, synced
//	cache/     a file per cache, not synced, thrown away when damaged
//	count      how many records Append returned for: shows when some are gone
//	staging-…  what a pull stages: a file whose name is taken at once
//	opening/   what Open puts aside until it knows that nothing is missing
//	aside-…/   the same, kept after damage
//
// # Keys
//
// Records have positions 0, 1, 2 … Those of 1,024 positions lie together, first
// their bodies, then their headers. So headers are read in one sweep without
// bodies, and a new record sorts behind all older ones: Badger never rewrites
// old records to make room for new ones.
//
//	'r' block(4) 'b' rest(2)  →  body
//	'r' block(4) 'h' rest(2)  →  signature(64) header; the meta byte says where the body is
//	's' name                  →  a small value
//
// # Promises
//
// What Append returned for survives a crash at any instant, and positions stay
// a prefix without gaps. What is found missing is ErrDamaged; nothing is ever
// deleted to make a damaged store open.
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/gofrs/flock"

	"coop/crdt/record"
)

const (
	syncBytesMax   = 1 << 20 // records written and synced at once; Badger takes 1.2 MB
	syncRecordsMax = 2048    // likewise; Badger takes 13,000 entries
	levelZeroMax   = 8       // tables of 8 MB that wait to be merged: bounds what that takes of the disk
)

// Where the body of a record is.
const (
	bodyStored byte = iota
	bodyEmpty
	bodyHollow
)

const (
	recordPrefix = 'r'
	smallPrefix  = 's'
	bodyPart     = 'b'
	headerPart   = 'h' // behind bodyPart: the last key of all records is a header
	blockBits    = 10  // positions that lie together
)

// What can be wrong with a store. The text of an error that wraps one of these
// says what to do.
var (
	ErrLocked   = errors.New("store is in use")
	ErrDamaged  = errors.New("store is damaged")
	ErrFull     = errors.New("disk is full")
	ErrReadOnly = errors.New("disk is read-only")
)

// Store is the open store of one co-op. One goroutine appends; any number read.
type Store struct {
	db    *badger.DB
	dir   string // "" in memory
	lock  *flock.Flock
	noted *os.File // the count file
	count atomic.Int64

	fixed    error  // why nothing can be written at all: see OpenFixed
	original *Store // what this is a copy of; nil: nothing

	mu     sync.Mutex
	broken error // why nothing can be appended any more; guarded by mu
}

// Open opens the store in dir, or makes an empty one. Errors wrap ErrLocked
// when another process has it open, ErrFull, ErrReadOnly, fs.ErrPermission, or
// ErrDamaged when acknowledged records are missing. After ErrFull and ErrReadOnly
// OpenFixed can still read it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, recordsDir), 0o700); err != nil {
		return nil, explain(dir, err)
	}
	s := &Store{dir: dir, lock: flock.New(dir, flock.SetFlag(os.O_RDONLY))}
	err := s.open()
	if err == nil {
		return s, nil
	}
	if errors.Is(err, ErrDamaged) {
		keepAside(dir)
	}
	s.Close()
	return nil, err
}

func (s *Store) open() error {
	if err := s.takeLock(); err != nil {
		return err
	}
	if err := s.room(openRoomBytes); err != nil {
		return err
	}
	if err := s.sweep(); err != nil {
		return err
	}
	doubtful, err := prepare(s.dir)
	if err != nil {
		return err
	}
	o := tuned(badger.DefaultOptions(filepath.Join(s.dir, recordsDir)))
	if s.room(appendRoomBytes) != nil {
		o.NumCompactors, o.NumLevelZeroTablesStall = 0, math.MaxInt // until it is opened with more room
	}
	db, err := badger.Open(o)
	if err != nil { // db is not nil then, and not usable
		return explain(s.dir, err)
	}
	s.db = db
	s.findCount()
	return s.settle(doubtful)
}

// OpenMemory returns an empty store that never touches the disk and keeps no
// caches, for tests.
func OpenMemory() (*Store, error) {
	db, err := badger.Open(tuned(badger.DefaultOptions("").WithInMemory(true)))
	if err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// tuned sets the sizes of a desktop. Badger's own make sparse files of 2.2 GB
// and take hundreds of megabytes of memory.
func tuned(o badger.Options) badger.Options {
	o.SyncWrites = true
	o.DetectConflicts = false // one writer
	o.MetricsEnabled = false
	o.Logger = logger{}
	o.Compression = options.None // hashes and signatures do not shrink
	o.BlockCacheSize = 0         // the page cache does
	o.ChecksumVerificationMode = options.OnBlockRead
	o.MemTableSize, o.NumMemtables = 8<<20, 2    // a log is twice that, sparse
	o.BaseTableSize, o.BlockSize = 8<<20, 16<<10 // few files, few open descriptors
	o.ValueLogFileSize = 1 << 20                 // unused: every value stands in the tables,
	o.ValueThreshold = 1 << 20                   // as none is larger
	o.NumCompactors = 2
	o.NumLevelZeroTables, o.NumLevelZeroTablesStall = levelZeroMax/2, levelZeroMax
	return o
}

// Close writes what is left in memory and gives the folder free.
func (s *Store) Close() (err error) {
	if s.db != nil {
		err = s.db.Close()
	}
	if s.noted != nil {
		err = errors.Join(err, s.noted.Sync(), s.noted.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	return errors.Join(err, s.closeCopy())
}

// Count returns how many records there are: positions are 0 to Count()-1.
func (s *Store) Count() int { return int(s.count.Load()) }

// Append writes records at the positions from Count() on, in order, and returns
// when they are on the disk: with one sync for each 1 MiB or 2,048 of them.
// When it fails, or the machine stops in the middle, the store holds some first
// part of rs and nothing behind it; after an error other than ErrFull for want
// of room nothing more can be appended until the store is opened again.
// Small values that came of rs are there when the last of them is.
func (s *Store) Append(rs []*record.Record, with ...Small) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	for len(rs) > 0 {
		if err := s.room(appendRoomBytes); err != nil {
			return err
		}
		n := fitting(rs)
		var last []Small
		if n == len(rs) {
			last = with
		}
		if err := s.write(rs[:n], last); err != nil {
			s.broken = fmt.Errorf("store takes no records until it is opened again: %w", explain(s.dir, err))
			return s.broken
		}
		s.count.Add(int64(n))
		s.note()
		rs = rs[n:]
	}
	return nil
}

// fitting returns how many of rs one transaction takes.
func fitting(rs []*record.Record) int {
	size := 0
	for i, r := range rs {
		size += len(r.Raw) + len(r.Body) + 192 // signature, two keys, Badger's own
		if i > 0 && (size > syncBytesMax || i == syncRecordsMax) {
			return i
		}
	}
	return len(rs)
}

func (s *Store) write(rs []*record.Record, with []Small) error {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	for _, v := range with {
		if err := txn.Set(smallKey(v.Name), v.Value); err != nil {
			return err
		}
	}
	for i, r := range rs {
		pos, where := s.Count()+i, bodyStored
		switch {
		case r.Hollow:
			where = bodyHollow
		case len(r.Body) == 0:
			where = bodyEmpty
		default:
			if err := txn.Set(key(pos, bodyPart), r.Body); err != nil {
				return err
			}
		}
		value := append(append(make([]byte, 0, len(r.Sig)+len(r.Raw)), r.Sig[:]...), r.Raw...)
		if err := txn.SetEntry(badger.NewEntry(key(pos, headerPart), value).WithMeta(where)); err != nil {
			return err
		}
	}
	return txn.Commit()
}

func key(pos int, part byte) []byte {
	k := append(make([]byte, 0, 8), recordPrefix)
	k = binary.BigEndian.AppendUint32(k, uint32(pos>>blockBits))
	return binary.BigEndian.AppendUint16(append(k, part), uint16(pos&(1<<blockBits-1)))
}

// findCount finds the count from the last key, which is a header.
func (s *Store) findCount() {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: []byte{recordPrefix}})
	defer it.Close()
	if it.Seek([]byte{recordPrefix, 255, 255, 255, 255, 255}); it.Valid() {
		k := it.Item().Key()
		last := int64(binary.BigEndian.Uint32(k[1:]))<<blockBits | int64(binary.BigEndian.Uint16(k[6:]))
		s.count.Store(last + 1)
	}
}
