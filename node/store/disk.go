package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

const (
	recordsDir  = "records"
	countFile   = "count"
	openingDir  = "opening"
	cacheDir    = "cache"
	asideFormat = "aside-20060102-150405.000"
)

// Badger writes through memory maps of sparse files: on a full disk that ends
// the process. So a store is not opened with less room than its logs may take,
// nothing is appended with less than a flush and a compaction may take, and a
// store opened with less than that is not compacted.
const (
	openRoomBytes   = 32 << 20
	appendRoomBytes = 96 << 20                // two logs to flush, levelZeroMax tables to merge
	beginRoomBytes  = appendRoomBytes + 8<<20 // what was begun with so much left can be appended
)

// Room says that the disk has too little room to begin anything that will be
// appended; the error wraps ErrFull. There may be room again later.
func (s *Store) Room() error { return s.room(beginRoomBytes) }

// room refuses when the disk has less than need bytes left for this user.
func (s *Store) room(need uint64) error {
	if s.fixed != nil {
		return s.fixed
	}
	var disk syscall.Statfs_t
	if s.dir == "" || syscall.Statfs(s.dir, &disk) != nil {
		return nil
	}
	if free := uint64(disk.Bavail) * uint64(disk.Bsize); free < need {
		return fmt.Errorf("%w: %s has %d MB left, coop needs %d MB; make room and try again", ErrFull, s.dir, free>>20, need>>20)
	}
	return nil
}

// takeLock keeps other processes out before anything in the folder is touched.
func (s *Store) takeLock() error {
	ok, err := s.lock.TryLock()
	if err != nil {
		return explain(s.dir, err)
	}
	if !ok {
		by := "another process"
		if pid, _ := os.ReadFile(filepath.Join(s.dir, recordsDir, "LOCK")); len(bytes.TrimSpace(pid)) > 0 { // Badger's
			by = "process " + string(bytes.TrimSpace(pid))
		}
		return fmt.Errorf("%w: %s has %s open; stop it with: coop down", ErrLocked, by, s.dir)
	}
	return nil
}

// prepare looks at the folder before Badger does: Badger deletes tables that its
// manifest does not name, cuts its logs at the first bad byte, and ends the
// process at a cut table. Damage that prepare finds leaves everything as it is;
// what Badger may delete or cut is first put into opening/. A store that was
// closed has nothing of the kind: doubtful is false.
func prepare(dir string) (doubtful bool, err error) {
	db := filepath.Join(dir, recordsDir)
	files, err := os.ReadDir(db)
	if err != nil {
		return false, explain(dir, err)
	}
	named, torn, err := manifest(filepath.Join(db, badger.ManifestFilename))
	if err != nil {
		return false, damaged(dir, "records/MANIFEST cannot be read: "+err.Error())
	}
	unsafe := map[string]func(from, to string) error{}
	if torn {
		unsafe[badger.ManifestFilename] = copyFile
	}
	for _, f := range files {
		id, isTable := table.ParseFileID(f.Name())
		isLog := filepath.Ext(f.Name()) == ".mem"
		info, err := f.Info()
		switch {
		case err != nil:
			return false, explain(dir, err)
		case named == nil && (isTable || isLog):
			return false, damaged(dir, "records/MANIFEST is missing")
		case isTable && named[id]:
			if !whole(filepath.Join(db, f.Name())) {
				return false, damaged(dir, "records/"+f.Name()+" is cut off or overwritten")
			}
		case isTable, info.Size() == 0: // a log or value log without a byte does not open
			unsafe[f.Name()] = os.Rename
		case isLog:
			unsafe[f.Name()] = copyFile
		}
	}
	if err := putAside(dir, unsafe); err != nil {
		return false, explain(dir, err)
	}
	_, err = os.Stat(filepath.Join(dir, openingDir)) // maybe of an Open that was killed
	return err == nil, nil
}

// manifest returns the ids of the tables that Badger's manifest names, nil if
// there is none, and whether its end is torn off.
func manifest(path string) (named map[uint64]bool, torn bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	m, end, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions("").WithLogger(nil))
	named = make(map[uint64]bool, len(m.Tables))
	for id := range m.Tables {
		named[id] = true
	}
	size, _ := f.Seek(0, io.SeekEnd)
	return named, size != end, err
}

// whole checks the end of a table: the index and its checksum, each followed by
// its length. Blocks have checksums of their own, checked when they are read.
func whole(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	end, _ := f.Seek(0, io.SeekEnd)
	part := func() []byte { // zeros where the file cannot be read
		size := make([]byte, 4)
		f.ReadAt(size, end-4)
		b := make([]byte, max(0, min(int64(binary.BigEndian.Uint32(size)), end)))
		end -= 4 + int64(len(b))
		f.ReadAt(b, end)
		return b
	}
	sum := &pb.Checksum{}
	err = proto.Unmarshal(part(), sum)
	index := part()
	return err == nil && len(index) > 0 && sum.Algo == pb.Checksum_CRC32C && y.VerifyChecksum(index, sum) == nil
}

// putAside puts files of records/ into a new folder inside opening/.
func putAside(dir string, files map[string]func(from, to string) error) error {
	if len(files) == 0 {
		return nil
	}
	err := os.MkdirAll(filepath.Join(dir, openingDir), 0o700)
	if err != nil {
		return err
	}
	to, err := os.MkdirTemp(filepath.Join(dir, openingDir), "")
	for name, put := range files {
		if err == nil {
			err = put(filepath.Join(dir, recordsDir, name), filepath.Join(to, name))
		}
	}
	return err
}

// keepAside keeps what was put aside, after damage.
func keepAside(dir string) {
	err := os.Rename(filepath.Join(dir, openingDir), filepath.Join(dir, time.Now().Format(asideFormat)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Error("store: keeping what was put aside", "error", err)
	}
}

// copyFile copies without the zeros behind the end, which are most of a log.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, bytes.TrimRight(b, "\x00"), 0o600)
}

// settle compares what was found with what was acknowledged. What was put aside
// was needless when nothing is missing.
func (s *Store) settle(doubtful bool) (err error) {
	if s.noted, err = os.OpenFile(filepath.Join(s.dir, countFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return explain(s.dir, err)
	}
	b, _ := io.ReadAll(s.noted)
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n > s.Count() {
		return damaged(s.dir, fmt.Sprintf("%d of %d records are there", s.Count(), n))
	}
	if doubtful {
		if err := s.verify(); err != nil {
			return err
		}
	}
	s.note()
	return explain(s.dir, errors.Join(s.noted.Sync(), os.RemoveAll(filepath.Join(s.dir, openingDir))))
}

// note writes down how many records were acknowledged. It is not synced: after
// a power cut it may be behind or torn, never ahead, and then only notices less.
func (s *Store) note() {
	if s.noted == nil {
		return
	}
	if _, err := s.noted.WriteAt(fmt.Appendf(nil, "%020d\n", s.Count()), 0); err != nil {
		slog.Error("store: count", "error", err)
	}
}

func damaged(dir, what string) error {
	return fmt.Errorf("%w: %s: %s. Nothing was deleted. Check the disk, then move the folder %s away: "+
		"`coop up` then fetches the records from other members' computers. Nobody else has them yet? Then put the whole folder back from a backup", ErrDamaged, dir, what, dir)
}

// explain adds to an error of the system what to do about it; anything else
// that Badger says about its files is damage.
func explain(dir string, err error) error {
	is := func(nos ...syscall.Errno) bool {
		return slices.ContainsFunc(nos, func(no syscall.Errno) bool { // Badger passes on the text only
			return errors.Is(err, no) || strings.Contains(err.Error(), no.Error())
		})
	}
	switch {
	case err == nil:
		return nil
	case is(syscall.EROFS):
		return fmt.Errorf("%w: %s cannot be written; have the disk mounted for writing, or look whether it is failing, and try again: %w", ErrReadOnly, dir, err)
	case is(syscall.EACCES, syscall.EPERM):
		return fmt.Errorf("%w on %s: give it to yourself with chown, or choose another home: %w", fs.ErrPermission, dir, err)
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return fmt.Errorf("%w: make room for %s and try again: %w", ErrFull, dir, err)
	case is(syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOTDIR), errors.Is(err, badger.ErrDBClosed), errors.Is(err, badger.ErrBlockedWrites):
		return fmt.Errorf("store %s: %w", dir, err)
	}
	return damaged(dir, err.Error())
}

// logger passes Badger's errors on.
type logger struct{}

func (logger) Errorf(format string, args ...any) {
	slog.Error("store: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}
func (logger) Warningf(string, ...any) {}
func (logger) Infof(string, ...any)    {}
func (logger) Debugf(string, ...any)   {}
